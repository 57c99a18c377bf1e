"""The protocol buffer messages of checkpoint files, declared by us.

TensorFlow's generated modules need TensorFlow, and a second registration of its message
names would clash with it in one process. So the few messages are declared here, in a
descriptor pool of their own and under a package of their own; wire format depends on
field numbers and types alone. Enums are declared as int32: the same on the wire.
Fields that are not declared here survive a parse and a serialization.

Sources: ``tensor_bundle.proto``, ``tensor_slice.proto``, ``tensor_shape.proto``,
``versions.proto``, ``trackable_object_graph.proto``, ``saved_tensor_slice.proto``,
``tensor.proto``, ``checkpoint_state.proto`` of TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from tf_ckpt_migrate.errors import CorruptCheckpointError

__all__ = [
    "BundleEntryProto",
    "BundleHeaderProto",
    "SavedTensorSlices",
    "TensorShapeProto",
    "TrackableObjectGraph",
    "parsed",
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
SavedTensorSlices: Any = _CLASSES["SavedTensorSlices"]
TensorShapeProto: Any = _CLASSES["TensorShapeProto"]
TrackableObjectGraph: Any = _CLASSES["TrackableObjectGraph"]


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
