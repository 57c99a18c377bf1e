"""Optimizers of every Keras as an object graph has them: what they remember, by role.

===========  =====================  ==============================  =================
Keras        count of steps         a slot                          its name
===========  =====================  ==============================  =================
legacy       edge ``iter``          a slot variable of the node     of the graph
tf-keras     edge ``_iterations``   below the edge ``_variables``   ``m/net/w``, with
                                                                    ``Adam/`` before it
                                                                    if made by a step
Keras 3      the same, and          the same                        ``adam/net_w_m``
             ``_trainable_variables``
===========  =====================  ==============================  =================

Numbers below ``_variables`` depend on settings and on the order of variables; names
tell whose a slot is, else its place in a list of Keras 3. Where neither does, nobody
can, and that is an error.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tf_ckpt_migrate.bundle.object_graph import ObjectGraph
from tf_ckpt_migrate.conversion.layout import CheckpointView
from tf_ckpt_migrate.errors import PlanError, capped
from tf_ckpt_migrate.naming.keys import VARIABLE_VALUE
from tf_ckpt_migrate.recipes.optimizer_kinds import KINDS, KINDS_OF_TF1, Flavor

__all__ = ["KerasOptimizer", "embeddings_of", "keras_optimizer"]

# What is remembered besides, by options and by optimizers that continue none of TF1.
_OTHER_SLOTS = ("average", "vhat", "velocity_hat", "u", "norm")
_SLOTS = {
    name
    for kind in (*KINDS.values(), *KINDS_OF_TF1.values())
    for by_flavor in kind.slots.values()
    for name in by_flavor.values()
} | {*_OTHER_SLOTS}
_EMBEDDINGS = ("embeddings", "_embeddings")
_LISTS = ("_variables", "_trainable_variables")  # of more than one kind of slot
_INNER = "inner_optimizer"  # of what scales the loss, in Keras 3
_SCALE = "loss_scale"  # the same in Keras 2


class KerasOptimizer(NamedTuple):
    """An optimizer of Keras, found in an object graph.

    Attributes:
      path: Where it is.
      flavor: Of which Keras it is.
      iterations: The key of its count of steps.
      hyperparameters: The keys of the others that are its own, by their edges.
      slots: By the key of a variable, by what Keras calls the slot: the key.
      unknown: The keys of what it remembers of no variable.
      called: Its name, as the names of its variables have it; "" if they have none.
    """

    path: str
    flavor: Flavor
    iterations: str
    hyperparameters: Mapping[str, str]
    slots: Mapping[str, Mapping[str, str]]
    unknown: tuple[str, ...] = ()
    called: str = ""

    @property
    def keys(self) -> set[str]:
        """The keys of all that it saves."""
        slots = (key for by_name in self.slots.values() for key in by_name.values())
        return {
            self.iterations,
            *self.hyperparameters.values(),
            *slots,
            *self.unknown,
        }

    @property
    def slot_names(self) -> set[str]:
        """What it calls its slots."""
        return {name for slots in self.slots.values() for name in slots}

    def slot_keys(self, names: Mapping[str, str]) -> dict[str, dict[str, str]]:
        """Return keys of slots: by the key of a variable, by other names.

        Args:
          names: For each other name what Keras calls the slot.

        Example:
          >>> slots = {"w": {"m": "key of m", "vhat": "key of vhat"}}
          >>> adam = KerasOptimizer("opt", "legacy", "iter", {}, slots)
          >>> adam.slot_keys({"accum": "m", "update": "v"})
          {'w': {'accum': 'key of m'}}
        """
        found = {
            key: {tf1: slots[keras] for tf1, keras in names.items() if keras in slots}
            for key, slots in self.slots.items()
        }
        return {key: slots for key, slots in found.items() if slots}


def keras_optimizer(view: CheckpointView, path: str) -> KerasOptimizer:
    """Return the optimizer at a path of objects, such as ``"optimizer"``.

    Args:
      view: An object-based checkpoint, or objects seen as one.
      path: Names of edges from the root, with ``/`` between.

    Raises:
      PlanError: If there is none, or two variables have one name, so that no one can
        tell whose a slot is.
    """
    graph = view.object_graph
    node = None if graph is None else _walked(graph, path)
    if graph is None or node is None or not _is_optimizer(graph, node):
        raise _not_found(view.prefix, graph, path)
    own = _Variables(graph)
    edges = graph.children(node)
    inner = edges.get(_INNER, node)
    values = dict(own.of(inner))
    iterations = values.pop("_iterations" if "_iterations" in values else "iter")
    for outer in {node, edges.get(_SCALE, node)} - {inner}:
        values |= {f"{outer}/{name}": key for name, key in own.of(outer)}
    flavor = _flavor(graph, inner)
    if flavor == "legacy":
        slots = _legacy_slots(own, {node, inner})
        return KerasOptimizer(path, flavor, iterations, values, slots)
    slots, unknown = _named_slots(own, inner, flavor)
    called = _called(own, iterations, slots)
    return KerasOptimizer(path, flavor, iterations, values, slots, unknown, called)


def _called(
    own: _Variables, iterations: str, slots: Mapping[str, Mapping[str, str]]
) -> str:
    """Return the name of an optimizer that its variables have before theirs."""
    names = {own.keys[node]: name for node, name in own.names.items()}
    name, slash, _ = names.get(iterations, "").partition("/")  # in Keras 3
    if slash:
        return name
    for by_name in slots.values():
        for slot, key in by_name.items():
            before, found, _ = names.get(key, "").partition(f"/{slot}/")
            if found:  # in tf-keras
                return before.rpartition("/")[2]
    return ""


def embeddings_of(view: CheckpointView) -> list[str]:
    """Return the keys of the tables of embedding layers: their gradients are sparse."""
    graph = view.object_graph
    if graph is None:
        return []
    own = _Variables(graph)
    edges = (own.of(node) for node in range(len(graph)))
    return [key for each in edges for name, key in each if name in _EMBEDDINGS]


def _walked(graph: ObjectGraph, path: str) -> int | None:
    node: int | None = 0 if len(graph) else None
    for name in path.split("/"):
        node = None if node is None else graph.children(node).get(name)
    return node


def _is_optimizer(graph: ObjectGraph, node: int) -> bool:
    edges = graph.children(node)
    if _INNER in edges:
        return _is_optimizer(graph, edges[_INNER])
    return {"_variables", "_iterations"} <= edges.keys() or (
        "iter" in edges and bool({"learning_rate", "decay"} & edges.keys())
    )


def _flavor(graph: ObjectGraph, node: int) -> Flavor:
    edges = graph.children(node)
    if "_iterations" not in edges:
        return "legacy"
    return "keras_3" if "_trainable_variables" in edges else "tf_keras"


class _Variables:
    """The variables of a graph: their keys, and names, by node."""

    def __init__(self, graph: ObjectGraph) -> None:
        self.graph = graph
        values = [a for a in graph.attributes if a.name == VARIABLE_VALUE]
        self.keys = {each.node: each.checkpoint_key for each in values}
        names = graph.full_names()  # live variables of Keras 3 have their paths there
        self.names = {each.node: names.get(each.checkpoint_key, "") for each in values}

    def of(self, node: int) -> Iterator[tuple[str, str]]:
        """Yield the variables at the edges of an object: edge and key."""
        for name, child in self.graph.children(node).items():
            if child in self.keys:
                yield name, self.keys[child]


def _legacy_slots(own: _Variables, nodes: set[int]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for optimizer, variable, name, slot in own.graph.slots():
        if optimizer in nodes and variable in own.keys and slot in own.keys:
            found[own.keys[variable]][name] = own.keys[slot]
    return dict(found)


def _named_slots(
    own: _Variables, node: int, flavor: Flavor
) -> tuple[dict[str, dict[str, str]], tuple[str, ...]]:
    """Return the slots by variables, and what is of none."""
    edges = own.graph.children(node)
    listed = own.graph.children(edges["_variables"]).values()
    apart = {child for child in edges.values() if child in own.keys}
    slots = [each for each in listed if each in own.keys and each not in apart]
    owners = {*own.keys} - {*slots} - apart
    if flavor == "keras_3":
        owners = {*own.graph.children(edges["_trainable_variables"]).values()} & owners
    names = _names(own, owners, flavor)
    found: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    unknown: list[int] = []
    for slot in slots:
        variable, name = _owner(own.names[slot], names, flavor)
        if variable is None:
            unknown.append(slot)
        else:
            found[variable][name].append(slot)
    _check_told_apart(own, names, found)
    keys = {
        own.keys[names[variable][0]]: {n: own.keys[s[0]] for n, s in by_name.items()}
        for variable, by_name in found.items()
    }
    if flavor == "keras_3":
        for variable, slot, name in _by_place(own, edges, unknown):
            keys.setdefault(own.keys[variable], {})[name] = own.keys[slot]
            unknown.remove(slot)
    return keys, tuple(own.keys[slot] for slot in unknown)


def _by_place(
    own: _Variables, edges: Mapping[str, int], slots: Sequence[int]
) -> list[tuple[int, int, str]]:
    """Return variable, slot and its name, by the lists that Keras 3 keeps of slots.

    Each has a slot for every variable that is trained, in their order. Names fail in
    the file of a model that was built by being called: TensorFlow has ``net/kernel``
    for any layer, and Keras calls the slot ``net_dense_kernel_momentum``.
    """
    variables = own.graph.children(edges["_trainable_variables"])
    lists = [edges[name] for name in edges if name not in _LISTS]
    placed = [item for each in lists for item in own.graph.children(each).items()]
    found: list[tuple[int, int, str]] = []
    for place, slot in placed:
        ends = [s for s in _SLOTS if own.names.get(slot, "").endswith(f"_{s}")]
        if slot in slots and variables.get(place) in own.keys and ends:
            found.append((variables[place], slot, max(ends, key=len)))
    return found


def _names(
    own: _Variables, owners: set[int], flavor: Flavor
) -> Mapping[str, list[int]]:
    """Return the variables by their names as they are in the names of slots."""
    found: dict[str, list[int]] = defaultdict(list)
    for node in sorted(owners):
        name = own.names[node]
        if flavor == "keras_3":
            # The second is of what is no variable of Keras: its name has ":0".
            for written in (name.replace("/", "_"), name.replace("/", "_") + "_0"):
                found[written].append(node)
        elif name:
            found[name].append(node)
    return found


def _owner(
    name: str, names: Mapping[str, list[int]], flavor: Flavor
) -> tuple[str | None, str]:
    """Return of what variable, and which, a slot of this name is."""
    if flavor == "keras_3":
        last = name.rpartition("/")[2]
        for slot in sorted(_SLOTS, key=len):  # the longest variable that there is
            variable = last.removesuffix(f"_{slot}")
            if variable != last and variable in names:
                return variable, slot
        return None, ""
    rest = name
    while rest:
        slot, _, rest = rest.partition("/")
        if slot in _SLOTS and rest in names:
            return rest, slot
    return None, ""


def _check_told_apart(
    own: _Variables,
    names: Mapping[str, list[int]],
    found: Mapping[str, Mapping[str, list[int]]],
) -> None:
    doubtful = [
        repr(own.names[node])
        for variable, slots in found.items()
        if len(names[variable]) > 1 or any(len(each) > 1 for each in slots.values())
        for node in names[variable]
    ]
    if doubtful:
        raise PlanError(
            "no one can tell whose slots are whose, as variables are called alike: "
            f"{', '.join(capped(doubtful))}; give each a name of its own"
        )


def _not_found(prefix: str, graph: ObjectGraph | None, path: str) -> PlanError:
    paths = {} if graph is None else graph.paths()
    there = [
        repr("/".join(steps))
        for node, steps in paths.items()
        if graph is not None and steps[-1:] != (_INNER,) and _is_optimizer(graph, node)
    ]
    return PlanError(
        f"{prefix} has no Keras optimizer at {path!r}; those that it has are at: "
        f"{', '.join(capped(there)) or 'none'}. Use "
        "tf.train.Checkpoint(model=model, optimizer=optimizer), or a compiled model, "
        "whose is at 'optimizer'"
    )
