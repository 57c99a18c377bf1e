"""Outputs that a TF1 program has recorded elsewhere, in place of its graph."""

import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.testing.keras_models import rules, sequential
from tf_ckpt_migrate.errors import RecordingError
from tf_ckpt_migrate.testing import assert_same_outputs, record_outputs, record_tf1
from tf_ckpt_migrate.testing.recorded import read_recording

RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(4, 3)).astype(np.float32)
PROGRAM = """
import sys
import numpy as np
import tensorflow as tf

sys.path.insert(0, {folder!r})  # where the file is copied to
from record_tf1 import record_outputs

with tf.Graph().as_default(), tf.Session() as session:
    tf.set_random_seed(1)
    images = tf.placeholder(tf.float32, [None, 6, 6, 2], name="images")
    training = tf.placeholder(tf.bool, [], name="is_training")
    hidden = tf.layers.conv2d(images, 4, 3, padding="same", use_bias=False, name="c")
    hidden = tf.layers.batch_normalization(hidden, training=training, name="bn")
    hidden = tf.reshape(tf.nn.relu(hidden), [-1, 6 * 6 * 4])
    logits = tf.layers.dense(hidden, 3, name="d")
    session.run(tf.global_variables_initializer())
    for each in tf.global_variables():
        each.load(np.random.uniform(0.5, 1.0, each.shape.as_list()), session)
    tf.train.Saver().save(session, {folder!r} + "/model.ckpt")
    inputs = {{images: np.random.normal(size=(2, 6, 6, 2))}}
    record_outputs(
        {folder!r} + "/recorded.npz",
        session,
        inputs,
        {{"logits": logits}},
        feed_dict={{"is_training": False}},
    )
"""


@pytest.fixture(scope="module")
def recorded(tf1_python, tmp_path_factory):
    """What TF 1.15 has written, with the one file of this package that it was given."""
    folder = tmp_path_factory.mktemp("tf1")
    copy = Path(record_tf1.__file__).read_bytes()
    (folder / "record_tf1.py").write_bytes(copy)
    program = PROGRAM.format(folder=str(folder))
    subprocess.run([tf1_python, "-W", "ignore", "-c", program], check=True)
    return folder


def convnet(tf, epsilon=1e-3):
    layers = tf.keras.layers
    return sequential(
        tf,
        layers.Conv2D(4, 3, padding="same", use_bias=False, name="c"),
        layers.BatchNormalization(epsilon=epsilon, name="bn"),
        layers.ReLU(name="r"),
        layers.Flatten(name="f"),
        layers.Dense(3, name="d"),
    )


@pytest.mark.tf
def test_outputs_of_tf1(tf, recorded):
    path = recorded / "recorded.npz"
    named = {
        "checkpoint": str(recorded / "model.ckpt"),
        "assignment_map": rules(tf),
        "atol": 1e-5,
    }
    assert_same_outputs(path, convnet(tf), **named)
    with np.load(path) as arrays:
        assert {*arrays} > {"inputs/images", "outputs/logits"}
        assert_same_outputs(arrays, convnet(tf), **named)
        model = convnet(tf, 0.1)
        with pytest.raises(AssertionError) as caught:
            assert_same_outputs(arrays, model, **named)
        # The layer is found by the names of the tensors, and the cause by trying.
        text = str(caught.value)
        assert "layer 'bn': with epsilon=0.001, not 0.1, it agrees" in text
        (line,) = (e for e in text.splitlines() if e.split()[1:2] == ["c"])
        assert "agrees" in line
        assert_same_outputs(arrays, convnet(tf), layers={"c/Conv2D": "c"}, **named)


