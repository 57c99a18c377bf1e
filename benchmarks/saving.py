"""Saving for both worlds, beside TensorFlow's classes that save for one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

import tf_ckpt_migrate as tcm
from benchmarks import inputs
from benchmarks.sizes import Sizes
from benchmarks.timing import Row, at_most, in_turn
from tf_ckpt_migrate.bundle.commit import flushed

__all__ = ["saving", "training"]

_PEER = "tf.train.Checkpoint.save"


def saving(folder: str, sizes: Sizes) -> Iterator[Row]:
    """Large variables: what two keys for the same bytes cost."""
    names, length = inputs.names(sizes.tensors), sizes.nbytes // sizes.tensors // 4
    variables = {n: tf.Variable(tf.random.normal([length]), name=n) for n in names}
    stock = tf.train.Checkpoint(vars=variables)
    saver = tf.compat.v1.train.Saver(variables)
    dual = tcm.Checkpoint(vars=variables).saving(keys="both")
    out = Path(folder, "out")

    def by_stock() -> None:
        stock.save(out / "stock")

    def by_stock_to_disk() -> None:
        stock.save(out / "stock")
        wait_for(out)

    def by_both() -> None:
        stock.save(out / "object")
        saver.save(None, str(out / "name"))
        wait_for(out)

    unsafe, one, two, ours = in_turn(
        by_stock,
        by_stock_to_disk,
        by_both,
        partial(dual.save, out / "dual"),
        prepare=partial(emptied, out),
        repeats=sizes.repeats,
    )
    what = f"save {sizes.large}, for both worlds"
    yield at_most(1.05, f"{what}, on the disk", _PEER, [one, ours])
    yield at_most(1.05, f"{what}", f"{_PEER}, not waiting for the disk", [unsafe, ours])
    yield at_most(0.55, f"{what}, on the disk", "Checkpoint and Saver", [two, ours])
    yield space(stock, dual, out)


def space(stock: Any, dual: Any, out: Path) -> Row:
    """Return the row of the disk that a save takes."""
    taken: list[int] = []
    for checkpoint in (stock, dual):
        emptied(out)
        checkpoint.save(out / "m")
        taken.append(sum(path.stat().st_size for path in out.iterdir()))
    ratio = taken[1] / taken[0]
    return Row(
        "its disk",
        f"{_PEER}: {taken[0] / 1e6:,.1f} MB",
        f"{taken[1] / 1e6:,.1f} MB",
        f"{ratio:.4f}x",
        "1.01x",
        ratio <= 1.01,
    )


def training(folder: str, sizes: Sizes) -> Iterator[Row]:
    """What the callback adds to steps of Keras, when it saves at every 100th."""
    width, batch = (1024, 256) if sizes.nbytes > 1e8 else (64, 8)
    model = tf.keras.Sequential(
        [tf.keras.layers.Dense(width, "relu"), tf.keras.layers.Dense(width)]
    )
    model.compile("adam", "mse")
    steps = 300
    data = np.ones([batch * steps, width], np.float32)
    out = Path(folder, "out")
    stock = tf.train.Checkpoint(model)

    class Writing(tf.keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            del logs
            if batch % 100 == 99:
                stock.write(out / f"ckpt-{batch}")

    def fit(*callbacks: Any) -> None:
        model.fit(data, data, batch_size=batch, verbose=0, callbacks=[*callbacks])

    saving = tcm.keras.DualModelCheckpoint(out / "ckpt-{batch}", save_freq=100)
    alone, one, ours = in_turn(
        fit,
        lambda: fit(Writing()),
        partial(fit, saving),
        prepare=partial(emptied, out),
        repeats=sizes.repeats,
    )
    what = f"{steps} steps of Keras' fit, saving at every 100th"
    yield at_most(1.05, what, "fit alone", [alone, ours])
    yield at_most(1.05, what, "saving by tf.train.Checkpoint.write", [one, ours])


def emptied(folder: Path) -> None:
    """Make a folder anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


def wait_for(folder: Path) -> None:
    """Wait until the files of a folder are on the disk, as ours are."""
    for path in (*folder.iterdir(), folder):
        flushed(str(path))
