import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as npst

from tests.bundle.files import table, v1_meta, whole_slice, write_v1
from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.slices import TensorSlice
from tf_ckpt_migrate.bundle.v1 import V1Reader
from tf_ckpt_migrate.errors import (
    CorruptCheckpointError,
    TensorNotFoundError,
    UnsupportedDTypeError,
)

WHOLE = whole_slice(1)
EMB = np.arange(12, dtype=np.float32).reshape(4, 3)
EMB_SPEC = TensorSpec(DType.float32, (4, 3))
HALVES = [TensorSlice((0, 0), (3, -1)), TensorSlice((3, 0), (1, -1))]


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "model.ckpt")


def vector(name, dtype, field, elements, count=None):
    """Return a tensor as write_v1 takes it."""
    spec = TensorSpec(dtype, (len(elements) if count is None else count,))
    return (name, spec, WHOLE, {field: elements})


def read(path, *tensors):
    write_v1(path, tensors)
    return V1Reader([path])


def test_a_file_without_a_version_record(path):
    reader = read(path, vector("w", DType.float32, "float_val", [1.5, -2]))
    assert list(reader.tensors) == ["w"]
    assert reader.tensors["w"].spec == TensorSpec(DType.float32, (2,))
    value = reader.read("w")
    assert value.tolist() == [1.5, -2]
    assert value.dtype == np.float32
    assert not value.flags.writeable
    reader.check("w")


def test_a_scalar(path):
    spec = TensorSpec(DType.int64, ())
    reader = read(path, ("step", spec, whole_slice(0), {"int64_val": [2**40]}))
    assert reader.read("step").shape == ()
    assert reader.read("step") == 2**40


# In which field SaveTypeTraits puts the elements.
@pytest.mark.parametrize(
    ("dtype", "field", "stored", "values"),
    [
        (DType.float32, "float_val", [0.5], [0.5]),
        (DType.float64, "double_val", [0.1], [0.1]),
        (DType.int32, "int_val", [-(2**31)], [-(2**31)]),
        (DType.uint8, "int_val", [255], [255]),
        (DType.int8, "int_val", [-128], [-128]),
        (DType.int16, "int_val", [-32768], [-32768]),
        (DType.qint8, "int_val", [-128], [-128]),
        (DType.quint16, "int_val", [65535], [65535]),
        (DType.int64, "int64_val", [-(2**63)], [-(2**63)]),
        (DType.bool, "bool_val", [True, False], [True, False]),
        (DType.uint32, "uint32_val", [2**32 - 1], [2**32 - 1]),
        (DType.uint64, "uint64_val", [2**64 - 1], [2**64 - 1]),
        (DType.float16, "half_val", [0x3C00, 0xC000], [1, -2]),
        (DType.bfloat16, "half_val", [0x3F80, 0xC000], [1, -2]),
        (DType.complex64, "scomplex_val", [1, 2, 3, 4], [1 + 2j, 3 + 4j]),
        (DType.complex128, "dcomplex_val", [1, 2], [1 + 2j]),
        (DType.string, "string_val", [b"", b"\xff\0"], [b"", b"\xff\0"]),
    ],
    ids=lambda each: each.name if isinstance(each, DType) else "",
)
def test_values_of_a_dtype(path, dtype, field, stored, values):
    value = read(path, vector("w", dtype, field, stored, len(values))).read("w")
    assert value.dtype == dtype.as_numpy_dtype
    assert value.tolist() == values


def test_numbers_too_large_for_their_dtype_are_cut_as_in_cpp(path):
    reader = read(
        path,
        vector("a", DType.uint8, "int_val", [257, -1]),
        vector("b", DType.float16, "half_val", [0x13C00]),
    )
    assert reader.read("a").tolist() == [1, 255]
    assert reader.read("b").tolist() == [1]


@pytest.mark.parametrize(
    ("tensor", "count", "found"),
    [
        ((DType.float32, "float_val", [1]), 2, "1"),
        ((DType.float32, "float_val", []), 1, "0"),
        ((DType.float32, "double_val", [1]), 1, "0"),
        ((DType.string, "string_val", [b"a", b"b"]), 1, "2"),
        ((DType.complex64, "scomplex_val", [1, 2, 3]), 2, "1.5"),
        ((DType.int32, "int_val", [1]), 2**58, "1"),
    ],
)
def test_a_wrong_number_of_elements(path, tensor, count, found):
    reader = read(path, vector("w", *tensor, count))
    expected = (
        f"model.ckpt, tensor 'w', slice -: holds {found} elements, expected {count}"
    )
    for look in (reader.read, reader.check):
        with pytest.raises(CorruptCheckpointError, match=re.escape(expected)):
            look("w")


def write_sliced(path, pieces, stored=None):
    tensors = [
        ("emb", EMB_SPEC, piece, {"float_val": EMB[slice(*rows)].ravel().tolist()})
        for piece in pieces
        for rows in piece.ranges(EMB.shape, "t")[:1]
    ]
    written = tensors if stored is None else tensors[:stored]
    write_v1(path, written, meta=v1_meta(tensors))


