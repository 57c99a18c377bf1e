"""No damage gets through: an error of ours, or nothing of what is read has changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tf_ckpt_migrate.bundle.dtypes import DType
from tf_ckpt_migrate.checkpoint.reader import load_checkpoint
from tf_ckpt_migrate.checkpoint.verify import verify_checkpoint
from tf_ckpt_migrate.errors import CheckpointError

pytestmark = pytest.mark.once

# Folders with prefixes: by name, with slices, with strings, variants, V1 and V1 sliced.
GOLDENS = {
    "tf1_15/saver_v2": "model.ckpt",
    "tf1_15/partitioned_vector": "model.ckpt",
    "tf2_21/checkpoint_tables": "ckpt-1",
    "tf2_21/variants": "model.ckpt",
    "tf1_15/saver_v1": "model.ckpt",
    "tf1_15/sliced_v1_axis_1": "model.ckpt",
}


def content(prefix):
    """All of a checkpoint, or None where something tells that it is damaged."""
    try:
        if not verify_checkpoint(prefix).ok:
            return None
        reader = load_checkpoint(prefix)
        return {key: (reader.specs[key], values(reader, key)) for key in reader}
    except CheckpointError:
        return None


def values(reader, key):
    known = reader.specs[key].dtype is not DType.variant
    return reader[key].tolist() if known else None


def files_of(prefix):
    return sorted(prefix.parent.glob(f"{prefix.name}*"))


@pytest.fixture(params=GOLDENS)
def prefix(request, copied):
    return copied(request.param) / GOLDENS[request.param]


def test_a_flipped_bit_anywhere(prefix):
    whole = content(prefix)
    assert whole
    for path in files_of(prefix):
        data = path.read_bytes()
        for position in range(len(data)):
            flipped = bytearray(data)
            flipped[position] ^= 1 << position % 8
            path.write_bytes(flipped)
            assert content(prefix) in (None, whole), (path.name, position)
        path.write_bytes(data)


def test_a_file_cut_anywhere(prefix):
    for path in files_of(prefix):
        data = path.read_bytes()
        for length in range(len(data)):
            os.truncate(path, length)
            assert content(prefix) is None, (path.name, length)
            path.write_bytes(data)


def test_two_files_swapped(prefix, tmp_path):
    paths = files_of(prefix)
    if len(paths) == 1:
        return
    first, second = paths[:2]
    first.rename(tmp_path / "first")
    second.rename(first)
    Path(tmp_path / "first").rename(second)
    assert content(prefix) is None


# The smallest of each kind: by name, with an object graph, V1.
SMALLEST = {
    "tf1_15/saver_v2": "model.ckpt",
    "tf2_21/checkpoint_empty": "ckpt-1",
    "tf1_15/saver_v1": "model.ckpt",
}


@pytest.mark.parametrize("golden", SMALLEST)
def test_verifying_finds_every_flipped_bit(copied, golden):
    prefix = copied(golden) / SMALLEST[golden]
    assert verify_checkpoint(prefix).ok
    for path in files_of(prefix):
        data = bytearray(path.read_bytes())
        for bit in range(8 * len(data)):
            data[bit // 8] ^= 1 << bit % 8
            path.write_bytes(data)
            assert not is_ok(prefix), (path.name, bit)
            data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)


def is_ok(prefix):
    try:
        return verify_checkpoint(prefix).ok
    except CheckpointError:
        return False
