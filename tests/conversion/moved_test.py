"""Moved names are found, doubt is said, and rules for them are few and right."""

import pytest

from tests.conversion.manifest_test import bert
from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.conversion.moved import moved_names
from tf_ckpt_migrate.names.compression import Renamed, compressed
from tf_ckpt_migrate.names.resolution import resolve
from tf_ckpt_migrate.names.rules import Rename, RenameRegex, RenameScope
from tf_ckpt_migrate.testing.breakage import rule_text

MATRIX, VECTOR = (TensorSpec(DType.float32, shape) for shape in [(4, 4), (4,)])


def found(gone, new):
    return [tuple(each) for each in moved_names(gone, new)]


def test_a_scope():
    assert found(
        {"a/w": MATRIX, "a/b": VECTOR}, {"x/b": VECTOR, "x/w": MATRIX, "x/c": VECTOR}
    ) == [("a/w", "x/w", ""), ("a/b", "x/b", "")]


def test_numbers_tell_layers_apart():
    gone = {f"layer_{n}/w": MATRIX for n in range(12)}
    new = {f"block{n}/w": MATRIX for n in range(12)}
    assert found(gone, new) == [(f"layer_{n}/w", f"block{n}/w", "") for n in range(12)]


def test_what_another_shape_says_of_a_scope_decides():
    gone = {"a/w": MATRIX, "b/w": MATRIX, "a/b": VECTOR, "b/c": VECTOR}
    new = {"x/w": MATRIX, "y/w": MATRIX, "y/b": VECTOR, "x/c": VECTOR}
    assert {(old, name) for old, name, _ in found(gone, new)} == {
        ("a/w", "y/w"),
        ("b/w", "x/w"),
        ("a/b", "y/b"),
        ("b/c", "x/c"),
    }
    assert not any(doubt for _, _, doubt in found(gone, new))


def test_doubt_is_said():
    pairs = found({"a/w": MATRIX, "b/w": MATRIX}, {"x/w": MATRIX, "y/w": MATRIX})
    assert [old for old, _, _ in pairs] == ["a/w", "b/w"]
    assert pairs[0][2] == f"or {pairs[1][1]!r}, of the same shape"


def test_by_shape_alone_only_where_there_is_one():
    assert found({"a": MATRIX}, {"x": MATRIX})[0][2] == "by dtype and shape alone"
    assert found({"a": MATRIX, "b": MATRIX}, {"x": MATRIX, "y": MATRIX}) == []
    assert found({"a": MATRIX}, {"x": VECTOR}) == []


def test_many_that_cannot_be_told_apart():
    gone = {f"{word}/w": MATRIX for word in map("x{}y".format, range(100))}
    new = {f"{word}/w": MATRIX for word in map("{}z".format, range(100, 200))}
    pairs = moved_names(gone, new)
    assert len({each.old for each in pairs}) == len({e.new for e in pairs}) == 100
    assert all(each.doubt for each in pairs)


def bert_renamed(name):
    """As Keras layers might be called, with another word for a leaf, too."""
    name = name.replace("bert/encoder/layer_", "bert_model/encoder/layer/")
    name = name.replace("bert/", "bert_model/")
    return name.replace("/LayerNorm/gamma", "/LayerNorm/scale")


def renaming_rules(renames, keys):
    pairs = [Renamed(old, (new,)) for old, new in renames.items()]
    return compressed(pairs, keys, even_same=True)


def test_bert():
    specs = bert()
    renames = {name: bert_renamed(name) for name in specs}
    pairs = moved_names(specs, {renames[name]: spec for name, spec in specs.items()})
    assert {each.old: each.new for each in pairs} == renames
    assert not [each for each in pairs if each.doubt]
    rules = renaming_rules(renames, specs)
    assert len(rules) <= 5
    moves = resolve(rules, specs).moves
    assert {move.sources[0]: move.target for move in moves} == renames


def test_a_scope_that_moved_whole_is_one_rule():
    renames = {"a/w": "x/w", "a/b/c": "x/b/c", "s": "t"}
    assert renaming_rules(renames, [*renames, "ab/w"]) == [
        RenameScope("a/", "x/"),
        Rename("s", "t"),
    ]


def test_a_scope_of_which_a_part_stays_is_not():
    renames = {"a/w": "x/w", "a/b": "x/b"}
    rules = renaming_rules(renames, [*renames, "a/stays"])
    assert rules == [Rename("a/b", "x/b"), Rename("a/w", "x/w")]


def test_numbered_scopes_are_one_rule():
    renames = {f"layer_{n}/w": f"layers/{n}/kernel" for n in range(3)}
    (rule,) = renaming_rules(renames, [*renames, "layer_0/b"])
    assert isinstance(rule, RenameRegex)
    assert all(rule.target_of(old) == new for old, new in renames.items())
    assert rule.target_of("layer_0/b") is None


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (Rename("a", "b"), 'tcm.Rename("a", "b"),'),
        (Rename('"', "b"), "tcm.Rename('\"', 'b'),"),
    ],
)
def test_rules_are_ready_to_paste(rule, text):
    assert rule_text(rule) == text
