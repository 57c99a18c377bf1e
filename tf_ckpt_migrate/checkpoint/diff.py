"""Compares two checkpoints by key, dtype, shape and value."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.object_graph import OBJECT_GRAPH_KEY
from tf_ckpt_migrate.checkpoint.diff_graph import same_objects
from tf_ckpt_migrate.checkpoint.diff_values import Difference, Tolerance, difference
from tf_ckpt_migrate.checkpoint.pieces import is_partitioned, pieces
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader, Place, load_checkpoint
from tf_ckpt_migrate.checkpoint.reopening import reopening
from tf_ckpt_migrate.checkpoint.text import plain_text

if TYPE_CHECKING:
    import numpy as np

    from tf_ckpt_migrate.names.assignment_map import AssignmentMapLike
    from tf_ckpt_migrate.names.moves import Move

    Array = np.ndarray[Any, Any]

__all__ = ["CheckpointDiff", "SpecDifference", "ValueDifference", "diff_checkpoints"]


class SpecDifference(NamedTuple):
    """A tensor of another dtype or shape; its values are not compared.

    Attributes:
      key: Its key in the second checkpoint.
      a: What it is in the first, such as ``float32[2, 3]``.
      b: What it is in the second.
    """

    key: str
    a: str
    b: str


class ValueDifference(NamedTuple):
    """A tensor of other values.

    Attributes:
      key: Its key in the second checkpoint.
      elements: How many elements it has; 1 for the object graph.
      difference: How far the values are apart.
    """

    key: str
    elements: int
    difference: Difference


class CheckpointDiff(NamedTuple):
    """How two checkpoints differ.

    Attributes:
      a: Prefix of the first.
      b: Prefix of the second.
      only_in_a: Keys that the second lacks, as the assignment map renames them.
      only_in_b: Keys that the first lacks.
      specs: Tensors of another dtype or shape.
      values: Tensors of other values.
      equal_count: How many tensors are equal.
      left_out: Keys of the first that the assignment map drops.
      renamed: What the assignment map renames: keys for the second with those of the
        first.

    Example:
      >>> diff = CheckpointDiff("a", "b", ("w",), (), (), (), equal_count=2)
      >>> print(diff)
      a: a
      b: b
      different: 1 only in a, 2 tensors equal
      <BLANKLINE>
      only in a: 1 key
      w
    """

    a: str
    b: str
    only_in_a: tuple[str, ...]
    only_in_b: tuple[str, ...]
    specs: tuple[SpecDifference, ...]
    values: tuple[ValueDifference, ...]
    equal_count: int
    left_out: tuple[str, ...] = ()
    renamed: Mapping[str, str] = {}

    @property
    def equal(self) -> bool:
        """Whether the checkpoints hold the same."""
        return not (self.only_in_a or self.only_in_b or self.specs or self.values)

    def __str__(self) -> str:
        from tf_ckpt_migrate.checkpoint.diff_text import compared

        return plain_text(compared(self))

    def to_json(self) -> str:
        """Return all of it as JSON."""
        content = {
            "equal": self.equal,
            **self._asdict(),
            "specs": [each._asdict() for each in self.specs],
            "values": [
                {"key": each.key, "of": each.elements, **each.difference._asdict()}
                for each in self.values
            ],
        }
        return json.dumps(content, indent=2, ensure_ascii=False)


@reopening
def diff_checkpoints(
    a: str | os.PathLike[str],
    b: str | os.PathLike[str],
    *,
    rtol: float = 0.0,
    atol: float = 0.0,
    assignment_map: AssignmentMapLike | None = None,
) -> CheckpointDiff:
    """Compare two checkpoints.

    Values are read and compared unless they are the very same bytes of one file. Of the
    object graph it counts what it says, not how its nodes are numbered.

    Args:
      a: The first; anything that ``load_checkpoint`` takes.
      b: The second.
      rtol: How far numbers may be apart, relative to those of ``b``.
      atol: How far numbers may be apart, absolutely.
      assignment_map: Rules that turn keys of ``a`` into those of ``b``. What no rule
        names keeps its key; what a rule drops is left out.

    Returns:
      The differences; ``equal`` says whether there are none.

    Raises:
      CheckpointNotFoundError: If there is no checkpoint at one of the paths.
      CorruptCheckpointError: If a tensor that must be read is damaged.
      PlanError: If the map does not fit the keys of ``a``.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> with (
      ...     example_checkpoint({"old/w": [1.0, 2.0]}) as a,
      ...     example_checkpoint({"new/w": [1.0, 2.5]}) as b,
      ... ):
      ...     diff = diff_checkpoints(a, b, assignment_map={"old/": "new/"})
      >>> diff.equal, diff.values[0].key, diff.values[0].difference.max_abs
      (False, 'new/w', 0.5)
    """
    comparison = _Comparison(
        load_checkpoint(a), load_checkpoint(b), Tolerance(rtol, atol)
    )
    if assignment_map is None:
        pairs = {key: _Origin((key,), spec) for key, spec in comparison.a.specs.items()}
        return comparison.run(pairs, ())
    from tf_ckpt_migrate.names.resolution import resolve

    resolution = resolve(assignment_map, comparison.a.specs, unmatched="keep")
    pairs = {m.target: _Origin(m.sources, m.spec, m) for m in resolution.moves}
    return comparison.run(pairs, tuple(drop.key for drop in resolution.dropped))


class _Origin(NamedTuple):
    """What a key of the second checkpoint is compared with."""

    sources: tuple[str, ...]
    spec: TensorSpec
    move: Move | None = None


class _Comparison(NamedTuple):
    a: CheckpointReader
    b: CheckpointReader
    tolerance: Tolerance

    def run(
        self, origins: Mapping[str, _Origin], left_out: tuple[str, ...]
    ) -> CheckpointDiff:
        specs: list[SpecDifference] = []
        values: list[ValueDifference] = []
        common = [key for key in sorted(origins) if key in self.b]
        for key in common:
            spec = self.b.specs[key]
            if origins[key].spec != spec:
                specs.append(SpecDifference(key, str(origins[key].spec), str(spec)))
            elif (found := self._difference(origins[key], key)).elements:
                values.append(ValueDifference(key, spec.size, found))
        return CheckpointDiff(
            self.a.prefix,
            self.b.prefix,
            tuple(sorted(key for key in origins if key not in self.b)),
            tuple(sorted(key for key in self.b if key not in origins)),
            tuple(specs),
            tuple(values),
            len(common) - len(specs) - len(values),
            left_out,
            {
                key: " + ".join(origin.sources)
                for key, origin in sorted(origins.items())
                if origin.sources != (key,)
            },
        )

    def _difference(self, origin: _Origin, key: str) -> Difference:
        source = origin.sources[0]
        dtype = self.b.specs[key].dtype
        transform = None if origin.move is None else origin.move.transform
        if transform is not None:
            array = transform(*(self.a[each] for each in origin.sources))
            pair = array.reshape(-1), self.b[key].reshape(-1)
            return difference(iter([pair]), self.tolerance)
        if self._same_bytes(source, key):
            return Difference(0)
        if OBJECT_GRAPH_KEY in (source, key):
            graphs = self.a.object_graph, self.b.object_graph
            same = None not in graphs and same_objects(*graphs)  # type: ignore[arg-type]
            return Difference(0 if same else 1)
        if dtype in (DType.resource, DType.variant):
            return Difference(int(_stored(self.a, source) != _stored(self.b, key)))
        return difference(self._pairs(source, key), self.tolerance)

    def _pairs(self, source: str, key: str) -> Iterator[tuple[Array, Array]]:
        by_rows = is_partitioned(self.a, source) or is_partitioned(self.b, key)
        return zip(
            pieces(self.a, source, by_rows=by_rows),
            pieces(self.b, key, by_rows=by_rows),
            strict=True,
        )

    def _same_bytes(self, source: str, key: str) -> bool:
        """Whether the values are one and the same range of one file."""
        if self.a.bundle is None or self.b.bundle is None:
            return False
        if self.a.bundle.index.big_endian != self.b.bundle.index.big_endian:
            return False
        places = self.a.places(source), self.b.places(key)
        if len(places[0]) != len(places[1]):
            return False
        if len(places[0]) > 1 and (
            self.a.bundle.index[source].slices != self.b.bundle.index[key].slices
        ):
            return False
        return all(_is_same(*pair) for pair in zip(*places, strict=True))


def _is_same(a: Place, b: Place) -> bool:
    return (
        (a.offset, a.size) == (b.offset, b.size)
        and os.path.exists(a.file)
        and os.path.exists(b.file)
        and os.path.samefile(a.file, b.file)
    )


def _stored(reader: CheckpointReader, key: str) -> bytes:
    """Return the bytes of a value that only TensorFlow understands."""
    bundle = reader.bundle
    if bundle is None:  # V1 files hold no such values
        return b""
    reader.check(key)
    entry = bundle.index[key]
    what = f"tensor {key!r}"
    return bytes(bundle.shards.read(entry.shard, entry.offset, entry.size, what))
