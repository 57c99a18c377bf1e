"""Keras 3 objects without TensorFlow, as targets."""

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live.resumed import prefix_of
from tf_ckpt_migrate.conversion.example import example_checkpoint
from tf_ckpt_migrate.errors import PlanError, RuleError, TargetError, UnbuiltTargetError
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.naming.catalog import catalog_of
from tf_ckpt_migrate.naming.keys import public_path

# Keras asks its own variables for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)


def functional(keras):
    inputs = keras.Input((3,))
    hidden = keras.layers.Dense(4, name="hidden")(inputs)
    hidden = keras.layers.BatchNormalization(name="norm")(hidden)
    hidden = keras.layers.Dropout(0.5)(hidden)
    return keras.Model(inputs, keras.layers.Dense(2, name="top")(hidden), name="net")


def subclassed(keras):
    class Net(keras.Model):
        def __init__(self):
            super().__init__(name="net")
            self.first = keras.layers.Dense(4)
            self.blocks = [keras.layers.Dense(4), [keras.layers.Dense(4)]]
            self.by_name = {"last": keras.layers.Dense(2)}
            self.backbone = functional(keras)
            self.add_weight(name="scale", shape=(2,))

        def call(self, inputs):
            hidden = self.blocks[1][0](self.blocks[0](self.first(inputs)))
            return self.by_name["last"](hidden) + self.backbone(inputs)

    net = Net()
    net(np.ones((1, 3), np.float32))
    return net


def paths(target):
    """The paths of the variables, as their users know them, by their keys."""
    catalog = catalog_of(LiveTarget(target))
    return {"/".join(public_path(r.object_paths[0])) for r in catalog.values()}


def values_of(model):
    return [np.array(value) for value in model.get_weights()]


class TestPaths:
    def test_layers_without_an_attribute_go_by_their_names(self, keras_3):
        assert paths(functional(keras_3)) == {
            *("hidden/kernel", "hidden/bias", "top/kernel", "top/bias"),
            *(f"norm/{end}" for end in ("gamma", "beta")),
            *(f"norm/moving_{end}" for end in ("mean", "variance")),
        }

    def test_a_sequential_model(self, keras_3):
        layer = keras_3.layers.Dense(2, name="only")
        model = keras_3.Sequential([keras_3.Input((3,)), layer])
        assert paths(model) == {"only/kernel", "only/bias"}

    def test_attributes_and_containers(self, keras_3):
        net = subclassed(keras_3)
        found = paths(net)
        assert {"first/kernel", "blocks/0/bias", "blocks/1/0/kernel"} < found
        assert {"by_name/last/kernel", "backbone/hidden/kernel", "scale"} < found
        assert len(found) == len(net.weights)

    def test_an_optimizer_is_found_with_its_slots(self, keras_3):
        model = functional(keras_3)
        model.compile(keras_3.optimizers.Adam(0.1), "mse", metrics=["mae"])
        model.optimizer.build(model.trainable_variables)
        catalog = catalog_of(LiveTarget(model))
        keys = len(model.weights) + len(model.optimizer.variables)
        assert len(catalog) == keys  # metrics are not of the model
        owners = {r.owner.variable for r in catalog.values() if r.owner is not None}
        assert owners == {
            record.key
            for record in catalog.values()
            if record.variable_name in {v.path for v in model.trainable_variables}
        }

    def test_a_metric(self, keras_3):
        assert paths(keras_3.metrics.Mean(name="mean")) == {"total", "count"}

    def test_objects_in_a_dict_by_name(self, keras_3):
        layer = keras_3.layers.Dense(2)
        layer.build((None, 3))
        steps = keras_3.Variable(0, trainable=False, dtype="int32", name="steps")
        assert paths({"net": layer, "steps": steps}) == {
            *("net/kernel", "net/bias", "steps"),
        }


