"""Variables of older versions of TensorFlow under the names of today, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import PlanError, RuleError
from tf_ckpt_migrate.names.rules import Rename, Rule
from tf_ckpt_migrate.names.rules.recipe import recipe
from tf_ckpt_migrate.naming.slots import slot_of
from tf_ckpt_migrate.recipes.era_names import PACKS
from tf_ckpt_migrate.recipes.scopes import start_of

__all__ = ["layer_names"]

_USUAL = "linear,weights"


@recipe("layer_names")
def layer_names(  # noqa: PLR0913 what every recipe gets, and two options
    source: str,
    target: str,
    specs: Mapping[str, TensorSpec],
    targets: Mapping[str, TensorSpec] | None,
    *,
    packs: str = _USUAL,
    to: Literal["today", "then"] = "today",
) -> list[Rule]:
    """Return rules from names of older versions to those of today, and back.

    Slots and averages come along. What has no other name is left to the rules that
    follow, or to its name.

    Args:
      source: The scope in the checkpoint; ``"/"`` is everything.
      target: The scope to fill.
      specs: The tensors of the checkpoint.
      targets: The places to fill; of no account here.
      packs: Which changes, of `PACKS`, with commas between.
      to: ``"then"`` for the way back, to the names of one pack; of ``"slim"`` and
        another.

    Raises:
      PlanError: If the scope has no such name, or two names become one.
      RuleError: If there is no such pack, if several could be meant on the way back, or
        if a scope does not end in ``/``.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> spec = TensorSpec(DType.float32, (2,))
      >>> specs = dict.fromkeys(["net/fc/weights", "net/fc/weights/Adam"], spec)
      >>> for rule in layer_names("net/", "/", specs, None):
      ...     print(rule)
      Rename('net/fc/weights', 'fc/kernel')
      Rename('net/fc/weights/Adam', 'fc/kernel/Adam')
    """
    del targets
    changes = _changes(packs, to)
    start, goal = (start_of(scope) for scope in (source, target))
    rules: list[Rule] = []
    for key in specs:
        if not key.startswith(start):
            continue
        name = _renamed(key, specs, changes)
        if name == key:
            continue
        if name in specs:
            raise PlanError(f"{key!r} would be called {name!r}, which is there already")
        # Counted, as the scope itself may have another name today.
        rest = name.split("/")[start.count("/") :]
        rules.append(Rename(key, goal + "/".join(rest)))
    if not rules:
        example = "weights" if to == "today" else "kernel"
        raise PlanError(
            f"below {source!r} is no name that {packs!r} knows another one of, such as "
            f"{example!r}; rename the scope by RenameScope alone"
        )
    return rules


def _changes(packs: str, to: str) -> Sequence[Callable[[str], str]]:
    names = [name.strip() for name in packs.split(",")]
    unknown = [name for name in names if name not in PACKS]
    if unknown or to not in ("today", "then"):
        raise RuleError(
            f"packs={packs!r}, to={to!r}: the packs are {', '.join(PACKS)}, and to is "
            "'today' or 'then'"
        )
    if to == "then" and {"linear", "weights"} <= {*names}:
        raise RuleError(
            f"packs={packs!r}: on the way back a kernel is called 'Linear/Matrix' by "
            "the pack 'linear' and 'weights' by the other; say which"
        )
    chosen = [pack for name, pack in PACKS.items() if name in names]
    if to == "then":
        return [pack.then for pack in reversed(chosen)]
    return [pack.today for pack in chosen]


def _renamed(
    key: str,
    specs: Mapping[str, TensorSpec],
    changes: Sequence[Callable[[str], str]],
) -> str:
    """Return the new name of a variable, or of its slot by that of its variable."""
    slot = slot_of(key, specs)
    variable = key if slot is None or slot.variable is None else slot.variable
    name = variable
    for change in changes:
        name = change(name)
    before, _, after = key.rpartition(variable)
    return before + name + after
