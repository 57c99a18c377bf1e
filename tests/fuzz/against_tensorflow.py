"""Damaged checkpoints whose checksums are right, and what TensorFlow makes of them.

As a program it looks for files on which this package and TensorFlow disagree:

    python -m tests.fuzz.against_tensorflow --count 20000 --seed 7
"""

from __future__ import annotations

import argparse
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.fuzz import seeds
from tests.goldens.digests import digest
from tf_ckpt_migrate.bundle.proto import BundleHeaderProto
from tf_ckpt_migrate.checkpoint.reader import load_checkpoint
from tf_ckpt_migrate.checkpoint.verify import verify_checkpoint
from tf_ckpt_migrate.errors import CheckpointError
from tf_ckpt_migrate.table import crc32c
from tf_ckpt_migrate.table.block import MAGIC, built_block, put_varint

__all__ = ["Disagreement", "disagreements"]

Tensors = dict[str, list[Any]]


class Disagreement(NamedTuple):
    """A file that this package reads, or calls right, and TensorFlow does not.

    Attributes:
      what: What was done to the file.
      says: What each of the two says.
      seed: The number that makes the file again.
    """

    what: str
    says: str
    seed: int


def disagreements(numbers: Iterable[int], folder: Path) -> Iterator[Disagreement]:
    """Yield on which damaged checkpoints this package and TensorFlow disagree.

    Args:
      numbers: A damaged checkpoint is made of each.
      folder: Where to write them.
    """
    made = {number: write_damaged(number, folder / str(number)) for number in numbers}
    found = ask_tensorflow([str(folder / str(number) / "m") for number in made])
    for (number, what), expected in zip(made.items(), found, strict=True):
        if says := _disagreement(str(folder / str(number) / "m"), expected):
            yield Disagreement(what, says, number)


def _disagreement(prefix: str, expected: Tensors | None) -> str:
    """Return in which way the readers disagree, "" if they do not."""
    verified = _answer(lambda: verify_checkpoint(prefix).ok) is True
    tensors = read(lambda: load_checkpoint(prefix))
    if expected is None:
        return "TensorFlow refuses it, verify calls it ok" if verified else ""
    if verified and tensors != expected:
        return f"verify calls it ok, but {tensors} is not {expected}"
    both = expected.keys() & (tensors or {}).keys()
    wrong = [key for key in both if tensors and tensors[key] != expected[key]]
    return f"other values of {wrong}" if wrong else ""


def _answer(question: Callable[[], bool]) -> bool | None:
    try:
        return question()
    except CheckpointError:
        return None


def read(open_checkpoint: Callable[[], Any]) -> Tensors | None:
    """Return dtype, shape and digest of all tensors; None if one cannot be read."""
    try:
        reader = open_checkpoint()
        shapes = reader.get_variable_to_shape_map()
        dtypes = reader.get_variable_to_dtype_map()
        return {
            key: [dtypes[key].name, shapes[key], digest(reader.get_tensor(key))]
            for key in sorted(shapes)
        }
    except CheckpointError:
        return None


def ask_tensorflow(prefixes: list[str]) -> list[Tensors | None]:
    """Return what TensorFlow reads of each checkpoint; None if it refuses or dies."""
    asked = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.against_tensorflow", "--answer"],
        input=json.dumps(prefixes),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(asked.stdout)


def _answer_for_tensorflow() -> None:
    import tensorflow as tf

    prefixes = json.load(sys.stdin)
    print(json.dumps([_in_a_child(tf, prefix) for prefix in prefixes]))  # noqa: T201 its answer


