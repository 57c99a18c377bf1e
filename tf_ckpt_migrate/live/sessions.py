"""Assigning in a graph: by its session, through the initializers it has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tf_ckpt_migrate.errors import GraphModeError, TargetError
from tf_ckpt_migrate.live.framework import is_eager, tensorflow
from tf_ckpt_migrate.live.parts import Parts

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["check_loadable", "load", "session_to_use", "values_in"]

_BATCH = 100  # variables
_BATCH_BYTES = 64 << 20
_ASSIGNMENTS = ("Assign", "AssignVariableOp")


def session_to_use(session: Any = None, caller: str = "restore()") -> Any:
    """Return the session that has the variables; None in eager mode.

    Args:
      session: The one that the caller gave, if any.
      caller: What needs it, for messages.

    Raises:
      GraphModeError: If there is none in a graph, or it is closed, or a function is
        being traced.

    Example:
      >>> session_to_use() is None
      True
    """
    if is_eager():
        if session is not None:
            raise GraphModeError(
                f"session={session!r} is given, but variables are eager here; call "
                "this where the graph is the default one (graph.as_default())"
            )
        return None
    tf = tensorflow()
    if tf.compat.v1.get_default_graph().building_function:
        raise GraphModeError(
            f"{caller} needs variables at once, but a tf.function is being traced "
            "here; call it before, or outside of the function"
        )
    session = session or tf.compat.v1.get_default_session()
    if session is None:
        raise GraphModeError(
            f"{caller} in a graph needs the session that has the variables: pass "
            "session=…, or call it within `with session.as_default():`; for values "
            "that initializers bring, use tcm.init_from_checkpoint"
        )
    try:
        session.run([])
    except RuntimeError as error:
        raise GraphModeError(f"the session cannot be used: {error}") from error
    return session


def check_loadable(variables: Iterable[Any], session: Any) -> None:
    """Check that a session can assign to variables.

    Raises:
      TargetError: If one is of another graph, or nothing assigns its initial value.
    """
    for variable in _single(variables):
        if variable.graph is not session.graph:
            raise TargetError(
                f"variable {variable.name!r} is not of the session's graph"
            )
        for each in _components(variable):
            if getattr(each.initializer, "type", None) not in _ASSIGNMENTS:
                raise TargetError(
                    f"variable {variable.name!r}: nothing in the graph assigns to it "
                    "that could be fed; restore it by tcm.Checkpoint or tcm.Saver"
                )


def values_in(session: Any, variables: Mapping[str, Any]) -> dict[str, Array]:
    """Return the values that variables have in a session, by the same keys.

    Args:
      session: The session; nothing is added to its graph.
      variables: The variables, which may consist of parts.
    """
    import numpy as np

    parts = {
        name: [_components(part)[0] for part in _single([variable])]
        for name, variable in variables.items()
    }
    found = session.run(parts)
    values: dict[str, Array] = {}
    for name, variable in variables.items():
        values[name] = np.asarray(found[name][0])
        if isinstance(variable, Parts):
            values[name] = np.empty(variable.shape, found[name][0].dtype)
            boxes = (box for _, box in variable.boxes())
            for box, value in zip(boxes, found[name], strict=True):
                values[name][box] = value
    return values


def load(values: Iterable[tuple[Any, Array]], session: Any) -> None:
    """Assign by running initializers, whose values are fed: the graph stays as it is.

    Args:
      values: Variables, each with its value.
      session: The session that has them.
    """
    feeds: dict[Any, Array] = {}
    targets: list[Any] = []
    size = 0
    for variable, value in _pieces(values):
        for each in _components(variable):
            operation = each.initializer
            feed = operation.inputs[1]
            # Two variables may begin as one tensor, which can be fed once only.
            key = feed.ref()
            if key in feeds or len(feeds) >= _BATCH or size > _BATCH_BYTES:
                _run(session, targets, feeds)
                feeds, targets, size = {}, [], 0
            feeds[key] = value
            targets.append(operation)
            size += value.nbytes
    _run(session, targets, feeds)


def _run(session: Any, targets: list[Any], feeds: dict[Any, Array]) -> None:
    if targets:
        session.run(targets, {key.deref(): value for key, value in feeds.items()})


def _components(variable: Any) -> list[Any]:
    """Return the variables that a distributed one consists of."""
    copies = getattr(variable, "values", None)
    return list(copies) if isinstance(copies, tuple) else [variable]


def _single(variables: Iterable[Any]) -> Iterator[Any]:
    for variable in variables:
        yield from variable.parts if isinstance(variable, Parts) else [variable]


def _pieces(values: Iterable[tuple[Any, Array]]) -> Iterator[tuple[Any, Array]]:
    for variable, value in values:
        if isinstance(variable, Parts):
            yield from variable.pieces(value)
        else:
            yield variable, value
