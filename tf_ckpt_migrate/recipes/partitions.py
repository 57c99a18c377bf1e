"""Partitioned variables: stored in other slices, with all that belongs to them."""

from __future__ import annotations

from collections.abc import Mapping

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.names.rules import Rename, Rule
from tf_ckpt_migrate.names.rules.recipe import recipe
from tf_ckpt_migrate.naming.slots import role_of
from tf_ckpt_migrate.recipes.scopes import start_of
from tf_ckpt_migrate.recipes.slot_variables import belongings, check_variable, place_of
from tf_ckpt_migrate.transforms import ModToDiv, Partition, Transform

__all__ = ["mod_to_div", "partition"]


@recipe("partition")
def partition(  # noqa: PLR0913 what every recipe gets, and two options
    source: str,
    target: str,
    specs: Mapping[str, TensorSpec],
    targets: Mapping[str, TensorSpec] | None,
    *,
    parts: int,
    axis: int = 0,
) -> list[Rule]:
    """Return rules that store a variable, its slots and averages in slices.

    The slices are those of ``tf.compat.v1.fixed_size_partitioner(parts, axis)``.

    Args:
      source: The variable in the checkpoint; or a scope, for all variables in it that
        have the axis; ``"/"`` is everything.
      target: What it is to be called, or the scope.
      specs: The tensors of the checkpoint.
      targets: The places to fill; None if any name will do. What belongs to a variable
        and has no place is left to other rules.
      parts: How many slices; 1 makes it whole.
      axis: The dimension that is divided, counted from 0.

    Raises:
      PlanError: If there is no such variable, or it has no such axis.
      RuleError: If one of source and target is a scope, and the other a name.
      TransformError: If a number is impossible.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> specs = dict.fromkeys(["emb", "emb/Adam"], TensorSpec(DType.float32, (9, 2)))
      >>> for rule in partition("emb", "emb", specs, None, parts=2):
      ...     print(rule)
      Rename('emb', 'emb', transform=Partition(axis=0, parts=2))
      Rename('emb/Adam', 'emb/Adam', transform=Partition(axis=0, parts=2))
    """
    variables = _variables(source, target, specs, axis)
    return _with_belongings(variables, Partition(axis, parts), specs, targets)


@recipe("mod_to_div")
def mod_to_div(
    source: str,
    target: str,
    specs: Mapping[str, TensorSpec],
    targets: Mapping[str, TensorSpec] | None,
    *,
    parts: int,
) -> list[Rule]:
    """Return rules for an embedding that TF1 looked up with ``"mod"``.

    They put its rows, and those of its slots and averages, in the order of the ids,
    which is that of a whole variable and of layers of Keras.

    Args:
      source: The variable in the checkpoint; or a scope, for all variables in it that
        have rows.
      target: What it is to be called, or the scope.
      specs: The tensors of the checkpoint.
      targets: The places to fill; None if any name will do. What belongs to a variable
        and has no place is left to other rules.
      parts: How many parts ``tf.nn.embedding_lookup`` was given.

    Raises:
      PlanError: If there is no such variable, or it has no rows.
      RuleError: If one of source and target is a scope, and the other a name.
      TransformError: If a number is impossible.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> specs = dict.fromkeys(["emb", "emb/Adam"], TensorSpec(DType.float32, (9, 2)))
      >>> for rule in mod_to_div("emb", "words", specs, None, parts=2):
      ...     print(rule)
      Rename('emb', 'words', transform=ModToDiv(parts=2))
      Rename('emb/Adam', 'words/Adam', transform=ModToDiv(parts=2))
    """
    variables = _variables(source, target, specs, 0)
    return _with_belongings(variables, ModToDiv(parts), specs, targets)


def _with_belongings(
    variables: Mapping[str, str],
    how: Transform,
    specs: Mapping[str, TensorSpec],
    targets: Mapping[str, TensorSpec] | None,
) -> list[Rule]:
    """Return rules that change variables, and whatever of theirs has their shape."""
    rules: list[Rule] = []
    own = belongings(specs)
    for variable, place in variables.items():
        rules.append(Rename(variable, place, how))
        for key, _ in own.get(variable, ()):
            to = place_of(key, variable, place)
            if targets is None or to in targets:
                is_alike = specs[key].shape == specs[variable].shape
                rules.append(Rename(key, to, how if is_alike else None))
    return rules


def _variables(
    source: str, target: str, specs: Mapping[str, TensorSpec], axis: int
) -> dict[str, str]:
    """Return what each variable in question is to be called."""
    if not source.endswith("/"):
        check_variable(source, target, specs)
        return {source: target}
    start, to = (start_of(scope) for scope in (source, target))
    found = {
        key: to + key[len(start) :]
        for key, spec in specs.items()
        if key.startswith(start)
        and len(spec.shape) > axis
        and role_of(key, specs) == "weight"
    }
    if not found:
        raise PlanError(f"no variable below {source!r} has an axis {axis}")
    return found
