"""The environment of run_tests.py that runs is the one that its name promises."""

import importlib.util
import os
import subprocess

import pytest

NAME = os.environ.get("TF_CKPT_MIGRATE_ENVIRONMENT", "")
in_matrix = pytest.mark.skipif(not NAME, reason="run by hand, outside run_tests.py")


@in_matrix
def test_tensorflow_is_there_exactly_where_the_name_says():
    present = importlib.util.find_spec("tensorflow") is not None
    assert present == NAME.startswith("tf-")


@in_matrix
def test_versions(tf):
    assert tf.__version__.startswith("2.21." if "2.21" in NAME else "2.15.")
    keras_3 = hasattr(tf.keras, "ops")
    assert keras_3 == (NAME == "tf-2.21-keras-3")
    tf_keras = tf.keras.Model.__module__.startswith("tf_keras.")
    assert tf_keras == (NAME == "tf-2.21-tf-keras")


def test_the_other_interpreter_has_tensorflow_1(tf1_python):
    code = "import tensorflow as tf; print(tf.__version__)"
    command = [tf1_python, "-W", "ignore", "-c", code]
    version = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert version.strip() == "1.15.5"
