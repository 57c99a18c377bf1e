"""The contract test passes where a restore would, and says what mends it elsewhere."""

import functools

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live import models
from tests.live.checkpoint_test import keras3
from tests.live.shims_test import BATCH, shims
from tests.live.shims_test import VALUES as SHIM_VALUES
from tf_ckpt_migrate.conversion.example import example_checkpoint
from tf_ckpt_migrate.errors import PlanError, TargetError, UnbuiltTargetError
from tf_ckpt_migrate.testing import (
    NameManifest,
    assert_checkpoint_compatible,
    manifest_of,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*layers.dense:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*layer.updates:UserWarning"),
]
KERAS = dict(models.WEIGHTS)


def network(  # noqa: PLR0913 what a test changes
    tf, scope="net", kernel="w", units=3, *, extra=False, adam=False
):
    """Build a graph; a partial of it is a graph-building function."""
    v1 = tf.compat.v1
    with v1.variable_scope(scope):
        w = v1.get_variable(kernel, [2, units])
        b = v1.get_variable("b", [units])
        if extra:
            v1.get_variable("scale", [7])
    loss = tf.reduce_sum(w) + tf.reduce_sum(b)
    if adam:
        step = v1.train.get_or_create_global_step()
        v1.train.AdamOptimizer().minimize(loss, step)


@pytest.fixture
def build(tf):
    return lambda *args, **kwargs: functools.partial(network, tf, *args, **kwargs)


def failure(*args, **kwargs):
    with pytest.raises(AssertionError) as caught:
        assert_checkpoint_compatible(*args, **kwargs)
    return str(caught.value)


def test_a_graph_that_is_as_it_was(build, tf):
    manifest = manifest_of(build(adam=True))
    assert_checkpoint_compatible(build(adam=True), manifest)
    with tf.Graph().as_default() as graph:
        network(tf, adam=True)
    before = len(graph.get_operations())
    assert_checkpoint_compatible(graph, manifest)
    assert len(graph.get_operations()) == before


def test_a_manifest_of_a_graph_is_that_of_its_checkpoint(build, tf, tmp_path):
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        network(tf, adam=True)
        halves = v1.fixed_size_partitioner(2)
        v1.get_variable("emb", [4, 3], partitioner=halves)
        session.run(v1.global_variables_initializer())
        path = v1.train.Saver().save(session, str(tmp_path / "model.ckpt"))
        graph = session.graph
    saved = NameManifest.from_checkpoint(path)
    assert manifest_of(graph).specs == saved.specs
    assert_checkpoint_compatible(graph, path)


def test_a_scope_that_moved(build):
    text = failure(build("encoder"), manifest_of(build()))
    assert text == (
        "the graph does not fit the manifest of the graph: 2 names moved\n"
        "\n"
        "2 names moved:\n"
        "  net/b  -> encoder/b  float32[3]\n"
        "  net/w  -> encoder/w  float32[2, 3]\n"
        "\n"
        "This assignment map mends it:\n"
        "  [\n"
        '      tcm.RenameScope("net/", "encoder/"),\n'
        "  ]"
    )


def proposed(text):
    """Return the map that a failure proposes, as pasted."""
    return eval(
        text[text.index("  [\n") : text.rindex("  ]") + 3].strip(), {"tcm": tcm}
    )


@pytest.mark.parametrize(
    ("new", "old", "rules"),
    [
        ({"scope": "encoder"}, {}, None),
        ({"scope": "encoder", "kernel": "kernel"}, {}, None),
        ({"scope": "backbone"}, {}, {"net/": "encoder/"}),
        ({"scope": "encoder"}, {"adam": True}, None),
        ({"scope": "encoder", "adam": True}, {"adam": True}, None),
        (
            {"scope": "encoder"},
            {"adam": True},
            [tcm.Drop(role="slot"), tcm.Drop(role="optimizer")],
        ),
    ],
)
def test_the_map_of_the_message_mends_it(build, new, old, rules):
    manifest = manifest_of(build(**old))
    text = failure(build(**new), manifest, rules)
    assert "This assignment map mends it:" in text
    assert_checkpoint_compatible(build(**new), manifest, proposed(text))


def test_what_changed_vanished_and_is_new(build):
    text = failure(build(units=4), manifest_of(build(extra=True)))
    assert "2 tensors changed, 1 name vanished" in text
    assert "net/w  float32[2, 3] -> float32[2, 4]" in text
    assert "1 name vanished; the model has no place for it:\n  net/scale" in text
    assert 'tcm.Drop("net/scale") leaves it behind' in text
    text = failure(build(extra=True), manifest_of(build()))
    assert "1 variable is new; the checkpoint has nothing for it:\n  net/scale" in text
    assert 'missing="keep"' in text
    assert_checkpoint_compatible(
        build(extra=True), manifest_of(build()), missing="keep"
    )


def test_moved_and_changed(build):
    text = failure(build("encoder", units=4), manifest_of(build()))
    assert "net/w -> encoder/w  float32[2, 3] -> float32[2, 4]" in text
    assert proposed(text) == [tcm.RenameScope("net/", "encoder/")]


def test_what_changed_leaves_the_map_alone(build):
    text = failure(
        build("encoder", units=4), manifest_of(build()), {"net/": "encoder/"}
    )
    assert "2 tensors changed\n" in text
    assert "assignment map" not in text
    assert "\nWhat would help:\n  what changed: the former shape" in text


