import ml_dtypes
import numpy as np
import pytest

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec, dtype_of, is_possible
from tf_ckpt_migrate.errors import CorruptCheckpointError, UnsupportedDTypeError

WITHOUT_VALUES = {DType.resource, DType.variant}


def tf_dtype(tf, dtype):
    """Return TensorFlow's dtype of our number; None: it is too old to have one."""
    try:
        return tf.as_dtype(int(dtype))
    except TypeError:
        return None


# Stated in types.proto.
@pytest.mark.parametrize(
    ("number", "name", "itemsize"),
    [
        (1, "float32", 4),
        (2, "float64", 8),
        (7, "string", 0),
        (9, "int64", 8),
        (10, "bool", 1),
        (13, "qint32", 4),
        (14, "bfloat16", 2),
        (18, "complex128", 16),
        (19, "float16", 2),
        (25, "float8_e4m3fn", 1),
        (29, "int4", 1),
    ],
)
def test_a_dtype(number, name, itemsize):
    dtype = DType(number)
    assert (dtype.name, dtype.itemsize) == (name, itemsize)


@pytest.mark.parametrize("dtype", DType)
def test_numbers_and_names_are_tensorflows(tf, dtype):
    other = tf_dtype(tf, dtype)
    if other is None:  # the newest ones, in TensorFlow 2.15
        assert dtype >= DType.float8_e4m3fnuz
        return
    assert dtype == other
    assert dtype.name == other.name


def test_every_dtype_of_tensorflow_is_known(tf):
    import tensorflow.core.framework.types_pb2 as types

    dtypes = [
        number
        for name, number in types.DataType.items()
        if number and not name.endswith("_REF") and "HALF" not in name
    ]
    assert {number for number in dtypes if number < 100} <= set(map(int, DType))


@pytest.mark.parametrize("dtype", DType)
def test_numpy_forms_are_tensorflows(tf, dtype):
    other = tf_dtype(tf, dtype)
    if other is None or dtype in WITHOUT_VALUES:
        return
    theirs = np.dtype(other.as_numpy_dtype)
    if theirs.fields:  # quantized: a structure there, but plain values when read
        theirs = theirs[0]
    assert dtype.as_numpy_dtype == theirs
    if dtype.itemsize:
        assert dtype.itemsize == theirs.itemsize == other.size


@pytest.mark.parametrize("dtype", WITHOUT_VALUES)
def test_a_dtype_without_values_says_so(dtype):
    with pytest.raises(UnsupportedDTypeError, match=dtype.name):
        _ = dtype.as_numpy_dtype


def test_a_dtype_that_an_old_library_does_not_know_says_so(monkeypatch):
    monkeypatch.delattr(ml_dtypes, "float8_e5m2fnuz")
    monkeypatch.setattr(np, "dtype", lambda *_: (_ for _ in ()).throw(TypeError))
    with pytest.raises(UnsupportedDTypeError, match="pip install -U ml-dtypes"):
        _ = DType.float8_e5m2fnuz.as_numpy_dtype


def test_a_spec_of_values():
    spec = TensorSpec(DType.float64, (2, 3))
    assert (spec.size, spec.nbytes, str(spec)) == (6, 48, "float64[2, 3]")
    scalar = TensorSpec(DType.string, ())
    assert (scalar.size, scalar.nbytes, str(scalar)) == (1, 0, "string[]")


@pytest.mark.parametrize("number", [0, -1, 34, 101, 2**31])
def test_a_number_that_is_no_dtype_is_refused(number):
    with pytest.raises(CorruptCheckpointError, match=f"m.index, key 'w': {number} is"):
        dtype_of(number, "m.index, key 'w'")


@pytest.mark.parametrize(
    ("shape", "possible"),
    [
        ((), True),
        ((0,), True),
        ((1,) * 254, True),
        ((1,) * 255, False),
        ((2**58,), True),
        ((2**59,), False),
        ((0, 2**59), False),  # NumPy refuses it, though it has no element
        ((3, -1), False),
    ],
)
def test_shapes_that_can_be(shape, possible):
    assert is_possible(shape) is possible


def test_more_dimensions_than_numpy_has_are_refused():
    TensorSpec(DType.int8, (1,) * 32).check_rank("t")
    with pytest.raises(UnsupportedDTypeError, match=r"^t: 33 dimensions"):
        TensorSpec(DType.int8, (1,) * 33).check_rank("t")
