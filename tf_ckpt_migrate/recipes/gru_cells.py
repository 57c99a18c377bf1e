"""One GRU cell: rules between the two of TF1 and the two of Keras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.names.rules import Split
from tf_ckpt_migrate.recipes.cells import Cell
from tf_ckpt_migrate.transforms import Blocks, Chain, Concat, GruBiases, Join, Slice

__all__ = ["gru_rules"]

_SWAPPED = (1, 0)  # reset and update
_ZRH = (1, 0, 2)
_OF_STATE = "candidate/hidden_projection"
_OF_INPUT = "candidate/input_projection"
_Targets = Mapping[str, TensorSpec] | None


def gru_rules(cell: Cell, targets: _Targets) -> list[Any]:
    """Return the rules of a cell.

    Raises:
      PlanError: If its tensors are not those of such a cell, or the other side is one
        of the other kind.
    """
    if cell.is_keras:
        after = len(cell.shape("bias")) == 2
        _check_target_of_tf1(cell, targets, after=after)
        return _cudnn_to_tf1(cell) if after else _to_tf1(cell)
    after = cell.has(f"{_OF_STATE}/kernel")
    _check_target_of_keras(cell, targets, after=after)
    return _cudnn_to_keras(cell) if after else _to_keras(cell)


def _check_target_of_keras(cell: Cell, targets: _Targets, *, after: bool) -> None:
    spec = None if targets is None else targets.get(cell.target + "bias")
    if spec is None or len(spec.shape) == (2 if after else 1):
        return
    kind = "CudnnCompatibleGRUCell" if after else "GRUCell"
    raise PlanError(
        f"{cell.source!r} is a {kind}, and the layer at {cell.target!r} was made with "
        f"reset_after={not after}, which computes another thing: make it "
        f"GRU(units, reset_after={after})"
    )


def _check_target_of_tf1(cell: Cell, targets: _Targets, *, after: bool) -> None:
    if targets is None or cell.target + "gates/kernel" not in targets:
        return
    if (f"{cell.target}{_OF_STATE}/kernel" in targets) != after:
        kind = "CudnnCompatibleGRUCell" if after else "GRUCell"
        raise PlanError(
            f"{cell.source!r} is a GRU with reset_after={after}, which only a {kind} "
            f"of TF1 computes, and {cell.target!r} is another"
        )


def _to_keras(cell: Cell) -> list[Any]:
    units = cell.vector("candidate/bias")
    columns = Chain((Concat(1), Blocks(1, _ZRH)))
    bias = Chain((Concat(0), Blocks(0, _ZRH)))
    rows = cell.rows("gates/kernel", units)
    return [
        cell.combined(
            ["gates/kernel", "candidate/kernel"],
            {
                "kernel": Chain((columns, Slice((0, 0), (rows, -1)))),
                "recurrent_kernel": Chain((columns, Slice((rows, 0), (units, -1)))),
            },
        ),
        cell.combined(["gates/bias", "candidate/bias"], {"bias": bias}),
    ]


def _to_tf1(cell: Cell) -> list[Any]:
    units = cell.vector("bias", blocks=3)
    whole = Chain((Concat(0), Blocks(1, _ZRH)))
    bias = Blocks(0, _ZRH)
    every = sum(cell.shape(name)[0] for name in ("kernel", "recurrent_kernel"))
    kernels = cell.combined(
        ["kernel", "recurrent_kernel"],
        {
            "gates/kernel": Chain((whole, Slice((0, 0), (every, 2 * units)))),
            "candidate/kernel": Chain((whole, Slice((0, 2 * units), (every, units)))),
        },
    )
    parts = {"gates/bias": (0, 2 * units), "candidate/bias": (2 * units, units)}
    split = {
        cell.target + name: Chain((bias, Slice((start,), (count,))))
        for name, (start, count) in parts.items()
    }
    return [kernels, Split(cell.key("bias"), split)]


def _cudnn_to_keras(cell: Cell) -> list[Any]:
    """Return rules for a cell whose new state has two projections of its own."""
    units = cell.vector(f"{_OF_STATE}/bias")
    rows = cell.rows("gates/kernel", units)
    swapped = Blocks(1, _SWAPPED)
    above = Chain((Slice((0, 0), (rows, -1)), swapped))
    below = Chain((Slice((rows, 0), (units, -1)), swapped))
    return [
        cell.combined(
            ["gates/kernel", f"{_OF_INPUT}/kernel", f"{_OF_STATE}/kernel"],
            {
                "kernel": Join(1, (above, None), (0, 1)),
                "recurrent_kernel": Join(1, (below, None), (0, 2)),
            },
        ),
        cell.combined(
            ["gates/bias", f"{_OF_INPUT}/bias", f"{_OF_STATE}/bias"],
            {"bias": GruBiases()},
        ),
    ]


def _cudnn_to_tf1(cell: Cell) -> list[Any]:
    units = cell.shape("recurrent_kernel")[0]
    gates = Chain((Slice((0, 0), (-1, 2 * units)), Blocks(1, _SWAPPED)))
    new = Slice((0, 2 * units), (-1, units))
    dtype = cell.spec("bias").dtype
    lengths = (2 * units, units, units)
    biases = GruBiases().inverses(*(TensorSpec(dtype, (n,)) for n in lengths)) or ()
    names = ("gates/bias", f"{_OF_INPUT}/bias", f"{_OF_STATE}/bias")
    kernels = {
        "gates/kernel": Join(0, (gates, gates)),
        f"{_OF_INPUT}/kernel": Join(1, (new,), (0,)),
        f"{_OF_STATE}/kernel": Join(1, (new,), (1,)),
    }
    goals = dict(zip((cell.target + name for name in names), biases, strict=True))
    return [
        cell.combined(["kernel", "recurrent_kernel"], kernels),
        Split(cell.key("bias"), goals),
    ]
