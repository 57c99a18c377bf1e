"""Which variable each slot variable of an object graph belongs to.

========  ===========================  ==============================================
Keras     where a slot variable is     what identifies its variable
========  ===========================  ==============================================
legacy    ``w/.OPTIMIZER_SLOT/opt/m``  the optimizer's node in the graph
Keras 3   ``opt/_variables/3``         its place in a list such as ``_momentums``,
                                       or its name, ``adam/net_dense_kernel_momentum``
tf-keras  ``opt/_variables/3``         its name, ``Adam/m/net/dense/kernel``
========  ===========================  ==============================================

The number below ``_variables`` depends on the settings of the optimizer and on the
order of the variables, so it identifies nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from tf_ckpt_migrate.naming.keys import VARIABLE_VALUE

if TYPE_CHECKING:
    from tf_ckpt_migrate.bundle.object_graph import ObjectGraph

__all__ = ["SlotOwner", "slot_owners"]

_VARIABLES = "_variables"
_TRAINED = "_trainable_variables"


class SlotOwner(NamedTuple):
    """What a slot variable belongs to.

    Attributes:
      variable: The key of its variable.
      optimizer: The number of the optimizer in the object graph.
      name: The name of the slot, such as ``m``.
    """

    variable: str
    optimizer: int
    name: str


def slot_owners(graph: ObjectGraph, names: Mapping[str, str]) -> dict[str, SlotOwner]:
    """Return the owner of every slot variable that has one, by key.

    Args:
      graph: The object graph.
      names: Of variables, by key.
    """
    keys = {
        a.node: a.checkpoint_key for a in graph.attributes if a.name == VARIABLE_VALUE
    }
    found: dict[str, SlotOwner] = {}
    for optimizer, variable, name, slot in graph.slots():
        if variable in keys and slot in keys:
            found[keys[slot]] = SlotOwner(keys[variable], optimizer, name)
    for node in range(len(graph)):
        children = graph.children(node)
        if _VARIABLES in children and "_iterations" in children:
            found.update(_of_optimizer(graph, node, keys, names))
    return found


def _of_optimizer(
    graph: ObjectGraph, node: int, keys: Mapping[int, str], names: Mapping[str, str]
) -> Iterator[tuple[str, SlotOwner]]:
    children = graph.children(node)
    own = {keys[each] for each in children.values() if each in keys}
    listed = graph.children(children[_VARIABLES]).values()
    slots = [keys[each] for each in listed if each in keys and keys[each] not in own]
    trained = graph.children(children[_TRAINED]) if _TRAINED in children else {}
    owners = {keys[each] for each in trained.values() if each in keys}
    by_place = dict(_by_place(graph, children, keys, trained))
    candidates = owners or {*keys.values()} - {*slots} - own
    named = _NamedOwners(candidates, names)
    for slot in slots:
        owner, name = named.find(names.get(slot, ""), flattened=bool(owners))
        placed = by_place.get(slot)
        if placed is not None:
            owner, name = placed[0], name if owner == placed[0] else placed[1]
        if owner is not None:
            yield slot, SlotOwner(owner, node, name)


def _by_place(
    graph: ObjectGraph,
    children: Mapping[str, int],
    keys: Mapping[int, str],
    trained: Mapping[str, int],
) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield slots by the lists in which Keras 3 has one for each trained variable."""
    for name, child in children.items():
        if name in (_VARIABLES, _TRAINED) or child in keys:
            continue
        listed = graph.children(child)
        if listed.keys() != trained.keys():
            continue
        for place, slot in listed.items():
            if slot in keys and trained.get(place) in keys:
                yield keys[slot], (keys[trained[place]], name.strip("_"))


class _NamedOwners:
    """Variables by the names under which the names of slots refer to them."""

    def __init__(self, variables: set[str], names: Mapping[str, str]) -> None:
        own = {key: names.get(key, "") for key in variables}
        count = Counter(own.values())
        self._keys = {n: key for key, n in own.items() if n and count[n] == 1}
        flat = [(name.replace("/", "_"), key) for name, key in self._keys.items()]
        count = Counter(name for name, _ in flat)
        self._flat = {name: key for name, key in flat if count[name] == 1}

    def find(self, name: str, *, flattened: bool) -> tuple[str | None, str]:
        """Return the key of the variable, or None, and the name of the slot."""
        if flattened:
            last = name.rpartition("/")[2]
            # From the longest variable on: of "a" and "a_b" the latter has "a_b_m".
            for end in sorted(_places(last, "_"), reverse=True):
                variable = last[:end].removesuffix("_0")
                if variable in self._flat:
                    return self._flat[variable], last[end + 1 :].removeprefix("0_")
            return None, ""
        start = 0
        for end in _places(name, "/"):
            if name[end + 1 :] in self._keys:
                return self._keys[name[end + 1 :]], name[start:end]
            start = end + 1
        return None, ""


def _places(text: str, part: str) -> list[int]:
    return [place for place, each in enumerate(text) if each == part]
