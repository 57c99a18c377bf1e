"""TensorFlow's own classes, restoring what ours have saved."""

from contextlib import suppress

import numpy as np

from tf_ckpt_migrate.checkpoint.reader import load_checkpoint
from tf_ckpt_migrate.conversion.layout import is_object_key
from tf_ckpt_migrate.naming.keys import OBJECT_GRAPH_KEY


def names_in(prefix):
    """Return the names of variables in a checkpoint."""
    return [
        key
        for key in load_checkpoint(prefix)
        if not is_object_key(key) and key != OBJECT_GRAPH_KEY
    ]


def by_saver(tf, prefix, names=None):
    """Return variables by name, as a stock Saver restores them in a session."""
    reader = load_checkpoint(prefix)
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        made = {
            name: v1.get_variable(
                f"v{number}",
                reader.specs[name].shape,
                tf.dtypes.as_dtype(int(reader.specs[name].dtype)),
                v1.zeros_initializer()
                if reader.specs[name].dtype.name != "string"
                else v1.constant_initializer(""),
            )
            for number, name in enumerate(names or names_in(prefix))
        }
        v1.train.Saver(made).restore(session, prefix)
        return session.run(made)


def same_values(found, expected):
    """Check that two dicts of arrays are equal."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


def data_bytes(folder, prefix):
    """Return the bytes of the data shards of a checkpoint."""
    return sum(path.stat().st_size for path in folder.glob(f"{prefix}.data-*"))


def loads(prefix):
    """Return whether a checkpoint is there; one that is damaged fails the test."""
    with suppress(FileNotFoundError):
        reader = load_checkpoint(prefix)
        for key in reader:
            _ = reader[key]
        return True
    return False
