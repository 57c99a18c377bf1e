"""Attention of TF1, computed as its programs do, and the layers of every Keras."""

from typing import Any

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live.resumed import GOLDENS
from tf_ckpt_migrate.conversion.example import example_checkpoint
from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.live.variables import name_of

BERT = str(GOLDENS / "whole_bert" / "model.ckpt")
SCOPE = "bert/encoder/layer_0/attention/"
HEADS, SIZE, WIDTH = 2, 3, 4


def wave(*shape, rate=1.0):
    return np.sin(np.arange(np.prod(shape)) * rate).astype(np.float32).reshape(shape)


X = wave(2, 5, WIDTH)


def softmax(scores):
    raised = np.exp(scores - scores.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def attended(query, key, value, count):
    """What heads make of projections ``[batch, length, heads * size]``, as in BERT."""
    query, key, value = (
        each.reshape(*each.shape[:2], count, -1).transpose(0, 2, 1, 3)
        for each in (query, key, value)
    )
    scores = query @ key.transpose(0, 1, 3, 2) / np.sqrt(query.shape[-1])
    context = (softmax(scores) @ value).transpose(0, 2, 1, 3)
    return context.reshape(*context.shape[:2], -1)


def bert(values, x, scope, count):
    """What ``attention_layer`` of BERT and the dense layer behind it make."""

    def dense(x, name):
        return x @ values[f"{scope}{name}/kernel"] + values[f"{scope}{name}/bias"]

    parts = (dense(x, f"self/{part}") for part in ("query", "key", "value"))
    return dense(attended(*parts, count), "output/dense")


def layer_for(tf, count, size, width):
    layer = tf.keras.layers.MultiHeadAttention(count, size, name="mha")
    given = tf.zeros([1, 2, width])
    layer(given, given)
    return layer


def scope_of(layer):
    first = name_of(layer.weights[0])
    return first[: first.index("query/")]


def start_of(layer):
    return name_of(layer.weights[0]).rpartition("kernel")[0] or "/"


def test_bert_as_tf1_saved_it(tf, tmp_path):
    """Weights and both slots of a real checkpoint; and back as they were."""
    source = tcm.load_checkpoint(BERT)
    kernel = source[f"{SCOPE}self/query/kernel"]
    width = kernel.shape[0]
    layer = layer_for(tf, HEADS, width // HEADS, width)
    optimizer = tf.keras.optimizers.AdamW(0.01, epsilon=1e-6)
    optimizer.build(layer.trainable_variables)
    target = tf.train.Checkpoint(layer=layer, optimizer=optimizer)
    others = tcm.Drop(pattern=rf"(?!{SCOPE}(self|output/dense)|global_step).*")
    rules = [
        tcm.Recipe("attention", SCOPE, scope_of(layer)),
        tcm.Recipe("optimizer", "AdamWeightDecay", "optimizer"),
        others,
    ]
    tcm.restore(source, target, rules)
    x = wave(2, 5, width)
    found = np.asarray(layer(x, x))
    np.testing.assert_allclose(found, bert(source, x, SCOPE, HEADS), atol=1e-6)
    listed: Any = optimizer.variables
    listed = listed() if callable(listed) else listed
    slots = [v.numpy() for v in listed if tuple(v.shape) == (width, HEADS, width // 2)]
    known = [
        source[f"{SCOPE}self/{part}/kernel/{slot}"].reshape(slots[0].shape)
        for part in ("query", "key", "value")
        for slot in ("adam_m", "adam_v")
    ]
    assert sorted(map(np.ndarray.tobytes, slots)) == sorted(
        map(np.ndarray.tobytes, known)
    )
    made = tcm.load_checkpoint(
        tcm.save_like(source, target, rules, output_prefix=tmp_path / "back")
    )
    for key in source:
        np.testing.assert_array_equal(made[key], source[key])


@pytest.mark.parametrize("order", ["parts", "heads"])
def test_a_fused_kernel(tf, tmp_path, order):
    """GPT-2's ``c_attn``, in both orders: outputs, averages, and the way back."""
    whole = HEADS * SIZE
    fused, bias = wave(1, WIDTH, 3 * whole, rate=0.7), wave(3 * whole, rate=1.3)
    tensors = {
        "h0/attn/c_attn/w": fused,
        "h0/attn/c_attn/b": bias,
        "h0/attn/c_proj/w": wave(whole, WIDTH, rate=0.4),
        "h0/attn/c_proj/b": wave(WIDTH, rate=2.1),
    }
    ema = "ExponentialMovingAverage"
    both = {**tensors, **{f"{k}/{ema}": v + 1 for k, v in tensors.items()}}
    projected = X @ fused[0] + bias
    if order == "parts":
        parts = np.split(projected, 3, axis=-1)
    else:
        cut = projected.reshape(2, 5, HEADS, 3, SIZE)
        parts = [cut[..., part, :].reshape(2, 5, whole) for part in range(3)]
    context = attended(*parts, HEADS)
    expected = context @ tensors["h0/attn/c_proj/w"] + tensors["h0/attn/c_proj/b"]
    layer = layer_for(tf, HEADS, SIZE, WIDTH)
    to = scope_of(layer)
    rules = [
        tcm.Recipe("qkv", "h0/attn/c_attn/", to, order=order),
        tcm.Recipe("heads", "h0/attn/c_proj/", f"{to}attention_output/", of="input"),
    ]
    with example_checkpoint(both) as prefix:
        tcm.restore(prefix, layer, rules, averages="raw")
        np.testing.assert_allclose(np.asarray(layer(X, X)), expected, atol=2e-6)
        tcm.restore(prefix, layer, rules, averages="average")
        for weight in layer.weights:
            assert weight.numpy().min() >= -1e-6  # of a wave, and one
        mine = [tcm.Recipe("averages", "/", "/"), *rules]
        made = tcm.save_like(prefix, layer, mine, output_prefix=tmp_path / "m")
        again = tcm.load_checkpoint(made)
        for key, value in tensors.items():
            np.testing.assert_array_equal(again[f"{key}/{ema}"], value + 1)


def test_a_pointwise_convolution_is_a_dense_layer(tf):
    kernel, bias = wave(1, 1, 4, 3), wave(3, rate=2.0)
    images = wave(2, 5, 5, 4)
    layer = tf.keras.layers.Dense(3, name="dense")
    layer.build((None, 4))
    with example_checkpoint({"conv/weights": kernel, "conv/biases": bias}) as prefix:
        tcm.restore(prefix, layer, [tcm.Recipe("pointwise", "conv/", start_of(layer))])
    expected = tf.nn.conv2d(images, kernel, 1, "SAME") + bias
    np.testing.assert_allclose(np.asarray(layer(images)), expected, atol=1e-6)
    convolution = tf.keras.layers.Conv2D(3, 1, name="conv")
    convolution.build((None, 5, 5, 4))
    with example_checkpoint({"d/kernel": kernel[0, 0], "d/bias": bias}) as prefix:
        recipe = tcm.Recipe("pointwise", "d/", start_of(convolution))
        tcm.restore(prefix, convolution, [recipe])
    np.testing.assert_allclose(np.asarray(convolution(images)), expected, atol=1e-6)


def test_heads_that_do_not_fit(tf):
    layer = layer_for(tf, HEADS, SIZE, 6)
    recipe = tcm.Recipe("attention", SCOPE, scope_of(layer), num_heads=3)
    with pytest.raises(PlanError, match="num_heads=3 was said, and the target has 2"):
        tcm.restore(BERT, layer, [recipe])
