"""What ``tcm.Checkpoint.restore`` returns: assertions that mean what they say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from tf_ckpt_migrate.errors import capped

__all__ = ["LoadStatus", "Progress", "unread_text"]


class Progress(Protocol):
    """What a status asks about the restore.

    Attributes:
      source: What to call the checkpoint.
      advice: What to do about a key that nothing has read.
    """

    source: str
    advice: str

    def unread(self) -> Sequence[str]:
        """Return what of the checkpoint nothing has got so far, quoted keys."""
        ...

    def unrestored(self) -> str:
        """Return which variables have no value from it, as a text; "" if none."""
        ...

    def has_restored_any(self) -> bool:
        """Return whether anything has a value from it."""
        ...

    def add_optional(self, variable: Any) -> None:
        """Let a variable be that needs no value from the checkpoint."""
        ...

    def expect_partial(self) -> None:
        """Let no warning tell, in the end, of what was not read."""
        ...


class LoadStatus:
    """How far a restore has come; it has the methods of TensorFlow's status objects.

    Args:
      progress: Of the restore.
      tensorflows: TensorFlow's own status of the same restore, if there is one.
      own: Whether the assertions are ours alone: TensorFlow has then been given only
        what fits, and some things of its own.

    Example:
      >>> import tensorflow as tf, tf_ckpt_migrate as tcm
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> with example_checkpoint({"w": [1, 2], "b": [3]}) as prefix:
      ...     w = tf.Variable([0, 0], dtype=tf.int64, name="w")
      ...     status = tcm.Checkpoint(kernel=w).restore(prefix).expect_partial()
      >>> status.assert_existing_objects_matched().assert_consumed()
      Traceback (most recent call last):
      ...
      AssertionError: 1 key of '...' has not been read: 'b'. ...
    """

    def __init__(
        self, progress: Progress, tensorflows: Any = None, *, own: bool = False
    ) -> None:
        """Keep what the assertions will ask."""
        self._progress = progress
        self._tensorflows = tensorflows
        self._asserts = None if own else tensorflows

    def __getattr__(self, name: str) -> Any:
        # What TensorFlow's own functions take from a status, such as streaming_restore.
        if name.startswith("__") or name == "_tensorflows" or self._tensorflows is None:
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}"
            )
        return getattr(self._tensorflows, name)

    def assert_consumed(self) -> LoadStatus:
        """Assert that the whole checkpoint and all variables have met.

        Returns:
          This status, for chaining.

        Raises:
          AssertionError: If a variable has no value from the checkpoint, or a key of
            the checkpoint has not been read, by whatever kind of checkpoint.
        """
        problems = [self._progress.unrestored()]
        unread = self._progress.unread()
        if unread:
            problems.append(
                f"{unread_text(self._progress.source, unread)}. "
                f"{self._progress.advice}; to accept it, assert only "
                "assert_existing_objects_matched()"
            )
        if any(problems):
            raise AssertionError("\n".join(filter(None, problems)))
        if self._asserts is not None:
            self._asserts.assert_consumed()
        return self

    def assert_existing_objects_matched(self) -> LoadStatus:
        """Assert that every variable there is has its value from the checkpoint.

        Returns:
          This status, for chaining.

        Raises:
          AssertionError: If one has not.
        """
        problem = self._progress.unrestored()
        if problem:
            raise AssertionError(problem)
        if self._asserts is not None:
            self._asserts.assert_existing_objects_matched()
        return self

    def assert_nontrivial_match(self) -> LoadStatus:
        """Assert that anything has been restored.

        Returns:
          This status, for chaining.

        Raises:
          AssertionError: If nothing has.
        """
        if self._asserts is not None:
            self._asserts.assert_nontrivial_match()
        elif not self._progress.has_restored_any():
            source = self._progress.source
            raise AssertionError(f"nothing of {source!r} has been restored so far")
        return self

    def add_to_optionally_restored(self, var: Any) -> None:
        """Let assertions pass without a value for a variable, as the original's.

        Args:
          var: The variable, which a name-based checkpoint need not have.
        """
        self._progress.add_optional(var)

    def run_restore_ops(self, session: Any = None) -> None:
        """Restore in a graph; in eager mode it is done already.

        Args:
          session: The session; None for the default one.
        """
        if self._tensorflows is not None:
            self._tensorflows.run_restore_ops(session)

    def initialize_or_restore(self, session: Any = None) -> None:
        """Restore in a graph, and initialize what the checkpoint does not have.

        Args:
          session: The session; None for the default one.
        """
        if self._tensorflows is not None:
            self._tensorflows.initialize_or_restore(session)

    def expect_partial(self) -> LoadStatus:
        """Say that unread keys are as intended, so that no warning tells of them.

        Returns:
          This status, for chaining.
        """
        self._progress.expect_partial()
        if self._tensorflows is not None:
            self._tensorflows.expect_partial()
        return self


def unread_text(source: str, unread: Sequence[str]) -> str:
    """Return which keys have not been read.

    Example:
      >>> unread_text("m.ckpt", ["'b'"])
      "1 key of 'm.ckpt' has not been read: 'b'"
    """
    keys, have = ("key", "has") if len(unread) == 1 else ("keys", "have")
    listed = ", ".join(capped(unread))
    return f"{len(unread):,} {keys} of {source!r} {have} not been read: {listed}"
