"""The names of a checkpoint without its values: small enough to be kept beside code."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.bundle.dtypes import TensorSpec, parse_spec
from tf_ckpt_migrate.bundle.object_graph import ObjectGraph
from tf_ckpt_migrate.bundle.text_file import read_text, write_text
from tf_ckpt_migrate.checkpoint.reader import (
    CheckpointFormat,
    CheckpointLike,
    as_reader,
)
from tf_ckpt_migrate.conversion.graph_build import built_graph
from tf_ckpt_migrate.conversion.layout import VALUE_END, CheckpointView, is_object_key
from tf_ckpt_migrate.errors import PlanError, RuleError, TensorNotFoundError
from tf_ckpt_migrate.escapes import escape_yaml, to_json
from tf_ckpt_migrate.names.yaml_files import Node, parse_yaml
from tf_ckpt_migrate.naming.keys import parse_object_key
from tf_ckpt_migrate.naming.slots import ROLES, role_of, slot_of

if TYPE_CHECKING:
    import numpy as np

__all__ = ["NameManifest", "from_yaml", "to_yaml"]


@dataclass(frozen=True)
class NameManifest:
    """Names, shapes and dtypes of a checkpoint, kept as YAML beside a model's code.

    It takes the place of the checkpoint where no values are needed: planning, and
    ``tcm.testing.assert_checkpoint_compatible``. TensorFlow's bookkeeping (the object
    graph, the counter of saves, iterators) is left out.

    Attributes:
      source: What it was written from.
      specs: Dtype and shape of every tensor, by key, sorted.
      full_names: What programs call the variables of object-based keys, slots aside;
        without a name it is the path of the object.
      with_objects: Whether there are object-based keys.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> tensors = {"net/w": [[1, 2]], "net/w/Adam": [[0, 0]]}
      >>> with example_checkpoint(tensors) as prefix:
      ...     manifest = NameManifest.from_checkpoint(prefix)
      >>> print(manifest.to_yaml())
      # Names of a checkpoint, for tcm.testing.assert_checkpoint_compatible.
      version: 1
      source: model.ckpt
      slots:
        Adam: '{}/Adam'
      names:
        net/w: int64[1, 2] + Adam
      >>> NameManifest.from_yaml(manifest.to_yaml()) == manifest
      True
    """

    source: str
    specs: Mapping[str, TensorSpec]
    full_names: Mapping[str, str] = field(default_factory=dict[str, str])
    with_objects: bool = False

    bundle = None
    files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Sort, and name what has no name, so that equal ones are equal."""
        specs = dict(sorted(self.specs.items()))
        object.__setattr__(self, "specs", specs)
        names = {
            key: self.full_names.get(key) or key.removesuffix(VALUE_END)
            for key in specs
            if self.with_objects and is_object_key(key)
            if role_of(key, specs) != "slot"
        }
        object.__setattr__(self, "full_names", names)

    @classmethod
    def from_checkpoint(cls, ckpt_dir_or_file: CheckpointLike) -> NameManifest:
        """Return the names of a checkpoint; only its index is read, and object graph.

        Args:
          ckpt_dir_or_file: What ``load_checkpoint`` takes.

        Raises:
          CheckpointError: If it cannot be read.
        """
        reader = as_reader(ckpt_dir_or_file)
        return cls.from_view(reader, os.path.basename(reader.prefix))

    @classmethod
    def from_view(cls, view: CheckpointView, source: str) -> NameManifest:
        """Return the names of what is seen as a checkpoint."""
        specs, graph = view.specs, view.object_graph
        kept = {k: s for k, s in specs.items() if role_of(k, specs) != "bookkeeping"}
        names = {} if graph is None else graph.full_names()
        return cls(source, kept, names, graph is not None)

    def without(self, *roles: str) -> NameManifest:
        """Return the manifest without what has one of these roles in training.

        Args:
          *roles: ``"slot"``, ``"optimizer"``, ``"average"``, ``"step"``, ``"weight"``.

        Raises:
          RuleError: If a word is no role.

        Example:
          >>> from tf_ckpt_migrate.bundle.dtypes import DType
          >>> spec = TensorSpec(DType.float32, (2,))
          >>> manifest = NameManifest("m", {"w": spec, "w/Adam": spec})
          >>> list(manifest.without("slot").specs)
          ['w']
        """
        if unknown := sorted({*roles} - {*ROLES}):
            raise RuleError(f"{unknown} are no roles; the roles are {', '.join(ROLES)}")
        specs = self.specs
        kept = {k: s for k, s in specs.items() if role_of(k, specs) not in roles}
        return NameManifest(self.source, kept, self.full_names, self.with_objects)

    def to_yaml(self) -> str:
        """Return it as YAML: sorted, a line for each variable and its slots."""
        return to_yaml(self)

    @classmethod
    def from_yaml(cls, text: str) -> NameManifest:
        """Return the manifest that YAML says.

        Raises:
          PlanError: If it is not well formed, naming the line.
        """
        return cls(*from_yaml(text))

    def to_json(self) -> str:
        """Return it as JSON."""
        content = {
            "source": self.source,
            "specs": {key: str(spec) for key, spec in self.specs.items()},
            "full_names": dict(self.full_names),
        }
        return to_json(content)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it into a file, as YAML.

        Raises:
          OSError: If the file cannot be written.
        """
        write_text(path, self.to_yaml())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> NameManifest:
        """Read it from a file.

        Raises:
          PlanError: If it is not well formed, naming the file and the line.
          OSError: If it cannot be read.
        """
        text = read_text(path)
        try:
            return cls.from_yaml(text)
        except PlanError as error:
            where = repr(os.fsdecode(path))
            raise PlanError(f"{where}: {error}", error.findings) from None

    def __str__(self) -> str:
        return self.to_yaml().rstrip("\n")

    @property
    def prefix(self) -> str:
        """What to call it in messages."""
        return f"the manifest of {self.source}"

    @property
    def format(self) -> CheckpointFormat:
        """Which kind of checkpoint it is of."""
        if not self.with_objects:
            return CheckpointFormat.NAME_BASED
        if all(map(is_object_key, self.specs)):
            return CheckpointFormat.OBJECT_BASED
        return CheckpointFormat.DUAL_KEYED

    @property
    def object_graph(self) -> ObjectGraph | None:
        """The object graph that its keys describe; None where they are plain names."""
        return self._object_graph

    @cached_property
    def _object_graph(self) -> ObjectGraph | None:
        if not self.with_objects:
            return None
        parsed = ((key, parse_object_key(key)) for key in self.specs)
        keys = [(k, path, self.full_names.get(k, "")) for k, path in parsed if path]
        return ObjectGraph(built_graph(keys), self.prefix)

    def __contains__(self, key: object) -> bool:
        return key in self.specs

    def __iter__(self) -> Iterator[str]:
        return iter(self.specs)

    def __len__(self) -> int:
        return len(self.specs)

    def __getitem__(self, key: str) -> np.ndarray[Any, Any]:
        raise TensorNotFoundError(
            f"{self.prefix} has names, but no value of {key!r}; give the checkpoint "
            "itself where values are needed"
        )


_VERSION = "1"
_HEADER = "# Names of a checkpoint, for tcm.testing.assert_checkpoint_compatible.\n"
_FIELDS = ("version", "source", "slots", "names", "objects")
_LINE = re.compile(r"(\w+\[[\d, ]*\])(?: \+ ([^=]+?))?(?: = (.+))?", re.DOTALL)
_LABEL = re.compile(r"[\w.]+")
# What YAML takes for plain text wherever it stands; anything else is quoted.
_PLAIN = re.compile(r"[A-Za-z_][\w/.+=\[\], -]*", re.ASCII)
_WORDS = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null"])
_LONGEST = 1000  # characters that YAML allows in a key that shares its line


def to_yaml(manifest: NameManifest) -> str:
    """Return a manifest as YAML.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> from tf_ckpt_migrate.conversion.manifest import NameManifest
      >>> spec = TensorSpec(DType.float32, (2,))
      >>> print(to_yaml(NameManifest("m", {"on": spec})).partition("names:")[2])
      <BLANKLINE>
        "on": float32[2]
    """
    slots, templates = _slots(manifest.specs)
    taken = {key for owned in slots.values() for key in owned.values()}
    sections: dict[str, dict[str, str]] = {"names": {}, "objects": {}}
    for key, spec in manifest.specs.items():
        if key in taken:
            continue
        of_object = manifest.with_objects and is_object_key(key)
        path = key.removesuffix(VALUE_END) if of_object else key
        full_name = manifest.full_names.get(key, "")
        text = str(spec)
        if key in slots:
            text += f" + {', '.join(sorted(slots[key]))}"
        if full_name and full_name != path:
            text += f" = {full_name}"
        sections["objects" if of_object else "names"][path] = text
    lines = [f"version: {_VERSION}", f"source: {_quoted(manifest.source)}"]
    lines += _section("slots", templates)
    lines += [line for name, rows in sections.items() for line in _section(name, rows)]
    if manifest.with_objects and not sections["objects"]:
        lines.append("objects:")
    return _HEADER + "\n".join(lines) + "\n"


def _section(name: str, rows: Mapping[str, str]) -> list[str]:
    if not rows:
        return []
    return [f"{name}:", *(_row(key, rows[key]) for key in sorted(rows))]


def _row(key: str, value: str) -> str:
    if len(key) > _LONGEST:
        return f"  ? {_quoted(key)}\n  : {_quoted(value)}"
    return f"  {_quoted(key)}: {_quoted(value)}"


def _quoted(text: str) -> str:
    """Return text so that every reader of YAML takes it for just that."""
    plain = _PLAIN.fullmatch(text) and not text.endswith(" ")
    if plain and text.lower() not in _WORDS:
        return text
    if text.isprintable() and "'" not in text:
        return f"'{text}'" if text.lower() not in _WORDS else f'"{text}"'
    return escape_yaml(json.dumps(text, ensure_ascii=False))


def _slots(
    specs: Mapping[str, TensorSpec],
) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Return the slots by owner and label, and how the keys of a label are made."""
    slots: dict[str, dict[str, str]] = {}
    labels: dict[str, str] = {}
    for key, spec in specs.items():
        slot = slot_of(key, specs)
        owner = slot.variable if slot else None
        if owner is None or specs.get(owner) != spec or owner in slots.get(key, ()):
            continue
        template = _template(key, owner)
        label = template and labels.setdefault(template, _label(template, labels))
        if label:
            slots.setdefault(owner, {})[label] = key
    _undo_chains(slots)
    used = {label for owned in slots.values() for label in owned}
    return slots, {v: k for k, v in labels.items() if v in used}


