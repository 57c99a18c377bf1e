"""Slots that TF1 stores in the parts of their variables, there and back."""

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tf_ckpt_migrate.errors import CorruptCheckpointError

# By the scope of the optimizer TF1 calls parts so, as it cuts off a number of letters.
SCOPES = {
    "linear": "part_0",
    "dnn": "t_0",
    "wide": "rt_0",
    "a": "0",
    "train_op": "s/part_0",
    "": "",
}
AXES = pytest.mark.parametrize("axis", [0, 1])
SHAPE = (5, 4)


class TF1:
    """A program with a variable in parts, trained by Adam within a scope."""

    def __init__(self, tf, scope, axis):
        v1 = tf.compat.v1
        self.graph = tf.Graph()
        with self.graph.as_default():
            v1.set_random_seed(1)
            step = v1.train.create_global_step()
            with v1.variable_scope(scope or v1.get_variable_scope()):
                weights = v1.get_variable(
                    "model/weights",
                    SHAPE,
                    partitioner=v1.fixed_size_partitioner(2, axis),
                )
                bias = v1.get_variable("model/bias", SHAPE[1:])
                x = np.linspace(0, 1, 15, dtype="f").reshape(3, 5)
                loss = tf.reduce_mean(
                    (x @ tf.convert_to_tensor(weights) + bias - 1) ** 2
                )
                adam = v1.train.AdamOptimizer(0.1)
                self.step = adam.minimize(loss, step)
            self.values = [tf.convert_to_tensor(weights), bias]
            self.saver = v1.train.Saver()
            self.session = v1.Session()
            self.session.run(v1.global_variables_initializer())

    def save(self, prefix):
        with self.graph.as_default():
            return self.saver.save(self.session, str(prefix))

    def restore(self, prefix):
        with self.graph.as_default():
            self.saver.restore(self.session, prefix)

    def train(self, steps):
        for _ in range(steps):
            self.session.run(self.step)
        return self.session.run(self.values)


class Keras:
    def __init__(self, tf):
        self.tf = tf
        self.layer = tf.keras.layers.Dense(SHAPE[1], name="c")
        self.layer.build((None, SHAPE[0]))
        self.optimizer = tf.keras.optimizers.Adam(0.1, epsilon=1e-8)
        self.optimizer.build(self.layer.trainable_variables)
        self.checkpoint = tf.train.Checkpoint(c=self.layer, optimizer=self.optimizer)

    def train(self, steps):
        x = np.linspace(0, 1, 15, dtype="f").reshape(3, 5)
        for _ in range(steps):
            with self.tf.GradientTape() as tape:
                loss = self.tf.reduce_mean((self.layer(x) - 1) ** 2)
            variables = self.layer.trainable_variables
            gradients = tape.gradient(loss, variables)
            self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return self.layer.get_weights()


def rules(scope):
    start = f"{scope}/model/" if scope else "model/"
    pairs = [(f"{start}weights", "c/kernel"), (f"{start}bias", "c/bias")]
    return [*pairs, tcm.Recipe("optimizer", "Adam", "optimizer")]


def close(one, other):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


@AXES
@pytest.mark.parametrize("scope", SCOPES)
def test_training_continues_there_and_back(tf, tmp_path, scope, axis):
    old, new = TF1(tf, scope, axis), Keras(tf)
    old.train(3)
    source = old.save(tmp_path / "model.ckpt")
    reader = tcm.load_checkpoint(source)
    if scope:
        assert f"{scope}/model/weights/{SCOPES[scope]}/Adam" in reader
    assert tcm.verify_checkpoint(source).ok
    report = tcm.restore(source, new.checkpoint, rules(scope))
    assert {each.kind for each in report.verdicts} == {"exact"}
    back = tcm.save_like(
        source, new.checkpoint, rules(scope), output_prefix=tmp_path / "same"
    )
    returned = tcm.load_checkpoint(back)
    for key in reader:
        np.testing.assert_array_equal(returned.part(key), reader.part(key), err_msg=key)
        assert returned.part_of(key) == reader.part_of(key)
    close(old.train(5), new.train(5))
    back = tcm.save_like(
        source, new.checkpoint, rules(scope), output_prefix=tmp_path / "back"
    )
    assert tcm.verify_checkpoint(back).ok
    again = TF1(tf, scope, axis)
    again.restore(back.prefix)
    close(again.train(5), old.train(5))


@AXES
def test_from_file_to_file(tf, tmp_path, axis):
    old, new = TF1(tf, "dnn", axis), Keras(tf)
    old.train(3)
    source = old.save(tmp_path / "model.ckpt")
    like = new.checkpoint.save(str(tmp_path / "like"))
    made = tcm.convert_tf1_to_tf2(
        source, tmp_path / "new", like=like, assignment_map=rules("dnn")
    )
    live = Keras(tf)
    tcm.restore(source, live.checkpoint, rules("dnn"))
    new.checkpoint.restore(made.prefix).assert_consumed()
    close(new.train(3), live.train(3))
    new.checkpoint.restore(made.prefix)
    *pairs, _ = rules("dnn")
    there = [(to.replace("kernel", "_kernel"), name) for name, to in pairs]
    if "c/_kernel/.ATTRIBUTES/VARIABLE_VALUE" not in tcm.load_checkpoint(made):
        there = [(to, name) for name, to in pairs]
    recipe = tcm.Recipe("optimizer", "optimizer", "Adam")
    back = tcm.convert_tf2_to_tf1(
        made, tmp_path / "back", like=source, names=[*there, recipe]
    )
    known, found = tcm.load_checkpoint(source), tcm.load_checkpoint(back)
    assert found.specs == known.specs
    for key in known:
        np.testing.assert_allclose(found.part(key), known.part(key), rtol=1e-6)


def test_a_part_that_is_missing_is_a_damage(tf, tmp_path):
    old = TF1(tf, "linear", 0)
    source = old.save(tmp_path / "model.ckpt")
    lost = tcm.Drop("linear/model/weights/part_1/Adam")
    plan = tcm.plan_migration(source, None, [lost], unused="keep")
    made = tcm.convert(plan, tmp_path / "new")
    (problem,) = tcm.verify_checkpoint(made).problems
    assert "'linear/model/weights/part_0/Adam': its slices hold" in problem
    reader = tcm.load_checkpoint(source)
    with pytest.raises(CorruptCheckpointError, match="its slices hold"):
        reader["linear/model/weights/part_0/Adam"]
    assert reader.part("linear/model/weights/part_0/Adam").shape == (3, 4)
