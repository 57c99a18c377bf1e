"""Records what a TF1 program computes, for `assert_same_outputs` elsewhere.

This file stands alone: copy it next to a program that runs TensorFlow 1 (Python 3.6 or
later, NumPy), where tf_ckpt_migrate is not installed. It writes one `.npz` file:

    inputs/NAME   what was fed, by the name of the placeholder
    outputs/NAME  what the program returned
    tensors/NAME  intermediate tensors, by their names in the graph, in its order

`numpy.savez(path, **{"inputs/x": x, "outputs/y": y})` writes such a file as well.
"""

from typing import Any, Dict, List

import numpy as np

__all__ = ["downstream_operations", "float_outputs", "record_outputs"]

# How far an operation leads into the control flow of TF1: the frame of a while loop, or
# a branch of a cond, which may not run.
_FRAMES = {"Enter": 1, "RefEnter": 1, "Exit": -1, "RefExit": -1}
_BRANCHES = {"Switch": 1, "RefSwitch": 1, "Merge": -1, "RefMerge": -1}


def record_outputs(  # noqa: PLR0913 what to run, and with what
    path: str,
    session: Any,
    inputs: Any,
    outputs: Any,
    *,
    feed_dict: Any = None,
    tensors: Any = None,
) -> None:
    """Run a TF1 graph once, and write what goes in and what comes out to a file.

    Args:
      path: The `.npz` file to write.
      session: A `tf.compat.v1.Session` in which the variables have their values.
      inputs: A dict of arrays by placeholders, or by their names.
      outputs: A tensor, its name, a list of them, or a dict of them by name.
      feed_dict: More to feed that is no input of the other model: `is_training`,
        `keep_prob`.
      tensors: The intermediate tensors to record, or their names. None records every
        float tensor that depends on the inputs; `()` records none.

    Example:
      >>> import os, tempfile
      >>> import tensorflow as tf
      >>> v1 = tf.compat.v1
      >>> with tf.Graph().as_default(), v1.Session() as session:
      ...     x = v1.placeholder(tf.float32, [None, 2], name="x")
      ...     y = tf.nn.relu(x - 1.0, name="y")
      ...     path = os.path.join(tempfile.mkdtemp(), "recorded.npz")
      ...     record_outputs(path, session, {x: [[0.0, 3.0]]}, {"y": y})
      >>> with np.load(path) as recorded:
      ...     sorted(recorded), recorded["outputs/y"].tolist()
      (['inputs/x', 'outputs/y', 'tensors/sub:0', 'tensors/y:0'], [[0.0, 2.0]])
    """
    graph = session.graph
    fed = {_tensor(graph, key): np.asarray(value) for key, value in inputs.items()}
    if not isinstance(outputs, dict):
        several = isinstance(outputs, (list, tuple))
        listed = list(outputs) if several else [outputs]
        outputs = {_tensor(graph, each).name: each for each in listed}
    results = {name: _tensor(graph, each) for name, each in outputs.items()}
    if tensors is None:
        names = [tensor.name for tensor in results.values()]
        recorded = [
            tensor
            for op in downstream_operations(graph, list(fed))
            for tensor in float_outputs(graph, op, names)
        ]
    else:
        recorded = [_tensor(graph, each) for each in tensors]
    feeds = dict(fed)
    for key, value in (feed_dict or {}).items():
        feeds[_tensor(graph, key)] = value
    values, more = session.run((results, recorded), feeds)
    arrays: Dict[str, Any] = {}
    for tensor, value in fed.items():
        arrays["inputs/" + _plain(tensor.name)] = _storable(value)
    for name, value in values.items():
        arrays["outputs/" + _plain(name)] = _storable(value)
    for tensor, value in zip(recorded, more):
        arrays["tensors/" + tensor.name] = _storable(value)
    np.savez(path, **arrays)


def downstream_operations(graph: Any, fed: List[Any]) -> List[Any]:
    """Return the operations that depend on these tensors and that always run once."""
    depths = {tensor.op.name: (0, 0) for tensor in fed}
    found: List[Any] = []
    for op in graph.get_operations():
        before = [depths[t.op.name] for t in op.inputs if t.op.name in depths]
        if not before:
            continue
        frames = max(frames for frames, _ in before) + _FRAMES.get(op.type, 0)
        branches = max(branches for _, branches in before)
        if frames <= 0:  # a loop has Switch and Merge operations of its own
            branches += _BRANCHES.get(op.type, 0)
        depths[op.name] = (max(0, frames), max(0, branches))
        if depths[op.name] == (0, 0):
            found.append(op)
    return found


def float_outputs(graph: Any, op: Any, results: Any) -> List[Any]:
    """Return the float outputs of an operation: the first, and others that are used.

    The others are the operation's own: a fused batch norm reserves space for its
    gradient in outputs that a fused kernel does not have.
    """
    return [
        tensor
        for place, tensor in enumerate(op.outputs)
        if tensor.dtype.is_floating
        and graph.is_fetchable(tensor)
        and (not place or tensor.consumers() or tensor.name in results)
    ]


def _tensor(graph: Any, key: Any) -> Any:
    return graph.as_graph_element(
        key + ":0" if isinstance(key, str) and ":" not in key else key,
        allow_operation=False,
    )


def _plain(name: str) -> str:
    return name[:-2] if name.endswith(":0") else name


def _storable(value: Any) -> Any:
    """Return an array that NumPy stores without pickling."""
    value = np.asarray(value)
    if value.dtype.kind == "O":  # strings of TensorFlow
        texts = [t.encode() if isinstance(t, str) else t for t in value.ravel()]
        return np.array(texts, "S").reshape(value.shape)
    if value.dtype.kind == "V":  # bfloat16
        return value.astype(np.float32)
    return value