@pytest.mark.tf
def test_layers_that_are_exchanged(tf):
    layers = tf.keras.layers
    model = sequential(tf, layers.Dense(3, name="a"), layers.Dense(3, name="b"))
    model(X)
    first, second = (RANDOM.normal(size=(3, 3)).astype(np.float32) for _ in "ab")
    zeros = np.zeros(3, np.float32)
    arrays = {"inputs": X, "outputs": X @ first @ second}
    model.get_layer("a").set_weights([first, zeros])
    model.get_layer("b").set_weights([second, zeros])
    assert_same_outputs(arrays, model, rtol=1e-4)
    model.get_layer("a").set_weights([second, zeros])
    model.get_layer("b").set_weights([first, zeros])
    with pytest.raises(AssertionError, match="layers 'a' and 'b' exchanged it agrees"):
        assert_same_outputs(arrays, model, rtol=1e-4)


@pytest.mark.tf
def test_inputs_and_outputs_by_name(tf):
    class Sum(tf.Module):
        def __call__(self, a, b):
            return {"sum": a + b, "difference": a - b}

    arrays = {
        "inputs/a": X,
        "inputs/b": 2 * X,
        "outputs/sum": 3 * X,
        "outputs/difference": -X,
        "tensors/twice:0": 2 * X,
    }
    assert_same_outputs(arrays, Sum())
    assert_same_outputs(arrays, Sum(), (X, 2 * X))
    with pytest.raises(AssertionError, match="off by up to"):
        assert_same_outputs(arrays, Sum(), (X, X))
    named = {"outputs": ["sum", "twice"]}
    assert_same_outputs(arrays, lambda a, b: [a + b, b], **named)
    with pytest.raises(LookupError, match=r"no tensor 'twise'; nearest are .'twice"):
        assert_same_outputs(arrays, Sum(), outputs=["twise"])
    del arrays["inputs/a"], arrays["inputs/b"]
    with pytest.raises(TypeError, match="pass the inputs that TF1 had"):
        assert_same_outputs(arrays, Sum())
    with pytest.raises(TypeError, match="pass checkpoint= too"):
        assert_same_outputs(arrays, Sum(), (X, X), assignment_map={"a": "b"})


@pytest.mark.tf
def test_texts_and_bfloat16_are_recorded_without_pickling(tf, tmp_path):
    v1 = tf.compat.v1
    path = str(tmp_path / "recorded.npz")
    with tf.Graph().as_default(), v1.Session() as session:
        words = v1.placeholder(tf.string, [None], name="words")
        length = tf.cast(tf.strings.length(words), tf.bfloat16, name="length")
        record_outputs(path, session, {"words": ["a", "bcd"]}, length)
    found = read_recording(path)
    assert [*found] == ["inputs/words", "outputs/length", "tensors/length:0"]
    assert found["outputs/length"].tolist() == [1.0, 3.0]
    assert_same_outputs(path, lambda x: tf.cast(tf.strings.length(x), tf.float32))


def test_what_is_no_recording(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_recording(tmp_path / "none.npz")
    text = tmp_path / "text.npz"
    text.write_text("nothing")
    with pytest.raises(RecordingError, match="not a zip file"):
        read_recording(text)
    pickled = tmp_path / "pickled.npz"
    np.savez(pickled, **{"outputs/y": np.array([print], object)})
    with pytest.raises(RecordingError, match="has Python objects"):
        read_recording(pickled)
    whole = tmp_path / "whole.npz"
    np.savez(whole, **{"outputs/y": X})
    damaged = bytearray(whole.read_bytes())
    damaged[200] ^= 1  # a value
    whole.write_bytes(damaged)
    with pytest.raises(RecordingError, match="CRC"):
        read_recording(whole)


def test_an_array_that_claims_more_than_there_is(tmp_path):
    path = tmp_path / "recorded.npz"
    np.savez(path, **{"outputs/y": np.zeros(8)})
    with zipfile.ZipFile(path) as archive:
        header = archive.read("outputs/y.npy").replace(b"(8,)", b"(9999999999,)")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("outputs/y.npy", header)
    with pytest.raises(RecordingError, match="is not 79,999,999,992 bytes long"):
        read_recording(path)


@pytest.mark.tf
@pytest.mark.parametrize("arrays", [{"y": X}, {"inputs/x": X}])
def test_arrays_of_other_names(tf, arrays):
    del tf
    with pytest.raises(RecordingError, match="it has"):
        assert_same_outputs(arrays, len)
