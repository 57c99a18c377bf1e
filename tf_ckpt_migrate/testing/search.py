"""Tries changes to a model: with which does it give what TF1 gives?"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from unittest import mock

from tf_ckpt_migrate.errors import capped
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.testing.activations import activations
from tf_ckpt_migrate.testing.changes import Change, setting
from tf_ckpt_migrate.testing.comparing import Compared, compared, likeliest
from tf_ckpt_migrate.testing.exchanges import exchanges, map_change
from tf_ckpt_migrate.testing.layers import Capture, Listened, Trial, layers_of, run
from tf_ckpt_migrate.testing.paddings import paddings
from tf_ckpt_migrate.testing.weight_orders import weight_orders

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]
    from tf_ckpt_migrate.testing.outputs import Comparison, Row

__all__ = [
    "WEIGHTS",
    "Outcome",
    "Search",
    "changes_of",
    "found_in",
    "owner_of",
    "told",
    "whole_changes",
]


# 1.001e-5 is the least that TF1's fused batch norm takes.
_EPSILONS = (1e-3, 1e-5, 1.001e-5, 1e-6, 1e-7, 1e-8, 1e-12, 1e-4, 1e-2)
WEIGHTS = "order of weights"
_SLOPES = (0.2, 0.3, 0.01, 0.1)
# Where a recurrent layer of tf_keras, and one of Keras 3, chooses a fused kernel.
_FUSED = ("_could_use_gpu_kernel", "use_cudnn")


def changes_of(
    capture: Capture,
    earlier: Sequence[Capture],
    constants: Iterable[float],
    training: bool,
    *,
    weights: bool = True,
) -> Iterator[Change]:
    """Yield the changes to try on a layer.

    Args:
      capture: A call of it.
      earlier: The calls before it.
      constants: Small numbers of the TF1 graph, which may be its epsilons.
      training: Whether the model was told to train.
      weights: Whether to try other orders of its weights too.
    """
    layer = capture.layer
    yield from _of_training(layer, training)
    yield from _of_epsilon(layer, constants)
    yield from _of_activation(layer)
    yield from paddings(capture, earlier)
    yield from _of_slope(layer)
    yield from _of_order(capture, earlier)
    cell = getattr(layer, "cell", None)
    if weights and all(within is cell for within in layers_of(layer).values()):
        yield from _of_weights(layer)  # else those within it have them


def whole_changes(inputs: Any) -> Iterator[Change]:
    """Yield the changes to try on the model as a whole.

    Args:
      inputs: Of the model.
    """
    if getattr(inputs, "ndim", 0) == 4:
        if inputs.shape[-1] in (3, 4):
            yield Change(
                "order of colours",
                "with the colours of the input in reverse (RGB, BGR) it agrees",
                inputs=lambda x: x[..., ::-1].copy(),
            )
        yield Change(
            "order of the input's axes",
            "with the input transposed by (0, 2, 1, 3) it agrees: rows and columns are "
            "exchanged",
            inputs=lambda x: x.transpose(0, 2, 1, 3).copy(),
        )
    yield Change(
        "GELU by tanh or erf",
        "with the other GELU (tf.nn.gelu's approximate= turned around) it agrees",
        made=lambda layer: _other_gelu(),
    )


@contextmanager
def _set_in_layer(layer: Any, name: str, value: Any) -> Iterator[None]:
    """Let a layer have another setting, which its fused kernel may not have."""
    with ExitStack() as stack:
        for switch in _FUSED:
            if hasattr(layer, switch):
                stack.enter_context(setting(layer, switch, False))
        stack.enter_context(setting(owner_of(layer, name), name, value))
        yield


@contextmanager
def _with_weights(layer: Any, values: Sequence[Array]) -> Iterator[None]:
    """Let a layer have other weights while the context lasts."""
    before = layer.get_weights()
    layer.set_weights(values)
    try:
        yield
    finally:
        layer.set_weights(before)


def _set(kind: str, text: str, name: str, value: Any) -> Change:
    return Change(kind, text, made=lambda layer: _set_in_layer(layer, name, value))


def owner_of(layer: Any, name: str) -> Any:
    """Return what has a setting: of a layer around a cell, the cell."""
    cell = getattr(layer, "cell", None)
    return cell if hasattr(cell, name) else layer


def _of_training(layer: Any, training: bool) -> Iterator[Change]:
    if "training" not in inspect.signature(layer.call).parameters:
        return
    other = not training

    def trial(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return call(*args, **{**kwargs, "training": other})

    text = f"with training={other} it agrees"
    if hasattr(layer, "moving_mean"):
        text += (
            ": TF1 normalizes by the statistics of the batch, the model by moving ones"
            if other
            else ": TF1 normalizes by moving statistics, the model by the batch's"
        )
    yield Change(
        "training flag",
        text,
        trial,
        # Training moves the statistics, which are then put back.
        lambda layer: _with_weights(layer, layer.get_weights()),
    )


def _of_epsilon(layer: Any, constants: Iterable[float]) -> Iterator[Change]:
    mine = getattr(owner_of(layer, "epsilon"), "epsilon", None)
    if not isinstance(mine, float):
        return
    for value in dict.fromkeys([*constants, *_EPSILONS]):
        if abs(value - mine) > 1e-3 * mine:
            text = f"with epsilon={value:.3g}, not {mine:.3g}, it agrees"
            yield _set("epsilon", text, "epsilon", value)


def _of_activation(layer: Any) -> Iterator[Change]:
    for name in ("activation", "recurrent_activation"):
        mine = getattr(owner_of(layer, name), name, None)
        if callable(mine):
            for text, function in activations().items():
                yield _set(name, f"with {name}={text} it agrees", name, function)


def _of_slope(layer: Any) -> Iterator[Change]:
    for name in ("alpha", "negative_slope"):
        if hasattr(layer, name) and "leaky" in type(layer).__name__.lower():
            for value in _SLOPES:
                text = f"with a slope of {value:g} it agrees"
                yield _set("slope", text, name, value)


def _of_order(capture: Capture, earlier: Sequence[Capture]) -> Iterator[Change]:
    """Yield other orders of what the layer is given: colours, and flattened axes."""
    given = capture.given
    if given is None:
        return
    if given.ndim == 4 and given.shape[-1] in (3, 4):
        yield Change(
            "order of channels",
            "with the channels of its input in reverse it agrees",
            lambda call, x, *args, **kwargs: call(x[..., ::-1], *args, **kwargs),
        )
    wide = [each.output for each in earlier if each.output.ndim == 4]
    wide += [
        each.given
        for each in earlier
        if each.given is not None and each.given.ndim == 4
    ]
    if given.ndim != 2 or not wide:
        return
    _, rows, columns, channels = wide[-1].shape
    if rows * columns * channels != given.shape[1]:
        return
    orders: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
        "channels first": ((rows, columns, channels), (0, 3, 1, 2)),
        "channels last": ((channels, rows, columns), (0, 2, 3, 1)),
    }
    for name, (shape, axes) in orders.items():

        def trial(
            call: Callable[..., Any],
            x: Any,
            *args: Any,
            shape: tuple[int, ...] = shape,
            axes: tuple[int, ...] = axes,
            **kwargs: Any,
        ) -> Any:
            tf = tensorflow()
            apart = tf.transpose(tf.reshape(x, (-1, *shape)), axes)
            return call(tf.reshape(apart, tf.shape(x)), *args, **kwargs)

        yield Change(
            "order of flattened axes",
            f"with its input flattened {name} it agrees: TF1 flattens axes in that "
            "order, so the rows of the kernel have to be reordered",
            trial,
        )


def _of_weights(layer: Any) -> Iterator[Change]:
    values = layer.get_weights()
    names = [str(getattr(each, "name", "")) for each in layer.weights]
    units = getattr(owner_of(layer, "units"), "units", 0)
    for text, other in weight_orders(values, names, units):
        yield Change(
            WEIGHTS,
            text,
            made=lambda layer, other=other: _with_weights(layer, other),
        )


def _other_gelu() -> AbstractContextManager[Any]:
    tf = tensorflow()
    gelu = tf.nn.gelu

    def other(features: Any, approximate: bool = False, name: str | None = None) -> Any:
        return gelu(features, not approximate, name)

    return mock.patch.object(tf.nn, "gelu", other)


_LAYERS = 6  # that are tried first, of those between what agrees and what differs
_RUNS = 600  # of the model
_EXCHANGES = 150  # that are tried
_CLOSER = 20  # times: then a change is worth naming, though something else differs too

# Changes to make together, each with the name of the layer that it is made to.
_Changes: TypeAlias = tuple[tuple[str, Change], ...]


class Outcome(NamedTuple):
    """What comes of a change.

    Attributes:
      changes: The changes, the same one to each of these layers.
      result: How the row is then.
      is_whole: Whether all that counts agrees.
    """

    changes: _Changes
    result: Compared
    is_whole: bool

    def __str__(self) -> str:
        (name, change), *more = self.changes
        where = f"layer {name!r}" if name else ""
        if more:
            names = ", ".join(capped([repr(each) for each, _ in more], 3))
            where = f"layers {name!r}, {names}"
        text = f"{where}: {change.text}" if where else change.text
        return f"{text} (max abs {self.result.max_abs:.2g})"


def _difference(outcome: Outcome) -> float:
    return outcome.result.max_abs


def told(outcomes: Iterable[Outcome]) -> list[str]:
    """Return the best change of each kind to each layer, as text."""
    best: dict[tuple[str, str], Outcome] = {}
    for each in outcomes:
        name, change = each.changes[0]
        known = best.get((name, change.kind))
        if known is None or _difference(each) < _difference(known):
            best[name, change.kind] = each
    return [*map(str, best.values())]


class Search:
    """Tries changes to the model of a comparison, and counts how often it runs."""

    def __init__(self, comparison: Comparison) -> None:
        """Begin to count."""
        self._comparison = comparison
        self._runs = 0
        self._values: dict[str, Sequence[Any]] = {}  # of TF1, by the layer of a row
        self._all: list[Outcome] = []
        self.kinds: list[str] = []
        self.failed: dict[str, str] = {}
        self.limit: str = ""

    def outcomes(self, row: Row, made: Sequence[Outcome]) -> list[Outcome]:
        """Return what changes come to, up to the first group that has a cause.

        Args:
          row: What differs.
          made: The changes that are made already.
        """
        comparison = self._comparison
        near, far = _suspects(comparison, row)
        good = _good(comparison) if not made else set[str]()
        groups: list[Callable[[], Iterator[_Changes]]] = [
            lambda: _layer_changes(comparison, near),
            lambda: _alike_changes(comparison, near),
            lambda: _exchanges(comparison, row, good),
            lambda: _whole_changes(comparison),
            lambda: _layer_changes(comparison, far),
        ]
        found: list[Outcome] = []
        for group in groups:
            for changes in group():
                outcome = self._tried(row, made, changes)
                if outcome is not None:
                    found.append(outcome)
                    if outcome.is_whole and changes[0][1].exchanged:
                        break
            if any(each.is_whole for each in found):
                break
        self._all += found
        return found

    def _tried(
        self,
        row: Row,
        made: Sequence[Outcome],
        changes: _Changes,
    ) -> Outcome | None:
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
        result = self._compared(listened, row, names)
        whole = self._is_whole(listened, names)
        if whole and (result is None or not result.agrees):
            last = self._comparison.rows[-1]  # an output
            result = self._compared(listened, last, names)
        if result is None:  # the layer of the row is not reached
            return None
        return Outcome(changes, result, whole)

    def widened(self, outcome: Outcome, made: Sequence[Outcome]) -> Outcome:
        """Return the change to all layers like this one, if then all outputs agree."""
        (name, change), *more = outcome.changes
        own = _call_of(self._comparison, name)
        if own is None or more:
            return outcome
        used = {name for each in made for name, _ in each.changes}
        alike = _alike(self._comparison, own, change, used)
        if len(alike) == 1:
            return outcome
        wide = self._tried(self._comparison.rows[-1], made, alike)
        return wide if wide is not None and wide.is_whole else outcome

    def first_after(self, made: Sequence[Outcome]) -> Row | None:
        """Return the first row that differs when these changes are made."""
        changes = [pair for each in made for pair in each.changes]
        listened = _run(self._comparison, changes)
        names = _renamed(changes)
        for row in self._comparison.rows:
            result = self._compared(listened, row, names)
            if result is not None and not result.agrees:
                return row
        return None

    def _is_whole(self, listened: Listened, names: Mapping[str, str]) -> bool:
        """Return whether all that counts agrees in another run."""
        results = (
            self._compared(listened, row, names)
            for row in self._comparison.rows
            if row.counts
        )
        return all(each is not None and each.agrees for each in results)

    def _compared(
        self, listened: Listened, row: Row, names: Mapping[str, str]
    ) -> Compared | None:
        """Compare a row in another run, in which layers have the values of others."""
        comparison = self._comparison
        if row.layer is None or row.counts:
            found = found_in(comparison, listened, row)
            if found is None:
                return None
            return compared(row.expected, found, comparison.near)
        layer = names.get(row.layer, row.layer)
        found = found_in(comparison, listened, row._replace(layer=layer))
        if found is None:
            return None
        # Which tensor the layer gives is not known as long as none agrees.
        if row.layer not in self._values:
            self._values[row.layer] = comparison.reference.run([*row.tensors])
        return likeliest(self._values[row.layer], found, comparison.near)[1]

    def closer(self, most: float) -> list[Outcome]:
        """Return the changes that bring the row much closer."""
        return [each for each in self._all if _difference(each) * _CLOSER < most]

    def advice(self, made: Sequence[Outcome]) -> str:
        """Return what to change in the map, if variables were exchanged."""
        comparison = self._comparison
        pairs = [
            pair
            for each in made
            for _, change in each.changes
            for pair in change.exchanged
        ]
        if not pairs or comparison.plan is None:
            return ""
        return map_change(
            comparison.model, comparison.plan, comparison.assignment_map, pairs
        )


def _are_alike(own: Capture, other: Capture, setting: str) -> bool:
    """Return whether layers have the same value of a setting, if it is one."""
    mine, its = (
        getattr(owner_of(each.layer, setting), setting, None) for each in (own, other)
    )
    return mine == its


def _whole_changes(comparison: Comparison) -> Iterator[_Changes]:
    for change in whole_changes(comparison.inputs):
        yield (("", change),)


def _exchanges(
    comparison: Comparison, row: Row, good: Iterable[str]
) -> Iterator[_Changes]:
    every = exchanges(comparison.model, row.layer, good)
    for change in islice(every, _EXCHANGES):
        yield (("", change),)


def _layer_changes(
    comparison: Comparison, suspects: Iterable[Capture]
) -> Iterator[_Changes]:
    """Yield the changes to try, each with the layer that it is made to."""
    for capture in suspects:
        for change in _changes(comparison, capture):
            yield ((capture.name, change),)


def _alike_changes(
    comparison: Comparison, suspects: Iterable[Capture]
) -> Iterator[_Changes]:
    """Yield changes of settings, each to all layers that are alike, if several are."""
    seen: set[tuple[str, ...]] = set()
    for capture in suspects:
        for change in _changes(comparison, capture, weights=False):
            alike = _alike(comparison, capture, change, ())
            key = (change.text, *sorted(name for name, _ in alike))
            if len(alike) > 1 and key not in seen:
                seen.add(key)
                yield alike


def _alike(
    comparison: Comparison, own: Capture, change: Change, used: Collection[str]
) -> _Changes:
    """Return a change to a layer, and to all that have the same setting."""
    found = {own.name: change}
    has_weights = change.kind == WEIGHTS
    for capture in comparison.listened.captures:
        if capture.name in used or capture.name in found:
            continue
        if _are_alike(own, capture, change.kind):
            changes = _changes(comparison, capture, weights=has_weights)
            same = next((each for each in changes if each.text == change.text), None)
            if same is not None:
                found[capture.name] = same
    return tuple(found.items())


def _call_of(comparison: Comparison, name: str) -> Capture | None:
    captures = comparison.listened.captures
    return next((each for each in captures if each.name == name), None)


def _changes(
    comparison: Comparison, capture: Capture, *, weights: bool = True
) -> Iterator[Change]:
    earlier = _earlier(comparison, capture)
    constants = comparison.reference.constants()
    yield from changes_of(
        capture, earlier, constants, comparison.training, weights=weights
    )


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


def found_in(comparison: Comparison, listened: Listened, row: Row) -> Any:
    """Return what the model has in the place of a row's tensor, in some run."""
    from tf_ckpt_migrate.testing.tf1 import named_results

    if row.layer is not None:
        return next((c.output for c in listened.captures if c.name == row.layer), None)
    results = [*named_results(listened.result).values()]
    names = [*comparison.reference.results]
    return results[names.index(row.tf1)] if row.tf1 in names else None