def _in_a_child(tf: Any, prefix: str) -> Tensors | None:
    """Read in a process of its own: a failed CHECK in TensorFlow ends the process."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            answer = read(lambda: tf.train.load_checkpoint(prefix))
        except Exception:  # noqa: BLE001 whatever it is, TensorFlow does not read the file
            answer = None
        os.write(writing, json.dumps(answer).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answers:
        text = answers.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else None


# The files. A block is its entries and its restart array, each to be damaged alone.


class _Block:
    def __init__(self, entries: list[tuple[bytes, bytes]], interval: int) -> None:
        block = built_block(entries, restart_interval=interval)[0]
        (count,) = struct.unpack("<I", block[-4:])
        end = len(block) - 4 - 4 * count
        self.entries = block[:end]
        self.restarts = [*struct.unpack(f"<{count}I", block[end:-4])]
        self.snappy = False

    def stored(self) -> bytes:
        count = len(self.restarts)
        block = self.entries + struct.pack(f"<{count + 1}I", *self.restarts, count)
        if self.snappy:
            import cramjam

            block = bytes(cramjam.snappy.compress_raw(block))
        typed = block + bytes([self.snappy])
        return typed + struct.pack("<I", crc32c.mask(crc32c.value(typed)))


def write_damaged(number: int, folder: Path) -> str:
    """Write a damaged checkpoint ``m``; return what was done to it."""
    folder.mkdir()
    rng = random.Random(number)
    entries = seeds.checkpoint(folder)
    items = sorted(entries.items())
    done = [_damage_items(items, rng)] if rng.random() < 0.4 else []
    size, interval = rng.choice([1, 2, 3, 9]), rng.choice([1, 2, 16])
    parts = [items[at : at + size] for at in range(0, len(items), size)]
    blocks = [_Block(part, interval) for part in parts]
    index_keys = [part[-1][0] for part in parts]
    if not done or rng.random() < 0.2:
        what = rng.choice([_damage_restarts, _damage_entries, _damage_index_keys, None])
        if what is _damage_index_keys:
            done.append(_damage_index_keys(index_keys, rng))
        elif what is not None:
            done.append(what(rng.choice(blocks), rng))
    damage_index = not done and rng.random() < 0.9
    for block in blocks:
        block.snappy = rng.random() < 0.1
    out = b""
    handles: list[tuple[bytes, bytes]] = []
    for key, block in zip(index_keys, blocks, strict=True):
        stored = block.stored()
        handles.append((key, put_varint(len(out)) + put_varint(len(stored) - 5)))
        out += stored
    index = _Block(handles, 1)
    if damage_index:
        done.append(
            "index: " + rng.choice([_damage_restarts, _damage_entries])(index, rng)
        )
    (folder / "m.index").write_bytes(_closed(out, index))
    if not done:
        done.append(_damage_shard(folder / "m.data-00000-of-00001", rng))
    return "; ".join(done)


def _closed(out: bytes, index: _Block) -> bytes:
    """Return a table of stored blocks, with a metaindex, an index and a footer."""
    handles = b""
    for block in _Block([], 1), index:
        stored = block.stored()
        handles += put_varint(len(out)) + put_varint(len(stored) - 5)
        out += stored
    return out + handles.ljust(40, b"\0") + MAGIC


# Fields of an entry and of a header, alone or with what does not belong there.
_FIELDS = [
    *(b"\x08" + put_varint(dtype) for dtype in (0, 1, 3, 7, 9, 20, 21, 23, 99, 101)),
    *(b"\x12" + put_varint(len(s)) + s for s in (
        b"", b"\x12\x00", b"\x12\x02\x08\x01", b"\x12\x02\x08\x02", b"\x18\x01",
        b"\x12\x0b\x08" + b"\xff" * 9 + b"\x01", b"\x12\x05\x08\x01\x12\x01a",
        b"\x12\x04\x12\x02\xff\xfe",
    )),
    *(b"\x18" + put_varint(shard) for shard in (0, 1, 2**31, 2**32, 2**64 - 1)),
    *(b"\x20" + put_varint(offset) for offset in (0, 4, 2**31, 2**63, 2**64 - 8)),
    *(b"\x28" + put_varint(size) for size in (0, 4, 8, 24, 2**32 + 24, 2**64 - 1)),
    b"\x35\0\0\0\0", b"\x30\x00", b"\x3a\x00", b"\x3a\x04\x0a\x00\x0a\x00",
    b"\xba\x00\x00", b"\x3a\x08\x0a\x04\x08\x00\x10\x02\x0a\x00", b"\x0b\x0c", b"\x0b",
    b"\x10\x00", b"\x10\x01", b"\x10\x02", b"\x1a\x00", b"\x1a\x02\x08\x00",
    b"\x1a\x02\x10\x01", b"\x1a\x02\x10\x02", b"\x1a\x02\x18\x01",
    b"\x1a\x0b\x08" + b"\xff" * 9 + b"\x01", b"\xa2\x1f\x01a",
]  # fmt: skip


def _damage_items(items: list[tuple[bytes, bytes]], rng: random.Random) -> str:
    at = rng.randrange(len(items))
    key, value = items[at]
    match rng.randrange(6):
        case 0:
            del items[at]
            return f"without {key!r}"
        case 1:
            other = bytes(
                rng.choice(b"\0\1\2aez~\x7f\xc3\xff") for _ in range(rng.randrange(4))
            )
            items[at] = key[: rng.randrange(len(key) + 1)] + other, value
            if rng.random() < 0.5:
                items.sort()
            return f"{key!r} called {items[at]!r}"
        case 2 | 3:
            field = b"".join(rng.choices(_FIELDS, k=rng.choice([1, 1, 2])))
            items[at] = key, value + field if rng.random() < 0.6 else field + value
            return f"{key!r} with {field.hex()}"
        case 4:
            items[at] = key, _changed(value, rng)
            return f"{key!r} is {items[at][1].hex()}"
        case _:
            header = BundleHeaderProto(num_shards=rng.choice([0, 1, 1, 1, 2, -1]))
            header.version.producer = rng.choice([-1, 0, 1, 2, 2**31 - 1])
            header.version.min_consumer = rng.choice([-1, 0, 0, 1, 2])
            header.version.bad_consumers.extend(
                rng.choices([0, 1, 2], k=rng.randrange(2))
            )
            items[0] = b"", header.SerializeToString()
            return f"header {header}"


def _changed(data: bytes, rng: random.Random) -> bytes:
    """Return bytes with some of them changed, removed or added."""
    at = rng.randrange(len(data) + 1)
    new = bytes(
        rng.choice([rng.randrange(256), 0, 1, 0x7F, 0x80, 0xFF])
        for _ in range(rng.randrange(4))
    )
    return data[:at] + new + data[at + rng.choice([0, len(new), len(new), 1]) :]


def _damage_restarts(block: _Block, rng: random.Random) -> str:
    restarts, end = block.restarts, len(block.entries)
    at = rng.randrange(len(restarts))
    match rng.randrange(6):
        case 0:
            del restarts[at]
        case 1:
            restarts[at] = rng.choice([1, end, end - 1, end + 4, 2**31, 2**32 - 1])
        case 2:
            restarts.insert(at, rng.choice([0, rng.randrange(end + 1)]))
        case 3:
            rng.shuffle(restarts)
        case 4:
            restarts[at] = rng.randrange(end + 1)
        case _:
            restarts.clear()
    return f"restarts {restarts} of {end} bytes"


def _damage_entries(block: _Block, rng: random.Random) -> str:
    if rng.random() < 0.2:  # an overlong number
        at = rng.randrange(3)
        length = block.entries[at] & 0x7F
        more = rng.choice([1, 3, 4, 5])
        overlong = bytes([length | 0x80]) + b"\x80" * (more - 1) + b"\x00"
        block.entries = block.entries[:at] + overlong + block.entries[at + 1 :]
        block.restarts = [each and each + more for each in block.restarts]
        return f"number {at} of a block takes {more + 1} bytes"
    before = block.entries
    block.entries = _changed(before, rng)
    return f"entries {before.hex()} are {block.entries.hex()}"


def _damage_index_keys(keys: list[bytes], rng: random.Random) -> str:
    at = rng.randrange(len(keys))
    before = keys[at]
    keys[at] = rng.choice(
        [before[:-1], before + b"\0", before + b"~", b"", b"a", b"t", b"\xff", b"emb"]
    )
    return f"index key {before!r} is {keys[at]!r}"


def _damage_shard(path: Path, rng: random.Random) -> str:
    before = path.read_bytes()
    path.write_bytes(_changed(before, rng))
    return f"shard {before.hex()} is {path.read_bytes().hex()}"


def main() -> None:
    """Look for disagreements, or be the TensorFlow that is asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--answer", action="store_true")
    given = parser.parse_args()
    if given.answer:
        _answer_for_tensorflow()
        return
    with tempfile.TemporaryDirectory() as folder:
        numbers = range(given.seed, given.seed + given.count)
        for each in disagreements(numbers, Path(folder)):
            print(*each, sep="\n  ")  # noqa: T201 its output


if __name__ == "__main__":
    main()
