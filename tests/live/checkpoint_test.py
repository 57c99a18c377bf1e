"""``tcm.Checkpoint``: at once, in a graph, and beside TensorFlow's own."""

import os

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live.models import (
    KINDS,
    WEIGHTS,
    legacy_adam,
    model_values,
    nested,
    sequential,
)
from tf_ckpt_migrate.conversion.dual_keys import add_name_keys
from tf_ckpt_migrate.conversion.example import example_checkpoint
from tf_ckpt_migrate.errors import CheckpointError, ChecksumError, PlanError, RuleError
from tf_ckpt_migrate.transforms import Cast, Transpose

LISTED = {name: value.tolist() for name, value in WEIGHTS.items()}


def keras3(tf):
    return getattr(tf.keras, "__version__", "2").startswith("3")


def model_map(tf):
    """Keras 3 puts the model's name before its variables'."""
    return {"/": "net/"} if keras3(tf) else None


def zeros(**shapes):
    import tensorflow as tf

    module = tf.Module()
    for name, shape in shapes.items():
        setattr(module, name, tf.Variable(tf.zeros(shape), name=name))
    return module


def test_it_is_tensorflows_checkpoint(tf, tmp_path):
    checkpoint = tcm.Checkpoint(w=tf.Variable([1.0, 2.0]), steps=[tf.Variable(3)])
    assert isinstance(checkpoint, tf.train.Checkpoint)
    path = checkpoint.save(tmp_path / "m")
    assert tf.train.latest_checkpoint(tmp_path) == path
    other = tf.train.Checkpoint(w=tf.Variable([0.0, 0.0]), steps=[tf.Variable(0)])
    other.restore(path).assert_consumed()
    assert other.w.numpy().tolist() == [1.0, 2.0]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_it_saves_it_restores(tf, tmp_path, kind):
    made = kind(tf)
    given = {"root": made} if isinstance(made, tf.train.Checkpoint) else {"it": made}
    path = tcm.Checkpoint(**given).save(str(tmp_path / "m"))
    other = kind(tf)
    given = {"root": other} if isinstance(other, tf.train.Checkpoint) else {"it": other}
    status = tcm.Checkpoint(**given).restore(path)
    assert status.assert_consumed() is status
    assert status.assert_existing_objects_matched() is status
    assert status.assert_nontrivial_match() is status
    status.run_restore_ops()
    status.initialize_or_restore()


def test_write_and_read(tf, tmp_path):
    w = tf.Variable(1.0)
    path = tcm.Checkpoint(w=w).write(str(tmp_path / "m"))
    w.assign(2.0)
    tcm.Checkpoint(w=w).read(path).assert_consumed()
    assert float(w) == 1.0


def test_a_manager_saves_and_restores(tf, tmp_path):
    w = tf.Variable(1.0)
    checkpoint = tcm.Checkpoint(w=w)
    manager = tf.train.CheckpointManager(checkpoint, str(tmp_path), max_to_keep=2)
    for step in range(3):
        w.assign(step)
        manager.save()
    assert [path[-1] for path in manager.checkpoints] == ["2", "3"]
    w.assign(9)
    assert manager.restore_or_initialize() == manager.latest_checkpoint
    assert (float(w), int(checkpoint.save_counter)) == (2.0, 3)


def test_half_a_file_unread_is_no_success(tf):
    with example_checkpoint({"w": [1.0, 2.0], "b": [3.0]}) as prefix:
        w = tf.Variable([0.0, 0.0], dtype=tf.float64, name="w")
        tf.train.Checkpoint(w=w).restore(prefix).assert_consumed()  # TensorFlow's does
        w.assign([0.0, 0.0])
        status = tcm.Checkpoint(w=w).restore(prefix)
        assert w.numpy().tolist() == [1.0, 2.0]
        status.assert_existing_objects_matched().assert_nontrivial_match()
        with pytest.raises(AssertionError, match=r"1 key of .* has not been read: 'b'"):
            status.assert_consumed()
        dropped = [tcm.Drop("b")]
        status = tcm.Checkpoint(w=w).restore(prefix, assignment_map=dropped)
        status.assert_consumed()


def test_keys_beyond_the_object_graph_count(tf, tmp_path):
    path = tf.train.Checkpoint(w=tf.Variable(1.0)).write(str(tmp_path / "m"))
    with example_checkpoint({"extra": [5.0]}) as extra:
        merged = tcm.merge([path, extra], str(tmp_path / "merged"))
    target = tf.Variable(0.0)
    tf.train.Checkpoint(w=target).read(merged).assert_consumed()
    status = tcm.Checkpoint(w=target).read(merged)
    with pytest.raises(AssertionError, match="has not been read: 'extra'"):
        status.assert_consumed()
    status.assert_existing_objects_matched()
    assert float(target) == 1.0


