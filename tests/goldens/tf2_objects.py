"""Goldens of tf.train.Checkpoint over what TensorFlow 2 itself can track."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from recording import Written, golden
from tf1_graph import ramp

_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


class Layer(tf.Module):
    """A dense layer."""

    def __init__(self, start: float) -> None:
        """Make the variables."""
        super().__init__()
        self.w = tf.Variable(ramp(2, 3, start=start), name="w")
        self.b = tf.Variable(ramp(3, start=start), name="b", trainable=False)


class Net(tf.Module):
    """Modules in lists, dicts and tuples; one of them under two names."""

    def __init__(self) -> None:
        """Make the modules."""
        super().__init__(name="net")
        self.layers = [Layer(0.0), Layer(10.0)]
        self.heads = {"a": Layer(20.0), "b": [tf.Variable(1), (tf.Variable(2.5),)]}
        self.tied = self.layers[0]
        self.step = tf.Variable(7, dtype=tf.int64, name="global_step")


def _object_based(saved: Any, values: Any = None) -> Written:
    return Written("object-based", saved.save("ckpt"), values)


@golden
def checkpoint_nested() -> Written:
    """Modules, lists, dicts and tuples in each other."""
    net = Net()
    values = {
        f"net/layers/1/w{_VALUE}": net.layers[1].w.numpy(),
        f"net/step{_VALUE}": net.step.numpy(),
    }
    return _object_based(tf.train.Checkpoint(net=net, extra=[Layer(30.0)]), values)


@golden
def checkpoint_root() -> Written:
    """The module is the root, written without a save counter."""
    path = tf.train.Checkpoint(Net()).write("ckpt")
    return Written("object-based", path)


@golden
def checkpoint_vars() -> Written:
    """The layout of the migration guide: variables by their TF1 names."""
    names = ["net/dense/kernel", "net/dense/kernel/Adam", "a.b", "emb/part_0", "é"]
    variables = {name: tf.Variable(ramp(2, start=i)) for i, name in enumerate(names)}
    return _object_based(tf.train.Checkpoint(vars=variables))


@golden
def checkpoint_names() -> Written:
    """Attribute names that need escaping, and very long ones."""
    keys = ["a/b", "a.b", ".S", "a.Sb", "..", "/", "名前", "x" * 300, "b c"]
    keys += [".ATTRIBUTES"]
    variables = {key: tf.Variable(float(i)) for i, key in enumerate(keys)}
    deep = {"deep" * 15: {"er" * 30: {"and" * 20: {"er" * 60: tf.Variable(1.0)}}}}
    return _object_based(tf.train.Checkpoint(d=variables, deep=deep))


@golden
def checkpoint_empty() -> Written:
    """Nothing but a save counter."""
    return _object_based(tf.train.Checkpoint())


@golden
def checkpoint_manager() -> Written:
    """The directory of a CheckpointManager with two of three checkpoints left."""
    net = Net()
    saved = tf.train.Checkpoint(net=net)
    manager = tf.train.CheckpointManager(
        saved, "run", max_to_keep=2, step_counter=net.step
    )
    for _ in range(3):
        net.step.assign_add(1)
        manager.save()
    return Written("object-based", "run")


@golden
def checkpoint_variables() -> Written:
    """Variables of every dtype that may be one."""
    names = ["float16", "float32", "float64", "bfloat16", "bool", "string"]
    names += ["complex64", "complex128", "int8", "int16", "int32", "int64"]
    names += ["uint8", "uint16", "uint32", "uint64"]
    variables = {
        name: tf.Variable(
            tf.constant(["x", ""]) if name == "string" else tf.cast([0, 1], name)
        )
        for name in names
    }
    variables["empty"] = tf.Variable(tf.zeros([0, 3]))
    variables["unknown_shape"] = tf.Variable([1.0, 2.0], shape=tf.TensorShape(None))
    return _object_based(tf.train.Checkpoint(**variables))


@golden
def checkpoint_slots() -> Written:
    """A TF1 optimizer in eager mode: slots as attributes of their variables."""
    layer = Layer(0.0)
    optimizer = tf.compat.v1.train.AdamOptimizer(0.1)
    optimizer.apply_gradients([(tf.ones([2, 3]), layer.w)])
    return _object_based(tf.train.Checkpoint(layer=layer, optimizer=optimizer))


@golden
def checkpoint_iterator() -> Written:
    """A Python iterator over a dataset, half-way through a shuffle buffer."""
    numbers = tf.data.Dataset.range(20).shuffle(5, seed=1).batch(2)
    iterator = iter(numbers)
    next(iterator)
    return _object_based(tf.train.Checkpoint(iterator=iterator, step=tf.Variable(1)))


class _Counter(tf.train.experimental.PythonState):
    def serialize(self) -> str:
        return '{"seen": 12, "name": "é"}'

    def deserialize(self, string_value: str) -> None:
        """Forget it."""


@golden
def checkpoint_python_state() -> Written:
    """State that is no tensor: a Python object's own serialization."""
    return _object_based(tf.train.Checkpoint(counter=_Counter(), w=tf.Variable(1.0)))


