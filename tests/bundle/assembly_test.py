import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.slices import TensorSlice, assembled, bounding_box, covering
from tf_ckpt_migrate.errors import CorruptCheckpointError, SliceError

WHOLE = np.arange(30, dtype=np.int32).reshape(10, 3)
SPEC = TensorSpec(DType.int32, (10, 3))


def rows(*ends):
    """Return slices between rows of WHOLE."""
    return [
        TensorSlice((low, 0), (high - low, -1))
        for low, high in itertools.pairwise(ends)
    ]


def part(slices, number):
    ranges = slices[number].ranges(SPEC.shape, "t")
    return WHOLE[tuple(slice(*ends) for ends in ranges)]


def read(slices, index=None, asked=None):
    """Return WHOLE[index] put together; add to ``asked`` which slices that took."""

    def piece_of(number):
        if asked is not None:
            asked.append(number)
        return part(slices, number)

    box, rest = bounding_box(index, SPEC.shape)
    return assembled(SPEC, slices, piece_of, box, "m.index, key 'w'")[rest]


@pytest.mark.parametrize(
    ("index", "box"),
    [
        (None, ((0, 10), (0, 3))),
        (..., ((0, 10), (0, 3))),
        (4, ((4, 5), (0, 3))),
        (-1, ((9, 10), (0, 3))),
        ((..., 1), ((0, 10), (1, 2))),
        (slice(2, 8, 3), ((2, 6), (0, 3))),
        (slice(8, 2, -3), ((5, 9), (0, 3))),
        (slice(5, 5), ((0, 0), (0, 3))),
    ],
)
def test_box_of_an_index(index, box):
    found, within = bounding_box(index, (10, 3))
    assert found == box
    assert np.array_equal(
        WHOLE[tuple(slice(*ends) for ends in found)][within],
        WHOLE[... if index is None else index],
    )
    assert within[-1] is ...  # so that one element comes as an array, too


@pytest.mark.parametrize(
    "index", [10, -11, (0, 3), (0, 0, 0), (..., ...), (..., 0, ...)]
)
def test_an_index_that_does_not_fit_is_refused(index):
    with pytest.raises(SliceError, match=r"index .*(fit shape|out of range)"):
        bounding_box(index, (10, 3))


@pytest.mark.parametrize("index", [1.5, None, "w", np.arange(3), (0, np.arange(3))])
def test_an_index_that_is_not_basic_is_refused(index):
    with pytest.raises(SliceError, match="no basic index"):
        bounding_box((index,) if index is None else index, (10, 3))


@given(st.data(), npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
def test_a_box_and_its_rest_are_the_index(data, shape):
    index = data.draw(npst.basic_indices(shape, allow_newaxis=False))
    array = np.arange(np.prod(shape)).reshape(shape)
    box, rest = bounding_box(index, shape)
    found = array[tuple(slice(*ends) for ends in box)][rest]
    assert found.shape == array[index].shape
    assert np.array_equal(found, array[index])


@pytest.mark.parametrize(
    ("index", "numbers"),
    [
        (None, [0, 1, 2]),
        (0, [0]),
        (slice(4, 8), [1]),
        (slice(3, 5), [0, 1]),
        ((slice(None, None, -1), 0), [0, 1, 2]),
        ((-1, 2), [2]),
        (slice(4, 4), []),
    ],
)
def test_only_slices_that_overlap_are_read(index, numbers):
    asked = []
    found = read(rows(0, 4, 8, 10), index, asked)
    assert np.array_equal(found, WHOLE[... if index is None else index])
    assert asked == numbers


@given(st.data())
def test_a_part_of_the_slices_is_that_part_of_the_whole(data):
    inner = sorted(data.draw(st.sets(st.integers(1, 9))))
    slices = data.draw(st.permutations(rows(0, *inner, 10)))
    index = data.draw(npst.basic_indices(SPEC.shape, allow_newaxis=False))
    assert np.array_equal(read(slices, index), WHOLE[index])


def test_slices_along_two_axes_are_put_together():
    slices = [
        TensorSlice((row, column), (5, size))
        for row in (0, 5)
        for column, size in ((0, 1), (1, 2))
    ]
    assert np.array_equal(read(slices), WHOLE)


@pytest.mark.parametrize(
    "slices",
    [
        rows(0, 4, 8),  # rows missing
        rows(0, 4, 10) + rows(0, 4),  # rows twice
        rows(0, 4) + rows(2, 8),  # as many elements as there are, but not all
        rows(0, 5) + rows(0, 5),
        [TensorSlice((0, 0), (10, 2)), TensorSlice((0, 1), (5, 2))],
        [],
    ],
)
def test_slices_that_do_not_cover_the_whole_are_refused(slices):
    with pytest.raises(CorruptCheckpointError, match="key 'w': its slices hold"):
        read(slices)


def test_slices_must_cover_only_what_is_asked_for():
    assert np.array_equal(read(rows(0, 4, 8), slice(2, 6)), WHOLE[2:6])


def test_a_slice_of_another_shape_than_promised_is_refused():
    slices = rows(0, 4, 10)
    with pytest.raises(CorruptCheckpointError, match=r"slice 0,4:- has shape \[3, 3\]"):
        assembled(SPEC, slices, lambda _: WHOLE[:3], ((0, 10), (0, 3)), "t")


def test_a_slice_of_another_dtype_is_refused_and_not_converted():
    with pytest.raises(CorruptCheckpointError, match="is int16, but lies in"):
        assembled(
            SPEC, rows(0, 10), lambda _: WHOLE.astype("i2"), ((0, 10), (0, 3)), "t"
        )


def test_a_huge_promise_is_not_believed_before_its_slices_are_read():
    spec = TensorSpec(DType.int8, (2**58,))

    def piece_of(_):
        raise CorruptCheckpointError("cut off")

    with pytest.raises(CorruptCheckpointError, match="cut off"):
        assembled(spec, [TensorSlice((0,), (-1,))], piece_of, ((0, 2**58),), "t")


def test_a_thousand_slices_are_compared_with_their_neighbours_only():
    spec = TensorSpec(DType.int8, (1, 100_000))
    slices = [TensorSlice((0, at), (1, 10)) for at in range(0, 100_000, 10)]
    found = covering(spec, slices, ((0, 1), (0, 100_000)), "t")
    assert len(found) == 10_000
