from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.storage.copies import placed
from tests.storage.counting import counted_system
from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.writer import BundleWriter
from tf_ckpt_migrate.storage.access import put_file
from tf_ckpt_migrate.storage.remote_bytes import FarBytes

ROWS, COUNT = 1000, 200  # 4 kB in each of 200 tensors, in each of 3 shards


@pytest.fixture
def prefix(tmp_path: Path) -> str:
    entries: dict[bytes, bytes] = {}
    spec = TensorSpec(DType.float32, (ROWS,))
    with BundleWriter(str(tmp_path / "here" / "m")) as writer:
        for shard in range(3):
            number = writer.new_shard()
            for at in range(COUNT):
                value = np.full(ROWS, shard * COUNT + at, np.float32)
                key = f"w{shard}/{at:03}".encode()
                entries[key] = writer.append(number, value, spec)
        writer.commit(entries)
    return placed(tmp_path / "here", "memory://tests/big") + "/m"


def test_one_tensor_costs_the_index_and_its_own_bytes(prefix, monkeypatch):
    counting = counted_system(prefix, monkeypatch)
    reader = tcm.load_checkpoint(prefix)
    index = counting.read_bytes.pop(f"{prefix}.index")
    assert index < 40_000
    counting.read_bytes.clear()  # of looks at what kind of files there are
    assert reader["w1/117"][5] == COUNT + 117
    assert counting.read_bytes == {f"{prefix}.data-00001-of-00003": 4 * ROWS}
    assert len(counting.calls) <= 12


def test_neighbours_are_fetched_together(prefix, monkeypatch):
    counting = counted_system(prefix, monkeypatch)
    reader = tcm.load_checkpoint(prefix)
    counting.calls.clear()
    for at in range(COUNT):
        assert reader[f"w2/{at:03}"][0] == 2 * COUNT + at
    reads = [path for name, path in counting.calls if name == "read"]
    assert len(reads) <= 4
    fetched = counting.read_bytes[f"{prefix}.data-00002-of-00003"]
    assert fetched <= 1.01 * 4 * ROWS * COUNT


def test_verifying_reads_each_byte_once(prefix, monkeypatch):
    counting = counted_system(prefix, monkeypatch)
    assert tcm.verify_checkpoint(prefix).ok
    for shard in range(3):
        fetched = counting.read_bytes[f"{prefix}.data-0000{shard}-of-00003"]
        assert fetched <= 1.01 * 4 * ROWS * COUNT + 512


def test_slices_are_those_of_the_bytes():
    path, data = "memory://tests/bytes", bytes(range(256)) * 8
    put_file(path, data, path + ".aside")
    there = FarBytes(path)
    assert len(there) == len(data)
    for start, stop in [(0, 5), (5, 9), (9, 300), (40, 45), (2040, 9999), (7, 7)]:
        assert bytes(there[start:stop]) == data[start:stop]
    assert bytes(there[-48:]) == data[-48:]
    part = there.part(100, 50)
    assert bytes(part[10:20]) == data[110:120]
    assert bytes(part[40:99]) == data[140:150]
    assert len(part) == 50


def test_a_file_that_is_cut_off_meanwhile_is_an_error():
    path = "memory://tests/cut"
    put_file(path, bytes(100), path + ".aside")
    there = FarBytes(path)
    put_file(path, bytes(50), path + ".aside")
    with pytest.raises(OSError, match="cut off while it was being read"):
        there[40:60]
