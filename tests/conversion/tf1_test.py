"""Real TensorFlow 1.15 restores what we write."""

import os

import pytest

from tests.conversion.checkpoints import copied, golden, goldens, is_object_based
from tests.tf1 import restored_by_tf1
from tf_ckpt_migrate.checkpoint.reader import load_checkpoint
from tf_ckpt_migrate.conversion.convert import convert
from tf_ckpt_migrate.conversion.dual_keys import add_name_keys
from tf_ckpt_migrate.conversion.layout import is_object_key
from tf_ckpt_migrate.conversion.merge import merge
from tf_ckpt_migrate.conversion.planning import plan_migration
from tf_ckpt_migrate.conversion.tf1_to_tf2 import convert_tf1_to_tf2
from tf_ckpt_migrate.conversion.tf2_to_tf1 import convert_tf2_to_tf1
from tf_ckpt_migrate.naming.keys import OBJECT_GRAPH_KEY

# What TensorFlow 1.15 can make a variable of zeros of.
DTYPES = {"float32", "float64", "int32", "int64", "bool", "float16", "complex64"}


def test_saver_and_checkpoint_of_tf1_restore_what_we_write(tmp_path, tf1_python):
    made = [*_name_based(tmp_path), *_object_based(tmp_path)]
    jobs = [_job(os.fspath(prefix)) for prefix in made]
    jobs = [job for job in jobs if job["variables"]]
    assert len(jobs) > 100
    for job, found in zip(
        jobs, restored_by_tf1(tf1_python, jobs, tmp_path), strict=True
    ):
        reader = load_checkpoint(job["prefix"])
        for name, value in found.items():
            key = job["keys"][name]
            assert value == reader[key].tobytes().hex(), (job["prefix"], name)


def _name_based(folder):
    """Checkpoints for TF1's Saver, made in every way that makes one."""
    for number, name in enumerate(goldens(is_object_based)):
        if name.endswith("checkpoint_empty"):  # nothing to save by name
            continue
        yield convert_tf2_to_tf1(golden(name), folder / f"a{number}", names="key")
        here = folder / f"b{number}"
        here.mkdir()
        yield _dual(copied(golden(name), here))
    for number, name in enumerate(["partitioned_adam", "saver_v1", "sharded_v2"]):
        reader = golden(f"tf1_15/{name}")
        plan = plan_migration(reader, None, {"/": "new/"})
        yield convert(plan, folder / f"c{number}")
    readers = [golden("tf1_15/optimizer_adam"), golden("tf1_15/partitioned_adam")]
    yield merge(readers, folder / "merged", precedence="first")


def _dual(prefix):
    if all(map(_is_bookkeeping, load_checkpoint(prefix))):
        return prefix
    return add_name_keys(prefix, "key")


def _is_bookkeeping(key):
    return key == OBJECT_GRAPH_KEY or key.startswith("save_counter/")


def _object_based(folder):
    """Checkpoints in the guide's layout, which TF1's own tf.train.Checkpoint knows."""
    for name in ["saver_v2", "partitioned_adam", "ema", "rnn_gru", "saver_v1"]:
        yield convert_tf1_to_tf2(golden(f"tf1_15/{name}"), folder / f"o-{name}")


def _job(prefix):
    reader = load_checkpoint(prefix)
    object_based = os.path.basename(prefix).startswith("o-")
    if object_based:
        graph = reader.object_graph
        keys = {n: k for k, n in graph.full_names().items() if n != "save_counter"}
    else:
        keys = {k: k for k in reader if not is_object_key(k) and k != OBJECT_GRAPH_KEY}
    specs = {name: reader.specs[key] for name, key in keys.items()}
    variables = {
        name: [spec.dtype.name, list(spec.shape)]
        for name, spec in specs.items()
        if spec.dtype.name in DTYPES
    }
    return {
        "prefix": prefix,
        "variables": variables,
        "keys": keys,
        "object_based": object_based,
    }


@pytest.mark.parametrize("name", ["ema", "optimizer_adam"])
def test_a_dual_keyed_guide_layout_serves_tf1_names(name, tmp_path, tf1_python):
    tf2 = convert_tf1_to_tf2(golden(f"tf1_15/{name}"), tmp_path / "tf2")
    job = _job(os.fspath(add_name_keys(tf2)))
    assert set(job["variables"]) == set(golden(f"tf1_15/{name}"))
    (found,) = restored_by_tf1(tf1_python, [job], tmp_path)
    reader = golden(f"tf1_15/{name}")
    assert found == {key: reader[key].tobytes().hex() for key in reader}
