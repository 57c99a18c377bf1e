"""From an assignment map to moves: every name on both sides is accounted for.

The laws:

- The first rule that fits a key decides; its result is not looked at again.
- With a target, a key that no rule fits goes to the target of its own name (or alias).
- What has no place is an error, unless ``unmatched`` (sources) or ``unmet`` (targets)
  says otherwise; two sources for one target, and dtypes or shapes that differ, always.
- A rename that fits nothing, or that earlier rules leave nothing, is an error; such a
  `Drop` or `Keep` is a note: it says what may be there.
- All findings come in one error.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import RuleError, TransformError
from tf_ckpt_migrate.names.assignment_map import AssignmentMap, AssignmentMapLike
from tf_ckpt_migrate.names.matching import Matching, match
from tf_ckpt_migrate.names.moves import Dropped, KeptTarget, Move
from tf_ckpt_migrate.names.problems import Problems
from tf_ckpt_migrate.names.rules import (
    Bind,
    Combine,
    Drop,
    Keep,
    Rename,
    RenameRegex,
    RenameScope,
    Rule,
    Split,
)
from tf_ckpt_migrate.transforms import Transform

__all__ = ["Resolution", "Specs", "Unmatched", "Unmet", "resolve"]

Specs: TypeAlias = Mapping[str, TensorSpec]
Unmatched: TypeAlias = Literal["error", "keep", "drop"]
Unmet: TypeAlias = Literal["error", "keep"]


class Resolution(NamedTuple):
    """What becomes of every source key and of every target.

    Attributes:
      moves: The targets that are written, in the order of their (first) source.
      dropped: The source keys left behind, in their order.
      kept_targets: The targets that keep their values, in their order.
      notes: What a reader should know, though nothing is wrong.
    """

    moves: tuple[Move, ...]
    dropped: tuple[Dropped, ...] = ()
    kept_targets: tuple[KeptTarget, ...] = ()
    notes: tuple[str, ...] = ()


def resolve(  # noqa: PLR0913 the vocabulary of every planning call, by keyword
    assignment_map: AssignmentMapLike | None,
    source: Specs,
    target: Specs | None = None,
    *,
    unmatched: Unmatched = "error",
    unmet: Unmet = "error",
    aliases: Mapping[str, str] | None = None,
) -> Resolution:
    """Return the moves that an assignment map means for these tensors.

    Args:
      assignment_map: The rules, or what `AssignmentMap` reads as such.
      source: What the checkpoint holds.
      target: What the model, or the other checkpoint, has; None accepts any name.
      unmatched: What becomes of a source key that has no place: ``"error"``, ``"keep"``
        carries it over, ``"drop"`` leaves it behind.
      unmet: What becomes of a target without a source: ``"error"``, or ``"keep"`` lets
        it have the value it has.
      aliases: Other names of targets, such as variable names for object keys; rules
        and sources may use either.

    Returns:
      The moves, and what is dropped and kept.

    Raises:
      PlanError: If anything is not accounted for; ``problems`` lists every finding.
      RuleError: If the map is not well formed, or names variables by object.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> spec = TensorSpec(DType.float32, (2,))
      >>> print(resolve({"bert/": "encoder/"}, {"bert/w": spec}).moves[0])
      'bert/w' -> 'encoder/w' float32[2]
    """
    _check_word("unmatched", unmatched, ("error", "keep", "drop"))
    _check_word("unmet", unmet, ("error", "keep"))
    rules = tuple(AssignmentMap(assignment_map))
    resolver = _Resolver(rules, source, target, unmatched, aliases or {})
    resolver.run()
    kept = resolver.unmet_targets(unmet)
    resolver.problems.raise_if_any(source, target)
    return Resolution(
        tuple(resolver.moves), tuple(resolver.dropped), kept, tuple(resolver.notes)
    )


def _check_word(name: str, value: str, words: Sequence[str]) -> None:
    if value not in words:
        raise RuleError(f"{name} must be one of {', '.join(words)}, not {value!r}")


@dataclass
class _Resolver:
    """One resolution under way: what is known, and what has been found so far."""

    rules: tuple[Rule, ...]
    source: Specs
    target: Specs | None
    unmatched: Unmatched
    aliases: Mapping[str, str]

    def __post_init__(self) -> None:
        self.moves: list[Move] = []
        self.dropped: list[Dropped] = []
        self.notes: list[str] = []
        self.problems = Problems()
        self._taken: dict[str, tuple[str, ...]] = {}  # target: its sources
        self._combined: set[int] = set()  # positions of rules that are done

    def run(self) -> None:
        """Decide about every source key, in order."""
        rules = self.rules
        matching = match(rules, self.source)
        decided = matching.decided
        handlers = [self._handler(rule, at, decided) for at, rule in enumerate(rules)]
        for key in self.source:
            position = decided.get(key)
            if position is None:
                self._unmatched(key)
            else:
                handlers[position](key)
        self._report_rules(matching)

    def unmet_targets(self, unmet: Unmet) -> tuple[KeptTarget, ...]:
        """Return, or report, the targets that no source goes to."""
        missed = [
            KeptTarget(name, spec, "no source is assigned to it")
            for name, spec in (self.target or {}).items()
            if name not in self._taken
        ]
        if unmet == "keep":
            return tuple(missed)
        for name, spec, _ in missed:
            self.problems.unmet(name, spec)
        return ()

    def _handler(
        self, rule: Rule, position: int, decided: Mapping[str, int]
    ) -> Callable[[str], None]:
        """Return what does with a key as ``rule`` says; made once per rule."""
        if isinstance(rule, Rename):
            return lambda key: self._named(key, rule.target, rule.transform)
        if isinstance(rule, RenameScope):
            return self._scope_handler(rule)
        if isinstance(rule, RenameRegex):
            return lambda key: self._found(
                key, rule.target_of(key) or "", rule.transform
            )
        if isinstance(rule, Split):
            return lambda key: self._split(key, rule)
        if isinstance(rule, Combine):
            return self._combine_handler(rule, position, decided)
        return lambda key: self._chosen(key, rule)

    def _scope_handler(self, rule: RenameScope) -> Callable[[str], None]:
        start, scope, transform = len(rule.source), rule.target, rule.transform
        if self.target is None:
            return lambda key: self._move((key,), scope + key[start:], transform)
        return lambda key: self._found(key, scope + key[start:], transform)

    def _combine_handler(
        self, rule: Combine, position: int, decided: Mapping[str, int]
    ) -> Callable[[str], None]:
        # What it lacks is reported with the rules.
        whole = all(decided.get(key) == position for key in rule.sources)
        return lambda key: self._combine(rule, position) if whole else None

    def _found(self, key: str, name: str, transform: Transform | None) -> None:
        """Move ``key`` to a name that a scope or pattern gave it, if there is one."""
        if not name or name.endswith("/"):
            self.problems.no_name(key, name)
            return
        place = self._place(name)
        if place is not None:
            self._move((key,), place, transform)
        elif self.unmatched == "drop":
            self.dropped.append(Dropped(key, f"the target has no {name!r}"))
        elif self.unmatched == "keep":
            self._move((key,), name, transform)
        else:
            self.problems.no_target(key, name)

    def _named(self, key: str, name: str, transform: Transform | None) -> None:
        """Move ``key`` to a name that someone wrote out: it must exist."""
        place = self._place(name)
        if place is None:
            self.problems.no_target(key, name)
        else:
            self._move((key,), place, transform)

    def _split(self, key: str, rule: Split) -> None:
        for name, transform in rule.targets:
            self._named(key, name, transform)

    def _combine(self, rule: Combine, position: int) -> None:
        """Make the targets when the first of the sources comes along."""
        if position in self._combined:
            return
        self._combined.add(position)
        for name, transform in rule.targets:
            place = self._place(name)
            if place is None:
                self.problems.no_target(rule.sources[0], name)
            else:
                self._move(rule.sources, place, transform)

    def _chosen(self, key: str, rule: Drop | Keep | Bind) -> None:
        if isinstance(rule, Drop):
            self.dropped.append(Dropped(key, rule.reason or repr(rule)))
        else:  # a Bind is refused before
            self._carry(key)

    def _unmatched(self, key: str) -> None:
        place = None if self.target is None else self._place(key)
        if place is not None:
            self._move((key,), place, None)
        elif self.unmatched == "keep":
            self._carry(key)
        elif self.unmatched == "drop":
            self.dropped.append(Dropped(key, "no rule matches it"))
        else:
            self.problems.unmatched(key, self.source[key])

    def _place(self, name: str) -> str | None:
        """Return the target that ``name`` means, or None where there is none."""
        target = self.target
        if target is None or name in target:
            return name
        return self.aliases.get(name)

    def _carry(self, key: str) -> None:
        """Keep the name of ``key``, though the target need not know it."""
        self._move((key,), self._place(key) or key, None)

    def _move(
        self, sources: tuple[str, ...], target: str, transform: Transform | None
    ) -> None:
        other = self._taken.setdefault(target, sources)
        if other is not sources:
            self.problems.collision(target, other, sources)
            return
        spec = self.source[sources[0]]
        if transform is not None:
            try:
                spec = transform.output_spec(*[self.source[key] for key in sources])
            except TransformError as error:
                self.problems.misfit(sources, target, str(error))
                return
        self.moves.append(Move(sources, target, transform, spec))
        if self.target is not None:
            wanted = self.target.get(target, spec)
            if wanted != spec:
                self.problems.differs(self.moves[-1], wanted)

    def _report_rules(self, matching: Matching) -> None:
        for position, rule in enumerate(self.rules):
            won, lost = matching.won[position], matching.lost.get(position)
            if won and not lost and not isinstance(rule, Combine):
                continue
            missing = _missing(rule, self.source)
            if missing and won:
                self.problems.combine_lacks(rule, missing)
            elif not won and not lost:
                self._idle(rule, missing)
            elif lost:
                takers = [repr(self.rules[position]) for position in sorted(lost)]
                self._overlapped(rule, won, sum(lost.values()), takers)

    def _idle(self, rule: Rule, missing: Collection[str]) -> None:
        if isinstance(rule, Drop | Keep):
            self.notes.append(f"{rule!r} matched no key")
        else:
            self.problems.idle(rule, missing)

    def _overlapped(
        self, rule: Rule, won: int, lost: int, takers: Sequence[str]
    ) -> None:
        whole = won == 0 or isinstance(rule, Combine)
        if whole and not isinstance(rule, Drop | Keep):
            self.problems.shadowed(rule, takers)
            return
        more = f" and {len(takers) - 1:,} more" if len(takers) > 1 else ""
        self.notes.append(
            f"{rule!r} decides about {won:,} of the {won + lost:,} keys that it fits; "
            f"the others went to {takers[0]}{more}, which comes first"
        )


def _missing(rule: Rule, source: Collection[str]) -> list[str]:
    """Return the names that ``rule`` spells out and the source does not have."""
    if isinstance(rule, Combine):
        return [key for key in rule.sources if key not in source]
    if isinstance(rule, Rename | Split):
        return [] if rule.source in source else [rule.source]
    return []
