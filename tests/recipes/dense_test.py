"""Attention, heads, fused and pointwise kernels by file: there, back, and refused."""

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.conversion.checkpoints import golden
from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.conversion.example import example_checkpoint
from tf_ckpt_migrate.errors import PlanError, RuleError
from tf_ckpt_migrate.names.resolution import resolve

LAYER = "bert/encoder/layer_0/attention/"


def specs(**shapes):
    return {
        name.replace("__", "/"): TensorSpec(DType.float32, shape)
        for name, shape in shapes.items()
    }


def test_attention_of_bert_with_its_slots_there_and_back(tmp_path):
    """By name: slots go along, two for each tensor, and come back with it."""
    reader = golden("tf1_15/whole_bert")
    rules = [
        tcm.Recipe("attention", LAYER, "layer/attention/", num_heads=2),
        tcm.Recipe("slots", "/", "/"),
        tcm.Drop("/"),
    ]
    plan = tcm.plan_migration(reader, None, rules)
    assert tcm.MigrationPlan.from_yaml(plan.to_yaml()).moves == plan.moves
    made = tcm.load_checkpoint(tcm.convert(plan, tmp_path / "keras"))
    query = made["layer/attention/query/kernel/adam_m"]
    assert query.shape == (8, 2, 4)
    assert made["layer/attention/attention_output/kernel"].shape == (2, 4, 8)
    whole = reader[f"{LAYER}self/query/kernel/adam_m"]
    np.testing.assert_array_equal(query.reshape(8, 8), whole)
    back = [
        tcm.Recipe("attention", "layer/attention/", LAYER),
        tcm.Recipe("slots", "/", "/"),
    ]
    again = tcm.load_checkpoint(
        tcm.convert(tcm.plan_migration(made, None, back), tmp_path / "again")
    )
    assert len(again) == 24
    for key, value in again.items():
        np.testing.assert_array_equal(value, reader[key])


@pytest.mark.parametrize("order", ["parts", "heads"])
def test_a_fused_kernel_there_and_back(tmp_path, order):
    tensors = {
        "c/w": np.arange(1 * 4 * 18, dtype=np.float32).reshape(1, 4, 18),
        "c/b": np.arange(18, dtype=np.float32),
        "c/w/Momentum": -np.arange(72, dtype=np.float32).reshape(1, 4, 18),
    }
    there = [
        tcm.Recipe("qkv", "c/", "mha/", num_heads=2, order=order),
        tcm.Recipe("slots", "/", "/"),
    ]
    with example_checkpoint(tensors) as prefix:
        made = tcm.load_checkpoint(
            tcm.convert(tcm.plan_migration(prefix, None, there), tmp_path / "keras")
        )
    key = made["mha/key/kernel"]
    whole = tensors["c/w"][0]
    first = whole[:, 6:9] if order == "parts" else whole[:, 3:6]
    np.testing.assert_array_equal(key[:, 0], first)
    np.testing.assert_array_equal(made["mha/key/kernel/Momentum"], -key)
    back = [
        tcm.Recipe("qkv", "mha/", "c/", order=order),
        tcm.Recipe("slots", "/", "/"),
    ]
    plan = tcm.plan_migration(made, None, back)
    again = tcm.load_checkpoint(tcm.convert(plan, tmp_path / "again"))
    assert set(again) == {"c/kernel", "c/bias", "c/kernel/Momentum"}
    np.testing.assert_array_equal(again["c/kernel"], whole)
    np.testing.assert_array_equal(again["c/kernel/Momentum"], -whole)
    np.testing.assert_array_equal(again["c/bias"], tensors["c/b"])


