import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conversion.checkpoints import (
    copied,
    files_in,
    golden,
    goldens,
    index_entries,
    is_name_based,
    is_object_based,
    values,
    write,
)
from tf_ckpt_migrate.bundle.shards import Transfer
from tf_ckpt_migrate.checkpoint.reader import load_checkpoint
from tf_ckpt_migrate.conversion.dual_keys import add_name_keys
from tf_ckpt_migrate.conversion.tf1_to_tf2 import convert_tf1_to_tf2
from tf_ckpt_migrate.conversion.tf2_to_tf1 import convert_tf2_to_tf1
from tf_ckpt_migrate.errors import (
    LayoutError,
    OutputExistsError,
    PlanError,
    TruncatedFileError,
)
from tf_ckpt_migrate.names.rules import Drop, RenameRegex
from tf_ckpt_migrate.naming.keys import OBJECT_GRAPH_KEY, SAVE_COUNTER_KEY

NAME_BASED = goldens(is_name_based)
# Dtypes of which TensorFlow makes no variable, at least not one of zeros.
NO_VARIABLE = re.compile("variant|resource|qu?int16|float[48]|u?int[24]$")
GUIDE_KEY = "vars/{}/.ATTRIBUTES/VARIABLE_VALUE"


@pytest.fixture
def source(tmp_path):
    return write(
        tmp_path / "model.ckpt",
        {"net/w": np.arange(6, dtype=np.float32).reshape(2, 3), "net/b": [1, 2]},
    )


def test_keys_are_those_of_the_guide(source):
    result = convert_tf1_to_tf2(source, source + "-tf2")
    assert sorted(load_checkpoint(result)) == [
        OBJECT_GRAPH_KEY,
        SAVE_COUNTER_KEY,
        GUIDE_KEY.format("net.Sb"),
        GUIDE_KEY.format("net.Sw"),
    ]


def test_the_graph_has_paths_and_variable_names(source):
    graph = load_checkpoint(convert_tf1_to_tf2(source, source + "-tf2")).object_graph
    found = {a.full_name: graph.paths()[a.node] for a in graph.attributes}
    assert found == {
        "net/w": ("vars", "net/w"),
        "net/b": ("vars", "net/b"),
        "save_counter": ("save_counter",),
    }


def test_no_tensor_byte_is_copied(source):
    result = convert_tf1_to_tf2(source, source + "-tf2")
    linked, written = result.shards
    assert os.path.samefile(linked.path, source + ".data-00000-of-00001")
    assert (linked.transfer, written.transfer) == (Transfer.LINKED, Transfer.WRITTEN)
    assert result.computed == ()


