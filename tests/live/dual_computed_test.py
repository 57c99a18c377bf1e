"""Saves for both worlds whose TF1 tensors are computed from those of the objects."""

import os
import re

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.conversion.checkpoints import golden
from tests.live.readers import by_saver
from tests.live.rnn_test import layer_for, tcm_name
from tests.recipes.rnn_test import CELLS
from tests.whole.going_on import optimizers, prefix_of, record_of
from tests.whole.networks import NETWORKS
from tf_ckpt_migrate.errors import LayoutError, PlanError, RuleError

LSTM = "basic_lstm/basic_lstm_cell/"
OPTIMIZER = [tcm.Drop(role=role) for role in ("slot", "optimizer", "step")]


def restored(tf, scope=LSTM):
    """A layer with the weights of a cell of TF1, and the plan back."""
    kind, options = CELLS[scope]
    layer = layer_for(tf.keras, scope)
    layer.build((None, None, 4))
    target = tcm_name(layer.weights[0]).rpartition("/")[0] + "/"
    rules = [tcm.Recipe(kind, scope, target, **options), tcm.Drop("/")]
    report = tcm.restore(golden("tf1_15/rnn_outputs"), layer, rules)
    return layer, report.plan.reversed()


def named(path):
    """The tensors that TF1 reads, by name."""
    reader = tcm.load_checkpoint(path)
    names = [key for key in reader if "/.ATTRIBUTES/" not in key and key[0] != "_"]
    return {name: reader[name] for name in names}


def check_objects(tf, path, layer, new):
    """Check that TensorFlow itself restores every value into a new layer."""
    assert not any((a == b).all() for a, b in pairs(layer, new) if a.any())
    tf.train.Checkpoint(layer=new).restore(path).assert_consumed()
    for a, b in pairs(layer, new):
        np.testing.assert_array_equal(a, b)


def pairs(one, other):
    for a, b in zip(one.weights, other.weights, strict=True):
        yield a.numpy(), b.numpy()


def new_layer(tf, scope=LSTM):
    layer = layer_for(tf.keras, scope)
    layer.build((None, None, 4))
    for weight in layer.weights:
        weight.assign(weight + 1)
    return layer


def tf1_kernel(layer):
    """What BasicLSTMCell calls its kernel, of the weights that a layer has now."""
    whole = np.concatenate([w.numpy() for w in layer.weights[:2]])
    i, f, j, o = np.split(whole, 4, axis=1)
    return np.concatenate([i, j, f, o], axis=1)


@pytest.mark.parametrize("scope", CELLS)
def test_cells_have_the_names_shapes_and_values_of_tf1(tf, tmp_path, scope):
    reader = golden("tf1_15/rnn_outputs")
    layer, back = restored(tf, scope)
    path = tcm.Checkpoint(layer=layer).save(tmp_path / "m", keys="both", names=back)
    found = named(path)
    assert found.keys() == {key for key in reader if key.startswith(scope)}
    forget_bias = CELLS[scope][0] == "lstm" and CELLS[scope][1] != {"forget_bias": 0.0}
    for name, value in found.items():
        assert tcm.load_checkpoint(path).specs[name] == reader.specs[name]
        atol = 1e-7 if forget_bias and name.endswith("bias") else 0
        np.testing.assert_allclose(value, reader[name], rtol=0, atol=atol)
    assert tcm.verify_checkpoint(path).ok
    check_objects(tf, path, layer, new_layer(tf, scope))


def test_what_has_been_trained_since(tf, tmp_path):
    """By hand: gates and forget bias of the values that the layer has at the save."""
    layer, back = restored(tf)
    for weight in layer.weights:
        weight.assign(np.random.default_rng(7).normal(size=weight.shape))
    path = tcm.Checkpoint(layer=layer).save(tmp_path / "m", keys="both", names=back)
    found = by_saver(tf, path)
    np.testing.assert_array_equal(found[f"{LSTM}kernel"], tf1_kernel(layer))
    i, f, j, o = np.split(layer.weights[2].numpy(), 4)
    bias = np.concatenate([i, j, f - np.float32(1), o])
    np.testing.assert_array_equal(found[f"{LSTM}bias"], bias)


