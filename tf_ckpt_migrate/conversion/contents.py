"""What each key of an output holds, and where it comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.bundle.proto import Entry
from tf_ckpt_migrate.bundle.reader import BundleReader
from tf_ckpt_migrate.bundle.slices import TensorSlice

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["Contents", "Item", "Partitioned", "Reference", "Stored", "Stream", "Value"]


class Reference(NamedTuple):
    """A tensor whose bytes stay where they are, of a partitioned one all slices.

    Attributes:
      bundle: The checkpoint that has it.
      key: Its key there.
    """

    bundle: BundleReader
    key: str


class Value(NamedTuple):
    """A tensor whose bytes are written.

    Attributes:
      spec: Its dtype and shape.
      compute: Returns the value, when it is its turn to be written.
    """

    spec: TensorSpec
    compute: Callable[[], Array]


class Stream(NamedTuple):
    """A tensor whose bytes are written, a piece at a time.

    Attributes:
      spec: Its dtype and shape.
      pieces: Returns its elements in row-major order, when it is its turn.
    """

    spec: TensorSpec
    pieces: Callable[[], Iterable[Array]]


class Stored(NamedTuple):
    """Bytes that stay where they are, of whatever tensor of another checkpoint.

    Attributes:
      bundle: The checkpoint that has them.
      entry: What they are: shard and offset are those of that checkpoint.
    """

    bundle: BundleReader
    entry: Entry


class Partitioned(NamedTuple):
    """A tensor in slices.

    Attributes:
      spec: Of the whole.
      parts: What each slice holds, in their order.
    """

    spec: TensorSpec
    parts: Mapping[TensorSlice, Stored | Stream]


Item: TypeAlias = Reference | Value | Stored | Stream | Partitioned
Contents: TypeAlias = Mapping[str, Item]
