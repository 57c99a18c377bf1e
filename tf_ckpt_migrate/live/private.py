"""What is used of TensorFlow that is not its public API, and why.

- ``Checkpoint._saver._graph_view``: the view of the objects that ``save`` walks. The
  public ``tf.train.TrackableView`` lacks the dependencies that ``Checkpoint(root, …)``
  attaches to its root.
- ``checkpoint.save_util.serialize_graph_view``: makes the keys and the object graph of
  a checkpoint. The public way to them is to write one. Variables come as callables that
  nobody calls, so no value is read, let alone written.

- ``variable_scope._get_default_variable_store()._vars``: the variables that
  ``init_from_checkpoint`` looks names up in; a graph's collections hold others too.
- ``Variable._save_slice_info``: the name under which a part is saved, which the
  variable's own name does not tell.
- ``saveable_object_util``: what ``tf.compat.v1.train.Saver`` makes of its variables,
  with the names that it will ask for. In eager mode no graph tells them.
- ``Trackable._name_based_restores``: what is called with every object that is attached
  to this one later, by its method ``eager_restore``. TensorFlow's own restoring of
  name-based checkpoints uses it; there is no public way to learn of new variables.
- ``ops.uid`` and ``Trackable._update_uid``: the count by which TensorFlow tells an
  earlier restore from a later one, and which of them an object has its value from.
- ``CheckpointLoadStatus._checkpoint``: what TensorFlow has restored so far; its public
  assertions walk all objects again. ``streaming_restore`` asks a status for it, too.
- ``Trackable._deferred_dependencies``: what TensorFlow has for children of an object
  that do not exist yet.
- ``Variable._initializer`` of Keras 3: the value of a variable that a symbolic build
  has declared and that is made when that is over.
- ``Checkpoint._saver.save``: what every way to save comes to, within the thread of an
  asynchronous one too; the public methods also number, and write state files.
- ``saver._wrap_restore_error_with_msg``: the advice in every message of a ``Saver``
  whose checkpoint does not fit, which programs look for.
- The attributes of a ``Saver``: what it saves, and how it keeps checkpoints. A
  ``Scaffold`` for a graph that has a saver takes them over.
- ``Saver._build_eager`` is overridden, in ``dual_saver``: in eager mode it is what
  saves. In a graph a session does, and ``session.SessionInterface`` is what a ``Saver``
  takes for one.
- ``Checkpoint._write`` and ``Checkpoint._async_checkpointer`` are overridden, in
  ``dual_checkpoint``: a ``CheckpointManager`` calls the one, and the other returns what
  saves in a thread, by a ``Checkpoint`` of its own.

All are the same in TensorFlow 2.15 and 2.21, and tests compare what they give with what
TensorFlow does.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable
from types import MethodType
from typing import Any, NamedTuple

from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.untracked import view_with_untracked
from tf_ckpt_migrate.live.variables import is_variable

__all__ = [
    "Saved",
    "SavedTensor",
    "has_untracked",
    "is_declared",
    "is_waiting",
    "listeners_of",
    "new_restore_uid",
    "note_update",
    "restore_when_declared",
    "root_and_children",
    "save_tensors_by",
    "saveables_of",
    "saved_by",
    "session_that_saves",
    "set_initial_value",
    "set_max_to_keep",
    "slice_of",
    "stored_variables",
    "take_settings",
    "update_uid_of",
    "var_list_of",
    "with_restore_advice",
]


class SavedTensor(NamedTuple):
    """A tensor that saving would write.

    Attributes:
      key: Its key.
      owner: The object that it is the state of.
      value: The tensor, or a callable that reads it.
    """

    key: str
    owner: Any
    value: Any


class Saved(NamedTuple):
    """What saving would write, without values.

    Attributes:
      tensors: Every tensor.
      graph: The serialized ``TrackableObjectGraph``.
      objects: Every object that is asked for tensors, those that have none too.
      path_of: Returns the path of an object from the root, for messages.
      left_out: The keys of tensors that TensorFlow does not reach and so leaves out.
    """

    tensors: list[SavedTensor]
    graph: bytes
    objects: list[Any]
    path_of: Callable[[Any], str]
    left_out: frozenset[str]


def saved_by(checkpoint: Any) -> Saved:
    """Return what a ``tf.train.Checkpoint`` would write, and what it leaves out.

    Args:
      checkpoint: Of TensorFlow 2, or ``tf.compat.v1.train.Checkpoint``.
    """
    from tensorflow.python.checkpoint import save_util  # pyright: ignore[reportMissingImports] types are checked without it

    view, untracked = view_with_untracked(checkpoint._saver._graph_view)
    saved, _, _, graph = save_util.serialize_graph_view(view)
    # Objects that save in the way of old come wrapped.
    owned = [(getattr(owner, "obj", owner), each) for owner, each in saved.items()]

    def path_of(wanted: Any) -> str:
        _, paths = view.breadth_first_traversal()
        return ".".join(step.name for step in paths[wanted])

    return Saved(
        [
            SavedTensor(key, owner, value)
            for owner, values in owned
            for key, value in values.items()
        ],
        graph.SerializeToString(deterministic=True),
        [owner for owner, _ in owned],
        path_of,
        frozenset(
            key for owner, values in owned if id(owner) in untracked for key in values
        ),
    )


def has_untracked(checkpoint: Any) -> bool:
    """Return whether a ``tf.train.Checkpoint`` leaves out variables of Keras 3."""
    view, untracked = view_with_untracked(checkpoint._saver._graph_view)
    if not untracked:
        return False
    objects, _ = view.breadth_first_traversal()
    return any(id(each) in untracked and is_variable(each) for each in objects)


def stored_variables() -> dict[str, Any]:
    """Return what ``tf.compat.v1.get_variable`` has made, by name, parts singly."""
    from tensorflow.python.ops import variable_scope  # pyright: ignore[reportMissingImports] types are checked without it

    store = variable_scope._get_default_variable_store()
    return dict(store._vars)


def slice_of(variable: Any) -> Any:
    """Return which part of a partitioned variable this is, or None.

    The result has ``full_name`` and ``full_shape``.
    """
    return getattr(variable, "_save_slice_info", None)


def saveables_of(var_list: Any) -> list[Any]:
    """Return what a ``tf.compat.v1.train.Saver`` makes of its variables.

    Each has ``op`` and ``specs``, these ``name``, ``slice_spec`` and ``dtype``.
    """
    from tensorflow.python.training.saving import saveable_object_util  # pyright: ignore[reportMissingImports] types are checked without it

    if not isinstance(var_list, dict):
        var_list = saveable_object_util.op_list_to_dict(var_list)
    return saveable_object_util.validate_and_slice_inputs(var_list)


def var_list_of(saver: Any) -> Any:
    """Return what a ``tf.compat.v1.train.Saver`` saves, in a list or by name.

    None if it does not know, as one of a ``SaverDef``.
    """
    return saver._var_list


def with_restore_advice(error: Any, cause: str) -> str:
    """Return an error's message with what a ``Saver`` says where restoring failed."""
    from tensorflow.python.training import saver  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue] types are checked without it, or by stubs

    return saver._wrap_restore_error_with_msg(error, cause).message


