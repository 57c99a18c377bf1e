"""What is far larger than usual: many keys, many shards, long names, holes."""

from __future__ import annotations

import gc
import io
import json
import os
import sys
import tracemalloc
import unicodedata
from pathlib import Path

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.bundle.files import entry_of, write_checkpoint, write_index
from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.index import HEADER_KEY, serialized_header
from tf_ckpt_migrate.bundle.proto import Entry, serialized_entry
from tf_ckpt_migrate.bundle.shards import index_path, shard_path
from tf_ckpt_migrate.checkpoint.reader import load_checkpoint
from tf_ckpt_migrate.checkpoint.text import Table, plain_text
from tf_ckpt_migrate.cli.main import main
from tf_ckpt_migrate.errors import TensorNotFoundError
from tf_ckpt_migrate.escapes import to_json
from tf_ckpt_migrate.table import crc32c
from tf_ckpt_migrate.table.writer import write_table

KEYS = 1000
FLOAT = TensorSpec(DType.float32, (1,))

# All forms that a name can have, each 300 characters: accents before and behind,
# wide, from right to left, beyond 16 bits, and what steers a terminal.
NAMES = [
    (start * 300)[:290] + f"/{start}/kernel"[:10].ljust(10, "x")
    for start in ("é", "e\u0301", "漢", "שלום", "🎉", "\u202e", "a\tb", "n\u0301")
]


