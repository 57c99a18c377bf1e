"""What is matched: the weights of a checkpoint, by every name that they have."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeAlias

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.conversion.layout import (
    CheckpointView,
    is_object_key,
    layout_of,
    name_of_key,
)
from tf_ckpt_migrate.naming.catalog import catalog_of
from tf_ckpt_migrate.naming.slots import role_of

__all__ = ["Form", "Item", "Names", "Side", "names_in", "numbered", "side_of"]

_END = re.compile(r"(.*?)_(\d+)", re.DOTALL)


class Form(NamedTuple):
    """What must agree for one to become the other.

    Attributes:
      kind: The dtype; or of several tensors taken as one, what they are together.
      shape: The shape; of several tensors, lengths that tell them from others.
      native: Of several tensors, whether they are as Keras has them.
    """

    kind: str
    shape: tuple[int, ...]
    native: bool | None = None

    def __str__(self) -> str:
        return f"{self.kind}[{', '.join(map(str, self.shape))}]"


class Item(NamedTuple):
    """A tensor, or several that are one to the eye.

    Attributes:
      key: Its key; of several, their scope as the keys begin.
      form: What must agree.
      names: What it is called: its path, the name that its program gave it.
      members: Of several tensors: what each is, and its name within ``names[-1]``.
    """

    key: str
    form: Form
    names: tuple[str, ...]
    members: tuple[str, ...] = ()


class Side(NamedTuple):
    """One of the two that are compared.

    Attributes:
      prefix: What to call it.
      weights: What is trained, or kept beside it.
      others: What training keeps: by role.
      specs: Dtype and shape of all of these.
      aliases: Names that mean one key only, by name.
    """

    prefix: str
    weights: tuple[Item, ...]
    others: Mapping[str, tuple[Item, ...]]
    specs: Mapping[str, TensorSpec]
    aliases: Mapping[str, str]


def side_of(view: CheckpointView, *, is_target: bool) -> Side:
    """Return what of a checkpoint, or of what is seen as one, is to be matched.

    Where one set of bytes has names and object-based keys, a source is taken by its
    names and a target by its objects, as conversions do.
    """
    specs = dict(layout_of(view).specs)
    both = {is_object_key(key) for key in specs} == {True, False}
    if both:
        specs = {k: s for k, s in specs.items() if is_object_key(k) == is_target}
    graph = view.object_graph
    full_names = graph.full_names() if graph is not None else {}
    items: dict[str, list[Item]] = defaultdict(list)
    for key, spec in specs.items():
        names = _distinct([name_of_key(key), full_names.get(key, "")])
        items[role_of(key, specs)].append(Item(key, _form(spec), names))
    weights = items.pop("weight", [])
    others = {role: tuple(each) for role, each in items.items()}
    return Side(view.prefix, tuple(weights), others, specs, catalog_of(view).aliases)


def _form(spec: TensorSpec) -> Form:
    return Form(spec.dtype.name, spec.shape)


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name))


def numbered(names: Iterable[str]) -> dict[str, str]:
    """Return names in which the first of a series has its number too.

    TF1 and Keras call what is made first ``dense`` and what follows ``dense_1``.

    Example:
      >>> numbered(["dense/w", "dense_1/w", "other/w"])["dense/w"]
      'dense_0/w'
    """
    parts = {name: name.split("/") for name in names}
    series: set[tuple[str, ...]] = set()
    for components in parts.values():
        for at, component in enumerate(components):
            if found := _END.fullmatch(component):
                series.add((*components[:at], found[1]))
    return {
        name: "/".join(
            f"{component}_0" if (*components[:at], component) in series else component
            for at, component in enumerate(components)
        )
        for name, components in parts.items()
    }


# Gives the names that rules may call a key by.
Names: TypeAlias = Callable[[str], tuple[str, ...]]


def names_in(side: Side) -> Names:
    """Return what gives the names of a key: what its program called it comes first."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, key in side.aliases.items():
        if "/.ATTRIBUTES" not in name:
            found[key].append(name)
    own = {item.key: item.names[-1] for item in side.weights}

    def names(key: str) -> tuple[str, ...]:
        ordered = sorted(
            found.get(key, ()), key=lambda n: (n != own.get(key), len(n), n)
        )
        return tuple(ordered) or (key,)

    return names