def test_a_sliced_tensor_is_put_together(path):
    write_sliced(path, HALVES)
    reader = V1Reader([path])
    assert reader.tensors["emb"].slices == tuple(HALVES)
    assert np.array_equal(reader.read("emb"), EMB)


@given(npst.basic_indices(EMB.shape, allow_newaxis=False))
def test_a_part_is_that_part_of_the_whole(tmp_path_factory, index):
    path = str(tmp_path_factory.mktemp("v1") / "model.ckpt")
    write_sliced(path, HALVES)
    assert np.array_equal(V1Reader([path]).read("emb", index), EMB[index])


def test_slices_may_lie_in_several_files(tmp_path):
    paths = [str(tmp_path / f"m-0000{number}-of-00002") for number in range(2)]
    for path, piece in zip(paths, HALVES, strict=True):
        write_sliced(path, [piece])
    reader = V1Reader(paths)
    assert reader.tensors["emb"].tables == (0, 1)
    assert np.array_equal(reader.read("emb"), EMB)


def test_a_tensor_of_two_shapes_in_two_files_is_refused(tmp_path):
    paths = [str(tmp_path / name) for name in ("a", "b")]
    write_v1(paths[0], [vector("w", DType.int32, "int_val", [1])])
    write_v1(paths[1], [vector("w", DType.int32, "int_val", [1, 2])])
    expected = re.escape(
        f"{paths[1]}, tensor 'w' is int32[2], but int32[1] in another shard"
    )
    with pytest.raises(CorruptCheckpointError, match=expected):
        V1Reader(paths)


def test_a_slice_that_is_listed_but_missing(path):
    write_sliced(path, HALVES, stored=1)
    reader = V1Reader([path])
    assert np.array_equal(reader.read("emb", 0), EMB[0])
    with pytest.raises(CorruptCheckpointError, match="slice 3,1:-: listed, but not in"):
        reader.read("emb")


@pytest.mark.parametrize("pieces", [HALVES[:1], [*HALVES, HALVES[1]], []])
def test_slices_that_do_not_cover_the_whole(path, pieces):
    tensors = [("emb", EMB_SPEC, piece, {}) for piece in pieces]
    meta = v1_meta(tensors or [("emb", EMB_SPEC, HALVES[0], {})])
    if not pieces:
        del meta.meta.tensor[0].slice[:]
    write_v1(path, [], meta=meta)
    with pytest.raises(CorruptCheckpointError, match="tensor 'emb': its slices hold"):
        V1Reader([path]).read("emb")


@pytest.mark.parametrize("shape", [(-1,), (1,) * 255, (2**40, 2**40)])
def test_an_impossible_shape(path, shape):
    spec = TensorSpec(DType.int8, shape)
    write_v1(path, [("w", spec, whole_slice(len(shape)), {})])
    with pytest.raises(CorruptCheckpointError, match="tensor 'w': impossible shape"):
        V1Reader([path])


def test_more_dimensions_than_numpy_has(path):
    spec = TensorSpec(DType.int8, (1,) * 40)
    reader = read(path, ("w", spec, whole_slice(40), {"int_val": [1]}))
    with pytest.raises(UnsupportedDTypeError, match="tensor 'w': 40 dimensions"):
        reader.read("w")


def test_an_unknown_dtype(path):
    meta = v1_meta([vector("w", DType.int8, "int_val", [1])])
    meta.meta.tensor[0].type = 99
    write_v1(path, [], meta=meta)
    with pytest.raises(CorruptCheckpointError, match="tensor 'w': 99 is not"):
        V1Reader([path])


def test_a_dtype_that_v1_files_cannot_hold(path):
    reader = read(path, vector("w", DType.float8_e5m2, "int_val", [1]))
    with pytest.raises(UnsupportedDTypeError, match="do not hold float8_e5m2"):
        reader.read("w")


def test_a_file_for_newer_readers(path):
    meta = v1_meta([])
    meta.meta.versions.min_consumer = 2
    write_v1(path, [], meta=meta)
    with pytest.raises(CorruptCheckpointError, match=r"ckpt: .*readers of version 2"):
        V1Reader([path])


def test_a_table_without_a_meta_record(tmp_path, path):
    (tmp_path / "model.ckpt").write_bytes(table({b"w": b""}))
    with pytest.raises(CorruptCheckpointError, match="without a meta record"):
        V1Reader([path])


def test_a_meta_record_that_is_no_message(tmp_path, path):
    (tmp_path / "model.ckpt").write_bytes(table({b"": b"\xff"}))
    with pytest.raises(CorruptCheckpointError, match="meta record: not a SavedTensor"):
        V1Reader([path])


def test_an_empty_file(tmp_path, path):
    (tmp_path / "model.ckpt").touch()
    with pytest.raises(CorruptCheckpointError, match="0 bytes are too few"):
        V1Reader([path])


def test_a_missing_tensor(path):
    reader = read(path, vector("dense/kernel", DType.int8, "int_val", [1]))
    with pytest.raises(TensorNotFoundError, match="nearest: 'dense/kernel'"):
        reader.read("dense/kernal")
