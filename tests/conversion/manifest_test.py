"""A manifest has the names of a checkpoint, and its YAML says the same again."""

import json
import re

import pytest

import tf_ckpt_migrate as tcm
from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.conversion.layout import VALUE_END
from tf_ckpt_migrate.conversion.manifest import NameManifest
from tf_ckpt_migrate.errors import PlanError, RuleError, TensorNotFoundError
from tf_ckpt_migrate.naming.slots import role_of

F32 = DType.float32


def bert(layers=12, hidden=768):
    """The variables of BERT-base, as TF1 names them."""
    specs = {
        "bert/embeddings/word_embeddings": (30522, hidden),
        "bert/embeddings/token_type_embeddings": (2, hidden),
        "bert/embeddings/position_embeddings": (512, hidden),
        "bert/pooler/dense/kernel": (hidden, hidden),
        "bert/pooler/dense/bias": (hidden,),
        "bert/embeddings/LayerNorm/gamma": (hidden,),
        "bert/embeddings/LayerNorm/beta": (hidden,),
    }
    for n in range(layers):
        layer = f"bert/encoder/layer_{n}"
        for part in ("self/query", "self/key", "self/value", "output/dense"):
            specs[f"{layer}/attention/{part}/kernel"] = (hidden, hidden)
            specs[f"{layer}/attention/{part}/bias"] = (hidden,)
        for part in ("attention/output", "output"):
            specs[f"{layer}/{part}/LayerNorm/gamma"] = (hidden,)
            specs[f"{layer}/{part}/LayerNorm/beta"] = (hidden,)
        specs[f"{layer}/intermediate/dense/kernel"] = (hidden, 4 * hidden)
        specs[f"{layer}/intermediate/dense/bias"] = (4 * hidden,)
        specs[f"{layer}/output/dense/kernel"] = (4 * hidden, hidden)
        specs[f"{layer}/output/dense/bias"] = (hidden,)
    return {name: TensorSpec(F32, shape) for name, shape in specs.items()}


@pytest.mark.parametrize("version", ["tf1_15", "tf2_15", "tf2_21"])
def test_every_golden_comes_back(goldens, version):
    for folder in sorted((goldens / version).iterdir()):
        prefix = json.loads((folder / "expected.json").read_text())["prefix"]
        reader = tcm.load_checkpoint(folder / prefix)
        manifest = NameManifest.from_checkpoint(reader)
        text = manifest.to_yaml()
        assert NameManifest.from_yaml(text) == manifest, folder
        assert NameManifest.from_yaml(text).to_yaml() == text
        specs = reader.specs
        missing = {*specs} - {*manifest.specs}
        assert all(role_of(key, specs) == "bookkeeping" for key in missing)
        assert all(manifest.specs[key] == specs[key] for key in manifest.specs)


def test_bert_with_adam_is_a_line_for_each_variable():
    weights = bert()
    slots = {
        f"{name}/{slot}": spec
        for name, spec in weights.items()
        for slot in ("adam_m", "adam_v")
    }
    step = {"global_step": TensorSpec(DType.int64, ())}
    manifest = NameManifest("bert_model.ckpt", {**weights, **slots, **step})
    text = manifest.to_yaml()
    assert text.count("\n") == len(weights) + 1 + 7  # and the lines before them
    assert "  bert/pooler/dense/bias: float32[768] + adam_m, adam_v\n" in text
    assert NameManifest.from_yaml(text) == manifest
    assert len(manifest.without("slot", "step").specs) == len(weights)


def test_a_change_of_one_variable_is_a_change_of_one_line():
    before = bert()
    after = {**before, "bert/pooler/dense/bias": TensorSpec(F32, (5,))}
    lines = [
        NameManifest("m", specs).to_yaml().splitlines() for specs in (before, after)
    ]
    changed = [pair for pair in zip(*lines, strict=True) if pair[0] != pair[1]]
    assert changed == [
        (
            "  bert/pooler/dense/bias: float32[768]",
            "  bert/pooler/dense/bias: float32[5]",
        )
    ]


@pytest.mark.parametrize(
    "name",
    [
        *("on", "1e3", "a: b", "a #b", "- a", "'", '"', "größe", "\x85\u2028", "🜁\t"),
        *(" a", "a ", "*a", "!a", "{}", "a = b", "a + b", "x" * 999, "x" * 1001, "a\n"),
    ],
)
def test_any_name_comes_back(name):
    specs = {name: TensorSpec(F32, ()), f"{name}/Adam": TensorSpec(F32, ())}
    key = f"path{VALUE_END}"
    manifest = NameManifest(
        name, {**specs, key: TensorSpec(F32, ())}, {key: name}, True
    )
    assert NameManifest.from_yaml(manifest.to_yaml()) == manifest


def test_slots_of_another_shape_stay_lines_of_their_own():
    specs = {"w": TensorSpec(F32, (2, 3)), "w/Adam": TensorSpec(F32, (2,))}
    assert "  w/Adam: float32[2]\n" in NameManifest("m", specs).to_yaml()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: {}", "'version' is missing"),
        ("version: 2", "line 1: this release reads version 1"),
        ("version: 1\nnames:\n  w: float33[2]", "line 3: 'float33.2.' is no line"),
        ("version: 1\nnames:\n  w: 'int8[] + m'", "line 3: 'm' is none of the slots"),
        ("version: 1\nname: {}", "line 2: a manifest has no 'name'"),
        ("version: 1\nnames: {w: 'int8[]', w: 'int8[]'}", "'w' is there already"),
        ("version: 1\nnames: &a {}", "no meaning in a manifest"),
        ("a: [", "the manifest cannot be read, line 2: no YAML"),
    ],
)
def test_what_is_wrong_with_one_is_said_with_its_line(text, message):
    with pytest.raises(
        PlanError,
        match=f"the manifest cannot be read, .*{message}"
        if "read" not in message
        else message,
    ):
        NameManifest.from_yaml(text)


def test_files(tmp_path, checkpoint):
    manifest = NameManifest.from_checkpoint(checkpoint)
    manifest.save(tmp_path / "names.yaml")
    assert NameManifest.load(tmp_path / "names.yaml") == manifest
    assert str(manifest) == (tmp_path / "names.yaml").read_text().rstrip("\n")


def test_what_is_wrong_with_a_file_is_said_with_its_name(tmp_path):
    path = tmp_path / "names.yaml"
    path.write_text("version: 2")
    with pytest.raises(PlanError, match=f"^'{re.escape(str(path))}': .*line 1: "):
        NameManifest.load(path)


def test_it_has_no_values(checkpoint):
    manifest = NameManifest.from_checkpoint(checkpoint)
    with pytest.raises(
        TensorNotFoundError, match=r"the manifest of model\.ckpt has names"
    ):
        manifest["global_step"]


def test_a_word_that_is_no_role_is_refused():
    with pytest.raises(RuleError, match=r"'slots'.* are no roles"):
        NameManifest("m", {}).without("slots")
