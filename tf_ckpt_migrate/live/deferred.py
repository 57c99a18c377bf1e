"""Values that wait for variables which do not exist yet.

TensorFlow does this for object-based checkpoints: a layer that is built after the
restore receives its values then. Here it is done for what goes by names or by a map.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from typing import Any

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.misses import check_all_met
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.later import NowAndLater
from tf_ckpt_migrate.live.private import set_initial_value
from tf_ckpt_migrate.live.restore import value_of
from tf_ckpt_migrate.live.status import unread_text
from tf_ckpt_migrate.live.variables import (
    assign,
    is_variable,
    name_of,
    spec_of_variable,
)
from tf_ckpt_migrate.live.watching import Path, watch
from tf_ckpt_migrate.names.keys import ObjectKey
from tf_ckpt_migrate.names.moves import Move

__all__ = ["Deferred", "waiting_text"]


class Deferred:
    """Gives values to the variables that objects get from now on.

    It lives as long as the objects do, or until another restore replaces it.

    Args:
      reader: The checkpoint; it is read when a variable is made.
      plan: What waits, and what a further variable of a name gets.
      checkpoint: The ``tf.train.Checkpoint`` whose objects are watched.

    Attributes:
      waiting: What still waits.
      restored: Every variable that has got a value, by its id, and weakly.

    Example:
      >>> import tensorflow as tf
      >>> from tf_ckpt_migrate.live.later import plan_now_and_later
      >>> from tf_ckpt_migrate.live.target import LiveTarget
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> from tf_ckpt_migrate.conversion.planning import opened
      >>> module = tf.Module()
      >>> checkpoint = tf.train.Checkpoint(m=module)
      >>> with example_checkpoint({"w": [1, 2]}) as prefix:
      ...     plan = plan_now_and_later(opened(prefix), LiveTarget(checkpoint))
      ...     _ = Deferred(opened(prefix), plan, checkpoint)
      ...     module.late = tf.Variable([0, 0], dtype=tf.int64, name="w")
      >>> module.late.numpy().tolist()
      [1, 2]
    """

    def __init__(
        self, reader: CheckpointReader, plan: NowAndLater, checkpoint: Any
    ) -> None:
        """Watch every object that there is."""
        self.waiting: dict[str, Move] = dict(plan.later)
        self._named = plan.named
        self.restored: dict[int, weakref.ref[Any]] = {}
        self._reader = reader
        self._warning = weakref.finalize(self, _warn, reader.prefix, self.waiting)
        watch(checkpoint, self._restore)

    def expect_partial(self) -> None:
        """Let no warning tell, when the objects are gone, of what still waits then."""
        self._warning.detach()

    def unread(self) -> list[str]:
        """Return what still waits, and for what variable."""
        return waiting_text(self.waiting)

    def note_restored(self, variables: Iterable[Any]) -> None:
        """Note variables that have got their values otherwise."""
        for variable in variables:
            self.restored[id(variable)] = weakref.ref(variable)

    def has_restored(self, variable: Any) -> bool:
        """Return whether a variable has got its value."""
        known = self.restored.get(id(variable))
        return known is not None and known() is variable

    def _restore(self, variable: Any, path: Path) -> None:
        if not is_variable(variable):
            return
        own, key = name_of(variable), str(ObjectKey(path))
        name = next((n for n in (own, "/".join(path), key) if n in self.waiting), own)
        move = self._named.get(name)
        if move is None or self.has_restored(variable):
            return
        spec = spec_of_variable(variable)
        check_all_met([move], {move.target: spec}, {}, self._reader)
        if not set_initial_value(variable, lambda: value_of(move, self._reader)):
            with tensorflow().init_scope():  # it may be made while a function is traced
                assign(variable, value_of(move, self._reader))
        self.waiting.pop(name, None)  # others of the name may have got it before
        self.note_restored([variable])


def waiting_text(waiting: Mapping[str, Move]) -> list[str]:
    """Return which tensors wait, each with the variable if that has another name.

    Args:
      waiting: By the name, path or key of the variable that they wait for.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
      >>> spec = TensorSpec(DType.int32, ())
      >>> waiting_text({"b": Move(("a",), "b", None, spec)})
      ["'a' (for 'b')"]
    """
    return [
        " + ".join(map(repr, move.sources))
        + ("" if move.sources == (name,) else f" (for {name!r})")
        for name, move in waiting.items()
    ]


def _warn(source: str, waiting: Mapping[str, Move]) -> None:
    if waiting:
        tensorflow().get_logger().warning(
            "%s. assert_consumed() makes that an error, expect_partial() silences this "
            "warning",
            unread_text(source, waiting_text(waiting)),
        )
