"""The cells below a scope: one, a stack of them, two directions, and stacks of these.

TF1 puts them below ``multi_rnn_cell/cell_0``, ``bidirectional_rnn/fw`` and
``stack_bidirectional_rnn/cell_0/bidirectional_rnn/fw``; Keras numbers its layers and
begins the names of two directions with ``forward`` and ``backward``.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import PlanError, capped
from tf_ckpt_migrate.names.resolver import Places
from tf_ckpt_migrate.naming.optimizer_names import KERAS_SLOTS
from tf_ckpt_migrate.recipes.legacy_names import name_of_today
from tf_ckpt_migrate.recipes.scopes import start_of

__all__ = ["CellPlace", "cells_below", "pairs_of_cells"]

# What TF1 puts between the scope of a network and a cell.
_BETWEEN = re.compile(
    r"(rnn|multi_rnn_cell|(stack_)?bidirectional_rnn|fw|bw|cell_\d+)(_\d+)?"
)
_NUMBER = re.compile(r"cell_(\d{1,18})")
_DIGITS = re.compile(r"(\d+)")
_DEFAULT = re.compile(r"_?\d{1,18}$")
_SLOTS = KERAS_SLOTS | {
    *("average", "velocity", "velocity_hat", "average_gradient", "u"),
    *("accumulated_grad", "accumulated_delta_var"),
}


class CellPlace(NamedTuple):
    """Where a cell is.

    Attributes:
      way: ``"bw"`` for one that goes backward, ``"fw"`` for the other of two, else "".
      layer: What orders it among those of its way.
      scope: What its names begin with.
    """

    way: str
    layer: tuple[str | int, ...]
    scope: str


def cells_below(specs: Mapping[str, TensorSpec], scope: str) -> list[CellPlace]:
    """Return the cells of a scope in their order, those of TF1 or of Keras.

    Example:
      >>> names = [f"rnn/multi_rnn_cell/cell_{n}/lstm_cell/kernel" for n in (0, 1)]
      >>> [cell.scope for cell in cells_below(dict.fromkeys(names), "rnn/")]
      ['rnn/multi_rnn_cell/cell_0/lstm_cell/', 'rnn/multi_rnn_cell/cell_1/lstm_cell/']
    """
    start = start_of(scope)
    own = specs.specs if isinstance(specs, Places) else specs
    # Paths of objects are other names of the same, and looked at only in their absence.
    for names in (own, specs):
        below = [key for key in names if key.startswith(start)]
        keras = {
            key.removesuffix("recurrent_kernel"): None
            for key in below
            if key.rpartition("/")[2] == "recurrent_kernel" and not _is_slot(key, specs)
        }
        if keras:
            return sorted(_of_keras(each, start) for each in keras)
        found = (_scope_of_tf1(key, start) for key in below)
        scopes = dict.fromkeys(filter(None, found))
        if scopes:
            return sorted(_of_tf1(each, start) for each in scopes)
    return []


def _is_slot(key: str, specs: Container[str]) -> bool:
    """Return whether a key is of an optimizer of Keras 2: ``m/lstm/lstm_cell/…``."""
    before, _, rest = key.partition("/")
    while rest:
        if before in _SLOTS and rest in specs:
            return True
        before, _, rest = rest.partition("/")
    return False


def _scope_of_tf1(key: str, start: str) -> str | None:
    """Return the scope of the cell that a kernel is of, if TF1 would put one there."""
    parts = key[len(start) :].split("/")
    # Counted, as the scope itself may have another name today.
    today = name_of_today(key).split("/")[start.count("/") :]
    own = 2 if today[-2:] == ["gates", "kernel"] else 1
    if today[-1] != "kernel" or today[-2:-1] == ["projection"]:
        return None
    scopes = today[:-own]
    if not all(map(_BETWEEN.fullmatch, scopes[:-1])):
        return None
    if "candidate" in scopes[-1:]:
        return None
    return start + "".join(f"{part}/" for part in parts[: len(scopes)])


def _of_keras(scope: str, start: str) -> CellPlace:
    parts = scope[len(start) :].split("/")
    for part in parts:
        for word, way in (("forward", "fw"), ("backward", "bw")):
            if part.startswith(word):
                return CellPlace(way, _natural(scope.replace(word, "", 1)), scope)
    return CellPlace("", _natural(scope), scope)


def _of_tf1(scope: str, start: str) -> CellPlace:
    parts = name_of_today(scope + "kernel").split("/")[start.count("/") :]
    way = next((part for part in parts if part in ("fw", "bw")), "")
    numbers = (found for found in map(_NUMBER.fullmatch, parts) if found)
    return CellPlace(way, tuple(int(found[1]) for found in numbers), scope)


def _natural(name: str) -> tuple[str | int, ...]:
    """Return what sorts ``lstm``, ``lstm_2`` and ``lstm_10`` in this order."""
    parts: list[str | int] = []
    for part in name.split("/"):
        found = _DEFAULT.search(part)
        parts += (
            [part[: found.start()], int(_DIGITS.findall(found[0])[0])]
            if found
            else [part, -1]
        )
    return tuple(parts)


def pairs_of_cells(
    source: str,
    target: str,
    specs: Mapping[str, TensorSpec],
    targets: Mapping[str, TensorSpec] | None,
    layers: str | None = None,
) -> list[tuple[str, str]]:
    """Return the scopes of cells, each with that of the cell it becomes.

    Args:
      source: A scope: that of a cell, or one that has cells below.
      target: The same on the other side.
      specs: The tensors of the checkpoint.
      targets: The places to fill; None if any name will do: then cells are called,
        below ``target``, as they are below ``source``.
      layers: The scopes of the layers below ``target`` in their order, with commas
        between, where numbers do not tell it.

    Raises:
      PlanError: If there are not as many cells, or nothing tells their order.

    Example:
      >>> cells = [f"rnn/bidirectional_rnn/{way}/cell/kernel" for way in ("fw", "bw")]
      >>> goals = [f"b/{way}_gru/recurrent_kernel" for way in ("backward", "forward")]
      >>> pairs_of_cells("rnn/", "b/", dict.fromkeys(cells), dict.fromkeys(goals))[0]
      ('rnn/bidirectional_rnn/bw/cell/', 'b/backward_gru/')
    """
    start, to = start_of(source), start_of(target)
    cells = cells_below(specs, source)
    if not cells:
        return [(source, target)]  # which says what it lacks
    goals = [] if targets is None else cells_below(targets, target)
    if layers is not None:
        goals = _of_layers(to, layers, goals, targets)
    elif not goals:
        scopes = [each.scope for each in cells]
        return [(each or "/", to + each[len(start) :] or "/") for each in scopes]
    _check_alike(cells, goals, source, target)
    if layers is None:
        for side in (cells, goals):
            _check_ordered(side)
    scopes = zip(cells, goals, strict=True)
    return [(cell.scope or "/", goal.scope or "/") for cell, goal in scopes]


def _of_layers(
    to: str,
    layers: str,
    goals: Sequence[CellPlace],
    targets: Mapping[str, TensorSpec] | None,
) -> list[CellPlace]:
    """Return the cells of named layers, in their order."""
    found: list[CellPlace] = []
    for number, layer in enumerate(layers.split(",")):
        scope = to + layer.strip().rstrip("/") + "/"
        mine = [goal for goal in goals if goal.scope.startswith(scope)]
        if targets is None:
            mine = [CellPlace("", (), scope)]
        if not mine:
            raise PlanError(
                f"layers={layers!r}: no cell is below {scope!r}; there are "
                f"{', '.join(capped(repr(goal.scope) for goal in goals)) or 'none'}"
            )
        found += [goal._replace(layer=(number,)) for goal in mine]
    return sorted(found)


def _check_alike(
    cells: Sequence[CellPlace], goals: Sequence[CellPlace], source: str, target: str
) -> None:
    if [cell.way for cell in cells] == [goal.way for goal in goals]:
        return
    raise PlanError(
        f"below {source!r} are the cells {_shown(cells)}; below {target!r} are "
        f"{_shown(goals)}, which are not as many of each direction; give a recipe for "
        "each cell, or scopes that hold the same"
    )


def _check_ordered(cells: Sequence[CellPlace]) -> None:
    """Refuse cells of one way that differ in more than their numbers."""
    for way in {cell.way for cell in cells}:
        mine = [cell for cell in cells if cell.way == way]
        words = {tuple(p for p in cell.layer if isinstance(p, str)) for cell in mine}
        if len(words) > 1 or len({cell.layer for cell in mine}) < len(mine):
            raise PlanError(
                f"nothing tells the order of {_shown(mine)}; say it by "
                'layers="first,second", or give a recipe for each cell'
            )


def _shown(cells: Sequence[CellPlace]) -> str:
    return ", ".join(capped(repr(cell.scope) for cell in cells)) or "none"
