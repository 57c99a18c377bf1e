"""Attention: dense projections of TF1 as those of ``MultiHeadAttention``, and back.

=========  ==========================================  ================================
part       TF1                                         Keras
=========  ==========================================  ================================
query,     ``[inputs, heads * size]``, in BERT         ``query/kernel``
key,       ``self/query/kernel``                       ``[inputs, heads, size]``
value
all three  ``[inputs, 3 * heads * size]``: a block for each of the three, in which the
           heads follow (GPT-2's ``c_attn``), or for each head a block of the three
output     ``[heads * size, outputs]``, in BERT        ``attention_output/kernel``
           ``output/dense/kernel``                     ``[heads, size, outputs]``
=========  ==========================================  ================================

Sources: ``attention_layer`` of BERT's modeling.py, ``attn`` of GPT-2's model.py,
``keras/layers/attention/multi_head_attention``; pinned by what both compute.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import PlanError, RuleError
from tf_ckpt_migrate.names.rules import Combine, Split
from tf_ckpt_migrate.names.rules.recipe import recipe
from tf_ckpt_migrate.recipes.dense import (
    BIASES,
    KERNELS,
    heads,
    kernel_of,
    key_in,
    number_of_heads,
    place_of,
)
from tf_ckpt_migrate.recipes.scopes import start_of
from tf_ckpt_migrate.transforms import Chain, Reshape, Slice, Stack, Transform

__all__ = ["attention", "qkv"]

_Specs = Mapping[str, TensorSpec]
_PARTS = ("query", "key", "value")
_OUTPUT = "attention_output"
# Scopes of each part, those of BERT and those of Keras; the first are for new names.
_SCOPES = {
    "query": ("self/query/", "query/"),
    "key": ("self/key/", "key/"),
    "value": ("self/value/", "value/"),
    _OUTPUT: ("output/dense/", "attention_output/"),
}


@recipe("attention")
def attention(
    source: str,
    target: str,
    specs: _Specs,
    targets: _Specs | None,
    *,
    num_heads: int | None = None,
) -> list[Any]:
    """Return rules for the projections of an attention layer, from BERT's or Keras's.

    Which way it is follows from the kernels: those of Keras have a dimension for heads.
    The output projection is taken along if it is there; what else is in the scope, such
    as ``output/LayerNorm``, is left to other rules.

    Args:
      source: The scope, such as ``bert/encoder/layer_0/attention/``, or that of a
        ``MultiHeadAttention``.
      target: The scope to fill.
      specs: The tensors of the checkpoint.
      targets: The places to fill; None if any name will do.
      num_heads: How many; None where the target tells it.

    Raises:
      PlanError: If the tensors are not those of such a layer, or nothing tells the
        heads.
      RuleError: If a scope does not end in ``/``.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> names = [f"att/self/{part}/kernel" for part in ("query", "key", "value")]
      >>> specs = dict.fromkeys(names, TensorSpec(DType.float32, (8, 6)))
      >>> print(attention("att/", "mha/", specs, None, num_heads=2)[2])
      Rename('att/self/value/kernel', 'mha/value/kernel', \
transform=Reshape(shape=(8, 2, 3)))
    """
    start, to = start_of(source), start_of(target)
    rules: list[Any] = []
    for part, scopes in _SCOPES.items():
        found = _scope_in(specs, start, scopes)
        if found is None:
            if part != _OUTPUT:
                kernel_of("attention", specs, start + scopes[0])
            continue
        is_keras = len(specs[kernel_of("attention", specs, found)].shape) == 3
        names = scopes if is_keras else scopes[::-1]
        place = None if targets is None else _scope_in(targets, to, names)
        side: Literal["input", "output"] = "input" if part == _OUTPUT else "output"
        rules += heads(
            found,
            place or to + names[0],
            specs,
            targets,
            num_heads=num_heads,
            of=side,
        )
    return rules


def _scope_in(specs: _Specs, start: str, scopes: tuple[str, ...]) -> str | None:
    found = (start + each for each in scopes)
    return next((each for each in found if key_in(specs, each, KERNELS)), None)


@recipe("qkv")
def qkv(  # noqa: PLR0913 what every recipe gets, and two options
    source: str,
    target: str,
    specs: _Specs,
    targets: _Specs | None,
    *,
    num_heads: int | None = None,
    order: Literal["parts", "heads"] = "parts",
) -> list[Any]:
    """Return rules for a fused kernel of query, key and value as three, and back.

    Args:
      source: The scope of the fused layer, such as ``h0/attn/c_attn/``; or that with
        ``query/``, ``key/`` and ``value/``, for the way back.
      target: The scope to fill.
      specs: The tensors of the checkpoint.
      targets: The places to fill; None if any name will do.
      num_heads: How many; None where shapes tell it.
      order: ``"parts"`` if the kernel is all of query, then key, then value, as in
        GPT-2; ``"heads"`` if it is the three of the first head, then of the next.

    Raises:
      PlanError: If the tensors are not those of such a layer, or nothing tells the
        heads.
      RuleError: If ``order`` is none of the two, or a scope does not end in ``/``.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> specs = {"c_attn/w": TensorSpec(DType.float32, (8, 18))}
      >>> for name, how in qkv("c_attn/", "mha/", specs, None, num_heads=2)[0].targets:
      ...     print(name, how.transforms[1])
      mha/query/kernel Slice(begin=(0, 0, 0, 0), size=(8, 1, 2, 3))
      mha/key/kernel Slice(begin=(0, 1, 0, 0), size=(8, 1, 2, 3))
      mha/value/kernel Slice(begin=(0, 2, 0, 0), size=(8, 1, 2, 3))
    """
    if order not in ("parts", "heads"):
        raise RuleError(f"order={order!r}; expected 'parts' or 'heads'")
    start, to = start_of(source), start_of(target)
    if key_in(specs, start + "query/", KERNELS):
        return _fused(start, to, specs, targets, order)
    key = kernel_of("qkv", specs, start)
    inputs, width = _matrix(key, specs)
    wanted = None if targets is None else targets.get(f"{to}query/kernel")
    shape = None if wanted is None else wanted.shape
    count = number_of_heads("qkv", num_heads, width // 3, shape, 1)
    size = width // 3 // count
    rules = [_parted(key, to, (inputs,), (count, size), order)]
    found = key_in(specs, start, BIASES)
    if found is not None:
        rules.append(_parted(found, to, (), (count, size), order))
    return rules


def _matrix(key: str, specs: _Specs) -> tuple[int, int]:
    """Return inputs and outputs of a kernel, which GPT-2 keeps as a convolution's."""
    shape = specs[key].shape
    if not 2 <= len(shape) <= 3 or shape[:-2] not in ((), (1,)) or shape[-1] % 3:
        raise PlanError(
            f"{key!r} has the shape {list(shape)}; recipe 'qkv' expects "
            "[inputs, 3 * heads * size]"
        )
    return shape[-2], shape[-1]


