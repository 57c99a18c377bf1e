"""Under which names a ``tf.compat.v1.train.Saver`` saves which variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tf_ckpt_migrate.conversion.layout import name_of_key
from tf_ckpt_migrate.errors import PlanError, RuleError, capped
from tf_ckpt_migrate.findings import as_findings
from tf_ckpt_migrate.live.initialize import saved_name
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.live.variables import is_variable, within
from tf_ckpt_migrate.naming.keys import SAVE_COUNTER_KEY

__all__ = ["name_in_saver", "names_of_target"]


def name_in_saver(variable: Any, var_list: Any) -> str:
    """Return the name under which a saver saves a variable.

    Args:
      variable: The variable.
      var_list: Of the saver: variables in a list or by name; None for all.

    Raises:
      RuleError: If it is none of the saver's.

    Example:
      >>> import tensorflow as tf
      >>> w = tf.Variable(1.0, name="w")
      >>> name_in_saver(w, [w]), name_in_saver(w, {"net/w": w})
      ('w', 'net/w')
    """
    variable = within(variable)
    if isinstance(var_list, Mapping):
        for name, each in var_list.items():
            if _is_of(variable, each):
                return name
    elif var_list is None or any(_is_of(variable, each) for each in var_list):
        return saved_name(variable)
    raise RuleError(
        f"the map names {variable!r}, which is none of the saver's variables"
    )


def names_of_target(live: LiveTarget, var_list: Any) -> dict[str, str]:
    """Return the names of a saver by the keys of its target.

    Args:
      live: The target.
      var_list: Of the saver, as of `name_in_saver`.

    Raises:
      PlanError: If the target has a variable that this saver does not save.

    Example:
      >>> import tensorflow as tf
      >>> w = tf.Variable(1.0, name="w")
      >>> names_of_target(LiveTarget([w], counted=False), {"net/w": w})
      {'vars/w/.ATTRIBUTES/VARIABLE_VALUE': 'net/w'}
    """
    names: dict[str, str] = {}
    problems: list[str] = []
    for key, variable in live.variables.items():
        if key == SAVE_COUNTER_KEY:
            continue
        try:
            names[key] = name_in_saver(variable, var_list)
        except RuleError:
            problems.append(f"{name_of_key(key)!r} {live.specs[key]}")
    if problems:
        raise PlanError(
            f"{live.prefix}, the saver's target, has variables that the saver does "
            "not save; nothing was saved:\n  " + "\n  ".join(capped(problems)),
            as_findings("name", problems),
        )
    return names


def _is_of(variable: Any, given: Any) -> bool:
    """Return whether a variable is what was given, or a part of it."""
    parts = [given] if is_variable(given) else given
    return given is variable or any(part is variable for part in parts)