def take_settings(saver: Any, other: Any, *, all_variables: bool) -> None:
    """Let a ``Saver`` that is not built keep checkpoints as another one does.

    Args:
      saver: The saver.
      other: The other saver.
      all_variables: Whether it also saves what the other saver saves, by the operations
        of that saver if it has them. Each deletes only what it has saved itself.
    """
    original = tensorflow().compat.v1.train.Saver
    names = {"_max_to_keep", "_keep_checkpoint_every_n_hours", "_save_relative_paths"}
    if all_variables:
        with tensorflow().Graph().as_default():
            names = {*vars(original(defer_build=True)), "_next_checkpoint_time"}
        names -= {"_last_checkpoints", "_checkpoints_to_be_deleted"}
    vars(saver).update((n, v) for n, v in vars(other).items() if n in names)


def set_max_to_keep(saver: Any, number: int | None) -> None:
    """Let a ``Saver`` keep so many checkpoints, None for all."""
    saver._max_to_keep = number
    if saver.saver_def is not None:
        saver.saver_def = copy.deepcopy(saver.saver_def)  # may be of another saver too
        saver.saver_def.max_to_keep = number or 0


def root_and_children(checkpoint: Any) -> tuple[Any, dict[str, Any]]:
    """Return the root of a ``tf.train.Checkpoint``, and its children by name."""
    view = checkpoint._saver._graph_view
    return view.root, view.children(view.root)


