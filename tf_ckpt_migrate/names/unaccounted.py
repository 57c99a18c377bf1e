"""What a resolution found wrong, as values: ``PlanError.details``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.names.moves import Move

__all__ = ["Unaccounted"]


class Unaccounted(NamedTuple):
    """What a resolution found wrong, as values.

    Attributes:
      sources: The source keys without a place, or with one that the target lacks.
      targets: The targets without a source.
      differing: The moves whose result is not what their target holds, which is
        beside them.
      others: All else, one line of text each.
    """

    sources: Mapping[str, TensorSpec]
    targets: Mapping[str, TensorSpec]
    differing: Sequence[tuple[Move, TensorSpec]] = ()
    others: Sequence[str] = ()
