"""Two hundred checkpoints, which every test reads in place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conversion.fleet.many import make_fleet


class Fleet(NamedTuple):
    """The checkpoints.

    Attributes:
      root: Their folder.
      bad: The kind of error of each that cannot be converted, by its prefix.
    """

    root: Path
    bad: dict[str, str]


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """Two hundred checkpoints, seven of them bad."""
    root = tmp_path_factory.mktemp("fleet") / "source"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        bad = make_fleet(root)
    return Fleet(root, bad)


@pytest.fixture
def unflushed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Does not wait for the disk: no test here takes the current away."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
