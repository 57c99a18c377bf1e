"""Prints the names under which TensorFlow 1.15 saves its Cudnn layers; needs no GPU."""

import json

import tensorflow as tf
from tensorflow.contrib.cudnn_rnn.python.layers import cudnn_rnn

tf1 = tf.compat.v1


def names_of(kind, direction):
    """Return the names of what two layers save, in TensorFlow's order."""
    with tf.Graph().as_default():
        layer = getattr(cudnn_rnn, kind)(2, 2, direction=direction)
        layer.build([None, None, 3])
        saved = tf1.get_collection(tf1.GraphKeys.SAVEABLE_OBJECTS)
        return [spec.name for each in saved for spec in each.specs]


if __name__ == "__main__":
    found = [
        names_of(kind, direction)
        for kind in ("CudnnLSTM", "CudnnGRU")
        for direction in ("unidirectional", "bidirectional")
    ]
    print(json.dumps(found))  # noqa: T201 - a program
