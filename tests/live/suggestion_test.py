"""Ten models of TF1 find their counterparts: right, or declared to be open."""

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.conversion.checkpoints import write
from tests.conversion.suggestion.files import write_graph, write_shapes
from tests.conversion.suggestion.truth import PAGE, counts
from tests.live import suggestion_pairs as pairs
from tf_ckpt_migrate.live.target import built_target
from tf_ckpt_migrate.names.rules import Recipe
from tf_ckpt_migrate.naming.catalog import catalog_of

ROWS = {
    "bert": "BERT to layers of Keras",
    "resnet": "ResNet 50 of slim to `applications.ResNet50`",
    "inception": "Inception v3 of slim to `applications.InceptionV3`",
    "language_model": "LSTM language model of the PTB tutorial",
    "transformer": "Transformer of tensor2tensor",
    "dcgan": "DCGAN",
    "canned_estimator": "DNNClassifier, a canned Estimator",
    "shuffled": "a network in scopes of random words",
    "gpt2": "GPT-2",
    "mobilenet": "MobileNet of slim to `applications.MobileNet`",
}


@pytest.fixture(params=pairs.PAIRS, ids=lambda make: make.__name__)
def pair(request, tf, tmp_path):
    """A suggestion, the plan that it comes to, and the truth."""
    tf.keras.backend.clear_session()
    case = request.param(tf)
    live = built_target(case.target)
    prefix = write_shapes(tmp_path / "model.ckpt", case.source)
    truth = {live.keys_of([v])[0]: name for v, name in case.truth}
    return request.param.__name__, prefix, live, truth


def filled(suggestion, prefix, live):
    """Return of which source a map makes each target."""
    rules = [r for r in suggestion.assignment_map if not is_of_optimizer(r)]
    plan = tcm.plan_migration(prefix, live, rules, unused="drop", missing="keep")
    assert all(len(move.sources) == 1 for move in plan.moves)
    return {move.target: move.sources[0] for move in plan.moves}


def is_of_optimizer(rule):
    return isinstance(rule, Recipe) and rule.kind == "optimizer"


def open_pairs(suggestion, live):
    """Return the pairs of target and source that are declared to be open."""
    keys = catalog_of(live).aliases
    return {
        (keys[name], each.source)
        for each in suggestion.ambiguities
        for name in (each.candidates if not each.more else keys)
    }


def test_every_tensor_is_right_or_declared_to_be_open(pair):
    name, prefix, live, truth = pair
    suggestion = tcm.suggest_assignment_map(prefix, live)
    found = counted(suggestion, prefix, live, truth)
    assert (found.wrong_certain, found.wrong_likely) == (0, 0)
    assert found.row(ROWS[name]) in PAGE.read_text().splitlines()
    # What is not in the map is said: with its candidates, or as left without any.
    left = {*suggestion.unmatched.source} | {e.source for e in suggestion.ambiguities}
    assert found.certain + found.likely + len(left) >= len(truth)
    unsaid = {*truth.items()} - open_pairs(suggestion, live)
    made = {target for target, _ in filled(suggestion, prefix, live).items()}
    assert {source for target, source in unsaid if target not in made} <= left


def test_the_order_of_creation_tells_layers_without_names(tf, tmp_path):
    tf.keras.backend.clear_session()
    case = pairs.inception(tf)
    prefix = write_shapes(tmp_path / "model.ckpt", case.source)
    live = built_target(case.target)
    truth = {live.keys_of([v])[0]: name for v, name in case.truth}
    write_graph(prefix, case.source)
    suggestion = tcm.suggest_assignment_map(prefix, live)
    found = counted(suggestion, prefix, live, truth)
    assert (found.wrong_certain, found.wrong_likely) == (0, 0)
    row = found.row("Inception v3 of slim with its `.meta` file")
    assert row in PAGE.read_text().splitlines()


def counted(suggestion, prefix, live, truth):
    aliases = catalog_of(live).aliases.items()
    names = {key: [name for name, k in aliases if k == key] for key in truth}
    return counts(suggestion, prefix, live, truth, lambda key: names.get(key, [key]))


def test_the_map_carries_values_at_once(tf, tmp_path):
    case = pairs.bert(tf)
    random = np.random.default_rng(0)
    tensors = {
        name: random.normal(size=shape).astype(np.float32)
        for name, shape in case.source.items()
    }
    tensors["global_step"] = np.int64(3)
    prefix = write(tmp_path / "model.ckpt", tensors)
    suggestion = tcm.suggest_assignment_map(prefix, case.target).accepting()
    rules = suggestion.assignment_map
    tcm.convert_tf1_to_tf2(
        prefix, tmp_path / "out", target=case.target, assignment_map=rules
    )
    tf.train.Checkpoint(case.target).restore(str(tmp_path / "out")).assert_consumed()
    check_values(case, tensors)
    for variable, _ in case.truth:
        variable.assign(tf.zeros_like(variable))
    tcm.restore(prefix, case.target, rules)
    check_values(case, tensors)


