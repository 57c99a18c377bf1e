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
    assert present == NAME.startswith(("tf-", "newest"))


@in_matrix
def test_versions(tf):
    if NAME == "newest":
        assert tuple(map(int, tf.__version__.split(".")[:2])) >= (2, 21)
    else:
        assert tf.__version__.startswith(NAME.split("-")[1] + ".")
    legacy = NAME.endswith("tf-keras") or NAME == "tf-2.15"
    assert hasattr(tf.keras, "ops") == (not legacy)
    tf_keras = tf.keras.Model.__module__.startswith("tf_keras.")
    assert tf_keras == NAME.endswith("tf-keras")


def test_the_other_interpreter_has_tensorflow_1(tf1_python):
    code = "import tensorflow as tf; print(tf.__version__)"
    command = [tf1_python, "-W", "ignore", "-c", code]
    version = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert version.strip() == "1.15.5"
