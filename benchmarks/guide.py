"""The converters of TensorFlow's guide "Migrating model checkpoints", as peers.

They are a few calls of TensorFlow's API: read every tensor into a variable, and let
``tf.train.Checkpoint`` or ``Saver`` write the variables out again.
"""

from __future__ import annotations

import tensorflow as tf

__all__ = ["convert_tf1_to_tf2", "convert_tf2_to_tf1"]


def convert_tf1_to_tf2(checkpoint_path: str, output_prefix: str) -> None:
    """Write the tensors of a checkpoint as ``tf.train.Checkpoint(vars={...})``."""
    reader = tf.train.load_checkpoint(checkpoint_path)
    variables = {
        name: tf.Variable(reader.get_tensor(name))
        for name in reader.get_variable_to_dtype_map()
    }
    tf.train.Checkpoint(vars=variables).save(output_prefix)


def convert_tf2_to_tf1(checkpoint_path: str, output_prefix: str) -> None:
    """Write what ``tf.train.Checkpoint(var_list={...})`` saved by variable names."""
    reader = tf.train.load_checkpoint(checkpoint_path)
    variables = {
        key.split("/")[1].replace(".S", "/"): tf.Variable(reader.get_tensor(key))
        for key in reader.get_variable_to_dtype_map()
        if key.startswith("var_list/")
    }
    saver = tf.compat.v1.train.Saver(var_list=variables)
    saver.save(sess=None, save_path=output_prefix)
