"""A fleet of TF1 checkpoints is migrated by one request, is stopped, and goes on.

::

    python -m examples.fleet FOLDER                          # on this machine
    python -m examples.fleet FOLDER --runner=DirectRunner    # by Apache Beam, or any
                                                             # other runner and options

It writes its own checkpoints, eight runs of training with five each, one of which has
lost its data on the way. It needs no TensorFlow, and without options no Apache Beam.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import tf_ckpt_migrate as tcm
from tf_ckpt_migrate.conversion.example import example_checkpoint

__all__ = ["main"]

RUNS, STEPS = 8, (100, 200, 300, 400, 500)
STOPPED_AFTER = 12
# What all of them are to become: other scopes, and nothing that only training needs.
RULES = [
    tcm.Drop(role="slot"),
    tcm.RenameScope("tower/", "encoder/"),
    tcm.Rename("global_step", "step"),
]


def main(arguments: list[str]) -> None:
    """Make the fleet, and migrate it in three runs."""
    folder, *options = arguments
    source, output = os.path.join(folder, "runs"), os.path.join(folder, "migrated")
    make_fleet(source)

    def convert_all() -> tcm.ConvertAllResult:
        if options:
            return tcm.beam.convert_all(source, output, options, assignment_map=RULES)
        return tcm.convert_all(source, output, assignment_map=RULES)

    print(f"--- stopped after {STOPPED_AFTER} checkpoints")
    try:
        tcm.convert_all(source, output, assignment_map=RULES, progress=stop)
    except KeyboardInterrupt:
        print("interrupted")
    print("--- run again: what is done stays as it is")
    print(convert_all())
    print("--- run again, after what was lost was copied anew")
    mend(source)
    print(convert_all())
    latest = tcm.load_checkpoint(os.path.join(output, "run-07"))
    print(f"the latest of run-07: step {latest['step']}, {', '.join(sorted(latest))}")


def make_fleet(source: str) -> None:
    """Write the checkpoints; one loses its data."""
    for run in range(RUNS):
        folder = Path(source, f"run-{run:02d}")
        folder.mkdir(parents=True)
        for step in STEPS:
            weight = [[run, step], [step, run]]
            values = {
                "tower/w": weight,
                "tower/w/Momentum": weight,
                "global_step": step,
            }
            with example_checkpoint(values) as prefix:
                for file in Path(prefix).parent.iterdir():
                    name = file.name.replace("model.ckpt", f"model.ckpt-{step}")
                    shutil.copy(file, folder / name)
        state = f'model_checkpoint_path: "model.ckpt-{STEPS[-1]}"\n'
        (folder / "checkpoint").write_text(state)
    lost = data_of(source)
    lost.rename(f"{lost}.lost")


def data_of(source: str) -> Path:
    """Return the path of the file that is lost."""
    return Path(source, "run-03", "model.ckpt-200.data-00000-of-00001")


def mend(source: str) -> None:
    """Bring the lost file back."""
    found = data_of(source)
    Path(f"{found}.lost").rename(found)


def stop(done: int, total: int) -> None:
    """Stop as a person does, by Ctrl+C."""
    del total
    if done == STOPPED_AFTER:
        raise KeyboardInterrupt


if __name__ == "__main__":
    main(sys.argv[1:])
