"""Reads checkpoints of the first format (V1): values within the tables themselves.

Each shard is a table of ``SavedTensorSlices`` messages. Key "" holds the meta record:
name, shape, dtype and slices of every tensor; each slice's values lie under the key
that ``slices.slice_key`` writes. Files of TensorFlow before 0.9 have no version record.

Source: ``tensorflow/core/util/tensor_slice_reader.cc``, ``saved_tensor_slice.proto``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec, dtype_of, is_possible
from tf_ckpt_migrate.bundle.index import not_found
from tf_ckpt_migrate.bundle.proto import SavedTensorSlices, parsed
from tf_ckpt_migrate.bundle.reader import Index
from tf_ckpt_migrate.bundle.shards import mapped
from tf_ckpt_migrate.bundle.slices import (
    TensorSlice,
    assembled,
    bounding_box,
    slice_key,
)
from tf_ckpt_migrate.errors import (
    CheckpointReplacedError,
    CorruptCheckpointError,
    TensorNotFoundError,
    UnsupportedDTypeError,
)
from tf_ckpt_migrate.storage.access import identity
from tf_ckpt_migrate.storage.paths import is_far
from tf_ckpt_migrate.table.reader import TableReader

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["V1Reader", "V1Tensor"]

_META_KEY = b""
_MIN_VERSION = 1  # TF_CHECKPOINT_VERSION

# Which field of a TensorProto holds the elements of a dtype (SaveTypeTraits).
_VALUE_FIELDS = {
    **dict.fromkeys(
        [
            *[DType.int32, DType.int16, DType.int8, DType.uint16, DType.uint8],
            *[DType.qint8, DType.quint8, DType.qint16, DType.quint16, DType.qint32],
        ],
        "int_val",
    ),
    **dict.fromkeys([DType.float16, DType.bfloat16], "half_val"),
    DType.float32: "float_val",
    DType.float64: "double_val",
    DType.int64: "int64_val",
    DType.uint32: "uint32_val",
    DType.uint64: "uint64_val",
    DType.bool: "bool_val",
    DType.string: "string_val",
    DType.complex64: "scomplex_val",
    DType.complex128: "dcomplex_val",
}


class V1Tensor(NamedTuple):
    """One tensor of a V1 checkpoint.

    Attributes:
      spec: Its dtype and shape.
      slices: Its slices; a single one, the whole, where it is not partitioned.
      tables: For each slice the number of the file that holds it.
    """

    spec: TensorSpec
    slices: tuple[TensorSlice, ...]
    tables: tuple[int, ...]


class V1Reader:
    """The tensors of one V1 checkpoint.

    Args:
      paths: Its files; several where the saver was sharded.

    Attributes:
      paths: As given.
      tensors: Its tensors by name, sorted.
      specs: Their dtypes and shapes.

    Raises:
      FileNotFoundError: If a file is not there.
      CorruptCheckpointError: If one is no V1 checkpoint, or a damaged one.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        """Read the meta record of every file."""
        self.paths: tuple[str, ...] = tuple(paths)
        self._seen = self._identities()  # before they are read
        self._tables = self._open_tables()
        found: dict[str, V1Tensor] = {}
        for number, path in enumerate(self.paths):
            self._add_meta(found, number, path)
        self.tensors: Mapping[str, V1Tensor] = dict(sorted(found.items()))
        self.specs: dict[str, TensorSpec] = {
            key: tensor.spec for key, tensor in self.tensors.items()
        }

    def _identities(self) -> list[object]:
        return [None if is_far(path) else identity(path) for path in self.paths]

    def _open_tables(self) -> list[TableReader]:
        return [TableReader(mapped(path), path) for path in self.paths]

    def close(self) -> None:
        """Close the files; a tensor that is read later opens them again."""
        if not any(map(is_far, self.paths)):  # a remote file is not held open
            self._tables = []

    def _reopen(self) -> None:
        """Open the files again.

        Raises:
          CheckpointReplacedError: If they are those of another checkpoint.
        """
        if self._seen != self._identities():
            raise CheckpointReplacedError(
                f"{self.paths[0]!r} has been replaced, or deleted, since it was read: "
                "open it again"
            )
        self._tables = self._open_tables()

    def _add_meta(self, found: dict[str, V1Tensor], number: int, path: str) -> None:
        raw = self._tables[number].get(_META_KEY)
        if raw is None:
            raise CorruptCheckpointError(
                f"{path}: a table without a meta record: not a V1 checkpoint"
            )
        meta = parsed(SavedTensorSlices, bytes(raw), f"{path}, meta record").meta
        if meta.versions.min_consumer > _MIN_VERSION:
            raise CorruptCheckpointError(
                f"{path}: written for readers of version {meta.versions.min_consumer} "
                f"on; this one knows version {_MIN_VERSION}"
            )
        here: set[str] = set()
        for tensor in meta.tensor:
            known = found.get(tensor.name)
            where = f"{path}, tensor {tensor.name!r}"
            if tensor.name in here:
                raise CorruptCheckpointError(f"{where} is listed twice")
            here.add(tensor.name)
            added = _v1_tensor(tensor, number, where)
            found[tensor.name] = _joined(known, added, where) if known else added

    def read(self, key: str, index: Index | None = None) -> Array:
        """Return a tensor, or the part of it at ``index``.

        Args:
          key: Of the tensor.
          index: A NumPy basic index; of a partitioned tensor then only those slices
            are read that it touches.

        Returns:
          A read-only array; strings as an object array of bytes.

        Raises:
          TensorNotFoundError: If there is no such tensor.
          UnsupportedDTypeError: If the dtype has no values outside TensorFlow.
          CorruptCheckpointError: If the file is damaged.
          CheckpointReplacedError: If another file has taken its place since `close`.
        """
        tensor = self.tensors.get(key)
        if tensor is None:
            raise TensorNotFoundError(not_found(key, self.paths[0], self.tensors))
        where = f"{self.paths[0]}, tensor {key!r}"
        tensor.spec.check_rank(where)
        if not self._tables:
            self._reopen()
        box, rest = bounding_box(index, tensor.spec.shape)
        array = assembled(
            tensor.spec,
            tensor.slices,
            lambda number: self._piece(key, tensor, number),
            box,
            where,
        )[rest]
        array.flags.writeable = False
        return array

    def check(self, key: str) -> None:
        """Read a tensor, which checks the checksums of all blocks that hold it.

        Raises:
          CorruptCheckpointError: If one does not fit.
        """
        self.read(key)

    def _piece(self, key: str, tensor: V1Tensor, number: int) -> Array:
        piece, table = tensor.slices[number], tensor.tables[number]
        where = f"{self.paths[table]}, tensor {key!r}, slice {piece}"
        raw = self._tables[table].get(slice_key(key, piece))
        if raw is None:
            raise CorruptCheckpointError(f"{where}: listed, but not in the file")
        proto = parsed(SavedTensorSlices, bytes(raw), where).data.data
        shape = [high - low for low, high in piece.ranges(tensor.spec.shape, where)]
        return _values(proto, tensor.spec.dtype, math.prod(shape), where).reshape(shape)


