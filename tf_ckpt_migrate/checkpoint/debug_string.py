"""The listing that ``debug_string`` of TensorFlow's reader gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.reader import BundleReader
from tf_ckpt_migrate.bundle.slices import slice_key

if TYPE_CHECKING:
    from tf_ckpt_migrate.bundle.v1 import V1Reader

__all__ = ["debug_string"]

# The protocol buffer's names where they are not DT_ and the name in capitals.
_PROTO_NAMES = {
    DType.float32: "DT_FLOAT",
    DType.float64: "DT_DOUBLE",
    DType.float16: "DT_HALF",
}


def debug_string(reader: BundleReader | V1Reader) -> bytes:
    """Return a line for each tensor: its key, dtype and shape.

    Of a partitioned variable it lists the slices, by their binary keys. The lines of a
    V1 checkpoint come sorted; TensorFlow's order is that of a hash.

    Args:
      reader: Of the checkpoint.
    """
    return b"".join(
        b"%b (%b) [%b]%b\n"
        % (
            key,
            _proto_name(spec.dtype).encode(),
            b",".join(b"%d" % length for length in spec.shape),
            more,
        )
        for key, spec, more in _lines(reader)
    )


def _lines(
    reader: BundleReader | V1Reader,
) -> Iterator[tuple[bytes, TensorSpec, bytes]]:
    if not isinstance(reader, BundleReader):
        for key, tensor in reader.tensors.items():
            count = len(tensor.slices)
            more = b", %d slices" % count if count > 1 else b""
            yield key.encode(), tensor.spec, more
        return
    index = reader.index
    for key, piece in index.slices():
        yield slice_key(key, piece), index.slice_entry(key, piece).spec, b""
    for key, entry in index.items():
        if not entry.slices:
            yield key.encode(), entry.spec, b""


def _proto_name(dtype: DType) -> str:
    return _PROTO_NAMES.get(dtype, f"DT_{dtype.name.upper()}")
