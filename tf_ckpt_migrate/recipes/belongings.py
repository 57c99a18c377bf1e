"""What belongs to a variable: slots of optimizers, and averages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import PlanError, RuleError, nearest
from tf_ckpt_migrate.naming.keys import parse_object_key
from tf_ckpt_migrate.naming.slots import Slot, slot_of

__all__ = ["belongings", "check_variable", "place_of"]


_NO_NAMES: Mapping[str, str] = MappingProxyType({})


def belongings(
    specs: Mapping[str, TensorSpec], own_names: Mapping[str, str] = _NO_NAMES
) -> dict[str, list[tuple[str, Slot]]]:
    """Return the slots and averages of each variable: the keys, and what they are.

    Args:
      specs: All tensors of the checkpoint.
      own_names: Of optimizers that were given a name, the default name of their kind.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> names = ["emb", "emb/Adagrad", "emb/ExponentialMovingAverage", "w"]
      >>> specs = dict.fromkeys(names, TensorSpec(DType.float32, (2,)))
      >>> [(key, slot.name) for key, slot in belongings(specs)["emb"]]
      [('emb/Adagrad', 'accumulator'), ('emb/ExponentialMovingAverage', 'average')]
    """
    found: dict[str, list[tuple[str, Slot]]] = {}
    for key in specs:
        slot = slot_of(key, specs, own_names)
        if slot is not None and slot.variable is not None:
            found.setdefault(slot.variable, []).append((key, slot))
    return found


def place_of(key: str, variable: str, place: str) -> str:
    """Return what something of a variable is called when this gets another name.

    Example:
      >>> place_of("train/emb/Adam_1", "emb", "table")
      'train/table/Adam_1'
      >>> place_of("a/Adagrad", "a", "table")
      'table/Adagrad'
      >>> end = "/.ATTRIBUTES/VARIABLE_VALUE"
      >>> place_of(f"emb/.OPTIMIZER_SLOT/opt/m{end}", f"emb{end}", f"table{end}")
      'table/.OPTIMIZER_SLOT/opt/m/.ATTRIBUTES/VARIABLE_VALUE'
    """
    own, of, to = map(parse_object_key, (key, variable, place))
    if own is None or of is None:
        return _renamed(key, variable, place)
    if to is None:  # from an object to a name
        slot = own.slot
        return f"{place}/{'/'.join((*slot.optimizer, slot.name))}" if slot else place
    if own.slot:
        return str(own._replace(path=to.path))
    # A name of TF1 that is one component of the path.
    last = _renamed(own.path[-1], of.path[-1], to.path[-1])
    return str(own._replace(path=(*to.path[:-1], last)))


def _renamed(name: str, variable: str, place: str) -> str:
    """Put a place where a variable's whole components are; the last time they are."""
    return re.sub(
        rf"(?s)(.*/|^){re.escape(variable)}(?=/|_slot_)",
        lambda found: found[1] + place,
        name,
        count=1,
    )


def check_variable(source: str, target: str, specs: Mapping[str, TensorSpec]) -> None:
    """Check that a recipe is given a variable, and the name that it gets.

    Raises:
      RuleError: If the target is a scope.
      PlanError: If there is no such variable.
    """
    if target.endswith("/"):
        raise RuleError(f"{source!r} is a variable, and {target!r} a scope; name both")
    if source not in specs:
        near = ", ".join(map(repr, nearest(source, specs)))
        hint = f"; nearest are {near}" if near else ""
        raise PlanError(f"there is no variable {source!r} in the checkpoint{hint}")
