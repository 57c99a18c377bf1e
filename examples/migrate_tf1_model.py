"""A TF1 model moves to TF2, learns on, and still serves the TF1 pipeline.

::

    python -m examples.migrate_tf1_model FOLDER

The two models are in ``spirals.py``; nothing in them knows of the migration.
"""

from __future__ import annotations

import os

import numpy as np

import tf_ckpt_migrate as tcm
from examples import spirals
from examples.story import check, run, tell

# From the variable names of the TF1 graph to the object paths of the TF2 model.
TF1_TO_TF2 = [
    # This release renames what an optimizer remembers, but does not translate it to
    # another optimizer: plain gradient descent goes on without, and the map says so.
    tcm.Drop(role="slot", reason="Adam stays in TF1"),
    tcm.Drop(role="optimizer", reason="Adam stays in TF1"),
    tcm.RenameRegex(r"tower/layer_(\d+)/weights", r"model/hidden/\1/kernel"),
    tcm.RenameRegex(r"tower/layer_(\d+)/biases", r"model/hidden/\1/bias"),
    tcm.RenameScope("head/logits/", "model/head/"),
    tcm.Rename("global_step", "step"),
]
TF2_TO_TF1 = [
    tcm.RenameRegex(r"model/hidden/(\d+)/kernel", r"tower/layer_\1/weights"),
    tcm.RenameRegex(r"model/hidden/(\d+)/bias", r"tower/layer_\1/biases"),
    tcm.RenameScope("model/head/", "head/logits/"),
    tcm.Rename("step", "global_step"),
]


def main(folder: str) -> None:
    """Go from TF1 to TF2 and back, writing every checkpoint below ``folder``."""
    os.makedirs(folder, exist_ok=True)
    tf1, template, tf2, both, back = (
        os.path.join(folder, name)
        for name in ("tf1", "template", "tf2", "both", "tf1_again")
    )
    before, logits = spirals.train_in_tf1(tf1, steps=40)
    tell(f"TF1 trains: accuracy {accuracy(before)}, then {accuracy(logits)}")
    # What an untrained model saves tells the object paths to convert to.
    spirals.new_checkpoint().write(template)
    refuse_a_map_that_forgets(tf1, template)
    convert(tf1, template, tf2)
    logits = train_on(tf2, logits, both)
    serve_both_worlds(both, back, logits)


def refuse_a_map_that_forgets(tf1: str, template: str) -> None:
    """Show that nothing is lost in silence."""
    try:
        tcm.plan_migration(tf1, template, TF1_TO_TF2[:-1])
    except tcm.errors.PlanError as error:
        tell("A map that forgets the step is refused:", error)


def convert(tf1: str, template: str, tf2: str) -> None:
    """Give the TF1 values the layout of the TF2 model, and compare every byte."""
    plan = tcm.plan_migration(tf1, template, TF1_TO_TF2)
    tell("The whole map converts:", tcm.convert(plan, tf2, overwrite=True))
    old, new = tcm.load_checkpoint(tf1), tcm.load_checkpoint(tf2)
    same = [
        old[move.sources[0]].tobytes() == new[move.target].tobytes()
        for move in plan.moves
    ]
    check(all(same), f"all {len(same)} tensors have the same bytes")


def train_on(tf2: str, logits: np.ndarray, both: str) -> np.ndarray:
    """Go on where TF1 ended, in TF2; save, and return the logits at the end."""
    checkpoint = spirals.new_checkpoint()
    checkpoint.read(tf2).assert_consumed()
    unchanged = np.array_equal(spirals.serve_in_tf2(checkpoint), logits)
    check(unchanged, "tf.train.Checkpoint restores it all, predictions are identical")
    spirals.train_in_tf2(checkpoint, steps=300)
    logits = spirals.serve_in_tf2(checkpoint)
    tell(f"TF2 trains on, to step {int(checkpoint.step)}: accuracy {accuracy(logits)}")
    checkpoint.write(both)
    return logits


def serve_both_worlds(both: str, back: str, logits: np.ndarray) -> None:
    """Let TF1 and TF2 restore one checkpoint; then write one for TF1 alone."""
    tell("The same checkpoint, dual-keyed:", tcm.add_name_keys(both, TF2_TO_TF1))
    checkpoint = spirals.new_checkpoint()
    checkpoint.read(both).assert_consumed()
    in_tf2 = np.array_equal(spirals.serve_in_tf2(checkpoint), logits)
    check(in_tf2, "tf.train.Checkpoint restores it, predictions are identical")
    in_tf1 = np.array_equal(spirals.serve_in_tf1(both), logits)
    check(in_tf1, "tf.compat.v1.train.Saver restores it, predictions are identical")
    made = tcm.convert_tf2_to_tf1(both, back, overwrite=True)
    tell("And converted back, for TF1 alone:", made)
    in_tf1 = np.array_equal(spirals.serve_in_tf1(back), logits)
    check(in_tf1, "predictions are identical")


def accuracy(logits: np.ndarray) -> str:
    """Return the share of test points that logits get right."""
    return f"{spirals.accuracy(logits):.1%}"


if __name__ == "__main__":
    run(main)
