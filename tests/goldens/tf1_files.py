"""Goldens of the file formats: written by Savers and by the save operations."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from recording import Written
from tf1_graph import graph_golden, ramp, save, tf1

V1, V2 = tf1.train.SaverDef.V1, tf1.train.SaverDef.V2


def _dense(start: float = 0.0) -> Any:
    """Make the variables of two layers and a step; return what makes the step 1000."""
    with tf1.variable_scope("net", reuse=tf1.AUTO_REUSE):
        tf1.get_variable("dense/kernel", initializer=ramp(2, 3, start=start))
        tf1.get_variable("dense/bias", initializer=ramp(3, start=start + 6))
        tf1.get_variable("dense_1/kernel", initializer=ramp(3, 2, start=start + 9))
    return tf1.assign(tf1.train.get_or_create_global_step(), 1000)


def _partitioned(whole: np.ndarray, parts: int, axis: int = 0, **options: Any) -> None:
    """Make a partitioned variable of the value ``whole``."""

    def part(shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        at = zip(partition_info.var_offset, shape)
        return tf.constant(whole[tuple(slice(i, i + n) for i, n in at)], dtype)

    tf1.get_variable(
        "emb",
        whole.shape,
        whole.dtype,
        initializer=part,
        partitioner=tf1.fixed_size_partitioner(parts, axis),
        **options,
    )


@graph_golden
def saver_v2() -> Written:
    """The plain case, with ref variables."""
    with tf1.variable_scope("", use_resource=False):
        return Written(values=save(_dense(), write_version=V2))


@graph_golden
def saver_v2_resource() -> Written:
    """The same variables as resources: the files are alike."""
    with tf1.variable_scope("", use_resource=True):
        return Written(values=save(_dense(), write_version=V2))


@graph_golden
def saver_v1() -> Written:
    """The plain case in the old format, one file."""
    return Written("v1", values=save(_dense(), write_version=V1))


@graph_golden
def saver_v1_and_v2() -> Written:
    """One prefix for a V1 file and a V2 index of other values: V2 wins."""
    save(_dense(start=100.0), write_version=V1)
    with tf.Graph().as_default():
        return Written(values=save(_dense(), write_version=V2))


def _on_three_devices() -> None:
    for i in range(3):
        with tf1.device(f"/cpu:{i}"):
            tf1.get_variable(f"w{i}", initializer=ramp(2, 2, start=10.0 * i))
            tf1.get_variable(f"b{i}", initializer=ramp(3, start=10.0 * i))


@graph_golden
def sharded_v2() -> Written:
    """Three data files."""
    _on_three_devices()
    return Written(values=save(sharded=True, write_version=V2))


@graph_golden
def sharded_v1() -> Written:
    """Three files that are each a whole V1 file."""
    _on_three_devices()
    values = save(sharded=True, write_version=V1)
    return Written("v1", values=values, tf_prefix="model.ckpt-?????-of-00003")


@graph_golden
def sharded_v1_single() -> Written:
    """The sharded naming with one shard."""
    step = _dense()
    values = save(step, sharded=True, write_version=V1, prefix="export")
    return Written("v1", "export-00000-of-00001", values)


@graph_golden
def partitioned_axis_0() -> Written:
    """Uneven parts of rows (4, 4, 3), a whole variable beside."""
    _partitioned(ramp(11, 2), 3, 0)
    return Written(values=save(_dense(), write_version=V2))


@graph_golden
def partitioned_axis_1() -> Written:
    """Parts of columns."""
    _partitioned(ramp(3, 7), 2, 1)
    return Written(values=save(write_version=V2))


@graph_golden
def partitioned_resource() -> Written:
    """Parts that are resources."""
    _partitioned(ramp(5, 2), 2, 0, use_resource=True)
    return Written(values=save(write_version=V2))


@graph_golden
def partitioned_single() -> Written:
    """A partitioner that makes one part: still a slice, of everything."""
    _partitioned(ramp(5, 2), 1, 0)
    return Written(values=save(write_version=V2))


@graph_golden
def partitioned_vector() -> Written:
    """Parts of a vector, of another dtype."""
    _partitioned(np.arange(9, dtype=np.int64) ** 9, 4)
    return Written(values=save(write_version=V2))


def _slots_on_devices() -> Any:
    """Make a partitioned variable with Adam slots, one part per device."""
    chooser = iter(f"/cpu:{i}" for i in range(3))
    with tf1.variable_scope("deep"):
        variable_ops = ("VariableV2", "VarHandleOp")
        part_devices = tf1.device(
            lambda op: next(chooser) if op.type in variable_ops else "/cpu:0"
        )
        with part_devices:
            emb = tf1.get_variable(
                "emb",
                [7, 2],
                initializer=tf1.ones_initializer(),
                partitioner=tf1.fixed_size_partitioner(3),
            )
    loss = tf.reduce_sum(tf.square(tf.nn.embedding_lookup(emb, [0, 3, 6])))
    return tf1.train.AdamOptimizer(0.1).minimize(loss)


@graph_golden
def partitioned_adam() -> Written:
    """Slots of a partitioned variable are partitioned as it is."""
    train = _slots_on_devices()
    return Written(values=save(train, train, write_version=V2))


@graph_golden
def partitioned_sharded() -> Written:
    """Slices of one variable that lie in several data files."""
    train = _slots_on_devices()
    return Written(values=save(train, sharded=True, write_version=V2))


@graph_golden
def sliced_v1_axis_0() -> Written:
    """A sliced V1 file: TensorFlow's own get_tensor refuses it."""
    _partitioned(ramp(11, 2), 3, 0)
    return Written("v1", values=save(_dense(), write_version=V1))


