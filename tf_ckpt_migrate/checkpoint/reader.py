"""Reads any checkpoint: TensorFlow's reader methods, and more, without TensorFlow."""

from __future__ import annotations

import enum
import os
import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.index import not_found
from tf_ckpt_migrate.bundle.object_graph import OBJECT_GRAPH_KEY, ObjectGraph
from tf_ckpt_migrate.bundle.reader import BundleReader
from tf_ckpt_migrate.bundle.slices import is_tiled
from tf_ckpt_migrate.checkpoint.locate import Location, locate
from tf_ckpt_migrate.errors import CorruptCheckpointError, TensorNotFoundError
from tf_ckpt_migrate.storage.access import looking_once

if TYPE_CHECKING:
    import numpy as np

    from tf_ckpt_migrate.bundle.reader import Index
    from tf_ckpt_migrate.bundle.slices import TensorSlice
    from tf_ckpt_migrate.bundle.v1 import V1Reader

__all__ = [
    "CheckpointFormat",
    "CheckpointLike",
    "CheckpointReader",
    "Place",
    "as_reader",
    "list_variables",
    "load_checkpoint",
]

_GRAPH_SPEC = TensorSpec(DType.string, ())
_OBJECT_KEY_MARK = "/.ATTRIBUTES/"


class CheckpointFormat(str, enum.Enum):
    """What keys a checkpoint has, or which file format it is of.

    A SavedModel's variables are name-based or object-based too:
    ``CheckpointReader.object_graph`` tells.
    """

    NAME_BASED = "name-based"
    OBJECT_BASED = "object-based"
    DUAL_KEYED = "dual-keyed"
    V1 = "V1"
    SAVED_MODEL = "SavedModel"

    def __str__(self) -> str:
        return self.value


class Place(NamedTuple):
    """Where bytes of a tensor are.

    Attributes:
      file: The data shard, or the V1 file.
      shard: Its number.
      offset: Of the first byte in it; -1 in a V1 file, whose values are encoded.
      size: Number of bytes; -1 in a V1 file.
      piece: Which slice they are; None if they are the whole.
    """

    file: str
    shard: int
    offset: int
    size: int
    piece: TensorSlice | None = None