@pytest.mark.parametrize(
    ("recipe", "source", "message"),
    [
        (("heads", {}), {"a__kernel": (4, 6)}, "nothing tells the number of heads"),
        (("heads", {"num_heads": 4}), {"a__kernel": (4, 6)}, "4 heads do not divide"),
        (
            ("heads", {"num_heads": 2}),
            {"a__kernel": (6,)},
            r"the shape \[6\]; a kernel",
        ),
        (("heads", {"num_heads": 2}), {"a__bias": (6,)}, "needs 'a/kernel'; in the"),
        (("qkv", {"num_heads": 2}), {"a__kernel": (4, 8)}, r"expects \[inputs, 3 \*"),
        (("qkv", {}), {"a__query__kernel": (4, 2, 3)}, "not as many for query, key"),
        (("pointwise", {}), {"a__kernel": (3, 3, 4, 6)}, "of width 1 is a dense"),
        (("pointwise", {}), {"a__kernel": (4, 6)}, "say rank=4"),
        (
            ("attention", {"num_heads": 2}),
            {"a__w": (4,)},
            "needs 'a/self/query/kernel'",
        ),
    ],
)
def test_what_does_not_fit(recipe, source, message):
    kind, options = recipe
    with pytest.raises(PlanError, match=message):
        resolve([tcm.Recipe(kind, "a/", "b/", **options)], specs(**source))


@pytest.mark.parametrize(("kind", "word"), [("heads", "of"), ("qkv", "order")])
def test_words(kind, word):
    recipe = tcm.Recipe(kind, "a/", "b/", num_heads=2, **{word: "other"})
    with pytest.raises(RuleError, match=f"{word}='other'; expected"):
        resolve([recipe], specs(a__kernel=(4, 6)))


class TestSlotsByName:
    def test_they_go_where_variables_go(self):
        source = specs(net__w=(2,), net__w__Adam=(2,), train__net__w__Adam_1=(2,))
        rules = [tcm.RenameScope("net/", "m/"), tcm.Recipe("slots", "/", "/")]
        found = {m.sources[0]: m.target for m in resolve(rules, source).moves}
        assert found["train/net/w/Adam_1"] == "train/m/w/Adam_1"
        assert found["net/w/Adam"] == "m/w/Adam"

    def test_none_without_its_place(self):
        source, target = specs(net__w=(2,), net__w__Adam=(2,)), specs(m__w=(2,))
        rules = [("net/w", "m/w"), tcm.Recipe("slots", "/", "/")]
        with pytest.raises(PlanError, match="'net/w/Adam' float32"):
            resolve(rules, source, target)

    def test_there_are_none(self):
        with pytest.raises(PlanError, match="has a slot of an optimizer"):
            resolve([tcm.Recipe("slots", "/", "/")], specs(w=(2,)))

    def test_what_does_not_follow_is_refused(self):
        source = specs(w=(2,), w__Adam=(2,))
        rules = [
            tcm.Rename("w", "v", tcm.transforms.Pad((0,), (1,))),
            tcm.Recipe("slots", "/", "/"),
        ]
        with pytest.raises(PlanError, match="what follows for the slots 'w/Adam' is"):
            resolve(rules, source)

    def test_a_scope_that_takes_them_as_they_are_is_told_of(self):
        """A kernel is cut, and a scope would carry its slot over whole."""
        source = specs(a__kernel=(4, 6), a__kernel__Adam=(4, 6))
        rules = [tcm.Recipe("heads", "a/", "b/", num_heads=2), ("a/", "b/")]
        text = "'a/kernel/Adam' stay as they are"
        assert any(text in note for note in resolve(rules, source).notes)
        followed = resolve([*rules, tcm.Recipe("slots", "/", "/")], source)
        assert not any(text in note for note in followed.notes)

    def test_of_a_gru_whose_kernels_are_joined(self):
        reader = golden("tf1_15/resume_rnn_gru")
        rules = [
            tcm.Recipe("gru", "rnn/", "k/"),
            tcm.Recipe("slots", "/", "/"),
            tcm.Drop(pattern=".*(power|step|Average)"),
        ]
        plan = tcm.plan_migration(reader, None, rules)
        made = {move.target: move for move in plan.moves}
        kernel, slot = made["k/gru_cell/kernel"], made["k/gru_cell/kernel/Adam"]
        assert slot.transform == kernel.transform
        assert slot.sources == tuple(f"{key}/Adam" for key in kernel.sources)