def _undo_chains(slots: dict[str, dict[str, str]]) -> None:
    """Let slots of slots (the average of a slot) stand on lines of their own."""
    taken = {key for owned in slots.values() for key in owned.values()}
    for owner in [each for each in slots if each in taken]:
        del slots[owner]


def _template(key: str, owner: str) -> str | None:
    """Return a slot's key with ``{}`` for its owner; None where that is not enough."""
    whole, end = key, ""
    if is_object_key(key):
        end = VALUE_END
        owner, whole = owner.removesuffix(end), key.removesuffix(end)
    template = "{}".join(whole.rsplit(owner, 1))
    made = template.replace("{}", owner) + end
    return template if template.count("{}") == 1 and made == key else None


def _label(template: str, labels: Mapping[str, str]) -> str:
    name = template.replace(".S", "/").rpartition("/")[2]
    if not _LABEL.fullmatch(name):
        return ""
    number = 1
    label = name
    while label in labels.values():
        number += 1
        label = f"{name}.{number}"
    return label


def from_yaml(
    text: str,
) -> tuple[str, dict[str, TensorSpec], dict[str, str], bool]:
    r"""Return the parts of the manifest that ``text`` says, in the order of its fields.

    Raises:
      PlanError: If it is not well formed, naming the line.

    Example:
      >>> from_yaml("version: 1\nnames: {w: 'int32[] + m'}\nslots: {m: '{}/m'}")[1]
      {'w': ..., 'w/m': ...}
    """
    root = parse_yaml(text, "manifest")
    pairs = root.pairs("a manifest")
    for name, (node, _) in pairs.items():
        if name not in _FIELDS:
            message = f"a manifest has no {name!r}; it has {', '.join(_FIELDS)}"
            raise node.error(message)
    if "version" not in pairs:
        raise root.error("'version' is missing; is it a manifest at all?")
    version = pairs["version"][1]
    if version.text("version") != _VERSION:
        raise version.error(f"this release reads version {_VERSION} of manifests")
    templates = {
        label: node.text("a template") for label, node in _rows(pairs, "slots")
    }
    read = _Read(templates, {}, {})
    for section in ("names", "objects"):
        for path, node in _rows(pairs, section):
            read.line(path, node, section)
    source = pairs["source"][1].value if "source" in pairs else ""
    return source, read.specs, read.full_names, "objects" in pairs


