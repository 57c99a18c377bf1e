"""What names variables are saved under, and what is wrong with some."""

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live.models import nested, sequential
from tf_ckpt_migrate.conversion.example import example_checkpoint
from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.live.naming import names_to_save
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.transforms import Blocks, Cast

VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


@pytest.fixture
def module(tf):
    module = tf.Module()
    module.kernel = tf.Variable([1.0, 2.0], name="net/w")
    module.items = [tf.Variable(3.0, name="net/b")]
    return module


def moves_of(target, *names):
    return names_to_save(LiveTarget(target, counted=False), *names)


def named(target, *names):
    return {move.sources[0]: move.target for move in moves_of(target, *names)}


def test_names_of_the_variables(module):
    expected = {f"kernel{VALUE}": "net/w", f"items/0{VALUE}": "net/b"}
    assert named(module) == named(module, "full_name") == expected


def test_paths_of_the_objects(module):
    expected = {f"kernel{VALUE}": "kernel", f"items/0{VALUE}": "items/0"}
    assert named(module, "key") == expected


def test_names_given_in_a_dict(tf):
    w = tf.Variable(1.0, name="other")
    assert named({"net/w": w}) == {f"vars/net.Sw{VALUE}": "net/w"}


def test_a_function(module):
    found = named(module, lambda variable: "x/" + variable.name.split(":")[0])
    assert found == {f"kernel{VALUE}": "x/net/w", f"items/0{VALUE}": "x/net/b"}


def test_a_function_may_leave_one_out(module):
    found = named(module, lambda v: "w" if v.name.startswith("net/w") else None)
    assert found == {f"kernel{VALUE}": "w"}


def test_a_function_of_anything_else(module):
    with pytest.raises(TypeError, match=r"returned 7 for '.*'; expected a name"):
        named(module, lambda variable: 7)


@pytest.mark.parametrize(
    "rules",
    [
        {"net/": "bert/"},
        {"net/w": "bert/w", "net/b": "bert/b"},
        [tcm.RenameRegex(r"net/(.)", r"bert/\1")],
        {"kernel": "bert/w", "items/0": "bert/b"},  # by path
    ],
    ids=["scope", "names", "regex", "paths"],
)
def test_a_map(module, rules):
    expected = {f"kernel{VALUE}": "bert/w", f"items/0{VALUE}": "bert/b"}
    assert named(module, rules) == expected


def test_a_map_leaves_behind_on_purpose_only(module):
    with pytest.raises(PlanError, match="'net/b'") as caught:
        named(module, {"net/w": "w"})
    assert "or put Drop('/') or Keep('/') last, for what has no place" in str(
        caught.value
    )
    assert "unused" not in str(caught.value)
    assert len(named(module, [tcm.Rename("net/w", "w"), tcm.Drop("/")])) == 1
    assert len(named(module, [tcm.Rename("net/w", "w"), tcm.Keep("/")])) == 2
    assert named(module, [tcm.Rename("net/w", "w"), tcm.Drop(source="net/b")]) == {
        f"kernel{VALUE}": "w"
    }
    found = named(module, [tcm.Rename("net/w", "w"), tcm.Keep(source="net/b")])
    assert found == {f"kernel{VALUE}": "w", f"items/0{VALUE}": "net/b"}


def test_a_map_by_paths_and_roles_is_for_every_keras(tf, tmp_path):
    net = tf.keras.Sequential([tf.keras.layers.Dense(3, name="top")], name="net")
    net.build((None, 2))
    root = tf.train.Checkpoint(top=net.layers[0], optimizer=tf.keras.optimizers.Adam())
    root.optimizer.build(net.trainable_variables)
    rules = [tcm.Drop(role="optimizer"), tcm.Drop(role="slot"), tcm.Drop(role="step")]
    rules += [("top/kernel", "fc/weights"), ("top/bias", "fc/biases")]
    path = tcm.Checkpoint(root).save(str(tmp_path / "ckpt"), keys="both", names=rules)
    assert {"fc/biases", "fc/weights"} <= {*tcm.load_checkpoint(path)}
    assert "fc/biases/Adam" not in tcm.load_checkpoint(path)
    plain = root.write(str(tmp_path / "plain"))
    made = tcm.convert_tf2_to_tf1(plain, tmp_path / "tf1", names=rules)
    assert {*tcm.load_checkpoint(made)} == {"fc/biases", "fc/weights"}