def test_a_rule_that_is_wrong_is_told(build):
    rules = [tcm.RenameScope("net/", "net/"), tcm.Rename("nett/w", "net/w")]
    text = failure(build(), manifest_of(build()), rules)
    assert "the assignment map is wrong" in text
    assert "rule matches nothing: Rename('nett/w', 'net/w')" in text


def test_a_transposed_tensor_is_told(build, tf):
    v1 = tf.compat.v1
    manifest = manifest_of(lambda: v1.get_variable("w", [2, 3]))
    text = failure(lambda: v1.get_variable("w", [3, 2]), manifest)
    assert "transform=Transpose(perm=(1, 0)) would fit" in text


def test_slots_that_the_model_lacks_are_told_by_role(build):
    text = failure(build(), manifest_of(build(adam=True)))
    assert "  4 of role 'slot': net/b/Adam, net/b/Adam_1, … and 2 more" in text
    rows = [tcm.Drop(role="optimizer"), tcm.Drop(role="slot"), tcm.Drop(role="step")]
    assert proposed(text) == rows
    only = manifest_of(build(adam=True)).without("slot", "optimizer", "step")
    assert_checkpoint_compatible(build(), only)


def test_a_module_by_names_and_by_keys(tf, build):
    module = tf.Module(name="top")
    module.kernel = tf.Variable(tf.zeros([2, 3]), name="net/w")
    module.bias = tf.Variable(tf.zeros([3]), name="net/b")
    assert_checkpoint_compatible(module, manifest_of(build()))
    keys = manifest_of(module)
    assert_checkpoint_compatible(module, keys)
    moved = tf.Module(name="top")
    moved.layer = module
    text = failure(moved, keys)
    assert "kernel  -> layer/kernel" in text
    assert_checkpoint_compatible(moved, keys, proposed(text))


def test_keras(tf):
    model = models.sequential(tf)
    names = {("net/" if keras3(tf) else "") + name: v for name, v in KERAS.items()}
    with example_checkpoint(names) as prefix:
        assert_checkpoint_compatible(model, prefix)
        manifest = NameManifest.from_checkpoint(prefix)
    assert_checkpoint_compatible(model, manifest)
    short = tf.keras.Sequential([model.layers[0]], name="net")
    short.build((None, 2))
    text = failure(short, manifest)
    assert "4 names vanished" in text
    assert "bn/gamma" in text


def test_keras_from_graph_names(tf):
    with example_checkpoint({f"tower/{k}": v for k, v in KERAS.items()}) as prefix:
        text = failure(models.sequential(tf), prefix)
        assert "6 names moved" in text
        rules = proposed(text)
        assert [type(rule) for rule in rules] == [tcm.RenameScope]
        assert_checkpoint_compatible(models.sequential(tf), prefix, rules)
        tcm.restore(prefix, models.sequential(tf), rules)


def test_a_layer_that_is_not_built_is_an_error(tf):
    manifest = manifest_of(models.sequential(tf))
    with pytest.raises(UnbuiltTargetError, match="no variables yet"):
        assert_checkpoint_compatible(models.sequential(tf, built=False), manifest)
    x = np.zeros((1, 2), np.float32)
    unbuilt = models.sequential(tf, built=False)
    assert_checkpoint_compatible(unbuilt, manifest, inputs=x)


def test_shims(tf):
    with example_checkpoint(SHIM_VALUES) as prefix:
        for shim in shims(tf):
            with pytest.raises(TargetError, match="pass inputs="):
                assert_checkpoint_compatible(shim, prefix)
            assert_checkpoint_compatible(shim, prefix, inputs=BATCH)


def test_a_manifest_in_a_file(build, tmp_path):
    manifest_of(build()).save(tmp_path / "names.yaml")
    assert_checkpoint_compatible(build(), tmp_path / "names.yaml")
    assert "does not fit" in failure(build("other"), str(tmp_path / "names.yaml"))


def test_a_function_that_needs_inputs(tf):
    def build(x, units):
        return tf.compat.v1.get_variable("w", [x.shape[1], int(units.shape[0])])

    inputs = {"x": np.zeros((5, 2), np.float32), "units": np.zeros(3)}
    assert str(manifest_of(build, inputs).specs["w"]) == "float32[2, 3]"
    manifest = manifest_of(build, inputs)
    assert_checkpoint_compatible(build, manifest, inputs=tuple(inputs.values()))


def test_what_has_no_variables_is_an_error(tf):
    with pytest.raises(TargetError, match="the graph has no variables"):
        manifest_of(lambda: tf.constant(1))


def test_a_rule_for_an_optimizer_needs_values(tf):
    names = {**KERAS, **{f"{name}/Momentum": v for name, v in KERAS.items()}}
    rules = [
        tcm.RenameScope("/", "net/") if keras3(tf) else tcm.Keep("/"),
        tcm.Recipe("optimizer", "Momentum", "optimizer"),
    ]
    with example_checkpoint(names) as prefix:
        manifest = NameManifest.from_checkpoint(prefix)
    with pytest.raises((AssertionError, PlanError, LookupError)):
        assert_checkpoint_compatible(models.sequential(tf), manifest, rules)
