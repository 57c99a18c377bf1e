"""Goes on in TensorFlow 1.15: takes OPTIMIZER PREFIX pairs, prints a line for each."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "goldens"))

import tensorflow as tf
import tf1_resume as resume
import tf1_resume_contrib  # noqa: F401 - each of these adds optimizers
import tf1_resume_decaying  # noqa: F401
import tf1_resume_keras  # noqa: F401
import tf1_resume_sparse  # noqa: F401

tf1 = tf.compat.v1


def go_on(name, prefix):
    """Restore, and return what the next steps do."""
    step, loss = resume.begun(name)
    with tf1.Session() as session:
        tf1.train.Saver().restore(session, prefix)
        return resume.train_on(session, step, loss)


if __name__ == "__main__":
    for pair in zip(sys.argv[1::2], sys.argv[2::2]):  # noqa: B905 - Python 3.7
        with tf.Graph().as_default():
            print(json.dumps(go_on(*pair)))  # noqa: T201 - a program
