"""What is measured: each case makes its input, measures, and yields rows."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial

import tensorflow as tf

import tf_ckpt_migrate as tcm
from benchmarks import fresh, guide, inputs
from benchmarks.live import planning, restoring, restoring_many
from benchmarks.peers import peers
from benchmarks.saving import saving, training
from benchmarks.scale import many_keys, sharded, threads
from benchmarks.sizes import Sizes
from benchmarks.suggesting import suggesting
from benchmarks.timing import Row, Seconds, at_least, at_most, curve, in_turn

__all__ = ["CASES", "Case"]

GUIDE = "guide"


Case = Callable[[str, Sizes], Iterator[Row]]


Conversion = Callable[[str, str], object]


def conversions(
    peer: Conversion, ours: Conversion, source: str, out: str, repeats: int
) -> list[Seconds]:
    """Return the seconds of both until the result is on the disk.

    Ours returns when it is; the peer's files are waited for.
    """

    def theirs() -> None:
        peer(source, out)
        inputs.settled(out)

    prepare = partial(inputs.removed, out)
    return in_turn(theirs, partial(ours, source, out), prepare=prepare, repeats=repeats)


def to_tf2(folder: str, sizes: Sizes) -> Iterator[Row]:
    """TF1 to TF2: time, memory and bytes read."""
    source = inputs.saved(f"{folder}/in", sizes.tensors, sizes.nbytes)
    out = f"{folder}/out"
    peer, ours = guide.convert_tf1_to_tf2, tcm.convert_tf1_to_tf2
    seconds = conversions(peer, ours, source, out, sizes.repeats)
    yield at_least(1000, f"TF1 to TF2, {sizes.large}", GUIDE, seconds)
    yield from costs(source, out, sizes)


def costs(source: str, out: str, sizes: Sizes) -> Iterator[Row]:
    """Memory and reading, each in fresh processes."""
    found: dict[str, list[dict[str, int]]] = {"guide": [], "ours": []}
    for _ in range(sizes.repeats):
        for who, runs in found.items():
            inputs.removed(out)
            runs.append(fresh.cost(who, source, out))
    theirs, ours = (
        {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        for runs in found.values()
    )
    worst = max(run["peak"] for run in found["ours"])
    yield Row(
        "its peak memory, over that before",
        f"{GUIDE}: {theirs['peak'] / 1e6:,.0f} MB",
        f"{ours['peak'] / 1e6:.1f} MB",
        f"{theirs['peak'] / ours['peak']:,.0f}x less (worst {worst / 1e6:.1f} MB)",
        "below 20 MB",
        worst < 20e6,
    )
    yield Row(
        "its reads; data shards opened",
        f"{GUIDE}: {theirs['read'] / 1e6:,.1f} MB",
        f"{ours['read'] / 1e6:.1f} MB (modules, index); {ours['shards']:.0f} shards",
        "",
        "0 shards",
        ours["shards"] == 0,
    )


def to_tf1(folder: str, sizes: Sizes) -> Iterator[Row]:
    """TF2 to TF1."""
    count, nbytes = sizes.tensors, sizes.nbytes
    source = inputs.saved(f"{folder}/in", count, nbytes, objects=True)
    out = f"{folder}/out"
    peer, ours = guide.convert_tf2_to_tf1, tcm.convert_tf2_to_tf1
    seconds = conversions(peer, ours, source, out, sizes.repeats)
    yield at_least(1000, f"TF2 to TF1, {sizes.large}", GUIDE, seconds)


def many_tensors(folder: str, sizes: Sizes) -> Iterator[Row]:
    """Many small tensors, where the index is all the work."""
    source = inputs.saved(f"{folder}/in", sizes.many, 400 * sizes.many)
    out = f"{folder}/out"
    peer, ours = guide.convert_tf1_to_tf2, tcm.convert_tf1_to_tf2
    repeats = min(3, sizes.repeats)  # the peer takes a minute
    seconds = conversions(peer, ours, source, out, repeats)
    what = f"TF1 to TF2, {sizes.many:,} tensors of 400 B"
    yield at_least(100, what, GUIDE, seconds)


def growth(folder: str, sizes: Sizes) -> Iterator[Row]:
    """Time per key, from few keys to many."""
    out = f"{folder}/out"
    acts = [
        partial(tcm.convert_tf1_to_tf2, inputs.holes(f"{folder}/{n}", n, 400 * n), out)
        for n in sizes.keys
    ]
    prepare = partial(inputs.removed, out)
    found = in_turn(*acts, prepare=prepare, repeats=min(3, sizes.repeats))
    each = [
        [second / count for second in seconds]
        for count, seconds in zip(sizes.keys, found, strict=True)
    ]
    what = f"time per key, {sizes.keys[0]:,} and {sizes.keys[-1]:,} keys"
    row = at_most(1.25, what, "ours, few keys", [each[0], each[-1]])
    yield curve(row, "keys", dict(zip(sizes.keys, found, strict=True)))


def sparse(folder: str, sizes: Sizes) -> Iterator[Row]:
    """A checkpoint far larger than the disk: its data file is a hole."""
    some = sizes.nbytes, 30 * sizes.nbytes, sizes.sparse
    out = f"{folder}/out"
    sources = [inputs.holes(f"{folder}/{n}", sizes.tensors, n) for n in some]
    seconds = in_turn(
        *(partial(tcm.convert_tf1_to_tf2, source, out) for source in sources),
        prepare=partial(inputs.removed, out),
        repeats=4 * sizes.repeats,
    )
    what = f"TF1 to TF2, {sizes.sparse >> 30:,} GiB (a file with holes)"
    ends = [seconds[0], seconds[-1]]
    row = at_most(1.25, what, f"ours, {sizes.nbytes / 1e9:g} GB", ends)
    yield curve(row, "bytes", dict(zip(some, seconds, strict=True)))


def inspect(folder: str, sizes: Sizes) -> Iterator[Row]:
    """A look at a checkpoint from the shell, as whole processes."""
    prefix = inputs.saved(f"{folder}/in", sizes.inspected, 400 * sizes.inspected)
    peer = ["tensorflow.python.tools.inspect_checkpoint", f"--file_name={prefix}"]
    seconds = in_turn(
        partial(process, *peer),
        partial(process, "tf_ckpt_migrate", "inspect", prefix),
        prepare=bool,
        repeats=sizes.repeats,
    )
    what = f"inspect {sizes.inspected} keys, whole process"
    yield at_least(15, what, "inspect_checkpoint", seconds)


def process(*module: str) -> None:
    """Run a module in a new process."""
    command = [sys.executable, "-m", *module]
    subprocess.run(command, env=fresh.environment(), capture_output=True, check=True)


def reading(folder: str, sizes: Sizes) -> Iterator[Row]:
    """All tensors, with their checksums verified."""
    prefix = inputs.saved(f"{folder}/in", sizes.tensors, sizes.nbytes)

    def theirs() -> None:
        reader = tf.train.load_checkpoint(prefix)
        for key in reader.get_variable_to_dtype_map():
            reader.get_tensor(key)

    def ours() -> None:
        reader = tcm.load_checkpoint(prefix)
        for key in reader:
            reader.get_tensor(key)

    seconds = in_turn(theirs, ours, prepare=bool, repeats=sizes.repeats)
    what = f"read and check all of {sizes.nbytes / 1e9:g} GB"
    yield at_least(1, what, "TensorFlow's reader", seconds)


def copying(folder: str, sizes: Sizes) -> Iterator[Row]:
    """What copies data, against the copy of the file alone."""
    source = inputs.saved(f"{folder}/in", sizes.tensors, sizes.nbytes)
    data, out = f"{source}.data-00000-of-00001", f"{folder}/out"
    # The copy is not complete before it is on the disk; ours waits for that.
    copy = f"cp --reflink=never {data} {out} && sync {out}"
    acts = {
        'convert with data="copy"': partial(
            tcm.convert_tf1_to_tf2, source, out, data="copy"
        ),
        "compact": partial(tcm.compact, source, out),
    }
    theirs, *found = in_turn(
        partial(os.system, copy),
        *acts.values(),
        prepare=partial(inputs.removed, out),
        repeats=sizes.repeats,
    )
    for what, ours in zip(acts, found, strict=True):
        which = f"{what}, {sizes.nbytes / 1e9:g} GB"
        yield at_most(1.1, which, "cp --reflink=never, sync", [theirs, ours])


CASES: tuple[Case, ...] = (
    *(to_tf2, to_tf1, many_tensors, growth, sparse),
    *(inspect, reading, copying),
    *(restoring, restoring_many, planning),
    *(saving, training),
    suggesting,
    *(many_keys, sharded, threads),
    peers,
)
