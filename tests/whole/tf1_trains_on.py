"""Trains on in TensorFlow 1.15: takes a NETWORK, a PREFIX and the file to write."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "goldens"))

import numpy as np
import tensorflow as tf
import tf1_whole
from tf1_networks import NETWORKS

tf1 = tf.compat.v1


def go_on(name, prefix):
    """Restore, and return what the next steps do."""
    with tf.Graph().as_default(), tf1.Session() as session:
        loss, step = NETWORKS[name]()
        tf1.train.Saver().restore(session, prefix)
        return tf1_whole.go_on(session, loss, step)


def estimator_goes_on(prefix):
    """Let the canned Estimator go on from the checkpoint in its directory."""
    path = Path(prefix)
    state = f'model_checkpoint_path: "{path.name}"\n'
    path.with_name("checkpoint").write_text(state)
    return tf1_whole.estimator_goes_on(tf1_whole.canned(str(path.parent)))


if __name__ == "__main__":
    name, prefix, output = sys.argv[1:]
    losses, values = estimator_goes_on(prefix) if name == "dnn" else go_on(name, prefix)
    np.savez(output, losses=losses, **values)