def many(prefix, names, shards=1, spec=FLOAT):
    """Write a checkpoint of zeros whose data files are holes."""
    crc = crc32c.mask(crc32c.value(bytes(spec.nbytes))) if spec.nbytes < 1e6 else 0
    each = -(-len(names) // shards)
    entries = {
        name.encode(): serialized_entry(
            Entry(spec, at // each, at % each * spec.nbytes, spec.nbytes, crc)
        )
        for at, name in enumerate(names)
    }
    with open(index_path(str(prefix)), "wb") as file:
        header = serialized_header(shards)
        write_table(file, [(HEADER_KEY, header), *sorted(entries.items())])
    for shard in range(shards):
        with open(shard_path(str(prefix), shard, shards), "wb") as file:
            file.truncate(each * spec.nbytes)
    return str(prefix)


def network(count):
    return [f"network/block_{i // 20}/layer_{i % 20}/kernel" for i in range(count)]


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return many(tmp_path_factory.mktemp("keys") / "m", network(KEYS))


@pytest.fixture(scope="module")
def plan(keys):
    return tcm.plan_migration(keys, None, {"network/": "net/"})


def written_json(keys):
    for _ in tcm.inspect_checkpoint(keys).json_parts():
        pass


# Bytes for each key, of names of 36 characters. A million take so many MB.
BOUNDS = {
    "load": (320, lambda keys, plan, out: load_checkpoint(keys).specs),
    "list": (400, lambda keys, plan, out: tcm.list_variables(keys)),
    "inspect": (700, lambda keys, plan, out: tcm.inspect_checkpoint(keys)),
    "text": (1400, lambda keys, plan, out: str(tcm.inspect_checkpoint(keys))),
    "JSON": (1100, lambda keys, plan, out: written_json(keys)),
    "plan": (800, lambda keys, plan, out: tcm.plan_migration(keys)),
    "YAML": (600, lambda keys, plan, out: plan.to_yaml()),
    "convert": (1000, lambda keys, plan, out: tcm.convert(plan, out)),
    "to TF2": (1700, lambda keys, plan, out: tcm.convert_tf1_to_tf2(keys, out)),
    "diff": (900, lambda keys, plan, out: tcm.diff_checkpoints(keys, keys)),
    "verify": (650, lambda keys, plan, out: tcm.verify_checkpoint(keys)),
    "compact": (1400, lambda keys, plan, out: tcm.compact(keys, out)),
}


@pytest.mark.parametrize("what", BOUNDS)
def test_memory_for_each_key_is_bounded(what, keys, plan, tmp_path):
    bound, act = BOUNDS[what]
    act(keys, plan, tmp_path / "warm" / "m")
    gc.collect()
    tracemalloc.start()
    try:
        act(keys, plan, tmp_path / "measured" / "m")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak / KEYS < bound


@pytest.fixture
def opened():
    """The data shards that are opened, in this test."""
    shards = []

    def note(event, arguments):
        if noting and event == "open" and ".data-" in str(arguments[0]):
            shards.append(str(arguments[0]))

    noting = [True]
    sys.addaudithook(note)
    yield shards
    noting.clear()


def test_a_tebibyte_of_holes_is_never_read(tmp_path, opened, capsys):
    spec = TensorSpec(DType.float32, (1 << 28,))  # one GiB
    source = many(tmp_path / "m", network(1024), 4, spec)
    opened.clear()
    out = str(tmp_path / "out" / "m")
    assert tcm.inspect_checkpoint(source).total_bytes > 1 << 40
    assert main(["inspect", source]) == 0
    assert main(["plan", source]) == 0
    tcm.convert_tf1_to_tf2(source, out)
    renamed = {"network/": "vars/network/"}
    assert tcm.diff_checkpoints(source, out).only_in_a
    assert tcm.diff_checkpoints(source, source).equal
    tcm.convert(tcm.plan_migration(source, None, renamed), str(tmp_path / "b"))
    found = tcm.diff_checkpoints(source, tmp_path / "b", assignment_map=renamed)
    assert found.equal
    assert found.equal_count == 1024
    assert opened == []
    assert "1.1 TB in 5 files" in capsys.readouterr().out


def few_files(monkeypatch):
    """Let this process open few files more than it has."""
    import resource

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(map(int, os.listdir("/proc/self/fd")), default=0)
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 200, limits[1]))
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.fixture
def thousand(tmp_path):
    """A checkpoint of 1,000 shards, each with a tensor of its own values."""
    prefix = str(tmp_path / "m")
    entries = {}
    for number, name in enumerate(network(1000)):
        array = np.array([number, -number], np.int32)
        entries[name.encode()] = entry_of(array, shard=number)
        Path(shard_path(prefix, number, 1000)).write_bytes(array.tobytes())
    write_index(prefix, entries, serialized_header(1000))
    return prefix


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="Linux only")
def test_a_thousand_shards_and_few_open_files(thousand, tmp_path, monkeypatch):
    restore_limit = few_files(monkeypatch)
    try:
        assert tcm.verify_checkpoint(thousand).ok
        there, back = str(tmp_path / "there" / "m"), str(tmp_path / "back" / "m")
        tcm.convert_tf1_to_tf2(thousand, there)
        assert tcm.verify_checkpoint(there).ok
        tcm.convert_tf2_to_tf1(there, back)
        packed = str(tmp_path / "packed" / "m")
        tcm.compact(thousand, packed)
        for prefix in (back, packed):
            found = tcm.diff_checkpoints(thousand, prefix)
            assert found.equal_count == 1000
            assert set(found.only_in_b) <= {"save_counter"}
        reader = load_checkpoint(back)
        for number, name in enumerate(network(1000)):
            assert reader.get_tensor(name).tolist() == [number, -number]
    finally:
        restore_limit()
    assert len(load_checkpoint(back).files) == 1001


@pytest.fixture
def unicode(tmp_path):
    """A checkpoint of names of all forms, with weights and a slot of each."""
    tensors = {
        name: np.full(2, number, np.float32) for number, name in enumerate(NAMES)
    }
    tensors |= {f"{name}/Adam": np.zeros(2, np.float32) for name in NAMES}
    write_checkpoint(tmp_path / "m", tensors)
    return str(tmp_path / "m")


def test_long_names_of_all_forms_are_distinct_and_sorted_by_bytes(unicode):
    assert {len(name) for name in NAMES} == {300}
    reader = load_checkpoint(unicode)
    assert list(reader) == sorted(reader, key=str.encode)
    for number, name in enumerate(NAMES):
        assert reader.get_tensor(name).tolist() == [number, number]


