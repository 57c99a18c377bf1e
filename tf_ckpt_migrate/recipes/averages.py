"""Moving averages of variables: which value a variable gets, and where averages go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import PlanError, RuleError, capped
from tf_ckpt_migrate.names.places import Places
from tf_ckpt_migrate.names.rules import Combine, Drop, Rename, Rule, Split
from tf_ckpt_migrate.names.rules.recipe import Ruled, recipe
from tf_ckpt_migrate.recipes.average_names import NAME, averages_in
from tf_ckpt_migrate.recipes.ways import Ways, following, moving, sources_of

__all__ = ["averages"]

_NAMED = Rename | Split | Combine  # rules that name their sources
_USES = ("raw", "average", "both")
_Specs = Mapping[str, TensorSpec]


@recipe("averages", last=True)
def averages(  # noqa: PLR0913 what every such recipe gets, and two options
    source: str,
    target: str,
    specs: _Specs,
    targets: _Specs | None,
    ruled: Ruled,
    *,
    use: Literal["raw", "average", "both"] = "average",
    name: str = NAME,
) -> list[Any]:
    """Return all rules, changed so that variables get their averages, or keep them.

    Where other rules take a variable, its average is taken in the same way: cut,
    reordered and joined as it is. So it goes with any rules for layers and names.

    Args:
      source: The scope in the checkpoint; ``"/"`` is everything.
      target: The scope to which variables go that no other rule is for.
      specs: The tensors of the checkpoint.
      targets: The places to fill; None if any name will do.
      ruled: The other rules.
      use: ``"average"`` gives variables their averages, ``"raw"`` their own values, and
        what is not used is dropped; ``"both"`` carries the averages over, to the
        averages of the target. One that has no place there is left to other rules.
      name: What the averages are called in TF1, also those to be made.

    Raises:
      RuleError: If ``use`` is none of the three, or a scope does not end in ``/``.
      PlanError: If the scope has no averages and ``use`` is not ``"raw"``; if a
        variable has two; or if the target has no place for any.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> spec = TensorSpec(DType.float32, (2,))
      >>> specs = {"net/w": spec, "net/w/ExponentialMovingAverage": spec}
      >>> for rule in averages("net/", "model/", specs, None, Ruled([], [])):
      ...     print(rule)
      Rename('net/w/ExponentialMovingAverage', 'model/w')
      Drop('net/w')
    """
    if use not in _USES:
        raise RuleError(f"use={use!r}; expected one of {', '.join(_USES)}")
    ways = Ways(ruled, specs, targets, source, target)
    known = averages_in(specs, name)
    found = {v: average for v, average in known.items() if ways.holds(v)}
    if not found and use != "raw":
        raise PlanError(
            f"no variable below {source!r} has an average called {name!r}, nor one of "
            "a Keras optimizer; averages of another name are found by name=…"
        )
    others, notes = _without_missing([*ruled.before, *ruled.after], specs, name)
    of_averages = set(found.values())
    others = [
        rule
        for rule in others
        if id(rule) not in ruled.made or of_averages.isdisjoint(sources_of(rule))
    ]
    if use == "average":
        return [*_instead(ways, found, others), *notes]
    first: list[Rule] = [
        moving(variable, way.goals)
        for variable in found
        if (way := ways.of(variable)) and way.rule is None
    ]
    if use == "raw":
        why = "the variable's own value is taken"
        first += [
            Drop(average, reason=why)
            for average in found.values()
            if ways.own_rule(average) is None
        ]
    else:
        place_of = _place_of(targets, name)
        first += following(ways, found, place_of, lambda how: how)
    return [*ways.without_idle(first, others), *notes]


def _instead(ways: Ways, found: Mapping[str, str], others: list[Rule]) -> list[Rule]:
    """Return the rules with the average of a variable in its place."""
    first: list[Rule] = []
    joined: dict[str, str] = {}
    done: set[int] = set()
    for variable, average in found.items():
        way, own = ways.of(variable), ways.own_rule(average)
        if isinstance(own, Drop) or (own is None and way is None):
            continue
        if own is not None and way is not None and isinstance(way.rule, _NAMED):
            continue  # someone has a use for both
        if own is None and way is not None:
            if len(way.sources) > 1:
                joined[variable] = average
            else:
                first.append(moving(average, way.goals))
                if isinstance(way.rule, _NAMED):
                    done.add(id(way.rule))
        first.append(Drop(variable, reason="its average is taken"))
    left = [_substituted(rule, joined) for rule in others if id(rule) not in done]
    return ways.without_idle(first, left)


def _substituted(rule: Rule, averages: Mapping[str, str]) -> Rule:
    if not isinstance(rule, Combine) or averages.keys().isdisjoint(rule.sources):
        return rule
    sources = [averages.get(each, each) for each in rule.sources]
    return Combine(sources, {to: how for to, how in rule.targets if how})


def _without_missing(
    rules: Sequence[Any], specs: _Specs, name: str
) -> tuple[list[Any], list[str]]:
    """Return rules in which no average is taken that the checkpoint does not have.

    TF1's ``variables_to_restore()`` names one for every variable that is trained.
    """
    made: list[Any] = []
    without: list[str] = []
    for rule in rules:
        is_rename = isinstance(rule, Rename)
        variable = rule.source.removesuffix(f"/{name}") if is_rename else ""
        if variable in specs and rule.source not in specs:
            without.append(repr(variable))
            rule = Rename(variable, rule.target, rule.transform)  # noqa: PLW2901 itself
        made.append(rule)
    what = (
        "no average in the checkpoint, so their own values are taken: "
        f"{', '.join(capped(without))}"
    )
    return made, [what] if without else []


def _place_of(targets: _Specs | None, name: str) -> Callable[[str], str | None]:
    """Return what says where the average of a target is.

    Raises:
      PlanError: If the target has none.
    """
    if targets is None:
        return lambda target: f"{target}/{name}"
    name_of = targets.name_of if isinstance(targets, Places) else str
    found = averages_in(targets, name)
    places = {name_of(variable): average for variable, average in found.items()}
    if not places:
        raise PlanError(
            "no variable of the target has an average; give its optimizer "
            "use_ema=True, or choose use='raw' or use='average'"
        )
    return lambda target: places.get(name_of(target))
