"""With several threads a checkpoint is verified and compared as with one."""

from __future__ import annotations

import os

import numpy as np
import pytest

from tests.bundle.files import write_checkpoint
from tf_ckpt_migrate.bundle.shards import Shards
from tf_ckpt_migrate.checkpoint.diff import diff_checkpoints
from tf_ckpt_migrate.checkpoint.reader import load_checkpoint
from tf_ckpt_migrate.checkpoint.verify import verify_checkpoint
from tf_ckpt_migrate.errors import ChecksumError

LARGE = 100_000  # numbers: enough for a thread


def large(seed, count=LARGE):
    return np.random.default_rng(seed).random(count, np.float32)


@pytest.fixture
def tensors():
    """Large ones and small ones in turn, of strings too, and one of several pieces."""
    found = {}
    for number in range(6):
        found[f"{number}/large"] = large(number)
        found[f"{number}/small"] = np.arange(number, dtype=np.int32)
        found[f"{number}/text"] = np.array([b"a", b"bc"] * number, object)
    found["pieces"] = large(9, 9 << 20)
    return found


def outcomes(monkeypatch, act):
    """Return what an act gives with one, two and five threads."""
    found = []
    for threads in (1, 2, 5):
        monkeypatch.setenv("TF_CKPT_MIGRATE_THREADS", str(threads))
        told = []
        found.append((act(lambda *numbers, told=told: told.append(numbers)), told))
    return found


def damaged(prefix, *keys):
    """Change the last byte of tensors."""
    places = [load_checkpoint(prefix).places(key)[0] for key in keys]
    with open(places[0].file, "r+b") as file:
        for place in places:
            file.seek(place.offset + place.size - 1)
            byte = file.read(1)[0]
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte ^ 1]))


def test_a_whole_checkpoint_is_verified(tmp_path, tensors, monkeypatch):
    write_checkpoint(tmp_path / "m", tensors)
    size = os.path.getsize(tmp_path / "m.data-00000-of-00001")
    one, *others = outcomes(
        monkeypatch, lambda tell: verify_checkpoint(tmp_path / "m", progress=tell)
    )
    assert one[0].ok
    assert one[0].checked_bytes == size
    assert one[1][-1] == (size, size)
    assert one[1] == sorted(one[1])
    assert others == [one, one]  # progress too


def test_what_is_damaged_is_told_in_the_same_order(tmp_path, tensors, monkeypatch):
    write_checkpoint(tmp_path / "m", tensors)
    damaged(tmp_path / "m", "pieces", "4/small", "1/text", "3/large", "0/large")
    with open(tmp_path / "m.data-00000-of-00001", "r+b") as file:
        file.truncate(os.path.getsize(file.name) - 5)
    one, *others = outcomes(
        monkeypatch, lambda tell: verify_checkpoint(tmp_path / "m", progress=tell)
    )
    told = [text.partition("tensor ")[2].split("'")[1] for text in one[0].problems]
    assert told == ["0/large", "1/text", "3/large", "4/small", "pieces"]
    assert others == [one, one]


def test_the_checksum_of_one_large_tensor_is_put_together(
    tmp_path, tensors, monkeypatch
):
    write_checkpoint(tmp_path / "m", tensors)
    monkeypatch.setenv("TF_CKPT_MIGRATE_THREADS", "2")
    read = load_checkpoint(tmp_path / "m").get_tensor("pieces")
    np.testing.assert_array_equal(read, tensors["pieces"])
    damaged(tmp_path / "m", "pieces")
    with pytest.raises(ChecksumError, match="of tensor 'pieces'"):
        load_checkpoint(tmp_path / "m").get_tensor("pieces")


def test_values_are_compared(tmp_path, tensors, monkeypatch):
    write_checkpoint(tmp_path / "a", tensors)
    changed = {key: value.copy() for key, value in tensors.items()}
    changed["2/large"][7] += 1
    changed["5/large"][:2] = np.nan
    changed["5/small"][0] = 9
    changed["1/large"] = large(1, 5)
    write_checkpoint(tmp_path / "b", changed)
    one, *others = outcomes(
        monkeypatch,
        lambda tell: diff_checkpoints(tmp_path / "a", tmp_path / "b", progress=tell),
    )
    assert [each.key for each in one[0].values] == ["2/large", "5/large", "5/small"]
    assert [each.key for each in one[0].specs] == ["1/large"]
    assert [each.difference.elements for each in one[0].values] == [1, 2, 1]
    assert others == [one, one]


def test_the_first_damaged_tensor_ends_a_comparison(tmp_path, tensors, monkeypatch):
    for name in "ab":
        write_checkpoint(tmp_path / name, tensors)
    damaged(tmp_path / "b", "3/large", "3/text", "4/large")

    def compare(tell):
        with pytest.raises(ChecksumError, match="of tensor '3/large'") as raised:
            diff_checkpoints(tmp_path / "a", tmp_path / "b", progress=tell)
        return str(raised.value)

    one, *others = outcomes(monkeypatch, compare)
    assert others == [one, one]


def test_an_interruption_ends_the_work(tmp_path, tensors, monkeypatch):
    write_checkpoint(tmp_path / "m", tensors)
    monkeypatch.setenv("TF_CKPT_MIGRATE_THREADS", "2")

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify_checkpoint(tmp_path / "m", progress=interrupt)
    assert verify_checkpoint(tmp_path / "m").ok


def test_memory_of_what_was_read_is_let_go(tmp_path, monkeypatch):
    write_checkpoint(tmp_path / "m", {f"{n}": large(n, 9 << 20) for n in range(2)})
    released, before = [], Shards.release
    monkeypatch.setattr(
        Shards, "release", lambda shards: (released.append(1), before(shards))
    )
    assert verify_checkpoint(tmp_path / "m").ok
    assert len(released) == 1  # of 72 MiB