def _v1_tensor(meta: Any, number: int, where: str) -> V1Tensor:
    spec = TensorSpec(
        dtype_of(meta.type, where), tuple([dim.size for dim in meta.shape.dim])
    )
    if not is_possible(spec.shape):
        raise CorruptCheckpointError(
            f"{where}: impossible shape {list(spec.shape[:10])}"
        )
    slices = tuple([TensorSlice.from_proto(piece) for piece in meta.slice])
    return V1Tensor(spec, slices, (number,) * len(slices))


def _joined(a: V1Tensor, b: V1Tensor, where: str) -> V1Tensor:
    if a.spec != b.spec:
        raise CorruptCheckpointError(
            f"{where} is {b.spec}, but {a.spec} in another shard"
        )
    return V1Tensor(a.spec, a.slices + b.slices, a.tables + b.tables)


def _values(proto: Any, dtype: DType, count: int, where: str) -> Array:
    """Return the elements of a TensorProto as a flat array."""
    import numpy as np

    if dtype not in _VALUE_FIELDS:
        raise UnsupportedDTypeError(f"{where}: V1 files do not hold {dtype.name}")
    stored = getattr(proto, _VALUE_FIELDS[dtype])
    parts = 2 if dtype.name.startswith("complex") else 1
    if len(stored) != count * parts:
        raise CorruptCheckpointError(
            f"{where}: holds {len(stored) / parts:g} elements, expected {count}"
        )
    if dtype is not DType.string:
        return _numbers(stored, dtype)
    values = np.empty(count, object)
    values[:] = stored
    return values


def _numbers(stored: Sequence[Any], dtype: DType) -> Array:
    import numpy as np

    target = dtype.as_numpy_dtype
    if dtype.name.startswith("complex"):
        part = f"f{dtype.itemsize // 2}"
        return np.array(stored, part).view(target)
    # Smaller integers than the message has are cut as a cast in C++ does.
    if dtype in (DType.float16, DType.bfloat16):
        return np.array(stored, np.int32).astype(np.uint16).view(target)
    if _VALUE_FIELDS[dtype] == "int_val":
        return np.array(stored, np.int32).astype(target)
    return np.array(stored, target)
