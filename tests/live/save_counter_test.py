"""A save that follows on a converted checkpoint never replaces it."""

import os

import pytest

import tf_ckpt_migrate as tcm
from tests.conversion.checkpoints import files_in
from tf_ckpt_migrate.conversion.tf1_to_tf2 import plan_tf1_to_tf2
from tf_ckpt_migrate.naming.keys import SAVE_COUNTER_KEY

# The name of an output, and that of the save which follows on it.
NEXT = {"ckpt": "ckpt-2", "ckpt-0": "ckpt-2", "ckpt-1": "ckpt-2", "ckpt-7": "ckpt-8"}


@pytest.fixture
def old(tf, tmp_path):
    return saver_of(tf).save(None, str(tmp_path / "old"))


def saver_of(tf, cls=None):
    return (cls or tf.compat.v1.train.Saver)({"w": tf.Variable([1.0, 2.0])})


def checkpoint(tf):
    return tf.train.Checkpoint(vars={"w": tf.Variable([0.0, 0.0])})


def layouts(tf, tmp_path):
    """Return what may be passed to a conversion for the same layout."""
    return {
        "guide": {},
        "like": {"like": checkpoint(tf).save(str(tmp_path / "template"))},
        "target": {"target": checkpoint(tf)},
        "variables": {"target": {"w": tf.Variable([0.0, 0.0])}},
    }


def check_next_save(tf, folder, prefix, expected, *, manager=False):
    """Check where a save goes after a restoration, and that it replaces nothing."""
    before = files_in(folder)
    trained = checkpoint(tf)
    trained.restore(prefix).assert_consumed()
    trained.vars["w"].assign([9.0, 9.0])
    if manager:
        saved = tf.train.CheckpointManager(trained, str(folder), 5).save()
    else:
        base, _, number = prefix.rpartition("-")
        saved = trained.save(base if number.isdecimal() else prefix)
    after = files_in(folder)
    assert os.path.basename(saved) == expected
    del before["checkpoint"], after["checkpoint"]
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("layout", ["guide", "like", "target", "variables"])
@pytest.mark.parametrize("manager", [False, True])
def test_the_next_save_has_the_next_number(tf, old, tmp_path, layout, manager):
    how = layouts(tf, tmp_path)[layout]
    for name, expected in NEXT.items():
        folder = tmp_path / f"from-{name}"
        made = tcm.convert_tf1_to_tf2(old, folder / name, update_state_file=True, **how)
        assert tcm.verify_checkpoint(made).ok
        check_next_save(tf, folder, made.prefix, expected, manager=manager)


def test_the_counter_of_a_later_template_is_kept(tf, old, tmp_path):
    like = checkpoint(tf)
    like.save_counter.assign(30)
    made = tcm.convert_tf1_to_tf2(old, tmp_path / "ckpt-7", target=like)
    assert tf.train.load_variable(made.prefix, SAVE_COUNTER_KEY) == 30


def test_what_is_like_a_write_has_no_counter_and_a_note_says_so(tf, old, tmp_path):
    like = checkpoint(tf).write(str(tmp_path / "template"))
    made = tcm.convert_tf1_to_tf2(old, tmp_path / "ckpt-7", like=like)
    checkpoint(tf).read(made.prefix).assert_consumed()
    assert "begins at 'ckpt-1' after restoring it" in made.notes[-1]
    assert not tcm.convert_tf1_to_tf2(old, tmp_path / "ckpt", like=like).notes


def test_keys_that_are_added_count_like_a_save(tf, tmp_path):
    folder = tmp_path / "run"
    prefix = saver_of(tf).save(None, str(folder / "m"), global_step=1000)
    saver_of(tf).save(None, str(folder / "m"), global_step=1)
    tcm.add_object_keys(prefix)
    check_next_save(tf, folder, prefix, "m-1001")


@pytest.mark.parametrize("keys", ["object", "both"])
def test_a_saver_counts_by_its_step(tf, tmp_path, keys):
    saver = saver_of(tf, tcm.Saver)
    for step in (1, 1000):
        prefix = saver.save(None, str(tmp_path / "m"), global_step=step, keys=keys)
    check_next_save(tf, tmp_path, prefix, "m-1001")


def test_a_proof_holds_after_the_output_was_renamed(tf, old, tmp_path):
    tcm.convert_tf1_to_tf2(old, tmp_path / "ckpt-7")
    for path in tmp_path.glob("ckpt-7.*"):
        path.rename(tmp_path / path.name.replace("ckpt-7", "ckpt-8"))
    proof = tcm.verify_conversion(tmp_path / "ckpt-8", old, plan_tf1_to_tf2(old))
    assert proof.ok, proof
