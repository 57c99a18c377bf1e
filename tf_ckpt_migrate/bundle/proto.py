"""Protocol buffer messages of a tensor bundle: the wire format and the entries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec, dtype_of, is_possible
from tf_ckpt_migrate.bundle.slices import TensorSlice
from tf_ckpt_migrate.errors import CorruptCheckpointError

__all__ = [
    "BundleEntryProto",
    "BundleHeaderProto",
    "Entry",
    "MetaGraphDef",
    "SavedTensorSlices",
    "Scan",
    "TensorShapeProto",
    "TrackableObjectGraph",
    "VariableDef",
    "moved_to_shard",
    "parse_entry",
    "parsed",
    "scan_entries",
    "serialized_entry",
]


_PACKAGE = "tf_ckpt_migrate"

# Message -> one "name=number type" per field; "*" marks a repeated field, "?" one in a
# oneof of its own (presence is told apart from the default).
_MESSAGES = {
    "VersionDef": "producer=1 int32, min_consumer=2 int32, bad_consumers=3 int32*",
    "BundleHeaderProto": "num_shards=1 int32, endianness=2 int32, version=3 VersionDef",
    "Dim": "size=1 int64, name=2 string",
    "TensorShapeProto": "dim=2 Dim*, unknown_rank=3 bool",
    "Extent": "start=1 int64, length=2 int64?",
    "TensorSliceProto": "extent=1 Extent*",
    "BundleEntryProto": (
        "dtype=1 int32, shape=2 TensorShapeProto, shard_id=3 int32, offset=4 int64, "
        "size=5 int64, crc32c=6 fixed32, slices=7 TensorSliceProto*"
    ),
    "ObjectReference": "node_id=1 int32, local_name=2 string",
    "SerializedTensor": "name=1 string, full_name=2 string, checkpoint_key=3 string",
    "SlotVariableReference": (
        "original_variable_node_id=1 int32, slot_name=2 string, "
        "slot_variable_node_id=3 int32"
    ),
    "TrackableObject": (
        "children=1 ObjectReference*, attributes=2 SerializedTensor*, "
        "slot_variables=3 SlotVariableReference*, registered_saver=4 RegisteredSaver, "
        "has_checkpoint_values=5 BoolValue"
    ),
    "RegisteredSaver": "name=1 string, object_name=2 string",
    "BoolValue": "value=1 bool",
    "TrackableObjectGraph": "nodes=1 TrackableObject*",
    "SavedSliceMeta": (
        "name=1 string, shape=2 TensorShapeProto, type=3 int32, "
        "slice=4 TensorSliceProto*"
    ),
    "SavedTensorSliceMeta": "tensor=1 SavedSliceMeta*, versions=2 VersionDef",
    "TensorProto": (
        "dtype=1 int32, tensor_shape=2 TensorShapeProto, tensor_content=4 bytes, "
        "float_val=5 float*, double_val=6 double*, int_val=7 int32*, "
        "string_val=8 bytes*, scomplex_val=9 float*, int64_val=10 int64*, "
        "bool_val=11 bool*, dcomplex_val=12 double*, half_val=13 int32*, "
        "uint32_val=16 uint32*, uint64_val=17 uint64*, float8_val=18 bytes"
    ),
    "SavedSlice": "name=1 string, slice=2 TensorSliceProto, data=3 TensorProto",
    "SavedTensorSlices": "meta=1 SavedTensorSliceMeta, data=2 SavedSlice",
    "MetaGraphDef": "collection_def=4 NamedCollection*",
    "NamedCollection": "key=1 string, value=2 CollectionDef",  # an entry of a map
    "CollectionDef": "bytes_list=2 BytesList",
    "BytesList": "value=1 bytes*",
    "VariableDef": "variable_name=1 string",
}


def _add_field(message: Any, text: str) -> None:  # Any: protobuf generates its types
    name_and_number, kind = text.split()
    name, number = name_and_number.split("=")
    field = message.field.add(name=name, number=int(number))
    field.label = field.LABEL_REPEATED if kind.endswith("*") else field.LABEL_OPTIONAL
    if kind.endswith("?"):
        field.oneof_index = len(message.oneof_decl)
        message.oneof_decl.add(name=f"has_{name}")
    kind = kind.rstrip("*?")
    if kind in _MESSAGES:
        field.type, field.type_name = field.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
    else:
        field.type = getattr(field, f"TYPE_{kind.upper()}")


def _declared() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="tf_ckpt_migrate/messages.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in fields.split(", "):
            _add_field(message, field)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {
        name: message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")
        )
        for name in _MESSAGES
    }


_CLASSES = _declared()

# Any: the classes are made at run time, so a type checker cannot know their fields.
BundleEntryProto: Any = _CLASSES["BundleEntryProto"]
BundleHeaderProto: Any = _CLASSES["BundleHeaderProto"]
MetaGraphDef: Any = _CLASSES["MetaGraphDef"]
SavedTensorSlices: Any = _CLASSES["SavedTensorSlices"]
TensorShapeProto: Any = _CLASSES["TensorShapeProto"]
TrackableObjectGraph: Any = _CLASSES["TrackableObjectGraph"]
VariableDef: Any = _CLASSES["VariableDef"]


def parsed(message_class: Any, data: bytes, where: str | Callable[[], str]) -> Any:
    r"""Parse ``data``.

    Args:
      message_class: One of the classes of this module.
      data: A serialized message.
      where: What to name in the error: the file and the key; or what makes that text,
        where it would cost time for nothing.

    Returns:
      The message.

    Raises:
      CorruptCheckpointError: If ``data`` is no such message.

    Example:
      >>> parsed(BundleHeaderProto, b"\x08\x02", "example").num_shards
      2
    """
    try:
        return message_class.FromString(data)
    except DecodeError as error:
        name = message_class.DESCRIPTOR.name
        text = where if isinstance(where, str) else where()
        raise CorruptCheckpointError(f"{text}: not a {name}: {error}") from None


_DTYPES = frozenset(DType)
_LONG = 256  # bytes of a shape from which on its spec is not kept


class Entry(NamedTuple):
    """Where and what a tensor is.

    Attributes:
      spec: Its dtype and shape.
      shard: Number of the data shard that holds it.
      offset: Of its first byte there.
      size: Bytes it takes there.
      crc32c: Masked checksum of those bytes.
      slices: The slices of a partitioned variable. Its bytes are theirs: shard, offset
        and size are then 0.
    """

    spec: TensorSpec
    shard: int
    offset: int
    size: int
    crc32c: int
    slices: tuple[TensorSlice, ...] = ()


def parse_entry(raw: bytes, shards: int, where: Callable[[], str]) -> Entry:
    """Take an entry apart and check it.

    Args:
      raw: The serialized ``BundleEntryProto``.
      shards: Number of shards of the checkpoint.
      where: Returns what to name in an error: the file and the key.

    Returns:
      The entry.

    Raises:
      CorruptCheckpointError: If it is no such message, or its numbers are impossible.
    """
    proto = parsed(BundleEntryProto, raw, where)
    spec, stored_size = _spec_of(proto)
    if spec is None:
        raise _impossible_spec(proto, where())
    slices = tuple(map(TensorSlice.from_proto, proto.slices))
    size = proto.size
    entry = Entry(spec, proto.shard_id, proto.offset, size, proto.crc32c, slices)
    if stored_size != size or not 0 <= entry.shard < shards or entry.offset < 0:
        _check_place(entry, shards, where())
    return entry


class Scan(NamedTuple):
    """What one pass over the entries of an index tells.

    Attributes:
      specs: Dtype and shape by key, of the usual entries.
      ends: How many bytes each shard must have for them.
      unusual: The keys of the others, which ``parse_entry`` has to look at: they have
        slices, or strings, or are wrong.
    """

    specs: dict[str, TensorSpec]
    ends: list[int]
    unusual: list[str]


def scan_entries(entries: Mapping[str, bytes], shards: int) -> Scan:
    """Look at every entry of an index, in a third of the time of ``parse_entry``.

    Args:
      entries: Serialized ``BundleEntryProto`` messages by key.
      shards: Number of shards of the checkpoint.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> entry = Entry(TensorSpec(DType.int8, (4,)), 0, 60, 4, 0)
      >>> scan_entries({"w": serialized_entry(entry)}, 1).ends
      [64]
    """
    scan = Scan({}, [0] * shards, [])
    specs, ends, unusual = scan
    parse = BundleEntryProto.FromString
    for key, raw in entries.items():
        try:
            proto = parse(raw)
        except DecodeError:
            unusual.append(key)
            continue
        spec, size = _spec_of(proto)
        if spec is None or size is None or proto.slices:
            unusual.append(key)
            continue
        shard: int = proto.shard_id
        offset: int = proto.offset
        if proto.size != size or offset < 0 or not 0 <= shard < shards:
            unusual.append(key)
            continue
        specs[key] = spec
        ends[shard] = max(ends[shard], offset + size)
    return scan


def _spec_of(proto: Any) -> tuple[TensorSpec | None, int | None]:
    """Return the spec of an entry, and the bytes it takes; None for what is not stated.

    An impossible spec is no spec; how many bytes strings take is not fixed.
    """
    shape = proto.shape.SerializeToString()
    if len(shape) > _LONG:  # a hostile one; nothing keeps it in memory
        return _checked_spec.__wrapped__(proto.dtype, shape)
    return _checked_spec(proto.dtype, shape)


# An index has few different specs. They are taken from the parsed message, never from
# its bytes: a field may come twice, and then protobuf decides what holds.
@lru_cache(maxsize=4096)
def _checked_spec(dtype: int, shape: bytes) -> tuple[TensorSpec | None, int | None]:
    dims = TensorShapeProto.FromString(shape)
    lengths = tuple(dim.size for dim in dims.dim)
    if dtype not in _DTYPES or dims.unknown_rank or not is_possible(lengths):
        return None, None
    spec = TensorSpec(DType(dtype), lengths)
    return spec, spec.nbytes if spec.dtype.itemsize else None


def _impossible_spec(proto: Any, where: str) -> Exception:
    dtype_of(proto.dtype, where)  # raises, if it is the dtype
    shape = [dim.size for dim in proto.shape.dim]
    if proto.shape.unknown_rank:
        return CorruptCheckpointError(f"{where}: the shape has no rank")
    return CorruptCheckpointError(f"{where}: impossible shape {shape[:10]}")


def _check_place(entry: Entry, shards: int, where: str) -> None:
    if not 0 <= entry.shard < shards:
        raise CorruptCheckpointError(
            f"{where}: shard {entry.shard} of {shards} (numbered from 0)"
        )
    if entry.offset < 0 or entry.size < 0:
        raise CorruptCheckpointError(
            f"{where}: impossible place: {entry.size} bytes at offset {entry.offset}"
        )
    if entry.slices:
        return
    if entry.spec.dtype.itemsize:
        if entry.size != entry.spec.nbytes:
            raise CorruptCheckpointError(
                f"{where}: {entry.spec} takes {entry.spec.nbytes} bytes, but the index "
                f"says {entry.size}"
            )
    elif entry.spec.dtype is DType.string and entry.size < entry.spec.size:
        # Each length takes a byte at least; a larger promise would only cost memory.
        raise CorruptCheckpointError(
            f"{where}: {entry.spec} cannot be stored in {entry.size} bytes"
        )


def serialized_entry(entry: Entry) -> bytes:
    """Return the ``BundleEntryProto`` of a tensor, or of a slice of one.

    Example:
      >>> spec = TensorSpec(DType.float32, (2,))
      >>> parse_entry(serialized_entry(Entry(spec, 0, 4, 8, 7)), 1, str).offset
      4
    """
    proto = BundleEntryProto(
        dtype=int(entry.spec.dtype),
        shard_id=entry.shard,
        offset=entry.offset,
        size=entry.size,
        crc32c=entry.crc32c,
    )
    proto.shape.SetInParent()
    for length in entry.spec.shape:
        proto.shape.dim.add(size=length)
    for piece in entry.slices:
        piece.add_to(proto.slices)
    return proto.SerializeToString(deterministic=True)


def moved_to_shard(raw: bytes, shard: int, offset: int | None, where: str) -> bytes:
    """Return a serialized entry with another place; all else stays, unknown fields too.

    Args:
      raw: The serialized ``BundleEntryProto``.
      shard: The number of the shard that now holds the bytes.
      offset: Where in it; None leaves the offset.
      where: What to name in an error.
    """
    proto = parsed(BundleEntryProto, raw, where)
    proto.shard_id = shard
    if offset is not None:
        proto.offset = offset
    return proto.SerializeToString(deterministic=True)
