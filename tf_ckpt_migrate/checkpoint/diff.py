"""Compares two checkpoints by key, dtype, shape and value."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from tf_ckpt_migrate.bundle.dtypes import TensorSpec, parse_spec
from tf_ckpt_migrate.bundle.object_graph import OBJECT_GRAPH_KEY
from tf_ckpt_migrate.bundle.reader import in_order, suits_a_thread
from tf_ckpt_migrate.bundle.writer import Progress, unheard
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader, load_checkpoint
from tf_ckpt_migrate.checkpoint.reopening import reopening
from tf_ckpt_migrate.checkpoint.text import Table, counted, plain_text
from tf_ckpt_migrate.checkpoint.value_comparison import (
    Comparison,
    Difference,
    Tolerance,
)
from tf_ckpt_migrate.escapes import to_html, to_json
from tf_ckpt_migrate.findings import Finding
from tf_ckpt_migrate.naming.catalog import catalog_of
from tf_ckpt_migrate.naming.identity import match_identities
from tf_ckpt_migrate.storage.access import same_file
from tf_ckpt_migrate.transforms import Transform

if TYPE_CHECKING:
    from tf_ckpt_migrate.names.assignment_map import AssignmentMapLike
    from tf_ckpt_migrate.names.resolution import Resolution

__all__ = [
    "CheckpointDiff",
    "SpecDifference",
    "ValueDifference",
    "compared",
    "diff_checkpoints",
]


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
      moved: Variables at another place of a list, by their keys in the second: those in
        the first.

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
    moved: Mapping[str, str] = {}

    @property
    def equal(self) -> bool:
        """Whether the checkpoints hold the same."""
        return not (self.only_in_a or self.only_in_b or self.specs or self.values)

    def __repr__(self) -> str:
        return (
            f"<CheckpointDiff {self.a!r}, {self.b!r}: {self.equal_count:,} equal, "
            f"{len(self.values):,} with other values, {len(self.specs):,} of another "
            f"dtype or shape, {len(self.only_in_a):,} only in a, "
            f"{len(self.only_in_b):,} only in b>"
        )

    def _repr_html_(self) -> str:
        return to_html(self)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Each difference as a value; those of one kind are next to each other."""
        found = [
            Finding("missing", f"{key!r} is only in a", target=key)
            for key in self.only_in_a
        ]
        found += [
            Finding("unexpected", f"{key!r} is only in b", target=key)
            for key in self.only_in_b
        ]
        for key, a, b in self.specs:
            found.append(
                Finding(
                    "shape" if a.split("[")[0] == b.split("[")[0] else "dtype",
                    f"{key!r} is {a} in a, {b} in b",
                    target=key,
                    spec=parse_spec(b),
                    expected=parse_spec(a),
                )
            )
        for key, elements, difference in self.values:
            kind = "object_graph" if key == OBJECT_GRAPH_KEY else "values_differ"
            text = f"{key!r}: {difference.elements:,} of {elements:,} elements differ"
            found.append(Finding(kind, text, target=key))
        return tuple(found)

    def __str__(self) -> str:
        return plain_text(compared(self))

    def to_json(self) -> str:
        """Return all of it as JSON."""
        content = {
            "equal": self.equal,
            **self._asdict(),
            "findings": [each.to_config() for each in self.findings],
            "specs": [each._asdict() for each in self.specs],
            "values": [
                {"key": each.key, "of": each.elements, **each.difference._asdict()}
                for each in self.values
            ],
        }
        return to_json(content)


