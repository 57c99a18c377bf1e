"""The tensors of one side of a migration, with every name that each goes by.

A key only says where bytes lie. A variable is an identity: it has the name that its
program gave it, and one or more paths of attributes from the root of the program's
objects. Rules may use any of these, and matching without a rule compares them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tf_ckpt_migrate.naming.keys import (
    ATTRIBUTES,
    OBJECT_GRAPH_KEY,
    VARIABLE_VALUE,
    ObjectPath,
    all_paths,
    is_positional,
    parse_object_key,
    public_path,
)
from tf_ckpt_migrate.naming.slot_owners import SlotOwner, slot_owners
from tf_ckpt_migrate.naming.slots import role_of

if TYPE_CHECKING:
    from tf_ckpt_migrate.bundle.dtypes import TensorSpec
    from tf_ckpt_migrate.bundle.object_graph import ObjectGraph

__all__ = [
    "Ambiguous",
    "RelabelledCatalog",
    "TensorCatalog",
    "TensorRecord",
    "TensorSource",
    "catalog_of",
]

_GUIDE_ROOT = "vars"
_END = f"/{ATTRIBUTES}/{VARIABLE_VALUE}"


@dataclass(frozen=True, slots=True)
class TensorRecord:
    """One tensor and what identifies it.

    Attributes:
      key: Where its value is in the checkpoint, or where it would be saved.
      spec: Its dtype and shape.
      variable_name: The name of its variable, such as ``net/dense/kernel``; "" if it
        has none.
      object_paths: The paths of attributes from the root, the shortest first.
      owner: What it belongs to if it is a slot variable; None otherwise.
    """

    key: str
    spec: TensorSpec
    variable_name: str = ""
    object_paths: tuple[ObjectPath, ...] = ()
    owner: SlotOwner | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names by which rules may refer to it, the surest first.

        Attributes, which the program itself names; then the variable name, which Keras
        may have numbered; then what goes through the number of a list.
        """
        sure = self.attribute_paths
        shaky = [each for each in self.object_paths if each not in sure]
        names = (*_written(sure), self.variable_name, *_written(shaky), self.key)
        return tuple(dict.fromkeys(filter(None, names)))

    @property
    def attribute_paths(self) -> tuple[ObjectPath, ...]:
        """The paths that go through no number of a list, and so cannot shift."""
        return tuple(each for each in self.object_paths if not is_positional(each))


class Ambiguous(NamedTuple):
    """A name that several tensors go by.

    Attributes:
      name: The name.
      keys: The keys of the tensors.
    """

    name: str
    keys: tuple[str, ...]


class TensorSource(Protocol):
    """What a catalog is made of: a checkpoint, or objects seen as one."""

    @property
    def specs(self) -> Mapping[str, TensorSpec]:
        """Dtype and shape of every tensor by key."""
        ...

    @property
    def object_graph(self) -> ObjectGraph | None:
        """The object graph; None if keys are plain names."""
        ...


def catalog_of(source: TensorSource) -> TensorCatalog:
    """Return the catalog of a checkpoint, or of objects seen as one.

    Example:
      >>> from tf_ckpt_migrate.checkpoint.reader import load_checkpoint
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> with example_checkpoint({"net/w": [1.0]}) as prefix:
      ...     catalog = catalog_of(load_checkpoint(prefix))
      >>> catalog.find("net/w").key
      'net/w'
    """
    return TensorCatalog(source.specs, source.object_graph)


