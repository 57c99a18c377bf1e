"""Says in lines and tables what a checkpoint is."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tf_ckpt_migrate.checkpoint.statistics import NumberStatistics, StringStatistics
from tf_ckpt_migrate.checkpoint.text import Table, counted, human_bytes

if TYPE_CHECKING:
    from tf_ckpt_migrate.checkpoint.describe import (
        CheckpointDescription,
        Group,
        TensorDescription,
    )

__all__ = ["described"]

_NUMBERS = ("min", "max", "mean", "std")


def described(
    description: CheckpointDescription, most_tensors: int | None = None
) -> Iterator[str | Table]:
    """Yield lines and tables that say what a checkpoint is.

    Args:
      description: Of the checkpoint.
      most_tensors: If there are more tensors than this, none is listed by itself.
    """
    tensors = description.tensors
    yield description.prefix
    yield ", ".join(
        [
            description.format,
            counted(len(tensors), "tensor"),
            counted(description.parameters, "parameter"),
            f"{human_bytes(description.total_bytes)} in "
            + counted(len(description.files), "file"),
        ]
    )
    yield from (f"note: {note}" for note in description.notes)
    yield ""
    yield _files(description)
    for name, groups in (
        ("role", description.roles),
        ("dtype", description.dtypes),
        ("scope", description.scopes),
    ):
        if groups:
            yield ""
            yield _groups(name, groups)
    if not tensors:
        return
    yield ""
    if most_tensors is None or len(tensors) <= most_tensors:
        yield _tensors(tensors)
    else:
        yield f"{counted(len(tensors), 'tensor')} not listed; --tensors=all lists them"


def _files(description: CheckpointDescription) -> Table:
    return Table(
        ("file", ">bytes"),
        [
            (os.path.basename(path), "missing" if size is None else f"{size:,}")
            for path, size in description.files
        ],
    )


def _groups(name: str, groups: Sequence[Group]) -> Table:
    rows = [
        (g.name or "(none)", f"{g.tensors:,}", f"{g.elements:,}", f"{g.nbytes:,}")
        for g in groups
    ]
    return Table((name, ">tensors", ">elements", ">bytes"), rows)


def _tensors(tensors: Sequence[TensorDescription]) -> Table:
    has_values = any(tensor.statistics is not None for tensor in tensors)
    has_names = any(tensor.full_name for tensor in tensors)
    columns = ("key", "dtype", "shape", ">bytes", "role", ">shard", ">offset")
    if has_names:
        columns += ("variable",)
    if has_values:
        columns += (*(f">{name}" for name in _NUMBERS), ">zeros", "")
    rows = [
        _row(tensor)
        + ((tensor.full_name,) if has_names else ())
        + (_statistics(tensor) if has_values else ())
        for tensor in tensors
    ]
    return Table(columns, rows)


def _row(tensor: TensorDescription) -> tuple[str, ...]:
    place = tensor.places[0] if len(tensor.places) == 1 else None
    return (
        tensor.key,
        tensor.dtype,
        str(list(tensor.shape)),
        f"{tensor.nbytes:,}",
        tensor.role,
        str(place.shard) if place else f"{len(tensor.places)} slices",
        f"{place.offset:,}" if place and place.offset >= 0 else "",
    )


def _statistics(tensor: TensorDescription) -> tuple[str, ...]:
    found = tensor.statistics
    if isinstance(found, StringStatistics):
        strings = counted(found.elements, "string")
        return ("", "", "", "", "", f"{strings}, {found.total_length:,} bytes")
    if not isinstance(found, NumberStatistics):
        return ("", "", "", "", "", "no values to read")
    odd = [(found.nans, "NaN"), (found.infinities, "Inf")]
    return (
        *("" if number is None else _number(number) for number in found[:4]),
        f"{found.zeros:,}",
        ", ".join(f"{number:,} {name}" for number, name in odd if number),
    )


def _number(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:.6g}"
