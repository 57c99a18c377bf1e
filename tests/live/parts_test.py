"""Partitioned, sharded and replicated variables are one place each."""

import subprocess
import sys

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tf_ckpt_migrate.conversion.example import example_checkpoint
from tf_ckpt_migrate.errors import PlanError, TargetError
from tf_ckpt_migrate.live.parts import Parts, united
from tf_ckpt_migrate.live.target import LiveTarget

VALUE = np.arange(10, dtype=np.float32).reshape(5, 2)
KEY = "vars/emb/.ATTRIBUTES/VARIABLE_VALUE"


@pytest.fixture
def emb(tf):
    """A variable in three parts, of rows 0 and 1, 2 and 3, and 4."""
    v1 = tf.compat.v1
    partitioner = v1.fixed_size_partitioner(3)
    zeros = v1.zeros_initializer()
    return v1.get_variable("emb", VALUE.shape, None, zeros, partitioner=partitioner)


class TestParts:
    @pytest.mark.parametrize("how", ["made", "list", "tuple in dict", "listed"])
    def test_however_they_are_given_they_are_one(self, emb, how):
        parts = list(emb)
        target = {
            "made": {"emb": emb},
            "list": parts[::-1],
            "tuple in dict": {"emb": tuple(parts)},
            "listed": [emb],
        }[how]
        live = LiveTarget(target)
        assert str(live.specs[KEY]) == "float32[5, 2]"
        with example_checkpoint({"emb": VALUE}) as prefix:
            report = tcm.restore(prefix, target)
        assert report.totals["weight"].parameters == 10
        found = [part.numpy().tolist() for part in parts]
        assert found == [VALUE[:2].tolist(), VALUE[2:4].tolist(), VALUE[4:].tolist()]
        np.testing.assert_array_equal(live[KEY], VALUE)

    def test_a_list_of_parts_of_several(self, emb, tf):
        v1 = tf.compat.v1
        two = v1.fixed_size_partitioner(2)
        other = v1.get_variable("b", [2], None, v1.zeros_initializer(), partitioner=two)
        with example_checkpoint({"emb": VALUE, "b": VALUE[0]}) as prefix:
            tcm.restore(prefix, [*emb, *other])
        assert [float(part[0]) for part in other] == VALUE[0].tolist()

    def test_a_map_may_name_it_by_a_part(self, emb):
        with example_checkpoint({"old": VALUE}) as prefix:
            tcm.restore(prefix, [emb], {"old": next(iter(emb))})
        assert next(iter(emb)).numpy().tolist() == VALUE[:2].tolist()

    def test_a_missing_part(self, emb):
        with pytest.raises(TargetError, match=r"'emb' \[5, 2\] is given by some"):
            united(list(emb)[:2])

    def test_another_shape_changes_no_part(self, emb):
        with (
            example_checkpoint({"emb": VALUE[:4]}) as prefix,
            pytest.raises(PlanError, match=r"float32\[4, 2\].*float32\[5, 2\]"),
        ):
            tcm.restore(prefix, [emb])
        assert not any(part.numpy().any() for part in emb)

    def test_columns(self, tf):
        v1 = tf.compat.v1
        with tf.Graph().as_default(), v1.Session() as session:
            made = v1.get_variable(
                "c", (2, 5), partitioner=v1.fixed_size_partitioner(2, axis=1)
            )
            (whole,) = united(list(made))
            assert isinstance(whole, Parts)
            with example_checkpoint({"c": VALUE.T.copy()}) as prefix:
                tcm.restore(prefix, [made])
            found = np.concatenate(session.run(list(made)), axis=1)
        np.testing.assert_array_equal(found, VALUE.T)


STRATEGIES = """
import sys, tempfile
import numpy as np, tensorflow as tf, tf_ckpt_migrate as tcm
from tf_ckpt_migrate.live.target import LiveTarget
device = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(device, two)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    v = tf.Variable([1.0, 2.0], name="v")
    mean = tf.Variable(
        [5.0], name="mean", trainable=False,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.MEAN,
    )
    net = tf.keras.Sequential([tf.keras.layers.Dense(3, name="d")])
    net.build((None, 2))
    adam = tf.keras.optimizers.Adam()
    adam.build(net.trainable_variables)
made = tf.train.Checkpoint(v=v, mean=mean, net=net, adam=adam)
path = made.save(tempfile.mkdtemp() + "/m")
reader = tcm.load_checkpoint(path)
specs = dict(reader.specs)
specs.pop("_CHECKPOINTABLE_OBJECT_GRAPH")
assert LiveTarget(made).specs == specs

def reset():
    v.assign([0.0, 0.0]); mean.assign([0.0]); net.weights[0].assign(np.zeros((2, 3)))

def check():
    for each, value in ((v, [1.0, 2.0]), (mean, [5.0])):
        assert [copy.numpy().tolist() for copy in each.values] == [value] * 2, each
    assert (net.weights[0].numpy() == weights).all() and weights.any()

weights = net.weights[0].numpy()
reset(); tcm.restore(path, made); check()
with strategy.scope():
    reset(); tcm.restore(path, made); check()
reset(); tcm.Checkpoint(v=v, mean=mean, net=net, adam=adam).restore(path); check()
named = path + "-tf1"
tf.raw_ops.SaveV2(
    prefix=named, tensor_names=["v", "mean"], shape_and_slices=["", ""],
    tensors=[tf.constant([1.0, 2.0]), tf.constant([5.0])],
)
v.assign([0.0, 0.0]); mean.assign([0.0])
tcm.restore(named, {"v": v, "mean": mean}); check()
print("all replicas")
"""


def test_replicas_of_a_strategy(tf):
    command = [sys.executable, "-c", STRATEGIES]  # devices are set before all else
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.endswith("all replicas\n"), done.stderr[-3000:]


def test_shards(tf, tmp_path):
    from tensorflow.python.distribute.sharded_variable import ShardedVariable

    shards = [tf.Variable(VALUE[:3]), tf.Variable(VALUE[3:])]
    sharded = ShardedVariable(shards, name="emb")
    checkpoint = tf.train.Checkpoint(emb=sharded)
    path = checkpoint.save(str(tmp_path / "m"))
    specs = LiveTarget(checkpoint).specs
    assert str(specs["emb/.ATTRIBUTES/VARIABLE_VALUE"]) == "float32[5, 2]"
    for target in (checkpoint, tcm.Checkpoint(emb=sharded)):
        sharded.assign(np.zeros_like(VALUE))
        tcm.restore(path, target)
        assert np.concatenate([s.numpy() for s in shards]).tolist() == VALUE.tolist()
    sharded.assign(np.zeros_like(VALUE))
    with example_checkpoint({"old": VALUE}) as prefix:
        tcm.restore(prefix, {"emb": sharded}, {"old": "emb"})
    assert np.concatenate([s.numpy() for s in shards]).tolist() == VALUE.tolist()
