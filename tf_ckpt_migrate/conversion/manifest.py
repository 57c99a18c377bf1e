"""The names of a checkpoint without its values: small enough to be kept beside code."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.bundle.object_graph import ObjectGraph
from tf_ckpt_migrate.bundle.text_file import read_text, write_text
from tf_ckpt_migrate.checkpoint.reader import CheckpointFormat
from tf_ckpt_migrate.conversion.graph_build import built_graph
from tf_ckpt_migrate.conversion.layout import VALUE_END, CheckpointView, is_object_key
from tf_ckpt_migrate.conversion.planning import CheckpointLike, opened
from tf_ckpt_migrate.errors import PlanError, RuleError, TensorNotFoundError
from tf_ckpt_migrate.escapes import to_json
from tf_ckpt_migrate.naming.keys import parse_object_key
from tf_ckpt_migrate.naming.slots import ROLES, role_of

if TYPE_CHECKING:
    import numpy as np

__all__ = ["NameManifest"]


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
        reader = opened(ckpt_dir_or_file)
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
        from tf_ckpt_migrate.conversion.manifest_file import to_yaml

        return to_yaml(self)

    @classmethod
    def from_yaml(cls, text: str) -> NameManifest:
        """Return the manifest that YAML says.

        Raises:
          PlanError: If it is not well formed, naming the line.
        """
        from tf_ckpt_migrate.conversion.manifest_file import from_yaml

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
