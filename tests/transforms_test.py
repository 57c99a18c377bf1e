"""Every transform promises a spec, keeps the promise, and says what undoes it."""

import dataclasses

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.errors import TransformError
from tf_ckpt_migrate.transforms import (
    AddToBlock,
    Blocks,
    Cast,
    Chain,
    Concat,
    DivToMod,
    Function,
    Join,
    ModToDiv,
    Pad,
    Reshape,
    Slice,
    Stack,
    Transform,
    Transpose,
    spec_of,
)

F32 = TensorSpec(DType.float32, (2, 3))
VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        (Transpose((1, 0)), VALUES.T),
        (Reshape((3, 2)), VALUES.reshape(3, 2)),
        (Reshape((-1,)), VALUES.reshape(6)),
        (Cast("int64"), VALUES.astype(np.int64)),
        (Slice((0, 1), (-1, 2)), VALUES[:, 1:3]),
        (Slice.parse("1:, :2"), VALUES[1:, :2]),
        (Chain([Transpose((1, 0)), Cast(np.float64)]), VALUES.T.astype(np.float64)),
        (Function(np.negative), -VALUES),
        (Pad((1, 0), (0, 2)), np.pad(VALUES, [(1, 0), (0, 2)])),
        (Pad((0, 1), (0, 0), 7), np.pad(VALUES, [(0, 0), (1, 0)], constant_values=7)),
        (Blocks(1, (2, 0, 1)), VALUES[:, [2, 0, 1]]),
        (Blocks(0, (1, 0)), VALUES[::-1]),
        (Stack(axis=1), VALUES[:, None]),
        (ModToDiv(1), VALUES),
        (Chain([Reshape((6,)), ModToDiv(4)]), np.float32([0, 2, 4, 5, 1, 3])),
        (Chain([Reshape((6,)), DivToMod(4)]), np.float32([0, 4, 1, 5, 2, 3])),
        (
            Chain([Reshape((6,)), AddToBlock(3, 1, 0.5)]),
            np.float32([0, 1, 2.5, 3.5, 4, 5]),
        ),
    ],
)
def test_one_input(transform, expected):
    result = transform(VALUES)
    np.testing.assert_array_equal(result, expected)
    assert spec_of(result) == transform.output_spec(F32)


def test_concat_joins_in_order():
    result = Concat(axis=1)(VALUES, VALUES[:, :1])
    np.testing.assert_array_equal(result, np.hstack([VALUES, VALUES[:, :1]]))


def test_stack_puts_tensors_on_top_of_each_other():
    result = Stack(axis=1)(VALUES, -VALUES)
    np.testing.assert_array_equal(result, np.stack([VALUES, -VALUES], axis=1))
    first, second = Stack(axis=1).inverses(F32, F32)
    np.testing.assert_array_equal(first(result), VALUES)
    np.testing.assert_array_equal(second(result), -VALUES)


def test_join_changes_each_before():
    join = Join(1, (Transpose((1, 0)), None))
    result = join(VALUES.T, VALUES)
    np.testing.assert_array_equal(result, np.hstack([VALUES, VALUES]))
    assert Transform.from_config(join.to_config()) == join
    picked = Join(0, (None, Slice((0, 0), (1, -1))), (2, 0))
    result = picked(VALUES, VALUES.T, -VALUES)
    np.testing.assert_array_equal(result, np.vstack([-VALUES, VALUES[:1]]))
    assert Transform.from_config(picked.to_config()) == picked


@pytest.mark.parametrize(
    "transform", [Pad((1, 2), (3, 0)), Blocks(1, (1, 2, 0)), Blocks(0, (1, 0))]
)
def test_the_new_ones_are_undone(transform):
    back = transform.inverse(F32)
    np.testing.assert_array_equal(back(transform(VALUES)), VALUES)
    assert Transform.from_config(transform.to_config()) == transform


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Pad((1,), (-1,)), "one number of elements for each dimension"),
        (lambda: Pad((1,), (1, 2)), "one number of elements for each dimension"),
        (lambda: Blocks(0, (0, 2)), "is not a permutation"),
        (lambda: Blocks(-1, (0,)), "must count from 0"),
        (lambda: Stack(-1), "must count from 0"),
        (lambda: AddToBlock(2, 2, 1.0), "block 2 is none of 2"),
        (lambda: Join(0, (None, None), (0,)), "must name a tensor for each of 2"),
        (lambda: Join(0, ("x",)), "'x' in a join is not a Transform"),
    ],
)
def test_new_ones_that_are_none(make, message):
    with pytest.raises(TransformError, match=message):
        make()