def check_values(case, tensors):
    for variable, name in case.truth:
        expected = tensors[name].T if name == "output_weights" else tensors[name]
        found = np.asarray(variable)
        np.testing.assert_array_equal(found, expected.reshape(found.shape), name)


def test_equal_bytes_tell_twins_apart(tf, tmp_path):
    case = pairs.shuffled(tf)
    values = {name: np.asarray(variable) for variable, name in case.truth}
    random = np.random.default_rng(0)
    for variable, name in case.truth:
        values[name] = random.normal(size=variable.shape).astype(np.float32)
        variable.assign(values[name])
    prefix = write(tmp_path / "model.ckpt", values)
    assert tcm.suggest_assignment_map(prefix, case.target).ambiguities
    suggestion = tcm.suggest_assignment_map(prefix, case.target, read_values=True)
    assert suggestion.totals["certain"] == len(case.truth)
    live = built_target(case.target)
    made = filled(suggestion, prefix, live)
    assert made == {live.keys_of([v])[0]: name for v, name in case.truth}


@pytest.fixture
def adam(tf, tmp_path):
    """A checkpoint with Adam, and what is to go on from it in Keras."""
    model = tf.keras.Sequential([tf.keras.layers.Dense(3, name="out")])
    model(tf.zeros((1, 2)))
    optimizer = tf.keras.optimizers.Adam(epsilon=1e-8)
    optimizer.build(model.trainable_variables)
    shapes = {"net/fc/weights": (2, 3), "net/fc/biases": (3,)}
    shapes = pairs.with_slots(shapes, ["Adam", "Adam_1"])
    tensors = {n: np.full(s, 0.25, np.float32) for n, s in shapes.items()}
    # What TF1 has after two steps: it multiplies in float32.
    for name, beta in {"beta1_power": 0.9, "beta2_power": 0.999}.items():
        power = np.float32(beta)
        tensors[name] = power * power * power
    tensors["global_step"] = np.int64(2)
    prefix = write(tmp_path / "model.ckpt", tensors)
    return prefix, tf.train.Checkpoint(model=model, optimizer=optimizer)


def test_one_optimizer_is_carried_by_a_recipe(adam):
    prefix, target = adam
    suggestion = tcm.suggest_assignment_map(prefix, target)
    assert Recipe("optimizer", "Adam", "optimizer") in list(suggestion.assignment_map)
    report = tcm.restore(prefix, target, suggestion.assignment_map)
    assert {verdict.kind for verdict in report.verdicts} == {"exact"}
    assert int(target.optimizer.iterations) == 2


def test_between_files_too(adam, tmp_path):
    prefix, target = adam
    like = target.save(str(tmp_path / "like"))
    suggestion = tcm.suggest_assignment_map(prefix, like)
    assert Recipe("optimizer", "Adam", "optimizer") in list(suggestion.assignment_map)
    made = tcm.convert_tf1_to_tf2(
        *(prefix, tmp_path / "made"),
        like=like,
        assignment_map=suggestion.assignment_map,
    )
    target.restore(made.prefix).assert_consumed()
    assert int(target.optimizer.iterations) == 2
    assert float(target.model.layers[0].kernel[0, 0]) == 0.25
    back = tcm.suggest_assignment_map(made.prefix, prefix)
    assert Recipe("optimizer", "optimizer", "Adam") in list(back.assignment_map)
    names = back.assignment_map
    returned = tcm.convert_tf2_to_tf1(
        made.prefix, tmp_path / "returned", names=names, like=prefix
    )
    assert tcm.diff_checkpoints(prefix, returned).equal


def test_of_two_optimizers_someone_has_to_say_which_is_which(tf, tmp_path):
    case = pairs.dcgan(tf)
    prefix = write_shapes(tmp_path / "model.ckpt", case.source)
    suggestion = tcm.suggest_assignment_map(prefix, case.target)
    assert not any(map(is_of_optimizer, suggestion.assignment_map))
    assert {rule.target for rule in suggestion.open_rules} == {
        *("generator_optimizer", "discriminator_optimizer"),
    }
    assert "no file says which becomes which" in str(suggestion)
