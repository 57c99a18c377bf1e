"""Runs under TensorFlow 1.15: restores checkpoints and says what came.

Usage: ``python tf1_restores.py JOBS.json``, where the file holds a list of
``{"prefix": ..., "variables": {name: [dtype, shape]}, "object_based": bool}``. Prints a
list of ``{name: hexadecimal bytes}``.
"""

import json
import sys

import tensorflow as tf


def restored_by_name(prefix, variables):
    """Restore as TF1 programs do: a graph, a session, a Saver."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        made = {
            name: tf.compat.v1.get_variable(
                f"v{number}", shape, dtype, tf.compat.v1.zeros_initializer()
            )
            for number, (name, (dtype, shape)) in enumerate(variables.items())
        }
        tf.compat.v1.train.Saver(made).restore(session, prefix)
        return session.run(made)


def restored_by_object(prefix, variables):
    """Restore as ``tf.train.Checkpoint(vars={...})`` does, in a graph."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        made = {
            name: tf.Variable(tf.zeros(shape, dtype), use_resource=True)
            for name, (dtype, shape) in variables.items()
        }
        holder = tf.Module()
        holder.vars = made  # as an attribute, the dictionary becomes trackable
        status = tf.train.Checkpoint(vars=holder.vars).restore(prefix)
        status.assert_consumed().run_restore_ops(session)
        return session.run(made)


def main():
    with open(sys.argv[1]) as file:
        jobs = json.load(file)
    found = []
    for job in jobs:
        restore = restored_by_object if job["object_based"] else restored_by_name
        values = restore(job["prefix"], job["variables"])
        found.append({name: value.tobytes().hex() for name, value in values.items()})
    sys.stdout.write(json.dumps(found))


main()
