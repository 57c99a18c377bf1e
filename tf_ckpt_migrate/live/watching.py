"""Hears of every object that is attached to others after a restore."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.private import call_when_attached, root_and_children

__all__ = ["Path", "watch"]

Path: TypeAlias = tuple[str, ...]


def watch(checkpoint: Any, found: Callable[[Any, Path], None]) -> list[Any]:
    """Let a function be called with every object that is attached from now on.

    Args:
      checkpoint: The ``tf.train.Checkpoint`` whose objects are watched, as long as they
        live.
      found: Takes the object, a variable or what may get some, and the path to it from
        the root.

    Returns:
      The objects that there are.

    Example:
      >>> import tensorflow as tf
      >>> module = tf.Module()
      >>> objects = watch(tf.train.Checkpoint(m=module), lambda _, path: print(path))
      >>> module.variables_ = [tf.Variable(1.0)]
      ('m', 'variables_')
      ('m', 'variables_', '0')
    """
    watcher = _Watcher(found)
    root, children = root_and_children(checkpoint)
    # The checkpoint itself may be gone tomorrow, but not the objects.
    named = [("", root), *children.items()]
    return [
        each
        for name, child in named
        for each, _ in watcher.new_below(child, (name,) if name else ())
    ]


class _Watcher:
    def __init__(self, found: Callable[[Any, Path], None]) -> None:
        self._found = found
        self._known: dict[int, weakref.ref[Any]] = {}

    def new_below(self, start: Any, path: Path) -> Iterator[tuple[Any, Path]]:
        """Watch an object and all below it; yield those that were not, with paths."""
        stack = [(start, path)]
        while stack:
            owner, at = stack.pop()
            known = self._known.get(id(owner))
            if known is not None and known() is owner:
                continue
            self._known[id(owner)] = weakref.ref(owner)
            call_when_attached(owner, self._attacher(weakref.ref(owner), at))
            yield owner, at
            below = _children(owner).items()
            stack += [(child, (*at, name)) for name, child in reversed(below)]

    def _attacher(self, owner: weakref.ref[Any], path: Path) -> Callable[[Any], None]:
        def attached(child: Any) -> None:
            parent = owner()
            if parent is None:
                return
            below = _children(parent).items()
            names = [name for name, each in below if each is child]
            for each, at in self.new_below(child, (*path, *names[:1])):
                self._found(each, at)

        return attached


def _children(owner: Any) -> dict[str, Any]:
    return tensorflow().train.TrackableView.children(owner)
