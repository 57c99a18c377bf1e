"""How large the inputs of the benchmarks are."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["QUICK", "Sizes"]


class Sizes(NamedTuple):
    """How large the inputs are."""

    nbytes: int = 1_000_000_000
    tensors: int = 200
    many: int = 20_000
    keys: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    shards: tuple[int, ...] = (1, 10, 100, 1_000)
    sparse: int = 1 << 40
    inspected: int = 600
    repeats: int = 5

    @property
    def large(self) -> str:
        """The large checkpoint in words."""
        return f"{self.nbytes / 1e9:g} GB, {self.tensors} tensors"


QUICK = Sizes(1_000_000, 20, 200, (10, 100), (1, 3), 1 << 30, 20, 1)
