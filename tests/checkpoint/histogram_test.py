"""Values are counted where they belong, whatever numbers they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_ckpt_migrate.checkpoint.statistics import Bins, bins_for, counts_of

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def test_known_answer():
    values = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    assert counts_of([values], Bins(-1.0, 1.0, 4)) == (1, 1, 1, 2)


def test_as_numpy_counts():
    values = np.random.default_rng(1).normal(size=1000)
    bins = bins_for(values.min(), values.max())
    expected, _ = np.histogram(values, bins.number)
    # At the very edges rounding may decide otherwise.
    assert np.abs(np.array(counts_of([values], bins)) - expected).sum() <= 2


@given(st.lists(FINITE, min_size=1))
def test_every_finite_value_is_counted_once(values):
    bins = bins_for(min(values), max(values))
    counts = counts_of([np.array([*values, np.nan, np.inf, -np.inf])], bins)
    assert sum(counts) == len(values)
    assert len(counts) == bins.number


def test_the_largest_numbers_there_are():
    greatest = np.finfo(np.float64).max
    counts = counts_of([np.array([-greatest, greatest])], bins_for(-greatest, greatest))
    assert (counts[0], counts[-1]) == (1, 1)


@pytest.mark.parametrize("dtype", ["i1", "u8", "bool"])
def test_few_whole_numbers_have_an_interval_each(dtype):
    values = np.array([0, 1, 1], dtype)
    assert counts_of([values], bins_for(0, 1, whole_numbers=True)) == (1, 2)


def test_complex_numbers_count_by_magnitude():
    assert counts_of([np.array([3 + 4j, 0j])], Bins(0.0, 5.0, 5)) == (1, 0, 0, 0, 1)


def test_every_so_many_th():
    parts = [np.arange(10.0), np.arange(10.0)]
    assert sum(counts_of(parts, Bins(0.0, 9.0, 3), step=5)) == 4