class TestRestore:
    @pytest.fixture
    def variable(self, keras_3):
        return keras_3.Variable(np.zeros((2, 3), np.float32), name="v")

    @pytest.mark.parametrize("kind", ["one", "list", "dict", "object"])
    def test_variables(self, keras_3, variable, kind):
        target = {
            "one": variable,
            "list": [variable],
            "dict": {"v": variable},
            "object": {"v": variable, "m": keras_3.metrics.Mean(name="mean")},
        }[kind]
        value = np.arange(6, dtype=np.float32).reshape(2, 3)
        tensors = {"net/w": value, "mean/total": np.float32(3), "unused": np.int32(1)}
        drop = ["unused", *(() if kind == "object" else ["mean/total"])]
        rules = [("net/w", "v"), *map(tcm.Drop, drop)]
        if kind == "object":
            rules += [("mean/total", "m/total"), ("count", "m/count")]
            tensors["count"] = np.float32(2)
        with example_checkpoint(tensors) as prefix:
            report = tcm.restore(prefix, target, rules)
        np.testing.assert_array_equal(variable.numpy(), value)
        assert len(report.left_behind) == len(drop)

    def test_a_variable_stands_for_its_name(self, keras_3):
        model = functional(keras_3)
        rules = [(f"old/{n}", each) for n, each in enumerate(model.weights)]
        wanted = [np.full(each.shape, n, "f") for n, each in enumerate(model.weights)]
        tensors = {f"old/{n}": value for n, value in enumerate(wanted)}
        with example_checkpoint(tensors) as prefix:
            tcm.restore(prefix, model, rules)
        for found, value in zip(values_of(model), wanted, strict=True):
            np.testing.assert_array_equal(found, value)

    @pytest.mark.parametrize("dtype", ["bfloat16", "float16", "int8", "uint8", "bool"])
    def test_a_dtype(self, keras_3, dtype):
        options = {"dtype": dtype, "name": "v", "trainable": False}
        variable = keras_3.Variable(np.zeros(2, np.float32), **options)
        with example_checkpoint({"v": np.array([1, 0], np.float32)}) as prefix:
            with pytest.raises(PlanError, match=f"(?s)float32.*{dtype}"):
                tcm.restore(prefix, variable)
            tcm.restore(
                prefix, variable, [tcm.Rename("v", "v", tcm.transforms.Cast(dtype))]
            )
        assert LiveTarget(variable).specs.popitem()[1].dtype.name == dtype
        found = keras_3.ops.convert_to_numpy(variable.value).astype(np.float32)
        np.testing.assert_array_equal(found, [1, 0])

    def test_a_finding_leaves_all_as_it_was(self, keras_3):
        model = functional(keras_3)
        before = values_of(model)
        tensors = {"hidden/kernel": np.ones((3, 4), "f"), "other": np.ones(2, "f")}
        with (
            example_checkpoint(tensors) as prefix,
            pytest.raises(PlanError, match=r"(?s)other.*top/kernel|top/kernel.*other"),
        ):
            tcm.restore(prefix, model)
        for one, other in zip(before, values_of(model), strict=True):
            np.testing.assert_array_equal(one, other)

    def test_weights_only(self, keras_3):
        model = keras_3.Sequential([keras_3.Input((3,))])
        model.add(keras_3.layers.Dense(2, name="dense"))
        model.compile("adam", "mse")
        model.optimizer.build(model.trainable_variables)
        rules = {"net/w": "dense/kernel", "net/b": "dense/bias"}
        roles = ["slot", "optimizer", "step"]
        report = tcm.restore(
            prefix_of("adam"), model, rules, unused="drop", missing=roles
        )
        assert len(report.restored) == 2


def test_a_suggestion_is_a_map_that_restores(keras_3):
    model = keras_3.Sequential([keras_3.Input((3,))])
    model.add(keras_3.layers.Dense(4, name="hidden"))
    model.add(keras_3.layers.Dense(2, name="top"))
    shapes = {"hidden/weights": (3, 4), "hidden/biases": (4,)}
    shapes |= {"top/weights": (4, 2), "top/biases": (2,)}
    tensors = {f"tower/{n}": np.ones(shape, "f") for n, shape in shapes.items()}
    with example_checkpoint(tensors) as prefix:
        suggestion = tcm.suggest_assignment_map(prefix, model)
        report = tcm.restore(prefix, model, suggestion.assignment_map)
    pairs = {move.sources[0]: move.target for move in report.restored}
    assert pairs["tower/hidden/weights"].endswith("hidden/kernel")
    assert pairs["tower/top/biases"].endswith("top/bias")
    assert all(np.all(value == 1) for value in values_of(model))


class TestRefusals:
    def test_an_unbuilt_model(self, keras_3):
        model = keras_3.Sequential([keras_3.layers.Dense(3, name="d")])
        with pytest.raises(UnbuiltTargetError, match="Build first"):
            tcm.restore(prefix_of("adam"), model)

    def test_an_optimizer_without_slots(self, keras_3):
        layer = keras_3.layers.Dense(2)
        layer.build((None, 3))
        parts = {"dense": layer, "optimizer": keras_3.optimizers.Adam(epsilon=1e-8)}
        rules = [("net/w", "dense/kernel"), ("net/b", "dense/bias")]
        rules.append(tcm.Recipe("optimizer", "Adam", "optimizer"))
        with pytest.raises((PlanError, RuleError), match="optimizer"):
            tcm.restore(prefix_of("adam"), parts, rules)

    def test_layers_in_a_list(self, keras_3):
        layer = keras_3.layers.Dense(2)
        with pytest.raises(TargetError, match=r'\{"name": object\}'):
            LiveTarget([layer])

    @pytest.mark.parametrize("target", [object(), 3, np.zeros(2), None])
    def test_anything_else(self, keras_3, target):
        name = type(target).__qualname__
        with pytest.raises(
            tcm.errors.TensorFlowNotFoundError, match=rf"{name} is not a Keras 3 model"
        ):
            tcm.restore(prefix_of("adam"), target)

    def test_arrays(self, keras_3):
        array = keras_3.ops.zeros(2)
        with pytest.raises(TargetError, match="not a variable"):
            tcm.restore(prefix_of("adam"), {"w": array})

    def test_a_session(self, keras_3):
        variable = keras_3.Variable(0.0)
        with pytest.raises(tcm.errors.GraphModeError):
            tcm.restore(prefix_of("adam"), variable, session=object())