class CheckpointReader(Mapping[str, Any]):
    """The tensors of one checkpoint, by key.

    It can be copied and pickled, for other processes too: the copy holds no bytes, but
    opens the files again.

    Its methods give what ``tf.train.load_checkpoint(...)`` gives. As a mapping, and by
    `read`, it gives read-only arrays: where the file allows it the mapped file itself.

    Args:
      ckpt_dir_or_file: What ``locate`` understands: a prefix, a file of a checkpoint, a
        model directory, a SavedModel.
      verify: Whether the checksum of a tensor is checked when it is first read.

    Attributes:
      prefix: Of the checkpoint that was found.
      notes: What is worth knowing of how it was found.

    Raises:
      CheckpointError: As ``load_checkpoint``.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> with example_checkpoint({"w": [[1, 2, 3]]}) as prefix:
      ...     reader = CheckpointReader(prefix)
      ...     reader.format.value, reader.specs["w"].shape, reader["w"].tolist()
      ('name-based', (1, 3), [[1, 2, 3]])
    """

    def __init__(
        self, ckpt_dir_or_file: str | os.PathLike[str], *, verify: bool = True
    ) -> None:
        """Find the checkpoint and read its index."""
        with looking_once():
            self._open(locate(ckpt_dir_or_file), verify)

    def _open(self, location: Location, verify: bool) -> None:
        self._location = location
        self._verify = verify
        self.prefix: str = self._location.prefix
        self.notes: tuple[str, ...] = self._location.notes
        self._reader: BundleReader | V1Reader
        if self._location.v1_files:
            from tf_ckpt_migrate.bundle.v1 import V1Reader  # seldom needed

            self._reader = V1Reader(self._location.v1_files)
        else:
            self._reader = BundleReader(self.prefix, verify=verify)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle, or copy, the place of the checkpoint: the copy opens it again."""
        return self._reopened, (self._location, self._verify)

    @classmethod
    def _reopened(cls, location: Location, verify: bool) -> CheckpointReader:
        """Return a reader of a checkpoint that another reader has found."""
        reader = cls.__new__(cls)
        reader._open(location, verify)
        return reader

    def __repr__(self) -> str:
        return f"<CheckpointReader {self.prefix!r}: {self.format}, {len(self):,} keys>"

    @cached_property
    def format(self) -> CheckpointFormat:
        """Which of the five kinds of checkpoint this is."""
        if self._location.v1_files:
            return CheckpointFormat.V1
        if self._location.saved_model:
            return CheckpointFormat.SAVED_MODEL
        if OBJECT_GRAPH_KEY not in self:
            return CheckpointFormat.NAME_BASED
        named = any(
            _OBJECT_KEY_MARK not in key for key in self if key != OBJECT_GRAPH_KEY
        )
        return CheckpointFormat.DUAL_KEYED if named else CheckpointFormat.OBJECT_BASED

    @property
    def object_graph(self) -> ObjectGraph | None:
        """The object graph (CorruptCheckpointError if damaged), or None without one."""
        return self._object_graph

    @cached_property
    def _object_graph(self) -> ObjectGraph | None:
        if OBJECT_GRAPH_KEY not in self:
            return None
        where = f"{self.prefix!r}, key {OBJECT_GRAPH_KEY}"
        if (spec := self.specs[OBJECT_GRAPH_KEY]) != _GRAPH_SPEC:
            raise CorruptCheckpointError(
                f"{where}: TensorFlow stores the object graph here, as {_GRAPH_SPEC}, "
                f"but this is {spec}; the file is damaged, or of another program"
            )
        return ObjectGraph(self.get_tensor(OBJECT_GRAPH_KEY), where)

    @property
    def bundle(self) -> BundleReader | None:
        """The reader of the file format V2, or None for a V1 checkpoint."""
        return self._reader if isinstance(self._reader, BundleReader) else None

    @property
    def files(self) -> tuple[str, ...]:
        """Every file of the checkpoint, the index first; they need not be there."""
        if not isinstance(self._reader, BundleReader):
            return self._reader.paths
        shards = self._reader.shards
        return (self._reader.index.path, *map(shards.path, range(shards.count)))

    @property
    def specs(self) -> Mapping[str, TensorSpec]:
        """Dtype and shape of every tensor."""
        reader = self._reader
        return reader.index.specs if isinstance(reader, BundleReader) else reader.specs

    def places(self, key: str) -> tuple[Place, ...]:
        """Return where the bytes of a tensor are: one place, or one for each slice.

        Raises:
          TensorNotFoundError: If there is no such tensor.
        """
        self._check_present(key)
        if not isinstance(self._reader, BundleReader):
            paths, (_, slices, tables) = self._reader.paths, self._reader.tensors[key]
            pairs = zip(tables, slices, strict=True)
            return tuple(Place(paths[t], t, -1, -1, piece) for t, piece in pairs)
        index = self._reader.index
        entry = index[key]
        path = self._reader.shards.path
        if not entry.slices:
            return (Place(path(entry.shard), *entry[1:4]),)
        stored = ((index.slice_entry(key, p), p) for p in entry.slices)
        return tuple(
            Place(path(e.shard), e.shard, e.offset, e.size, p) for e, p in stored
        )

    def part_of(self, key: str) -> tuple[tuple[int, int], ...] | None:
        """Return which part of a tensor a key holds; None if it is all of it.

        A slot of one part of a partitioned variable is stored under a key of its own,
        with the shape of the whole and the bytes of that part.

        Raises:
          TensorNotFoundError: If there is no such tensor.
          CorruptCheckpointError: If a slice does not lie within the tensor.
        """
        shape, where = self.specs[key].shape, f"{self.prefix}, key {key!r}"
        pieces = [place.piece for place in self.places(key)]
        boxes = [piece.ranges(shape, where) for piece in pieces if piece is not None]
        if not boxes or not shape or is_tiled(boxes, shape):
            return None
        ends = [[*zip(*axis, strict=True)] for axis in zip(*boxes, strict=True)]
        low = [min(starts) for starts, _ in ends]
        lengths = tuple(
            max(stops) - start for start, (_, stops) in zip(low, ends, strict=True)
        )
        moved = [
            tuple(
                (a - start, b - start) for (a, b), start in zip(box, low, strict=True)
            )
            for box in boxes
        ]
        if not is_tiled(moved, lengths):
            return None
        return tuple((start, start + n) for start, n in zip(low, lengths, strict=True))

    def part(self, key: str) -> np.ndarray[Any, Any]:
        """Return what a key holds of a tensor: all of it, or the part that it stores.

        Raises:
          TensorNotFoundError: If there is no such tensor.
          CorruptCheckpointError: If its bytes are damaged, or end too soon.
        """
        box = self.part_of(key)
        if box is None:
            return self[key]
        if self.bundle is not None and self.bundle.verify:
            self.bundle.check(key, whole=False)
        return self._reader.read(key, tuple(slice(*ends) for ends in box))

    def check(self, key: str) -> None:
        """Check every byte of a tensor against its checksums.

        Raises:
          CorruptCheckpointError: If one does not fit, or bytes are missing.
        """
        self._reader.check(key)

    def get_tensor(self, tensor_str: str | bytes, index: Index | None = None) -> Any:
        """Return the value of a tensor, as TensorFlow's reader returns it.

        Args:
          tensor_str: Its key.
          index: A NumPy basic index, such as ``slice(10, 20)`` for ten rows. Then only
            the bytes asked for are read, and the checksum, which is of the whole
            tensor, is not checked.

        Returns:
          An array of its own, which can be changed; of a scalar a NumPy scalar, or
          bytes; strings as an object array of bytes. `read` makes no copy.

        Raises:
          TensorNotFoundError: If there is no such tensor.
          UnsupportedDTypeError: If it is a resource or variant.
          CorruptCheckpointError: If its bytes are damaged, or end too soon.
        """
        array = self.read(_as_key(tensor_str), index)
        return array.copy() if array.ndim else array[()]

    def close(self) -> None:
        """Close the data files; a tensor that is read later opens its file again.

        A file stays open, too, as long as an array of it is in use.
        """
        self._reader.close()

    def read(self, key: str, index: Index | None = None) -> np.ndarray[Any, Any]:
        """Return the value of a tensor as a read-only array, without a needless copy.

        Args:
          key: Its key.
          index: As of `get_tensor`.

        Raises:
          CheckpointError: As of `get_tensor`.
        """
        return self._reader.read(key, index)

    def has_tensor(self, tensor_str: str | bytes) -> bool:
        """Return whether there is a tensor of this key."""
        return _as_key(tensor_str) in self

    def get_variable_to_shape_map(self) -> dict[str, list[int]]:
        """Return the shape of every tensor, by key."""
        return {key: list(spec.shape) for key, spec in self.specs.items()}

    def get_variable_to_dtype_map(self) -> dict[str, DType]:
        """Return the dtype of every tensor, by key.

        Where TensorFlow is imported these are its own ``tf.DType`` objects, else
        `DType`, which are equal to them.
        """
        return {key: _public_dtype(spec.dtype) for key, spec in self.specs.items()}

    def debug_string(self) -> bytes:
        """Return a listing, a line for each tensor, as TensorFlow's reader does."""
        from tf_ckpt_migrate.checkpoint.debug_string import debug_string

        return debug_string(self._reader)

    def __getitem__(self, key: str) -> np.ndarray[Any, Any]:
        return self.read(key)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def _keys(self) -> Mapping[str, Any]:
        if isinstance(self._reader, BundleReader):
            return self._reader.index.raw
        return self._reader.tensors

    def _check_present(self, key: str) -> None:
        if key not in self:
            raise TensorNotFoundError(not_found(key, self.prefix, self._keys))


