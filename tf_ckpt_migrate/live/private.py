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
- ``Trackable._name_based_restores``: who is told of every object that is attached to
  this one later, by a call of ``eager_restore``. TensorFlow's own restoring of
  name-based checkpoints uses it; there is no public way to hear of new variables.
- ``ops.uid``: the count by which TensorFlow tells an earlier restore from a later one.
- ``CheckpointLoadStatus._checkpoint``: what TensorFlow has restored so far; its public
  assertions walk all objects again.
- ``Trackable._deferred_dependencies``: what TensorFlow has for children of an object
  that do not exist yet.
- ``Variable._initializer`` of Keras 3: the value of a variable that a symbolic build
  has declared and that is made when that is over.
- ``Checkpoint._saver.save``: what every way to save comes to, within the thread of an
  asynchronous one too; the public methods also number, and write state files.
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

from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = [
    "Saved",
    "SavedTensor",
    "call_when_attached",
    "give_when_declared",
    "is_waiting",
    "root_and_children",
    "save_tensors_by",
    "saveables_of",
    "saved_by",
    "session_that_saves",
    "set_initial_value",
    "slice_of",
    "stored_variables",
    "var_list_of",
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
    """

    tensors: list[SavedTensor]
    graph: bytes
    objects: list[Any]
    path_of: Callable[[Any], str]


def saved_by(checkpoint: Any) -> Saved:
    """Return what a ``tf.train.Checkpoint`` would write.

    Args:
      checkpoint: Of TensorFlow 2, or ``tf.compat.v1.train.Checkpoint``.
    """
    from tensorflow.python.checkpoint import save_util  # pyright: ignore[reportMissingImports] types are checked without it

    view = checkpoint._saver._graph_view
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
    )


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


def root_and_children(checkpoint: Any) -> tuple[Any, dict[str, Any]]:
    """Return the root of a ``tf.train.Checkpoint``, and its children by name."""
    view = checkpoint._saver._graph_view
    return view.root, view.children(view.root)


def call_when_attached(owner: Any, attached: Callable[[Any], None]) -> None:
    """Let a function be called with every object that is attached to another one.

    It may also be called with one that is attached to a child of the owner, unless the
    child has been given a function later.
    """
    from tensorflow.python.framework import ops  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue] types are checked without it, or by stubs

    owner._maybe_initialize_trackable()
    owner._name_based_restores.add(_Coordinator(ops.uid(), attached))


class _Coordinator:
    """What TensorFlow calls in place of a restore of its own.

    Of several that an object has, it calls the newest with a new child.
    """

    def __init__(self, restore_uid: int, attached: Callable[[Any], None]) -> None:
        self.restore_uid = restore_uid
        self.eager_restore = attached


def set_initial_value(variable: Any, value: Callable[[], Any]) -> bool:
    """Give a declared variable of Keras 3 its value; return whether it is one."""
    if getattr(variable, "_value", variable) is not None:
        return False
    variable._initializer = lambda shape, dtype=None: value()
    return True


def give_when_declared(owner: Any, value_of: Callable[[str], Any]) -> None:
    """Let what waits for children of an object suit declared variables too.

    Args:
      owner: The object, for whose children TensorFlow has values to restore.
      value_of: Returns the value of a key of the checkpoint.
    """
    for positions in owner._deferred_dependencies.values():
        positions[:] = [
            each if isinstance(each, _Position) else _Position(each, value_of)
            for each in positions
        ]


class _Position:
    """TensorFlow's ``CheckpointPosition``, but for declared variables."""

    def __init__(self, position: Any, value_of: Callable[[str], Any]) -> None:
        self._position = position
        self._value_of = value_of

    def __getattr__(self, name: str) -> Any:
        return getattr(self._position, name)

    def restore(self, trackable: Any, reader: Any = None) -> None:
        keys = [each.checkpoint_key for each in self.object_proto.attributes]
        if len(keys) != 1 or not set_initial_value(
            trackable, lambda: self._value_of(keys[0])
        ):
            self._position.restore(trackable, reader)
            return
        self._position.bind_object(trackable)
        trackable._update_uid = self.checkpoint.restore_uid


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
    saver = checkpoint._saver
    original = saver.save

    def by_options(file_prefix: Any, options: Any) -> Any:
        return original(file_prefix=file_prefix, options=options)

    def save_by(file_prefix: Any, options: Any = None) -> Any:
        return save(by_options, file_prefix, options)

    saver.save = save_by


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
