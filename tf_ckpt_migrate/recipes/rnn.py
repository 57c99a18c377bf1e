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

from typing import Any

from tf_ckpt_migrate.errors import PlanError, RuleError, capped
from tf_ckpt_migrate.names.rules.recipe import recipe
from tf_ckpt_migrate.recipes.cells import Cell, Specs
from tf_ckpt_migrate.recipes.gru_cells import gru_rules
from tf_ckpt_migrate.recipes.stacks import pairs_of_cells
from tf_ckpt_migrate.transforms import AddToBlock, Blocks, Chain

__all__ = ["gru", "lstm", "simple_rnn"]

_IFCO = (0, 2, 1, 3)  # of i, j, f, o; and back
_Rules = list[Any]
_FORGET_BIAS = 1.0  # of every cell of TF1 that takes one, if no one says otherwise
_WITHOUT_BIAS = "cudnn_compatible_lstm_cell"


@recipe("simple_rnn")
def simple_rnn(
    source: str,
    target: str,
    specs: Specs,
    targets: Specs | None,
    *,
    layers: str | None = None,
) -> _Rules:
    """Return rules for ``BasicRNNCell`` as ``SimpleRNN``; from that, the way back.

    Args:
      source: The scope of the cell, or of cells: a stack, two directions, or both.
      target: The scope to fill: of the layer or its cell, or of the layers.
      specs: The tensors of the checkpoint.
      targets: The places to fill; None if any name will do.
      layers: The layers below ``target`` in their order, with commas between, where
        their numbers do not tell it.

    Raises:
      PlanError: If the tensors of ``source`` are not those of such cells, or nothing
        tells which cell becomes which.
      RuleError: If a scope does not end in ``/``.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
      >>> shapes = {"cell/kernel": (5, 2), "cell/bias": (2,)}
      >>> specs = {k: TensorSpec(DType.float32, shape) for k, shape in shapes.items()}
      >>> print(simple_rnn("cell/", "rnn/", specs, None)[1])
      Rename('cell/bias', 'rnn/bias')
    """
    pairs = pairs_of_cells(source, target, specs, targets, layers)
    cells = [Cell("simple_rnn", *pair, specs) for pair in pairs]
    return [rule for cell in cells for rule in _simple_rnn(cell)]


def _simple_rnn(cell: Cell) -> _Rules:
    if cell.is_keras:
        return [cell.joined("kernel", None), cell.renamed("bias")]
    units = cell.vector("bias")
    return [cell.parted("kernel", units, None), cell.renamed("bias")]


@recipe("lstm")
def lstm(  # noqa: PLR0913 what every recipe gets, and two options
    source: str,
    target: str,
    specs: Specs,
    targets: Specs | None,
    *,
    forget_bias: float | None = None,
    layers: str | None = None,
) -> _Rules:
    """Return rules for LSTM cells of TF1 as ``LSTM``; from that, the way back.

    These are ``BasicLSTMCell``, ``LSTMCell``, ``LSTMBlockCell``, ``LSTMBlockFusedCell``
    and ``CudnnCompatibleLSTMCell``.

    Args:
      source: The scope of the cell, or of cells: a stack, two directions, or both.
      target: The scope to fill: of the layer or its cell, or of the layers.
      specs: The tensors of the checkpoint.
      targets: The places to fill; None if any name will do.
      forget_bias: That of the TF1 cell, which no tensor tells. None takes 1.0, TF1's
        default, and says so in a note; of the Cudnn cell, which has none, 0.0.
      layers: As of `simple_rnn`.

    Raises:
      PlanError: If the tensors of ``source`` are not those of such cells, or nothing
        tells which cell becomes which.
      RuleError: If a scope does not end in ``/``, or the forget bias is no number.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
      >>> shapes = {"cell/kernel": (5, 8), "cell/bias": (8,)}
      >>> specs = {k: TensorSpec(DType.float32, shape) for k, shape in shapes.items()}
      >>> print(lstm("cell/", "rnn/", specs, None, forget_bias=0.0)[1])
      Rename('cell/bias', 'rnn/bias', transform=Blocks(axis=0, order=(0, 2, 1, 3)))
    """
    if isinstance(forget_bias, str | bool):
        raise RuleError(
            f"forget_bias={forget_bias!r} is no number; say forget_bias=1.0, or what "
            "the TF1 program gave its cell"
        )
    pairs = pairs_of_cells(source, target, specs, targets, layers)
    cells = [Cell("lstm", *pair, specs) for pair in pairs]
    rules: _Rules = []
    assumed: list[str] = []
    for cell in cells:
        bias = _forget_bias(cell, forget_bias)
        if bias is None:
            bias = _FORGET_BIAS
            assumed.append(repr(cell.source))
        rules += _lstm(cell, bias)
    if assumed:
        rules.append(
            f"forget_bias={_FORGET_BIAS} is taken to be that of the TF1 cells of "
            f"{', '.join(capped(assumed, 3))}: it is TF1's default, and no tensor "
            "tells it; where the program says another, say it to the recipe"
        )
    return rules


def _forget_bias(cell: Cell, told: float | None) -> float | None:
    """Return the forget bias of a cell, as far as it is known."""
    names = (cell.name, Cell.name_in(cell.target))
    if _WITHOUT_BIAS not in names:
        return told
    if told:
        raise PlanError(
            f"{cell.source!r}: CudnnCompatibleLSTMCell has no forget bias, and "
            f"forget_bias={told} was said; leave it out"
        )
    return 0.0


def _lstm(cell: Cell, forget_bias: float) -> _Rules:
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
def gru(
    source: str,
    target: str,
    specs: Specs,
    targets: Specs | None,
    *,
    layers: str | None = None,
) -> _Rules:
    """Return rules for GRU cells of TF1 as ``GRU``; from that, the way back.

    ``GRUCell`` and ``GRUBlockCellV2`` become one with ``reset_after=False``, and
    ``CudnnCompatibleGRUCell`` one with ``reset_after=True``, which has two biases of a
    gate where TF1 has one: on the way back they are added up.

    Args:
      source: The scope of the cell, or of cells: a stack, two directions, or both.
      target: The scope to fill: of the layer or its cell, or of the layers.
      specs: The tensors of the checkpoint.
      targets: The places to fill; None if any name will do.
      layers: As of `simple_rnn`.

    Raises:
      PlanError: If the tensors of ``source`` are not those of such cells, if the layer
        was made with the other ``reset_after``, or if nothing tells which cell becomes
        which.
      RuleError: If a scope does not end in ``/``.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
      >>> shapes = {"kernel": (3, 6), "recurrent_kernel": (2, 6), "bias": (6,)}
      >>> specs = {k: TensorSpec(DType.float32, s) for k, s in shapes.items()}
      >>> print(gru("/", "cell/", specs, None)[0].sources)
      ('kernel', 'recurrent_kernel')
    """
    pairs = pairs_of_cells(source, target, specs, targets, layers)
    cells = [Cell("gru", *pair, specs) for pair in pairs]
    return [rule for cell in cells for rule in gru_rules(cell, targets)]
