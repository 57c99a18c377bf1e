"""The changes that are tried on a layer: settings, weights, arguments, inputs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.testing.activations import activations
from tf_ckpt_migrate.testing.changes import Change, setting
from tf_ckpt_migrate.testing.layers import Capture, layers_of
from tf_ckpt_migrate.testing.paddings import paddings
from tf_ckpt_migrate.testing.weight_orders import weight_orders

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["WEIGHTS", "changes_of", "owner_of", "whole_changes"]

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
