"""Checkpoints as TensorFlow's initializers in a graph can read them: by plain names.

An initializer reads when it runs, from a path that the graph holds. So what is made for
it stays as long as the graph does.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Literal

from tf_ckpt_migrate.checkpoint.reader import (
    CheckpointFormat,
    CheckpointReader,
    as_reader,
)
from tf_ckpt_migrate.conversion.planning import plan_migration
from tf_ckpt_migrate.conversion.scratch import ScratchCheckpoint, scratch_checkpoint
from tf_ckpt_migrate.errors import CheckpointError
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.names.rules import Keep
from tf_ckpt_migrate.naming.catalog import catalog_of
from tf_ckpt_migrate.recipes.averages import view_rules

__all__ = [
    "averaged_view",
    "kept_for_graph",
    "named_view",
    "naming_paths",
    "needs_names",
]


def needs_names(
    path: str | os.PathLike[str], sources: Iterable[str]
) -> CheckpointReader | None:
    """Return the reader of a checkpoint that has no keys for some of what is asked.

    None for others, and for what cannot be read: TensorFlow will say so.

    Args:
      path: Of the checkpoint.
      sources: Names, and scopes ending in ``/``.
    """
    try:
        reader = as_reader(path)
    except CheckpointError:
        return None
    if reader.object_graph is None:
        return None
    # Scopes mean names of variables; only a dual-keyed checkpoint has such keys.
    dual = reader.format is CheckpointFormat.DUAL_KEYED
    asked = (each for each in sources if not (dual and each.endswith("/")))
    return reader if any(each not in reader for each in asked) else None


def named_view(reader: CheckpointReader) -> ScratchCheckpoint:
    """Return a checkpoint in which tensors have every name they may go by.

    No byte of an object-based checkpoint is copied; a V1 file is written anew.
    """
    names = catalog_of(reader).all_names
    specs = {key: reader.specs[key] for key in {*names.values()}}
    moves = tuple(Move((key,), name, None, specs[key]) for name, key in names.items())
    plan = MigrationPlan(reader.prefix, "", specs, moves)
    return scratch_checkpoint(plan, reader, object_graph=False)


def averaged_view(
    reader: CheckpointReader, use: Literal["raw", "average"]
) -> ScratchCheckpoint:
    """Return a checkpoint in which variables have their averages, or these are gone.

    Raises:
      PlanError: If there are no averages to use.
    """
    rules = [*view_rules(reader.specs, use), Keep("/")]
    return scratch_checkpoint(plan_migration(reader, None, rules), reader)


def kept_for_graph(scratch: ScratchCheckpoint) -> str:
    """Keep a checkpoint for as long as the present graph lives; return its prefix."""
    weakref.finalize(tensorflow().compat.v1.get_default_graph(), scratch.close)
    return scratch.prefix


@contextmanager
def naming_paths(view: str, path: str | os.PathLike[str]) -> Generator[None]:
    """Let TensorFlow's errors name the checkpoint, not the view of it.

    Raises:
      ValueError: With the path in the place of the view's.
    """
    try:
        yield
    except ValueError as error:
        if view not in str(error):
            raise
        raise ValueError(str(error).replace(view, os.fspath(path))) from None
