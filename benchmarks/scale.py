"""What grows: keys, shards, and the threads that read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from unittest import mock

import tf_ckpt_migrate as tcm
from benchmarks import fresh, inputs
from benchmarks.sizes import Sizes
from benchmarks.timing import Row, at_least, curve, in_turn
from tf_ckpt_migrate.bundle.reader import cores

__all__ = ["many_keys", "sharded", "threads"]

_MOST = 1000  # bytes of memory for each key: the goal
_KEYS_SHARDED = 10_000


def many_keys(folder: str, sizes: Sizes) -> Iterator[Row]:
    """Memory of a million keys, each act in a new process."""
    count = sizes.keys[-1]
    source = inputs.holes(f"{folder}/in", count, 400 * count)
    other = f"{folder}/renamed"
    tcm.convert(tcm.plan_migration(source), other)
    paths = {
        "inspect": (source,),
        "plan": (source, other),
        "diff": (source, other),
        "verify": (source,),
    }
    for what, of in paths.items():
        found = fresh.cost(what, *of)
        seconds, each = found["milliseconds"] / 1e3, found["peak"] / count
        shards = "" if what == "verify" else f"; {found['shards']} shards opened"
        yield Row(
            f"{what} {count:,} keys, new process",
            "",
            f"{seconds:.3g} s, {found['peak'] / 1e6:,.0f} MB",
            f"{each:,.0f} bytes a key{shards}",
            f"below {_MOST:,} bytes a key",
            each < _MOST,
            {"ours": [seconds]},
        )


def sharded(folder: str, sizes: Sizes) -> Iterator[Row]:
    """Time by the number of shards that are linked."""
    count = min(_KEYS_SHARDED, sizes.keys[-1])
    out = f"{folder}/out"
    sources = [
        inputs.holes(f"{folder}/{shards}", count, 400 * count, shards)
        for shards in sizes.shards
    ]
    found = in_turn(
        *(partial(tcm.convert_tf1_to_tf2, source, out) for source in sources),
        prepare=partial(inputs.removed, out),
        repeats=min(3, sizes.repeats),
    )
    most = sizes.shards[-1]
    row = Row(
        f"TF1 to TF2, {count:,} keys in {most:,} shards",
        f"ours, in one: {min(found[0]):.3g} s",
        f"{min(found[-1]):.3g} s",
        f"{(min(found[-1]) - min(found[0])) / most * 1e6:,.0f} µs a shard",
        "below 1 ms a shard",
        min(found[-1]) - min(found[0]) < most / 1e3,
        {"ours, in one": found[0], "ours": found[-1]},
    )
    yield curve(row, "shards", dict(zip(sizes.shards, found, strict=True)))


def threads(folder: str, sizes: Sizes) -> Iterator[Row]:
    """Reading all with one thread and with all, from the cache."""
    source = inputs.saved(f"{folder}/in", sizes.tensors, sizes.nbytes)
    other = inputs.saved(f"{folder}/other", sizes.tensors, sizes.nbytes)
    for what, act in {
        "verify": partial(tcm.verify_checkpoint, source),
        "diff": partial(tcm.diff_checkpoints, source, other),
    }.items():
        found = in_turn(
            partial(_with_threads, 1, act),
            partial(_with_threads, cores(), act),
            prepare=bool,
            repeats=2 * sizes.repeats,
        )
        which = f"{what} {sizes.large}, with {cores()} threads"
        yield at_least(1.5, which, "ours, one thread", found)


def _with_threads(number: int, act: partial[object]) -> None:
    with mock.patch.dict(os.environ, {"TF_CKPT_MIGRATE_THREADS": str(number)}):
        act()
