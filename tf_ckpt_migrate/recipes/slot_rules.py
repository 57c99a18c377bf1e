"""Slots of optimizers by their names, where no live optimizer says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.findings import Advice, Message
from tf_ckpt_migrate.names.rules import Drop
from tf_ckpt_migrate.names.rules.recipe import Ruled, recipe
from tf_ckpt_migrate.naming.slots import slot_of
from tf_ckpt_migrate.recipes.following import Unfollowable, slot_transform
from tf_ckpt_migrate.recipes.ways import Ways, following, sources_of

__all__ = ["slots"]

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