def _as_key(name: object) -> str:
    """Return a key that may come as bytes, as from a protobuf or a string tensor."""
    if isinstance(name, bytes):
        return name.decode(errors="surrogateescape")
    if not isinstance(name, str):
        raise TypeError(f"expected the name of a tensor, str or bytes, got {name!r}")
    return name


def _public_dtype(dtype: DType) -> Any:
    """Return TensorFlow's dtype object, where it is imported and knows the dtype."""
    as_dtype = getattr(sys.modules.get("tensorflow"), "as_dtype", DType)
    try:
        return as_dtype(int(dtype))
    except TypeError:  # this TensorFlow is older than the dtype
        return dtype


def load_checkpoint(
    ckpt_dir_or_file: str | os.PathLike[str], *, verify: bool = True
) -> CheckpointReader:
    """Open a checkpoint, as ``tf.train.load_checkpoint`` does, without TensorFlow.

    Args:
      ckpt_dir_or_file: A checkpoint prefix; one of the files of a checkpoint; a model
        directory; a SavedModel.
      verify: Whether the checksum of a tensor is checked when it is first read.

    Returns:
      Its reader.

    Raises:
      CheckpointNotFoundError: If there is no checkpoint.
      AmbiguousCheckpointError: If there are several.
      NotACheckpointError: If the file is of another kind.
      CorruptCheckpointError: If the index is damaged.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> with example_checkpoint({"w": [[1, 2, 3]]}) as prefix:
      ...     load_checkpoint(prefix).get_tensor("w").tolist()
      [[1, 2, 3]]
    """
    return CheckpointReader(ckpt_dir_or_file, verify=verify)


def list_variables(
    ckpt_dir_or_file: str | os.PathLike[str],
) -> list[tuple[str, list[int]]]:
    """Return names and shapes of all tensors, sorted: ``tf.train.list_variables``.

    Args:
      ckpt_dir_or_file: What ``load_checkpoint`` takes.

    Returns:
      A list of pairs of key and shape.

    Raises:
      CheckpointError: As ``load_checkpoint``.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> with example_checkpoint({"w": [[1, 2, 3]]}) as prefix:
      ...     list_variables(prefix)
      [('w', [1, 3])]
    """
    shapes = load_checkpoint(ckpt_dir_or_file).get_variable_to_shape_map()
    return sorted(shapes.items())


CheckpointLike: TypeAlias = str | os.PathLike[str] | CheckpointReader


def as_reader(checkpoint: CheckpointLike) -> CheckpointReader:
    """Return the reader of a checkpoint, which may be one already.

    Raises:
      CheckpointError: If there is none, or it cannot be read.
    """
    if isinstance(checkpoint, CheckpointReader):
        return checkpoint
    return load_checkpoint(checkpoint)
