"""Decides about one source key after another, and gathers what is wrong with any."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import TransformError, capped
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
from tf_ckpt_migrate.naming.identity import IdentityMatcher
from tf_ckpt_migrate.transforms import Chain, Transform

if TYPE_CHECKING:
    from tf_ckpt_migrate.naming.catalog import TensorCatalog

__all__ = ["Missing", "Places", "Resolver", "Specs", "Unused"]


Specs: TypeAlias = Mapping[str, TensorSpec]
Unused: TypeAlias = Literal["error", "keep", "drop"]
Missing: TypeAlias = Literal["error", "keep"]


@dataclass
class Resolver:
    """One resolution under way: what is known, and what has been found so far."""

    rules: tuple[Rule, ...]
    source: Specs
    target: Specs | None
    unused: Unused
    aliases: Mapping[str, str]
    own_names: Mapping[str, str]
    transforms: Mapping[str, Transform]
    closed: bool
    sources: TensorCatalog | None = None
    targets: TensorCatalog | None = None

    def __post_init__(self) -> None:
        self.moves: list[Move] = []
        self.dropped: list[Dropped] = []
        self.notes: list[str] = []
        self.problems: Problems = Problems(self.closed)
        self.given: Collection[Rule] = self.rules  # not what recipes stand for
        self._taken: dict[str, tuple[str, ...]] = {}  # target: its sources
        self._combined: set[int] = set()  # positions of rules that are done
        self._transforms = {self._place(n) or n: t for n, t in self.transforms.items()}
        self._unused = set(self._transforms)

    def run(self) -> None:
        """Decide about every source key, in order."""
        rules = self.rules
        is_free = self.target is None
        matching = match(rules, self.source, self.sources, keys_first=is_free)
        decided = matching.decided
        handlers = [self._handler(rule, at, decided) for at, rule in enumerate(rules)]
        if self._matcher is None:
            for key in self.source:
                position = decided.get(key)
                if position is None:
                    self._decide_unused(key, decided)
                else:
                    handlers[position](key)
        else:
            for key, position in decided.items():
                handlers[position](key)
            self._match_identities([key for key in self.source if key not in decided])
        self._report_rules(matching)
        for name in sorted(self._unused):
            self.problems.idle_transform(name, self._transforms[name])

    @cached_property
    def _matcher(self) -> IdentityMatcher | None:
        """Compares two object-based sides; None if one has only keys."""
        ours, theirs = self.sources, self.targets
        if ours is None or theirs is None or self.target is None:
            return None
        if not (ours.has_graph and theirs.has_graph):
            return None
        return IdentityMatcher(ours, theirs)

    def _match_identities(self, keys: Sequence[str]) -> None:
        """Match what no rule decides about by names and objects, not by positions."""
        matcher, target = self._matcher, self.target
        if matcher is None or target is None:
            return
        moved = {m.sources[0]: m.target for m in self.moves if m.is_plain}
        free = [name for name in target if name not in self._taken]
        found = matcher.match(keys, [] if self._only_kept else free, moved)
        pairs = found.pairs
        taken = {*self._taken, *pairs.values()}
        for key in () if self._only_kept else keys:
            if key not in pairs and not matcher.source[key].object_paths:
                # A name of a dual-keyed checkpoint is a name and nothing else.
                place = self._place(key)
                if place is not None and place not in taken:
                    pairs[key] = place
        for key in keys:
            if key in pairs:
                self._move((key,), pairs[key], None)
            elif self.unused == "keep":
                self._carry(key)
            elif self.unused == "drop":
                self.dropped.append(Dropped(key, "no rule matches it"))
            else:
                self.problems.unused(key, self.source[key])
        for each in found.contradictions:
            self.problems.contradiction(each)
        if found.by_position:
            self.notes.append(_of_positions(found.by_position))
        order = {key: place for place, key in enumerate(self.source)}
        self.moves.sort(key=lambda move: order[move.sources[0]])
        self.dropped.sort(key=lambda each: order[each.key])

    @property
    def _only_kept(self) -> bool:
        """Whether a Keep names what is to be taken, and all else is to be dropped."""
        return self.unused == "drop" and any(
            isinstance(rule, Keep) for rule in self.given
        )

    def missing_targets(
        self, missing: Missing | Container[str]
    ) -> tuple[KeptTarget, ...]:
        """Return, or report, the targets that no source goes to."""
        missed = [
            KeptTarget(name, spec, "no source is assigned to it")
            for name, spec in (self.target or {}).items()
            if name not in self._taken
        ]
        if missing == "keep":
            return tuple(missed)
        may_stay: Container[str] = () if isinstance(missing, str) else missing
        for name, spec, _ in missed:
            if name not in may_stay:
                self.problems.missing(name, spec)
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
            return lambda key: self._fitted(key, fits, rule)
        if isinstance(rule, Split):
            return lambda key: self._split(key, rule)
        if isinstance(rule, Combine):
            return self._combine_handler(rule, position, decided)
        return lambda key: self._chosen(key, rule)

    def _scope_handler(self, rule: RenameScope) -> Callable[[str], None]:
        start, scope, transform = len(rule.source), rule.target, rule.transform
        if self.sources is None and self.target is None:  # for many keys
            return lambda key: self._move((key,), scope + key[start:], transform)

        def move(key: str) -> None:
            names = [name for name in self._names(key) if name.startswith(rule.source)]
            self._found(key, [scope + name[start:] for name in names], transform)

        return move

    def _combine_handler(
        self, rule: Combine, position: int, decided: Mapping[str, int]
    ) -> Callable[[str], None]:
        # What it lacks is reported with the rules.
        keys = tuple(map(self._key, rule.sources))
        whole = all(decided.get(key) == position for key in keys)
        return lambda key: self._combine(rule, keys, position) if whole else None

    def _fitted(
        self,
        key: str,
        fits: Callable[[str], re.Match[str] | None],
        rule: RenameRegex,
    ) -> None:
        matches = filter(None, map(fits, self._names(key)))
        self._found(key, [each.expand(rule.target) for each in matches], rule.transform)

    def _names(self, key: str) -> Sequence[str]:
        """Return the names of a tensor, the surest first.

        Without a target the key comes first: what is made of it is a key.
        """
        if self.sources is None:
            return (key,)
        names = self.sources[key].names
        return names if self.target is not None else (key, *names)

    def _key(self, name: str) -> str:
        """Return the key of the source tensor that goes by a name."""
        keys = self.sources.keys_of(name) if self.sources else ()
        return keys[0] if len(keys) == 1 else name

    def _found(
        self, key: str, names: Sequence[str], transform: Transform | None
    ) -> None:
        """Move ``key`` to the first name that a rule gave it and the target has."""
        name = names[0]
        if not name:
            self.problems.no_name(key)
            return
        places = dict.fromkeys(filter(None, map(self._place, filter(None, names))))
        place = next(iter(places), None)
        if place is not None:
            self._move((key,), place, transform)
        elif self.unused == "drop":
            self.dropped.append(Dropped(key, f"the target has no {name!r}"))
        elif self.unused == "keep":
            self._move((key,), name, transform)
        else:
            self.problems.no_target(key, name, self.source[key])

    def _named(self, key: str, name: str, transform: Transform | None) -> None:
        """Move ``key`` to a name that someone wrote out: it must exist."""
        place = self._place(name)
        if place is None:
            self.problems.no_target(key, name, self.source[key])
        else:
            self._move((key,), place, transform)

    def _split(self, key: str, rule: Split) -> None:
        for name, transform in rule.targets:
            self._named(key, name, transform)

    def _combine(self, rule: Combine, keys: tuple[str, ...], position: int) -> None:
        """Make the targets when the first of the sources comes along."""
        if position in self._combined:
            return
        self._combined.add(position)
        for name, transform in rule.targets:
            place = self._place(name)
            if place is None:
                self.problems.no_target(rule.sources[0], name, self.source[keys[0]])
            else:
                self._move(keys, place, transform)

    def _chosen(self, key: str, rule: Drop | Keep | Bind | Recipe) -> None:
        if isinstance(rule, Drop):
            self.dropped.append(Dropped(key, rule.reason or repr(rule)))
        else:  # a Bind is refused before, a Recipe expanded
            self._carry(key)

    def _decide_unused(self, key: str, decided: Mapping[str, int]) -> None:
        place = None if self.target is None else self._place(key)
        place = place or self._places_by_name.get(key)
        if self._only_kept:
            place = None
        own = place and self.own_names.get(place, place)
        if own != key and own in self.source and own not in decided:
            place = None  # the tensor of the target's own name comes first
        if place is not None:
            self._move((key,), place, None)
        elif self.unused == "keep":
            self._carry(key)
        elif self.unused == "drop":
            self.dropped.append(Dropped(key, "no rule matches it"))
        else:
            self.problems.unused(key, self.source[key])

    @cached_property
    def _places_by_name(self) -> Mapping[str, str]:
        """The targets that an object-based source knows by other names, by key."""
        if self.sources is None or self.target is None or not self.sources.has_graph:
            return {}
        found = self.sources.keys_by_name(self.target)
        return {key: name for name, key in found.items()}

    def _place(self, name: str) -> str | None:
        """Return the target that ``name`` means, or None where there is none."""
        target = self.target
        if target is None or name in target:
            return name
        found = self.aliases.get(name)
        if found is None and self.targets is not None:
            keys = [key for key in self.targets.keys_of(name) if key in target]
            found = keys[0] if len(keys) == 1 else None
        return found if found in target else None

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
            if position in matching.ambiguous:
                name = matching.ambiguous[position]
                keys = self.sources.keys_of(name) if self.sources else ()
                self.problems.ambiguous(name, keys)
                continue
            won, lost = matching.won[position], matching.lost.get(position)
            if won and not lost and not isinstance(rule, Combine):
                continue
            missing = self._missing(rule)
            if missing and won:
                self.problems.combine_lacks(rule, missing)
            elif not won and not lost:
                self._idle(rule, missing)
            elif lost:
                takers = [self.rules[position] for position in sorted(lost)]
                self._overlapped(rule, won, sum(lost.values()), takers)

    def _missing(self, rule: Rule) -> list[str]:
        """Return the names that ``rule`` spells out and the source does not have."""
        if isinstance(rule, Combine):
            return [name for name in rule.sources if self._key(name) not in self.source]
        if isinstance(rule, Rename | Split):
            return [] if self._key(rule.source) in self.source else [rule.source]
        return []

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


def _of_positions(keys: Sequence[str]) -> str:
    """Return the note of tensors that only the number of a list identifies."""
    return (
        f"{', '.join(capped(map(repr, keys), 3))} are matched by their positions in a "
        "list, as no names identify them; the lists of both sides are the same"
    )


class Places(Mapping[str, TensorSpec]):
    """What is to be filled, by every name that it goes by.

    Args:
      specs: By the names that count.
      aliases: Other names, such as paths of objects.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> places = Places({"w": TensorSpec(DType.float32, ())}, {"net/kernel": "w"})
      >>> list(places), places.name_of("net/kernel"), "net/kernel" in places
      (['w', 'net/kernel'], 'w', True)
    """

    def __init__(
        self, specs: Mapping[str, TensorSpec], aliases: Mapping[str, str] | None = None
    ) -> None:
        """Keep the names apart, as those of the specs come first."""
        self.specs = specs
        self._aliases = aliases or {}

    def name_of(self, name: str) -> str:
        """Return the name that counts."""
        return name if name in self.specs else self._aliases.get(name, name)

    def __getitem__(self, name: str) -> TensorSpec:
        return self.specs[self.name_of(name)]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.name_of(name) in self.specs

    def __iter__(self) -> Iterator[str]:
        yield from self.specs
        for alias, name in self._aliases.items():
            if name in self.specs and alias not in self.specs:
                yield alias

    def __len__(self) -> int:
        return sum(1 for _ in self)
