"""Finds why a layer differs from TF1's by trying: with which change would it agree?

A change is made to one layer of the running model, the model is run again, and what the
layer that differed then gives is compared with what TF1 gave. Nothing is guessed: a
cause is told only if the difference goes away with it, or nearly all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.errors import capped
from tf_ckpt_migrate.testing.changes import Change
from tf_ckpt_migrate.testing.comparing import Compared, compared
from tf_ckpt_migrate.testing.exchanges import exchanges, map_change
from tf_ckpt_migrate.testing.layers import Capture, Listened, Trial, layers_of, run
from tf_ckpt_migrate.testing.relations import relation_of
from tf_ckpt_migrate.testing.trials import changes_of, owner_of, whole_changes

if TYPE_CHECKING:
    from tf_ckpt_migrate.testing.outputs import Comparison, Row

__all__ = ["Findings", "causes_of"]

_LAYERS = 6  # that are tried first, of those between what agrees and what differs
_RUNS = 600  # of the model
_TOGETHER = 4  # causes that are found one after the other
_CLOSER = (
    20  # times: then a change is worth telling, though something else is wrong too
)


class Findings(NamedTuple):
    """What was found by trying.

    Attributes:
      causes: What makes the difference go away, a sentence each.
      is_joint: Whether only all causes together do.
      mended: What makes the first differences go away, but not those of the outputs.
      closer: What makes the first difference much smaller.
      tried: The kinds of changes that did not help.
      failed: The changes that could not be made, with the error that said so.
      advice: What to change in the map.
      limit: What was not tried any more; empty if everything was.
    """

    causes: Sequence[str] = ()
    is_joint: bool = False
    mended: Sequence[str] = ()
    closer: Sequence[str] = ()
    tried: Sequence[str] = ()
    failed: Sequence[str] = ()
    advice: str = ""
    limit: str = ""


def causes_of(comparison: Comparison, row: Row) -> Findings:
    """Return why a row differs.

    A change that makes the first row agree, but not the outputs, is kept, and a cause
    of what differs then is searched for.

    Args:
      comparison: All of it.
      row: The first that differs.
    """
    random = [*_random(comparison)]
    if random:  # nothing else could be told from what changes by itself
        return Findings(random)
    found = _found(comparison, comparison.listened, row)
    if relation := relation_of(row.expected, found):
        return Findings([relation])
    search = _Search(comparison)
    made: list[_Outcome] = []
    first = row
    while len(made) < _TOGETHER:
        outcomes = search.outcomes(first, made)
        solved = [each for each in outcomes if each.is_whole]
        if solved:
            advice = {search.advice([*made, each]): None for each in solved}
            return Findings(
                [*map(str, made), *_told(solved)],
                bool(made),
                advice="\n".join(filter(None, advice)),
            )
        mended = [each for each in outcomes if each.result.agrees]
        if not mended:
            break
        made.append(search.widened(min(mended, key=_difference), made))
        if made[-1].is_whole:
            advice = search.advice(made)
            return Findings([*map(str, made)], len(made) > 1, advice=advice)
        following = search.first_after(made)
        if following is None or following is first:
            break
        first = following
    most = row.result.max_abs
    return Findings(
        mended=[*map(str, made)],
        closer=[] if made else _told(search.closer(most)),
        tried=[*dict.fromkeys(search.kinds)],
        failed=[f"{kind} ({why})" for kind, why in search.failed.items()],
        advice=search.advice(made),
        limit=search.limit,
    )


class _Outcome(NamedTuple):
    changes: tuple[tuple[str, Change], ...]  # the same one to each of these layers
    result: Compared  # of the row
    is_whole: bool  # whether all that counts agrees

    def __str__(self) -> str:
        (name, change), *more = self.changes
        where = f"layer {name!r}" if name else ""
        if more:
            names = ", ".join(capped([repr(each) for each, _ in more], 3))
            where = f"layers {name!r}, {names}"
        text = f"{where}: {change.text}" if where else change.text
        return f"{text} (max abs {self.result.max_abs:.2g})"


def _difference(outcome: _Outcome) -> float:
    return outcome.result.max_abs


def _told(outcomes: Iterable[_Outcome]) -> list[str]:
    """Return the best change of each kind to each layer, as text."""
    best: dict[tuple[str, str], _Outcome] = {}
    for each in outcomes:
        name, change = each.changes[0]
        known = best.get((name, change.kind))
        if known is None or _difference(each) < _difference(known):
            best[name, change.kind] = each
    return [*map(str, best.values())]


class _Search:
    """Tries changes to the model of a comparison, and counts how often it runs."""

    def __init__(self, comparison: Comparison) -> None:
        self._comparison = comparison
        self._runs = 0
        self._all: list[_Outcome] = []
        self.kinds: list[str] = []
        self.failed: dict[str, str] = {}
        self.limit = ""

    def outcomes(self, row: Row, made: Sequence[_Outcome]) -> list[_Outcome]:
        """Return what changes come to, the first that solve all and those before."""
        comparison = self._comparison
        near, far = _suspects(comparison, row)
        good = _good(comparison) if not made else set[str]()
        groups = [
            lambda: _layer_changes(comparison, near),
            lambda: _exchanges(comparison, row, good),
            lambda: _whole_changes(comparison),
            lambda: _layer_changes(comparison, far),
        ]
        found: list[_Outcome] = []
        for group in groups:
            for name, change in group():
                outcome = self._tried(row, made, ((name, change),))
                if outcome is not None:
                    found.append(outcome)
            if any(each.is_whole for each in found):
                break
        self._all += found
        return found

    def _tried(
        self,
        row: Row,
        made: Sequence[_Outcome],
        changes: tuple[tuple[str, Change], ...],
    ) -> _Outcome | None:
        kind = changes[0][1].kind
        if self._runs >= _RUNS:
            self.limit = f"the model has run {_RUNS} times"
            return None
        self._runs += 1
        before = [pair for each in made for pair in each.changes]
        try:
            listened = _run(self._comparison, [*before, *changes])
        except Exception as error:  # noqa: BLE001 it is told; a trial may not hide what differs
            self.failed[kind] = type(error).__name__
            return None
        self.kinds.append(kind)
        names = _renamed([*before, *changes])
        result = _compared(self._comparison, listened, row, names)
        whole = _is_whole(self._comparison, listened, names)
        if whole and (result is None or not result.agrees):
            last = self._comparison.rows[-1]  # an output
            result = _compared(self._comparison, listened, last, names)
        if result is None:  # the layer of the row is not reached
            return None
        return _Outcome(changes, result, whole)

    def widened(self, outcome: _Outcome, made: Sequence[_Outcome]) -> _Outcome:
        """Return the change to all layers like this one, if then all outputs agree."""
        ((name, change),) = outcome.changes
        captures = self._comparison.listened.captures
        own = next((each for each in captures if each.name == name), None)
        if own is None:
            return outcome
        names = {name} | {n for each in made for n, _ in each.changes}
        alike = [outcome.changes[0]]
        for place, capture in enumerate(captures):
            if capture.name in names or not _are_alike(own, capture, change.kind):
                continue
            names.add(capture.name)
            changes = _changes(self._comparison, capture, captures[:place])
            alike += [
                (capture.name, each) for each in changes if each.text == change.text
            ][:1]
        if len(alike) == 1:
            return outcome
        row = self._comparison.rows[-1]
        wide = self._tried(row, made, tuple(alike))
        return wide if wide is not None and wide.is_whole else outcome

    def first_after(self, made: Sequence[_Outcome]) -> Row | None:
        """Return the first row that differs when these changes are made."""
        changes = [pair for each in made for pair in each.changes]
        listened = _run(self._comparison, changes)
        names = _renamed(changes)
        for row in self._comparison.rows:
            result = _compared(self._comparison, listened, row, names)
            if result is not None and not result.agrees:
                return row
        return None

    def closer(self, most: float) -> list[_Outcome]:
        """Return the changes that bring the row much closer."""
        return [each for each in self._all if _difference(each) * _CLOSER < most]

    def advice(self, made: Sequence[_Outcome]) -> str:
        """Return what to change in the map, if variables were exchanged."""
        comparison = self._comparison
        pairs = [
            pair
            for each in made
            for _, change in each.changes
            for pair in change.exchanged
        ]
        return map_change(comparison.model, comparison.moves, pairs) if pairs else ""


def _are_alike(own: Capture, other: Capture, setting: str) -> bool:
    """Return whether layers have the same value of a setting, if it is one."""
    mine, its = (
        getattr(owner_of(each.layer, setting), setting, None) for each in (own, other)
    )
    return mine == its


def _random(comparison: Comparison) -> Iterator[str]:
    """Yield what gives something else each time: dropout that is on."""
    reference = comparison.reference
    fetches = list(reference.results.values())
    if _differ(reference.run(fetches), reference.run(fetches)):
        yield (
            "TF1's outputs are random: they change from run to run. Its dropout is on; "
            "build the graph for inference (keep_prob=1, training=False)"
        )
    again = _again(comparison)
    for one, other in zip(comparison.listened.captures, again.captures, strict=False):
        if one.name == other.name and _differ([one.output], [other.output]):
            yield (
                f"layer {one.name!r} of the model is random: it changes from run to "
                "run. Dropout is on; call the model with training=False"
            )
            return
    if not again.captures and _differ([_first(comparison.listened)], [_first(again)]):
        yield (
            "the model's output is random: it changes from run to run. Dropout is on; "
            "call it for inference"
        )


def _first(listened: Listened) -> Any:
    from tf_ckpt_migrate.testing.tf1 import named_results

    return next(iter(named_results(listened.result).values()))


def _differ(one: Sequence[Any], other: Sequence[Any]) -> bool:
    import numpy as np

    return any(
        not np.array_equal(np.asarray(a), np.asarray(b))
        for a, b in zip(one, other, strict=True)
    )


def _again(comparison: Comparison, **options: Any) -> Listened:
    return run(
        comparison.model, comparison.inputs, training=comparison.training, **options
    )


def _whole_changes(comparison: Comparison) -> Iterator[tuple[str, Change]]:
    for change in whole_changes(comparison.inputs):
        yield "", change


def _exchanges(
    comparison: Comparison, row: Row, good: Iterable[str]
) -> Iterator[tuple[str, Change]]:
    for change in exchanges(comparison.model, row.layer, good):
        yield "", change


def _layer_changes(
    comparison: Comparison, suspects: Iterable[Capture]
) -> Iterator[tuple[str, Change]]:
    """Yield the changes to try, each with the layer that it is made to."""
    for capture in suspects:
        for change in _changes(comparison, capture, _earlier(comparison, capture)):
            yield capture.name, change


def _changes(
    comparison: Comparison, capture: Capture, earlier: Sequence[Capture]
) -> Iterator[Change]:
    constants = comparison.reference.constants()
    yield from changes_of(capture, earlier, constants, comparison.training)


def _earlier(comparison: Comparison, capture: Capture) -> list[Capture]:
    captures = comparison.listened.captures
    return captures[: next(n for n, each in enumerate(captures) if each is capture)]


def _good(comparison: Comparison) -> set[str]:
    """Return the layers that agree."""
    return {each.layer for each in comparison.rows if each.result.agrees and each.layer}


def _suspects(comparison: Comparison, row: Row) -> tuple[list[Capture], list[Capture]]:
    """Return the calls up to the one that differs: the nearest ones, and the others.

    The nearest are the last of those that come after a layer that agrees.
    """
    captures = comparison.listened.captures
    names = [capture.name for capture in captures]
    end = names.index(row.layer) + 1 if row.layer in names else len(captures)
    good = _good(comparison)
    start = max((n + 1 for n in range(end) if names[n] in good), default=0)
    last = {capture.name: capture for capture in captures[start:end]}
    suspects = [*last.values()]
    return suspects[-_LAYERS:], suspects[:-_LAYERS][::-1]


def _run(comparison: Comparison, changes: Sequence[tuple[str, Change]]) -> Listened:
    """Run the model with changes to its layers."""
    layers = layers_of(comparison.model)
    inputs = comparison.inputs
    trials: dict[str, Trial] = {}
    with ExitStack() as stack:
        for name, change in changes:
            stack.enter_context(change.made(layers.get(name)))
            inputs = change.inputs(inputs)
            if change.trial is not None:
                trials[name] = change.trial
            trials.update(change.others)
        return run(
            comparison.model, inputs, training=comparison.training, trials=trials
        )


def _renamed(changes: Iterable[tuple[str, Change]]) -> dict[str, str]:
    """Return which layer has the values of which, after changes in this order."""
    places: dict[str, str] = {}
    for _, change in changes:
        if change.renamed:
            one, other = change.renamed
            swapped = {one: other, other: one}
            places = {name: swapped.get(at, at) for name, at in places.items()}
            for name in (one, other):
                places.setdefault(name, swapped[name])
    return places


def _is_whole(
    comparison: Comparison, listened: Listened, names: Mapping[str, str]
) -> bool:
    """Return whether all that counts agrees in another run."""
    results = (
        _compared(comparison, listened, row, names)
        for row in comparison.rows
        if row.counts
    )
    return all(each is not None and each.agrees for each in results)


def _compared(
    comparison: Comparison, listened: Listened, row: Row, names: Mapping[str, str]
) -> Compared | None:
    if row.layer is not None and not row.counts:
        row = row._replace(layer=names.get(row.layer, row.layer))
    found = _found(comparison, listened, row)
    if found is None:
        return None
    return compared(row.expected, found, comparison.near)


def _found(comparison: Comparison, listened: Listened, row: Row) -> Any:
    """Return what the model has in the place of a row's tensor, in some run."""
    from tf_ckpt_migrate.testing.tf1 import named_results

    if row.layer is not None:
        return next((c.output for c in listened.captures if c.name == row.layer), None)
    results = [*named_results(listened.result).values()]
    names = [*comparison.reference.results]
    return results[names.index(row.tf1)] if row.tf1 in names else None