@pytest.mark.parametrize(
    ("transform", "specs", "message"),
    [
        (Pad((1,), (1,)), [F32], "takes 1 dimensions"),
        (Pad((1, 0), (0, 0)), [TensorSpec(DType.string, (2, 3))], "strings cannot"),
        (Pad((1, 0), (0, 0), 0.5), [TensorSpec(DType.int32, (2, 3))], "has no 0.5"),
        (Blocks(1, (1, 0)), [F32], "2 blocks of one length"),
        (Blocks(2, (0,)), [F32], "1 blocks of one length"),
        (AddToBlock(2, 0, 1.0), [F32], "a vector of 2 blocks"),
        (Stack(), [F32, TensorSpec(DType.float32, (2,))], "one dtype and one shape"),
        (Join(0, (None,)), [F32, F32], "it takes 1 tensors"),
        (Transpose((1, 0)), [TensorSpec(DType.float32, (2,))], "takes 2 dimensions"),
        (Transpose((1, 0)), [F32, F32], "takes one tensor, not 2"),
        (ModToDiv(3), [F32], "fewer rows than there are parts"),
        (DivToMod(1), [TensorSpec(DType.float32, ())], "fewer rows"),
        (Reshape((4, -1)), [F32], "has 6 elements"),
        (Reshape((0, -1)), [F32], "has 6 elements"),
        (Cast("int32"), [TensorSpec(DType.string, ())], "string holds no numbers"),
        (Slice((1, 0), (2, 3)), [F32], "1:3 exceeds length 2"),
        (Slice((3, 0), (-1, -1)), [F32], "3:2 exceeds length 2"),
        (Concat(), [], "does not fit nothing"),
        (Concat(2), [F32, F32], "but for axis 2"),
        (Concat(), [F32, TensorSpec(DType.float32, (2, 4))], "but for axis 0"),
        (Concat(), [F32, F32._replace(dtype=DType.int8)], "same dtype"),
    ],
)
def test_what_does_not_fit_is_said_before_values_are_read(transform, specs, message):
    with pytest.raises(TransformError, match=message):
        transform.output_spec(*specs)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Transpose((0, 2)), "is not a permutation"),
        (lambda: Transpose(("0", "1")), "perm must be integers"),
        (lambda: Transpose("10"), "perm must be integers"),
        (lambda: ModToDiv(0), "parts must be 1 or more"),
        (lambda: ModToDiv("2"), "parts must be integers"),
        (lambda: Reshape((-1, -1)), "at most one of them -1"),
        (lambda: Reshape((-2,)), "at most one of them -1"),
        (lambda: Cast("float33"), "no dtype; the nearest are .*'float32'"),
        (lambda: Cast("string"), "cannot be cast to string"),
        (lambda: Cast("qint8"), "cannot be cast to qint8"),
        (lambda: Concat(-1), "must count from 0"),
        (lambda: Slice((0,), (1, 2)), "one index and one length"),
        (lambda: Slice((-1,), (1,)), "one index and one length"),
        (lambda: Slice.parse("0:2:2"), "must be 'start:stop'"),
        (lambda: Slice.parse("-1:"), "must be 'start:stop'"),
        (lambda: Chain([]), "a chain of no transforms"),
        (lambda: Chain([np.negative]), "is not a Transform"),
    ],
)
def test_what_is_not_well_formed_is_refused_at_once(make, message):
    with pytest.raises(TransformError, match=message):
        make()


def test_a_function_that_breaks_its_promise_is_caught():
    with pytest.raises(TransformError, match=r"made float32\[6\] where it promises"):
        Function(np.ravel)(VALUES)


def test_a_function_may_promise_another_spec():
    flat = Function(np.ravel, TensorSpec(DType.float32, (6,)))
    assert flat(VALUES).shape == (6,)
    doubled = Function(np.vstack, lambda s: s._replace(shape=(s.shape[0], s.shape[1])))
    assert doubled.output_spec(F32) == F32


def test_a_function_cannot_be_written_down():
    with pytest.raises(TransformError, match="subclassing Transform with op="):
        Chain([Function(np.ravel)]).to_config()