def listeners_of(owner: Any) -> set[Any]:
    """Return what TensorFlow calls with every object that is attached to this one.

    Each has a ``restore_uid`` and a method ``eager_restore``, which takes the object.
    TensorFlow passes them on to that object, and calls them for what is attached there.
    """
    owner._maybe_initialize_trackable()
    return owner._name_based_restores


def new_restore_uid() -> int:
    """Return the number of a restore, greater than that of any before it."""
    from tensorflow.python.framework import ops  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue] types are checked without it, or by stubs

    return ops.uid()


def update_uid_of(variable: Any) -> int:
    """Return the number of the latest restore that a variable has its value from."""
    variable._maybe_initialize_trackable()
    return variable._update_uid


def note_update(variable: Any, restore_uid: int) -> None:
    """Note for TensorFlow that a variable has its value from a restore."""
    if hasattr(variable, "_update_uid") or hasattr(
        variable, "_maybe_initialize_trackable"
    ):
        variable._update_uid = max(update_uid_of(variable), restore_uid)


def is_declared(candidate: Any) -> bool:
    """Return whether this is a variable of Keras 3 that has no value yet."""
    return getattr(candidate, "_value", candidate) is None


def set_initial_value(variable: Any, value: Callable[[], Any]) -> bool:
    """Give a declared variable of Keras 3 its value; return whether it is one."""
    if not is_declared(variable):
        return False
    variable._initializer = lambda shape, dtype=None: value()
    return True


def restore_when_declared(status: Any, value_of: Callable[[str], Any]) -> None:
    """Let the values that wait for variables suit those that Keras 3 declares, too.

    A symbolic build of Keras 3 attaches variables that have no value yet. TensorFlow
    fails to restore one, Keras takes that for a build that cannot be symbolic, builds
    once more, and then nothing waits any longer. So here the value becomes the initial
    value of the variable.

    Of earlier restores, values that wait for the same objects are given up, unless a
    status of them may still be asked: TensorFlow would keep them as long as the objects
    live.

    Args:
      status: The ``CheckpointLoadStatus`` of a restore by object graph.
      value_of: Returns the value of a key of the checkpoint.
    """
    asker = weakref.ref(status)
    for restored in [*status._checkpoint.object_by_proto_id.values()]:
        _wrap_positions(restored, status._checkpoint, asker, value_of)


def _wrap_positions(
    owner: Any,
    checkpoint: Any,
    asker: weakref.ref[Any],
    value_of: Callable[[str], Any],
) -> None:
    for positions in owner._deferred_dependencies.values():
        new = [
            _Position(each, asker, value_of)
            if each.checkpoint is checkpoint and not isinstance(each, _Position)
            else each
            for each in positions
        ]
        latest = new[-1] if new else None
        if isinstance(latest, _Position):
            new = [each for each in new if not latest.replaces(each)]
        positions[:] = new