def test_a_map_that_changes_values(module):
    rules = [tcm.Rename("net/w", "w", Cast("float16")), tcm.Keep("/")]
    (w,) = [move for move in moves_of(module, rules) if move.target == "w"]
    assert w.sources == (f"kernel{VALUE}",)
    assert (str(w.spec), w.transform) == ("float16[2]", Cast("float16"))


def test_a_map_that_gives_one_variable_two_names(module):
    found = moves_of(module, [tcm.Split("net/w", ["a", "b"]), tcm.Keep("/")])
    assert [move.target for move in found] == ["a", "b", "net/b"]


@pytest.fixture
def back(module):
    """The reverse of the plan that has restored a TF1 checkpoint into the module."""
    tensors = {"a": np.float32([1.0, 2.0]), "b": np.float32(3.0)}
    rules = [tcm.Rename("a", "net/w", Blocks(0, (1, 0))), ("b", "net/b")]
    with example_checkpoint(tensors) as prefix:
        return tcm.restore(prefix, module, rules).plan.reversed()


def test_a_plan_stands_for_its_rules(module, back):
    a, b = moves_of(module, back)
    assert (a.sources, a.target) == ((f"kernel{VALUE}",), "a")
    assert a.transform == Blocks(0, (1, 0))
    assert (b.sources, b.target, b.transform) == ((f"items/0{VALUE}",), "b", None)
    assert moves_of(module, tcm.MigrationPlan.from_yaml(back.to_yaml())) == (a, b)


def test_a_plan_accounts_for_every_variable(tf, module, back):
    module.more = tf.Variable(1.0, name="more")
    with pytest.raises(PlanError, match="'more'"):
        moves_of(module, back)
    assert len(moves_of(module, [*back.assignment_map, tcm.Drop("more")])) == 2


def test_a_plan_for_variables_of_other_shapes(tf, module, back):
    module.kernel = tf.Variable([1.0, 2.0, 3.0, 4.0], name="net/w")
    expected = r"'a' would be float32\[4\], the plan says float32\[2\]"
    with pytest.raises(PlanError, match=expected):
        moves_of(module, back)
    assert str(moves_of(module, back.assignment_map)[0].spec) == "float32[4]"


def test_a_plan_for_variables_that_are_gone(module, back):
    del module.items
    with pytest.raises(PlanError, match="'net/b'"):
        moves_of(module, back)


def test_a_map_that_fits_nothing(module):
    with pytest.raises(PlanError, match="nowhere/"):
        named(module, {"nowhere/": "bert/"})


def test_two_variables_of_one_name_are_both_told_of(tf):
    with pytest.raises(PlanError) as caught:
        named(nested(tf))
    text = str(caught.value)
    assert "'Variable' would be the name of 'items/0' float32[]" in text
    assert "'items/1/deep' float32[]" in text
    assert "nothing was saved" in text
    assert 'names="key"' in text
    assert len(caught.value.problems) == 1


def test_a_map_tells_variables_of_one_name_apart_by_their_paths(tf):
    found = named(nested(tf), {"items/": "i/", "net/kernel": "k", "text": "t"})
    assert sorted(found.values()) == ["i/0", "i/1/deep", "k", "t"]


def test_two_models_with_layers_of_one_name(tf):
    models = tf.train.Checkpoint(a=sequential(tf), b=sequential(tf))
    with pytest.raises(PlanError, match=r"d1/kernel' would be the name of 'a/.*'b/"):
        named(models)


def test_a_name_that_leads_two_ways_to_one(module):
    with pytest.raises(PlanError, match="x"):
        named(module, {"net/w": "x", "net/b": "x"})


def test_a_word_that_is_none(module):
    with pytest.raises(ValueError, match=r"names='path'; expected"):
        named(module, "path")


def test_the_counter_of_saves_has_no_name(tf, module):
    checkpoint = tf.train.Checkpoint(module)
    assert checkpoint.save_counter is not None
    assert len(named(checkpoint)) == 2
