import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_ckpt_migrate.bundle.shards import (
    ShardName,
    index_path,
    parse_shard_path,
    parse_v1_shard_path,
    shard_path,
)


# As naming.h documents them.
@pytest.mark.parametrize(
    ("prefix", "number", "count", "path"),
    [
        ("/fs/train/ckpt-step", 0, 1, "/fs/train/ckpt-step.data-00000-of-00001"),
        ("m", 9, 10, "m.data-00009-of-00010"),
        ("run/", 0, 1, "run/.data-00000-of-00001"),  # an empty basename
        ("m", 123_456, 200_000, "m.data-123456-of-200000"),
    ],
)
def test_path_of_a_shard(prefix, number, count, path):
    assert shard_path(prefix, number, count) == path
    assert parse_shard_path(path) == ShardName(prefix, number, count)


def test_path_of_an_index():
    assert index_path("run/model_{}.ckpt-7") == "run/model_{}.ckpt-7.index"
    assert index_path("run/") == "run/.index"


@pytest.mark.parametrize(
    "path",
    [
        "m.index",
        "m.data-0-of-1",
        "m.data-00000-of-00001.tempstate123",
        "m.data-00000-of-00001\n",
        "m-00000-of-00001",
        "m.data-\u0660\u0660\u0660\u0660\u0660-of-00001",  # Arabic digits
    ],
)
def test_what_is_no_path_of_a_shard(path):
    assert parse_shard_path(path) is None


def test_a_v1_shard_has_no_word_before_its_number():
    assert parse_v1_shard_path("a/export-00001-of-00002") == ("a/export", 1, 2)
    assert parse_v1_shard_path("a/export") is None


@given(st.text(), st.integers(0, 10**6), st.integers(0, 10**6))
def test_every_path_is_parsed(prefix, number, count):
    assert parse_shard_path(shard_path(prefix, number, count)) == (
        prefix,
        number,
        count,
    )
