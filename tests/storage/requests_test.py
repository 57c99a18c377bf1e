"""What a conversion asks a far file system for, and that it asks once."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

import tf_ckpt_migrate as tcm
from tests.conversion.checkpoints import write
from tests.storage.copies import placed
from tests.storage.counting import counted_system
from tf_ckpt_migrate.storage.access import put_file, remove_folder

FREE = ("canonical", "make_folder", "puts_whole")  # no requests where files are objects
ASIDE = re.compile(r"\.m-1\.tcm-staging-\w+")
SHARD = "m-1.data-00000-of-00001"
LOAD = ["status tf1/m-1", "status tf1/m-1.index", "read tf1/m-1.index"]
TO_TF2 = [
    *LOAD,
    "statuses_in bucket/tf2",  # what is there?
    f"status tf1/{SHARD}",
    "create aside/shard-1",
    "statuses_in bucket/tf2",  # what is there now that all is ready?
    f"copy tf1/{SHARD}",
    "status tf1/m-1.index",  # was that still the checkpoint that was read?
    "move aside/shard-1",
    "put tf2/m-1.index",
]


@pytest.fixture
def bucket(tmp_path):
    write(tmp_path / "m-1", {"net/w": [1.0, 2.0], "net/b": [3.0]})
    yield placed(tmp_path, "memory://bucket/tf1").removesuffix("/tf1")
    remove_folder("memory://bucket")


@pytest.fixture
def asked(bucket, monkeypatch):
    """What some work asks for: the name of each call, and the end of its path."""

    def requests(work: Callable[[], object]) -> list[str]:
        with monkeypatch.context() as patched:
            counting = counted_system(bucket, patched)
            work()
        calls = ((name, path.split("/")) for name, path in counting.calls)
        return [
            f"{name} {ASIDE.sub('aside', '/'.join(parts[-2:]))}"
            for name, parts in calls
            if name not in FREE
        ]

    return requests


def test_load_checkpoint(bucket, asked):
    assert asked(lambda: tcm.load_checkpoint(f"{bucket}/tf1/m-1")) == LOAD
    assert asked(lambda: tcm.load_checkpoint(f"{bucket}/tf1/m-1")["net/w"]) == [
        *LOAD,
        f"status tf1/{SHARD}",
        f"read tf1/{SHARD}",
        "status tf1/m-1.index",
    ]


def test_convert_tf1_to_tf2_and_back(bucket, asked):
    tf1, tf2, back = (f"{bucket}/{name}/m-1" for name in ("tf1", "tf2", "back"))
    assert asked(lambda: tcm.convert_tf1_to_tf2(tf1, tf2)) == TO_TF2
    assert asked(lambda: tcm.convert_tf2_to_tf1(tf2, back)) == [
        "status tf2/m-1",
        "status tf2/m-1.index",
        "read tf2/m-1.index",
        "status tf2/m-1.data-00001-of-00002",
        "read tf2/m-1.data-00001-of-00002",  # the object graph
        "status tf2/m-1.index",
        "statuses_in bucket/back",
        "status tf2/m-1.data-00000-of-00002",
        "statuses_in bucket/back",
        "copy tf2/m-1.data-00000-of-00002",
        "status tf2/m-1.index",
        "put back/m-1.index",
    ]
    assert tcm.diff_checkpoints(tf1, back).equal


def test_the_state_file_is_two_looks_and_one_put_more(bucket, asked):
    tf1, tf2 = f"{bucket}/tf1/m-1", f"{bucket}/tf2/m-1"
    calls = asked(lambda: tcm.convert_tf1_to_tf2(tf1, tf2, update_state_file=True))
    more = [call for call in calls if call.endswith("/checkpoint")]
    assert [call.split()[0] for call in more] == ["status", "status", "put"]
    assert [call for call in calls if call not in more] == TO_TF2


def test_verify(bucket, asked):
    calls = asked(lambda: tcm.verify_checkpoint(f"{bucket}/tf1/m-1"))
    assert calls[:3] == LOAD
    assert calls.count(f"read tf1/{SHARD}") == 2  # one for each tensor
    assert calls.count("status tf1/m-1.index") == 4  # found, read, read, in the end
    assert len(calls) == 11


def test_convert_all_first_and_again(bucket, asked):
    def run():
        return tcm.convert_all(f"{bucket}/tf1/m-*", f"{bucket}/all", to="tf2")

    assert len(asked(run)) <= 26
    assert len(asked(run)) <= 14
    assert run().count("present") == 1


def test_what_else_lies_in_the_folders_costs_no_request(bucket, asked):
    tf1, tf2 = f"{bucket}/tf1/m-1", f"{bucket}/tf2/m-1"
    for number in range(2, 50):
        for path in (f"{bucket}/{name}/m-{number}" for name in ("tf1", "tf2")):
            put_file(f"{path}.index", b"", "")
            put_file(f"{path}.data-00000-of-00001", b"", "")
    assert asked(lambda: tcm.convert_tf1_to_tf2(tf1, tf2)) == TO_TF2
