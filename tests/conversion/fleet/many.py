"""A tree of many small checkpoints, some of them bad, each in a way of its own."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tests.conversion.checkpoints import write
from tf_ckpt_migrate.bundle.commit import existing_files

__all__ = ["BAD", "RULES", "SIZE", "make_fleet", "spoil", "state_text"]

SIZE = 200
RULES = {"net/": "model/", "global_step": "step"}
_RUNS = 20


def _cut_off(prefix: str) -> None:
    path = Path(f"{prefix}.index")
    path.write_bytes(path.read_bytes()[:-20])


def _flipped(prefix: str) -> None:
    path = Path(f"{prefix}.index")
    data = bytearray(path.read_bytes())
    data[10] ^= 0xFF
    path.write_bytes(data)


def _pointer(prefix: str) -> None:
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
    Path(f"{prefix}.index").write_text(text)


def _without_data(prefix: str) -> None:
    os.unlink(f"{prefix}.data-00000-of-00001")


def _without_index(prefix: str) -> None:
    os.unlink(f"{prefix}.index")


def _short(prefix: str) -> None:
    os.truncate(f"{prefix}.data-00000-of-00001", 5)


def _other_names(prefix: str) -> None:
    for path in existing_files(prefix):
        os.unlink(path)
    write(prefix, {"other": [1.0]})


# What is bad, by the prefix below the root: how it is made so, and what is told of it.
BAD = {
    "run-03/m-4": (_cut_off, "CorruptCheckpointError"),
    "run-05/m-0": (_flipped, "ChecksumError"),
    "run-07/m-9": (_pointer, "NotACheckpointError"),
    "run-11/m-2": (_without_data, "MissingShardError"),
    "run-13/m-1": (_without_index, "CheckpointNotFoundError"),
    "run-17/m-8": (_short, "TruncatedFileError"),
    "run-19/m-3": (_other_names, "PlanError"),
}


def spoil(prefix: str, error: str) -> None:
    """Let a checkpoint be one that cannot be converted, with this kind of error."""
    next(how for how, kind in BAD.values() if kind == error)(prefix)


def state_text(bases: Iterable[str]) -> str:
    """Return a state file that lists checkpoints, the latest last, as TensorFlow's."""
    kept = [*bases]
    lines = [f'model_checkpoint_path: "{kept[-1]}"']
    lines += [f'all_model_checkpoint_paths: "{base}"' for base in kept]
    return "\n".join(lines) + "\n"


def make_fleet(root: Path) -> dict[str, str]:
    """Write 200 checkpoints in 20 folders; return the kind of error of each bad one.

    Each has a weight, a bias and the step, and each folder its state file.
    """
    for run in range(_RUNS):
        for step in range(SIZE // _RUNS):
            prefix = root / f"run-{run:02d}" / f"m-{step}"
            values = {"net/w": np.full((2, 3), run, "f4"), "global_step": step}
            write(prefix, values)
        state = state_text(f"m-{step}" for step in range(SIZE // _RUNS))
        (prefix.parent / "checkpoint").write_text(state)
    told: dict[str, str] = {}
    for name, (spoil, error) in BAD.items():
        spoil(str(root / name))
        told[str(root / name)] = error
    return told
