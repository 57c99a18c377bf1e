"""Checkpoints that reports are made of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import tf_ckpt_migrate as tcm
from tf_ckpt_migrate.conversion.output import Value, write_output
from tf_ckpt_migrate.transforms import spec_of

SOURCE: Mapping[str, Any] = {
    "net/w": np.arange(6, dtype=np.float32).reshape(2, 3) + 0.1,
    "net/b": np.array([1.0, 2.0, 3.0], np.float32),
    "net/w/Momentum": np.zeros([2, 3], np.float32),
    "net/b/Momentum": np.ones(3, np.float32),
    "global_step": np.int64(7),
}
RULES = (
    tcm.Rename("net/w", "model/w", transform=tcm.transforms.Cast("bfloat16")),
    tcm.Rename("net/b", "model/b"),
    tcm.Drop(role="slot"),
    tcm.Keep("global_step"),
)


def write(prefix: Path, tensors: Mapping[str, Any]) -> str:
    """Write a name-based checkpoint; return its prefix."""
    contents = {
        name: Value(spec_of(np.asarray(value)), lambda value=value: np.asarray(value))
        for name, value in tensors.items()
    }
    write_output(str(prefix), contents, overwrite=True)
    return str(prefix)


def many(count: int) -> dict[str, Any]:
    """Return tensors of many layers."""
    kinds = ("kernel", "bias", "gamma", "beta")
    value = np.linspace(-1, 1, 8, dtype=np.float32)
    return {f"bert/layer_{i // 4}/{kinds[i % 4]}": value for i in range(count)}
