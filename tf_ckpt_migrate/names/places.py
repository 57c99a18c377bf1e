"""The names of a target that recipes look at: also other names, for the same places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tf_ckpt_migrate.bundle.dtypes import TensorSpec

__all__ = ["Places"]


class Places(Mapping[str, TensorSpec]):
    """What is to be filled, by every name that it goes by.

    Args:
      specs: By the names that count.
      aliases: Other names, such as paths of objects.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> places = Places({"w": TensorSpec(DType.float32, ())}, {"net/kernel": "w"})
      >>> list(places), places.name_of("net/kernel"), "net/kernel" in places
      (['w', 'net/kernel'], 'w', True)
    """

    def __init__(
        self, specs: Mapping[str, TensorSpec], aliases: Mapping[str, str] | None = None
    ) -> None:
        """Keep the names apart, as those of the specs come first."""
        self.specs = specs
        self._aliases = aliases or {}

    def name_of(self, name: str) -> str:
        """Return the name that counts."""
        return name if name in self.specs else self._aliases.get(name, name)

    def __getitem__(self, name: str) -> TensorSpec:
        return self.specs[self.name_of(name)]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.name_of(name) in self.specs

    def __iter__(self) -> Iterator[str]:
        yield from self.specs
        for alias, name in self._aliases.items():
            if name in self.specs and alias not in self.specs:
                yield alias

    def __len__(self) -> int:
        return sum(1 for _ in self)