def _parted(
    key: str, to: str, rows: tuple[int, ...], each: tuple[int, int], order: str
) -> Split:
    """Return the rule that cuts a fused tensor in three; one with rows is a kernel."""
    at = len(rows) + (order == "heads")
    whole = [*rows, *each]
    whole.insert(at, 3)
    goals: dict[str, Transform | None] = {}
    for number, part in enumerate(_PARTS):
        begin, box = [0] * len(whole), list(whole)
        begin[at], box[at] = number, 1
        steps = (
            Reshape(tuple(whole)),
            Slice(tuple(begin), tuple(box)),
            Reshape((*rows, *each)),
        )
        goals[f"{to}{part}/{'kernel' if rows else 'bias'}"] = Chain(steps)
    return Split(key, goals)


def _fused(
    start: str, to: str, specs: _Specs, targets: _Specs | None, order: str
) -> list[Any]:
    """Return the rules that join three tensors of Keras."""
    rules: list[Any] = []
    for names in (KERNELS, BIASES):
        keys = [key_in(specs, f"{start}{part}/", names) for part in _PARTS]
        present = [key for key in keys if key is not None]
        if not present and names is BIASES:
            continue
        if len(present) < len(_PARTS):
            raise PlanError(
                f"recipe 'qkv': below {start!r} are {', '.join(map(repr, present))}, "
                "and not as many for query, key and value"
            )
        shape = specs[present[0]].shape
        if len(shape) != (3 if names is KERNELS else 2):
            raise PlanError(
                f"{present[0]!r} has the shape {list(shape)}, in which nothing tells "
                "the heads"
            )
        place = place_of(targets, to, names)
        spec = None if targets is None else targets.get(place)
        rows = shape[:-2]
        new = (*rows, -1) if spec is None else spec.shape
        stacked = Stack(len(rows) + (order == "heads"))
        rules.append(Combine(present, place, Chain((stacked, Reshape(new)))))
    return rules