def test_no_tensor_byte_is_read(source):
    """The data shard may be unreadable: only a link to it is made."""
    shard = Path(source + ".data-00000-of-00001")
    opened = []
    code = (
        "import sys, tf_ckpt_migrate as tcm\n"
        "sys.addaudithook(lambda event, args: event == 'open' and print(args[0]))\n"
        f"tcm.convert_tf1_to_tf2({source!r}, {source + '-tf2'!r}, data='link')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    opened = done.stdout.splitlines()
    assert source + ".index" in opened
    assert str(shard) not in opened


@pytest.mark.parametrize("dual_source", [False, True])
def test_both_keys_of_a_dual_keyed_target_get_the_value(source, tmp_path, dual_source):
    zeros = {key: 0 * value for key, value in load_checkpoint(source).items()}
    old = write(tmp_path / "old", zeros)
    like = add_name_keys(convert_tf1_to_tf2(old, tmp_path / "like"))
    if dual_source:
        source = add_name_keys(convert_tf1_to_tf2(source, tmp_path / "dual"))
    result = load_checkpoint(convert_tf1_to_tf2(source, tmp_path / "out", like=like))
    assert set(result) == set(load_checkpoint(like))
    for name in ("net/w", "net/b"):
        key = GUIDE_KEY.format(name.replace("/", ".S"))
        wanted = load_checkpoint(source)[name].tolist()
        assert result[name].tolist() == result[key].tolist() == wanted


def test_both_keys_of_a_dual_keyed_target_keep_the_value(source, tmp_path):
    like = write(tmp_path / "old", {"net/w": np.ones((2, 3), "f"), "more": [5.0]})
    like = add_name_keys(convert_tf1_to_tf2(like, tmp_path / "like"))
    rules = {"net/w": "net/w"}
    result = convert_tf1_to_tf2(
        source,
        tmp_path / "out",
        assignment_map=rules,
        like=like,
        unused="drop",
        missing="keep",
    )
    reader = load_checkpoint(result)
    assert reader["more"].tolist() == reader[GUIDE_KEY.format("more")].tolist() == [5]
    assert reader["net/w"].tolist() == reader[GUIDE_KEY.format("net.Sw")].tolist()
    assert reader["net/w"].tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("name", NAME_BASED)
def test_round_trip_gives_back_keys_and_bytes(name, tmp_path):
    reader = golden(name)
    before = {path: Path(path).read_bytes() for path in reader.files}
    tf2 = convert_tf1_to_tf2(reader, tmp_path / "tf2")
    tf1 = convert_tf2_to_tf1(tf2, tmp_path / "tf1")
    assert values(tf1) == values(reader.prefix)
    if reader.bundle is not None:
        assert index_entries(tf1) == index_entries(reader.prefix)
    assert {path: Path(path).read_bytes() for path in reader.files} == before


@pytest.mark.parametrize("name", NAME_BASED)
def test_tensorflow_restores_every_golden(name, tmp_path, tf):
    reader = golden(name)
    result = convert_tf1_to_tf2(reader, tmp_path / "tf2")
    variables = {
        key: tf.Variable(_empty(tf, spec))
        for key, spec in reader.specs.items()
        if not NO_VARIABLE.match(spec.dtype.name)
    }
    checkpoint = tf.train.Checkpoint(vars=variables)
    if name == "tf2_21/dtypes_new" and not tf.__version__.startswith("2.21."):
        with pytest.raises(TypeError, match="not correspond to a valid"):
            checkpoint.restore(os.fspath(result))  # this TensorFlow knows not even them
        return
    status = checkpoint.restore(os.fspath(result))
    if len(variables) == len(reader):
        status.assert_consumed()
    status.assert_existing_objects_matched()
    for key, variable in variables.items():
        restored = np.asarray(variable.numpy())
        expected = reader[key]
        if expected.dtype == object:
            assert np.asarray(restored, object).tolist() == expected.tolist()
        else:
            assert restored.tobytes() == expected.tobytes()


def _empty(tf, spec):
    if spec.dtype.name == "string":
        return tf.fill(spec.shape, "")
    return tf.zeros(spec.shape, spec.dtype.name)


def test_a_map_renames_the_variables(source):
    result = convert_tf1_to_tf2(
        source, source + "-tf2", assignment_map={"net/": "encoder/"}
    )
    assert GUIDE_KEY.format("encoder.Sw") in load_checkpoint(result)
    names = load_checkpoint(result).object_graph.full_names().values()
    assert set(names) == {"encoder/w", "encoder/b", "save_counter"}


def test_a_map_may_give_object_keys(source):
    key = "model/dense/kernel/.ATTRIBUTES/VARIABLE_VALUE"
    result = convert_tf1_to_tf2(
        source, source + "-tf2", assignment_map={"net/w": key, "net/b": "b"}
    )
    reader = load_checkpoint(result)
    assert key in reader
    paths = set(reader.object_graph.paths().values())
    assert {("model", "dense", "kernel"), ("vars", "b")} <= paths


def test_what_no_rule_fits_is_an_error_and_nothing_is_written(source, tmp_path):
    before = files_in(tmp_path)
    with pytest.raises(PlanError, match="'net/b'"):
        convert_tf1_to_tf2(source, source + "-tf2", assignment_map={"net/w": "w"})
    assert files_in(tmp_path) == before


def test_what_no_rule_fits_may_be_kept_or_dropped(source):
    options = {"assignment_map": {"net/w": "w"}}
    kept = convert_tf1_to_tf2(source, source + "-k", unused="keep", **options)
    assert GUIDE_KEY.format("net.Sb") in load_checkpoint(kept)
    dropped = convert_tf1_to_tf2(source, source + "-d", unused="drop", **options)
    assert GUIDE_KEY.format("net.Sb") not in load_checkpoint(dropped)
    assert [each.key for each in dropped.dropped] == ["net/b"]


def test_a_name_that_looks_like_an_object_key_is_a_name(tmp_path):
    odd = "a/.ATTRIBUTES/VARIABLE_VALUE"
    prefix = write(tmp_path / "m", {odd: [1.0], "a": [2.0]})
    tf2 = convert_tf1_to_tf2(prefix, prefix + "-tf2")
    assert values(convert_tf2_to_tf1(tf2, prefix + "-tf1")) == values(prefix)


def test_of_a_dual_keyed_checkpoint_the_names_are_taken(tmp_path):
    reader = golden("tf2_21/dual_keyed")
    result = convert_tf1_to_tf2(reader, tmp_path / "out")
    reasons = {each.reason for each in result.dropped}
    assert reasons == {"the object-based key of a named tensor"}
    names = [key for key in reader if "/.ATTRIBUTES/" not in key]
    names.remove(OBJECT_GRAPH_KEY)
    assert len(load_checkpoint(result)) == len(names) + 2


@pytest.mark.parametrize("name", ["tf1_15/saver_v1", "tf1_15/sliced_v1_axis_1"])
def test_v1_values_are_written_anew_and_told(name, tmp_path):
    result = convert_tf1_to_tf2(golden(name), tmp_path / "out")
    assert len(result.computed) == len(golden(name))
    assert [shard.transfer for shard in result.shards] == [Transfer.WRITTEN]


def test_partitioned_variables_keep_their_slices(tmp_path):
    reader = golden("tf1_15/partitioned_adam")
    result = load_checkpoint(convert_tf1_to_tf2(reader, tmp_path / "out"))
    key = GUIDE_KEY.format("deep.Semb.SAdam_1")
    assert len(result.places(key)) == len(reader.places("deep/emb/Adam_1")) > 1


def test_object_based_is_refused_with_the_right_calls(tmp_path):
    with pytest.raises(LayoutError, match=r"object-based already.*convert_tf2_to_tf1"):
        convert_tf1_to_tf2(golden("tf2_21/checkpoint_vars"), tmp_path / "out")


def test_output_that_exists_is_refused_and_left(source, tmp_path):
    convert_tf1_to_tf2(source, source + "-tf2")
    before = files_in(tmp_path)
    with pytest.raises(OutputExistsError, match="overwrite=True"):
        convert_tf1_to_tf2(source, source + "-tf2")
    assert files_in(tmp_path) == before


def test_overwriting_leaves_no_file_of_the_old(source, tmp_path):
    old = write(tmp_path / "old", {"x": [1.0]})
    convert_tf1_to_tf2(source, old, overwrite=True)
    names = sorted(path.name for path in tmp_path.glob("*old*"))
    assert names == ["old.data-00000-of-00002", "old.data-00001-of-00002", "old.index"]


@pytest.mark.parametrize("spelling", ["{}", "{}/../{name}", "link/{name}"])
def test_the_source_is_never_the_output(source, tmp_path, spelling):
    (tmp_path / "link").symlink_to(tmp_path)
    folder, name = os.path.split(source)
    (tmp_path / name).mkdir()  # for the way through it and back
    output = os.path.join(folder, spelling.format(name, name=name))
    before = files_in(tmp_path)
    with pytest.raises(OutputExistsError, match="of a source, which a"):
        convert_tf1_to_tf2(source + ".index", output, overwrite=True)
    assert files_in(tmp_path) == before


def test_a_cut_off_shard_is_not_linked(source, tmp_path):
    shard = Path(source + ".data-00000-of-00001")
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(TruncatedFileError, match="copy the file again"):
        convert_tf1_to_tf2(source, tmp_path / "out")
    assert not list(tmp_path.glob("*out*"))


def test_state_file_names_the_output_relatively(source, tmp_path):
    result = convert_tf1_to_tf2(source, tmp_path / "new" / "m", update_state_file=True)
    state = tmp_path / "new" / "checkpoint"
    assert result.state_file == str(state)
    assert state.read_text(encoding="utf-8").splitlines() == [
        'model_checkpoint_path: "m"',
        'all_model_checkpoint_paths: "m"',
    ]


def test_result_as_json_and_as_text(source):
    result = convert_tf1_to_tf2(source, source + "-tf2")
    found = json.loads(result.to_json())
    assert found["keys"] == 4
    assert [shard["transfer"] for shard in found["shards"]] == ["linked", "written"]
    assert "1 shard linked (40 bytes)" in str(result)


class TestLike:
    """The layout of another checkpoint, reached without TensorFlow."""

    @pytest.fixture
    def like(self, source):
        keys = {
            "net/w": "model/dense/kernel/.ATTRIBUTES/VARIABLE_VALUE",
            "net/b": "model/dense/bias/.ATTRIBUTES/VARIABLE_VALUE",
        }
        return os.fspath(
            convert_tf1_to_tf2(source, source + "-like", assignment_map=keys)
        )

    def test_keys_and_graph_are_those_of_the_other(self, source, like):
        result = convert_tf1_to_tf2(
            source,
            source + "-out",
            like=like,
            assignment_map={"net/w": "model/dense/kernel", "net/b": "model/dense/bias"},
        )
        assert values(result) == values(like)

    def test_variable_names_of_the_other_are_enough(self, source, like):
        result = convert_tf1_to_tf2(source, source + "-out", like=like)
        assert values(result) == values(like)

    def test_missing_targets_are_an_error_or_keep_their_values(self, source, like):
        rules = [Drop("net/b"), RenameRegex("net/(w)", "model/dense/kernel")]
        with pytest.raises(PlanError, match="model/dense/bias"):
            convert_tf1_to_tf2(source, source + "-o", like=like, assignment_map=rules)
        result = convert_tf1_to_tf2(
            source, source + "-o", like=like, assignment_map=rules, missing="keep"
        )
        assert values(result) == values(like)

    def test_a_shape_that_differs_is_an_error(self, source, like, tmp_path):
        other = write(tmp_path / "other", {"net/w": np.zeros([3, 2], np.float32)})
        with pytest.raises(PlanError, match=r"float32\[3, 2\].*float32\[2, 3\]"):
            convert_tf1_to_tf2(other, source + "-o", like=like, missing="keep")

    @pytest.mark.parametrize(
        "name",
        # Two of the names in the others mean different objects, escaped and not.
        # One holds nothing that could go to TF1 and back.
        [
            name
            for name in goldens(is_object_based)
            if not name.endswith(("checkpoint_names", "checkpoint_empty"))
        ],
    )
    def test_a_golden_is_reached_from_its_own_names(self, name, tmp_path):
        reader = golden(name)
        tf1 = convert_tf2_to_tf1(reader, tmp_path / "tf1", names="key")
        result = convert_tf1_to_tf2(tf1, tmp_path / "tf2", like=reader)
        assert values(result) == values(reader.prefix)
        copy = copied(reader, tmp_path)
        assert index_entries(copy).keys() == index_entries(result).keys()
