"""Suggesting a map: how long it takes, and how much of it is right."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import tf_ckpt_migrate as tcm
from benchmarks.sizes import Sizes
from benchmarks.timing import Row, at_least, in_turn
from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.index import HEADER_KEY, serialized_header
from tf_ckpt_migrate.bundle.proto import Entry, serialized_entry
from tf_ckpt_migrate.bundle.shards import index_path, shard_path
from tf_ckpt_migrate.table.writer import write_table

__all__ = ["suggesting"]

_GOAL = 10.0  # seconds
_SOME = 500  # names of which the peer's nearest are looked for

# One layer of BERT in TF1, the same in a model of TF2, and the shape.
_LAYER = {
    **{f"attention/self/{n}/kernel": (f"attn/{n}/w", (8, 8))
       for n in ("query", "key", "value")},
    **{f"attention/self/{n}/bias": (f"attn/{n}/b", (8,))
       for n in ("query", "key", "value")},
    "attention/output/dense/kernel": ("attn/out/w", (8, 8)),
    "attention/output/dense/bias": ("attn/out/b", (8,)),
    "attention/output/LayerNorm/gamma": ("attn_norm/scale", (8,)),
    "attention/output/LayerNorm/beta": ("attn_norm/offset", (8,)),
    "intermediate/dense/kernel": ("ffn/in/w", (8, 32)),
    "intermediate/dense/bias": ("ffn/in/b", (32,)),
    "output/dense/kernel": ("ffn/out/w", (32, 8)),
    "output/dense/bias": ("ffn/out/b", (8,)),
    "output/LayerNorm/gamma": ("ffn_norm/scale", (8,)),
    "output/LayerNorm/beta": ("ffn_norm/offset", (8,)),
}  # fmt: skip


def suggesting(folder: str, sizes: Sizes) -> Iterator[Row]:
    """A deep BERT whose layers are counted from 1 in TF2, beside the nearest names."""
    few, many = ((min(n, sizes.many) // len(_LAYER)) for n in (_SOME, 2_000))
    truth, prefixes = _models(folder, few)
    theirs, ours = in_turn(
        partial(_nearest, truth),
        partial(tcm.suggest_assignment_map, *prefixes),
        prepare=bool,
        repeats=min(3, sizes.repeats),
    )
    names = _share(truth, _nearest(truth))
    what = f"suggest a map, {len(truth):,} names against as many"
    row = at_least(1, what, f"difflib ({names:.0%} right)", [theirs, ours])
    share = _share(truth, _suggested(prefixes))
    yield row._replace(ours=f"{row.ours} ({share:.0%} right)")
    truth, prefixes = _models(folder, many)
    (seconds,) = in_turn(
        partial(tcm.suggest_assignment_map, *prefixes),
        prepare=bool,
        repeats=min(3, sizes.repeats),
    )
    share = _share(truth, _suggested(prefixes))
    yield Row(
        f"suggest a map, {len(truth):,} names against as many",
        "",
        f"{min(seconds):.2f} s ({share:.0%} right)",
        f"worst {max(seconds):.2f} s",
        f"below {_GOAL:g} s",
        max(seconds) < _GOAL and share == 1,
    )


def _nearest(truth: Mapping[str, str]) -> dict[str, str]:
    """Return for each name the nearest one, as a script of an afternoon does."""
    targets = [*truth.values()]
    return {n: difflib.get_close_matches(n, targets, 1, 0.0)[0] for n in truth}


def _suggested(prefixes: tuple[str, str]) -> dict[str, str]:
    suggestion = tcm.suggest_assignment_map(*prefixes)
    return {match.source: match.target for match in suggestion.matches}


def _share(truth: Mapping[str, str], found: Mapping[str, str]) -> float:
    return sum(found.get(n) == target for n, target in truth.items()) / len(truth)


def _models(folder: str, layers: int) -> tuple[dict[str, str], tuple[str, str]]:
    shapes = ({}, {})
    truth: dict[str, str] = {}
    for i in range(layers):
        for name, (renamed, shape) in _LAYER.items():
            source, target = (
                f"bert/encoder/layer_{i}/{name}",
                f"block_{i + 1}/{renamed}",
            )
            shapes[0][source] = shapes[1][target] = shape
            truth[source] = target
    prefixes = (f"{folder}/bert-{layers}", f"{folder}/model-{layers}")
    for prefix, each in zip(prefixes, shapes, strict=True):
        _write(prefix, each)
    return truth, prefixes


def _write(prefix: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Write a checkpoint whose index alone is real."""
    entries, offset = {HEADER_KEY: serialized_header(1, big_endian=False)}, 0
    for name, shape in shapes.items():
        spec = TensorSpec(DType.float32, shape)
        entry = Entry(spec, 0, offset, spec.nbytes, 0)
        entries[name.encode()] = serialized_entry(entry)
        offset += spec.nbytes
    with open(index_path(prefix), "wb") as file:
        write_table(file, sorted(entries.items()))
    with Path(shard_path(prefix, 0, 1)).open("wb") as file:
        file.truncate(offset)
