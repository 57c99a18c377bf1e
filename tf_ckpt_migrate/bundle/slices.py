"""Slices of a partitioned variable: where each lies in the whole, and its key.

Sources: ``tensorflow/core/framework/tensor_slice.h`` and
``tensorflow/core/util/saved_tensor_slice_util.cc`` (``EncodeTensorNameSlice``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from tf_ckpt_migrate.bundle import ordered_code
from tf_ckpt_migrate.errors import CorruptCheckpointError

__all__ = ["TensorSlice", "slice_key"]

_FULL = -1  # TensorSlice::kFullExtent
_SLICE_KEY_VERSION = 0


class TensorSlice(NamedTuple):
    """A box within a tensor.

    Attributes:
      starts: First index in each dimension.
      lengths: Number of indices in each dimension; -1 where it is the whole dimension.

    Example:
      >>> TensorSlice((2, 0), (3, -1)).ranges((10, 4), "example")
      ((2, 5), (0, 4))
    """

    starts: tuple[int, ...]
    lengths: tuple[int, ...]

    @classmethod
    def from_proto(cls, proto: Any) -> TensorSlice:
        """Take over a ``TensorSliceProto``."""
        extents = proto.extent
        return cls(
            tuple(extent.start for extent in extents),
            tuple(
                extent.length if extent.HasField("length") else _FULL
                for extent in extents
            ),
        )

    def add_to(self, protos: Any) -> None:
        """Add this as a ``TensorSliceProto`` to a repeated field of such."""
        proto = protos.add()
        for start, length in zip(self.starts, self.lengths, strict=True):
            extent = proto.extent.add(start=start)
            if length != _FULL:
                extent.length = length

    def ranges(self, shape: tuple[int, ...], where: str) -> tuple[tuple[int, int], ...]:
        """Return first and last-plus-one index per dimension of a whole.

        Args:
          shape: Of the whole.
          where: What to name in an error: the file and the key.

        Raises:
          CorruptCheckpointError: If the slice does not lie within ``shape``.
        """
        ranges = tuple(
            (0, whole) if length == _FULL else (start, start + length)
            for start, length, whole in zip(
                self.starts, self.lengths, shape, strict=False
            )
        )
        if len(self.starts) != len(shape) or not all(
            0 <= low <= high <= whole
            for (low, high), whole in zip(ranges, shape, strict=True)
        ):
            raise CorruptCheckpointError(
                f"{where}: slice {self} does not lie within a tensor of shape "
                f"{list(shape)}"
            )
        return ranges

    def __str__(self) -> str:
        """Return the form that TensorFlow prints and parses: ``0,5:-``."""
        return ":".join(
            "-" if length == _FULL else f"{start},{length}"
            for start, length in zip(self.starts, self.lengths, strict=True)
        )


def slice_key(name: str, piece: TensorSlice) -> bytes:
    """Return the key of a slice in an index or V1 file.

    Args:
      name: Of the whole variable.
      piece: Which slice of it.

    Example:
      >>> slice_key("emb", TensorSlice((0, 0), (5, -1))).hex()
      '00656d62000101028085807f'
    """
    extents: Iterable[tuple[int, int]] = zip(piece.starts, piece.lengths, strict=True)
    numbers = (ordered_code.signed_number(n) for extent in extents for n in extent)
    return b"".join(
        [
            ordered_code.number(_SLICE_KEY_VERSION),
            ordered_code.string(name.encode()),
            ordered_code.number(len(piece.starts)),
            *numbers,
        ]
    )