@golden
def checkpoint_tables() -> Written:
    """Lookup tables, a random generator."""
    table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
    table.insert(["a"], [1])
    dense = tf.lookup.experimental.DenseHashTable(
        tf.int64, tf.float32, 0.0, empty_key=-1, deleted_key=-2, initial_num_buckets=4
    )
    dense.insert([3], [0.5])
    random = tf.random.Generator.from_seed(1)
    saved = tf.train.Checkpoint(table=table, dense=dense, random=random)
    return _object_based(saved)


@golden
def checkpoint_sharded_variable() -> Written:
    """A variable in parts, as the parameter-server strategy makes them."""
    from tensorflow.python.distribute import sharded_variable

    whole = ramp(7, 2)
    parts = [tf.Variable(whole[:4]), tf.Variable(whole[4:])]
    emb = sharded_variable.ShardedVariable(parts, name="emb")
    values = {f"emb{_VALUE}": whole}
    return _object_based(tf.train.Checkpoint(emb=emb, layer=Layer(0.0)), values)


@golden
def checkpoint_mirrored() -> Written:
    """Variables mirrored over two devices, and ones to sum on saving."""
    devices = tf.config.list_logical_devices("CPU")
    strategy = tf.distribute.MirroredStrategy([d.name for d in devices[:2]])
    with strategy.scope():
        mirrored = tf.Variable(ramp(3))
        summed = tf.Variable(
            ramp(3),
            aggregation=tf.VariableAggregation.SUM,
            synchronization=tf.VariableSynchronization.ON_READ,
        )
    return _object_based(tf.train.Checkpoint(mirrored=mirrored, summed=summed))


@golden
def checkpoint_devices() -> Written:
    """Variables on several devices."""
    variables = []
    for i, device in enumerate(tf.config.list_logical_devices("CPU")):
        with tf.device(device.name):
            variables.append(tf.Variable(ramp(2, start=i)))
    return _object_based(tf.train.Checkpoint(variables=variables))


@golden
def checkpoint_sharding_policy() -> Written:
    """Shards of a bounded size: large tensors are cut into slices."""
    policy = tf.train.experimental.MaxShardSizePolicy(max_shard_size=200)
    options = tf.train.CheckpointOptions(experimental_sharding_callback=policy)
    large, small = tf.Variable(ramp(30, 4)), tf.Variable(ramp(3))
    saved = tf.train.Checkpoint(large=large, small=small)
    values = {f"large{_VALUE}": large.numpy(), f"small{_VALUE}": small.numpy()}
    return Written("object-based", saved.save("ckpt", options=options), values)


@golden
def dual_keyed() -> Written:
    """One checkpoint with variable names and the object graph, both."""
    net = Net()
    net.heads = None
    reader = tf.train.load_checkpoint(tf.train.Checkpoint(net=net).save("objects"))
    keys = sorted(reader.get_variable_to_shape_map())
    tensors = {key: tf.constant(reader.get_tensor(key)) for key in keys}
    names = {"net/w": net.layers[0].w, "net/b": net.layers[0].b}
    names.update({"net_1/w": net.layers[1].w, "net_1/b": net.layers[1].b})
    names["global_step"] = net.step
    tensors.update({name: variable.value() for name, variable in names.items()})
    _save_v2(tensors)
    for path in Path().glob("objects*"):
        path.unlink()
    Path("checkpoint").unlink()
    return Written("dual-keyed")


def _save_v2(tensors: Any) -> None:
    tf.raw_ops.SaveV2(
        prefix="model.ckpt",
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=list(tensors.values()),
    )


@golden
def dtypes_new() -> Written:
    """Dtypes that only TensorFlow 2 knows: float8 kinds, four and two bits."""
    names = ["float8_e5m2", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2fnuz"]
    names += ["float8_e4m3b11fnuz", "int4", "uint4", "int2", "uint2", "float4_e2m1fn"]
    values = {
        name: np.array([0, 1, 1.5, -2]).astype(tf.as_dtype(name).as_numpy_dtype)
        for name in names
        if _known(name)
    }
    _save_v2({name: tf.constant(value, name) for name, value in values.items()})
    return Written(values=values)


def _known(dtype: str) -> bool:
    try:
        tf.as_dtype(dtype)
    except TypeError:
        return False
    return True


@golden
def variants() -> Written:
    """A tensor list: a variant, listed but without values."""
    elements = tf.raw_ops.TensorListFromTensor(
        tensor=ramp(3, 2), element_shape=tf.constant([2])
    )
    _save_v2({"list": elements, "w": tf.constant(ramp(2))})
    return Written()


@golden
def saved_model_module() -> Written:
    """tf.saved_model.save of a module with a signature."""

    class Double(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = Layer(0.0)

        @tf.function(input_signature=[tf.TensorSpec([None, 2])])
        def __call__(self, x: Any) -> Any:
            return tf.matmul(x, self.layer.w) + self.layer.b

    tf.saved_model.save(Double(), "model")
    Path("model/fingerprint.pb").unlink()
    Path("model/assets").rmdir()
    return Written("saved_model", "model", tf_prefix="model/variables/variables")