def _rows(
    pairs: Mapping[str, tuple[Node, Node]], section: str
) -> Iterator[tuple[str, Node]]:
    node = pairs[section][1] if section in pairs else None
    if node is not None and (node.kind != "text" or node.value):
        for name, (_, value) in node.pairs(section).items():
            yield name, value


class _Read(NamedTuple):
    """What the lines of a manifest say."""

    templates: Mapping[str, str]
    specs: dict[str, TensorSpec]
    full_names: dict[str, str]

    def line(self, path: str, node: Node, section: str) -> None:
        text = node.text("dtype and shape")
        found = _LINE.fullmatch(text)
        spec = parse_spec(found[1]) if found else None
        if found is None or spec is None:
            raise node.error(f"{text!r} is no line such as 'float32[2, 3] + Adam'")
        keys = [path]
        for label in found[2].split(", ") if found[2] else ():
            if label not in self.templates:
                raise node.error(f"{label!r} is none of the slots: {[*self.templates]}")
            keys.append(self.templates[label].replace("{}", path))
        for key in keys:
            short = section == "objects" and not is_object_key(key)
            whole = f"{key}{VALUE_END}" if short else key
            if whole in self.specs:
                raise node.error(f"{whole!r} is there already")
            self.specs[whole] = spec
            if key is path and found[3]:
                self.full_names[whole] = found[3]
