"""RNN cells of TF1 as layers of Keras, and back.

TF1 keeps a cell's weights in one kernel of ``inputs + units`` rows; Keras parts it into
``kernel`` and ``recurrent_kernel``. Gates are columns, in these orders:

=====  =======================  =======================
cell   TF1                      Keras
=====  =======================  =======================
LSTM   input, new, forget, out  input, forget, new, out
GRU    reset, update; new       update, reset, new
=====  =======================  =======================

TF1 adds the ``forget_bias`` of an LSTM cell when it runs; Keras has it in the bias.
Sources: ``tensorflow/python/ops/rnn_cell_impl.py`` (1.15), ``keras/layers/rnn``; pinned
by what both compute from the same weights.
"""

from __future__ import annotations

from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.names.rules import Rule, Split
from tf_ckpt_migrate.names.rules.recipe import recipe
from tf_ckpt_migrate.recipes.cells import Cell, Specs
from tf_ckpt_migrate.transforms import (
    AddToBlock,
    Blocks,
    Chain,
    Concat,
    Join,
    Pad,
    Reshape,
    Slice,
)

__all__ = ["gru", "lstm", "simple_rnn"]

_IFCO = (0, 2, 1, 3)  # of i, j, f, o; and back
_SWAPPED = (1, 0)  # reset and update
_ZRH = (1, 0, 2)


@recipe("simple_rnn")
def simple_rnn(
    source: str, target: str, specs: Specs, targets: Specs | None
) -> list[Rule]:
    """Return rules for a ``BasicRNNCell`` as a ``SimpleRNN``; from that, the way back.

    Raises:
      PlanError: If the tensors of ``source`` are not those of such a cell.
      RuleError: If a scope does not end in ``/``.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
      >>> shapes = {"cell/kernel": (5, 2), "cell/bias": (2,)}
      >>> specs = {k: TensorSpec(DType.float32, shape) for k, shape in shapes.items()}
      >>> print(simple_rnn("cell/", "rnn/", specs, None)[1])
      Rename('cell/bias', 'rnn/bias')
    """
    del targets
    cell = Cell("simple_rnn", source, target, specs)
    if cell.is_keras:
        return [cell.joined("kernel", None), cell.renamed("bias")]
    units = cell.vector("bias")
    return [cell.parted("kernel", units, None), cell.renamed("bias")]


@recipe("lstm")
def lstm(
    source: str,
    target: str,
    specs: Specs,
    targets: Specs | None,
    *,
    forget_bias: float = 1.0,
) -> list[Rule]:
    """Return rules for an LSTM cell of TF1 as an ``LSTM``; from that, the way back.

    These are ``BasicLSTMCell``, ``LSTMCell``, ``LSTMBlockCell``, ``LSTMBlockFusedCell``
    and ``CudnnCompatibleLSTMCell``.

    Args:
      source: The scope of the cell, or of the layer's cell.
      target: The scope to fill.
      specs: The tensors of the checkpoint.
      targets: The places to fill; of no account here.
      forget_bias: That of the TF1 cell: 1.0 if nothing was said, 0.0 of the Cudnn one.

    Raises:
      PlanError: If the tensors of ``source`` are not those of such a cell.
      RuleError: If a scope does not end in ``/``.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
      >>> shapes = {"cell/kernel": (5, 8), "cell/bias": (8,)}
      >>> specs = {k: TensorSpec(DType.float32, shape) for k, shape in shapes.items()}
      >>> print(lstm("cell/", "rnn/", specs, None, forget_bias=0.0)[1])
      Rename('cell/bias', 'rnn/bias', transform=Blocks(axis=0, order=(0, 2, 1, 3)))
    """
    del targets
    cell = Cell("lstm", source, target, specs)
    gates, bias = Blocks(1, _IFCO), Blocks(0, _IFCO)
    if cell.is_keras:
        added = AddToBlock(4, 1, -forget_bias)
        back = Chain((added, bias)) if forget_bias else bias
        return [cell.joined("kernel", gates), cell.renamed("bias", back)]
    units = cell.vector("bias", blocks=4)
    added = AddToBlock(4, 1, forget_bias)
    there = Chain((bias, added)) if forget_bias else bias
    return [cell.parted("kernel", units, gates), cell.renamed("bias", there)]