class TensorCatalog(Mapping[str, TensorRecord]):
    """The tensors of one side by key; `find` knows all their other names.

    Args:
      specs: Dtype and shape of every tensor, by key.
      graph: The object graph, or None if keys are plain names.
    """

    def __init__(
        self, specs: Mapping[str, TensorSpec], graph: ObjectGraph | None = None
    ) -> None:
        """Keep both; names are only looked up when something asks for them."""
        self._specs = specs
        self._graph = graph

    def __getitem__(self, key: str) -> TensorRecord:
        spec = self._specs[key]
        if self._graph is None:
            return TensorRecord(key, spec)
        return TensorRecord(
            key,
            spec,
            self._variable_names.get(key, ""),
            tuple(self._paths.get(key, ())),
            self._owners.get(key),
        )

    def __iter__(self) -> Iterator[str]:
        return (key for key in self._specs if key != OBJECT_GRAPH_KEY)

    def __len__(self) -> int:
        return len(self._specs) - (OBJECT_GRAPH_KEY in self._specs)

    def find(self, name: str) -> TensorRecord | Ambiguous | None:
        """Return the tensor that goes by a name.

        A key comes first, then the name of a variable, then a path of attributes, with
        or without the underscore that Keras 3 puts before ``kernel``.

        Returns:
          Its record; `Ambiguous` if several variables have the name, or several objects
          the path; None if there is none.
        """
        keys = self.keys_of(name)
        if len(keys) > 1:
            return Ambiguous(name, tuple(keys))
        return self[keys[0]] if keys else None

    def keys_of(self, name: str) -> Sequence[str]:
        """Return the keys of the tensors that go by a name; usually one or none."""
        if name in self._specs:
            return (name,)
        return () if self._graph is None else self.other_names.get(name, ())

    def role_of(self, key: str) -> str:
        """Return the role of a tensor: weight, slot, average, optimizer, …."""
        return role_of(key, self._specs)

    def keys_by_name(self, names: Collection[str]) -> dict[str, str]:
        """Return the keys of the tensors that go by some names, no tensor twice.

        A tensor whose key or variable has a name comes before one at a path of it. A
        name that several tensors go by is left out, as is one without a tensor.
        """
        found = {name: name for name in names if name in self._specs}
        named = {n: self.keys_of(n) for n in names if n not in found}
        single = {n: keys[0] for n, keys in named.items() if len(keys) == 1}
        by_variable = {n: k for n, k in single.items() if self[k].variable_name == n}
        taken = {*found}
        for name, key in (*by_variable.items(), *single.items()):
            if key not in taken:
                found[name] = key
                taken.add(key)
        return found

    @property
    def has_graph(self) -> bool:
        """Whether tensors have other names than their keys."""
        return self._graph is not None

    @cached_property
    def other_names(self) -> Mapping[str, Sequence[str]]:
        """The keys of the tensors that go by each name that is no key."""
        found: dict[str, Sequence[str]] = {}
        for names in self.names_by_kind:
            for name, keys in names.items():
                if name not in self._specs:
                    found.setdefault(name, keys)
        return found

    @cached_property
    def aliases(self) -> Mapping[str, str]:
        """The key that each other name means, if it means only one."""
        names = self.other_names.items()
        return {name: keys[0] for name, keys in names if len(keys) == 1}

    @property
    def all_names(self) -> Mapping[str, str]:
        """The key that each name means, keys among them, if it means only one."""
        return {**self.aliases, **{key: key for key in self}}

    @cached_property
    def names_by_kind(self) -> tuple[Mapping[str, Sequence[str]], ...]:
        """Keys by variable name, by path and by public path, in this precedence."""
        if self._graph is None:
            return ()
        by_variable: dict[str, list[str]] = defaultdict(list)
        for key, name in self._variable_names.items():
            by_variable[name].append(key)
        by_path: dict[str, list[str]] = defaultdict(list)
        by_public: dict[str, list[str]] = defaultdict(list)
        for key, paths in self._paths.items():
            guide = [each[1:] for each in paths if each[0] == _GUIDE_ROOT]
            names = {"/".join(each) for each in (*paths, *guide)}
            public = {"/".join(public_path(each)) for each in (*paths, *guide)}
            for name in filter(None, names):
                by_path[name].append(key)
            for name in public - names:
                by_public[name].append(key)
        return by_variable, by_path, by_public

    @cached_property
    def _variable_names(self) -> Mapping[str, str]:
        names = {} if self._graph is None else self._graph.full_names()
        return {key: name for key, name in names.items() if key in self._specs}

    @cached_property
    def _owners(self) -> Mapping[str, SlotOwner]:
        if self._graph is None:
            return {}
        return slot_owners(self._graph, self._variable_names)

    @cached_property
    def _paths(self) -> Mapping[str, Sequence[ObjectPath]]:
        """The paths of every tensor by key."""
        if self._graph is None:
            return {}
        objects = all_paths(self._graph)
        nodes = {a.checkpoint_key: a for a in self._graph.attributes}
        found: dict[str, Sequence[ObjectPath]] = {}
        for key in self:
            attribute = nodes.get(key)
            if attribute is None:
                found[key] = _path_of_key(key)
                continue
            end = () if attribute.name == VARIABLE_VALUE else (attribute.name,)
            paths = [(*path, *end) for path in objects.get(attribute.node, ()) if path]
            found[key] = paths or _path_of_key(key)
        return found


def _written(paths: Iterable[ObjectPath]) -> Iterator[str]:
    """Yield paths as text: as users know them, without the guide's root, and whole."""
    for path in paths:
        yield "/".join(public_path(path))
        if path[0] == _GUIDE_ROOT:
            yield "/".join(path[1:])
        yield "/".join(path)


def _path_of_key(key: str) -> list[ObjectPath]:
    """Return the path that a key spells out: of a slot variable, which has no other."""
    parsed = parse_object_key(key)
    if parsed is None:
        return []
    slot = (*parsed.slot.optimizer, parsed.slot.name) if parsed.slot else ()
    end = () if parsed.attribute == VARIABLE_VALUE else (parsed.attribute,)
    return [(*parsed.path, *slot, *end)]


class RelabelledCatalog(TensorCatalog):
    """A catalog whose tensors go by labels in place of keys, which stay as names.

    Args:
      base: The catalog.
      labels: The label of each key.
      has_graph: Whether paths identify the tensors, as well as the labels; not if
        these are variables that a caller has listed under names of his own.
    """

    def __init__(
        self,
        base: TensorCatalog,
        labels: Mapping[str, str],
        *,
        has_graph: bool = True,
    ) -> None:
        """Keep both; a tensor without a label is left out."""
        self._base = base
        self._has_graph = has_graph
        self._labels = labels
        self._keys = {label: key for key, label in labels.items()}
        specs = {label: base[key].spec for label, key in self._keys.items()}
        super().__init__(specs)

    def __getitem__(self, key: str) -> TensorRecord:
        """Return the record of a label."""
        record = self._base[self._keys[key]]
        owner = record.owner
        if owner is not None:
            label = self._labels.get(owner.variable, owner.variable)
            owner = owner._replace(variable=label)
        return replace(record, key=key, owner=owner)

    def role_of(self, key: str) -> str:
        """Return the role of a label's tensor, which its key decides."""
        return self._base.role_of(self._keys[key])

    @property
    def has_graph(self) -> bool:
        """Whether paths identify tensors."""
        return self._has_graph

    def keys_of(self, name: str) -> Sequence[str]:
        """Return the labels of the tensors that go by a name."""
        return (name,) if name in self._specs else self.other_names.get(name, ())

    @cached_property
    def other_names(self) -> Mapping[str, Sequence[str]]:
        """The labels of the tensors that go by each other name."""
        names = {**{key: (key,) for key in self._base}, **self._base.other_names}
        found = {
            name: tuple(self._labels[key] for key in keys if key in self._labels)
            for name, keys in names.items()
            if name not in self._specs
        }
        return {name: labels for name, labels in found.items() if labels}
