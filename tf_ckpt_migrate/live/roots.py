"""What may be given as a target, and the ``tf.train.Checkpoint`` that stands for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from tf_ckpt_migrate.conversion.layout import GUIDE_ROOT, guide_key
from tf_ckpt_migrate.errors import TargetError, capped
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.variables import is_variable, name_of

__all__ = ["Root", "root_of"]


class Root(NamedTuple):
    """A target, ready to be walked.

    Attributes:
      checkpoint: A ``tf.train.Checkpoint`` of it, with its counter of saves.
      description: What to call it in messages.
      names: Of variables that were given in a dict or list, by their keys.
    """

    checkpoint: Any
    description: str
    names: Mapping[str, str]


def root_of(target: object, *, counted: bool = True) -> Root:
    """Return the checkpoint object that stands for a target.

    Args:
      target: A ``tf.train.Checkpoint``; anything that one can save (a module, a layer,
        a model, an optimizer); a variable; a list of variables, which go by their
        names; a dict of variables by the names that they are to go by. Such variables
        have the layout of TensorFlow's migration guide, ``Checkpoint(vars={...})``.
      counted: Whether it shall have the counter of saves, as a saved one has.

    Raises:
      TargetError: If it is none of these, empty, or two variables have one name.

    Example:
      >>> import tensorflow as tf
      >>> root_of(tf.Module(name="net")).description
      "Module 'net'"
    """
    tf = tensorflow()
    given: Mapping[Any, Any] = {}
    description = _described(target)
    if isinstance(target, tf.train.Checkpoint | tf.compat.v1.train.Checkpoint):
        checkpoint: Any = target
    elif is_variable(target) or isinstance(target, Mapping | list | tuple):
        given, description = _by_name(target)
        checkpoint = tf.train.Checkpoint(**{GUIDE_ROOT: given})
    else:
        checkpoint = _of_object(target)
    if counted and tf.executing_eagerly():  # to a graph, it would add a variable
        _ = checkpoint.save_counter  # `save` writes it and `restore` asks for it
    return Root(checkpoint, description, {guide_key(name): name for name in given})


def _by_name(target: Any) -> tuple[dict[str, Any], str]:
    """Return variables by the names that they are to go by, and what to call them."""
    if is_variable(target):
        return {name_of(target): target}, f"variable {name_of(target)!r}"
    if not isinstance(target, Mapping):
        return _of_list(target), _counted("list", target)
    _check_variables(target)
    return dict(target), _counted("dict", target)


def _of_object(target: object) -> Any:
    if target is None:  # which TensorFlow takes for an object without variables
        raise _no_target(target)
    try:
        return tensorflow().train.Checkpoint(target)
    except ValueError:
        raise _no_target(target) from None


def _no_target(target: object) -> TargetError:
    return TargetError(
        f"{target!r}, a {type(target).__name__}, is nothing that TensorFlow could "
        "save or restore; give a Keras model, layer or optimizer, a tf.Module, a "
        "tf.train.Checkpoint, or variables in a list or in a dict by name"
    )


def _of_list(variables: Any) -> dict[str, Any]:
    _check_variables(dict(enumerate(variables)))
    names = Counter(map(name_of, variables))
    twice = [f"{name!r} ({n} times)" for name, n in names.items() if n > 1]
    if twice:
        raise TargetError(
            "several variables of the list have one name: "
            f"{', '.join(capped(twice))}. Eager variables may; give a dict with a name "
            "for each, or the object that owns them"
        )
    return {name_of(variable): variable for variable in variables}


def _check_variables(variables: Mapping[Any, Any]) -> None:
    if not variables:
        raise TargetError("the target is empty: there is nothing to restore into")
    for place, variable in variables.items():
        if not is_variable(variable):
            raise TargetError(
                f"the target's item {place!r} is {variable!r}, no variable; lists and "
                "dicts of other objects are restored as tf.train.Checkpoint(name=…), "
                "with a name for each"
            )


def _described(target: object) -> str:
    name = getattr(target, "name", None)
    kind = type(target).__name__
    return f"{kind} {name!r}" if isinstance(name, str) else f"a {kind}"


def _counted(kind: str, variables: Any) -> str:
    count = len(variables)
    return f"a {kind} of {count:,} variable{'' if count == 1 else 's'}"
