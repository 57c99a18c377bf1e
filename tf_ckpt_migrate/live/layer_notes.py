"""Notes on layers of a live target that may compute something else than TF1's."""

from __future__ import annotations

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.live.goals import names_of
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.recipes.layer_defaults import bias_notes, layer_notes

__all__ = ["notes_on_layers", "notes_on_layers_left"]


def notes_on_layers(
    reader: CheckpointReader, live: LiveTarget, plan: MigrationPlan
) -> list[str]:
    """Return a note for each kind of default that TF1's layers do not share.

    Args:
      reader: The checkpoint; of an object-based one, which TF2 has written, no notes.
      live: The target.
      plan: What its variables get, by their names.
    """
    if reader.object_graph is not None:
        return []
    by_key, every = live.layer_settings()
    names = names_of(live)
    layers = {names[key]: settings for key, settings in by_key.items()}
    pairs = [
        (source, layers[move.target])
        for move in plan.moves
        if move.target in layers
        for source in move.sources
    ]
    return layer_notes(pairs, every)


def notes_on_layers_left(reader: CheckpointReader, live: LiveTarget) -> list[str]:
    """Return notes on settings that explain why a shape does not fit."""
    if reader.object_graph is not None:
        return []
    return bias_notes(reader.specs, live.layer_settings()[1])
