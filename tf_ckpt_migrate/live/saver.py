"""``tf.compat.v1.train.Saver`` that restores every kind of checkpoint."""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal
from weakref import WeakKeyDictionary

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.by_names import plan_by_names
from tf_ckpt_migrate.conversion.planning import opened
from tf_ckpt_migrate.conversion.saved import Keys, check_keys
from tf_ckpt_migrate.conversion.scratch import scratch_checkpoint
from tf_ckpt_migrate.errors import (
    CheckpointError,
    CheckpointNotFoundError,
    PlanError,
    RuleError,
)
from tf_ckpt_migrate.live.asked import Specs, asked_by_operations, asked_by_variables
from tf_ckpt_migrate.live.dual_saver import DualSaver
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.restore_errors import as_tensorflows
from tf_ckpt_migrate.live.saver_names import name_in_saver
from tf_ckpt_migrate.live.variables import within
from tf_ckpt_migrate.names.assignment_map import AssignmentMap, AssignmentMapLike

__all__ = ["Saver"]


class Saver(DualSaver):
    """TensorFlow's Saver, for checkpoints of every kind and with an assignment map.

    It is a ``tf.compat.v1.train.Saver`` in every respect, for ``Scaffold``,
    ``MonitoredTrainingSession`` and Estimators too, but that it saves variables of
    Keras 3 by their names, where the original gives all the same one. What is more is
    in `restore`, and in `save`: ``keys="both"``, for checkpoints that
    ``tf.train.Checkpoint`` restores too.

    Args:
      *args: As of TensorFlow's Saver; ``var_list`` comes first.
      assignment_map: From names in the checkpoint to the names under which this saver
        saves, or variables: in TensorFlow's syntaxes or as rules, which may transform
        values. A rule that leads to no variable is an error.
      unmatched: What becomes of tensors of a checkpoint that no variable gets:
        ``"drop"``, as the original, leaves them behind without a word; ``"error"``.
      keys: What `save` writes, if it is not told: ``"name"``, as the original;
        ``"object"``; or ``"both"``, for one set of bytes.
      target: The object whose keys those of objects are: a Keras model, a
        ``tf.train.Checkpoint``, a ``tf.Module`` with the variables that are saved. None
        for ``tf.train.Checkpoint(vars={name: variable, …})``.
      **keywords: As of TensorFlow's Saver.

    Raises:
      ValueError: If ``keys`` is none of the three.
      RuleError: If the map is not well formed.

    Example:
      >>> import tensorflow as tf
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> w = tf.Variable([0, 0], dtype=tf.int64)
      >>> with example_checkpoint({"old/w": [1, 2], "old/b": [3]}) as prefix:
      ...     saver = Saver({"new/w": w}, assignment_map={"old/": "new/"})
      ...     saver.restore(None, prefix)
      >>> w.numpy().tolist()
      [1, 2]
    """

    def __init__(
        self,
        *args: Any,
        assignment_map: AssignmentMapLike | None = None,
        unmatched: Literal["drop", "error"] = "drop",
        keys: Keys = "name",
        target: object = None,
        **keywords: Any,
    ) -> None:
        """Add the operations to the graph, if there is one."""
        if unmatched not in ("drop", "error"):
            raise RuleError(
                f"unmatched must be 'drop' or 'error', not {unmatched!r}: a tensor "
                "without a variable has nowhere to go"
            )
        self._keys = check_keys(keys)
        self._target = target
        given = args[0] if args else keywords.pop("var_list", None)
        self._variables = _of_tensorflow(given)
        self._unmatched: Literal["drop", "error"] = unmatched
        self._rules = AssignmentMap(assignment_map).with_names(self._names_of)
        self._asked_in: MutableMapping[Any, Specs] = WeakKeyDictionary()
        super().__init__(self._variables, *args[1:], **keywords)

    @staticmethod
    def from_proto(saver_def: Any, import_scope: str | None = None) -> Saver:
        """Return the saver of a ``SaverDef``, as the original's method does."""
        return Saver(saver_def=saver_def, name=import_scope)

    def restore(self, sess: Any, save_path: str) -> None:
        """Restore the variables from a checkpoint, all of them or none.

        The checkpoint may be name-based (V2, or V1, whole or in slices), object-based
        or dual-keyed. An object-based one has variables by the names that it holds, by
        the paths of their objects, or by its keys: all of them in one of these ways.

        Without a map, of a checkpoint with all the names, this is the original. Else
        tensors come by the map, and where it names none, by their own names, through a
        temporary index that a session on another machine could not read. A map that
        leads to no variable is an error, but for a checkpoint with exactly the names of
        this saver: that has been saved by it, and is restored as it is.

        Args:
          sess: The session; None in eager mode.
          save_path: Prefix of the checkpoint.

        Raises:
          ValueError: If there is no checkpoint, or variables of a list have one name.
          tf.errors.NotFoundError: If a variable has no tensor, or a rule no use; a
            `PlanError` too, whose ``problems`` list every finding.
          tf.errors.InvalidArgumentError: If a dtype or shape differs; a `PlanError`.
          CheckpointError: If a checkpoint that needs a map cannot be read.
        """
        asked = None if save_path is None else self._asked(sess)
        reader = self._reader(save_path) if asked else None
        if reader is None or asked is None:
            super().restore(sess, save_path)
            return
        try:
            plan = plan_by_names(reader, asked, self._rules, unmatched=self._unmatched)
        except PlanError as error:
            raise as_tensorflows(error) from None
        if all(move.is_kept for move in plan.moves):
            super().restore(sess, save_path)
            return
        with scratch_checkpoint(plan, reader, object_graph=False) as scratch:
            tensorflow().compat.v1.logging.info(
                "%s is read by other names through %s", save_path, scratch.prefix
            )
            super().restore(sess, scratch.prefix)

    def _asked(self, sess: Any) -> Specs | None:
        """Return what to look for in a checkpoint; None where the original decides."""
        if tensorflow().executing_eagerly():
            return asked_by_variables(self._variables) if self._variables else None
        graph = getattr(sess, "graph", None)
        if graph is None:  # no session
            return None
        if self.saver_def is None:  # an Estimator that exports has not built it
            with graph.as_default():
                self.build()
        if self.saver_def is None:  # there is nothing to save
            return None
        if graph not in self._asked_in:
            try:
                op = graph.get_operation_by_name(self.saver_def.restore_op_name)
            except KeyError:  # a session of another graph
                return None
            self._asked_in[graph] = asked_by_operations(op)
        return self._asked_in[graph]

    def _reader(self, save_path: str) -> CheckpointReader | None:
        """Return the reader; None for what only TensorFlow may know how to read."""
        try:
            return opened(os.fspath(save_path))
        except CheckpointNotFoundError as error:
            if self._rules:
                raise ValueError(str(error)) from error
        except CheckpointError:
            if self._rules:
                raise
        return None

    def _names_of(self, variables: tuple[Any, ...]) -> str | list[str]:
        """Return the names under which variables are saved."""
        found = (name_in_saver(each, self._variables) for each in variables)
        names = list(dict.fromkeys(found))
        return names[0] if len(names) == 1 else names


def _of_tensorflow(var_list: Any) -> Any:
    """Return variables without the wrapping that Keras 3 gives them.

    The original would save every one of a list by the same name.
    """
    if isinstance(var_list, Mapping):
        named = {name: within(each) for name, each in var_list.items()}
        return var_list if all(named[n] is var_list[n] for n in named) else named
    if isinstance(var_list, list | tuple):
        listed = [within(each) for each in var_list]
        same = all(map(operator.is_, listed, var_list))
        return var_list if same else listed
    return var_list
