from pathlib import Path

import pytest

from tf_ckpt_migrate.bundle.shards import Shards, mapped
from tf_ckpt_migrate.errors import (
    CheckpointError,
    MissingShardError,
    NotACheckpointError,
    TruncatedFileError,
)

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"


@pytest.fixture
def shards(tmp_path):
    return Shards(str(tmp_path / "m"), 2)


def write(shards, number, data):
    Path(shards.path(number)).write_bytes(data)


def test_ranges_of_shards(shards):
    write(shards, 0, b"0123456789")
    write(shards, 1, b"abc")
    assert bytes(shards.read(0, 2, 3, "tensor 'w'")) == b"234"
    assert bytes(shards.read(1, 0, 3, "tensor 'w'")) == b"abc"
    assert bytes(shards.read(1, 3, 0, "tensor 'w'")) == b""
    assert shards.read(0, 0, 1, "tensor 'w'").readonly


def test_a_shard_is_opened_once(shards):
    write(shards, 0, b"0123")
    shards.read(0, 0, 1, "tensor 'w'")
    Path(shards.path(0)).unlink()
    assert bytes(shards.read(0, 1, 3, "tensor 'w'")) == b"123"


def test_a_missing_shard_is_named_with_what_is_beside_it(shards, tmp_path):
    write(shards, 0, b"")
    (tmp_path / "m.index").touch()
    (tmp_path / "other").touch()
    expected = (
        r"m\.data-00001-of-00002' is missing; beside it there are: "
        r"m\.data-00000-of-00002, m\.index\. .*all of its shards, here 2"
    )
    for look in (
        lambda: shards.read(1, 0, 1, "tensor 'w'"),
        lambda: shards.present(1),
        lambda: shards.complete(1, 0),
    ):
        with pytest.raises(MissingShardError, match=expected):
            look()


def test_a_shard_alone_in_the_world(shards):
    with pytest.raises(MissingShardError, match="no files of this checkpoint"):
        shards.present(0)


@pytest.mark.parametrize("data", [b"", b"0123"])
def test_a_shard_that_ends_too_soon(shards, data):
    write(shards, 0, data)
    expected = (
        r"m\.data-00000-of-00002': tensor 'w' ends at byte 5, "
        f"but the file ends at {len(data)}"
    )
    with pytest.raises(TruncatedFileError, match=expected):
        shards.read(0, 3, 2, "tensor 'w'")
    with pytest.raises(TruncatedFileError, match="its last tensor ends at byte 5"):
        shards.complete(0, 5)


def test_a_complete_shard(shards):
    write(shards, 0, b"0123")
    assert shards.complete(0, 4) == shards.present(0) == shards.path(0)


def test_a_pointer_in_the_place_of_a_shard(shards):
    write(shards, 0, POINTER)
    expected = r"m\.data-00000-of-00002' is a Git LFS pointer.*git lfs pull"
    for look in (
        lambda: shards.read(0, 0, 1000, "tensor 'w'"),
        lambda: shards.complete(0, 1000),
    ):
        with pytest.raises(NotACheckpointError, match=expected):
            look()


@pytest.mark.parametrize("place", [(2**63 - 1, 1), (1, 2**63 - 1), (2**63 - 1,) * 2])
def test_a_range_far_beyond_the_file(shards, place):
    write(shards, 0, b"0123")
    with pytest.raises(TruncatedFileError):
        shards.read(0, *place, "tensor 'w'")


def test_offsets_beyond_4_gib(shards):
    offset = 5 * 2**30
    with Path(shards.path(0)).open("wb") as file:
        file.seek(offset)  # a hole: no disk is used
        file.write(b"kernel")
    assert bytes(shards.read(0, offset, 6, "tensor 'w'")) == b"kernel"
    assert shards.complete(0, offset + 6)
    with pytest.raises(TruncatedFileError, match="ends at byte 5,368,709,127"):
        shards.read(0, offset, 7, "tensor 'w'")


def test_a_folder_in_the_place_of_a_shard(shards):
    Path(shards.path(0)).mkdir()
    with pytest.raises((CheckpointError, OSError)):
        shards.read(0, 0, 1, "tensor 'w'")


def test_an_empty_file_is_mapped_as_no_bytes(tmp_path):
    (tmp_path / "m").touch()
    assert bytes(mapped(str(tmp_path / "m"))) == b""