def test_keras_models_get_what_tensorflows_original_leaves(tf, tmp_path):
    prefix = str(tmp_path / "tf1")
    names = list(WEIGHTS)
    tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[WEIGHTS[name] for name in names],
    )
    model = sequential(tf)
    status = tcm.Checkpoint(model).restore(prefix, assignment_map=model_map(tf))
    status.assert_consumed()
    assert model_values(model) == LISTED


def test_names_and_rules_and_objects_in_one_map(tf):
    module = zeros(kernel=(2, 1), bias=(2,), step=())
    values = {
        "old/w": np.float32([[1.0, 2.0]]),
        "old/b": np.float32([3.0, 4.0]),
        "steps": np.int64(5),
        "old/junk": np.float32([0.0]),
    }
    with example_checkpoint(values) as prefix:
        rules = [
            tcm.Rename("old/w", "kernel", Transpose((1, 0))),
            ("old/b", module.bias),
            tcm.Rename("steps", "m/step", Cast("float32")),
            tcm.Drop("old/"),
        ]
        checkpoint = tcm.Checkpoint(m=module)
        checkpoint.restore(prefix, assignment_map=rules).assert_consumed()
    assert module.kernel.numpy().tolist() == [[1.0], [2.0]]
    assert module.bias.numpy().tolist() == [3.0, 4.0]
    assert float(module.step) == 5.0


def test_a_map_on_an_object_based_checkpoint(tf, tmp_path):
    path = tf.train.Checkpoint(net=nested(tf)).save(str(tmp_path / "m"))
    other = nested(tf)
    other.kernel.assign([[0.0, 0.0]])
    status = tcm.Checkpoint(model=other).restore(
        path, assignment_map={"net/": "model/"}
    )
    status.assert_consumed()
    assert other.kernel.numpy().tolist() == [[1.0, 2.0]]


def test_a_dual_keyed_checkpoint_by_either_half(tf, tmp_path):
    saved = tf.train.Checkpoint(a=tf.Variable([1.0], name="net/w"))
    path = add_name_keys(saved.save(str(tmp_path / "m")))
    by_keys = tf.Variable([0.0])
    tcm.Checkpoint(a=by_keys).restore(path).assert_consumed()
    by_name = tf.Variable([0.0], name="net/w")
    tcm.Checkpoint(other=by_name).restore(path).assert_consumed()
    assert (float(by_keys[0]), float(by_name[0])) == (1.0, 1.0)


def test_slots_of_an_optimizer_by_their_keys(tf, tmp_path):
    checkpoint = legacy_adam(tf)
    path = checkpoint.save(str(tmp_path / "m"))
    want = {key: tcm.load_checkpoint(path)[key] for key in tcm.load_checkpoint(path)}
    other = legacy_adam(tf)
    status = tcm.Checkpoint(root=other).restore(path, assignment_map=[tcm.Keep("/")])
    status.assert_consumed()
    again = tcm.load_checkpoint(other.save(str(tmp_path / "again")))
    slots = [key for key in want if ".OPTIMIZER_SLOT" in key]
    assert slots
    for key in slots:
        np.testing.assert_array_equal(again[key], want[key])


@pytest.mark.parametrize(
    ("values", "rules", "error", "text"),
    [
        (
            {"w": [1, 2], "b": [3.0]},
            None,
            CheckpointError,
            "variable 'b'.*would get 'b'",
        ),
        ({"w": [1.0, 2.0], "b": [3.0, 4.0]}, None, CheckpointError, r"float64\[2\]"),
        (
            {"w": [1.0, 2.0], "b": [3.0]},
            {"nothing": "w"},
            PlanError,
            "nothing",
        ),
        (
            {"w": [1.0, 2.0], "v": [3.0, 4.0]},
            {"v": "w"},
            PlanError,
            "two sources",
        ),
        ({"w": [1.0, 2.0]}, {"w": [3]}, RuleError, "no variable"),
    ],
)
def test_what_is_wrong_is_one_error_and_changes_nothing(tf, values, rules, error, text):
    w = tf.Variable([9.0, 9.0], dtype=tf.float64, name="w")
    objects = {"w": w}
    if "b" in values:
        objects["b"] = tf.Variable([9], name="b")
    with (
        example_checkpoint(values) as prefix,
        pytest.raises(error, match=text) as found,
    ):
        tcm.Checkpoint(**objects).restore(prefix, assignment_map=rules)
    # Of dtypes TensorFlow raises an InvalidArgumentError, which is no ValueError.
    assert isinstance(found.value, ValueError) == (error is not CheckpointError)
    assert w.numpy().tolist() == [9.0, 9.0]