@recipe("gru")
def gru(source: str, target: str, specs: Specs, targets: Specs | None) -> list[Rule]:
    """Return rules for a GRU cell of TF1 as a ``GRU``; from that, the way back.

    ``GRUCell`` and ``GRUBlockCellV2`` become one with ``reset_after=False``, and
    ``CudnnCompatibleGRUCell`` one with ``reset_after=True``, which has no way back: its
    two biases of a gate are one in TF1.

    Raises:
      PlanError: If the tensors of ``source`` are not those of such a cell.
      RuleError: If a scope does not end in ``/``.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
      >>> shapes = {"kernel": (3, 6), "recurrent_kernel": (2, 6), "bias": (6,)}
      >>> specs = {k: TensorSpec(DType.float32, s) for k, s in shapes.items()}
      >>> print(gru("/", "cell/", specs, None)[0].sources)
      ('kernel', 'recurrent_kernel')
    """
    del targets
    cell = Cell("gru", source, target, specs)
    if cell.is_keras:
        return _gru_to_tf1(cell)
    if cell.has("candidate/hidden_projection/kernel"):
        return _cudnn_gru(cell)
    units = cell.vector("candidate/bias")
    columns = Chain((Concat(1), Blocks(1, _ZRH)))
    bias = Chain((Concat(0), Blocks(0, _ZRH)))
    rows = cell.rows("gates/kernel", units)
    kernels = ["gates/kernel", "candidate/kernel"]
    return [
        cell.combined(
            kernels,
            {
                "kernel": Chain((columns, Slice((0, 0), (rows, -1)))),
                "recurrent_kernel": Chain((columns, Slice((rows, 0), (units, -1)))),
            },
        ),
        cell.combined(["gates/bias", "candidate/bias"], {"bias": bias}),
    ]


def _gru_to_tf1(cell: Cell) -> list[Rule]:
    if len(cell.shape("bias")) != 1:
        raise PlanError(
            f"{cell.source}bias: a GRU with reset_after=True has two biases for every "
            "gate, of which a GRUCell of TF1 has one; make the layer with "
            "reset_after=False"
        )
    units = cell.vector("bias", blocks=3)
    whole = Chain((Concat(0), Blocks(1, _ZRH)))
    bias = Blocks(0, _ZRH)
    every = sum(cell.shape(name)[0] for name in ("kernel", "recurrent_kernel"))
    split = Split(
        f"{cell.source}bias",
        {
            f"{cell.target}gates/bias": Chain((bias, Slice((0,), (2 * units,)))),
            f"{cell.target}candidate/bias": Chain(
                (bias, Slice((2 * units,), (units,)))
            ),
        },
    )
    kernels = cell.combined(
        ["kernel", "recurrent_kernel"],
        {
            "gates/kernel": Chain((whole, Slice((0, 0), (every, 2 * units)))),
            "candidate/kernel": Chain((whole, Slice((0, 2 * units), (every, units)))),
        },
    )
    return [kernels, split]


def _cudnn_gru(cell: Cell) -> list[Rule]:
    """Return rules for a cell whose new state has two projections of its own."""
    hidden, inputs = "candidate/hidden_projection", "candidate/input_projection"
    units = cell.vector(f"{hidden}/bias")
    rows = cell.rows("gates/kernel", units)
    swapped = Blocks(1, _SWAPPED)
    above = Chain((Slice((0, 0), (rows, -1)), swapped))
    below = Chain((Slice((rows, 0), (units, -1)), swapped))
    # The gates have one bias; that of the recurrent kernel is zero for them.
    biases = Join(0, (Blocks(0, _SWAPPED), None, Pad((2 * units,), (0,))))
    return [
        cell.combined(
            ["gates/kernel", f"{inputs}/kernel", f"{hidden}/kernel"],
            {
                "kernel": Join(1, (above, None), (0, 1)),
                "recurrent_kernel": Join(1, (below, None), (0, 2)),
            },
        ),
        cell.combined(
            ["gates/bias", f"{inputs}/bias", f"{hidden}/bias"],
            {"bias": Chain((biases, Reshape((2, 3 * units))))},
        ),
    ]
