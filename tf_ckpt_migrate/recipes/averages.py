"""Moving averages of variables: which value a variable gets, and where averages go."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Literal

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import PlanError, RuleError, capped
from tf_ckpt_migrate.names.resolver import Places
from tf_ckpt_migrate.names.rules import Combine, Drop, Rename, Rule, Split
from tf_ckpt_migrate.names.rules.recipe import Ruled, recipe
from tf_ckpt_migrate.naming.optimizer_names import AVERAGE
from tf_ckpt_migrate.naming.slots import role_of
from tf_ckpt_migrate.recipes.ways import Ways, following, moving, sources_of

__all__ = ["NAME", "averages", "averages_in", "view_rules"]


NAME = AVERAGE
_KERAS_2 = "average/"
_KERAS_3 = "_average"
_Specs = Mapping[str, TensorSpec]


def view_rules(specs: _Specs, use: Literal["raw", "average"]) -> list[Rule]:
    """Return rules to names as programs ask for them, in which averages are chosen.

    With ``"average"`` a variable and its average are the same; what has no average has
    its own value under the name of one too, as ``variables_to_restore()`` of TF1 asks
    for the averages of all variables.

    Args:
      specs: The tensors of the checkpoint, by name.
      use: ``"average"``, or ``"raw"``, which leaves averages out.

    Raises:
      PlanError: If there are no averages to use.
      RuleError: If ``use`` is none of the two.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> names = ["w", "w/ExponentialMovingAverage"]
      >>> specs = dict.fromkeys(names, TensorSpec(DType.float32, (2,)))
      >>> rule = view_rules(specs, "average")[0]
      >>> rule.source, dict(rule.targets)["w"]
      ('w/ExponentialMovingAverage', None)
    """
    if use not in ("raw", "average"):
        raise RuleError(f"averages={use!r}; expected one of raw, average")
    found = averages_in(specs)
    if use == "raw":
        return [Drop(average, reason="not asked for") for average in found.values()]
    if not found:
        raise PlanError(f"the checkpoint has no averages called {NAME!r}")
    rules: list[Rule] = []
    for key in specs:
        if key in found:
            rules += [Split(found[key], [key, f"{key}/{NAME}"]), Drop(key)]
        elif role_of(key, specs) == "weight":
            rules.append(Split(key, [key, f"{key}/{NAME}"]))
    return rules


def averages_in(names: Collection[str], name: str = NAME) -> dict[str, str]:
    """Return the average of each variable that has one.

    Args:
      names: Of all tensors, to be looked up in.
      name: What averages are called in TF1.

    Raises:
      PlanError: If a variable has several.

    Example:
      >>> averages_in({"w": 0, "train/w/avg": 0, "b": 0}, "avg")
      {'w': 'train/w/avg'}
    """
    found: dict[str, str] = {}
    for variable, average in _pairs(names, name):
        if variable in found:
            raise PlanError(
                f"{variable!r} has two averages, {found[variable]!r} and {average!r}; "
                "drop one by a rule before, or choose by name=…"
            )
        found[variable] = average
    return found


def _pairs(names: Collection[str], name: str) -> Iterator[tuple[str, str]]:
    joined = {each.replace("/", "_") + _KERAS_3: each for each in names}
    for key in names:
        base = key.removesuffix(f"/{name}")
        variable = None
        if base != key:
            variable = _longest_suffix(base, names)
        elif _KERAS_2 in key:
            variable = key.partition(_KERAS_2)[2]
        elif key.endswith(_KERAS_3):
            variable = joined.get(key.rpartition("/")[2])
        if variable in names and variable is not None:
            yield variable, key


def _longest_suffix(name: str, names: Collection[str]) -> str | None:
    """Return the variable of an average, which may be below a scope of its own."""
    while name and name not in names:
        name = name.partition("/")[2]
    return name or None


_NAMED = Rename | Split | Combine  # rules that name their sources
_USES = ("raw", "average", "both")


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
