"""Other orders of a layer's weights, in which they often come by mistake."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["weight_orders"]

_MOST = 4  # weights of one shape: 24 orders


def weight_orders(
    values: Sequence[Array], names: Sequence[str], units: int
) -> Iterator[tuple[str, list[Array]]]:
    """Yield other orders of weights, with what to say if one is right.

    Args:
      values: The weights of a layer.
      names: What they are called.
      units: Of a recurrent layer; 0 for others.

    Example:
      >>> import numpy as np
      >>> square = np.arange(4.0).reshape(2, 2)
      >>> for text, other in weight_orders([square], ["kernel"], 0):
      ...     print(text, other[0].tolist())
      with 'kernel' transposed by (1, 0) it agrees [[0.0, 2.0], [1.0, 3.0]]
    """
    yield from _transposed(values, names)
    yield from _exchanged(values, names)
    if isinstance(units, int) and units:
        yield from _gates(values, units)


def _transposed(
    values: Sequence[Array], names: Sequence[str]
) -> Iterator[tuple[str, list[Array]]]:
    for place, value in enumerate(values):
        if not 2 <= value.ndim <= 4:
            continue
        for axes in list(permutations(range(value.ndim)))[1:]:
            other = value.transpose(axes)
            if other.shape == value.shape and (other != value).any():
                text = f"with {_short(names[place])!r} transposed by {axes} it agrees"
                yield text, [*values[:place], other, *values[place + 1 :]]


def _exchanged(
    values: Sequence[Array], names: Sequence[str]
) -> Iterator[tuple[str, list[Array]]]:
    shapes = {value.shape for value in values}
    for shape in shapes:
        places = [n for n, value in enumerate(values) if value.shape == shape]
        if not 2 <= len(places) <= _MOST:
            continue
        for order in list(permutations(places))[1:]:
            other = list(values)
            for to, taken in zip(places, order, strict=True):
                other[to] = values[taken]
            moved = [
                f"{_short(names[to])!r} as {_short(names[taken])!r}"
                for to, taken in zip(order, places, strict=True)
                if to != taken
            ]
            yield f"with {', '.join(moved)} it agrees: these are exchanged", other


def _gates(values: Sequence[Array], units: int) -> Iterator[tuple[str, list[Array]]]:
    """Yield the gates of an LSTM (four) or GRU in the order of TF1's cells."""
    import numpy as np

    if not values or any(value.shape[-1:] != (4 * units,) for value in values):
        return
    blocks = np.arange(4 * units).reshape(4, units)
    from_tf1 = blocks[[0, 2, 1, 3]].reshape(-1)  # TF1 has i, j, f, o; Keras i, f, c, o
    forget = np.zeros(4 * units, values[0].dtype)
    forget[units : 2 * units] = 1
    reordered = [value[..., from_tf1] for value in values]
    recipe = "Recipe('lstm', …) takes values from a TF1 cell so"
    yield f"with the gates reordered from i, j, f, o it agrees; {recipe}", reordered
    if values[-1].ndim == 1:
        biased = [*values[:-1], values[-1] + forget]
        yield (
            f"with 1 (forget_bias) added to the forget gate it agrees; {recipe}",
            biased,
        )
        both = [*reordered[:-1], reordered[-1] + forget]
        text = f"with the gates reordered, and forget_bias added, it agrees; {recipe}"
        yield text, both


def _short(name: str) -> str:
    return name.partition(":")[0].rpartition("/")[2]
