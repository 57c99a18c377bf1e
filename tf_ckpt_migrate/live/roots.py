"""What may be given as a target, and what a walk of its objects finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

from tf_ckpt_migrate.conversion.layout import GUIDE_ROOT
from tf_ckpt_migrate.errors import TargetError, TensorFlowNotFoundError, capped
from tf_ckpt_migrate.live.framework import (
    is_eager,
    is_keras_variable,
    keras_without_tensorflow,
    tensorflow,
)
from tf_ckpt_migrate.live.parts import Parts, parts_of, united
from tf_ckpt_migrate.live.private import Saved, saved_by
from tf_ckpt_migrate.live.variables import is_variable, name_of
from tf_ckpt_migrate.names.assignment_map import is_like_rules

__all__ = ["Root", "root_of"]


class Root(NamedTuple):
    """A target and its objects.

    Attributes:
      saved: What saving it would write, with its counter of saves; None for mere
        variables, which need no walk.
      description: What to call it in messages.
      variables: Those that were given in a dict or list, by name.
    """

    saved: Saved | None
    description: str
    variables: Mapping[str, Any]


def root_of(target: object, *, counted: bool = True) -> Root:
    """Return a target with what a walk of its objects finds.

    Args:
      target: A ``tf.train.Checkpoint``; anything that one can save (a module, a layer,
        a model, an optimizer); a variable; a list of variables, which go by their
        names; a dict of variables by the names that they are to go by. Such variables
        have the layout of TensorFlow's migration guide, ``Checkpoint(vars={...})``.
        The parts of a partitioned one, or what ``get_variable`` makes of them, are one.
        A dict of Keras objects by name is the same as ``tf.train.Checkpoint(name=…)``.
      counted: Whether it shall have the counter of saves, as a saved one has.

    Raises:
      TargetError: If it is none of these, empty, or two variables have one name.
      TensorFlowNotFoundError: If only TensorFlow could know it, and is not installed.

    Example:
      >>> import tensorflow as tf
      >>> root_of(tf.Module(name="net")).description
      "Module 'net'"
    """
    if is_like_rules(target):
        raise TargetError(
            f"the target is an assignment map ({target!r}); pass the objects to fill "
            "first and the map after them, as in restore(path, target, assignment_map)"
        )
    variables: Mapping[str, Any] = {}
    description = _described(target)
    if keras := keras_without_tensorflow():
        # Found by its name: that floor is above this one.
        objects = import_module("tf_ckpt_migrate.keras.objects")
        if objects.is_of_keras(target, keras):
            return Root(objects.saved_by_keras(target, keras), description, variables)
    if isinstance(target, Mapping | list | tuple) or _is_single(target):
        variables, description = _by_name(target)
        if _are_mere(variables):
            return Root(None, description, variables)
        target = tensorflow().train.Checkpoint(**{GUIDE_ROOT: variables})
    checkpoint = _as_checkpoint(target)
    if counted and is_eager():  # to a graph, the counter adds a variable
        _ = checkpoint.save_counter  # `save` writes it and `restore` asks for it
    return Root(saved_by(checkpoint), description, variables)


def _are_mere(variables: Mapping[str, Any]) -> bool:
    """Return whether a walk would find nothing but these variables, each once."""
    if all(map(is_keras_variable, variables.values())) and keras_without_tensorflow():
        return True
    tf = tensorflow()
    kinds = all(isinstance(each, tf.Variable | Parts) for each in variables.values())
    once = len({id(each) for each in variables.values()}) == len(variables)
    some = any(isinstance(each, Parts) for each in variables.values())
    return some or (kinds and once)


def _is_single(target: object) -> bool:
    return is_variable(target) or bool(parts_of(target))


def _by_name(target: Any) -> tuple[dict[str, Any], str]:
    """Return variables by the names that they are to go by, and what to call them."""
    if _is_single(target):
        (variable,) = united([target])
        return {name_of(variable): variable}, f"variable {name_of(variable)!r}"
    if not isinstance(target, Mapping):
        return _of_list(target), _counted("list", target)
    whole = {name: united([each])[0] for name, each in target.items()}
    _check_variables(whole)
    return whole, _counted("dict", target)


def _as_checkpoint(target: object) -> Any:
    """Return the ``tf.train.Checkpoint`` that an object is, or that saves it."""
    try:
        tf = tensorflow()
    except TensorFlowNotFoundError as error:
        kind = f"{type(target).__module__}.{type(target).__qualname__}"
        raise TensorFlowNotFoundError(
            f"{kind} is not a Keras 3 model, layer, optimizer, metric or variable, nor "
            f"a dict of these by name, so it needs TensorFlow: {error}. To fill an "
            "object of another library, assign the NumPy arrays that "
            'tcm.load_checkpoint(path)["name"] returns'
        ) from None
    if isinstance(target, tf.train.Checkpoint | tf.compat.v1.train.Checkpoint):
        return target
    if target is None:  # which TensorFlow takes for an object without variables
        raise _no_target(target)
    try:
        return tf.train.Checkpoint(target)
    except ValueError:
        raise _no_target(target) from None


def _no_target(target: object) -> TargetError:
    return TargetError(
        f"{target!r}, a {type(target).__name__}, is nothing that TensorFlow could "
        "save or restore; give a Keras model, layer or optimizer, a tf.Module, a "
        "tf.train.Checkpoint, or variables in a list or in a dict by name"
    )


def _of_list(variables: Any) -> dict[str, Any]:
    variables = united(variables)
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
            objects = "as tf.train.Checkpoint(name=object, …)"
            if keras_without_tensorflow():
                objects = 'of Keras as a dict by name, {"name": object}'
            raise TargetError(
                f"the target's item {place!r} is {variable!r}, not a variable; give "
                f"several objects {objects}"
            )


def _described(target: object) -> str:
    name = getattr(target, "name", None)
    kind = type(target).__name__
    return f"{kind} {name!r}" if isinstance(name, str) else f"a {kind}"


def _counted(kind: str, variables: Any) -> str:
    count = len(variables)
    return f"a {kind} of {count:,} variable{'' if count == 1 else 's'}"
