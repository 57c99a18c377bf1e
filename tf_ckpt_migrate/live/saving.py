"""Saving objects under names, object-based keys, or both: what a save was asked for."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.checkpoint.text import counted
from tf_ckpt_migrate.conversion.contents import Contents
from tf_ckpt_migrate.conversion.layout import layout_of
from tf_ckpt_migrate.conversion.saved import (
    Aside,
    Keys,
    check_keys,
    named_contents,
    saved_aside,
)
from tf_ckpt_migrate.conversion.twin import check_twin, write_twin
from tf_ckpt_migrate.errors import PlanError, capped
from tf_ckpt_migrate.findings import as_findings
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.naming import Names, names_to_save
from tf_ckpt_migrate.live.private import has_untracked
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.live.variables import name_of
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.naming.keys import parse_object_key

__all__ = ["PlannedSave", "Saving"]


@dataclass(frozen=True)
class Saving:
    """What to save beside, or in place of, object-based keys.

    Attributes:
      keys: ``"object"``, ``"name"``, or ``"both"`` for one set of bytes.
      names: As of ``names_to_save``.
      twin_directory: Where a name-based twin of every checkpoint goes, if anywhere.

    Raises:
      ValueError: If ``keys`` is none of the three.
    """

    keys: Keys = "object"
    names: Names = "full_name"
    twin_directory: str | None = None

    def __post_init__(self) -> None:
        check_keys(self.keys)

    def but(
        self,
        keys: Keys | None,
        names: Names | None,
        twin_directory: str | os.PathLike[str] | None,
    ) -> Saving:
        """Return the same, but for what is given."""
        twin = self.twin_directory
        return Saving(
            self.keys if keys is None else keys,
            self.names if names is None else names,
            twin if twin_directory is None else os.fspath(twin_directory),
        )

    def planned(self, checkpoint: Any) -> PlannedSave | None:
        """Decide on the names; None if TensorFlow alone is to save.

        Raises:
          PlanError: If variables have no names, or share them; or if what is saved
            only by object would be lost.
        """
        if self.keys == "object" and self.twin_directory is None:
            if has_untracked(checkpoint):
                live = LiveTarget(checkpoint, counted=False)
                warnings.warn(_left_out(live), UserWarning, stacklevel=4)
            return None
        live = LiveTarget(checkpoint, counted=False)
        if live.left_out:
            raise PlanError(_left_out(live), as_findings("lost", sorted(live.left_out)))
        moves = names_to_save(live, self.names)
        if self.keys == "name":
            _check_nothing_is_lost(live)
        return PlannedSave(self.keys, moves, self.twin_directory)


def _left_out(live: LiveTarget) -> str:
    """Return what TensorFlow does not reach of what Keras 3 has, and what to do."""
    lost = sorted(name_of(live.variables[key]) for key in live.left_out)
    return (
        f"TensorFlow leaves out {counted(len(lost), 'variable')} when it saves "
        f"{live.prefix}: {', '.join(capped(map(repr, lost), 3))}. Keras 3 keeps "
        "layers of a list or dict where tf.train.Checkpoint does not look. Give it the "
        "variables too: tcm.Checkpoint(model=model, "
        "variables={each.path: each for each in model.variables})"
    )


def _check_nothing_is_lost(live: LiveTarget) -> None:
    """Check that variables are all there is to save, but for bookkeeping."""
    lost = [key for key in layout_of(live).tensors if key not in live.variables]
    if lost:
        raise PlanError(
            'keys="name" would lose what only objects have: '
            f'{", ".join(map(repr, capped(lost, 3)))}; save with keys="both"',
            as_findings("lost", lost),
        )


@dataclass(frozen=True)
class PlannedSave:
    """A save whose names are decided.

    Attributes:
      keys: ``"object"``, ``"name"`` or ``"both"``.
      moves: From keys to names.
      twin_directory: Of name-based twins, or None.
    """

    keys: Keys
    moves: tuple[Move, ...]
    twin_directory: str | None

    def save(self, prefix: str, write: Callable[[str], Any]) -> str:
        """Save, and publish the checkpoint when it is whole.

        Args:
          prefix: Of the checkpoint.
          write: Lets TensorFlow save to another prefix, and waits for it.

        Returns:
          The prefix.

        Raises:
          PlanError: If the objects have changed since the names were decided.
          CheckpointError: If the prefix cannot be written to, or is in use.
          OSError: If a write fails; what was there is then as it was.
        """
        self.check_twin_of(prefix)
        with saved_aside(prefix) as aside:
            write(aside.prefix)
            aside.publish(self.contents)
        self.write_twin_of(prefix)
        return prefix

    def save_in_function(self, prefix: Any, write: Callable[[Any], Any]) -> Any:
        """Return an operation's result that does the same when a function runs.

        Args:
          prefix: A string, or a tensor.
          write: Returns the tensor of an operation that saves to another prefix.
        """
        tf = tensorflow()
        under_way = _UnderWay(self)
        prefix = tf.convert_to_tensor(prefix, tf.string)
        aside = tf.numpy_function(under_way.begin, [prefix], tf.string)
        aside.set_shape([])
        with tf.control_dependencies([write(aside)]):
            done = tf.numpy_function(under_way.finish, [prefix], tf.string)
        done.set_shape([])
        return done

    def without_slots(self) -> PlannedSave:
        """Return the same, where TensorFlow is told not to save slot variables."""
        keys = {key for move in self.moves for key in move.sources}
        parsed = ((key, parse_object_key(key)) for key in keys)
        slots = {key for key, each in parsed if each is not None and each.slot}
        rest = (move for move in self.moves if slots.isdisjoint(move.sources))
        return replace(self, moves=tuple(rest))

    def contents(self, saved: CheckpointReader) -> Contents:
        """Return what the checkpoint is to hold of what TensorFlow has saved."""
        return named_contents(saved, self.moves, self.keys)

    def check_twin_of(self, prefix: str) -> None:
        """Check that a twin, if asked for, can be written."""
        if self.twin_directory is not None:
            check_twin(prefix, self.twin_directory)

    def write_twin_of(self, prefix: str) -> None:
        """Write the twin of what was saved, if asked for."""
        if self.twin_directory is not None:
            write_twin(prefix, self.twin_directory, self.moves)


class _UnderWay:
    """The save of a function that is running: what is done before, and after."""

    def __init__(self, planned: PlannedSave) -> None:
        self._planned = planned
        self._open = ExitStack()
        self._aside: Aside | None = None

    def begin(self, prefix: bytes) -> bytes:
        self._open.close()  # of a run that failed
        self._planned.check_twin_of(prefix.decode())
        self._aside = self._open.enter_context(saved_aside(prefix.decode()))
        return self._aside.prefix.encode()

    def finish(self, prefix: bytes) -> bytes:
        with self._open:
            if self._aside is not None:
                self._aside.publish(self._planned.contents)
        self._planned.write_twin_of(prefix.decode())
        return prefix
