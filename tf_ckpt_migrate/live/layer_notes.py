"""Notes on layers of a live target that may compute something else than TF1's."""

from __future__ import annotations

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.live.goals import names_of
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.recipes.layer_defaults import layer_notes

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
    """Return notes on settings that explain why a shape does not fit.

    A GRU of TF1's Keras has one bias for each unit, that of Keras today has two.
    """
    if reader.object_graph is not None or not any(
        key.endswith("/recurrent_kernel")
        and len(spec.shape) == 2
        and spec.shape[1] == 3 * spec.shape[0]
        for key, spec in reader.specs.items()
    ):
        return []
    _, every = live.layer_settings()
    grus = [each for each in every if each.values.get("reset_after") is True]
    notes = layer_notes([("gru/recurrent_kernel", each) for each in grus])
    return [note for note in notes if "reset_after" in note]