def test_bert_with_attention_of_three_axes(tf, tmp_path):
    """Every weight of a BERT that TensorFlow 1.15 has trained, by a manager, twice."""
    case, source = NETWORKS["bert"], tcm.load_checkpoint(prefix_of("bert"))
    flavor = "keras_3" if "keras_3" in optimizers(tf) else "tf_keras"
    network = case.make(tf, record_of("bert").data, optimizers(tf)[flavor])
    model, optimizer = network.checkpoint.model, network.checkpoint.optimizer
    weights = [rule for rule in case.rules if getattr(rule, "kind", "") != "optimizer"]
    adam = tcm.Drop(pattern=r".*/adam_[mv]|global_step")
    report = tcm.restore(source, model, [adam, *weights])
    names = [*report.plan.reversed().assignment_map, *OPTIMIZER]
    checkpoint = tcm.Checkpoint(model=model, optimizer=optimizer)
    manager = tf.train.CheckpointManager(
        checkpoint.saving(keys="both", names=names), str(tmp_path), max_to_keep=1
    )
    for _ in range(2):
        path = manager.save()
    expected = {k for k in source if not re.fullmatch(adam.pattern, k)}
    found = named(path)
    assert found.keys() == expected
    for name, value in found.items():
        np.testing.assert_array_equal(value, source[name])
    kernels = [w for w in model.weights if len(w.shape) == 3]
    assert len(kernels) == 8  # of four projections in two layers
    assert len(list(tmp_path.glob("ckpt-2.data-*"))) == 2
    other = case.make(tf, record_of("bert").data, optimizers(tf)[flavor]).checkpoint
    again = tf.train.Checkpoint(model=other.model, optimizer=other.optimizer)
    again.restore(path).assert_consumed()
    for a, b in zip(model.weights, other.model.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_the_callback_of_keras(tf, tmp_path):
    """A stack of two directions, trained on between two saves."""
    source = tcm.load_checkpoint(prefix_of("bidirectional"))
    case = NETWORKS["bidirectional"]
    flavor = "keras_3" if "keras_3" in optimizers(tf) else "tf_keras"
    data = record_of("bidirectional").data
    network = case.make(tf, data, optimizers(tf)[flavor])
    model = network.checkpoint.model
    drops = [tcm.Drop(role=role) for role in ("slot", "optimizer", "step")]
    report = tcm.restore(source, model, [*drops, case.rules[0]])
    names = [tcm.Keep("global_step"), *report.plan.reversed().assignment_map]
    model.compile("sgd", "mse")
    saving = tcm.keras.DualModelCheckpoint(
        tmp_path / "m-{epoch}", names=[*names, *OPTIMIZER]
    )
    model.fit(data["x"], data["y"], epochs=2, verbose=0, callbacks=[saving])
    path = tf.train.latest_checkpoint(tmp_path)
    assert path.endswith("m-2")
    found = named(path)
    slots = re.compile(r".*/Adam(_1)?|beta\d_power")
    assert found.keys() == {key for key in source if not slots.fullmatch(key)}
    for name, value in found.items():
        assert value.shape == source[name].shape
    saving = tcm.keras.DualModelCheckpoint(
        tmp_path / "m-{epoch}",
        names=[*names, *OPTIMIZER],
        load_weights_on_restart=True,
    )
    model.fit(
        data["x"],
        data["y"],
        initial_epoch=2,
        epochs=3,
        verbose=0,
        callbacks=[saving],
    )
    assert int(named(tmp_path / "m-3")["global_step"]) == 3
    path = str(tmp_path / "m-3")
    again = case.make(tf, data, optimizers(tf)[flavor]).checkpoint.model
    rules = [tcm.Drop("global_step"), case.rules[0]]
    tcm.restore(tcm.convert_tf2_to_tf1(path, tmp_path / "tf1"), again, rules)
    for a, b in zip(model.weights, again.weights, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=0, atol=2e-7)


@pytest.mark.parametrize("keys", ["name", "object", "both"])
def test_twins(tf, tmp_path, keys):
    layer, back = restored(tf)
    checkpoint = tcm.Checkpoint(layer=layer)
    twins = tmp_path / "twins"
    path = checkpoint.write(tmp_path / "m", keys=keys, names=back, twin_directory=twins)
    for prefix in [str(twins / "m"), *([] if keys == "object" else [path])]:
        found = named(prefix)
        assert found.keys() == {f"{LSTM}kernel", f"{LSTM}bias"}
        np.testing.assert_array_equal(found[f"{LSTM}kernel"], tf1_kernel(layer))
    assert bool(named(path)) is (keys != "object")


def test_within_a_function_and_in_the_background(tf, tmp_path):
    layer, back = restored(tf)
    checkpoint = tcm.Checkpoint(layer=layer).saving(keys="both", names=back)
    inside = tf.function(lambda: checkpoint.write(str(tmp_path / "inside")))
    for _ in range(2):
        layer.weights[0].assign(layer.weights[0] + 1)
        path = inside().numpy().decode()
        found = named(path)[f"{LSTM}kernel"]
        np.testing.assert_array_equal(found, tf1_kernel(layer))
    options = tf.train.CheckpointOptions(experimental_enable_async_checkpoint=True)
    path = checkpoint.save(str(tmp_path / "later"), options)
    expected = tf1_kernel(layer)
    layer.weights[0].assign(layer.weights[0] + 1)
    checkpoint.sync()
    np.testing.assert_array_equal(named(path)[f"{LSTM}kernel"], expected)


def test_a_status_knows_what_the_checkpoint_computes(tf, tmp_path):
    layer, back = restored(tf)
    checkpoint = tcm.Checkpoint(layer=layer).saving(keys="both", names=back)
    path = checkpoint.save(tmp_path / "m")
    checkpoint.restore(path).assert_consumed()
    plain = tcm.Checkpoint(layer=layer).restore(path)
    with pytest.raises(AssertionError, match=r"kernel'.*names of that save") as caught:
        plain.assert_consumed()
    assert 'saving(keys="both", names=' in str(caught.value)
    other, back = restored(tf)
    checkpoint = tcm.Checkpoint(layer=other).saving(keys="both", names=back)
    checkpoint.restore(path).assert_consumed()


def test_names_are_removed_and_added_again(tf, tmp_path):
    layer, back = restored(tf)
    path = tcm.Checkpoint(layer=layer).save(tmp_path / "m", keys="both", names=back)
    before = named(path)
    with pytest.raises(LayoutError, match=r"'basic_lstm/.*remove_name_keys\(prefix, n"):
        tcm.remove_name_keys(path)
    result = tcm.remove_name_keys(path, back)
    assert {each.key for each in result.dropped} == before.keys()
    assert not named(path)
    assert sorted(os.listdir(tmp_path)) == [
        "checkpoint",
        "m-1.data-00000-of-00001",
        "m-1.index",
    ]
    check_objects(tf, path, layer, new_layer(tf))
    result = tcm.add_name_keys(path, back)
    assert set(result.computed) == set(result.added) == before.keys()
    for name, value in named(path).items():
        np.testing.assert_array_equal(value, before[name])
    check_objects(tf, path, layer, new_layer(tf))
    assert tcm.verify_checkpoint(path).ok


def test_names_whose_values_are_others_are_not_removed(tf, tmp_path):
    layer, back = restored(tf)
    checkpoint = tcm.Checkpoint(layer=layer)
    path = checkpoint.save(tmp_path / "m", keys="both", names=back)
    others = [tcm.Recipe("lstm", "layer/cell/", LSTM, forget_bias=0.5)]
    before = named(path)
    with pytest.raises(LayoutError, match=r"'basic_lstm/basic_lstm_cell/bias'\. Pass"):
        tcm.remove_name_keys(path, others)
    assert named(path).keys() == before.keys()


def test_recipes_from_the_layer_to_the_cell(tf, tmp_path):
    """Rules that lead from Keras to TF1 serve as well as a plan."""
    layer, _ = restored(tf)
    scope = tcm_name(layer.weights[0]).rpartition("/")[0] + "/"
    rules = [tcm.Recipe("lstm", scope, LSTM)]
    path = tcm.Checkpoint(layer=layer).save(tmp_path / "m", keys="both", names=rules)
    np.testing.assert_array_equal(named(path)[f"{LSTM}kernel"], tf1_kernel(layer))


def test_a_map_that_is_reversed(tf, tmp_path):
    dense = tf.Module()
    dense.kernel = tf.Variable([[1.0, 2.0, 3.0]], name="kernel")
    turned = tcm.Rename("w", "kernel", tcm.transforms.Transpose((1, 0)))
    back = tcm.AssignmentMap([turned]).reversed()
    path = tcm.Checkpoint(dense).save(tmp_path / "m", keys="both", names=back)
    assert by_saver(tf, path)["w"].tolist() == [[1.0], [2.0], [3.0]]


def test_a_name_that_nothing_fills_and_a_variable_without_a_name(tf, tmp_path):
    layer, back = restored(tf)
    checkpoint = tcm.Checkpoint(layer=layer, more=tf.Variable(1.0, name="more"))
    with pytest.raises(PlanError, match="'more'"):
        checkpoint.save(tmp_path / "m", keys="both", names=back)
    rules = [*back.assignment_map, tcm.Rename("gone", "rnn/gone"), tcm.Keep("more")]
    with pytest.raises(PlanError, match="'gone'"):
        checkpoint.save(tmp_path / "m", keys="both", names=rules)
    assert not os.listdir(tmp_path)


def test_state_of_an_optimizer_is_for_save_like(tf, tmp_path):
    network = NETWORKS["bidirectional"]
    flavor = "keras_3" if "keras_3" in optimizers(tf) else "tf_keras"
    made = network.make(tf, record_of("bidirectional").data, optimizers(tf)[flavor])
    target = made.checkpoint
    report = tcm.restore(prefix_of("bidirectional"), target, network.rules)
    assert report.verdicts
    with pytest.raises(RuleError, match=r"tcm\.save_like\("):
        _ = report.plan.assignment_map
    rules = [tcm.Recipe("optimizer", "optimizer", "Adam"), tcm.Drop("/")]
    with pytest.raises(PlanError, match=r"tcm\.save_like\("):
        tcm.Checkpoint(target).save(tmp_path / "m", keys="both", names=rules)
    assert not os.listdir(tmp_path)