@graph_golden
def sliced_v1_axis_1() -> Written:
    """A V1 file sliced by columns, of another dtype."""
    _partitioned(ramp(3, 7).astype(np.float64), 2, 1)
    return Written("v1", values=save(write_version=V1))


@graph_golden
def sliced_v1_sharded() -> Written:
    """Slices of one variable in several V1 files."""
    train = _slots_on_devices()
    values = save(train, sharded=True, write_version=V1)
    return Written("v1", values=values, tf_prefix="model.ckpt-?????-of-00003")


def _hard_names() -> Any:
    keys = [
        *["a", "a.b/c", "a/b", "a/b/c", "a/b/", "a//b", "/a", ".", "..", "a b", "A"],
        *["ünï/cödé", "名前/重み", "🙂", "tab\there", "a:0", "a/part_0", "n" * 300],
        *["deep/" * 60 + "w", "a/.ATTRIBUTES/VARIABLE_VALUE", "\x01", "~", "{}", "%s"],
    ]
    return {
        key: tf1.get_variable(f"v{i}", initializer=ramp(2, start=float(i)))
        for i, key in enumerate(keys)
    }


@graph_golden
def names() -> Written:
    """Keys that are hard to write, to sort or to show."""
    return Written(values=save(variables=_hard_names(), write_version=V2))


@graph_golden
def names_v1() -> Written:
    """The same in the old format."""
    return Written("v1", values=save(variables=_hard_names(), write_version=V1))


@graph_golden
def shapes() -> Written:
    """Scalars, empty tensors, many dimensions."""
    for shape in [(), (1,), (0,), (0, 3), (2, 0, 4), (1, 1, 2, 1, 3, 1), (1,) * 8]:
        name = "s" + "_".join(map(str, shape))
        tf1.get_variable(name, initializer=ramp(*shape))
    return Written(values=save(write_version=V2))


@graph_golden
def empty_basename() -> Written:
    """A prefix that ends in a slash: the files are ``.index`` and ``.data-…``."""
    step = _dense()
    Path("run").mkdir()
    return Written("name-based", "run/", save(step, prefix="run/", write_version=V2))


@graph_golden
def braces() -> Written:
    """A prefix that somebody forgot to format."""
    prefix = "model_{}-{epoch:02d}.ckpt"
    return Written("name-based", prefix, save(_dense(), prefix=prefix))


@graph_golden
def many_keys() -> Written:
    """An index of several blocks, which no prefix compression makes one."""
    variables = {}
    for i in range(6000):
        word = hashlib.sha256(str(i).encode()).hexdigest()[:40]
        variables[f"layer_{i % 40}/{word}/w"] = tf.constant(i, tf.int16)
    with tf1.Session() as session:
        session.run(_save_v2("model.ckpt", variables))
    return Written(values={key: np.int16(i) for i, key in enumerate(variables)})


_DTYPES = {
    **{f"int{bits}": [-(2 ** (bits - 1)), -1, 7] for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": [0, 1, 2**bits - 1] for bits in (8, 16, 32, 64)},
    **{f"float{bits}": [-1.5, np.nan, np.inf, -0.0] for bits in (16, 32, 64)},
    **{f"complex{bits}": [1 - 2j, complex(np.inf, np.nan)] for bits in (64, 128)},
    "bool": [True, False, True],
}
_QUANTIZED = {"qint8": "int8", "quint8": "uint8", "qint16": "int16"}
_QUANTIZED.update({"quint16": "uint16", "qint32": "int32"})


def _strings() -> Any:
    return {
        "string": np.array(b"scalar"),
        "strings": np.array([[b"", b"a\0b"], ["é".encode(), b"x" * 200]], object),
        "strings_empty": np.zeros((0, 2), object),
        "strings_long": np.array([b"y" * 5000, b"\xff\xfe"], object),
    }


@graph_golden
def dtypes() -> Written:
    """A tensor of every dtype that this version can save."""
    values = {n: np.array(v, n) for n, v in _DTYPES.items()}
    values.update(_strings())
    tensors = {n: tf.constant(value) for n, value in values.items()}
    tensors["bfloat16"] = tf.cast([1.0, -2.5, 3e38], tf.bfloat16)
    for quantized, plain in _QUANTIZED.items():
        kind = tf.as_dtype(quantized)
        tensors[quantized] = tf.bitcast(tensors[plain], kind)
    with tf1.Session() as session:
        session.run(_save_v2("model.ckpt", tensors))
    return Written(values=values)


@graph_golden
def dtypes_v1() -> Written:
    """A tensor of every dtype that the old format can hold."""
    values = {n: np.array(v, n) for n, v in _DTYPES.items() if n in _V1_DTYPES}
    values.update(_strings())
    tensors = {n: tf.constant(value) for n, value in values.items()}
    for quantized in ("qint8", "quint8", "qint32"):
        kind = tf.as_dtype(quantized)
        tensors[quantized] = tf.bitcast(tensors[_QUANTIZED[quantized]], kind)
    save_op = tf.raw_ops.Save(
        filename="model.ckpt", tensor_names=list(tensors), data=list(tensors.values())
    )
    with tf1.Session() as session:
        session.run(save_op)
        # TensorFlow reads few of these back, so the values come from memory.
        return Written("v1", values=session.run(tensors))


_V1_DTYPES = set(_DTYPES) - {"uint32", "uint64"}


def _save_v2(prefix: str, tensors: Any) -> Any:
    return tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=list(tensors.values()),
    )
