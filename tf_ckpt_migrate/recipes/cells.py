"""One RNN cell: its tensors by name, and rules that part and join its kernels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import PlanError, capped
from tf_ckpt_migrate.names.rules import Combine, Rename, Split
from tf_ckpt_migrate.recipes.scopes import start_of
from tf_ckpt_migrate.transforms import Chain, Concat, Slice, Transform

__all__ = ["Cell", "Specs"]

Specs: TypeAlias = Mapping[str, TensorSpec]

# What a cell's tensors are called that no layer of Keras computes alike.
_NO_LAYER = {
    "w_f_diag": "peepholes (use_peepholes=True)",
    "projection/kernel": "a projection (num_proj)",
    "W_0": "coupled input and forget gates",
    "forget/gamma": "layer normalization",
    "input/gamma": "layer normalization",
}
_NO_LAYER_SCOPES = {
    "ugrnn_cell": "UGRNNCell",
    "nas_cell": "NASCell",
    "nas_rnn": "NASCell",
    "intersection_rnn_cell": "IntersectionRNNCell",
    "layer_norm_basic_lstm_cell": "LayerNormBasicLSTMCell",
    "coupled_input_forget_gate_lstm_cell": "CoupledInputForgetGateLSTMCell",
}


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
        self.source, self.target = start_of(source), start_of(target)
        self._specs = specs
        self._check_known(source)
        self.is_keras = self.has("recurrent_kernel")

    def _check_known(self, source: str) -> None:
        names = (name for name in _NO_LAYER if self.has(name))
        scope = source.rstrip("/").rpartition("/")[2].rstrip("_0123456789")
        what = next((_NO_LAYER[n] for n in names), _NO_LAYER_SCOPES.get(scope))
        if what is not None:
            raise PlanError(
                f"{source!r} is a cell with {what}, and no layer of Keras computes "
                "what it does; keep the cell as a layer of your own, whose variables "
                "take its tensors by name"
            )

    def has(self, name: str) -> bool:
        """Return whether there is a tensor of this name in the scope."""
        return self.source + name in self._specs

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor of the scope."""
        key = self.source + name
        if key not in self._specs:
            there = [each for each in self._specs if each.startswith(self.source)]
            raise PlanError(
                f"recipe {self.kind!r} needs {key!r}; in the scope are "
                f"{', '.join(map(repr, capped(there, 5))) or 'no tensors'}"
            )
        return self._specs[key].shape

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
        self.shape(name)
        return Rename(self.source + name, self.target + name, transform)

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
        return Split(self.source + name, parts)

    def joined(self, name: str, columns: Transform | None) -> Combine:
        """Return the rule that joins the kernels of Keras by rows."""
        whole = Concat(0) if columns is None else Chain((Concat(0), columns))
        return self.combined(["kernel", "recurrent_kernel"], {name: whole})

    def combined(self, names: list[str], targets: Mapping[str, Transform]) -> Combine:
        """Return the rule that makes tensors of several."""
        for name in names:
            self.shape(name)
        return Combine(
            [self.source + name for name in names],
            {self.target + name: how for name, how in targets.items()},
        )
