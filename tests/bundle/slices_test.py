import re
from pathlib import Path

import pytest

from tests.bundle.files import GOLDENS, add_slice
from tf_ckpt_migrate.bundle.index import BundleIndex
from tf_ckpt_migrate.bundle.proto import BundleEntryProto
from tf_ckpt_migrate.bundle.slices import TensorSlice, slice_key
from tf_ckpt_migrate.errors import CorruptCheckpointError
from tf_ckpt_migrate.table.reader import TableReader


# From indexes that TensorFlow 2.15 wrote.
@pytest.mark.parametrize(
    ("name", "piece", "key"),
    [
        ("emb", TensorSlice((4, 0), (4, 2)), "00656d620001010284848082"),
        ("emb", TensorSlice((8, 0), (3, 2)), "00656d620001010288838082"),
        (
            "deep/emb/Adam_1",
            TensorSlice((5, 0), (2, 2)),
            "00646565702f656d622f4164616d5f310001010285828082",
        ),
    ],
)
def test_key_of_a_slice(name, piece, key):
    assert slice_key(name, piece).hex() == key


@pytest.mark.parametrize("name", ["axis_0", "axis_1", "sharded", "single", "vector"])
@pytest.mark.parametrize("writer", ["tf1_15", "tf2_15", "tf2_21"])
def test_keys_of_slices_are_those_of_tensorflows_indexes(writer, name):
    prefix = str(GOLDENS / writer / f"partitioned_{name}" / "model.ckpt")
    index = BundleIndex(prefix)
    stored = TableReader(Path(index.path).read_bytes(), "t")
    ours = [slice_key(key, piece) for key, piece in index.slices()]
    assert ours == [key for key, _ in stored if key[:1] == b"\0"]
    assert ours or name == "single"


def test_a_message_keeps_what_is_whole():
    piece = TensorSlice((3, 0), (2, -1))
    proto = BundleEntryProto().slices.add()
    add_slice(proto, piece)
    assert TensorSlice.from_proto(proto) == piece
    assert str(piece) == "3,2:-"
    zero = TensorSlice((0,), (0,))  # a length of 0 is not a missing one
    proto = BundleEntryProto().slices.add()
    add_slice(proto, zero)
    assert TensorSlice.from_proto(proto) == zero


def test_ranges_within_a_whole():
    assert TensorSlice((3, 0), (2, -1)).ranges((5, 4), "t") == ((3, 5), (0, 4))
    assert TensorSlice((), ()).ranges((), "t") == ()
    assert TensorSlice((5,), (0,)).ranges((5,), "t") == ((5, 5),)


@pytest.mark.parametrize(
    ("starts", "lengths", "shape"),
    [
        ((3,), (3,), (5,)),
        ((-1,), (2,), (5,)),
        ((2,), (-2,), (5,)),
        ((2**63 - 1,), (2**63 - 1,), (5,)),
        ((0,), (5,), (5, 1)),
        ((0, 0), (5, 1), (5,)),
    ],
)
def test_a_slice_outside_of_its_whole_is_refused(starts, lengths, shape):
    piece = TensorSlice(starts, lengths)
    expected = re.escape(f"m.index, key 'w': slice {piece} does not lie within")
    with pytest.raises(CorruptCheckpointError, match=expected):
        piece.ranges(shape, "m.index, key 'w'")
