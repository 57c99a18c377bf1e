"""Describes a checkpoint: what it holds, of what kinds, how much, and where."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from tf_ckpt_migrate.bundle.writer import Meter, Progress
from tf_ckpt_migrate.checkpoint.ordering import by_numbers
from tf_ckpt_migrate.checkpoint.reader import Place, load_checkpoint
from tf_ckpt_migrate.checkpoint.reopening import reopening
from tf_ckpt_migrate.checkpoint.scopes import grouped_by_scope
from tf_ckpt_migrate.checkpoint.statistics import (
    NumberStatistics,
    StringStatistics,
    statistics_of,
)
from tf_ckpt_migrate.checkpoint.text import Table, counted, human_bytes, plain_text
from tf_ckpt_migrate.escapes import to_html, to_json
from tf_ckpt_migrate.naming.slots import ROLES, role_of, slot_of
from tf_ckpt_migrate.storage.access import exists, size_of

__all__ = [
    "CheckpointDescription",
    "FileDescription",
    "Group",
    "TensorDescription",
    "described",
    "inspect_checkpoint",
]


_TOLD = 10  # missing files; an index can promise 100,000


class FileDescription(NamedTuple):
    """A file of a checkpoint.

    Attributes:
      path: Where it is.
      size: Its bytes; None if it is missing.
    """

    path: str
    size: int | None


class TensorDescription(NamedTuple):
    """A tensor of a checkpoint.

    Attributes:
      key: Its key.
      dtype: The name of its dtype.
      shape: Its shape.
      elements: Number of its elements.
      nbytes: Bytes of its values in the files; in a V1 file, whose values are encoded,
        those that they take in memory.
      role: What it is to training, one of ``names.slots.ROLES``.
      places: Where its bytes are; several for a partitioned variable.
      statistics: Of its values, if they were asked for and it has any.
      full_name: The name that its variable had in the program, which the object graph
        keeps; "" if there is none, or names were not asked for.
    """

    key: str
    dtype: str
    shape: tuple[int, ...]
    elements: int
    nbytes: int
    role: str
    places: tuple[Place, ...]
    statistics: NumberStatistics | StringStatistics | None = None
    full_name: str = ""


class Group(NamedTuple):
    """Tensors that have something in common, counted.

    Attributes:
      name: What they have in common: a role, a dtype or a scope.
      tensors: How many there are, by their keys.
      elements: Their elements. Two keys of the same bytes count once here.
      nbytes: Their bytes, counted likewise.
    """

    name: str
    tensors: int
    elements: int
    nbytes: int


class CheckpointDescription(NamedTuple):
    """What a checkpoint is.

    Attributes:
      prefix: Of the checkpoint.
      format: ``name-based``, ``object-based``, ``dual-keyed``, ``V1``, ``SavedModel``.
      files: Its files, the index first.
      tensors: Its tensors, sorted by key.
      notes: What is worth knowing of how it was found and of what it lacks.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> with example_checkpoint({"w": [1.0, 2.0], "w/Adam": [0.0, 0.0]}) as prefix:
      ...     found = inspect_checkpoint(prefix)
      >>> for role in found.roles:
      ...     print(role.name, role.elements)
      weight 2
      slot 2
    """

    prefix: str
    format: str
    files: tuple[FileDescription, ...]
    tensors: tuple[TensorDescription, ...]
    notes: tuple[str, ...] = ()

    @property
    def total_bytes(self) -> int:
        """Bytes of its files."""
        return sum(file.size or 0 for file in self.files)

    @property
    def missing_files(self) -> tuple[str, ...]:
        """Files that should be there and are not."""
        return tuple(file.path for file in self.files if file.size is None)

    @property
    def parameters(self) -> int:
        """Elements of the weights: neither optimizer slots nor counters."""
        return sum(role.elements for role in self.roles if role.name == "weight")

    @property
    def roles(self) -> tuple[Group, ...]:
        """The tensors by what they are to training, weights first."""
        groups = self._grouped(lambda tensor: tensor.role)
        return tuple(sorted(groups, key=lambda group: ROLES.index(group.name)))

    @property
    def dtypes(self) -> tuple[Group, ...]:
        """The tensors by dtype, most bytes first."""
        groups = self._grouped(lambda tensor: tensor.dtype)
        return tuple(sorted(groups, key=lambda group: (-group.nbytes, group.name)))

    @property
    def scopes(self) -> tuple[Group, ...]:
        """The tensors by scope, ``layer_2`` before ``layer_10``; "" is no scope."""
        keys = {tensor.key for tensor in self.tensors}
        grouped = grouped_by_scope(
            {tensor.key: _home(tensor, keys) for tensor in self.tensors}
        )
        scope_of = {key: scope for scope, keys in grouped.items() for key in keys}
        groups = self._grouped(lambda tensor: scope_of[tensor.key])
        return tuple(sorted(groups, key=lambda group: by_numbers(group.name)))

    def _grouped(
        self, name_of: Callable[[TensorDescription], str]
    ) -> tuple[Group, ...]:
        groups: dict[str, list[int]] = {}
        seen: set[tuple[Place, ...]] = set()
        for tensor in self.tensors:
            counts = groups.setdefault(name_of(tensor), [0, 0, 0])
            counts[0] += 1
            if tensor.places not in seen or self.format == "V1":
                seen.add(tensor.places)
                counts[1] += tensor.elements
                counts[2] += tensor.nbytes
        return tuple(Group(name, *counts) for name, counts in groups.items())

    def __repr__(self) -> str:
        return (
            f"<CheckpointDescription {self.prefix!r}: {self.format}, "
            f"{len(self.tensors):,} tensors>"
        )

    def _repr_html_(self) -> str:
        return to_html(self)

    def __str__(self) -> str:
        return plain_text(described(self))

    def to_json(self) -> str:
        """Return all of it as JSON; the same checkpoint gives the same text."""
        return "".join(self.json_parts())

    def json_parts(self) -> Iterator[str]:
        """Yield the text of ``to_json``, a tensor at a time: there may be a million."""
        content: dict[str, Any] = {
            "prefix": self.prefix,
            "format": self.format,
            "total_bytes": self.total_bytes,
            "parameters": self.parameters,
            "files": [file._asdict() for file in self.files],
            "notes": self.notes,
            "roles": [group._asdict() for group in self.roles],
            "dtypes": [group._asdict() for group in self.dtypes],
            "scopes": [group._asdict() for group in self.scopes],
            "tensors": [],
        }
        text = _json(content)
        if not self.tensors:
            yield text
            return
        yield text.removesuffix("]\n}")
        for number, tensor in enumerate(self.tensors):
            # No text within has a line break: JSON escapes them.
            yield ("," if number else "") + "\n    "
            yield _json(_plain(tensor)).replace("\n", "\n    ")
        yield "\n  ]\n}"


def _home(tensor: TensorDescription, keys: Container[str]) -> str:
    """Return the key in whose scope a tensor is: a slot is where its variable is."""
    slot = slot_of(tensor.key, keys) if tensor.role in ("slot", "average") else None
    return tensor.key if slot is None or slot.variable is None else slot.variable


def _json(content: dict[str, Any]) -> str:
    return to_json(content)


def _plain(tensor: TensorDescription) -> dict[str, Any]:
    statistics = tensor.statistics
    return {
        **tensor._asdict(),
        "places": [place._asdict() for place in tensor.places],
        "statistics": None if statistics is None else statistics._asdict(),
    }


@reopening
def inspect_checkpoint(
    ckpt_dir_or_file: str | os.PathLike[str],
    *,
    values: bool = False,
    names: bool = False,
    progress: Progress | None = None,
) -> CheckpointDescription:
    """Describe a checkpoint.

    Args:
      ckpt_dir_or_file: A checkpoint prefix; one of the files of a checkpoint; a model
        directory; a SavedModel.
      values: Whether to read all values, for their statistics. Without, only the index
        is read, and the data need not be there.
      names: Whether to read the object graph, for the variable names in it.
      progress: Called with the bytes of values read so far and those there are.

    Returns:
      The description; ``print`` it to read it.

    Raises:
      CheckpointNotFoundError: If there is no checkpoint.
      AmbiguousCheckpointError: If there are several.
      NotACheckpointError: If the file is of another kind.
      CorruptCheckpointError: If the index is damaged, or with ``values`` any tensor,
        or with ``names`` the object graph.
      MissingShardError: If a file that must be read is missing.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> with example_checkpoint({"w": [1.0, 3.0], "w/Adam": [0.0, 0.0]}) as prefix:
      ...     found = inspect_checkpoint(prefix, values=True)
      >>> found.parameters, found.tensors[0].statistics.mean
      (2, 2.0)
    """
    reader = load_checkpoint(ckpt_dir_or_file)
    keys = reader.specs
    graph = reader.object_graph if names else None
    full_names = {} if graph is None else graph.full_names()
    tensors: list[TensorDescription] = []
    meter = Meter(progress if values else None)
    meter.total = sum(spec.nbytes for spec in keys.values())
    for key in sorted(keys):
        spec, places = keys[key], reader.places(key)
        stored = sum(place.size for place in places)
        tensors.append(
            TensorDescription(
                key,
                spec.dtype.name,
                spec.shape,
                spec.size,
                stored if reader.bundle else spec.nbytes,
                role_of(key, keys),
                places,
                statistics_of(reader, key) if values else None,
                full_names.get(key, ""),
            )
        )
        meter.advance(spec.nbytes)
    files = tuple(
        FileDescription(path, size_of(path) if exists(path) else None)
        for path in reader.files
    )
    notes = (*reader.notes, *_lacks(files))
    return CheckpointDescription(
        reader.prefix, str(reader.format), files, tuple(tensors), notes
    )


def _lacks(files: Iterable[FileDescription]) -> list[str]:
    paths = [file.path for file in files if file.size is None]
    notes = [
        f"{path!r} is missing: the tensors in it can be listed, but not read"
        for path in paths[:_TOLD]
    ]
    more = len(paths) - _TOLD
    return [*notes, f"{more:,} more files are missing"] if more > 0 else notes


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
