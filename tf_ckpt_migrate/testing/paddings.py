"""Other paddings of convolutions and poolings: SAME, VALID, and explicit zeros."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.testing.changes import Change, setting
from tf_ckpt_migrate.testing.layers import Capture

__all__ = ["paddings"]

_KIND = "padding"


def paddings(capture: Capture, earlier: Sequence[Capture]) -> Iterator[Change]:
    """Yield other paddings of a layer.

    Args:
      capture: A call of it.
      earlier: The calls before it.
    """
    layer = capture.layer
    mine = getattr(layer, "padding", None)
    if mine in ("same", "valid"):
        yield from _of_window(layer, mine)
        before = earlier[-1] if earlier else None
        if mine == "valid" and before is not None and _pads_zeros(before.layer):
            yield _without(before)
    elif _pads_zeros(layer) and isinstance(mine, tuple):
        yield from _of_zeros(layer, mine)


def _pads_zeros(layer: Any) -> bool:
    return type(layer).__name__.startswith("ZeroPadding")


def _of_window(layer: Any, mine: str) -> Iterator[Change]:
    other = "valid" if mine == "same" else "same"
    yield Change(
        _KIND,
        f"with padding={other!r}, not {mine!r}, it agrees",
        made=lambda layer: setting(layer, "padding", other),
    )
    sizes = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
    if not isinstance(sizes, tuple):
        return
    rates = getattr(layer, "dilation_rate", None)
    if not isinstance(rates, tuple) or len(rates) != len(sizes):
        rates = (1,) * len(sizes)
    totals = [(size - 1) * rate for size, rate in zip(sizes, rates, strict=True)]
    pads = [(total // 2, total - total // 2) for total in totals]
    first = getattr(layer, "data_format", None) == "channels_first"
    whole = [(0, 0), (0, 0), *pads] if first else [(0, 0), *pads, (0, 0)]

    def trial(call: Callable[..., Any], x: Any, *args: Any, **kwargs: Any) -> Any:
        padded = tensorflow().pad(x, whole)
        with setting(layer, "padding", "valid"):
            return call(padded, *args, **kwargs)

    yield Change(
        _KIND,
        f"with padding='valid' after zeros on both sides, {pads}, it agrees: TF1 pads "
        "evenly, where 'same' with strides pads the end",
        trial,
    )


def _without(before: Capture) -> Change:
    """Return the change to SAME of a layer that comes after a layer of zeros."""

    def identity(call: Callable[..., Any], x: Any, *args: Any, **kwargs: Any) -> Any:
        del call, args, kwargs
        return x

    return Change(
        _KIND,
        f"with padding='same', without layer {before.name!r} before it, it agrees: TF1 "
        "pads with SAME",
        made=lambda layer: setting(layer, "padding", "same"),
        others={before.name: identity},
    )


def _of_zeros(layer: Any, mine: tuple[Any, ...]) -> Iterator[Change]:
    """Yield other numbers of zeros, as many in all: `((1, 1),)` as `((0, 2),)`."""
    flat = isinstance(mine[0], int)  # of one dimension
    pairs = (mine,) if flat else mine
    totals = [sum(pair) for pair in pairs]
    others = [
        [pair[::-1] for pair in pairs],
        [(0, total) for total in totals],
        [(total, 0) for total in totals],
        [(total // 2, total - total // 2) for total in totals],
    ]
    for other in dict.fromkeys(map(tuple, others)):
        if other != tuple(map(tuple, pairs)):
            value = other[0] if flat else other
            yield Change(
                _KIND,
                f"with padding={value}, not {mine}, it agrees",
                made=lambda layer, value=value: setting(layer, "padding", value),
            )
