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

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import PlanError, RuleError, capped
from tf_ckpt_migrate.names.rules import Combine, Rename, Split
from tf_ckpt_migrate.names.rules.recipe import recipe
from tf_ckpt_migrate.recipes.legacy_names import name_of_today, scope_of_today
from tf_ckpt_migrate.recipes.scopes import start_of
from tf_ckpt_migrate.recipes.stacks import pairs_of_cells
from tf_ckpt_migrate.transforms import (
    AddToBlock,
    Blocks,
    Chain,
    Concat,
    GruBiases,
    Join,
    Slice,
    Transform,
)

__all__ = ["Cell", "Specs", "gru", "gru_rules", "lstm", "simple_rnn"]


Specs: TypeAlias = Mapping[str, TensorSpec]

# What a cell's tensors are called that no layer of Keras computes alike.
_NO_LAYER = {
    "w_f_diag": "peepholes (use_peepholes=True)",
    "projection/kernel": "a projection (num_proj)",
    "forget/gamma": "layer normalization",
    "input/gamma": "layer normalization",
}
_UNLIKE = {
    "attention_cell_wrapper": "AttentionCellWrapper, which attends to its own past",
    "cfn_cell": "CFNCell, a chaos free network",
    "coupled_input_forget_gate_lstm_cell": "CoupledInputForgetGateLSTMCell, which "
    "couples input and forget gates",
    "glstm_cell": "GLSTMCell, of groups with kernels of their own",
    "grid_lstm_cell": "GridLSTMCell, recurrent over frequencies too",
    "bidirectional_grid_lstm_cell": "BidirectionalGridLSTMCell, recurrent over "
    "frequencies too",
    "ind_rnn_cell": "IndRNNCell, whose state has a vector for a kernel",
    "indy_gru_cell": "IndyGRUCell, whose state has vectors for kernels",
    "indy_lstm_cell": "IndyLSTMCell, whose state has vectors for kernels",
    "intersection_rnn_cell": "IntersectionRNNCell, which passes on inputs",
    "layer_norm_basic_lstm_cell": "LayerNormBasicLSTMCell, with layer normalization",
    "layer_norm_lstm_cell": "LayerNormLSTMCell, with layer normalization",
    "minimal_rnn_cell": "MinimalRNNCell, of one gate",
    "nas_cell": "NASCell, found by architecture search",
    "nas_rnn": "NASCell, found by architecture search",
    "ntm_cell": "NTMCell, a neural Turing machine",
    "phased_lstm_cell": "PhasedLSTMCell, which takes times",
    "sru_cell": "SRUCell, a simple recurrent unit",
    "time_freq_lstm_cell": "TimeFreqLSTMCell, recurrent over frequencies too",
    "ugrnn_cell": "UGRNNCell, of one gate",
    "wn_lstm_cell": "WeightNormLSTMCell, which normalizes its kernel",
}
# These Keras has, but with other gates, activations and padding.
_CONVOLUTIONS = re.compile(r"conv_((?P<of>[123])d_)?lstm_cell")
_NUMBERED = re.compile(r"_\d+$")


