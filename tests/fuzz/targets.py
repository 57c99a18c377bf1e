"""What is fuzzed: for each kind of file a function that reads all that a file says.

Each takes the bytes of a file, and a folder to put it into. It refuses them by an error
of the package, or reads them; whatever else happens is a finding.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.fuzz import seeds
from tf_ckpt_migrate.bundle.object_graph import ObjectGraph
from tf_ckpt_migrate.bundle.v1 import V1Reader
from tf_ckpt_migrate.checkpoint.describe import inspect_checkpoint
from tf_ckpt_migrate.checkpoint.locate import locate
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader, load_checkpoint
from tf_ckpt_migrate.checkpoint.state import kept_beside, read_state, record_latest
from tf_ckpt_migrate.checkpoint.verify import verify_checkpoint
from tf_ckpt_migrate.cli.rules import rules_of
from tf_ckpt_migrate.errors import CheckpointError
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.table.reader import TableReader
from tf_ckpt_migrate.transforms.vocabulary import read_vocabulary

__all__ = ["TARGETS", "Target"]


class Target(NamedTuple):
    """A kind of file.

    Attributes:
      read: Reads it; the bytes, and a folder of the test's own.
      seed: A file that is right.
    """

    read: Callable[[bytes, Path], None]
    seed: bytes


@lru_cache(maxsize=1)
def _entries_and_shard() -> tuple[dict[bytes, bytes], bytes]:
    with TemporaryDirectory() as name:
        entries = seeds.checkpoint(Path(name))
        return entries, Path(name, "m.data-00000-of-00001").read_bytes()


def _refused(read: Callable[[], object]) -> None:
    with suppress(CheckpointError):
        read()


def _table(data: bytes, folder: Path) -> None:
    del folder
    with suppress(CheckpointError):
        reader = TableReader(data, "t")
        _refused(reader.check_searchable)
        for key, _ in reader:
            assert reader.get(key) is not None


def _framed(data: bytes) -> bytes:
    return seeds.of_one_block(data[1:], data[0] & 1) if data else b""


def _whole(prefix: Path) -> None:
    """Read a checkpoint in every way that there is."""
    _refused(lambda: str(verify_checkpoint(prefix)))
    _refused(lambda: str(inspect_checkpoint(prefix, values=True)))
    with suppress(CheckpointError):
        reader = load_checkpoint(prefix, verify=False)
        _refused(reader.debug_string)
        _refused(lambda: dict(reader.specs))
        for key in reader:
            _each(reader, key)


def _each(reader: CheckpointReader, key: str) -> None:
    _refused(lambda: reader.places(key))
    _refused(lambda: reader.get_tensor(key))
    _refused(lambda: reader.get_tensor(key, ...))


def _index(data: bytes, folder: Path) -> None:
    (folder / "m.data-00000-of-00001").write_bytes(_entries_and_shard()[1])
    (folder / "m.index").write_bytes(data)
    _whole(folder / "m")


def _shard(data: bytes, folder: Path) -> None:
    (folder / "m.index").write_bytes(seeds.table(_entries_and_shard()[0]))
    (folder / "m.data-00000-of-00001").write_bytes(data)
    _whole(folder / "m")


def _v1(data: bytes, folder: Path) -> None:
    path = folder / "v1"
    path.write_bytes(data)
    _whole(path)
    with suppress(CheckpointError):
        reader = V1Reader([str(path)])
        for key in reader.tensors:
            _refused(lambda key=key: reader.check(key))


def _graph(data: bytes, folder: Path) -> None:
    with suppress(CheckpointError):
        graph = ObjectGraph(data, "t")
        graph.paths()
        graph.full_names()
        list(graph.slots())
        graph.tensors(["", "w/.ATTRIBUTES/VARIABLE_VALUE"])
        graph.edited(lambda _: None)
    seeds.graph_checkpoint(data, folder / "g")
    _whole(folder / "g")


def _plan(data: bytes, folder: Path) -> None:
    del folder
    with suppress(CheckpointError):
        plan = MigrationPlan.from_yaml(data.decode(errors="replace"))
        str(plan)
        assert MigrationPlan.from_yaml(plan.to_yaml()) == plan
        _refused(plan.reversed)


def _map(data: bytes, folder: Path) -> None:
    path = folder / "map.yaml"
    path.write_bytes(data)
    with suppress(CheckpointError):
        rules = rules_of(argparse.Namespace(rules=None, map=str(path)))
        assert rules is not None
        str(rules)
        _refused(rules.to_config)
        _refused(rules.reversed)


def _state(data: bytes, folder: Path) -> None:
    path = folder / "checkpoint"
    path.write_bytes(data)
    _refused(lambda: read_state(str(path)))
    _refused(lambda: kept_beside(str(folder / "m")))
    _refused(lambda: locate(folder))
    with suppress(CheckpointError):
        record_latest(str(folder / "m-3"))
        assert read_state(str(path)).latest == "m-3"


def _vocabulary(data: bytes, folder: Path) -> None:
    path = folder / "vocabulary.txt"
    path.write_bytes(data)
    _refused(lambda: read_vocabulary(str(path)))


def _seed_of_v1() -> bytes:
    with TemporaryDirectory() as name:
        return seeds.v1_file(Path(name))


def _targets() -> dict[str, Target]:
    entries, shard = _entries_and_shard()
    index, v1 = seeds.table(entries), _seed_of_v1()
    return {
        "table": Target(_table, index),
        "table_block": Target(
            lambda data, folder: _table(_framed(data), folder),
            b"\0" + seeds.block_in(index),
        ),
        "index": Target(_index, index),
        "index_block": Target(
            lambda data, folder: _index(_framed(data), folder),
            b"\0" + seeds.block_in(index),
        ),
        "shard": Target(_shard, shard),
        "v1": Target(_v1, v1),
        "v1_block": Target(
            lambda data, folder: _v1(_framed(data), folder), b"\0" + seeds.block_in(v1)
        ),
        "graph": Target(_graph, seeds.object_graph()),
        "plan": Target(_plan, seeds.PLAN.encode()),
        "map": Target(_map, seeds.MAP.encode()),
        "state": Target(_state, seeds.STATE.encode()),
        "vocabulary": Target(_vocabulary, b"the\nof\nand\n"),
    }


# Those in ``_block`` get the checksums that a fuzzer cannot guess.
TARGETS = _targets()
