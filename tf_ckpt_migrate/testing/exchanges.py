"""Finds weights that came into each other's layers, and the map that mends it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import combinations
from typing import Any

from tf_ckpt_migrate.live.goals import names_of
from tf_ckpt_migrate.live.planning import bound
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.live.variables import assign, name_of, value_of, within
from tf_ckpt_migrate.names.assignment_map import AssignmentMap
from tf_ckpt_migrate.names.matching import match
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.names.rules import Rule
from tf_ckpt_migrate.testing.changes import Change
from tf_ckpt_migrate.testing.layers import layers_of

__all__ = ["exchanges", "map_change"]

_KIND = "exchanged layers"


def exchanges(model: Any, first: str | None, good: Iterable[str]) -> Iterator[Change]:
    """Yield exchanges of the weights of two layers, then of two single variables.

    Args:
      model: The model.
      first: The layer that has the values of TF1's layer that differs first, with which
        to begin; None if it is not known.
      good: Layers that agree, which are left alone.
    """
    layers = {
        name: [each for each in layer.weights if _is_float(each)]
        for name, layer in _innermost(model).items()
        if name not in {*good}
    }
    pairs = sorted(combinations(layers, 2), key=lambda pair: first not in pair)
    for one, other in pairs:
        ours, theirs = layers[one], layers[other]
        if ours and [*map(_shape, ours)] == [*map(_shape, theirs)]:
            yield Change(
                _KIND,
                f"with the weights of layers {one!r} and {other!r} exchanged it agrees",
                made=lambda _, a=ours, b=theirs: _exchanged(a, b),
                exchanged=[*zip(ours, theirs, strict=True)],
                renamed={one: other, other: one},
            )
    for one, other in pairs:
        ours, theirs = layers[one], layers[other]
        if len(ours) == len(theirs) == 1:
            continue  # that is the layer
        for mine in ours:
            for its in theirs:
                if _shape(mine) == _shape(its) and _last(mine) == _last(its):
                    yield Change(
                        "exchanged variables",
                        f"with {_last(mine)!r} of layers {one!r} and {other!r} "
                        "exchanged it agrees",
                        made=lambda _, a=mine, b=its: _exchanged([a], [b]),
                        exchanged=[(mine, its)],
                    )


def map_change(
    model: Any,
    plan: MigrationPlan,
    assignment_map: AssignmentMap,
    exchanged: Iterable[tuple[Any, Any]],
) -> str:
    """Return what to change in the map so that variables get their own values.

    Args:
      model: The model.
      plan: How TF1's values were moved to it.
      assignment_map: The rules of that.
      exchanged: Pairs of variables, in the order in which they were exchanged.
    """
    taken: dict[int, int] = {}  # by variable: the one whose value it should have
    for one, other in exchanged:
        a, b = id(within(one)), id(within(other))
        taken[a], taken[b] = taken.get(b, b), taken.get(a, a)
    moves = _moves_by_variable(model, plan.moves)
    if not all(key in moves for key in taken):
        return ""
    change = [(moves[of], moves[to]) for to, of in taken.items() if to != of]
    if any(
        move.transform is not None or len(move.sources) > 1
        for pair in change
        for move in pair
    ):
        said = "; ".join(
            f"let {', '.join(map(repr, source.sources))} go to {move.target!r}, not to "
            f"{source.target!r}"
            for source, move in change
        )
        return f"In assignment_map, {said}"
    rules = {source.sources[0]: move.target for source, move in change}
    replaced = _rules_of(model, plan, assignment_map, rules)
    instead = f" in place of {', '.join(map(repr, replaced))}" if replaced else ""
    return f"Put these rules first in assignment_map{instead}: {rules!r}"


def _rules_of(
    model: Any, plan: MigrationPlan, assignment_map: AssignmentMap, names: Iterable[str]
) -> list[Rule]:
    """Return the rules that decide about nothing but these names."""
    rules = [*bound(assignment_map, LiveTarget(model, counted=False))]
    decided: dict[int, set[str]] = {}
    for name, place in match(rules, plan.source_specs).decided.items():
        decided.setdefault(place, set()).add(name)
    return [
        rule
        for place, rule in enumerate(assignment_map)
        if decided.get(place) and decided[place] <= {*names}
    ]


def _moves_by_variable(model: Any, moves: Sequence[Move]) -> dict[int, Move]:
    live = LiveTarget(model, counted=False)
    names = names_of(live)
    variables: Mapping[str, Any] = {
        **live.variables,
        **{names[key]: each for key, each in live.variables.items()},
    }
    return {
        id(within(variables[move.target])): move
        for move in moves
        if move.target in variables
    }


def _innermost(model: Any) -> dict[str, Any]:
    """Return the layers that have weights and no layer within them that has."""
    return {
        name: layer
        for name, layer in layers_of(model).items()
        if layer.weights
        and not any(
            each.weights
            for each in layers_of(layer).values()
            if each is not layer and each is not getattr(layer, "cell", None)
        )
    }


@contextmanager
def _exchanged(ours: Sequence[Any], theirs: Sequence[Any]) -> Iterator[None]:
    before = [(each, value_of(each)) for each in (*ours, *theirs)]
    values = [value for _, value in before]
    values = [*values[len(ours) :], *values[: len(ours)]]
    for (variable, _), value in zip(before, values, strict=True):
        assign(variable, value)
    try:
        yield
    finally:
        for variable, value in before:
            assign(variable, value)


def _is_float(variable: Any) -> bool:
    return value_of(variable).dtype.kind not in "biu"


def _shape(variable: Any) -> tuple[int, ...]:
    return tuple(variable.shape)


def _last(variable: Any) -> str:
    return name_of(variable).rpartition("/")[2]
