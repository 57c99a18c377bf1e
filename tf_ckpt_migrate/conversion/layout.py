"""What a checkpoint offers to a plan: tensors, their other names, bookkeeping."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.naming.keys import (
    ATTRIBUTES,
    OBJECT_GRAPH_KEY,
    SAVE_COUNTER_KEY,
    VARIABLE_VALUE,
    ObjectKey,
    escape,
    parse_object_key,
)
from tf_ckpt_migrate.naming.optimizer_names import BOOKKEEPING
from tf_ckpt_migrate.naming.slots import is_bookkeeping

if TYPE_CHECKING:
    import numpy as np

    from tf_ckpt_migrate.bundle.object_graph import ObjectGraph
    from tf_ckpt_migrate.bundle.reader import BundleReader

__all__ = [
    "GUIDE_ROOT",
    "VALUE_END",
    "CheckpointView",
    "Layout",
    "guide_key",
    "guide_keys",
    "guide_name",
    "is_object_key",
    "layout_of",
    "name_of_key",
    "own_names_of",
    "public_names",
    "public_path",
    "without_own_names",
]

_OBJECT_MARK = f"/{ATTRIBUTES}/"
VALUE_END = f"/{ATTRIBUTES}/{VARIABLE_VALUE}"
GUIDE_ROOT = "vars"
# The attributes in which layers of Keras keep what is public without the underscore.
_PRIVATE = frozenset(
    [
        *("_kernel", "_recurrent_kernel", "_depthwise_kernel", "_pointwise_kernel"),
        *("_embeddings", "_bias", "_gamma", "_beta"),
    ]
)


class CheckpointView(Protocol):
    """What a plan may be made to fit: tensors by key, and their object graph.

    A `CheckpointReader` is one. So are the objects of a program when they are seen as
    the checkpoint that they would write, by the floor that knows them.
    """

    @property
    def prefix(self) -> str:
        """What to call it: of a checkpoint on disk its prefix."""
        ...

    @property
    def specs(self) -> Mapping[str, TensorSpec]:
        """Dtype and shape of every tensor."""
        ...

    @property
    def object_graph(self) -> ObjectGraph | None:
        """The object graph, or None where keys are plain names."""
        ...

    @property
    def bundle(self) -> BundleReader | None:
        """Where bytes can be taken over from without reading them, or None."""
        ...

    @property
    def files(self) -> tuple[str, ...]:
        """Its files, which nothing may be written over; none of what is not on disk."""
        ...

    def __contains__(self, key: object) -> bool:
        """Return whether there is a tensor of this key."""
        ...

    def __getitem__(self, key: str) -> np.ndarray[Any, Any]:
        """Return the value of a tensor."""
        ...


class Layout(NamedTuple):
    """The tensors of a checkpoint, seen as places that plans fill or take from.

    Attributes:
      specs: Dtype and shape of every tensor but bookkeeping.
      bookkeeping: Dtype and shape of what only serves TensorFlow itself: the counter of
        saves, serialized configurations, iterators. The object graph is in neither.
      carried: Dtype and shape of bookkeeping that goes along where both sides have it:
        lookup tables, sums of metrics, seeds.
    """

    specs: Mapping[str, TensorSpec]
    bookkeeping: Mapping[str, TensorSpec]
    carried: Mapping[str, TensorSpec] = MappingProxyType({})

    @property
    def tensors(self) -> dict[str, TensorSpec]:
        """Dtype and shape of what plans fill or take from."""
        return {**self.specs, **self.carried}

    @property
    def everything(self) -> dict[str, TensorSpec]:
        """Dtype and shape of every tensor but the object graph."""
        return {**self.specs, **self.carried, **self.bookkeeping}


def is_object_key(key: str) -> bool:
    """Return whether a key is of an object-based checkpoint; quick, for many keys.

    Example:
      >>> is_object_key("w/.ATTRIBUTES/VARIABLE_VALUE"), is_object_key("w")
      (True, False)
    """
    return _OBJECT_MARK in key


def guide_key(name: str) -> str:
    """Return the key of a variable in the layout of TensorFlow's migration guide.

    That is ``tf.train.Checkpoint(vars={name: variable, ...})``.

    Example:
      >>> guide_key("net/w")
      'vars/net.Sw/.ATTRIBUTES/VARIABLE_VALUE'
    """
    return f"{GUIDE_ROOT}/{escape(name)}{VALUE_END}"


def guide_keys(names: Sequence[str]) -> list[str]:
    r"""Return ``guide_key`` of many names, in a third of the time.

    Example:
      >>> guide_keys(["net/w", "b\n"])[1]
      'vars/b\n/.ATTRIBUTES/VARIABLE_VALUE'
    """
    escaped = escape("\n".join(names)).split("\n")
    if len(escaped) != len(names):  # a name has a line break, or there is none
        escaped = list(map(escape, names))
    return [f"{GUIDE_ROOT}/{each}{VALUE_END}" for each in escaped]


def guide_name(key: ObjectKey) -> str | None:
    """Return the variable name that a key of the guide's layout holds; None for others.

    Example:
      >>> guide_name(ObjectKey(("vars", "net/w"))), guide_name(ObjectKey(("w",)))
      ('net/w', None)
    """
    if len(key.path) < 2 or key.path[0] != GUIDE_ROOT or key.slot:
        return None
    return "/".join(key.path[1:])


def name_of_key(key: str) -> str:
    """Return a variable name for an object-based key: its path, unescaped.

    A slot variable's is the path of its variable, the optimizer's, and the slot's name.

    Example:
      >>> name_of_key("model/dense/kernel/.ATTRIBUTES/VARIABLE_VALUE")
      'model/dense/kernel'
      >>> name_of_key("w/.OPTIMIZER_SLOT/opt/m/.ATTRIBUTES/VARIABLE_VALUE")
      'w/opt/m'
    """
    parsed = parse_object_key(key)
    if parsed is None:
        return key
    slot = (*parsed.slot.optimizer, parsed.slot.name) if parsed.slot else ()
    end = () if parsed.attribute == VARIABLE_VALUE else (parsed.attribute,)
    return "/".join((*parsed.path, *slot, *end))


def public_names(keys: Collection[str]) -> dict[str, str]:
    """Return ``name_of_key`` of keys, but for what Keras 3 calls its attributes.

    It keeps ``dense.kernel`` in an attribute ``_kernel``, which no TF1 program says.

    Example:
      >>> public_names(["dense/_kernel/.ATTRIBUTES/VARIABLE_VALUE"])
      {'dense/_kernel/.ATTRIBUTES/VARIABLE_VALUE': 'dense/kernel'}
    """
    names = {key: name_of_key(key) for key in keys}
    taken = set(names.values())
    for key in names:
        parsed = parse_object_key(key) if "_" in key else None
        if parsed and parsed.path and parsed.path[-1] in _PRIVATE:
            path = (*parsed.path[:-1], parsed.path[-1].removeprefix("_"))
            if "/".join(path) not in taken:
                names[key] = name_of_key(str(parsed._replace(path=path)))
    return names


def without_own_names(
    names: Mapping[str, str],
) -> tuple[list[str], dict[str, list[str]]]:
    """Return what names do not tell apart: the keys without one, and those that share.

    Args:
      names: By key; "" for none.

    Example:
      >>> without_own_names({"a": "w", "b": "w", "c": "b", "d": ""})
      (['d'], {'w': ['a', 'b']})
    """
    users: defaultdict[str, list[str]] = defaultdict(list)
    for key, name in names.items():
        users[name].append(key)
    nameless = users.pop("", [])
    return nameless, {name: keys for name, keys in users.items() if len(keys) > 1}


def layout_of(reader: CheckpointView) -> Layout:
    """Return the layout of a checkpoint, or of what is seen as one."""
    known = reader.specs
    specs = dict(known)
    specs.pop(OBJECT_GRAPH_KEY, None)
    found = {key: spec for key, spec in specs.items() if is_bookkeeping(key, known)}
    for key in found:
        del specs[key]
    own = {key: each for key, each in found.items() if _is_own(key, reader)}
    carried = {key: each for key, each in found.items() if key not in own}
    return Layout(specs, own, carried)


def _is_own(key: str, reader: CheckpointView) -> bool:
    """Return whether each checkpoint has its own of a kind of bookkeeping."""
    if reader.object_graph is None or not is_object_key(key):
        return False
    parsed = parse_object_key(key)
    return key == SAVE_COUNTER_KEY or (
        parsed is not None and parsed.attribute in BOOKKEEPING
    )


def own_names_of(reader: CheckpointView, keys: Iterable[str]) -> dict[str, str]:
    """Return by key the name that a name-based checkpoint has for a variable.

    That is the one given in a dict of the guide's layout, else the variable's own, if
    no other has it.
    """
    if reader.object_graph is None:
        return {}
    full_names = reader.object_graph.full_names()
    names = {key: _guide_name(key) or full_names.get(key, "") for key in keys}
    count = Counter(names.values())
    return {key: name for key, name in names.items() if name and count[name] == 1}


def public_path(path: str) -> str:
    """Return a path as users know it, who say ``dense.kernel`` of ``dense._kernel``.

    Example:
      >>> public_path("model/dense/_kernel")
      'model/dense/kernel'
    """
    scope, slash, name = path.rpartition("/")
    return scope + slash + name.removeprefix("_")


def _guide_name(key: str) -> str:
    parsed = parse_object_key(key)
    return guide_name(parsed) or "" if parsed else ""
