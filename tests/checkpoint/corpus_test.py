"""Real checkpoints of other people are described, verified and compared as they are."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tf_ckpt_migrate.checkpoint.describe import inspect_checkpoint
from tf_ckpt_migrate.checkpoint.diff import diff_checkpoints
from tf_ckpt_migrate.checkpoint.verify import verify_checkpoint
from tf_ckpt_migrate.errors import CheckpointError

CORPUS = Path(
    os.environ.get("TF_CKPT_MIGRATE_CORPUS")
    or Path(__file__).parents[3] / "shared" / "corpus"
)


def _entries() -> list[Any]:
    catalog = CORPUS / "CATALOG.json"
    if not catalog.is_file():
        return [pytest.param(None, marks=pytest.mark.skip(reason="corpus absent"))]
    entries = json.loads(catalog.read_text(encoding="utf-8"))
    return [pytest.param(entry, id=entry["id"]) for entry in entries]


@pytest.mark.parametrize("entry", _entries())
def test_it(entry):
    path = CORPUS / entry["prefix"]
    if not entry["readable"]:
        assert _is_told(path)
        return
    verification = verify_checkpoint(path)
    assert verification.problems == ()
    assert verification.tensors == entry["num_tensors"]
    found = inspect_checkpoint(path, values=True)
    assert {group.name: group.tensors for group in found.dtypes} == entry["dtypes"]
    assert not found.missing_files
    has_slots = any(group.name == "slot" for group in found.roles)
    assert has_slots or not set(entry["optimizers"]) & {"Adam", "Adagrad", "RMSProp"}
    assert diff_checkpoints(path, path).equal


def _is_told(path: Path) -> bool:
    """Return whether something says that a checkpoint is damaged or incomplete."""
    try:
        return not verify_checkpoint(path).ok
    except CheckpointError:
        return True
