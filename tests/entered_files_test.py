"""How many files of the package one call enters: a measure of how far its way goes."""

import sys
from pathlib import Path

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.conversion.checkpoints import write

PACKAGE = str(Path(tcm.__file__).parent)


def entered(call):
    """Return the files of the package that the second of two calls enters."""
    call(0)  # imports are no part of the way
    files = set()

    def note(frame, event, _):
        name = frame.f_code.co_filename
        if event == "call" and name.startswith(PACKAGE):
            files.add(name.removeprefix(PACKAGE))

    sys.setprofile(note)
    try:
        call(1)
    finally:
        sys.setprofile(None)
    return files


@pytest.fixture
def source(tmp_path):
    values = {"net/w": np.ones((2, 3), "f"), "net/b": np.ones(3, "f"), "step": 7}
    return write(tmp_path / "model.ckpt", values)


@pytest.mark.once
class TestConversions:
    def test_a_plain_one(self, source, tmp_path):
        found = entered(lambda n: tcm.convert_tf1_to_tf2(source, tmp_path / f"{n}"))
        assert 15 < len(found) <= 28, sorted(found)

    def test_with_a_map_and_a_checkpoint_to_be_like(self, source, tmp_path):
        like = tcm.convert_tf1_to_tf2(source, tmp_path / "like")
        rules = {"net/": "net/", "step": "step"}

        def convert(number):
            output = tmp_path / f"{number}"
            tcm.convert_tf1_to_tf2(source, output, assignment_map=rules, like=like)

        found = entered(convert)
        assert 15 < len(found) <= 40, sorted(found)


def test_a_restore_into_keras(tf, source):
    layer = tf.keras.layers.Dense(3)
    layer.build((None, 2))
    rules = [("net/w", "kernel"), ("net/b", "bias"), tcm.Drop("step")]
    found = entered(lambda _: tcm.restore(source, layer, rules))
    assert 15 < len(found) <= 50, sorted(found)
