"""The optimizers of each Keras continued by those of each other, by one recipe."""

import importlib
from itertools import permutations

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.kerases import KERASES
from tf_ckpt_migrate.errors import PlanError

SETTINGS = {
    "Adadelta": {},
    "Adagrad": {},
    "Adam": {"amsgrad": True},
    "AdamW": {},
    "Adamax": {},
    "Ftrl": {},
    "Lion": {},
    "Nadam": {},
    "RMSprop": {"momentum": 0.9, "centered": True},
    "SGD": {"momentum": 0.9},
}
X = np.linspace(-1, 1, 24, dtype="f").reshape(8, 3)
Y = np.linspace(2, -1, 16, dtype="f").reshape(8, 2) ** 2


def kerases(tf):
    """The packages, each with the modules of its optimizers."""
    for name in KERASES:
        try:
            keras = tf.keras if name == "tf.keras" else importlib.import_module(name)
        except ImportError:
            continue
        yield name, keras, keras.optimizers
        if hasattr(keras.optimizers.legacy.Adam, "get_slot"):
            yield f"{name} legacy", keras, keras.optimizers.legacy


class Training:
    def __init__(self, tf, keras, optimizers, kind, **settings):
        dense = keras.layers.Dense
        layers = [keras.Input([3]), dense(4, name="a"), dense(2, name="b")]
        self.tf, self.model = tf, keras.Sequential(layers, name="s")
        make = getattr(optimizers, kind)
        self.optimizer = make(0.05, **{**SETTINGS[kind], **settings})
        self.checkpoint = tf.train.Checkpoint(
            model=self.model, optimizer=self.optimizer
        )
        self.train(1)  # so that legacy ones have slots

    def train(self, steps):
        variables = self.model.trainable_variables
        for _ in range(steps):
            with self.tf.GradientTape() as tape:
                loss = self.tf.reduce_mean((self.model(X) - Y) ** 2)
            gradients = tape.gradient(loss, variables)
            self.optimizer.apply_gradients(zip(gradients, variables, strict=True))

    def weights(self):
        return np.concatenate([np.ravel(v) for v in self.model.get_weights()])


def names(training):
    variables = training.model.trainable_variables
    return [getattr(v, "path", v.name).partition(":")[0] for v in variables]


def rules(one, other, **told):
    pairs = zip(names(one), other.model.trainable_variables, strict=True)
    return [*pairs, tcm.Recipe("optimizer", "optimizer", "optimizer", **told)]


@pytest.mark.parametrize("kind", SETTINGS)
def test_ten_steps_after_are_the_same(tf, tmp_path, kind):
    found = [each for each in kerases(tf) if hasattr(each[2], kind)]
    if len(found) < 2:
        pytest.skip("one Keras here has it")
    for one, other in permutations(found, 2):
        source, target = (Training(tf, *each[1:], kind) for each in (one, other))
        source.train(4)
        saved = source.checkpoint.save(str(tmp_path / kind))
        if kind == "Nadam" and one[0].endswith("legacy") != other[0].endswith("legacy"):
            with pytest.raises(PlanError, match="the momentum of legacy optimizers"):
                tcm.restore(saved, target.checkpoint, rules(source, target))
            continue
        report = tcm.restore(saved, target.checkpoint, rules(source, target))
        doubtful = [each for each in report.verdicts if each.kind != "exact"]
        if kind == "Nadam":  # what it counts by, tf-keras does not save
            if doubtful:
                assert "_u_product_counter" in doubtful[0].instead
                count = int(target.optimizer.iterations) + 1
                target.optimizer._u_product_counter = count
        elif kind != "Adagrad":  # whose place of epsilon legacy ones have otherwise
            assert not doubtful, (one[0], other[0], list(map(str, doubtful)))
            assert "goes on in 'optimizer' as before" in str(report)
        for each in (source, target):
            each.train(10)
        far = np.abs(source.weights() - target.weights()).max()
        assert far < 1e-5, (one[0], other[0])


def test_what_differs_is_told(tf, tmp_path):
    _, keras, optimizers = next(iter(kerases(tf)))
    source = Training(tf, keras, optimizers, "SGD")
    saved = source.checkpoint.save(str(tmp_path / "sgd"))
    target = Training(tf, keras, optimizers, "SGD", clipnorm=1.0)
    target.optimizer.learning_rate.assign(0.5)
    report = tcm.restore(saved, target.checkpoint, rules(source, target))
    doubtful = {each.what for each in report.verdicts if each.kind != "exact"}
    assert doubtful == {"learning_rate", "clipnorm"}
    report = tcm.restore(saved, target.checkpoint, rules(source, target, clipnorm=1.0))
    doubtful = {each.what for each in report.verdicts if each.kind != "exact"}
    assert doubtful == {"learning_rate"}


def test_another_class_is_refused(tf, tmp_path):
    _, keras, optimizers = next(iter(kerases(tf)))
    source = Training(tf, keras, optimizers, "Adam")
    saved = source.checkpoint.save(str(tmp_path / "adam"))
    target = Training(tf, keras, optimizers, "Adagrad")
    with pytest.raises(PlanError, match="are not those of Adagrad"):
        tcm.restore(saved, target.checkpoint, rules(source, target))


def test_from_file_to_file(tf, tmp_path):
    found = list(kerases(tf))
    if len(found) < 2:
        pytest.skip("there is one Keras here")
    for one, other in permutations(found, 2):
        source, target = (Training(tf, *each[1:], "Adam") for each in (one, other))
        source.train(4)
        saved = source.checkpoint.save(str(tmp_path / "old"))
        like = target.checkpoint.save(str(tmp_path / "like"))
        pairs = zip(names(source), names(target), strict=True)
        keys = {
            v: k
            for k, v in tcm.load_checkpoint(saved).object_graph.full_names().items()
        }
        given = [(keys[name], place) for name, place in pairs]
        recipe = tcm.Recipe("optimizer", "optimizer", "optimizer")
        made = tcm.convert(
            tcm.plan_migration(saved, like, [*given, recipe]),
            tmp_path / f"{one[0]} to {other[0]} in TF",
        )
        target.checkpoint.restore(made.prefix).assert_existing_objects_matched()
        for each in (source, target):
            each.train(10)
        assert np.abs(source.weights() - target.weights()).max() < 1e-5
