"""Proves that a conversion's output holds what its plan says: all of it, no more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.object_graph import OBJECT_GRAPH_KEY, ObjectGraph
from tf_ckpt_migrate.bundle.slices import TensorSlice
from tf_ckpt_migrate.checkpoint.diff_graph import same_objects
from tf_ckpt_migrate.checkpoint.digests import value_digest
from tf_ckpt_migrate.checkpoint.reader import (
    CheckpointLike,
    CheckpointReader,
    as_reader,
)
from tf_ckpt_migrate.checkpoint.text import counted
from tf_ckpt_migrate.checkpoint.value_comparison import (
    is_same_place,
    paired,
    stored_bytes,
)
from tf_ckpt_migrate.checkpoint.verify import Verification, verify_checkpoint
from tf_ckpt_migrate.conversion.comparison import needs_target, plan_between
from tf_ckpt_migrate.conversion.convert import prepared
from tf_ckpt_migrate.conversion.layout import CheckpointView
from tf_ckpt_migrate.conversion.output import COUNTER_SPEC, Value
from tf_ckpt_migrate.conversion.planning import plan_migration
from tf_ckpt_migrate.errors import CheckpointError, RuleError, capped
from tf_ckpt_migrate.escapes import printable, to_json
from tf_ckpt_migrate.findings import Finding, message_of
from tf_ckpt_migrate.names.assignment_map import AssignmentMap, AssignmentMapLike
from tf_ckpt_migrate.names.moves import KeptTarget, Move
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.naming.keys import SAVE_COUNTER_KEY
from tf_ckpt_migrate.transforms import Partition, StorePart
from tf_ckpt_migrate.transforms.partition import parted

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = [
    "ConversionProof",
    "Mismatch",
    "computed_from",
    "mismatch",
    "misnamed_text",
    "missing_text",
    "parts_text",
    "verify_conversion",
]


_LISTED = 20
_HOW = {
    "linked": "are the same bytes of a linked file",
    "compared": "compared bit by bit",
    "computed": "computed anew and compared",
    "kept": "compared with the target",
    "added": "for the object graph",
}


class ConversionProof(NamedTuple):
    """Whether a converted checkpoint holds what its plan says.

    Attributes:
      converted: Prefix of the converted checkpoint.
      source: Prefix of its source.
      verification: What ``verify_checkpoint`` found of the converted one.
      findings: All that is not as the plan says.
      counts: How many tensors were proven how: ``linked`` ones are the same bytes of
        one file, ``compared`` ones equal their source, ``computed`` ones what their
        transform makes, ``kept`` ones the target, ``added`` ones belong to the objects.

    Example:
      >>> whole = Verification("new", 2, 16, (), checked_tensors=2)
      >>> print(ConversionProof("new", "old", whole, (), {"linked": 2}))
      new: proven; it holds what the plan makes of old, and no more
        2 tensors: 2 are the same bytes of a linked file
    """

    converted: str
    source: str
    verification: Verification
    findings: tuple[Finding, ...]
    counts: Mapping[str, int]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings and self.verification.ok

    def __repr__(self) -> str:
        count = len(self.findings) + len(self.verification.problems)
        found = "ok" if self.ok else counted(count, "problem")
        return f"<ConversionProof {self.converted!r} of {self.source!r}: {found}>"

    def __str__(self) -> str:
        problems = [*self.verification.problems, *map(str, self.findings)]
        if problems:
            verdict = f"{counted(len(problems), 'problem')}; it is not what the plan "
        else:
            verdict = "proven; it holds what the plan "
        verdict += (
            f"makes of {printable(self.source)}{'' if problems else ', and no more'}"
        )
        parts = [f"{n:,} {_HOW[how]}" for how, n in self.counts.items() if n]
        tensors = counted(sum(self.counts.values()), "tensor")
        return "\n".join(
            [
                f"{printable(self.converted)}: {verdict}",
                f"  {tensors}: {', '.join(parts)}" if parts else f"  {tensors}",
                *capped((f"problem: {problem}" for problem in problems), _LISTED),
            ]
        )

    def to_json(self) -> str:
        """Return all of it as JSON."""
        content = {
            "ok": self.ok,
            "converted": self.converted,
            "source": self.source,
            "counts": dict(self.counts),
            "findings": [each.to_config() for each in self.findings],
            "verification": self.verification.to_config(),
        }
        return to_json(content)


class Mismatch(NamedTuple):
    """Where two tensors are not the same, bit by bit.

    Attributes:
      elements: How many elements differ.
      size: How many there are.
      place: Where the first of them is.
      found: It, in the second tensor.
      expected: It, in the first.
    """

    elements: int
    size: int
    place: tuple[int, ...]
    found: str
    expected: str

    def text(self, what: str) -> str:
        """Return the sentence that says so.

        Args:
          what: What the value should be.
        """
        of = f"{self.elements:,} of {counted(self.size, 'element')}"
        is_not = "is not that" if self.elements == 1 else "are not those"
        where = f"the first at {[*self.place]}: {self.found}, expected {self.expected}"
        return f"{of} {is_not} of {what}, {where}"


def mismatch(
    pairs: Iterator[tuple[Array, Array]], shape: tuple[int, ...]
) -> Mismatch | None:
    """Return where two tensors differ in any bit; None where they do not.

    Args:
      pairs: Their values, as flat arrays of equal length and dtype.
      shape: Theirs.

    Example:
      >>> import numpy as np
      >>> zeros = np.zeros(4, np.float32)
      >>> print(mismatch(iter([(zeros, zeros * np.float32([1, 1, -1, 1]))]), (2, 2)))
      Mismatch(elements=1, size=4, place=(1, 0), found='-0.0', expected='0.0')
    """
    import numpy as np

    count, size = 0, 0
    first: tuple[int, str, str] | None = None
    for a, b in pairs:
        differs = _differs(a, b)
        if differs.any():
            count += int(differs.sum())
            at = int(differs.argmax())
            first = first or (size + at, str(b[at]), str(a[at]))
        size += a.size
    if first is None:
        return None
    place = tuple(map(int, np.unravel_index(first[0], shape))) if shape else ()
    return Mismatch(count, size, place, first[1], first[2])


def _differs(a: Array, b: Array) -> Array:
    import numpy as np

    if a.dtype.hasobject or not a.size:
        return np.asarray(a != b)
    bits = [np.ascontiguousarray(x).view(np.uint8) for x in (a, b)]
    return (bits[0] != bits[1]).reshape(a.size, -1).any(axis=1)


def computed_from(move: Move) -> str:
    """Return what a tensor is computed of, and how."""
    return f"{' + '.join(map(repr, move.sources))} by {move.transform!r}"


def missing_text(key: str, wanted: Move | KeptTarget | Value) -> str:
    """Return that a key is missing."""
    text = f"{key!r} {wanted.spec} is missing"
    if not isinstance(wanted, Move):
        return text
    return f"{text}; it is made of {' + '.join(map(repr, wanted.sources))}"


def misnamed_text(key: str, called: str, wanted: Move | KeptTarget | Value) -> str:
    """Return that a key is missing, and where its value is."""
    if isinstance(wanted, Move) and called == wanted.sources[0]:
        return f"{key!r} is missing: its value still has its old name, {called!r}"
    return f"{key!r} is missing: its value has the name {called!r}"


def parts_text(slices: Sequence[TensorSlice]) -> str:
    """Return in which slices something is stored."""
    return ", ".join(capped(map(str, slices), 4)) if slices else "one piece"


_Report = Callable[[int, int], None]


def verify_conversion(  # noqa: PLR0913 what is compared, by keyword
    converted: CheckpointLike,
    against: CheckpointLike,
    plan: MigrationPlan | None = None,
    *,
    assignment_map: AssignmentMapLike | None = None,
    like: CheckpointLike | CheckpointView | None = None,
    progress: _Report | None = None,
) -> ConversionProof:
    """Prove that a converted checkpoint holds what the plan makes of its source.

    Every key that the plan makes must be there, and no other. Values that stay are
    compared bit by bit, what a transform makes is computed anew, what the target keeps
    is compared with the target, and the object graph with the one that belongs to the
    keys. The converted checkpoint is also verified as ``verify_checkpoint`` does. What
    is the very same range of one file (a shard that is linked) is not read twice.
    Memory is bounded by the largest tensor, or by those that one transform takes.

    Args:
      converted: The checkpoint that was written.
      against: The source of the conversion.
      plan: What was to be done; None for what ``assignment_map`` means.
      assignment_map: Rules from keys of the source to those of the result, or the map
        with which it was converted; None for the same keys.
      like: What the plan was made to fit, if it keeps values of that; None for the
        checkpoint that the plan names.
      progress: Called with the bytes verified or compared so far, and those there are.

    Returns:
      What was found; its ``ok`` says whether the proof holds.

    Raises:
      PlanError: If the source is not the one that the plan was made for.
      RuleError: If there are both a plan and a map.
      CheckpointError: If one of the checkpoints cannot be opened.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> with (
      ...     example_checkpoint({"net/w": [1.0, 2.0]}) as source,
      ...     example_checkpoint({"encoder/w": [1.0, 2.5]}) as converted,
      ... ):
      ...     proof = verify_conversion(
      ...         converted, source, assignment_map={"net/": "encoder/"}
      ...     )
      >>> print(proof.findings[0])
      'encoder/w': 1 of 2 elements is not that of 'net/w', the first at [1]: 2.5, ...
    """
    if plan is not None and assignment_map is not None:
        raise RuleError("a plan says all that a map could: give one of the two")
    source, result = as_reader(against), as_reader(converted)
    if plan is None:
        plan = _plan(source, result, assignment_map, like)
    view, added = prepared(plan, source, like)
    report = progress or _unheard
    verification = verify_checkpoint(result.prefix, progress=_first_half(report))
    run = _Run(plan, source, result, view, added)
    findings = [*run.names(), *run.values(_second_half(report))]
    damaged = {key for each in verification.findings for key in each.source}
    return ConversionProof(
        result.prefix,
        source.prefix,
        verification,
        tuple(f for f in findings if f.kind != "corrupt" or f.target not in damaged),
        run.counts,
    )


def _plan(
    source: CheckpointReader,
    result: CheckpointReader,
    assignment_map: AssignmentMapLike | None,
    like: CheckpointLike | CheckpointView | None,
) -> MigrationPlan:
    """Return the plan that a map means, for the layout of the target or the result."""
    rules = AssignmentMap(assignment_map)
    if like is not None:
        return plan_migration(source, like, rules)
    if assignment_map is not None and needs_target(source, result, rules):
        return plan_between(source, result, rules)
    return plan_migration(source, None, assignment_map)


def _unheard(done: int, total: int) -> None:
    del done, total


def _first_half(report: _Report) -> _Report:
    return lambda done, total: report(done, 2 * total)


def _second_half(report: _Report) -> _Report:
    return lambda done, total: report(total + done, 2 * total)


class _Run:
    """One comparison of an output with what it should be."""

    def __init__(
        self,
        plan: MigrationPlan,
        source: CheckpointReader,
        result: CheckpointReader,
        like: CheckpointView | None,
        added: Mapping[str, Value],
    ) -> None:
        self._source, self._result, self._like = source, result, like
        self._wanted: dict[str, Move | KeptTarget | Value] = {
            **{move.target: move for move in plan.moves},
            **{kept.name: kept for kept in plan.kept_targets},
            **added,
        }
        self._extra = [key for key in result.specs if key not in self._wanted]
        self.counts = {"linked": 0, "compared": 0, "computed": 0, "kept": 0, "added": 0}
        # A culprit is looked for among many: each value is read once for that.
        self._digests: dict[tuple[int, str], str] = {}

    def names(self) -> list[Finding]:
        """Return what is missing, what is too much, and what has a wrong name."""
        extra = dict.fromkeys(self._extra)
        findings: list[Finding] = []
        for key, wanted in self._wanted.items():
            if key in self._result:
                continue
            called = self._called(wanted, extra)
            if called is None:
                findings.append(
                    Finding("missing", missing_text(key, wanted), target=key)
                )
            else:
                del extra[called]
                why = misnamed_text(key, called, wanted)
                findings.append(Finding("misnamed", why, (called,), key))
        for key in extra:
            text = f"{key!r} {self._result.specs[key]} is there, but the plan has no "
            twin = self._same_as(key, self._result, self._wanted)
            text += f"such key{f'; its value is that of {twin!r}' if twin else ''}"
            findings.append(Finding("unexpected", text, target=key))
        return findings

    def _called(
        self, wanted: Move | KeptTarget | Value, extra: Iterable[str]
    ) -> str | None:
        """Return which of the keys too much holds what a missing one should."""
        if not isinstance(wanted, Move) or wanted.transform is not None:
            return None
        (source,) = wanted.sources
        own = [source] if source in extra else []
        return self._same_as(source, self._source, [*own, *extra])

    def _same_as(
        self, key: str, reader: CheckpointReader, among: Iterable[str]
    ) -> str | None:
        """Return which of keys in the result has the value of a key of a reader."""
        specs = self._result.specs
        spec = reader.specs[key]
        for other in among:
            if other not in self._result or specs[other] != spec:
                continue
            if self._digest_of(reader, key) == self._digest_of(self._result, other):
                return other
        return None

    def _digest_of(self, reader: CheckpointReader, key: str) -> str:
        place = id(reader), key
        if place not in self._digests:
            try:
                self._digests[place] = value_digest(reader, key)
            except CheckpointError:  # told of when it is compared, or verified
                self._digests[place] = f"unreadable {place}"
        return self._digests[place]

    def values(self, report: _Report) -> list[Finding]:
        """Compare every value that is there."""
        specs = self._result.specs
        common = [key for key in self._wanted if key in self._result]
        total, done = sum(specs[key].nbytes for key in common), 0
        findings: list[Finding] = []
        for key in common:
            try:
                found = self._compared(key, self._wanted[key])
            except CheckpointError as error:
                found = Finding("corrupt", message_of(error), target=key)
            findings += [found] if found else []
            done += specs[key].nbytes
            report(done, total)
        return findings

    def _compared(self, key: str, wanted: Move | KeptTarget | Value) -> Finding | None:
        spec = self._result.specs[key]
        if spec != wanted.spec:
            kind = "shape" if spec.dtype == wanted.spec.dtype else "dtype"
            text = f"{key!r} is {spec}, expected {wanted.spec}"
            return Finding(kind, text, (), key, None, spec, wanted.spec)
        is_counter = key == SAVE_COUNTER_KEY and not isinstance(wanted, Move)
        if is_counter and spec == COUNTER_SPEC:
            # It follows from the name to which the output was written, and which it may
            # have no longer. Its bytes are verified with all others.
            self.counts["added"] += 1
            return None
        if isinstance(wanted, Value):
            self.counts["added"] += 1
            return self._compared_addition(wanted)
        if isinstance(wanted, KeptTarget):
            self.counts["kept"] += 1
            return self._compared_kept(key)
        how, partition = parted(wanted.transform)
        if partition is not None and (found := self._other_slices(key, partition)):
            return found
        if how is None and isinstance(partition, StorePart):
            how = partition
        if how is not None:
            self.counts["computed"] += 1
            array = how(*(self._source.part(k) for k in wanted.sources))
            return self._compared_array(key, array, computed_from(wanted))
        if is_same_place(self._source, wanted.sources[0], self._result, key):
            self.counts["linked"] += 1
            return None
        self.counts["compared"] += 1
        return self._compared_with(self._source, wanted.sources[0], key)

    def _other_slices(
        self, key: str, partition: Partition | StorePart
    ) -> Finding | None:
        bundle = self._result.bundle
        stored = () if bundle is None else bundle.index[key].slices
        planned = partition.slices(self._result.specs[key])
        if {*stored} == {*planned}:
            return None
        text = (
            f"{key!r} is stored in {parts_text(stored)}, expected {parts_text(planned)}"
        )
        return Finding("slices", f"{text} by {partition!r}", target=key)

    def _compared_with(
        self, reader: CheckpointReader, source: str, key: str
    ) -> Finding | None:
        spec = self._result.specs[key]
        if spec.dtype in (DType.resource, DType.variant):
            same = stored_bytes(reader, source) == stored_bytes(self._result, key)
            text = f"{key!r} holds other bytes than {source!r}"
            return None if same else Finding("values_differ", text, (source,), key)
        what = mismatch(paired(reader, source, self._result, key), spec.shape)
        if what is None:
            return None
        culprit = self._value_of_another(key, spec)
        if culprit:
            text = f"{key!r} holds the value of {culprit!r}, not that of {source!r}"
        else:
            text = f"{key!r}: {what.text(repr(source))}"
        return Finding("values_differ", text, (source,), key)

    def _value_of_another(self, key: str, spec: TensorSpec) -> str | None:
        held = self._digest_of(self._result, key)
        alike = (k for k, each in self._source.specs.items() if each == spec)
        return next(
            (k for k in alike if self._digest_of(self._source, k) == held), None
        )

    def _compared_kept(self, key: str) -> Finding | None:
        if isinstance(self._like, CheckpointReader):
            return self._compared_with(self._like, key, key)
        array = self._like[key] if self._like is not None else self._result[key]
        return self._compared_array(key, array, f"{key!r} in the target")

    def _compared_addition(self, wanted: Value) -> Finding | None:
        serialized: Any = wanted.compute()[()]  # of a scalar string, the bytes
        expected = ObjectGraph(serialized, "the graph of the plan's keys")
        graph = self._result.object_graph
        if graph is not None and same_objects(graph, expected):
            return None
        text = "the object graph is not the one that belongs to the plan's keys"
        return Finding("object_graph", text, target=OBJECT_GRAPH_KEY)

    def _compared_array(self, key: str, array: Array, what: str) -> Finding | None:
        box = self._result.part_of(key)
        value = self._result.part(key)
        if box is not None and array.shape == self._result.specs[key].shape:
            array = array[tuple(slice(*ends) for ends in box)]
        if (array.shape, array.dtype) != (value.shape, value.dtype):
            text = f"{key!r} is {self._result.specs[key]}, but {what} "
            text += f"is {array.dtype}{[*array.shape]}"
            return Finding("shape", text, target=key)
        found = mismatch(iter([(array.reshape(-1), value.reshape(-1))]), value.shape)
        return found and Finding(
            "values_differ", f"{key!r}: {found.text(what)}", target=key
        )
