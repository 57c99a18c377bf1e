"""Proposes a map from a checkpoint to another, or to a live model."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Protocol, cast, runtime_checkable

from tf_ckpt_migrate.checkpoint.reader import CheckpointLike, as_reader
from tf_ckpt_migrate.conversion.bulk import without_collections
from tf_ckpt_migrate.conversion.layout import CheckpointView
from tf_ckpt_migrate.conversion.live_objects import seen_as_checkpoint
from tf_ckpt_migrate.conversion.planning import plan_migration
from tf_ckpt_migrate.conversion.suggestion.cells import folded
from tf_ckpt_migrate.conversion.suggestion.digests import digests_of, same_bytes
from tf_ckpt_migrate.conversion.suggestion.draft import Draft
from tf_ckpt_migrate.conversion.suggestion.identities import settled
from tf_ckpt_migrate.conversion.suggestion.items import Item, Side, side_of
from tf_ckpt_migrate.conversion.suggestion.layers import Layer, layers_of
from tf_ckpt_migrate.conversion.suggestion.order import (
    created_alike,
    variables_in_order,
)
from tf_ckpt_migrate.conversion.suggestion.pairing import Choice, chosen
from tf_ckpt_migrate.conversion.suggestion.suggestion import Suggestion
from tf_ckpt_migrate.conversion.suggestion.training import carries_over
from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.names.assignment_map import AssignmentMap
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.naming.slots import slot_of
from tf_ckpt_migrate.recipes.layer_defaults import (
    LayerSettings,
    bias_notes,
    layer_notes,
)

__all__ = ["suggest_assignment_map"]

_MOST = 5_000  # weights of one side


@runtime_checkable
class _HasLayers(Protocol):
    """A target that knows the settings of its layers."""

    def layer_settings(self) -> tuple[dict[str, LayerSettings], list[LayerSettings]]:
        """Return the settings of the innermost layer of each key, and of all layers."""
        ...


@without_collections
def suggest_assignment_map(
    source: CheckpointLike, target: object, *, read_values: bool = False
) -> Suggestion:
    r"""Propose the map from the names of a checkpoint to those of another, or a model.

    What has the same name, or is the same variable by the objects of both sides, is the
    pair. Of all else shapes and dtypes say what can be; words and numbers of names, the
    shapes of a whole layer, and equal bytes where one was made of the other, say what
    is. What they leave open is not decided: it is listed, and not in the map.

    Args:
      source: The checkpoint to take from; anything that ``load_checkpoint`` takes.
      target: The checkpoint, or the objects of this program (a Keras model, a
        ``tf.train.Checkpoint``, a ``tf.Module``, variables in a dict), to fill.
        Objects need TensorFlow, and stay as they are.
      read_values: Whether to read tensors whose checksum is not at hand, as those of a
        live model, to see which have equal bytes. Checksums in files are always used.

    Returns:
      The suggestion; its ``assignment_map`` goes into ``plan_migration``, every
      ``convert_…`` and ``restore``.

    Raises:
      CheckpointError: If a checkpoint cannot be read.
      PlanError: If there are too many weights to compare each with each.
      TargetError: If ``target`` has no variables, or not yet.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> old = {f"layer_{i}/w": [[0.0] * 3] for i in range(12)}
      >>> new = {f"net/block{i}/kernel": [[0.0] * 3] for i in range(12)}
      >>> with example_checkpoint(old) as source, example_checkpoint(new) as target:
      ...     print(suggest_assignment_map(source, target).assignment_map)
      RenameRegex('layer_(\\d+)/w', 'net/block\\1/kernel')
    """
    views = as_reader(source), _seen(target)
    sides = side_of(views[0], is_target=False), side_of(views[1], is_target=True)
    for side in sides:
        if len(side.weights) > _MOST:
            raise PlanError(
                f"{side.prefix!r} has {len(side.weights):,} weights, and layers are "
                f"compared for at most {_MOST:,}. Prune both sides to the scope in "
                "question first"
            )
    known = settled(views, *sides)
    rest = _with_steps(*known.others(*sides))
    items = folded(*rest)
    layers = layers_of(*items)
    digests = [
        digests_of(view, side, read=read_values)
        for view, side in zip(views, layers, strict=True)
    ]
    places, order_notes = variables_in_order(views[0])
    order = created_alike(layers[0], layers[1], places)
    same = same_bytes(digests[0], digests[1], len(layers[1]))
    choices = [*known.choices, *chosen(layers[0], layers[1], same, order)]
    if carries_over(*sides):
        choices += _of_training(*rest)

    def notes(pairs: Iterable[tuple[str, str]]) -> list[str]:
        return [*order_notes, *_notes_on_layers(*views, pairs)]

    def plan(rules: AssignmentMap) -> MigrationPlan:
        return plan_migration(views[0], views[1], rules, unused="drop", missing="keep")

    return Draft(sides, items, choices, known, notes, plan).suggestion({})


def _notes_on_layers(
    source: CheckpointView, target: CheckpointView, pairs: Iterable[tuple[str, str]]
) -> list[str]:
    """Return notes on what layers of TF1 and of the target may compute differently."""
    if source.object_graph is not None:
        return []
    if not isinstance(target, _HasLayers):
        if target.object_graph is None:
            return []
        return layer_notes((name, None) for name, _ in pairs)
    by_key, every = target.layer_settings()
    notes = layer_notes(((name, by_key.get(key)) for name, key in pairs), every)
    return list(dict.fromkeys([*notes, *bias_notes(source.specs, every)]))


def _seen(target: object) -> CheckpointView:
    if isinstance(target, str | os.PathLike):
        return as_reader(cast("str | os.PathLike[str]", target))
    if all(hasattr(target, name) for name in ("specs", "object_graph", "bundle")):
        return cast(CheckpointView, target)
    return seen_as_checkpoint(target)


def _with_steps(ours: Side, theirs: Side) -> tuple[Side, Side]:
    """Take a count of steps for a weight where the target has a variable like it."""
    mine = ours.others.get("step", ())
    like = [i for i in theirs.weights if not i.form.shape and "int" in i.form.kind
            and "step" in i.names[-1].lower()]  # fmt: skip
    if not like or len(mine) != 1 or mine[0].form != like[0].form:
        return ours, theirs
    others = {role: items for role, items in ours.others.items() if role != "step"}
    return ours._replace(weights=(*ours.weights, *mine), others=others), theirs


def _of_training(ours: Side, theirs: Side) -> list[Choice]:
    """Return what goes where of what optimizers keep and no variable leads to."""
    found: list[Choice] = []
    for role in ("slot", "optimizer", "step"):
        mine, others = (
            [
                Layer({f"?{role}": item}, item.names)
                for item in side.others.get(role, ())
                if not _owner(item, side)
            ]
            for side in (ours, theirs)
        )
        found += chosen(mine, others, {}, {})
    return found


def _owner(item: Item, side: Side) -> str | None:
    slot = slot_of(item.key, side.specs)
    return slot.variable if slot is not None else None
