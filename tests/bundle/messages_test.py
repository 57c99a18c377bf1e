import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_ckpt_migrate.bundle.proto import (
    BundleEntryProto,
    BundleHeaderProto,
    SavedTensorSlices,
    TrackableObjectGraph,
    parsed,
)
from tf_ckpt_migrate.errors import CorruptCheckpointError

CLASSES = {
    "tensorflow.core.protobuf.tensor_bundle_pb2.BundleEntryProto": BundleEntryProto,
    "tensorflow.core.protobuf.tensor_bundle_pb2.BundleHeaderProto": BundleHeaderProto,
    "tensorflow.core.protobuf.trackable_object_graph_pb2.TrackableObjectGraph": (
        TrackableObjectGraph
    ),
    "tensorflow.core.util.saved_tensor_slice_pb2.SavedTensorSlices": SavedTensorSlices,
}
_NUMBERS = {
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint32": st.integers(0, 2**32 - 1),
    "fixed32": st.integers(0, 2**32 - 1),
    "uint64": st.integers(0, 2**64 - 1),
    "float": st.floats(width=32),
    "double": st.floats(),
    "bool": st.booleans(),
    "string": st.text(),
    "bytes": st.binary(),
}
_KINDS = {
    number: name.removeprefix("TYPE_").lower()
    for name, number in vars(
        type(BundleEntryProto.DESCRIPTOR.fields_by_name["dtype"])
    ).items()
    if name.startswith("TYPE_")
}


def is_repeated(field):
    """Return whether a field is, in every protobuf there is."""
    if hasattr(field, "is_repeated"):  # from 6 on, where ``label`` warns
        return field.is_repeated
    return field.label == field.LABEL_REPEATED


@st.composite
def messages(draw, message_class):
    message = message_class()
    _fill(draw, message)
    return message


def _fill(draw, message):
    for field in message.DESCRIPTOR.fields:
        kind = _KINDS[field.type]
        target = getattr(message, field.name)
        if kind == "message":
            parts = (
                [target.add() for _ in range(draw(st.integers(0, 2)))]
                if is_repeated(field)
                else [target]
            )
            for part in parts:
                _fill(draw, part)
        elif is_repeated(field):
            target.extend(draw(st.lists(_NUMBERS[kind], max_size=2)))
        elif draw(st.booleans()):
            setattr(message, field.name, draw(_NUMBERS[kind]))


def theirs(name):
    import importlib

    module, _, cls = name.rpartition(".")
    return getattr(importlib.import_module(module), cls)


@pytest.mark.tf
@pytest.mark.parametrize("name", CLASSES)
@given(data=st.data())
def test_a_message_is_the_same_bytes_for_tensorflow(name, data):
    raw = data.draw(messages(CLASSES[name])).SerializeToString(deterministic=True)
    again = theirs(name).FromString(raw)
    assert again.SerializeToString(deterministic=True) == raw


def _assert_same_fields(ours, their):
    for field in ours.fields:
        other = their.fields_by_number[field.number]
        kinds = (_KINDS[field.type], _KINDS[other.type])
        assert field.name == other.name
        assert is_repeated(field) == is_repeated(other)
        assert kinds == ("int32", "enum") or kinds[0] == kinds[1]
        assert (field.containing_oneof is None) == (other.containing_oneof is None)
        if kinds[0] == "message" and field.message_type is not ours:
            _assert_same_fields(field.message_type, other.message_type)


@pytest.mark.tf
@pytest.mark.parametrize("name", CLASSES)
def test_fields_have_the_numbers_names_and_types_of_tensorflows(name):
    _assert_same_fields(CLASSES[name].DESCRIPTOR, theirs(name).DESCRIPTOR)


@pytest.mark.parametrize("message_class", CLASSES.values())
@given(unknown=st.binary(max_size=20))
def test_unknown_fields_survive(message_class, unknown):
    raw = b"\xa2\x1f" + bytes([len(unknown)]) + unknown  # field 500
    message = parsed(message_class, raw, "example")
    assert message.SerializeToString() == raw


def test_bytes_of_an_entry():
    raw = bytes.fromhex("08011208120208021202080318012004281835c0b0d5aa")
    entry = parsed(BundleEntryProto, raw, "example")
    assert (entry.dtype, entry.shard_id, entry.offset, entry.size) == (1, 1, 4, 24)
    assert [dim.size for dim in entry.shape.dim] == [2, 3]
    assert entry.crc32c == 0xAAD5B0C0
    assert entry.SerializeToString() == raw


def test_what_is_no_message_is_refused_with_its_place():
    expected = "m.index, key 'w': not a BundleEntryProto"
    with pytest.raises(CorruptCheckpointError, match=expected):
        parsed(BundleEntryProto, b"\xff", "m.index, key 'w'")
    with pytest.raises(CorruptCheckpointError, match=expected):
        parsed(BundleEntryProto, b"\xff", lambda: "m.index, key 'w'")


def test_the_place_is_not_made_up_for_nothing():
    def where():
        raise AssertionError("costs time for nothing")

    assert parsed(BundleEntryProto, b"", where) == BundleEntryProto()