def test_a_damaged_tensor_changes_nothing(tf):
    variables = {n: tf.Variable([9.0], dtype=tf.float64, name=n) for n in ("a", "b")}
    with example_checkpoint({"a": [1.0], "b": [2.0]}) as prefix:
        data = f"{prefix}.data-00000-of-00001"
        with open(data, "r+b") as file:
            file.seek(8)
            file.write(b"\xff")
        with pytest.raises(ChecksumError, match="'b'"):
            tcm.Checkpoint(**variables).restore(prefix)
    assert float(variables["a"][0]) == 9.0


@pytest.mark.parametrize("rules", [None, {"a": "b"}])
def test_a_path_without_a_checkpoint(tf, tmp_path, rules):
    checkpoint = tcm.Checkpoint(w=tf.Variable(1.0))
    for path in (str(tmp_path / "none"), tmp_path / "none"):
        with pytest.raises(tf.errors.NotFoundError, match="none"):
            checkpoint.restore(path, assignment_map=rules)


def test_a_folder_without_checkpoints_is_refused_as_by_the_original(tf, tmp_path):
    errors = []
    for kind in (tf.train.Checkpoint, tcm.Checkpoint):
        with pytest.raises(tf.errors.OpError) as found:
            kind(w=tf.Variable(1.0)).restore(str(tmp_path))
        errors.append(type(found.value))
    assert errors[0] is errors[1]


def test_no_path_is_no_checkpoint(tf):
    status = tcm.Checkpoint(w=tf.Variable(1.0)).restore(None)
    with pytest.raises(AssertionError, match="No checkpoint specified"):
        status.assert_consumed()


def test_a_saved_model_is_a_checkpoint_too(tf, tmp_path):
    tf.saved_model.save(nested(tf), str(tmp_path / "saved"))
    other = nested(tf)
    other.kernel.assign([[0.0, 0.0]])
    checkpoint = tcm.Checkpoint(other)
    checkpoint.restore(str(tmp_path / "saved")).expect_partial()
    assert other.kernel.numpy().tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize("resource", [True, False])
def test_in_a_graph_the_status_has_the_operations(tf, resource):
    v1 = tf.compat.v1
    values = {"net/w": [1.0, 2.0], "net/b": [3.0], "junk": [4.0]}
    with (
        example_checkpoint(values) as prefix,
        tf.Graph().as_default(),
        v1.Session() as session,
    ):
        w = v1.get_variable("net/w", [2], tf.float64, use_resource=resource)
        b = v1.get_variable("bias", [1], tf.float64, use_resource=resource)
        c = v1.get_variable("c", [1], tf.float64, v1.ones_initializer())
        checkpoint = tcm.Checkpoint(w=w, l=[b, c])
        status = checkpoint.restore(prefix, assignment_map={"net/b": "bias"})
        status.assert_nontrivial_match().initialize_or_restore(session)
        found = session.run([w, b, c])
        assert [each.tolist() for each in found] == [[1.0, 2.0], [3.0], [1.0]]
        with pytest.raises(AssertionError) as error:
            status.assert_consumed()
        assert "has no tensor for 1 of 3 variables" in str(error.value)
        assert "variable 'c'" in str(error.value)
        assert "has not been read: 'junk'" in str(error.value)
        rules = {"net/b": b, "junk": "l/1"}
        status = checkpoint.restore(prefix, assignment_map=rules)
        status.assert_consumed().run_restore_ops(session)
        assert session.run(c).tolist() == [4.0]


def test_in_a_graph_an_object_based_checkpoint_is_the_originals(tf, tmp_path):
    path = tf.train.Checkpoint(a=tf.Variable([1.0])).save(str(tmp_path / "m"))
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        a = tf.compat.v1.get_variable("a", [1])
        tcm.Checkpoint(a=a).restore(path).assert_consumed().run_restore_ops(session)
        assert session.run(a).tolist() == [1.0]


def test_a_v1_file_and_a_golden_of_real_tf1(tf, goldens):
    for name in ("tf1_15/saver_v2", "tf1_15/saver_v1"):
        reader = tcm.load_checkpoint(goldens / name)
        variables = {
            key: tf.Variable(tf.zeros_like(reader[key]), name=key) for key in reader
        }
        checkpoint = tcm.Checkpoint(vars=variables)
        checkpoint.restore(reader.prefix).assert_consumed()
        for key, variable in variables.items():
            np.testing.assert_array_equal(variable.numpy(), reader[key])


class PathOf:
    """A path of its own class, as libraries for files have them."""

    def __init__(self, path):
        self._path = path

    def __fspath__(self):
        return self._path