@reopening
def diff_checkpoints(  # noqa: PLR0913 what counts as equal, by keyword
    a: str | os.PathLike[str],
    b: str | os.PathLike[str],
    assignment_map: AssignmentMapLike | None = None,
    *,
    rtol: float = 0.0,
    atol: float = 0.0,
    progress: Progress | None = None,
) -> CheckpointDiff:
    """Compare two checkpoints.

    Values are read and compared unless they are the very same bytes of one file. Of the
    object graph it counts what it says, not how its nodes are numbered. Between two
    object-based checkpoints a variable is compared with itself, wherever a list has it:
    its name tells.

    Args:
      a: The first; anything that ``load_checkpoint`` takes.
      b: The second.
      assignment_map: Rules that turn keys of ``a`` into those of ``b``, the map with
        which ``b`` was converted, or its plan. What no rule names keeps its key; what a
        rule drops is left out.
      rtol: How far numbers may be apart, relative to those of ``b``.
      atol: How far numbers may be apart, absolutely.
      progress: Called with the bytes compared so far and those there are.

    Returns:
      The differences; ``equal`` says whether there are none.

    Raises:
      CheckpointNotFoundError: If there is no checkpoint at one of the paths.
      CorruptCheckpointError: If a tensor that must be read is damaged.
      PlanError: If the map does not fit the keys of ``a``.
      ValueError: If a tolerance is below zero, or no number.

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
    for name, value in (("rtol", rtol), ("atol", atol)):
        if not value >= 0:  # NaN too
            raise ValueError(f"{name}={value!r}; expected a number, 0 or more")
    report = progress or unheard
    # Few files hold many tensors: whether two are one is asked once.
    comparison = Comparison(
        load_checkpoint(a), load_checkpoint(b), Tolerance(rtol, atol), cache(same_file)
    )
    if assignment_map is None:
        places = _places(comparison.a, comparison.b)
        taken = set(places.values())
        lost = {key for key in comparison.a if key in taken and key not in places}
        pairs = {
            places.get(key, key): _Origin((key,), spec)
            for key, spec in comparison.a.specs.items()
            if key not in lost
        }
        found = _compared(comparison, pairs, (), report)
        return found._replace(
            only_in_a=tuple(sorted({*found.only_in_a, *lost})),
            renamed={},
            moved=found.renamed,
        )
    # Found by its name: plans are made on the floor above.
    rules = import_module("tf_ckpt_migrate.conversion.comparison")
    resolution: Resolution = rules.moves_between(
        comparison.a, comparison.b, assignment_map
    )
    pairs = {
        m.target: _Origin(m.sources, m.spec, m.transform) for m in resolution.moves
    }
    left_out = tuple(drop.key for drop in resolution.dropped)
    return _compared(comparison, pairs, left_out, report)


def _places(a: CheckpointReader, b: CheckpointReader) -> dict[str, str]:
    """Return the keys in ``b``, by those in ``a``, of what moved within its lists."""
    if a.object_graph is None or b.object_graph is None:
        return {}
    pairs = match_identities(catalog_of(a), catalog_of(b)).pairs
    return {
        key: target
        for key, target in pairs.items()
        if key != target and _list_of(key) == _list_of(target)
    }


def _list_of(key: str) -> list[str]:
    """Return the parts of a key with ``*`` for every number of a list."""
    return ["*" if part.isdecimal() else part for part in key.split("/")]


class _Origin(NamedTuple):
    """What a key of the second checkpoint is compared with."""

    sources: tuple[str, ...]
    spec: TensorSpec
    transform: Transform | None = None


def _compared(
    comparison: Comparison,
    origins: Mapping[str, _Origin],
    left_out: tuple[str, ...],
    report: Progress,
) -> CheckpointDiff:
    a, b = comparison.a, comparison.b
    specs_of_b = b.specs
    specs: list[SpecDifference] = []
    values: list[ValueDifference] = []
    common = [key for key in sorted(origins) if key in b]
    total, done = sum(specs_of_b[key].nbytes for key in common), 0

    def compare(key: str) -> Difference | None:
        sources, expected, transform = origins[key]
        if expected != specs_of_b[key]:
            return None
        return comparison.difference(sources, key, transform)

    def is_for_thread(key: str) -> bool:
        return suits_a_thread(specs_of_b[key].nbytes)

    bundles = [each.bundle for each in (a, b) if each.bundle is not None]
    differences = in_order(compare, common, is_for_thread)
    for key, found in zip(common, differences, strict=True):
        spec = specs_of_b[key]
        if found is None:
            specs.append(SpecDifference(key, str(origins[key].spec), str(spec)))
        elif found.elements:
            values.append(ValueDifference(key, spec.size, found))
        for bundle in bundles:
            bundle.release(spec.nbytes)
        done += spec.nbytes
        report(done, total)
    return CheckpointDiff(
        a.prefix,
        b.prefix,
        tuple(sorted(key for key in origins if key not in b)),
        tuple(sorted(key for key in b if key not in origins)),
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
