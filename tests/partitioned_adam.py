"""Runs under TensorFlow 1.15 and 2: restores a partitioned variable and its slots.

Usage: ``python partitioned_adam.py JOBS.json``, where the file holds a list of
``[prefix, parts, axis]``. Prints for each the values by name, in hexadecimal.
"""

import json
import sys

import tensorflow as tf

NAME = "deep/emb"
SHAPE = (7, 2)


def restored(prefix, parts, axis):
    """Return what the stock Saver gives a partitioned variable with Adam's slots."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        partitioner = v1.fixed_size_partitioner(parts, axis)
        emb = v1.get_variable(NAME, SHAPE, partitioner=partitioner)
        adam = v1.train.AdamOptimizer()
        adam.minimize(v1.reduce_sum(emb.as_tensor()))
        v1.train.Saver().restore(session, prefix)
        found = {NAME: [*emb]}
        for slot, suffix in (("m", "Adam"), ("v", "Adam_1")):
            found[NAME + "/" + suffix] = [adam.get_slot(part, slot) for part in emb]
        values = session.run({k: tf.concat(v, axis) for k, v in found.items()})
    return {name: value.tobytes().hex() for name, value in values.items()}


def main():
    """Restore each job."""
    with open(sys.argv[1]) as file:
        jobs = json.load(file)
    sys.stdout.write(json.dumps([restored(*job) for job in jobs]))


if __name__ == "__main__":
    main()