@pytest.mark.parametrize(
    ("narrow", "wide", "exact"),
    [
        ("float32", "float64", True),
        ("float64", "float32", False),
        ("bfloat16", "float32", True),
        ("float32", "bfloat16", False),
        ("bfloat16", "float16", False),
        ("float16", "bfloat16", False),
        ("float8_e4m3fn", "float32", True),
        ("int64", "float64", False),
        ("int32", "float64", True),
        ("int32", "float32", False),
        ("int64", "int32", False),
        ("uint8", "int16", True),
        ("uint8", "int8", False),
        ("int8", "uint16", False),
        ("bool", "int8", True),
        ("int8", "bool", False),
        ("float32", "int64", False),
        ("float32", "complex64", True),
        ("complex64", "float32", False),
        ("complex64", "complex128", True),
        ("float64", "complex64", False),
    ],
)
def test_a_cast_tells_whether_it_rounds(narrow, wide, exact):
    spec = TensorSpec(DType[narrow], ())
    cast = Cast(wide)
    assert cast.exact_for(spec) is exact
    assert not cast.exact
    assert cast.inverse(spec) == (Cast(narrow) if exact else None)


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        (np.int8, "int16"),
        (np.uint8, "float16"),
        (np.uint8, "bfloat16"),
        (np.float16, "float32"),
        (ml_dtypes.bfloat16, "float32"),
        (ml_dtypes.float8_e5m2, "float32"),
    ],
)
def test_an_exact_cast_comes_back_bit_by_bit(narrow, wide):
    width = np.dtype(narrow).itemsize
    every = (
        np.arange(2 ** (8 * width), dtype=np.uint32).astype(f"u{width}").view(narrow)
    )
    values = every[np.isfinite(every.astype(np.float32))]
    cast = Cast(wide)
    assert cast.exact_for(spec_of(values))
    back = cast.inverse(spec_of(values))(cast(values))
    assert back.tobytes() == values.tobytes()


arrays = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(
    lambda shape: np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
)


@given(arrays, st.data())
def test_inverses_give_the_input_back(array, data):
    perm = data.draw(st.permutations(range(array.ndim)))
    flat = Reshape((-1,))
    chain = Chain([Transpose(tuple(perm)), flat, Cast("float64")])
    dealt = ModToDiv(data.draw(st.integers(1, len(array))))
    for transform in [chain, flat, Transpose(tuple(perm)), Cast("int64"), dealt]:
        inverse = transform.inverse(spec_of(array))
        np.testing.assert_array_equal(inverse(transform(array)), array)


@given(arrays, st.data())
def test_joined_parts_come_apart(array, data):
    axis = data.draw(st.integers(0, array.ndim - 1))
    cut = data.draw(st.integers(0, array.shape[axis]))
    parts = np.split(array, [cut], axis)
    join = Chain([Concat(axis), Transpose(tuple(reversed(range(array.ndim))))])
    whole = join(*parts)
    for part, back in zip(parts, join.inverses(*map(spec_of, parts)), strict=True):
        np.testing.assert_array_equal(back(whole), part)


def test_what_loses_values_has_no_inverse():
    assert Slice((0, 0), (1, 1)).inverse(F32) is None
    assert Function(np.negative).inverse(F32) is None
    assert Reshape((6,)).inverse() is None
    assert Cast("float64").inverse() is None
    assert Chain([Transpose((1, 0)), Slice((0, 0), (1, 1))]).inverse(F32) is None
    assert Concat().inverse(F32, F32) is None


@pytest.mark.parametrize(
    "transform",
    [
        Transpose((1, 0)),
        Reshape((3, -1)),
        Cast("bfloat16"),
        Concat(1),
        Slice((0, 1), (1, -1)),
        Chain([Concat(1), Transpose((1, 0)), Chain([Cast("float64")])]),
    ],
)
def test_plain_data_both_ways(transform):
    config = transform.to_config()
    assert config["op"] == type(transform).__name__.lower()
    assert Transform.from_config(config) == transform


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("transpose", "a transform is written as"),
        ({"perm": [1, 0]}, "a transform is written as"),
        ({"op": "rotate"}, "no transform is called 'rotate'; there are .*transpose"),
        ({"op": "transpose"}, "transpose takes perm, not"),
        ({"op": "transpose", "axes": [1]}, r"takes perm, not \['axes'\]"),
        ({"op": "transpose", "perm": 3}, "perm must be integers"),
        ({"op": "chain", "transforms": [{"op": "?"}]}, "no transform is called"),
    ],
)
def test_bad_plain_data_is_named(config, message):
    with pytest.raises(TransformError, match=message):
        Transform.from_config(config)


def test_new_kinds_register_by_being_defined():
    @dataclasses.dataclass(frozen=True)
    class Negate(Transform, op="test_negate"):
        def output_spec(self, *specs):
            return specs[0]

        def _apply(self, *arrays):
            return -arrays[0]

    try:
        assert Transform.from_config({"op": "test_negate"}) == Negate()
    finally:
        del Transform.registry["test_negate"]


def test_specs_of_odd_arrays():
    assert spec_of(np.array([b"x"], object)).dtype is DType.string
    assert spec_of(np.zeros(2, [("qint8", "i1")])).dtype is DType.qint8
    with pytest.raises(TransformError, match="no dtype"):
        spec_of(np.zeros(1, "M8[s]"))
