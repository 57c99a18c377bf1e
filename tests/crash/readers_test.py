"""Whoever reads while another writes gets the old checkpoint or the new one."""

import os
import signal
import time
from collections import Counter
from contextlib import suppress

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.conversion.checkpoints import write
from tests.crash.kills import forked
from tf_ckpt_migrate.errors import CheckpointReplacedError

pytestmark = pytest.mark.once

ROUNDS = 150


@pytest.fixture
def sources(tmp_path):
    """Two checkpoints, each of one value in all places."""
    return [
        write(
            tmp_path / f"source_{n}",
            {f"w{i}": np.full((200, 50), n, np.float32) for i in range(8)},
        )
        for n in range(2)
    ]


@pytest.fixture
def rewritten(sources, tmp_path):
    """The prefix of a checkpoint that another process puts in place again and again."""
    prefix = str(tmp_path / "run" / "model.ckpt")
    tcm.compact(sources[0], prefix)

    def run():
        for number in range(10_000):
            tcm.compact(sources[number % 2], prefix, overwrite=True)
            time.sleep(0.005)  # faster than any reader, it would not be waited for

    process = forked(run)
    yield prefix
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)


def whole(prefix):
    """The one value that a checkpoint has in all places; None if it was replaced."""
    value = None
    with suppress(CheckpointReplacedError):
        reader = tcm.load_checkpoint(prefix)
        (value,) = {float(x) for key in reader for x in reader[key][[0, -1], 0]}
    return value


def test_a_reader_sees_one_of_both(rewritten):
    seen = Counter(whole(rewritten) for _ in range(20 * ROUNDS))
    assert seen[0.0]
    assert seen[1.0]
    assert seen[0.0] + seen[1.0] > ROUNDS


def test_what_opens_it_itself_opens_it_again(rewritten, sources):
    for _ in range(ROUNDS):
        assert tcm.verify_checkpoint(rewritten).ok
        described = tcm.inspect_checkpoint(rewritten, values=True)
        assert len({each.statistics.mean for each in described.tensors}) == 1
        for source in sources:
            assert tcm.diff_checkpoints(rewritten, source).equal_count in (0, 8)


def test_a_conversion_takes_all_of_one(rewritten, tmp_path):
    made = 0
    for number in range(ROUNDS):
        try:
            new = tcm.convert_tf1_to_tf2(rewritten, tmp_path / f"new-{number}")
        except CheckpointReplacedError:
            continue
        assert tcm.verify_checkpoint(new).ok
        reader = tcm.load_checkpoint(new)
        weights = [key for key in reader if key.startswith("vars/")]
        assert len({float(reader[key][0, 0]) for key in weights}) == 1
        made += 1
    assert made > ROUNDS // 10


def test_what_was_opened_before_stays_what_it_was(sources, tmp_path):
    prefix = str(tmp_path / "both")
    tcm.compact(sources[0], prefix)
    old = tcm.load_checkpoint(prefix)
    assert old["w0"][0, 0] == 0
    tcm.compact(sources[1], prefix, overwrite=True)
    assert old["w1"][0, 0] == 0  # its shard was open
    late = tcm.load_checkpoint(prefix)
    tcm.compact(sources[0], prefix, overwrite=True)
    with pytest.raises(CheckpointReplacedError, match="open it again"):
        _ = late["w0"]


def test_names_that_go_replace_nothing(sources, tmp_path):
    prefix = str(tmp_path / "both")
    tcm.compact(sources[0], prefix)
    tcm.add_object_keys(prefix)
    reader = tcm.load_checkpoint(prefix)
    tcm.remove_name_keys(prefix)
    assert reader["w0"][0, 0] == 0
