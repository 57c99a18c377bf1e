"""Checkpoints to read in place, and copies of them to damage."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

GOLDENS = Path(__file__).parent / "goldens"


@pytest.fixture(scope="session")
def goldens() -> Path:
    """The folder of all goldens."""
    return GOLDENS


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[str], Path]:
    """Copies a golden, ``tf1_15/saver_v2``, and returns where to."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(GOLDENS / name, tmp_path / Path(name).name))

    return copy


@pytest.fixture
def checkpoint(copied: Callable[[str], Path]) -> str:
    """The prefix of a name-based checkpoint in a folder of its own."""
    return str(copied("tf1_15/saver_v2") / "model.ckpt")
