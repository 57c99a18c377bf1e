"""No save follows a link that lies where it stages its files."""

import os

import pytest

import tf_ckpt_migrate as tcm
from tf_ckpt_migrate.errors import OutputPathError


@pytest.fixture
def home(tmp_path):
    """A folder with the only copies of something."""
    folder = tmp_path / "home"
    (folder / "papers").mkdir(parents=True)
    for name in ("lock", "notes.txt", "papers/thesis.tex"):
        (folder / name).write_text("the only copy", encoding="utf-8")
    yield folder
    names = (n for _, _, files in os.walk(folder) for n in files)
    assert sorted(names) == ["lock", "notes.txt", "thesis.tex"]


@pytest.fixture
def run(tmp_path, home):
    """The folder of a training, with links in the place of its staging directories."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("ck", "ck-1", "ck-2"):
        (folder / f".{name}.tcm-staging").symlink_to("../home")
    (folder / "twins").mkdir()
    (folder / "twins" / ".ck-1.tcm-staging").symlink_to(home)
    return folder


def by_checkpoint(tf, variable, run):
    tcm.Checkpoint(w=variable).save(str(run / "ck"), keys="both")


def by_writing(tf, variable, run):
    tcm.Checkpoint(w=variable).write(str(run / "ck"), keys="name")


def by_saver(tf, variable, run):
    tcm.Saver([variable], keys="both").save(None, str(run / "ck"), global_step=1)


def by_manager(tf, variable, run):
    checkpoint = tcm.Checkpoint(w=variable).saving(keys="both")
    tf.train.CheckpointManager(checkpoint, str(run), 2, checkpoint_name="ck").save()


def with_twin(tf, variable, run):
    (run / ".ck-1.tcm-staging").unlink()
    checkpoint = tcm.Checkpoint(w=variable)
    checkpoint.save(str(run / "ck"), keys="both", twin_directory=str(run / "twins"))


def by_callback(tf, variable, run):
    model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
    model.build((None, 2))
    model.compile("sgd", "mse")
    callback = tcm.keras.DualModelCheckpoint(str(run / "ck"))
    model.fit(tf.ones([2, 2]), tf.ones([2, 1]), verbose=0, callbacks=[callback])


SAVES = [by_checkpoint, by_writing, by_saver, by_manager, with_twin, by_callback]


@pytest.mark.parametrize("save", SAVES)
def test_a_link_is_named_and_not_followed(tf, run, save):
    variable = tf.Variable([1.0, 2.0], name="weight")
    with pytest.raises(OutputPathError, match=r"tcm-staging': it is a symbolic link"):
        save(tf, variable, run)
    for link in run.glob(".*.tcm-staging"):
        link.unlink()
    for link in (run / "twins").iterdir():
        link.unlink()
    save_again(tf, variable, run, save)
    assert not list(run.rglob(".*tcm-staging"))


def save_again(tf, variable, run, save):
    if save is with_twin:
        (run / ".ck-1.tcm-staging").symlink_to("gone")
    save(tf, variable, run)
