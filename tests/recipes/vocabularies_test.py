"""Tensors for another vocabulary: rows, columns, slots, averages, and bad files."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tf_ckpt_migrate as tcm
from tests.conversion.checkpoints import values, write
from tf_ckpt_migrate.errors import (
    PlanError,
    RuleError,
    TransformError,
    VocabularyError,
)
from tf_ckpt_migrate.recipes.slot_variables import slot_transform
from tf_ckpt_migrate.transforms import Transform, Vocabulary
from tf_ckpt_migrate.transforms.numbers import RANDOM, initial_values
from tf_ckpt_migrate.transforms.vocabulary import read_vocabulary

OLD = ["the", "of", "and", "to"]
NEW = ["the", "and", "Katze", "of", "犬"]
TABLE = np.arange(10, dtype=np.float32).reshape(5, 2)  # and a bucket
EMA = "ExponentialMovingAverage"


def file(folder, name, words):
    path = folder / name
    path.write_bytes("".join(f"{word}\n" for word in words).encode())
    return str(path)


@pytest.fixture
def files(tmp_path):
    return {
        "old_vocab": file(tmp_path, "old.txt", OLD),
        "new_vocab": file(tmp_path, "new.txt", NEW),
    }


def converted(folder, tensors, *rules, **options):
    source = write(folder / "source", tensors)
    plan = tcm.plan_migration(source, None, rules, unused="keep", **options)
    assert tcm.MigrationPlan.from_yaml(plan.to_yaml()) == plan
    reader = tcm.load_checkpoint(tcm.convert(plan, folder / "made"))
    return {key: reader[key] for key in reader}, plan


def recipe(name="emb", **options):
    return tcm.Recipe("vocabulary", name, name, **options)


class TestRows:
    def test_kept_moved_new_dropped_and_buckets(self, tmp_path, files):
        rule = recipe(num_oov_buckets=1, **files)
        made, plan = converted(tmp_path, {"emb": TABLE, "b": TABLE}, rule)
        assert made["emb"].tolist() == [[0, 1], [4, 5], [0, 0], [2, 3], [0, 0], [8, 9]]
        assert made["b"].tolist() == TABLE.tolist()
        note = f"'emb': entries of {files['new_vocab']!r}: 1 kept, 2 moved, "
        note += "2 new (zeros), 1 dropped; 1 bucket carried over"
        assert plan.notes == (note,)

    @pytest.mark.parametrize(
        ("options", "buckets"),
        [
            ({"num_oov_buckets": 2, "old_num_oov_buckets": 1}, [[7, 7], [7, 7]]),
            ({"num_oov_buckets": 1, "keep_buckets": False}, [[7, 7]]),
            ({"old_num_oov_buckets": 1}, []),
        ],
    )
    def test_buckets_that_mean_something_else_are_new(
        self, tmp_path, files, options, buckets
    ):
        rule = recipe(initializer="constant", scale=7.0, **options, **files)
        made, _ = converted(tmp_path, {"emb": TABLE}, rule)
        assert made["emb"][5:].tolist() == buckets

    def test_sizes(self, tmp_path, files):
        sizes = {"old_vocab_size": 2, "new_vocab_size": 4, "old_num_oov_buckets": 3}
        made, _ = converted(tmp_path, {"emb": TABLE}, recipe(**sizes, **files))
        assert made["emb"].tolist() == [[0, 1], [0, 0], [0, 0], [2, 3]]

    def test_the_mean_is_of_entries_not_of_buckets(self, tmp_path, files):
        rule = recipe(num_oov_buckets=1, initializer="mean", **files)
        made, _ = converted(tmp_path, {"emb": TABLE}, rule)
        assert made["emb"][2].tolist() == [3, 4]

    def test_a_name_and_a_layout_of_its_own(self, tmp_path, files):
        rule = tcm.Recipe("vocabulary", "emb", "new", num_oov_buckets=1, **files)
        made, _ = converted(tmp_path, {"emb": TABLE, "emb/Adam": TABLE}, rule)
        assert [*made] == ["new", "new/Adam"]


WORDS = st.lists(st.text("abcd\U0001f600é ", max_size=3), min_size=1, unique=True)


COUNTS = st.tuples(st.integers(0, 1), st.integers(0, 2), st.integers(0, 2))


@given(WORDS, WORDS, COUNTS)
def test_it_is_what_a_dictionary_says(tmp_path_factory, old, new, counts):
    axis, before, after = counts
    folder = tmp_path_factory.mktemp("words")
    files = [file(folder, n, w) for n, w in (("old", old), ("new", new))]
    size = len(old) + before
    value = np.arange(3 * size, dtype=np.int64).reshape(size, 3)
    made = Vocabulary.from_files(
        *files, axis=axis, old_num_oov_buckets=before, num_oov_buckets=after
    )
    rows = dict(zip(old, value.tolist(), strict=False))
    expected = [rows.get(word, [0, 0, 0]) for word in new]
    same = before == after
    expected += [
        value[len(old) + i].tolist() if same else [0] * 3 for i in range(after)
    ]
    found = made(value.T if axis else value)
    assert (found.T if axis else found).tolist() == expected
    back = made.inverse()
    assert (back is not None) == ({*old} <= {*new} and (same or not before))
    if back is not None:
        np.testing.assert_array_equal(back(found), value.T if axis else value)


class TestColumns:
    def test_a_softmax_layer(self, tmp_path, files):
        kernel = np.arange(8, dtype=np.float32).reshape(2, 4)
        bias = np.arange(4, dtype=np.float32)
        rules = [recipe("k", axis=1, **files), recipe("b", **files)]
        made, _ = converted(tmp_path, {"k": kernel, "b": bias}, *rules)
        assert made["k"].tolist() == [[0, 2, 0, 1, 0], [4, 6, 0, 5, 0]]
        assert made["b"].tolist() == [0, 2, 0, 1, 0]

    def test_both_axes(self, tmp_path, files):
        columns = {
            "col_old_vocab": file(tmp_path, "c1", ["x", "y", "z"]),
            "col_new_vocab": file(tmp_path, "c2", ["z", "x"]),
            "col_num_oov_buckets": 1,
        }
        value = np.arange(12, dtype=np.float32).reshape(4, 3)
        slot = recipe("k", **files, **columns)
        made, _ = converted(tmp_path, {"k": value, "k/RMSProp": value + 100}, slot)
        expected = [[2, 0, 0], [8, 6, 0], [0, 0, 0], [5, 3, 0], [0, 0, 0]]
        assert made["k"].tolist() == expected
        found = made["k/RMSProp"]
        expected = np.where(found == 1, 1, np.array(expected) + 100)
        assert found.tolist() == expected.tolist()
        assert (found == 1).sum() == 9
        only = {k: v for k, v in columns.items() if k != "col_num_oov_buckets"}
        made, _ = converted(tmp_path / "b", {"k": value}, recipe("k", **only))
        assert made["k"].tolist() == value[:, [2, 0]].tolist()

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"axis": 1, "col_old_vocab": "c", "col_new_vocab": "c"}, "about axis 1"),
            ({"col_old_vocab": "c"}, "needs col_new_vocab="),
        ],
    )
    def test_half_of_it(self, tmp_path, files, options, text):
        with pytest.raises(RuleError, match=text):
            converted(tmp_path, {"emb": TABLE[:4]}, recipe(**files, **options))


class TestSlots:
    @pytest.mark.parametrize(
        ("suffixes", "starts"),
        [
            (["Adagrad"], [0.1]),
            (["ProximalAdagrad"], [0.1]),
            (["AdagradDA", "AdagradDA_1"], [0, 0.1]),
            (["Ftrl", "Ftrl_1"], [0.1, 0]),
            (["RMSProp", "RMSProp_1"], [1, 0]),
            (["RMSProp", "RMSProp_1", "RMSProp_2"], [1, 0, 0]),
            (["Adam", "Adam_1"], [0, 0]),
            (["Adadelta", "Adadelta_1"], [0, 0]),
            (["Momentum"], [0]),
            (["adam_m", "adam_v"], [0, 0]),
        ],
    )
    def test_new_rows_begin_as_the_optimizer_begins(
        self, tmp_path, files, suffixes, starts
    ):
        tensors = {"emb": TABLE[:4]}
        tensors |= {f"opt/emb/{name}": TABLE[:4] + 50 for name in suffixes}
        made, _ = converted(tmp_path, tensors, recipe(initializer="mean", **files))
        for name, start in zip(suffixes, starts, strict=True):
            found = made[f"opt/emb/{name}"]
            assert found[2].tolist() == found[4].tolist() == [np.float32(start)] * 2
            assert found[1].tolist() == [54, 55]

    def test_an_accumulator_that_began_otherwise(self, tmp_path, files):
        tensors = {"emb": TABLE[:4], "emb/Adagrad": TABLE[:4]}
        rule = recipe(accumulator=0.5, **files)
        made, _ = converted(tmp_path, tensors, rule)
        assert made["emb/Adagrad"][2].tolist() == [0.5, 0.5]

    def test_an_optimizer_of_ones_own_name(self, tmp_path, files):
        tensors = {"emb": TABLE[:4], "emb/GenOpt": TABLE[:4]}
        with pytest.raises(PlanError, match=r"'emb/GenOpt'.*optimizer='Adam'"):
            converted(tmp_path / "a", tensors, recipe(**files))
        rule = recipe(optimizer="Adagrad", **files)
        made, _ = converted(tmp_path / "b", tensors, rule)
        assert made["emb/GenOpt"][2].tolist() == [np.float32(0.1)] * 2

    @pytest.mark.parametrize("initializer", ["mean", "normal", "zeros"])
    def test_an_average_begins_as_its_variable(self, tmp_path, files, initializer):
        tensors = {"emb": TABLE[:4], f"emb/{EMA}": TABLE[:4] + 1000}
        made, _ = converted(tmp_path, tensors, recipe(initializer=initializer, **files))
        new = [2, 4]
        assert made[f"emb/{EMA}"][new].tolist() == made["emb"][new].tolist()
        assert made[f"emb/{EMA}"][1].tolist() == [1004, 1005]

    @pytest.mark.parametrize("slots", ["drop", "leave"])
    def test_they_need_not_follow(self, tmp_path, files, slots):
        tensors = {"emb": TABLE[:4], "emb/Adagrad": TABLE[:4]}
        made, _ = converted(tmp_path, tensors, recipe(slots=slots, **files))
        assert ("emb/Adagrad" in made) == (slots == "leave")

    def test_of_another_shape(self, tmp_path, files):
        tensors = {"emb": TABLE[:4], "emb_slot_vr": TABLE[:4, 0]}
        with pytest.raises(PlanError, match=r"'emb_slot_vr'.*another shape.*slots="):
            converted(tmp_path, tensors, recipe(**files))

    def test_where_only_a_graph_knows(self, tmp_path, files):
        key = "opt/_variables/2/.ATTRIBUTES/VARIABLE_VALUE"
        with pytest.raises(PlanError, match=r"_variables/2.*slots='leave'"):
            converted(tmp_path, {"emb": TABLE[:4], key: TABLE[:4]}, recipe(**files))

    def test_what_follows_where_a_live_optimizer_goes_on(self, files):
        how = Vocabulary.from_files(**files, initializer="glorot_normal")
        same = replace(how, initializer="constant", scale=0.1)
        assert slot_transform(how, 0.1) == same


class TestInitializers:
    @pytest.mark.parametrize("kind", RANDOM)
    def test_they_have_the_deviation_of_tensorflow(self, kind):
        shape = (400, 100)
        found = initial_values(kind, shape, np.dtype("f4"), whole=shape, seed=3)
        fans = {"glorot": 250, "he": 200, "lecun": 400}  # 1 / variance
        name = kind.partition("_")[0]
        expected = fans[name] ** -0.5 if name in fans else 0.05
        if kind == "uniform":
            expected /= 3**0.5
        elif kind == "truncated_normal":
            expected *= 0.8796
        assert found.std() == pytest.approx(expected, rel=0.02)
        again = initial_values(kind, shape, np.dtype("f4"), whole=shape, seed=3)
        np.testing.assert_array_equal(found, again)

    def test_known_numbers(self):
        for kind, expected in [("uniform", 0.00488135), ("normal", 0.08820262)]:
            found = initial_values(kind, (1,), np.dtype("f8"), whole=(1,))
            assert found[0] == pytest.approx(expected, abs=1e-8)

    def test_nothing_is_beyond_two_deviations(self):
        found = initial_values(
            "truncated_normal", (9999,), np.dtype("f4"), whole=(1,), scale=1.0
        )
        assert np.abs(found).max() <= 2

    def test_the_fans_are_those_of_the_whole(self, tmp_path, files):
        rule = recipe(initializer="lecun_uniform", seed=1, **files)
        made, _ = converted(tmp_path, {"emb": TABLE[:4]}, rule)
        limit = (3 / 5) ** 0.5
        expected = np.random.RandomState(1).uniform(-limit, limit, (2, 2))
        np.testing.assert_allclose(made["emb"][[2, 4]], expected, rtol=1e-6)

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"initializer": "meen"}, "there are zeros, ones"),
            ({"initializer": "constant"}, "scale is the value of 'constant'"),
            ({"initializer": "zeros", "scale": 1.0}, "scale is the value"),
            ({"seed": -1}, "below 0"),
            ({"seed": 1 << 32}, "the seed is 4,294,967,296 or more"),
            ({"initializer": "constant", "scale": "1"}, "scale='1' is no number"),
            ({"axis": 2}, "an axis 2"),
        ],
    )
    def test_what_is_refused(self, tmp_path, files, options, text):
        with pytest.raises(TransformError, match=text):
            converted(tmp_path, {"emb": TABLE[:4]}, recipe(**options, **files))

    @pytest.mark.parametrize(
        ("value", "how"),
        [(np.arange(4), "mean"), (np.array([b"a"] * 4, object), "zeros")],
    )
    def test_a_dtype_without_such_values(self, tmp_path, files, value, how):
        with pytest.raises(TransformError, match=f"its dtype has no '{how}'"):
            converted(tmp_path, {"emb": value}, recipe(initializer=how, **files))


class TestFiles:
    @pytest.mark.parametrize(
        ("data", "text"),
        [
            (b"a\nb\na\n", "entries twice.*'a' in lines 1 and 3"),
            (b"a\r\nb\r\nc\r\nd\r\n", "line 1 of .* ends in CRLF.*sed -i"),
            (b"a\nb\n\xff\xfe\nd\n", "line 3 of .* is not UTF-8"),
            (b"", "is empty"),
            (b"\xef\xbb\xbfa\nb\nc\nd\n", "begins with a byte order mark"),
        ],
    )
    @pytest.mark.parametrize("which", ["old_vocab", "new_vocab"])
    def test_damage(self, tmp_path, files, which, data, text):
        with open(files[which], "wb") as damaged:
            damaged.write(data)
        with pytest.raises(VocabularyError, match=text) as caught:
            converted(tmp_path, {"emb": TABLE[:4]}, recipe(**files))
        assert files[which] in str(caught.value)

    def test_missing(self, tmp_path, files):
        files["old_vocab"] += "x"
        with pytest.raises(VocabularyError, match=r"old\.txtx.*No such file"):
            converted(tmp_path, {"emb": TABLE[:4]}, recipe(**files))

    def test_no_line_end_at_the_end_and_empty_words(self, tmp_path):
        path = tmp_path / "v"
        path.write_bytes(b"a\n\nb c")
        assert read_vocabulary(str(path)).words == (b"a", b"", b"b c")

    def test_a_size_beyond_the_file(self, files):
        with pytest.raises(VocabularyError, match="has 4 entries, but a size of 5"):
            read_vocabulary(files["old_vocab"], 5)

    @pytest.mark.parametrize(
        ("rows", "text"),
        [
            (3, "has 3 indices, but '.*old.txt' has 4 entries: it is not the file"),
            (6, "if the other 2 are buckets.*old_num_oov_buckets=2"),
        ],
    )
    def test_it_does_not_fit(self, tmp_path, files, rows, text):
        with pytest.raises(TransformError, match=text):
            converted(tmp_path, {"emb": np.zeros([rows, 2])}, recipe(**files))

    def test_a_changed_file_is_noticed(self, tmp_path, files):
        source = write(tmp_path / "m", {"emb": TABLE[:4]})
        plan = tcm.plan_migration(source, None, [recipe(**files)])
        plan = tcm.MigrationPlan.from_yaml(plan.to_yaml())
        file(tmp_path, "new.txt", [*NEW[:4], "cat"])
        with pytest.raises(VocabularyError, match=r"new\.txt' has changed since"):
            tcm.convert(plan, tmp_path / "n")
        assert not [*tmp_path.glob("n*.index")]


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"foo": 1}, RuleError, "'foo'"),
        ({"slots": "never"}, RuleError, "follow, drop, leave"),
        ({"old_vocab_size": "4"}, TransformError, "'emb': size must be integers"),
        ({"optimizer": "Adamm"}, RuleError, "optimizer='Adamm'"),
        ({"new_vocab": None}, RuleError, "needs new_vocab="),
    ],
)
def test_options_that_are_none(tmp_path, files, options, error, text):
    tensors = {"emb": TABLE[:4], "emb/Adam": TABLE[:4]}
    given = {k: v for k, v in (files | options).items() if v is not None}
    with pytest.raises(error, match=text):
        converted(tmp_path, tensors, recipe(**given))


@pytest.mark.parametrize(
    "change",
    [{"old_vocab": 3}, {"new_vocab_size": "x"}, {"scale": "x"}, {"axis": []}],
)
def test_a_damaged_plan(files, change):
    config = Vocabulary.from_files(**files).to_config()
    with pytest.raises(TransformError):
        Transform.from_config(config | change)


def test_no_such_variable(tmp_path, files):
    with pytest.raises(PlanError, match=re.escape("no variable 'em' ")):
        converted(tmp_path, {"emb": TABLE}, recipe("em", **files))


def test_a_plan_that_drops_no_entry_is_reversible(tmp_path):
    files = {
        "old_vocab": file(tmp_path, "o", OLD),
        "new_vocab": file(tmp_path, "n", ["x", *OLD[::-1]]),
    }
    source = write(tmp_path / "m", {"emb": TABLE, "emb/Adagrad": TABLE + 3})
    rule = recipe(num_oov_buckets=1, **files)
    plan = tcm.plan_migration(source, None, [rule])
    made = tcm.convert(plan, tmp_path / "made")
    back = tcm.convert(plan.reversed(), tmp_path / "back", source=made)
    assert values(back) == values(source)
    file(tmp_path, "n", OLD[:3])
    plan = tcm.plan_migration(source, None, [rule])
    with pytest.raises(PlanError, match="cannot be reversed"):
        plan.reversed()