def test_forms_of_one_name_are_two_names(tmp_path):
    forms = {"\u00e9t\u00e9": np.zeros(1), "e\u0301te\u0301": np.ones(1)}
    assert len({unicodedata.normalize("NFC", form) for form in forms}) == 1
    write_checkpoint(tmp_path / "a" / "m", forms)
    tcm.convert_tf1_to_tf2(tmp_path / "a" / "m", tmp_path / "b" / "m")
    tcm.convert_tf2_to_tf1(tmp_path / "b" / "m", tmp_path / "c" / "m")
    reader = load_checkpoint(tmp_path / "c" / "m")
    assert [reader.get_tensor(form).item() for form in forms] == [0, 1]


def test_every_command_takes_long_names_of_all_forms(unicode, tmp_path, capsys):
    def run(*arguments):
        status = main([str(argument) for argument in arguments])
        return status, capsys.readouterr().out

    there, back, pruned = (
        tmp_path / name / "m" for name in ("there", "back", "pruned")
    )
    status, text = run("inspect", unicode, "--values")
    assert status == 0
    assert len(text.splitlines()) < 60  # a name breaks no line
    assert "\u202e" not in text
    status, text = run("inspect", unicode, "--output_format=json")
    assert {tensor["key"] for tensor in json.loads(text)["tensors"]} > set(NAMES)
    page, file = tmp_path / "report.html", tmp_path / "plan.yaml"
    rename, keep = f"--rename={NAMES[0]}={NAMES[0]}2", "--unused=keep"
    assert run("plan", unicode, rename, keep, "--output", file)[0] == 0
    assert tcm.MigrationPlan.from_yaml(file.read_text("utf-8")).moves
    assert run("convert", unicode, there, "--to=tf2")[0] == 0
    assert run("convert", there, back, "--to=tf1")[0] == 0
    assert run("diff", unicode, back)[0] in (0, 1)
    assert run("verify", there)[0] == 0
    assert run("verify", back, "--against", there, "--to=tf1")[0] == 0
    assert run("prune", unicode, pruned)[0] == 0
    assert sorted(load_checkpoint(pruned)) == sorted(NAMES)
    assert run("compact", unicode, tmp_path / "compact" / "m")[0] == 0
    assert run("merge", pruned, "--output", tmp_path / "merged" / "m")[0] == 0
    assert run("report", unicode, "--output", page)[0] == 0
    assert run("suggest", unicode, back)[0] in (0, 1)
    for name, value in load_checkpoint(unicode).items():
        np.testing.assert_array_equal(load_checkpoint(back)[name], value)


def test_a_name_that_only_looks_the_same_is_told_apart(tmp_path):
    write_checkpoint(tmp_path / "m", {"\u00e9t\u00e9/w": np.ones(1, np.float32)})
    with pytest.raises(TensorNotFoundError, match=r"nearest: '\\xe9t\\xe9/w'"):
        load_checkpoint(tmp_path / "m").get_tensor("e\u0301te\u0301/w")


def test_columns_stand_below_each_other_whatever_the_letters():
    rows = [("ab", "1"), ("e\u0301e\u0301", "2"), ("漢", "3"), ("🎉", "4")]
    lines = plain_text([Table(("k", "v"), rows)]).splitlines()
    # Two columns each: no mark takes one, wide letters take two.
    assert lines == ["k   v", "ab  1", "e\u0301e\u0301  2", "漢  3", "🎉  4"]


def test_json_in_parts_is_the_text_that_json_makes(keys, unicode):
    for prefix in (keys, unicode):
        text = tcm.inspect_checkpoint(prefix).to_json()
        assert text == to_json(json.loads(text))
    written = io.StringIO()
    written.writelines(tcm.inspect_checkpoint(keys).json_parts())
    assert len(json.loads(written.getvalue())["tensors"]) == KEYS


def test_a_plan_dumped_in_parts_is_the_whole(plan, tmp_path):
    assert tcm.MigrationPlan.from_yaml(plan.to_yaml()) == plan
    assert Path(index_path(plan.source)).exists()
