"""A save into a folder of thousands of files does not list them each time."""

import glob
import os

import pytest

import tf_ckpt_migrate as tcm
from tests.listing import count_listed

FILES, SAVES = 3000, 20


@pytest.fixture
def full(tmp_path):
    for number in range(FILES // 3):
        for end in ("index", "data-00000-of-00001", "meta"):
            (tmp_path / f"old-{number}.{end}").touch()
    return tmp_path


def savers(tf):
    weight = tf.Variable([1.0, 2.0], name="w")
    checkpoint = tcm.Checkpoint(w=weight)
    saver = tcm.Saver({"w": weight}, keys="both", max_to_keep=None)
    return {
        "Checkpoint.save": lambda to, _: checkpoint.save(to, keys="both"),
        "Checkpoint.write": lambda to, n: checkpoint.write(f"{to}-{n}", keys="both"),
        "the same name": lambda to, _: checkpoint.write(to, keys="both"),
        "Saver": lambda to, n: saver.save(None, to, global_step=n),
    }


@pytest.mark.parametrize(
    "way", ["Checkpoint.save", "Checkpoint.write", "the same name", "Saver"]
)
def test_saves_list_the_folder_now_and_then(tf, full, way, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    # TensorFlow lists the folder itself after each save, to report a size.
    monkeypatch.setattr(glob, "glob", lambda _: [])
    save = savers(tf)[way]
    with count_listed(full) as counted:
        for number in range(SAVES):
            path = save(str(full / "m"), number)
    assert {"w", "w/.ATTRIBUTES/VARIABLE_VALUE"} & {*tcm.load_checkpoint(path)}
    assert counted.entries < 2 * FILES  # once for all, and then what is its own
