"""Where rules take variables, so that what belongs to a variable can go with it.

An average or a slot of a variable has the same shape and is to change as it does:
where a kernel is cut in two, so is its average. So this looks at what other rules do,
those of recipes too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.names.matching import match
from tf_ckpt_migrate.names.rules import (
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
from tf_ckpt_migrate.names.rules.recipe import Ruled
from tf_ckpt_migrate.recipes.scopes import start_of
from tf_ckpt_migrate.transforms import Transform

__all__ = ["Way", "Ways", "following", "moving", "sources_of"]

_Goals = Mapping[str, Transform | None]


class Way(NamedTuple):
    """What becomes of a variable.

    Attributes:
      sources: It, and what it is joined with, in the order of the transforms.
      goals: The targets, each with what makes it of the sources.
      rule: The rule that says so; None where no rule does.
    """

    sources: tuple[str, ...]
    goals: _Goals
    rule: Rule | None = None


class Ways:
    """The ways of the variables of a scope.

    A rule before the recipe counts whatever it is; one behind it counts if it takes
    variables somewhere, as what drops or keeps all the rest is not meant for these. But
    a recipe whose scopes are the same renames nothing: then variables that no rule is
    for are left to what drops the rest, and to the target that may not have them.

    Args:
      ruled: The other rules.
      specs: The tensors of the checkpoint.
      targets: The places to fill; None if any name will do.
      source: The scope in the checkpoint.
      target: The scope to which variables go that no rule is for.

    Raises:
      RuleError: If a scope does not end in ``/``.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> specs = {"net/w": TensorSpec(DType.float32, ())}
      >>> ruled = Ruled([], [RenameScope("net/", "a/")])
      >>> ways = Ways(ruled, specs, None, "net/", "b/")
      >>> ways.of("net/w").goals
      {'a/w': None}
    """

    def __init__(
        self,
        ruled: Ruled,
        specs: Mapping[str, TensorSpec],
        targets: Mapping[str, TensorSpec] | None,
        source: str,
        target: str,
    ) -> None:
        """Match the rules with the tensors."""
        self._source, self._target = start_of(source), start_of(target)
        self._targets = targets
        before = [rule for rule in ruled.before if not isinstance(rule, Recipe)]
        after = [rule for rule in ruled.after if not isinstance(rule, Recipe)]
        counted = [rule for rule in after if not isinstance(rule, Drop | Keep)]
        self._made = ruled.made
        self._rules: list[Rule] = [*before, *counted]
        self._decided = match(self._rules, specs).decided
        self._all: list[Rule] = [*before, *after]
        self._decided_by_all = match(self._all, specs).decided

    def holds(self, variable: str) -> bool:
        """Return whether a variable is in the scope."""
        return variable.startswith(self._source)

    def of(self, variable: str) -> Way | None:
        """Return the way of a variable; None if it is left behind."""
        rule = self._rule(variable)
        if rule is None:
            place = self._target + variable.removeprefix(self._source)
            has_place = self._targets is None or place in self._targets
            position = self._decided_by_all.get(variable)
            is_rest = position is not None and isinstance(self._all[position], Drop)
            if place == variable and (is_rest or not has_place):
                return None
            return Way((variable,), {place: None})
        if isinstance(rule, Drop):
            return None
        if isinstance(rule, Combine):
            return Way(rule.sources, dict(rule.targets), rule)
        goals = _goals(rule, variable)
        if isinstance(rule, RenameScope | RenameRegex) and self._targets is not None:
            # What a scope leads to nowhere is left to it, and to unused=.
            goals = {to: how for to, how in goals.items() if to in self._targets}
        return Way((variable,), goals, rule) if goals else None

    def own_rule(self, key: str) -> Rule | None:
        """Return the rule that someone wrote for a key by its name or its role.

        A scope or pattern that fits it too was not written for it.
        """
        rule = self._rule(key)
        broad = rule is None or isinstance(rule, RenameScope | RenameRegex)
        return None if broad or id(rule) in self._made else rule

    def without_idle(self, rules: list[Rule], others: list[Rule]) -> list[Rule]:
        """Return rules, and of others all but scopes to which they leave nothing.

        Args:
          rules: Rules by name, which are to come first.
          others: The rules around the recipe, or what has become of them.
        """
        taken = {source for rule in rules for source in sources_of(rule)}
        had: set[int] = set()
        left: set[int] = set()
        for key, position in self._decided_by_all.items():
            had.add(position)
            if key not in taken:
                left.add(position)
        idle = {
            id(self._all[position])
            for position in had - left
            if isinstance(self._all[position], RenameScope | RenameRegex)
        }
        return [*rules, *(rule for rule in others if id(rule) not in idle)]

    def _rule(self, key: str) -> Rule | None:
        position = self._decided.get(key)
        return None if position is None else self._rules[position]


def _goals(rule: Rule, variable: str) -> _Goals:
    if isinstance(rule, Split):
        return dict(rule.targets)
    if isinstance(rule, RenameScope):
        name = rule.target + variable.removeprefix(rule.source)
        return {name: rule.transform}
    if isinstance(rule, RenameRegex):
        found = re.fullmatch(rule.pattern, variable)
        return {found.expand(rule.target): rule.transform} if found else {}
    if isinstance(rule, Rename):
        return {rule.target: rule.transform}
    return {variable: None}


def moving(source: str, goals: _Goals) -> Rename | Split:
    """Return the rule that takes one tensor to where another goes.

    Example:
      >>> moving("w/Adam", {"kernel/Adam": None})
      Rename('w/Adam', 'kernel/Adam')
    """
    if len(goals) == 1:
        ((target, transform),) = goals.items()
        return Rename(source, target, transform)
    return Split(source, goals)


def following(
    ways: Ways,
    group: Mapping[str, str],
    place_of: Callable[[str], str | None],
    change: Callable[[Transform | None], Transform | None],
) -> list[Rule]:
    """Return the rules that take what belongs to variables along with these.

    Args:
      ways: Where the variables go.
      group: What belongs to each variable.
      place_of: Where what belongs to a target goes, or None.
      change: What is done to it, by what is done to the variable.

    Raises:
      PlanError: If of variables that are joined only some have such a thing.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> specs = {"net/w": TensorSpec(DType.float32, ())}
      >>> ways = Ways(Ruled([], []), specs, None, "net/", "b/")
      >>> following(ways, {"net/w": "net/w/m"}, "{}/m".format, lambda how: how)
      [Rename('net/w/m', 'b/w/m')]
    """
    rules: list[Rule] = []
    done: set[tuple[str, ...]] = set()
    for variable in group:
        way = ways.of(variable)
        if way is None or way.sources in done or ways.own_rule(group[variable]):
            continue
        done.add(way.sources)
        places = ((place_of(target), how) for target, how in way.goals.items())
        goals = {place: change(how) for place, how in places if place is not None}
        keys = [group[source] for source in way.sources if source in group]
        if not goals:
            continue
        if len(keys) < len(way.sources):
            lack = next(source for source in way.sources if source not in group)
            raise PlanError(
                f"{', '.join(map(repr, way.sources))} become one variable, and there "
                f"is a {keys[0]!r}, but none of {lack!r}"
            )
        if len(keys) == 1:
            rules.append(moving(keys[0], goals))
        else:
            rules.append(Combine(keys, {to: how for to, how in goals.items() if how}))
    return rules


def sources_of(rule: Rule) -> tuple[str, ...]:
    """Return the keys that a rule names.

    Example:
      >>> sources_of(Rename("a", "b")), sources_of(Keep(role="step"))
      (('a',), ())
    """
    if isinstance(rule, Combine):
        return rule.sources
    source = getattr(rule, "source", None)
    return () if source is None else (source,)
