"""Objects to restore into, on every TensorFlow and with every Keras."""

import numpy as np

WEIGHTS = {
    "d1/kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
    "d1/bias": np.array([1, 2, 3], np.float32),
    "bn/gamma": np.array([4, 5, 6], np.float32),
    "bn/beta": np.array([7, 8, 9], np.float32),
    "bn/moving_mean": np.array([10, 11, 12], np.float32),
    "bn/moving_variance": np.array([13, 14, 15], np.float32),
}


def sequential(tf, *, built=True):
    """A model with variables called as WEIGHTS; Keras 3 puts the model's name first."""
    layers = [
        tf.keras.layers.Dense(3, name="d1"),
        tf.keras.layers.BatchNormalization(name="bn"),
    ]
    model = tf.keras.Sequential(layers, name="net")
    if built:
        model.build((None, 2))
    return model


def trained(tf):
    """A model and an optimizer that has its slots."""
    model = sequential(tf)
    optimizer = tf.keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    return tf.train.Checkpoint(model=model, optimizer=optimizer)


def nested(tf):
    """A module with variables in lists and dicts, two of which share a name."""
    module = tf.Module(name="nested")
    module.kernel = tf.Variable([[1.0, 2.0]], name="net/kernel")
    module.items = [tf.Variable(3.0), {"deep": tf.Variable(4.0)}]
    module.text = tf.Variable(["a", "b"], name="text")
    return module


def shared(tf):
    """A checkpoint in which one variable has two paths."""
    variable = tf.Variable([1, 2], name="v")
    return tf.train.Checkpoint(b=[variable], a=variable, step=tf.Variable(1))


def with_table(tf):
    table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
    table.insert(tf.constant(["a", "b"]), tf.constant([1, 2], tf.int64))
    iterator = iter(tf.data.Dataset.range(3))
    return tf.train.Checkpoint(
        table=table, iterator=iterator, w=tf.Variable(1.0, name="w")
    )


def legacy_adam(tf):
    """An optimizer that saves slots below their variables."""
    if hasattr(tf.keras.optimizers.legacy.Adam, "get_slot_names"):
        optimizer = tf.keras.optimizers.legacy.Adam()
    else:  # Keras 3 has none; tf.compat.v1 does
        optimizer = tf.compat.v1.train.AdamOptimizer()
    variable = tf.Variable([1.0, 2.0], name="w")
    optimizer.apply_gradients([(tf.constant([1.0, 1.0]), variable)])
    return tf.train.Checkpoint(w=variable, optimizer=optimizer)


KINDS = [sequential, trained, nested, shared, with_table, legacy_adam]


def model_values(model):
    """The values of a model's weights by the names of WEIGHTS."""
    names = [getattr(v, "path", v.name).partition(":")[0] for v in model.variables]
    values = [v.numpy().tolist() for v in model.variables]
    return dict(zip((n.removeprefix("net/") for n in names), values, strict=True))
