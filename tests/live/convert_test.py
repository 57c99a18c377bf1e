"""``convert_tf1_to_tf2(target=…)``: straight into the object layout of live objects."""

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live.models import WEIGHTS, model_values, nested, sequential, trained
from tf_ckpt_migrate.conversion.example import example_checkpoint
from tf_ckpt_migrate.errors import (
    PlanError,
    TargetError,
    UnbuiltTargetError,
)

EXPECTED = {name: value.tolist() for name, value in WEIGHTS.items()}


@pytest.fixture
def source():
    with example_checkpoint(WEIGHTS) as prefix:
        yield prefix


def rules(model):
    path = getattr(model.variables[0], "path", model.variables[0].name)
    return {"/": "net/"} if path.startswith("net/") else None


def test_a_model_restores_it_and_no_byte_was_copied(tf, source, tmp_path):
    model = sequential(tf)
    before = model_values(model)
    result = tcm.convert_tf1_to_tf2(
        source, tmp_path / "out", assignment_map=rules(model), target=model
    )
    assert model_values(model) == before
    assert [key for key in result.computed if "save_counter" not in key] == []
    status = tf.train.Checkpoint(model).restore(result.prefix)
    status.assert_consumed()
    assert model_values(model) == EXPECTED


def test_a_checkpoint_with_an_optimizer_keeps_what_names_do_not_say(
    tf, source, tmp_path
):
    checkpoint = trained(tf)
    checkpoint.optimizer.iterations.assign(5)
    arguments = (source, tmp_path / "out")
    options = {"assignment_map": rules(checkpoint.model), "target": checkpoint}
    with pytest.raises(PlanError, match="targets have no source"):
        tcm.convert_tf1_to_tf2(*arguments, **options)
    result = tcm.convert_tf1_to_tf2(*arguments, **options, missing="keep")
    other = trained(tf)
    other.restore(result.prefix).assert_consumed()
    assert model_values(other.model) == EXPECTED
    assert int(other.optimizer.iterations) == 5


def test_the_keys_are_those_that_tensorflow_saves(tf, source, tmp_path):
    model = sequential(tf)
    result = tcm.convert_tf1_to_tf2(
        source, tmp_path / "out", assignment_map=rules(model), target=model
    )
    saved = tf.train.Checkpoint(model).save(str(tmp_path / "saved"))
    ours, theirs = tcm.load_checkpoint(result), tcm.load_checkpoint(saved)
    assert set(ours) == set(theirs)
    assert ours.object_graph.message == theirs.object_graph.message


def test_a_module_and_a_dict(tf, tmp_path):
    values = {"net/kernel": np.float32([[5, 6]]), "one": np.float32(7)}
    module = nested(tf)
    with example_checkpoint(values) as prefix:
        result = tcm.convert_tf1_to_tf2(
            prefix,
            tmp_path / "module",
            assignment_map={"net/kernel": "kernel", "one": "items/0"},
            target=module,
            missing="keep",
        )
        variable = tf.Variable([[0.0, 0.0]])
        flat = tcm.convert_tf1_to_tf2(
            prefix,
            tmp_path / "dict",
            target={"net/kernel": variable, "one": tf.Variable(0.0)},
        )
    tf.train.Checkpoint(module).restore(result.prefix).assert_consumed()
    assert module.kernel.numpy().tolist() == [[5, 6]]
    assert float(module.items[0]) == 7
    assert float(module.items[1]["deep"]) == 4
    tf.train.Checkpoint(vars={"net/kernel": variable}).restore(
        flat.prefix
    ).expect_partial()
    assert variable.numpy().tolist() == [[5, 6]]


def test_it_plans_and_reads_as_a_checkpoint_does(tf, source):
    """``like=`` takes whatever offers a layout."""
    from tf_ckpt_migrate.live.target import built_target

    model = sequential(tf)
    plan = tcm.plan_migration(source, built_target(model), rules(model))
    assert plan.target == "Sequential 'net'"
    assert len(plan.moves) == 6


class TestRefusals:
    def test_an_unbuilt_model(self, tf, source, tmp_path):
        model = sequential(tf, built=False)
        with pytest.raises(UnbuiltTargetError, match="Build first"):
            tcm.convert_tf1_to_tf2(source, tmp_path / "out", target=model)
        assert list(tmp_path.iterdir()) == []

    def test_like_and_target_together(self, tf, source, tmp_path):
        with pytest.raises(TargetError, match="both like= and target="):
            tcm.convert_tf1_to_tf2(
                source, tmp_path / "out", like=source, target=sequential(tf)
            )