class _Position:
    """TensorFlow's ``CheckpointPosition``, but for declared variables."""

    def __init__(
        self, position: Any, asker: weakref.ref[Any], value_of: Callable[[str], Any]
    ) -> None:
        self._position = position
        self._asker = asker
        self._value_of = value_of

    def __getattr__(self, name: str) -> Any:
        return getattr(self._position, name)

    def __deepcopy__(self, memo: dict[int, Any]) -> _Position:
        position = copy.deepcopy(self._position, memo)
        return _Position(position, self._asker, self._value_of)

    def restore(self, trackable: Any, reader: Any = None) -> None:
        self._restore_declared(trackable)
        self._position.restore(trackable, reader)
        view = tensorflow().train.TrackableView(trackable)
        for each in view.descendants():  # where values wait from now on
            _wrap_positions(each, self.checkpoint, self._asker, self._value_of)

    def _restore_declared(self, trackable: Any) -> None:
        """Restore an object and all below it that has no value yet."""
        nodes = self.checkpoint.object_graph_proto.nodes
        stack, seen = [(self._position, trackable)], {id(trackable)}
        while stack:
            position, owner = stack.pop()
            if is_declared(owner):
                self._restore_one(position, owner)
                continue
            children = tensorflow().train.TrackableView.children(owner)
            for child in nodes[position.proto_id].children:
                found = children.get(child.local_name)
                if found is not None and id(found) not in seen:
                    seen.add(id(found))
                    place = type(self._position)(self.checkpoint, child.node_id)
                    stack.append((place, found))

    def _restore_one(self, position: Any, variable: Any) -> None:
        keys = [each.checkpoint_key for each in position.object_proto.attributes]
        if len(keys) != 1 or not position.bind_object(variable):
            return
        if update_uid_of(variable) < self.checkpoint.restore_uid:
            set_initial_value(variable, lambda: self._value_of(keys[0]))
            note_update(variable, self.checkpoint.restore_uid)

    def replaces(self, other: Any) -> bool:
        """Return whether another waits for the same in vain; let no warning tell."""
        if other is self or not isinstance(other, _Position) or other._asker():
            return False
        mine, theirs = self.checkpoint, other.checkpoint
        if other.proto_id != self.proto_id or mine is theirs:
            return False
        if mine.object_graph_proto != theirs.object_graph_proto:
            return False
        theirs.expect_partial = True
        return True


def is_waiting(status: Any) -> bool:
    """Return whether a ``CheckpointLoadStatus`` has values for objects yet to come."""
    coordinator = status._checkpoint
    known = coordinator.object_by_proto_id
    nodes = enumerate(coordinator.object_graph_proto.nodes)
    return any(node.attributes and number not in known for number, node in nodes)


def save_tensors_by(
    checkpoint: Any, save: Callable[[Callable[[Any, Any], Any], Any, Any], Any]
) -> None:
    """Let a function save for a ``tf.train.Checkpoint``, whatever calls for it.

    Args:
      checkpoint: Its methods stay as they are.
      save: Is given TensorFlow's function of a prefix and options, the prefix and the
        options, and returns what that function would return.
    """

    def save_by(saver: Any, file_prefix: Any, options: Any = None) -> Any:
        def by_options(file_prefix: Any, options: Any) -> Any:
            return type(saver).save(saver, file_prefix=file_prefix, options=options)

        return save(by_options, file_prefix, options)

    # A method, which in a deep copy is one of the copied saver.
    checkpoint._saver.save = MethodType(save_by, checkpoint._saver)


def session_that_saves(
    session: Any, saver_def: Any, save: Callable[[str, Callable[[str], Any]], str]
) -> Any:
    """Return a session in which a ``Saver`` saves by a function; no session, as it is.

    Args:
      session: To run all else.
      saver_def: Of the saver.
      save: Is given the prefix, and a function that saves to a prefix, and returns what
        the saver is told to be the prefix.
    """
    from tensorflow.python.client.session import SessionInterface  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue] types are checked without it, or by stubs

    if not isinstance(session, SessionInterface):
        return session  # which the saver refuses
    filename, saving = saver_def.filename_tensor_name, saver_def.save_tensor_name

    class Session(SessionInterface):
        graph = session.graph
        sess_str = session.sess_str

        def run(self, fetches: Any, feed_dict: Any = None, **keywords: Any) -> Any:
            if not isinstance(fetches, str) or fetches != saving:
                return session.run(fetches, feed_dict, **keywords)
            return save(
                feed_dict[filename], lambda to: session.run(saving, {filename: to})
            )

        def __getattr__(self, name: str) -> Any:
            return getattr(session, name)

    return Session()
