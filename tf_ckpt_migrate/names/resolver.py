"""Decides about one source key after another, and gathers what is wrong with any."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import TransformError
from tf_ckpt_migrate.names.matching import Matching, match
from tf_ckpt_migrate.names.moves import Dropped, KeptTarget, Move
from tf_ckpt_migrate.names.problems import Problems
from tf_ckpt_migrate.names.rules import (
    Bind,
    Combine,
    Drop,
    Keep,
    Recipe,
    Rename,
    RenameRegex,
    RenameScope,
    Rule,
    Split,
)
from tf_ckpt_migrate.transforms import Chain, Transform

__all__ = ["Resolver", "Specs", "Unmatched", "Unmet"]

Specs: TypeAlias = Mapping[str, TensorSpec]
Unmatched: TypeAlias = Literal["error", "keep", "drop"]
Unmet: TypeAlias = Literal["error", "keep"]


@dataclass
class Resolver:
    """One resolution under way: what is known, and what has been found so far."""

    rules: tuple[Rule, ...]
    source: Specs
    target: Specs | None
    unmatched: Unmatched
    aliases: Mapping[str, str]
    transforms: Mapping[str, Transform]
    closed: bool

    def __post_init__(self) -> None:
        self.moves: list[Move] = []
        self.dropped: list[Dropped] = []
        self.notes: list[str] = []
        self.problems: Problems = Problems(self.closed)
        self.given: Collection[Rule] = self.rules  # not what recipes stand for
        self._transforms = {self._place(n) or n: t for n, t in self.transforms.items()}
        self._unused = set(self._transforms)
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
                self._unmatched(key, decided)
            else:
                handlers[position](key)
        self._report_rules(matching)
        for name in sorted(self._unused):
            self.problems.idle_transform(name, self._transforms[name])

    def unmet_targets(self, unmet: Unmet | Container[str]) -> tuple[KeptTarget, ...]:
        """Return, or report, the targets that no source goes to."""
        missed = [
            KeptTarget(name, spec, "no source is assigned to it")
            for name, spec in (self.target or {}).items()
            if name not in self._taken
        ]
        if unmet == "keep":
            return tuple(missed)
        may_stay: Container[str] = () if isinstance(unmet, str) else unmet
        for name, spec, _ in missed:
            if name not in may_stay:
                self.problems.unmet(name, spec)
        return tuple(each for each in missed if each.name in may_stay)

    def _handler(
        self, rule: Rule, position: int, decided: Mapping[str, int]
    ) -> Callable[[str], None]:
        """Return what does with a key as ``rule`` says; made once per rule."""
        if isinstance(rule, Rename):
            return lambda key: self._named(key, rule.target, rule.transform)
        if isinstance(rule, RenameScope):
            return self._scope_handler(rule)
        if isinstance(rule, RenameRegex):
            fits = re.compile(rule.pattern).fullmatch  # not by re's cache of 512
            return lambda key: self._fitted(key, fits(key), rule)
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

    def _fitted(self, key: str, found: re.Match[str] | None, rule: RenameRegex) -> None:
        self._found(key, found.expand(rule.target) if found else "", rule.transform)

    def _found(self, key: str, name: str, transform: Transform | None) -> None:
        """Move ``key`` to a name that a scope or pattern gave it, if there is one."""
        if not name:
            self.problems.no_name(key)
            return
        place = self._place(name)
        if place is not None:
            self._move((key,), place, transform)
        elif self.unmatched == "drop":
            self.dropped.append(Dropped(key, f"the target has no {name!r}"))
        elif self.unmatched == "keep":
            self._move((key,), name, transform)
        else:
            self.problems.no_place(key, name)

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

    def _chosen(self, key: str, rule: Drop | Keep | Bind | Recipe) -> None:
        if isinstance(rule, Drop):
            self.dropped.append(Dropped(key, rule.reason or repr(rule)))
        else:  # a Bind is refused before, a Recipe expanded
            self._carry(key)

    def _unmatched(self, key: str, decided: Mapping[str, int]) -> None:
        place = None if self.target is None else self._place(key)
        if place != key and place in self.source and place not in decided:
            place = None  # a tensor of the target's own name comes first
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
        if self._transforms:
            transform = self._also(sources, target, transform)
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

    def _also(
        self, sources: tuple[str, ...], target: str, transform: Transform | None
    ) -> Transform | None:
        """Return the transform of a move, which may be given beside the rules."""
        for name in dict.fromkeys((target, *sources)):
            given = self._transforms.get(name)
            if given is not None:
                self._unused.discard(name)
                transform = given if transform is None else Chain((transform, given))
        return transform

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
                takers = [self.rules[position] for position in sorted(lost)]
                self._overlapped(rule, won, sum(lost.values()), takers)

    def _idle(self, rule: Rule, missing: Collection[str]) -> None:
        if isinstance(rule, Drop | Keep):
            self.notes.append(f"{rule!r} matched no key")
        else:
            hint = self._hint_for(rule)
            self.problems.idle(rule, missing, hint)

    def _hint_for(self, rule: Rule) -> str:
        """Return why a rule fits nothing, if it is one of the usual reasons."""
        if self._is_turned(rule):
            return (
                "turned around it would fit: a map leads from the source to the target"
            )
        if not isinstance(rule, Rename):
            return ""
        if rule.source.endswith(":0") and rule.source[:-2] in self.source:
            return f"names in a checkpoint have no ':0': {rule.source[:-2]!r} is there"
        whole = RenameScope(f"{rule.source.strip('/')}/", f"{rule.target.strip('/')}/")
        is_scope = any(key.startswith(whole.source) for key in self.source)
        return f"a scope ends in a slash: {whole!r}" if is_scope else ""

    def _is_turned(self, rule: Rule) -> bool:
        """Return whether a rule would fit from its target to its source."""
        target = self.target or {}
        if isinstance(rule, Rename):
            is_free = self.target is None or self._place(rule.source) in target
            return rule.target in self.source and is_free
        if not isinstance(rule, RenameScope) or "" in (rule.source, rule.target):
            return False
        names = (*target, *self.aliases)
        is_free = self.target is None or any(n.startswith(rule.source) for n in names)
        return is_free and any(key.startswith(rule.target) for key in self.source)

    def _overlapped(
        self, rule: Rule, won: int, lost: int, takers: Sequence[Rule]
    ) -> None:
        # Part of what a recipe would take may be left out by name.
        is_meant = rule not in self.given and all(
            isinstance(taker, Drop | Keep) and taker in self.given for taker in takers
        )
        whole = isinstance(rule, Combine) or (won == 0 and not is_meant)
        if whole and not isinstance(rule, Drop | Keep):
            self.problems.shadowed(rule, takers)
            return
        more = f" and {len(takers) - 1:,} more" if len(takers) > 1 else ""
        self.notes.append(
            f"{rule!r} decides about {won:,} of the {won + lost:,} keys that it fits; "
            f"the others went to {takers[0]!r}{more}, which comes first"
        )


def _missing(rule: Rule, source: Collection[str]) -> list[str]:
    """Return the names that ``rule`` spells out and the source does not have."""
    if isinstance(rule, Combine):
        return [key for key in rule.sources if key not in source]
    if isinstance(rule, Rename | Split):
        return [] if rule.source in source else [rule.source]
    return []
