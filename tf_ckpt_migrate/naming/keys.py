"""The grammar of keys: variable names of TF1, object paths of TF2.

A name-based key is the variable's name, ``scope/kernel``. An object-based key is the
path of attribute names from the root object, escaped and joined, then what of that
object was saved::

    layer/kernel/.ATTRIBUTES/VARIABLE_VALUE
    layer/kernel/.OPTIMIZER_SLOT/optimizer/m/.ATTRIBUTES/VARIABLE_VALUE

Within a component ``.`` is written ``..`` and ``/`` is written ``.S``, so a component
that starts with one ``.`` is TensorFlow's own. Source of the grammar:
``tensorflow/python/trackable/trackable_utils.py``.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from tf_ckpt_migrate.errors import RuleError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tf_ckpt_migrate.bundle.object_graph import ObjectGraph

__all__ = [
    "ATTRIBUTES",
    "MAX_PATH_LENGTH",
    "OBJECT_CONFIG_JSON",
    "OBJECT_GRAPH_KEY",
    "OPTIMIZER_SLOT",
    "SAVE_COUNTER_KEY",
    "VARIABLE_VALUE",
    "ObjectKey",
    "ObjectPath",
    "SlotPath",
    "all_paths",
    "escape",
    "is_positional",
    "object_key",
    "parse_object_key",
    "parse_partition",
    "public_path",
    "slot_key",
    "unescape",
]


ATTRIBUTES = ".ATTRIBUTES"
OPTIMIZER_SLOT = ".OPTIMIZER_SLOT"
VARIABLE_VALUE = "VARIABLE_VALUE"
OBJECT_CONFIG_JSON = "OBJECT_CONFIG_JSON"
# The one key of an object-based checkpoint that is not below an object: its graph.
OBJECT_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
# tf.train.Checkpoint counts its saves; assert_consumed() asks for this key.
SAVE_COUNTER_KEY = f"save_counter/{ATTRIBUTES}/{VARIABLE_VALUE}"

# Paths are walked recursively here and there; no program nests its objects so.
MAX_PATH_LENGTH = 200

_ESCAPED = {"..": ".", ".S": "/"}
_ESCAPE = re.compile(r"\.(.?)", re.DOTALL)
_PARTITION = re.compile(r"(.+)/part_(\d{1,18})", re.DOTALL)


class SlotPath(NamedTuple):
    """Whose slot variable a key holds.

    Attributes:
      optimizer: The path of the optimizer, unescaped.
      name: The name of the slot, such as ``m``.
    """

    optimizer: tuple[str, ...]
    name: str


class ObjectKey(NamedTuple):
    """An object-based key, taken apart.

    Attributes:
      path: The unescaped attribute names from the root to the object; of a slot
        variable, those to the variable that it belongs to.
      attribute: What of the object is saved, as it is written.
      slot: Which slot of the variable, or None.
    """

    path: tuple[str, ...]
    attribute: str = VARIABLE_VALUE
    slot: SlotPath | None = None

    @property
    def object_path(self) -> str:
        """The escaped path of the object, without slot and attribute."""
        return "/".join(map(escape, self.path))

    def __str__(self) -> str:
        """The key itself."""
        middle = ""
        if self.slot:
            parts = (*self.slot.optimizer, self.slot.name)
            middle = f"/{OPTIMIZER_SLOT}/" + "/".join(map(escape, parts))
        return f"{self.object_path}{middle}/{ATTRIBUTES}/{self.attribute}"


def escape(name: str) -> str:
    """Return an attribute name as one component of an object path.

    Example:
      >>> escape("conv/v1.5")
      'conv.Sv1..5'
    """
    return name.replace(".", "..").replace("/", ".S")


def unescape(component: str) -> str:
    """Return the attribute name that `escape` wrote as ``component``.

    It reads from left to right: replacing ``.S`` first, as the guide does, turns the
    name ``v1.Small`` into ``v1./mall``.

    Raises:
      RuleError: If ``component`` has a ``.`` that starts no escape, or a ``/``.

    Example:
      >>> unescape("conv.Sv1..5"), unescape("v1..Small")
      ('conv/v1.5', 'v1.Small')
    """
    if "/" in component:
        raise RuleError(f"{component!r} is several components; unescape each")
    # Nearly every component has no dot, or only those of ".S".
    dots = component.count(".")
    if dots == component.count(".S"):
        return component.replace(".S", "/") if dots else component
    return _ESCAPE.sub(_meaning, component)


def _meaning(match: re.Match[str]) -> str:
    if match[0] not in _ESCAPED:
        raise RuleError(
            f"{match[0]!r} at {match.start()} of object path component "
            f"{match.string!r} is no escape; '.' is written '..' and '/' is '.S'"
        )
    return _ESCAPED[match[0]]


def object_key(*path: str, attribute: str = VARIABLE_VALUE) -> str:
    """Return the key of what is saved of the object at ``path``.

    Args:
      *path: The attribute names from the root object, unescaped.
      attribute: What of the object, as it is to be written.

    Example:
      >>> object_key("vars", "net/w")
      'vars/net.Sw/.ATTRIBUTES/VARIABLE_VALUE'
    """
    return f"{'/'.join(map(escape, path))}/{ATTRIBUTES}/{attribute}"


def slot_key(variable_path: str, optimizer_path: str, slot_name: str) -> str:
    """Return the key of a slot variable.

    Args:
      variable_path: The variable's path, escaped, without ``/.ATTRIBUTES``.
      optimizer_path: The optimizer's path, escaped.
      slot_name: The name of the slot, unescaped.

    Example:
      >>> slot_key("net/w", "optimizer", "m")
      'net/w/.OPTIMIZER_SLOT/optimizer/m/.ATTRIBUTES/VARIABLE_VALUE'
    """
    owner = f"{variable_path}/{OPTIMIZER_SLOT}/{optimizer_path}"
    return f"{owner}/{escape(slot_name)}/{ATTRIBUTES}/{VARIABLE_VALUE}"


def parse_object_key(key: str) -> ObjectKey | None:
    """Take an object-based key apart; None for a key that is not one.

    Example:
      >>> parse_object_key("vars/net.Sw/.ATTRIBUTES/VARIABLE_VALUE")
      ObjectKey(path=('vars', 'net/w'), attribute='VARIABLE_VALUE', slot=None)
      >>> parse_object_key("net/w") is None
      True
    """
    path, found, attribute = key.partition(f"/{ATTRIBUTES}/")
    if not found:
        return None
    if path.count("/") > MAX_PATH_LENGTH:
        return None
    variable, is_slot, owner = path.partition(f"/{OPTIMIZER_SLOT}/")
    try:
        slot = None
        if is_slot:
            *optimizer, name = _components(owner)
            slot = SlotPath(tuple(optimizer), name)
        return ObjectKey(_components(variable), attribute, slot)
    except RuleError:  # a variable name that happens to hold '/.ATTRIBUTES/'
        return None


def _components(path: str) -> tuple[str, ...]:
    return tuple(map(unescape, path.split("/"))) if path else ()


def parse_partition(name: str) -> tuple[str, int] | None:
    """Return the full name and number of a part; None for what is no part.

    Example:
      >>> parse_partition("emb/part_12")
      ('emb', 12)
    """
    match = _PARTITION.fullmatch(name)
    return (match[1], int(match[2])) if match else None


ObjectPath: TypeAlias = tuple[str, ...]

# Enough for every path that a user would write; objects that many others share have
# thousands, which would cost time and memory.
_PATHS_PER_OBJECT = 8
# A longer path than any program has; deep graphs would cost memory by their square.
_LONGEST = 32


def all_paths(graph: ObjectGraph) -> Mapping[int, Sequence[ObjectPath]]:
    """Return the paths from the root to each object, the shortest first.

    Args:
      graph: The object graph of a checkpoint.

    Returns:
      By the number of an object its first eight paths, none of which visits an object
      twice. An object deeper than 32 edges has none, nor has a slot variable, which
      hangs on an optimizer and a variable.
    """
    found: dict[int, list[ObjectPath]] = defaultdict(list)
    if not len(graph):
        return found
    found[0].append(())
    queue: deque[tuple[ObjectPath, tuple[int, ...]]] = deque([((), (0,))])
    edges: dict[int, dict[str, int]] = {}
    while queue:
        path, nodes = queue.popleft()
        last = nodes[-1]
        children = edges.get(last)
        if children is None:
            children = edges[last] = graph.children(last)
        for name, child in children.items():
            if child in nodes or len(found[child]) == _PATHS_PER_OBJECT:
                continue
            found[child].append((*path, name))
            if len(nodes) < _LONGEST:
                queue.append(((*path, name), (*nodes, child)))
    return found


def public_path(path: ObjectPath) -> ObjectPath:
    """Return a path as users know it: Keras 3 keeps ``dense.kernel`` as ``_kernel``.

    Example:
      >>> public_path(("model", "dense", "_kernel"))
      ('model', 'dense', 'kernel')
    """
    return (*path[:-1], path[-1].removeprefix("_")) if path else path


def is_positional(path: ObjectPath) -> bool:
    """Return whether a path goes through a number of a list.

    Example:
      >>> is_positional(("optimizer", "_variables", "3")), is_positional(("a", "b"))
      (True, False)
    """
    return any(name.isdecimal() for name in path)
