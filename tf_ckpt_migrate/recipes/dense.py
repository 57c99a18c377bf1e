"""Dense kernels that are kept in other shapes: with heads, or as a 1x1 convolution."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import PlanError, RuleError, capped
from tf_ckpt_migrate.names.rules import Rename
from tf_ckpt_migrate.names.rules.recipe import recipe
from tf_ckpt_migrate.recipes.scopes import start_of
from tf_ckpt_migrate.transforms import Reshape

__all__ = [
    "BIASES",
    "KERNELS",
    "heads",
    "kernel_of",
    "key_in",
    "number_of_heads",
    "place_of",
    "pointwise",
]

KERNELS = ("kernel", "weights", "w")
BIASES = ("bias", "biases", "b")
_Specs = Mapping[str, TensorSpec]


def key_in(specs: _Specs, scope: str, names: Sequence[str]) -> str | None:
    """Return the key of a tensor of a scope, by the first of its names that is there.

    Example:
      >>> key_in(dict.fromkeys(["dense/w"]), "dense/", KERNELS)
      'dense/w'
    """
    return next((scope + name for name in names if scope + name in specs), None)


def kernel_of(kind: str, specs: _Specs, scope: str) -> str:
    """Return the key of the kernel of a scope.

    Raises:
      PlanError: If there is none.

    Example:
      >>> kernel_of("heads", dict.fromkeys(["dense/kernel"]), "dense/")
      'dense/kernel'
    """
    key = key_in(specs, scope, KERNELS)
    if key is None:
        there = [each for each in specs if each.startswith(scope)]
        raise PlanError(
            f"recipe {kind!r} needs {scope + 'kernel'!r}; in the scope are "
            f"{', '.join(map(repr, capped(there, 5))) or 'no tensors'}"
        )
    return key


def place_of(targets: _Specs | None, scope: str, names: Sequence[str]) -> str:
    """Return the name to fill: one that is there, else the first.

    Example:
      >>> place_of(None, "dense/", KERNELS)
      'dense/kernel'
    """
    found = None if targets is None else key_in(targets, scope, names)
    return found or scope + names[0]


def number_of_heads(
    kind: str, told: int | None, width: int, shape: Sequence[int] | None, axis: int
) -> int:
    """Return the number of heads, as told or as the place to fill has it.

    Args:
      kind: The recipe.
      told: What the caller says, or None.
      width: How wide the heads are together.
      shape: That of the place to fill, where it is known.
      axis: Where in it heads are counted.

    Raises:
      PlanError: If nothing tells it, both disagree, or it does not divide the width.

    Example:
      >>> number_of_heads("heads", None, 6, (4, 2, 3), 1)
      2
    """
    has_heads = shape is not None and len(shape) > axis + 1
    found = shape[axis] if shape is not None and has_heads else told
    if found is None:
        raise PlanError(
            f"recipe {kind!r}: nothing tells the number of heads; say num_heads=…"
        )
    if told not in (None, found):
        raise PlanError(
            f"recipe {kind!r}: num_heads={told} was said, and the target has {found}"
        )
    if found < 1 or width % found:
        raise PlanError(
            f"recipe {kind!r}: {found} heads do not divide a width of {width}"
        )
    return found


@recipe("heads")
def heads(  # noqa: PLR0913 what every recipe gets, and two options
    source: str,
    target: str,
    specs: _Specs,
    targets: _Specs | None,
    *,
    num_heads: int | None = None,
    of: Literal["output", "input"] = "output",
) -> list[Any]:
    """Return rules for one dense layer as an ``EinsumDense`` with heads, and back.

    A kernel ``[inputs, heads * size]`` becomes ``[inputs, heads, size]`` and its bias
    ``[heads, size]``. Values stay where they are, so slots and averages can follow.

    Args:
      source: The scope of the layer, with ``kernel`` (``weights``, ``w``) and, if it
        has one, ``bias`` (``biases``, ``b``).
      target: The scope to fill.
      specs: The tensors of the checkpoint.
      targets: The places to fill; None if any name will do.
      num_heads: How many; None where the target tells it.
      of: ``"input"`` if heads are what goes in, as in ``attention_output``: then
        ``[heads * size, outputs]`` becomes ``[heads, size, outputs]``.

    Raises:
      PlanError: If there is no such kernel, or nothing tells the heads.
      RuleError: If ``of`` is none of the two, or a scope does not end in ``/``.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> specs = {"query/kernel": TensorSpec(DType.float32, (8, 6))}
      >>> print(heads("query/", "mha/query/", specs, None, num_heads=2)[0])
      Rename('query/kernel', 'mha/query/kernel', transform=Reshape(shape=(8, 2, 3)))
    """
    if of not in ("output", "input"):
        raise RuleError(f"of={of!r}; expected 'output' or 'input'")
    start, to = start_of(source), start_of(target)
    key = kernel_of("heads", specs, start)
    place = place_of(targets, to, KERNELS)
    shape, wanted = specs[key].shape, _shape_of(targets, place)
    rules: list[Any] = []
    if len(shape) == 3:
        first = math.prod(shape[:2]) if of == "input" else shape[0]
        rules.append(Rename(key, place, Reshape((first, -1))))
        bias = None if of == "input" else Reshape((-1,))
    elif len(shape) == 2:
        at = 0 if of == "input" else 1
        count = number_of_heads("heads", num_heads, shape[at], wanted, at)
        size = shape[at] // count
        new = (count, size, shape[1]) if of == "input" else (shape[0], count, size)
        rules.append(Rename(key, place, Reshape(new)))
        bias = None if of == "input" else Reshape((count, size))
    else:
        raise PlanError(f"{key!r} has the shape {list(shape)}; a kernel has 2 or 3")
    found = key_in(specs, start, BIASES)
    if found is not None:
        rules.append(Rename(found, place_of(targets, to, BIASES), bias))
    return rules


@recipe("pointwise")
def pointwise(
    source: str,
    target: str,
    specs: _Specs,
    targets: _Specs | None,
    *,
    rank: int | None = None,
) -> list[Any]:
    """Return rules for a 1x1 convolution as a dense layer, and back.

    A kernel ``[1, 1, inputs, outputs]`` becomes ``[inputs, outputs]``; the bias stays.

    Args:
      source: The scope of the layer, as of `heads`.
      target: The scope to fill.
      specs: The tensors of the checkpoint.
      targets: The places to fill; None if any name will do.
      rank: Of a dense layer that becomes a convolution, how many dimensions its kernel
        is to have: 3, 4 or 5; None where the target tells it.

    Raises:
      PlanError: If there is no such kernel, it is wider than 1, or nothing tells the
        rank.
      RuleError: If a scope does not end in ``/``.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> specs = {"conv/kernel": TensorSpec(DType.float32, (1, 1, 8, 6))}
      >>> print(pointwise("conv/", "dense/", specs, None)[0])
      Rename('conv/kernel', 'dense/kernel', transform=Reshape(shape=(8, 6)))
    """
    start, to = start_of(source), start_of(target)
    key = kernel_of("pointwise", specs, start)
    place = place_of(targets, to, KERNELS)
    shape, wanted = specs[key].shape, _shape_of(targets, place)
    if len(shape) < 2 or math.prod(shape[:-2]) != 1:
        raise PlanError(
            f"{key!r} has the shape {list(shape)}; only a convolution of width 1 is a "
            "dense layer"
        )
    if len(shape) == 2:
        rank = len(wanted) if wanted is not None else rank
        if rank is None or rank < 3:
            raise PlanError(
                f"recipe 'pointwise': nothing tells how many dimensions the kernel of "
                f"{to!r} is to have; say rank=4 for a Conv2D"
            )
        rules = [Rename(key, place, Reshape((*[1] * (rank - 2), *shape)))]
    else:
        rules = [Rename(key, place, Reshape(shape[-2:]))]
    found = key_in(specs, start, BIASES)
    if found is not None:
        rules.append(Rename(found, place_of(targets, to, BIASES)))
    return rules


def _shape_of(targets: _Specs | None, place: str) -> tuple[int, ...] | None:
    spec = None if targets is None else targets.get(place)
    return None if spec is None else spec.shape
