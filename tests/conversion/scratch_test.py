"""A checkpoint under other keys that costs no copy and leaves no trace."""

import errno
import gc
import os
import subprocess
import sys
import tempfile

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.conversion.checkpoints import copied, files_in, golden, values, write
from tf_ckpt_migrate.conversion.scratch import scratch_checkpoint
from tf_ckpt_migrate.errors import MissingShardError

VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


@pytest.fixture
def scratch_folder(tmp_path, monkeypatch):
    """Where scratch checkpoints go; nothing else is there."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def source(tmp_path):
    return write(tmp_path / "model", {"a/w": [1.0, 2.0], "a/b": [3.0]})


def test_it_has_the_keys_of_the_plan_and_the_bytes_of_the_source(source):
    plan = tcm.plan_migration(source, None, {"a/w": "kernel"}, unused="drop")
    with scratch_checkpoint(plan) as scratch:
        assert values(scratch) == {"kernel": values(source)["a/w"]}
        [shard] = tcm.load_checkpoint(scratch).files[1:]
        assert os.readlink(shard) == f"{source}.data-00000-of-00001"
        assert os.fspath(scratch) == scratch.prefix


def test_a_relative_path_is_linked_to_from_anywhere(source, monkeypatch):
    monkeypatch.chdir(os.path.dirname(source))
    plan = tcm.plan_migration(os.path.basename(source))
    with scratch_checkpoint(plan) as scratch:
        monkeypatch.chdir("/")
        assert values(scratch) == values(source)


def test_the_shards_that_nothing_is_taken_from_are_not_linked(tmp_path):
    reader = golden("tf1_15/sharded_v2")
    key = next(iter(reader))
    [place] = reader.places(key)
    plan = tcm.plan_migration(reader, None, {key: "only"}, unused="drop")
    with scratch_checkpoint(plan, reader) as scratch:
        [shard] = tcm.load_checkpoint(scratch).files[1:]
        assert os.path.samefile(shard, place.file)


def test_a_computed_value_is_written_into_a_shard_of_its_own(source):
    cast = tcm.Rename("a/w", "w64", transform=tcm.transforms.Cast("float64"))
    with scratch_checkpoint(
        tcm.plan_migration(source, None, [cast, ("a/b", "b")])
    ) as it:
        reader = tcm.load_checkpoint(it)
        assert reader["w64"].tolist() == [1.0, 2.0]
        assert reader["w64"].dtype == np.float64
        assert [os.path.islink(path) for path in reader.files[1:]] == [True, False]


def test_of_a_v1_file_what_is_wanted_is_written():
    reader = golden("tf1_15/sliced_v1_axis_0")
    key = max(reader, key=lambda key: len(reader.places(key)))
    plan = tcm.plan_migration(reader, None, {key: "new"}, unused="drop")
    with scratch_checkpoint(plan, reader) as scratch:
        assert values(scratch)["new"] == values(reader.prefix)[key]
        assert not os.path.islink(tcm.load_checkpoint(scratch).files[1])


def test_it_may_be_object_based(source):
    rules = [tcm.Rename("a/w", f"w{VALUE}"), tcm.Drop("a/b")]
    plan = tcm.plan_migration(source, None, rules)
    with scratch_checkpoint(plan) as scratch:
        graph = tcm.load_checkpoint(scratch).object_graph
        assert graph is not None
        assert graph.full_names()[f"w{VALUE}"] == "a/w"
    with scratch_checkpoint(plan, object_graph=False) as scratch:
        assert tcm.load_checkpoint(scratch).object_graph is None


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP, errno.EACCES])
def test_without_symbolic_links_the_bytes_come_in_another_way(
    source, monkeypatch, code
):
    def refuse(*_args, **_options):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "symlink", refuse)
    with scratch_checkpoint(tcm.plan_migration(source)) as scratch:
        assert not os.path.islink(tcm.load_checkpoint(scratch).files[1])
        assert values(scratch) == values(source)


class TestCleaning:
    def test_by_the_context(self, source, scratch_folder):
        with scratch_checkpoint(tcm.plan_migration(source)):
            assert files_in(scratch_folder)
        assert not list(scratch_folder.iterdir())

    def test_twice_is_once(self, source, scratch_folder):
        scratch = scratch_checkpoint(tcm.plan_migration(source))
        scratch.close()
        scratch.close()
        assert not list(scratch_folder.iterdir())

    def test_when_nothing_refers_to_it(self, source, scratch_folder):
        scratch = scratch_checkpoint(tcm.plan_migration(source))
        assert list(scratch_folder.iterdir())
        del scratch
        gc.collect()
        assert not list(scratch_folder.iterdir())

    def test_when_the_program_ends(self, source, scratch_folder):
        code = (
            "import tf_ckpt_migrate as tcm\n"
            "from tf_ckpt_migrate.conversion.scratch import scratch_checkpoint\n"
            f"it = scratch_checkpoint(tcm.plan_migration({source!r}))\n"
            "print(tcm.list_variables(it))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "TMPDIR": str(scratch_folder)},
            cwd=os.path.dirname(os.path.dirname(tcm.__file__)),
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == "[('a/b', [1]), ('a/w', [2])]\n"
        assert not list(scratch_folder.iterdir())

    def test_the_source_stays(self, source, tmp_path):
        before = values(source)
        scratch_checkpoint(tcm.plan_migration(source)).close()
        assert values(source) == before

    def test_after_a_failure(self, tmp_path, scratch_folder):
        prefix = copied(golden("tf1_15/saver_v2"), tmp_path)
        plan = tcm.plan_migration(prefix)
        os.remove(f"{prefix}.data-00000-of-00001")
        with pytest.raises(MissingShardError):
            scratch_checkpoint(plan)
        assert not list(scratch_folder.iterdir())
