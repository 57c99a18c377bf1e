"""Graph-mode saving shared by the goldens of both TensorFlow generations."""

from __future__ import annotations

import functools
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from recording import Written, golden

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["graph_golden", "ramp", "save", "tf1", "values_of"]

tf1 = tf.compat.v1

_DEVICES = tf1.ConfigProto(device_count={"CPU": 3})


def graph_golden(
    writer: Callable[[], Written], name: str | None = None
) -> Callable[[], Written]:
    """Register ``writer``, to be called in a seeded graph of its own."""

    @functools.wraps(writer)
    def in_graph() -> Written:
        with tf.Graph().as_default():
            tf1.set_random_seed(1)
            random.seed(1)  # for Keras's initializers
            return writer()

    return golden(in_graph, name)


def ramp(*shape: int, start: float = 0.0) -> np.ndarray:
    """Return float32 values that all differ."""
    size = int(np.prod(shape))
    return (np.arange(size, dtype=np.float32).reshape(shape) + start) / 7


def save(
    *steps: Any,
    variables: Any = None,
    prefix: str = "model.ckpt",
    write_state: bool = False,
    **options: Any,
) -> Mapping[str, np.ndarray]:
    """Initialise the default graph, run ``steps`` and save through a Saver.

    Args:
      *steps: Operations to run before saving, each in a call of its own.
      variables: What to hand to the Saver; by default all.
      prefix: The prefix to save under.
      write_state: Whether to write the ``checkpoint`` state file.
      **options: Of the Saver.

    Returns:
      The values in memory of what was saved, by key.
    """
    saver = tf1.train.Saver(variables, **options)
    with tf1.Session(config=_DEVICES) as session:
        session.run([tf1.global_variables_initializer(), tf1.tables_initializer()])
        for step in steps:
            session.run(step)
        saver.save(session, prefix, write_meta_graph=False, write_state=write_state)
        return values_of(session, variables)


def values_of(session: Any, variables: Any = None) -> Mapping[str, np.ndarray]:
    """Return the values of variables by key; those of slices put together."""
    if isinstance(variables, dict):
        return session.run(dict(variables))
    values = {}
    for variable in variables or tf1.global_variables():
        value, info = session.run(variable), variable._get_save_slice_info()
        if info is None:
            values[variable.op.name] = value
            continue
        whole = values.setdefault(
            info.full_name, np.zeros(info.full_shape, value.dtype)
        )
        slices = zip(info.var_offset, info.var_shape)
        whole[tuple(slice(start, start + size) for start, size in slices)] = value
    return values
