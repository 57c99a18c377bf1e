"""Slot variables follow their variables: which belong together, and how they change."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import PlanError, RuleError, nearest
from tf_ckpt_migrate.findings import Advice, Message
from tf_ckpt_migrate.names.rules import Drop
from tf_ckpt_migrate.names.rules.recipe import Ruled, recipe
from tf_ckpt_migrate.naming.keys import parse_object_key
from tf_ckpt_migrate.naming.slots import Slot, slot_of
from tf_ckpt_migrate.recipes.ways import Ways, following, sources_of
from tf_ckpt_migrate.transforms import (
    AddToBlock,
    Blocks,
    Cast,
    Chain,
    Concat,
    GruBiases,
    Join,
    Partition,
    Reshape,
    Slice,
    Stack,
    Transform,
    Transpose,
    Vocabulary,
)

__all__ = [
    "Unfollowable",
    "belongings",
    "check_variable",
    "place_of",
    "slot_transform",
    "slots",
]


_MOVES = Blocks | Cast | Concat | Partition | Reshape | Slice | Stack | Transpose


class Unfollowable(ValueError):  # noqa: N818 what is raised is a PlanError made of it
    """A change of a variable of which none follows for its slots."""


def slot_transform(transform: Transform | None, start: float = 0.0) -> Transform | None:
    """Return what is done to the slots of a variable to which ``transform`` is done.

    Where values only move, those of the slots move likewise. A number added to the
    variable, as the bias of a forget gate, changes no gradient and so no slot. What is
    new in a vocabulary has not been trained.

    Args:
      transform: What is done to the variable; None for nothing.
      start: What the slot holds before it is trained.

    Raises:
      Unfollowable: If nothing follows, as of a function, or where a variable gets
        elements that were not there to be trained.

    Example:
      >>> print(slot_transform(AddToBlock(4, 1, 1.0)))
      None
      >>> slot_transform(Transpose((1, 0)))
      Transpose(perm=(1, 0))
    """
    if transform is None or isinstance(transform, AddToBlock):
        return None
    if isinstance(transform, Chain):
        steps = [slot_transform(step, start) for step in transform.transforms]
        kept = tuple(step for step in steps if step is not None)
        return Chain(kept) if len(kept) > 1 else next(iter(kept), None)
    if isinstance(transform, Join):
        parts = (slot_transform(part, start) for part in transform.parts)
        return replace(transform, parts=tuple(parts))
    if isinstance(transform, Vocabulary):
        return replace(transform, initializer="constant", scale=start)
    if isinstance(transform, _MOVES):
        return transform
    if isinstance(transform, GruBiases):
        raise Unfollowable(
            "Keras trains two biases of each gate where TF1 has one, so that every "
            "step would change their sum twice"
        )
    raise Unfollowable(f"{transform!r} does more than move values")


_Specs = Mapping[str, TensorSpec]


@recipe("slots", last=True)
def slots(
    source: str, target: str, specs: _Specs, targets: _Specs | None, ruled: Ruled
) -> list[Any]:
    """Return all rules, and those by which slots go where their variables go.

    A slot keeps what TF1 puts behind, or before, the name of its variable: where
    ``net/w`` becomes ``model/w``, ``net/w/Adam`` becomes ``model/w/Adam``; and it is
    cut, reordered and joined as the variable is. So it is for checkpoints by name and
    for optimizers of TF1; for those of Keras there is the recipe ``"optimizer"``.

    Args:
      source: The scope of the variables in the checkpoint; ``"/"`` is everything.
      target: The scope to which variables go that no other rule is for.
      specs: The tensors of the checkpoint.
      targets: The places to fill; None if any name will do. A slot that has none is
        left to other rules.
      ruled: The other rules.

    Raises:
      PlanError: If there are no slots, or nothing follows for one.
      RuleError: If a scope does not end in ``/``.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> from tf_ckpt_migrate.names.rules import Rename
      >>> specs = dict.fromkeys(["w", "w/Adam"], TensorSpec(DType.float32, (2,)))
      >>> ruled = Ruled([], [Rename("w", "kernel")])
      >>> slots("/", "/", specs, None, ruled)
      [Rename('w/Adam', 'kernel/Adam'), Rename('w', 'kernel')]
    """
    ways = Ways(ruled, specs, targets, source, target)
    others = [*ruled.before, *ruled.after]
    # Recipes that know more of slots, as of new rows of a vocabulary, come first.
    made = {
        key for rule in others if id(rule) in ruled.made for key in sources_of(rule)
    }
    groups = _groups(specs, ways)
    if not groups:
        raise PlanError(
            f"no variable below {source!r} has a slot of an optimizer, such as "
            "'w/Adam' of 'w'"
        )
    rules: list[Any] = []
    for (before, after), found in groups.items():
        group = {variable: key for variable, key in found.items() if key not in made}

        def place(name: str, before: str = before, after: str = after) -> str | None:
            key = before + name + after
            return key if targets is None or key in targets else None

        try:
            rules += following(ways, group, place, slot_transform)
        except Unfollowable as error:
            raise PlanError(
                Message(
                    "what follows for the slots "
                    f"{', '.join(map(repr, group.values()))} is not known, as {error}; "
                    "leave them behind by ",
                    Advice(Drop(role="slot")),
                )
            ) from None
    return ways.without_idle(rules, others)


def _groups(specs: _Specs, ways: Ways) -> dict[tuple[str, str], dict[str, str]]:
    """Return slots by variable, by what is before and behind its name."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for key in specs:
        slot = slot_of(key, specs)
        variable = slot.variable if slot and slot.name != "average" else None
        if variable is not None and variable in key and ways.holds(variable):
            before, _, after = key.rpartition(variable)
            found.setdefault((before, after), {})[variable] = key
    return found


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