class Cell:
    """The tensors of a cell, and rules from them to those of another.

    Args:
      kind: The recipe, for messages.
      source: The scope of the cell in the checkpoint.
      target: The scope to fill.
      specs: The tensors of the checkpoint.

    Attributes:
      source: The scope as names begin with it.
      target: The same of the target.
      is_keras: Whether it is a cell of Keras, whose kernel is in two parts.

    Raises:
      PlanError: If there are none, or no layer of Keras is like this cell.
      RuleError: If a scope does not end in ``/``.
    """

    def __init__(self, kind: str, source: str, target: str, specs: Specs) -> None:
        """Look what is there."""
        self.kind = kind
        self.source: str = start_of(source)
        self.target: str = start_of(target)
        self._specs = specs
        count = self.source.count("/")
        below = [key for key in specs if key.startswith(self.source)]
        # By today's names; what is called so already comes last, and stays.
        found = [(name_of_today(key).split("/")[count:], key) for key in below]
        self._keys = {"/".join(name): key for name, key in found}
        self._keys |= {key[len(self.source) :]: key for key in below}
        self._check_known(source)
        self.is_keras: bool = self.has("recurrent_kernel")

    @property
    def name(self) -> str:
        """What TF1 calls the cell today, without a number."""
        return self.name_in(self.source)

    @staticmethod
    def name_in(scope: str) -> str:
        """Return what TF1 would call the cell of a scope."""
        name = scope.rstrip("/").rpartition("/")[2]
        return _NUMBERED.sub("", scope_of_today(name))

    def _check_known(self, source: str) -> None:
        names = (name for name in _NO_LAYER if self.has(name))
        what = next((f"a cell with {_NO_LAYER[n]}" for n in names), None)
        # Some have scopes of their own for their gates; a wrapper has another cell.
        scopes = [_NUMBERED.sub("", part) for part in self.source.split("/")[:-1]]
        unlike = [each for each in scopes if not each.endswith("_wrapper")]
        known = (_UNLIKE[each] for each in [self.name, *unlike] if each in _UNLIKE)
        what = next(known, what)
        if found := _CONVOLUTIONS.fullmatch(self.name):
            keras = f"ConvLSTM{found['of']}D" if found["of"] else "ConvLSTM2D"
            raise PlanError(
                f"{source!r} is a convolutional LSTM, and no recipe makes it a {keras} "
                "of Keras, whose gates, activations and padding are others; keep the "
                "cell as a layer of your own"
            )
        if what is not None:
            raise PlanError(
                f"{source!r} is {what}, and no layer of Keras computes what it does; "
                "keep the cell as a layer of your own, whose variables take its "
                "tensors by name"
            )

    def has(self, name: str) -> bool:
        """Return whether there is a tensor of this name in the scope."""
        return name in self._keys

    def key(self, name: str) -> str:
        """Return the key of a tensor, which may have a name of an older version.

        Raises:
          PlanError: If there is none.
        """
        if name not in self._keys:
            there = capped(map(repr, self._keys.values()), 5)
            raise PlanError(
                f"recipe {self.kind!r} needs {self.source + name!r}; in the scope are "
                f"{', '.join(there) or 'no tensors'}"
            )
        return self._keys[name]

    def spec(self, name: str) -> TensorSpec:
        """Return dtype and shape of a tensor of the scope."""
        return self._specs[self.key(name)]

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor of the scope."""
        return self.spec(name).shape

    def vector(self, name: str, blocks: int = 1) -> int:
        """Return the length of each block of a bias: the number of units."""
        shape = self.shape(name)
        if len(shape) != 1 or shape[0] % blocks or not shape[0]:
            raise PlanError(
                f"{self.source + name!r} has the shape {list(shape)}; recipe "
                f"{self.kind!r} expects a vector"
                + (f" of {blocks} blocks" if blocks > 1 else "")
            )
        return shape[0] // blocks

    def rows(self, name: str, units: int) -> int:
        """Return how many rows of a kernel are for inputs, the others for the state."""
        shape = self.shape(name)
        if len(shape) != 2 or shape[0] <= units or shape[1] % units:
            raise PlanError(
                f"{self.source + name!r} has the shape {list(shape)}; with {units} "
                f"units recipe {self.kind!r} expects more rows, and columns for each"
            )
        return shape[0] - units

    def renamed(self, name: str, transform: Transform | None = None) -> Rename:
        """Return the rule for one tensor."""
        return Rename(self.key(name), self.target + name, transform)

    def parted(self, name: str, units: int, columns: Transform | None) -> Split:
        """Return the rule that parts a kernel of TF1 by rows."""
        rows = self.rows(name, units)
        boxes = {"kernel": (0, rows), "recurrent_kernel": (rows, units)}
        parts: dict[str, Transform | None] = {}
        for part, (start, count) in boxes.items():
            box = Slice((start, 0), (count, -1))
            parts[self.target + part] = (
                box if columns is None else Chain((columns, box))
            )
        return Split(self.key(name), parts)

    def joined(self, name: str, columns: Transform | None) -> Combine:
        """Return the rule that joins the kernels of Keras by rows."""
        whole = Concat(0) if columns is None else Chain((Concat(0), columns))
        return self.combined(["kernel", "recurrent_kernel"], {name: whole})

    def combined(self, names: list[str], targets: Mapping[str, Transform]) -> Combine:
        """Return the rule that makes tensors of several."""
        return Combine(
            [self.key(name) for name in names],
            {self.target + name: how for name, how in targets.items()},
        )


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
