"""A live target as what a plan is to fill: its variables by name, or by key.

A name-based source meets them by name, so that a message about it speaks of variable
names on both sides; an object-based one meets them by key. Either may be used in rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from tf_ckpt_migrate.conversion.layout import (
    Layout,
    layout_of,
    public_names,
)
from tf_ckpt_migrate.conversion.planning import Goal
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.naming.catalog import RelabelledCatalog, catalog_of
from tf_ckpt_migrate.naming.keys import SAVE_COUNTER_KEY

__all__ = ["goal_by_keys", "goal_by_names", "names_of"]


def goal_by_keys(target: LiveTarget) -> Goal:
    """Return the target's variables by their object-based keys.

    Example:
      >>> import tensorflow as tf
      >>> goal = goal_by_keys(LiveTarget({"w": tf.Variable(1.0)}))
      >>> list(goal.layout.specs)
      ['vars/w/.ATTRIBUTES/VARIABLE_VALUE']
    """
    whole = layout_of(target).tensors
    specs = {key: each for key, each in whole.items() if key in target.variables}
    # What is no variable (tables, iterators) is not ours to assign. The counter of
    # saves is TensorFlow's own, made when it is first asked for.
    own = {SAVE_COUNTER_KEY, *specs}
    aside = {key: each for key, each in target.specs.items() if key not in own}
    layout = Layout(specs, aside)
    return Goal(target.prefix, layout, catalog_of(target), closed=True)


def goal_by_names(target: LiveTarget) -> Goal:
    """Return the target's variables by their names; keys and paths are other names.

    Example:
      >>> import tensorflow as tf
      >>> list(goal_by_names(LiveTarget({"w": tf.Variable(1.0)})).layout.specs)
      ['w']
    """
    goal = goal_by_keys(target)
    names = names_of(target)
    specs = {names[key]: spec for key, spec in goal.layout.specs.items()}
    layout = Layout(specs, goal.layout.bookkeeping)
    catalog = RelabelledCatalog(goal.catalog, names, has_graph=not target.given_names)
    return Goal(goal.prefix, layout, catalog, closed=True)


def names_of(target: LiveTarget) -> Mapping[str, str]:
    """Return one name for each variable's key, no two alike.

    That is the name given in a dict, else the variable's own; where several have the
    same (``Variable``), the path of the object.

    Example:
      >>> import tensorflow as tf
      >>> module = tf.Module()
      >>> module.a, module.b = tf.Variable(1.0), tf.Variable(2.0)
      >>> names_of(LiveTarget(module))["a/.ATTRIBUTES/VARIABLE_VALUE"]
      'a'
    """
    own = {**target.object_graph.full_names(), **target.given_names}
    paths = public_names(target.variables)
    first = {key: own.get(key) or paths[key] for key in target.variables}
    count = Counter(first.values())
    names = {key: name for key, name in first.items() if count[name] == 1}
    taken = set(names.values())
    for key in first:
        if key not in names:
            path = paths[key]
            names[key] = key if path in taken else path
    return {key: names[key] for key in first}
