"""``tf.compat.v1.train.Saver`` that restores every kind of checkpoint."""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal
from weakref import WeakKeyDictionary

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader, as_reader
from tf_ckpt_migrate.conversion.by_names import plan_by_names
from tf_ckpt_migrate.conversion.saved import Keys, check_keys
from tf_ckpt_migrate.conversion.scratch import scratch_checkpoint
from tf_ckpt_migrate.errors import (
    CheckpointError,
    CheckpointNotFoundError,
    PlanError,
    RuleError,
)
from tf_ckpt_migrate.live.asked import Specs, asked_by_operations, asked_by_variables
from tf_ckpt_migrate.live.dual_saver import DualSaver, as_text
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.restore_errors import restore_error
from tf_ckpt_migrate.live.saver_names import name_in_saver
from tf_ckpt_migrate.live.variables import within
from tf_ckpt_migrate.names.assignment_map import AssignmentMap, AssignmentMapLike
from tf_ckpt_migrate.naming.keys import OBJECT_GRAPH_KEY

__all__ = ["Saver", "without_wrapping"]

# What restore operations ask for, by name of the operation. It is not kept in a saver,
# which like the original can be copied and pickled.
_ASKED: MutableMapping[Any, dict[str, Specs]] = WeakKeyDictionary()


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
      unused: What becomes of tensors of a checkpoint that no variable gets:
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
        unused: Literal["drop", "error"] = "drop",
        keys: Keys = "name",
        target: object = None,
        **keywords: Any,
    ) -> None:
        """Add the operations to the graph, if there is one."""
        if unused not in ("drop", "error"):
            raise RuleError(
                f"unused must be 'drop' or 'error', not {unused!r}: a tensor "
                "without a variable has nowhere to go"
            )
        self._keys = check_keys(keys)
        self._target = target
        given = args[0] if args else keywords.pop("var_list", None)
        self._variables = without_wrapping(given)
        self._unused: Literal["drop", "error"] = unused
        self._rules = AssignmentMap(assignment_map).with_names(self._names_of)
        super().__init__(self._variables, *args[1:], **keywords)

    @staticmethod
    def from_proto(saver_def: Any, import_scope: str | None = None) -> Saver:
        """Return the saver of a ``SaverDef``, as the original's method does."""
        return Saver(saver_def=saver_def, name=import_scope)

    def restore(self, sess: Any, save_path: str | bytes | os.PathLike[str]) -> None:
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
          save_path: Prefix of the checkpoint, or what stands for it, such as the result
            of a conversion.

        Raises:
          ValueError: If there is no checkpoint, or variables of a list have one name.
            In eager mode, if a shape differs, as a `PlanError`.
          tf.errors.NotFoundError: If a variable has no tensor, or a rule no use. It is
            a `CheckpointError` too, whose ``problems`` list every finding.
          tf.errors.InvalidArgumentError: If a dtype or, in a graph, a shape differs; a
            `CheckpointError` too, with ``problems``.
          CheckpointError: If a checkpoint that needs a map cannot be read.
        """
        path = as_text(save_path)
        asked = None if save_path is None else self._asked(sess)
        reader = self._reader(path) if asked else None
        if reader is None or asked is None:
            super().restore(sess, path)
            return
        # A saver of a Checkpoint's saveables asks for the object graph and ignores it;
        # plans have no place for it.
        graph = OBJECT_GRAPH_KEY in asked and reader.object_graph is not None
        asked = {n: asked[n] for n in asked if not graph or n != OBJECT_GRAPH_KEY}
        try:
            plan = plan_by_names(reader, asked, self._rules, unused=self._unused)
        except PlanError as error:
            restore_op = self._restore_op(getattr(sess, "graph", None))
            raise restore_error(error, reader, [*asked], restore_op) from None
        if all(move.is_kept for move in plan.moves):
            super().restore(sess, path)
            return
        with scratch_checkpoint(plan, reader, object_graph=graph) as scratch:
            tensorflow().compat.v1.logging.info(
                "%s is read by other names through %s", path, scratch.prefix
            )
            super().restore(sess, scratch.prefix)

    def _asked(self, sess: Any) -> Specs | None:
        """Return what to look for in a checkpoint; None where the original decides."""
        if tensorflow().executing_eagerly():
            if not self._variables:
                return None
            return asked_by_variables(self._variables, reshape=self._reshape)
        graph = getattr(sess, "graph", None)
        if graph is None:  # no session
            return None
        if self.saver_def is None:  # an Estimator that exports has not built it
            with graph.as_default():
                self.build()
        op = self._restore_op(graph)
        if op is None:
            return None
        known = _ASKED.setdefault(graph, {})
        if op.name not in known:
            known[op.name] = asked_by_operations(op)
        return known[op.name]

    def _restore_op(self, graph: Any) -> Any:
        """Return what a session runs to restore; None if there is no such operation."""
        if graph is None or self.saver_def is None or tensorflow().executing_eagerly():
            return None  # in eager mode, or there is nothing to save
        try:
            return graph.get_operation_by_name(self.saver_def.restore_op_name)
        except KeyError:  # a session of another graph
            return None

    def _reader(self, save_path: str) -> CheckpointReader | None:
        """Return the reader; None for what only TensorFlow may know how to read."""
        try:
            return as_reader(save_path)
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


def without_wrapping(var_list: Any) -> Any:
    """Return variables without the wrapping that Keras 3 gives them.

    The original would save every one of a list by the same name.

    Example:
      >>> without_wrapping(["a variable"])
      ['a variable']
    """
    if isinstance(var_list, Mapping):
        named = {name: within(each) for name, each in var_list.items()}
        return var_list if all(named[n] is var_list[n] for n in named) else named
    if isinstance(var_list, list | tuple):
        listed = [within(each) for each in var_list]
        same = all(map(operator.is_, listed, var_list))
        return var_list if same else listed
    return var_list
