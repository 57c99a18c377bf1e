"""Saving for both worlds from a cluster: parameter servers, each with its shards."""

import os
import subprocess
import sys

SAVES = """
import socket
import sys

import numpy as np
import tensorflow as tf

import tf_ckpt_migrate as tcm


def address():
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return f"localhost:{found.getsockname()[1]}"


cluster = tf.train.ClusterSpec(
    {"ps": [address(), address()], "worker": [address()], "chief": [address()]}
)
servers = [
    tf.distribute.Server(cluster, job_name=job, task_index=n, protocol="grpc")
    for job, n in [("worker", 0), ("ps", 0), ("ps", 1)]
]
resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
    cluster, task_type="chief", task_id=0, rpc_layer="grpc"
)
strategy = tf.distribute.ParameterServerStrategy(
    resolver,
    variable_partitioner=tf.distribute.experimental.partitioners.FixedShardsPartitioner(
        2
    ),
)
value = np.arange(10, dtype=np.float32).reshape(5, 2)
with strategy.scope():
    emb = tf.Variable(value, name="net/emb")
    bias = tf.Variable([1.0, 2.0, 3.0], name="net/bias")
checkpoint = tcm.Checkpoint(emb=emb, bias=bias)
path = checkpoint.save(sys.argv[1] + "/m", keys="both")
assert len(tcm.load_checkpoint(path).places("net/emb")) == 2
emb.assign(value * 0)
checkpoint.restore(path).assert_consumed()
assert np.concatenate([shard.numpy() for shard in emb.variables]).tolist() == (
    value.tolist()
)
emb.assign(value * 0)
tcm.restore(path, checkpoint)
assert np.concatenate([shard.numpy() for shard in emb.variables]).tolist() == (
    value.tolist()
)
v1 = tf.compat.v1
for parts in (None, 2, 3):  # whole, and in as many parts as was saved, and others
    with tf.Graph().as_default(), v1.Session() as session:
        cut = parts and v1.fixed_size_partitioner(parts)
        whole = v1.get_variable("net/emb", [5, 2], partitioner=cut)
        row = v1.get_variable("net/bias", [3])
        v1.train.Saver().restore(session, path)
        found = session.run([tf.convert_to_tensor(whole), row])
        assert found[0].tolist() == value.tolist(), parts
        assert found[1].tolist() == [1.0, 2.0, 3.0]
print("all shards")
"""


def test_parameter_servers_save_slices_that_any_graph_merges(tf, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SAVES, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout.endswith("all shards\n"), done.stderr[-3000:]
    assert len(list(tmp_path.glob("m-1.data-*"))) == 3
