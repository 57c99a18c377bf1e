"""Compares the values of two tensors, within tolerances that are stated."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.checkpoint.pieces import as_numbers
from tf_ckpt_migrate.live.goals import names_of
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.live.variables import within
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.testing.layers import Capture, layers_of
from tf_ckpt_migrate.testing.tf1 import Reference

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["Compared", "Near", "Pair", "compared", "likeliest", "paired_layers"]


_MUCH = 10  # times nearer


class Near(NamedTuple):
    """How far apart two values may be and still be the same.

    An element may be off by ``atol + rtol * scale``, where the scale is the largest
    magnitude in the whole tensor: a sum of large numbers that comes near zero has the
    rounding errors of the large ones.

    Attributes:
      rtol: Relative to the largest magnitude of the expected tensor.
      atol: Absolute.
    """

    rtol: float
    atol: float

    def __str__(self) -> str:
        return f"{self.atol:g} + {self.rtol:g} of the largest value"


class Compared(NamedTuple):
    """How far two tensors are apart.

    Attributes:
      agrees: Whether they are the same, within the tolerance.
      max_abs: The largest difference; infinite where shapes or NaNs differ.
      max_rel: The same, relative to the largest magnitude.
      detail: Where it is, with both values; or in what else they differ.
    """

    agrees: bool
    max_abs: float
    max_rel: float
    detail: str = ""


def compared(expected: Any, found: Any, near: Near) -> Compared:
    """Compare two values.

    Args:
      expected: TF1's.
      found: The model's.
      near: How far apart they may be.

    Example:
      >>> import numpy as np
      >>> print(compared(np.ones(3), np.array([1, 1, 1.5]), Near(1e-5, 1e-6)).detail)
      at [2]: 1.5, expected 1
    """
    import numpy as np

    expected, found = np.asarray(expected), np.asarray(found)
    if expected.shape != found.shape:
        detail = f"shape {list(found.shape)}, expected {list(expected.shape)}"
        return Compared(False, math.inf, math.inf, detail)
    if expected.dtype.kind not in "biufc" and not expected.dtype.isbuiltin:
        expected, found = as_numbers(expected), as_numbers(found)  # bfloat16
    if expected.dtype.kind not in "biufc":
        same = bool((expected == found).all())
        return Compared(same, 0.0 if same else math.inf, 0.0, "" if same else "differs")
    if not expected.size:
        return Compared(True, 0.0, 0.0)
    return _of_numbers(_wide(expected), _wide(found), near)


def likeliest(
    candidates: Sequence[Any], found: Any, near: Near
) -> tuple[int, Compared]:
    """Return which of several values is meant by one, and how near it is.

    Args:
      candidates: What TF1 has; the first is meant, unless another is much nearer.
      found: What the model has.
      near: How far apart they may be.

    Example:
      >>> likeliest([5.0, 1.5, 1.0], 1.0, Near(0, 0))[0]
      2
    """
    results = [compared(each, found, near) for each in candidates]
    best = min(range(len(results)), key=lambda n: results[n].max_abs)
    much = results[best].agrees or results[best].max_abs * _MUCH < results[0].max_abs
    best = best if much else 0
    return best, results[best]


def _wide(array: Array) -> Array:
    return array.astype("complex128" if array.dtype.kind == "c" else "float64")


def _of_numbers(expected: Array, found: Array, near: Near) -> Compared:
    import numpy as np

    with np.errstate(all="ignore"):
        distance = np.abs(found - expected)
        equal = (found == expected) | (np.isnan(found) & np.isnan(expected))
    distance = np.where(equal, 0.0, np.where(np.isfinite(distance), distance, np.inf))
    finite = np.abs(expected[np.isfinite(expected)])
    scale = float(finite.max()) if finite.size else 0.0
    most = float(distance.max())
    at = np.unravel_index(int(distance.argmax()), distance.shape)
    detail = f"at {[int(i) for i in at]}: {found[at]:.6g}, expected {expected[at]:.6g}"
    agrees = most <= near.atol + near.rtol * scale
    relative = most / scale if scale else (math.inf if most else 0.0)
    return Compared(agrees, most, relative, "" if agrees else detail)


class Pair(NamedTuple):
    """Tensors of TF1, one of which the output of a layer should be.

    Attributes:
      layer: The name of the layer.
      tensors: The tensors, the likeliest first.
      is_certain: Whether the tensors are those of this layer alone; otherwise only a
        tensor that agrees tells that it is the layer's.
    """

    layer: str
    tensors: Sequence[Any]
    is_certain: bool


def paired_layers(
    reference: Reference, model: Any, moves: Iterable[Move], captures: Iterable[Capture]
) -> list[Pair]:
    """Return which tensors could be the outputs of layers with variables.

    The variables of a layer come from variables of TF1 in one scope; what leaves the
    operations of that scope should be what the layer gives. An activation may lie just
    behind the scope, or the layer's own behind what leaves it.

    Args:
      reference: TF1's side.
      model: The model that its values were moved to.
      moves: How they were moved.
      captures: The calls of the model's layers.
    """
    shapes = {each.name: each.output.shape for each in reversed([*captures])}
    scopes = _scopes(model, moves)
    count = Counter(scopes.values())
    found: list[Pair] = []
    for layer, scope in scopes.items():
        tensors = [
            tensor
            for tensor in reference.candidates(scope, [*count])
            if layer in shapes and tensor.shape.is_compatible_with(shapes[layer])
        ]
        if tensors:
            found.append(Pair(layer, tensors, bool(scope) and count[scope] == 1))
    return found


def _scopes(model: Any, moves: Iterable[Move]) -> dict[str, str]:
    """Return the scope of TF1 that the variables of each layer come from."""
    live = LiveTarget(model, counted=False)
    names = names_of(live)
    by_target = dict(live.variables)
    by_target.update((names[key], variable) for key, variable in live.variables.items())
    sources = {
        id(within(by_target[move.target])): move.sources
        for move in moves
        if move.target in by_target
    }
    found: dict[str, tuple[str, frozenset[int]]] = {}
    for name, layer in layers_of(model).items():
        own = frozenset(id(within(variable)) for variable in layer.weights) & {*sources}
        if own:
            taken = [source for each in own for source in sources[each]]
            found[name] = _common_scope(taken), own
    # Of a layer and those within it, these tell more; the inner ones come later.
    return {
        name: scope
        for place, (name, (scope, own)) in enumerate(found.items())
        if not any(
            other == scope and (variables < own or (variables == own and later > place))
            for later, (other, variables) in enumerate(found.values())
        )
    }


def _common_scope(names: Sequence[str]) -> str:
    parts = [name.split("/")[:-1] for name in names]
    shared = 0
    for column in zip(*parts, strict=False):
        if len({*column}) > 1:
            break
        shared += 1
    return "/".join(parts[0][:shared])
