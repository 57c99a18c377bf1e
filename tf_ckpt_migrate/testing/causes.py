"""Finds why a layer differs from TF1's by trying: with which change would it agree?

A change is made to one layer of the running model, the model is run again, and what the
layer that differed then gives is compared with what TF1 gave. Nothing is guessed: a
cause is told only if the difference goes away with it, or nearly all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.testing.comparing import Compared, compared
from tf_ckpt_migrate.testing.layers import Capture, Listened, layers_of, run
from tf_ckpt_migrate.testing.relations import relation_of
from tf_ckpt_migrate.testing.trials import Change, changes_of, whole_changes

if TYPE_CHECKING:
    from tf_ckpt_migrate.testing.outputs import Comparison, Row

__all__ = ["Findings", "causes_of"]

_LAYERS = 6  # that are tried, of those between what agrees and what differs
_CLOSER = (
    20  # times: then a change is worth telling, though something else is wrong too
)


class Findings(NamedTuple):
    """What was found by trying.

    Attributes:
      causes: What makes the difference go away, a sentence each.
      closer: What makes it much smaller.
      tried: The kinds of changes that did not help.
      failed: The changes that could not be made, with the error that said so.
    """

    causes: Sequence[str]
    closer: Sequence[str] = ()
    tried: Sequence[str] = ()
    failed: Sequence[str] = ()


def causes_of(comparison: Comparison, row: Row) -> Findings:
    """Return why a row differs.

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
    failed: dict[str, str] = {}
    changes = _layer_changes(comparison, row)
    outcomes = [*_outcomes(comparison, row, changes, failed)]
    if not any(each.result.agrees for each in outcomes):
        changes = _whole_changes(comparison)
        outcomes += _outcomes(comparison, row, changes, failed)
    most = row.result.max_abs
    return Findings(
        _told(each for each in outcomes if each.result.agrees),
        _told(e for e in outcomes if e.result.max_abs * _CLOSER < most),
        [*dict.fromkeys(each.change.kind for each in outcomes)],
        [f"{kind} ({why})" for kind, why in failed.items()],
    )


class _Outcome(NamedTuple):
    name: str
    change: Change
    result: Compared

    def __str__(self) -> str:
        where = f"layer {self.name!r}: " if self.name else ""
        return f"{where}{self.change.text} (max abs {self.result.max_abs:.2g})"


def _told(outcomes: Iterable[_Outcome]) -> list[str]:
    """Return the best change of each kind to each layer, as text."""
    best: dict[tuple[str, str], _Outcome] = {}
    for each in outcomes:
        place = each.name, each.change.kind
        known = best.get(place)
        if known is None or each.result.max_abs < known.result.max_abs:
            best[place] = each
    return [*map(str, best.values())]


def _outcomes(
    comparison: Comparison,
    row: Row,
    changes: Iterable[tuple[str, Change]],
    failed: dict[str, str],
) -> Iterator[_Outcome]:
    for name, change in changes:
        try:
            result = _tried(comparison, row, name, change)
        except Exception as error:  # noqa: BLE001 it is told; a trial may not hide what differs
            failed[change.kind] = type(error).__name__
            continue
        if result is not None:
            yield _Outcome(name, change, result)


def _random(comparison: Comparison) -> Iterator[str]:
    """Yield what gives something else each time: dropout that is on."""
    tf1 = comparison.tf1
    fetches = list(tf1.results.values())
    if _differ(tf1.run(fetches), tf1.run(fetches)):
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


def _layer_changes(comparison: Comparison, row: Row) -> Iterator[tuple[str, Change]]:
    """Yield the changes to try, each with the layer that it is made to."""
    constants = _constants(comparison.tf1.graph)
    before: list[Capture] = []
    for capture in _suspects(comparison, row):
        earlier = [*_earlier(comparison, capture), *before]
        for change in changes_of(capture, earlier, constants, comparison.training):
            yield capture.name, change
        before.append(capture)


def _earlier(comparison: Comparison, capture: Capture) -> list[Capture]:
    captures = comparison.listened.captures
    places = [n for n, each in enumerate(captures) if each is capture]
    return captures[: places[0]] if places else []


def _suspects(comparison: Comparison, row: Row) -> list[Capture]:
    """Return the calls after the last that agrees, up to the one that differs."""
    captures = comparison.listened.captures
    names = [capture.name for capture in captures]
    end = names.index(row.layer) + 1 if row.layer in names else len(captures)
    good = {each.layer for each in comparison.rows if each.result.agrees and each.layer}
    start = max((n + 1 for n in range(end) if names[n] in good), default=0)
    last = {capture.name: capture for capture in captures[start:end]}
    return [*last.values()][-_LAYERS:]


def _constants(graph: Any) -> list[float]:
    """Return small numbers that stand in the TF1 graph, its epsilons among them."""
    import numpy as np

    from tf_ckpt_migrate.live.framework import tensorflow

    found: set[float] = set()
    for op in graph.get_operations():
        if op.type.startswith("FusedBatchNorm"):
            found.add(float(np.float32(op.get_attr("epsilon"))))
        elif op.type == "Const" and op.outputs[0].shape.rank == 0:
            value = tensorflow().get_static_value(op.outputs[0])
            if value is not None and value.dtype.kind == "f" and 0 < value < 0.1:
                found.add(float(value))
    return sorted(found)


def _tried(
    comparison: Comparison, row: Row, name: str, change: Change
) -> Compared | None:
    """Return what comes of a change; None where the row's layer is not reached."""
    layer = layers_of(comparison.model).get(name)
    with change.made(layer):
        inputs = change.inputs(comparison.inputs)
        trials = {name: change.trial} if change.trial else {}
        listened = run(
            comparison.model, inputs, training=comparison.training, trials=trials
        )
    return _best(comparison, listened, row)


def _best(comparison: Comparison, listened: Listened, row: Row) -> Compared | None:
    """Return how a row is in another run; well, too, if all that counts agrees."""
    counting = [each for each in comparison.rows if each.counts]
    result = _compared(comparison, listened, row)
    if result is None or result.agrees:
        return result
    others = [_compared(comparison, listened, each) for each in counting]
    if others and all(each is not None and each.agrees for each in others):
        return others[-1]
    return result


def _compared(comparison: Comparison, listened: Listened, row: Row) -> Compared | None:
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
    names = [*comparison.tf1.results]
    return results[names.index(row.tf1)] if row.tf1 in names else None
