"""Values that wait for variables which do not exist yet.

TensorFlow does this for object-based checkpoints: a layer that is built after the
restore receives its values then. Here it is done for what goes by names or by a map.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.misses import check_all_met
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.private import (
    call_when_attached,
    root_and_children,
    set_initial_value,
)
from tf_ckpt_migrate.live.restore import value_of
from tf_ckpt_migrate.live.status import unread_text
from tf_ckpt_migrate.live.variables import (
    assign,
    is_variable,
    name_of,
    spec_of_variable,
)
from tf_ckpt_migrate.names.keys import ObjectKey
from tf_ckpt_migrate.names.moves import Move

__all__ = ["Deferred", "waiting_text"]

_Path = tuple[str, ...]


class Deferred:
    """Gives values to the variables that objects get from now on.

    It lives as long as the objects do, or until another restore replaces it.

    Args:
      reader: The checkpoint; it is read when a variable is made.
      moves: What waits, by the name, path or key of the variable to come.
      checkpoint: The ``tf.train.Checkpoint`` whose objects are watched.

    Attributes:
      waiting: What still waits.
      restored: Every variable that has got a value, by its id, and weakly.

    Example:
      >>> import tensorflow as tf
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> from tf_ckpt_migrate.conversion.planning import opened, plan_migration
      >>> module = tf.Module()
      >>> with example_checkpoint({"w": [1, 2]}) as prefix:
      ...     move = plan_migration(prefix).moves[0]
      ...     _ = Deferred(opened(prefix), {"w": move}, tf.train.Checkpoint(m=module))
      ...     module.late = tf.Variable([0, 0], dtype=tf.int64, name="w")
      >>> module.late.numpy().tolist()
      [1, 2]
    """

    def __init__(
        self, reader: CheckpointReader, moves: Mapping[str, Move], checkpoint: Any
    ) -> None:
        """Watch every object that there is."""
        self.waiting = dict(moves)
        self.restored: dict[int, weakref.ref[Any]] = {}
        self._reader = reader
        self._watched: dict[int, weakref.ref[Any]] = {}
        self._warning = weakref.finalize(self, _warn, reader.prefix, self.waiting)
        root, children = root_and_children(checkpoint)
        # The checkpoint itself may be gone tomorrow, but not the objects.
        for name, child in [("", root), *children.items()]:
            for _ in self._newly_watched(child, (name,) if name else ()):
                pass

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

    def _newly_watched(self, start: Any, path: _Path) -> Iterator[tuple[Any, _Path]]:
        """Watch an object and all below it; yield those that were not, with paths."""
        stack = [(start, path)]
        while stack:
            owner, at = stack.pop()
            known = self._watched.get(id(owner))
            if known is not None and known() is owner:
                continue
            self._watched[id(owner)] = weakref.ref(owner)
            call_when_attached(owner, self._attacher(weakref.ref(owner), at))
            yield owner, at
            below = _children(owner).items()
            stack += [(child, (*at, name)) for name, child in reversed(below)]

    def _attacher(self, owner: weakref.ref[Any], path: _Path) -> Callable[[Any], None]:
        def attached(child: Any) -> None:
            parent = owner()
            if parent is None:
                return
            below = _children(parent).items()
            names = [name for name, each in below if each is child]
            for each, at in self._newly_watched(child, (*path, *names[:1])):
                if is_variable(each):
                    self._restore(each, at)

        return attached

    def _restore(self, variable: Any, path: _Path) -> None:
        names = (name_of(variable), "/".join(path), str(ObjectKey(path)))
        name = next((name for name in names if name in self.waiting), None)
        if name is None or self.has_restored(variable):
            return
        move = self.waiting[name]
        spec = spec_of_variable(variable)
        check_all_met([move], {move.target: spec}, {}, self._reader)
        value = value_of(move, self._reader)
        if not set_initial_value(variable, value):
            with tensorflow().init_scope():  # it may be made while a function is traced
                assign(variable, value)
        del self.waiting[name]
        self.note_restored([variable])


def _children(owner: Any) -> dict[str, Any]:
    return tensorflow().train.TrackableView.children(owner)


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
