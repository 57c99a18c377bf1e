"""One RNN cell: its tensors by name, and rules that part and join its kernels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import PlanError, capped
from tf_ckpt_migrate.names.rules import Combine, Rename, Split
from tf_ckpt_migrate.recipes.era_names import name_of_today, scope_of_today
from tf_ckpt_migrate.recipes.scopes import start_of
from tf_ckpt_migrate.transforms import Chain, Concat, Slice, Transform

__all__ = ["Cell", "Specs"]

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