@pytest.mark.parametrize("keys", ["object", "name", "both"])
@pytest.mark.parametrize(
    "given", [str.encode, PathOf, lambda path: PathOf(path.encode())]
)
def test_a_prefix_may_be_bytes_or_any_path(tf, tmp_path, keys, given):
    checkpoint = tcm.Checkpoint(v=tf.Variable([1.0, 2.0], name="v"))
    prefix = str(tmp_path / "m")
    assert checkpoint.write(given(prefix), keys=keys) == prefix
    for rules in (None, {"/": "/"}):
        checkpoint.v.assign([0.0, 0.0])
        status = checkpoint.read(given(prefix), assignment_map=rules)
        status.assert_existing_objects_matched()
        assert checkpoint.v.numpy().tolist() == [1.0, 2.0]


def statuses_of_tensorflow(tf, tmp_path):
    variable = tf.Variable([1.0], name="v")
    checkpoint = tf.train.Checkpoint(v=variable)
    named = tf.compat.v1.train.Saver([variable]).save(None, str(tmp_path / "named"))
    return [
        checkpoint.read(checkpoint.write(str(tmp_path / "m"))),
        checkpoint.read(named),
    ]


@pytest.mark.parametrize("keys", ["object", "name"])
def test_a_status_has_what_those_of_tensorflow_have(tf, tmp_path, keys):
    checkpoint = tcm.Checkpoint(v=tf.Variable([1.0], name="v"))
    path = checkpoint.write(str(tmp_path / "mine"), keys=keys)
    status = checkpoint.read(path)
    for theirs in statuses_of_tensorflow(tf, tmp_path):
        public = {name for name in dir(theirs) if not name.startswith("_")}
        assert public <= set(dir(status))
    checkpoint.more = tf.Variable([2.0], name="more")
    if keys == "name":
        with pytest.raises(AssertionError):
            status.assert_existing_objects_matched()
        status.add_to_optionally_restored(checkpoint.more)
        status.assert_existing_objects_matched()
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        _ = status.other


@pytest.mark.parametrize("keys", ["object", "name"])
def test_a_status_streams_what_is_made_later_in_a_graph(tf, tmp_path, keys):
    values = {name: tf.Variable([1.0, 2.0], name=name) for name in ("a", "b")}
    prefix = tcm.Checkpoint(**values).write(str(tmp_path / "m"), keys=keys)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        checkpoint = tcm.Checkpoint(a=tf.Variable([0.0, 0.0], name="a"))
        session.run(checkpoint.a.initializer)
        status = checkpoint.read(prefix)
        tf.__internal__.tracking.streaming_restore(status, session)
        assert session.run(checkpoint.a).tolist() == [1.0, 2.0]
        if keys == "object":
            checkpoint.b = tf.Variable([0.0, 0.0])
            assert session.run(checkpoint.b).tolist() == [1.0, 2.0]


def damage(prefix):
    data = f"{prefix}.data-00000-of-00001"
    with open(data, "r+b") as file:
        file.write(b"\xff\xff")


def cut(prefix):
    with open(f"{prefix}.data-00000-of-00001", "r+b") as file:
        file.truncate(3)


def remove(prefix):
    os.remove(f"{prefix}.data-00000-of-00001")


def attach_and_read(checkpoint, variable, prefix):
    checkpoint.v = variable  # which may get a value that waits
    checkpoint.read(prefix)


@pytest.mark.parametrize(
    ("harm", "kind"),
    [
        (damage, "DataLossError"),
        (cut, "OutOfRangeError"),
        (remove, "NotFoundError"),
        (None, "InvalidArgumentError"),
    ],
)
@pytest.mark.parametrize("later", [False, True])
def test_errors_are_of_tensorflows_kind(tf, tmp_path, harm, kind, later):
    """As those of a ``tf.train.Checkpoint`` that reads a name-based checkpoint."""
    variable = tf.Variable([1.0, 2.0], name="v")
    prefix = tf.compat.v1.train.Saver([variable]).save(None, str(tmp_path / "m"))
    wanted = tf.Variable([0, 0] if harm is None else [0.0, 0.0], name="v")
    for checkpoint in (tf.train.Checkpoint(), tcm.Checkpoint()):
        if later and isinstance(checkpoint, tcm.Checkpoint):
            checkpoint.read(prefix).expect_partial()
        if harm is not None and not isinstance(checkpoint, tcm.Checkpoint):
            harm(prefix)
        with pytest.raises(getattr(tf.errors, kind)) as caught:
            attach_and_read(checkpoint, wanted, prefix)
        if isinstance(checkpoint, tcm.Checkpoint):
            assert isinstance(caught.value, CheckpointError)
        assert wanted.numpy().tolist() == [0, 0]
