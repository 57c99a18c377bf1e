"""Says in lines and tables how two checkpoints differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tf_ckpt_migrate.bundle.object_graph import OBJECT_GRAPH_KEY
from tf_ckpt_migrate.checkpoint.text import Table, counted

if TYPE_CHECKING:
    from tf_ckpt_migrate.checkpoint.diff import CheckpointDiff, ValueDifference

__all__ = ["compared"]


def compared(diff: CheckpointDiff) -> Iterator[str | Table]:
    """Yield lines and tables that say how two checkpoints differ."""
    yield f"a: {diff.a}"
    yield f"b: {diff.b}"
    yield _verdict(diff)
    only_in_a = [_name(diff, key) for key in diff.only_in_a]
    yield from _listed("only in a", only_in_a)
    yield from _listed("only in b", diff.only_in_b)
    moved = [f"{old} -> {new}" for new, old in diff.moved.items()]
    yield from _listed("at another place of a list", moved)
    if diff.specs:
        yield ""
        rows = [(_name(diff, key), a, b) for key, a, b in diff.specs]
        yield Table(("different dtype or shape", "a", "b"), rows)
    if diff.values:
        yield ""
        columns = (">elements", ">of", ">max abs", ">max rel", "")
        yield Table(
            ("different values", *columns), [_row(diff, v) for v in diff.values]
        )


def _verdict(diff: CheckpointDiff) -> str:
    counts = [(len(diff.only_in_a), "only in a"), (len(diff.only_in_b), "only in b")]
    counts.append((len(diff.specs), "of another dtype or shape"))
    counts.append((len(diff.values), "of other values"))
    found = [f"{number:,} {what}" for number, what in counts if number]
    equal = counted(diff.equal_count, "tensor")
    found.append(equal if diff.equal else f"{equal} equal")
    if diff.left_out:
        found.append(f"{len(diff.left_out):,} of a left out by the map")
    if diff.renamed:
        found.append(f"{len(diff.renamed):,} renamed by the map")
    if diff.moved:
        found.append(f"{len(diff.moved):,} moved within lists")
    return ("equal: " if diff.equal else "different: ") + ", ".join(found)


def _listed(title: str, keys: Sequence[str]) -> Iterator[str | Table]:
    if keys:
        yield ""
        yield Table(
            (f"{title}: {counted(len(keys), 'key')}",), [(key,) for key in keys]
        )


def _name(diff: CheckpointDiff, key: str) -> str:
    old = diff.renamed.get(key) or diff.moved.get(key)
    return f"{old} -> {key}" if old else key


def _row(diff: CheckpointDiff, value: ValueDifference) -> tuple[str, ...]:
    found = value.difference
    remark = f"{found.not_finite:,} NaN or infinite" if found.not_finite else ""
    if value.key == OBJECT_GRAPH_KEY:
        remark = "other objects, edges or keys in the object graph"
    return (
        _name(diff, value.key),
        f"{found.elements:,}",
        f"{value.elements:,}",
        "" if found.max_abs is None else f"{found.max_abs:.3g}",
        "" if found.max_rel is None else f"{found.max_rel:.3g}",
        remark,
    )
