"""Matching without rules: which tensor of the source is which tensor of the target.

Evidence, the strongest first:

1. An equal path of attributes, which goes through no number of a list: the program
   itself names the object so on both sides.
2. An equal variable name, unique on both sides; see `NumberedNames` for names that
   Keras numbers by itself (``dense``, ``dense_1``).
3. For slot variables: the same slot of the matched variable.
4. An equal key, or path, with numbers of lists in it: only if both lists hold the same
   places, dtypes and shapes, and no name says otherwise. It is reported.

Numbers alone are no evidence: a layer that is frozen, added or removed shifts all
numbers after it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from tf_ckpt_migrate.naming.keys import ObjectPath, is_positional
from tf_ckpt_migrate.naming.numbered_names import NumberedNames

if TYPE_CHECKING:
    from tf_ckpt_migrate.bundle.dtypes import TensorSpec
    from tf_ckpt_migrate.naming.catalog import TensorCatalog, TensorRecord

__all__ = ["Contradiction", "Identities", "IdentityMatcher", "match_identities"]

_T = TypeVar("_T", bound=Hashable)


@dataclass(frozen=True)
class Contradiction:
    """Evidence that leads from one tensor to two targets.

    Attributes:
      source: The key of the tensor.
      by_name: The target with the same variable name.
      by_place: The target at the same path or key.
    """

    source: str
    by_name: str
    by_place: str


@dataclass
class Identities:
    """The pairs that were found, and what stands against others.

    Attributes:
      pairs: Target by source, both by key.
      by_position: The sources of those that rest on a number of a list alone.
      contradictions: The tensors whose names and places disagree.
    """

    pairs: dict[str, str] = field(default_factory=dict[str, str])
    by_position: list[str] = field(default_factory=list[str])
    contradictions: list[Contradiction] = field(default_factory=list[Contradiction])


def match_identities(
    source: TensorCatalog,
    target: TensorCatalog,
    *,
    sources: Collection[str] | None = None,
    targets: Collection[str] | None = None,
    moved: Mapping[str, str] | None = None,
) -> Identities:
    """Return which tensors of two object-based sides are the same.

    Args:
      source: The tensors to take from.
      target: The tensors to fill.
      sources: The keys that are still without a target; all by default.
      targets: The keys that are still without a source; all by default.
      moved: What rules have matched already, target by source: slot variables follow.
    """
    keys = source if sources is None else sources
    free = target if targets is None else targets
    return IdentityMatcher(source, target).match(keys, free, moved or {})


class IdentityMatcher:
    """One comparison of two catalogs, whose names are collected once."""

    def __init__(self, source: TensorCatalog, target: TensorCatalog) -> None:
        """Take the records of both sides."""
        self.source: dict[str, TensorRecord] = {key: source[key] for key in source}
        self.target: dict[str, TensorRecord] = {key: target[key] for key in target}
        self.keys: Sequence[str] = ()
        self.free: set[str] = set()
        self.matched: dict[str, str] = {}  # targets by sources, those of rules too
        self.found: Identities = Identities()

    def match(
        self,
        sources: Collection[str],
        targets: Collection[str],
        moved: Mapping[str, str],
    ) -> Identities:
        """Return the pairs among sources and targets; see `match_identities`."""
        self.keys = [key for key in self.source if key in sources]
        self.free = set(targets)
        self.matched = dict(moved)
        self.found = Identities()
        slots = [key for key in self.keys if self.source[key].owner is not None]
        others = [key for key in self.keys if self.source[key].owner is None]
        for key in others:
            self._match_by_name_or_path(key)
        for key in slots:
            self._match_slot(key)
        self._match_positions()
        self.found.pairs = {
            key: self.found.pairs[key] for key in self.keys if key in self.found.pairs
        }
        return self.found

    def _match_by_name_or_path(self, key: str) -> None:
        record = self.source[key]
        by_path = self._by_path(record)
        by_name = self._by_name(record)
        is_own = self._numbers.is_given(record.variable_name)
        if by_path and by_name and by_path != by_name and is_own:
            self._contradict(key, by_name, by_path)
        else:
            self._pair(key, by_path or by_name)

    def _by_path(self, record: TensorRecord) -> str | None:
        paths = record.attribute_paths
        found = {self._target_paths.get(each, "") for each in paths} - {""}
        return found.pop() if len(found) == 1 else None

    @cached_property
    def _target_paths(self) -> Mapping[ObjectPath, str]:
        """Targets by their paths of attributes; "" for a path that several have."""
        return _unique(
            (path, key)
            for key, record in self.target.items()
            for path in record.attribute_paths
        )

    def _by_name(self, record: TensorRecord) -> str | None:
        name = self._numbers.of_source(record.variable_name)
        if name is None:
            return None
        if self._source_names.get(name) == record.key:
            found = self._target_names.get(name)
            if found:
                return found
        # Two lists may hold the same variables: then the name is unique in each.
        within = (_list_of(record), name)
        if self._source_listed.get(within) == record.key:
            return self._target_listed.get(within) or None
        return None

    @cached_property
    def _numbers(self) -> NumberedNames:
        return NumberedNames(
            (each.variable_name for each in self.source.values()),
            (each.variable_name for each in self.target.values()),
        )

    @cached_property
    def _source_names(self) -> Mapping[str | None, str]:
        of = self._numbers.of_source
        return _unique((of(r.variable_name), key) for key, r in self.source.items())

    @cached_property
    def _target_names(self) -> Mapping[str | None, str]:
        of = self._numbers.of_target
        return _unique((of(r.variable_name), key) for key, r in self.target.items())

    @cached_property
    def _source_listed(self) -> Mapping[tuple[ObjectPath, str | None], str]:
        of = self._numbers.of_source
        return _unique(
            ((_list_of(each), of(each.variable_name)), key)
            for key, each in self.source.items()
        )

    @cached_property
    def _target_listed(self) -> Mapping[tuple[ObjectPath, str | None], str]:
        of = self._numbers.of_target
        return _unique(
            ((_list_of(each), of(each.variable_name)), key)
            for key, each in self.target.items()
        )

    def _match_slot(self, key: str) -> None:
        owner = self.source[key].owner
        variable = None if owner is None else self.matched.get(owner.variable)
        if owner is None or variable is None:
            return
        candidates = self._target_slots.get((variable, owner.name), [])
        if len(candidates) > 1:  # several optimizers: the one at the same path
            paths = _optimizer_paths(self.source[key])
            candidates = [
                each
                for each in candidates
                if _optimizer_paths(self.target[each]) & paths
            ]
        self._pair(key, candidates[0] if len(candidates) == 1 else None)

    @cached_property
    def _target_slots(self) -> Mapping[tuple[str, str], list[str]]:
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for key, record in self.target.items():
            if record.owner is not None:
                found[record.owner.variable, record.owner.name].append(key)
        return found

    def _match_positions(self) -> None:
        """Pair what is left by equal paths with numbers, where lists are the same."""
        shifted = self._shifted_lists()
        for key in self.keys:
            record = self.source[key]
            if key in self.found.pairs or record.owner is not None:
                continue
            places = {
                self._target_places.get(path, "")
                for path in record.object_paths
                if _pattern(path) not in shifted and self._is_same_list(path)
            } - {""}
            if len(places) != 1:
                continue
            (place,) = places
            named = self._by_name(record)
            if named is not None and named != place:
                self._contradict(key, named, place)
            elif self.target[place].owner is None and self._pair(key, place):
                self.found.by_position.append(key)

    def _shifted_lists(self) -> set[ObjectPath]:
        """Return the lists in which a matched tensor has another place than before."""
        found: set[ObjectPath] = set()
        for key, target in self.matched.items():
            if key not in self.source or target not in self.target:
                continue
            places: dict[ObjectPath, set[ObjectPath]] = defaultdict(set)
            for path in self.target[target].object_paths:
                places[_pattern(path)].add(path)
            for path in self.source[key].object_paths:
                others = places.get(_pattern(path))
                if others is not None and path not in others:
                    found.add(_pattern(path))
        return found

    @cached_property
    def _target_places(self) -> Mapping[ObjectPath, str]:
        return _unique(
            (path, key)
            for key, record in self.target.items()
            for path in record.object_paths
            if is_positional(path)
        )

    def _is_same_list(self, path: ObjectPath) -> bool:
        """Return whether both sides have the same places and specs in a list."""
        group = _pattern(path)
        return self._source_lists.get(group) == self._target_lists.get(group)

    @cached_property
    def _source_lists(self) -> Mapping[ObjectPath, Mapping[ObjectPath, TensorSpec]]:
        return _lists(self.source)

    @cached_property
    def _target_lists(self) -> Mapping[ObjectPath, Mapping[ObjectPath, TensorSpec]]:
        return _lists(self.target)

    def _pair(self, key: str, target: str | None) -> bool:
        if target is None or target not in self.free:
            return False
        self.found.pairs[key] = self.matched[key] = target
        self.free.discard(target)
        return True

    def _contradict(self, key: str, by_name: str, by_place: str) -> None:
        self.found.contradictions.append(Contradiction(key, by_name, by_place))


def _unique(pairs: Iterable[tuple[_T, str]]) -> dict[_T, str]:
    """Return keys by what tells them apart; "" for what several keys share."""
    found: dict[_T, str] = {}
    for name, key in pairs:
        found[name] = key if found.get(name, key) == key else ""
    return found


def _pattern(path: ObjectPath) -> ObjectPath:
    """Return a path with ``*`` for every number of a list."""
    return tuple("*" if name.isdecimal() else name for name in path)


def _list_of(record: TensorRecord) -> ObjectPath:
    """Return the list that the key of a tensor goes through, as a pattern."""
    return _pattern(tuple(record.key.split("/")))


def _lists(
    records: Mapping[str, TensorRecord],
) -> Mapping[ObjectPath, Mapping[ObjectPath, TensorSpec]]:
    found: dict[ObjectPath, dict[ObjectPath, TensorSpec]] = defaultdict(dict)
    for record in records.values():
        for path in record.object_paths:
            if is_positional(path):
                found[_pattern(path)][path] = record.spec
    return found


def _optimizer_paths(record: TensorRecord) -> set[ObjectPath]:
    """Return what comes before the list of slots in the paths of a slot variable."""
    return {
        path[: next(n for n, part in enumerate(path) if part.startswith("_"))]
        for path in record.object_paths
        if any(part.startswith("_") for part in path)
    }
