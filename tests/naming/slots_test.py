from pathlib import Path

import pytest

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.naming.keys import (
    OBJECT_GRAPH_KEY,
    object_key,
    parse_partition,
    slot_key,
)
from tf_ckpt_migrate.naming.slots import (
    Slot,
    is_bookkeeping,
    is_step_of_optimizer,
    role_of,
    slot_of,
)
from tf_ckpt_migrate.table.reader import TableReader


@pytest.mark.parametrize(
    ("key", "others", "expected"),
    [
        ("w/Adam", ["w"], Slot("w", "Adam", "m")),
        ("w/Adam_1", ["w"], Slot("w", "Adam", "v")),
        ("w/Adam_2", ["w"], Slot("w", "Adam", "m", 1)),
        ("w/Adam_3", ["w"], Slot("w", "Adam", "v", 1)),
        ("net/w/AdamW_1", ["net/w"], Slot("net/w", "AdamW", "v")),
        ("w/Momentum", ["w"], Slot("w", "Momentum", "momentum")),
        ("w/Momentum_1", ["w"], Slot("w", "Momentum", "momentum", 1)),
        ("w/Ftrl_1", ["w"], Slot("w", "Ftrl", "linear")),
        ("w/RMSProp", ["w", "w/RMSProp_1"], Slot("w", "RMSProp", "rms")),
        ("w/RMSProp_1", ["w", "w/RMSProp_1"], Slot("w", "RMSProp", "momentum")),
        ("w/RMSProp_1", ["w", "w/RMSProp_2"], Slot("w", "RMSProp", "mg")),
        ("w/RMSProp_2", ["w", "w/RMSProp_2"], Slot("w", "RMSProp", "momentum")),
        (
            "w/RMSProp_2",
            ["w", "w/RMSProp_2", "w/RMSProp_3"],
            Slot("w", "RMSProp", "rms", 1),
        ),
        # a scope open when the optimizer was made comes before the variable
        ("train_op/net/w/Adam", ["net/w"], Slot("net/w", "Adam", "m")),
        ("a/b/net/w/Adam_1", ["net/w"], Slot("net/w", "Adam", "v")),
        # canned estimators
        ("dnn/kernel/t_0/Adam", ["dnn/kernel"], Slot("dnn/kernel", "Adam", "m")),
        ("lin/x/part_0/Ftrl", ["lin/x"], Slot("lin/x", "Ftrl", "accum")),
        # BERT, Mesh-TF, an optimizer of the user's own name
        ("w/adam_v", ["w"], Slot("w", "AdamWeightDecay", "v")),
        ("w_slot_vr", ["w"], Slot("w", "Adafactor", "vr")),
        ("net/w_slot_v", ["net/w"], Slot("net/w", "Adafactor", "v")),
        ("w/Foo", ["w"], Slot("w", "Foo", "0")),
        ("w/Foo_1", ["w"], Slot("w", "Foo", "1")),
        # tf.keras optimizers in a TF1 graph
        (
            "training/Adam/net/w/m",
            ["net/w", "training/Adam/iter"],
            Slot("net/w", "training/Adam", "m"),
        ),
        # moving averages
        (
            "train/w/ExponentialMovingAverage",
            ["w"],
            Slot("w", "ExponentialMovingAverage", "average"),
        ),
        (
            "gone/ExponentialMovingAverage",
            [],
            Slot("gone", "ExponentialMovingAverage", "average"),
        ),
    ],
)
def test_tf1_slots(key, others, expected):
    assert slot_of(key, {key, *others}) == expected


@pytest.mark.parametrize(
    "key",
    [
        "net/Adam",  # no variable "net": a weight that is called so
        "Adam",
        "net/m",
        "dense/kernel",
        "net/w_slot_v",
        "m",
        "",
        "/",
    ],
)
def test_without_its_variable_nothing_is_a_slot(key):
    assert slot_of(key, {key}) is None
    assert role_of(key, {key}) == "weight"


def test_a_weight_below_another_weight_stays_one():
    keys = {"emb", "emb/proj", "emb/W", "emb/w_1", "emb/kernel/m"}
    assert {key: role_of(key, keys) for key in keys} == dict.fromkeys(keys, "weight")


def test_object_slots():
    w = object_key("model", "w")
    m = slot_key("model/w", "optimizer", "m")
    assert slot_of(m, {w, m}) == Slot(w, "optimizer", "m")
    keras = object_key("model", "optimizer", "_variables", "3")
    assert slot_of(keras, {keras}) == Slot(None, "model/optimizer", "3")


def test_slots_of_names_kept_as_one_component():
    keys = {object_key("vars", name) for name in ["net/w", "net/w/Adam_1"]}
    found = slot_of(object_key("vars", "net/w/Adam_1"), keys)
    assert found == Slot(object_key("vars", "net/w"), "Adam", "v")


def test_roles_of_a_tf1_checkpoint():
    roles = {
        "net/w": "weight",
        "net/w/Adam": "slot",
        "net/w/Adam_1": "slot",
        "net/w/ExponentialMovingAverage": "average",
        "bn/moving_mean": "weight",
        "bn/moving_mean/ExponentialMovingAverage": "average",
        "beta1_power": "optimizer",
        "train_op/beta2_power_1": "optimizer",
        "current_loss_scale": "optimizer",
        "loss_scale/good_steps": "optimizer",
        "global_step": "step",
        "train_op/global_step": "step",
        "training/Adam/iter": "step",
        "training/Adam/beta_1": "optimizer",
        "training/Adam/net/w/v": "slot",
        "step": "weight",
        "IteratorV2:0-state": "bookkeeping",
        "input/OneShotIterator_1:0_STATE": "bookkeeping",
    }
    assert {key: role_of(key, roles) for key in roles} == roles


def test_roles_of_an_object_based_checkpoint():
    roles = {
        OBJECT_GRAPH_KEY: "bookkeeping",
        object_key("save_counter"): "bookkeeping",
        object_key("model", attribute="OBJECT_CONFIG_JSON"): "bookkeeping",
        object_key("iterator", attribute="ITERATOR_STATE"): "bookkeeping",
        object_key("keras_api", "metrics", "0", "total"): "bookkeeping",
        object_key("model", "w"): "weight",
        object_key("w"): "weight",
        object_key("table", attribute="-keys"): "weight",
        object_key("lookup", attribute="table-keys"): "bookkeeping",
        object_key("lookup", attribute="table-values"): "bookkeeping",
        object_key("callback", attribute="py_state"): "bookkeeping",
        object_key("saved", "keras_api", "metrics", "0", "total"): "bookkeeping",
        object_key("model", "loss_tracker", "total"): "bookkeeping",
        object_key("model", "loss_tracker", "count"): "bookkeeping",
        object_key("model", "auc", "true_positives"): "bookkeeping",
        object_key("model", "auc", "false_positives"): "bookkeeping",
        object_key("counting", "count"): "weight",
        object_key("net", "seed_generator", "state"): "bookkeeping",
        object_key("scaled", "dynamic_scale"): "optimizer",
        object_key("scaled", "step_counter"): "optimizer",
        object_key("net", "step_counter"): "weight",  # no spec says: an integer scalar
        slot_key("model/w", "optimizer", "m"): "slot",
        slot_key("model/w", "optimizer", "average"): "average",
        object_key("optimizer", "iter"): "step",
        object_key("optimizer", "beta_1"): "optimizer",
        object_key("opt3", "_iterations"): "step",
        object_key("opt3", "_learning_rate"): "optimizer",
        object_key("opt3", "_variables", "2"): "slot",
        # Keras 3 saves the model's own weights below the optimizer
        object_key("opt3", "_trainable_variables", "0"): "weight",
        object_key("global_step"): "step",
        object_key("vars", "global_step"): "step",
        object_key("vars", "net/w"): "weight",
        object_key("vars", "net/w/ExponentialMovingAverage"): "average",
        object_key("vars", "beta1_power"): "optimizer",
    }
    assert {key: role_of(key, roles) for key in roles} == roles
    quick = {key for key in roles if is_bookkeeping(key, roles)}
    assert quick == {key for key, role in roles.items() if role == "bookkeeping"}


F, N = TensorSpec(DType.float32, (2, 3)), TensorSpec(DType.int64, ())
X = TensorSpec(DType.float32, ())


def by_role(**keys):
    """Return specs, and the role of each, from keys with specs by role."""
    specs = {key: spec for each in keys.values() for key, spec in each.items()}
    return specs, {key: role for role, each in keys.items() for key in each}


# What each Keras calls the variables of its optimizers, and their object paths.
KERAS_NAMES = {
    "keras 3": by_role(
        weight={"net/d_1/kernel": F},
        slot={"adam/net_d_1_kernel_momentum": F, "adam/net_d_1_kernel_velocity": F},
        average={"adam/net_d_1_kernel_average": F},
        optimizer={"adam/learning_rate": X, "nadam_2/variable_7": X},
        step={"adam/iteration": N},
    ),
    "keras 3, by name": by_role(
        weight={"d/kernel": F},
        slot={"generator_opt/d_kernel_velocity_hat": F},
        optimizer={"generator_opt/variable_3": X},
        step={"generator_opt/iteration": N},
    ),
    "keras 3, whose steps go by another name": by_role(
        weight={"d/kernel": F}, slot={"rm_sprop_1/d_kernel_velocity": F}
    ),
    "keras 3, by path": by_role(
        weight={"d/kernel": F, "optimizer/_trainable_variables/0": F},
        slot={"optimizer/_variables/2": F},
        optimizer={"optimizer/_learning_rate": X, "optimizer/_u_product": X},
        step={"optimizer/_iterations": N},
    ),
    "keras 3, scaled": by_role(
        weight={"d/kernel": F},
        optimizer={"opt/dynamic_scale": X, "opt/step_counter": N},
        step={"other/step_counter": N},
    ),
    "tf-keras": by_role(
        weight={"d/kernel": F, "d/v": F},
        slot={"Adam/m/d/kernel": F, "mine/v/d/kernel": F, "v/d/v": F},
        average={"Adam/average/d/kernel": F},
        optimizer={"learning_rate": X},
        step={"iteration": N},
    ),
    "tf-keras, under a schedule": by_role(
        weight={"d/kernel": F},
        slot={"Adafactor/r/d/kernel": TensorSpec(DType.float32, (2,))},
        optimizer={"current_learning_rate": X},
        step={"iteration": N},
    ),
    "legacy, by path": by_role(
        weight={"d/kernel": F},
        slot={"d/kernel/optimizer/m": F, "d/kernel/optimizer/slow": F},
        optimizer={"optimizer/learning_rate": X},
        step={"optimizer/iter": N},
    ),
    "root": by_role(
        weight={object_key("w"): F},
        slot={object_key("_variables", "2"): F},
        optimizer={object_key("_learning_rate"): X},
        step={object_key("_iterations"): N},
    ),
}


@pytest.mark.parametrize(("specs", "roles"), KERAS_NAMES.values(), ids=KERAS_NAMES)
def test_roles_of_the_names_that_keras_gives(specs, roles):
    assert {key: role_of(key, specs) for key in specs} == roles


def test_names_like_those_of_keras_are_weights_without_an_optimizer():
    names = ["d/kernel", "net/m/d/kernel", "net/d_kernel_momentum", "d/kernel/x/m"]
    keys = {**dict.fromkeys(names, F), "net/iteration": F, "x/iteration": X}
    assert {role_of(key, keys) for key in keys} == {"weight"}


STEPS = ["step", "train_step", "global_step", "net/step_1", "_train_step_counter"]


@pytest.mark.parametrize("key_of", [str, object_key, lambda n: object_key("vars", n)])
def test_a_count_of_steps_is_an_integer_scalar(key_of):
    keys = {key_of(name): TensorSpec(DType.int32, ()) for name in STEPS}
    assert {role_of(key, keys) for key in keys} == {"step"}
    keys = dict.fromkeys(keys, X) | {key_of("step_size"): N, key_of("net/step/w"): F}
    assert {role_of(key, keys) for key in keys} == {"weight"}


def test_which_steps_are_those_of_an_optimizer():
    own = [object_key("opt", "iter"), object_key("opt", "_iterations"), "Adam/iter"]
    keys = dict.fromkeys([*own, "adam/iteration", "iteration"], N)
    assert all(is_step_of_optimizer(key, keys) for key in keys)
    others = dict.fromkeys(["global_step", object_key("step"), "train_step"], N)
    assert not any(is_step_of_optimizer(key, others) for key in others)


def test_what_takes_the_bias_off_a_moving_mean():
    mean, scoped = "net/bn/moving_mean", "net/net/bn/moving_mean"
    keys = {mean: F, f"{scoped}/biased": F, f"{scoped}/local_step": X}
    expected = ["weight", "optimizer", "optimizer"]
    assert [role_of(key, keys) for key in keys] == expected
    keys = {"a/biased": F, "a/local_step": X, "w/biased": F, "w": F}
    assert {role_of(key, keys) for key in keys} == {"weight"}


def test_lookup_tables_of_tf1():
    names = TensorSpec(DType.string, (4,))
    keys = {"t-keys": names, "t-values": N, "q-keys": F, "q-values": F, "k-keys": names}
    roles = [role_of(key, keys) for key in keys]
    assert roles == ["bookkeeping", "bookkeeping", "weight", "weight", "weight"]


def test_a_sum_of_another_shape_is_of_no_metric():
    keys = {object_key("net", "total"): F, object_key("net", "count"): X}
    assert {role_of(key, keys) for key in keys} == {"weight"}


def test_a_keras_optimizer_that_counts_its_steps_elsewhere():
    roles = {
        "dnn/kernel": "weight",
        "global_step": "step",
        "training/Adagrad/decay": "optimizer",
        "training/Adagrad/learning_rate": "optimizer",
        "training/Adagrad/dnn/kernel/accumulator": "slot",
    }
    assert {key: role_of(key, roles) for key in roles} == roles


def test_a_weight_beside_a_variable_called_iter_stays_a_weight():
    keys = {object_key("net", "iter"), object_key("net", "w"), "n/iter", "n/w"}
    assert role_of(object_key("net", "w"), keys) == "weight"
    assert role_of("n/w", keys) == "weight"


def test_what_ggt_keeps_for_all_variables():
    keys = {"flat_grad", "grad_buffer", "moment1", "w"}
    assert role_of("moment1", keys) == "optimizer"
    assert role_of("moment1", {"moment1", "w"}) == "weight"


@pytest.mark.parametrize(
    ("optimizer", "options"),
    [
        ("AdadeltaOptimizer", {}),
        ("AdagradOptimizer", {}),
        ("AdagradDAOptimizer", {"global_step": True}),
        ("AdamOptimizer", {}),
        ("FtrlOptimizer", {}),
        ("MomentumOptimizer", {"momentum": 0.9}),
        ("ProximalAdagradOptimizer", {}),
        ("RMSPropOptimizer", {}),
        ("RMSPropOptimizer", {"centered": True}),
    ],
)
@pytest.mark.parametrize("scope", ["", "train_op"])
def test_what_tensorflow_itself_calls_its_slots(tf, optimizer, options, scope):
    v1 = tf.compat.v1
    with tf.Graph().as_default():
        with v1.variable_scope("net"):
            weight = v1.get_variable("w", [2, 3], use_resource=True)
        step = v1.train.get_or_create_global_step()
        given = (
            {**options, "global_step": step} if "global_step" in options else options
        )
        with v1.variable_scope(scope) if scope else v1.name_scope("unused"):
            made = getattr(v1.train, optimizer)(0.1, **given)
            made.minimize(tf.reduce_sum(weight), step)
        keys = {variable.op.name for variable in v1.global_variables()}
        slots = {
            made.get_slot(weight, name).op.name: name for name in made.get_slot_names()
        }
    assert slots
    roles = dict.fromkeys(keys, "optimizer") | dict.fromkeys(slots, "slot")
    roles |= {"net/w": "weight", "global_step": "step"}
    assert {key: role_of(key, keys) for key in keys} == roles
    found = {key: slot_of(key, keys) for key in slots}
    assert {key: slot.name for key, slot in found.items()} == slots
    assert {slot.variable for slot in found.values()} == {"net/w"}


# Written by real TensorFlow 1.15, 2.15 and 2.21, by their own names for everything.
GOLDENS = Path(__file__).parents[1] / "goldens"
TRAINED = sorted(
    str(path.relative_to(GOLDENS).parent)
    for path in GOLDENS.glob("tf*/optimizer_*/model.ckpt.index")
    if path.parent.name != "optimizer_adam_named"  # see the next test
)


def golden_keys(name):
    path = GOLDENS / name / "model.ckpt.index"
    found = TableReader(path.read_bytes(), name)
    return {bytes(key).decode() for key, _ in found if key and key[0]}


def test_there_are_goldens():
    assert len(TRAINED) > 20


@pytest.mark.parametrize("name", TRAINED)
def test_only_the_weights_of_a_golden_are_weights(name):
    keys = golden_keys(name)
    weights = {key for key in keys if role_of(key, keys) == "weight"}
    is_gan = name.endswith("/optimizer_gan")
    known = {"generator/w", "discriminator/w"} if is_gan else {"net/b", "net/w"}
    assert weights == known
    slots = [slot_of(key, keys) for key in keys if role_of(key, keys) == "slot"]
    assert {slot.variable for slot in slots} <= weights


def test_slots_of_an_optimizer_with_a_name_like_a_weights_are_not_guessed():
    keys = golden_keys("tf1_15/optimizer_adam_named")
    assert "net/w/generator_opt" in keys
    assert role_of("net/w/generator_opt", keys) == "weight"


def test_digits_that_no_integer_holds_are_no_number():
    digits = "1" * 5_000
    assert slot_of(f"w/Adam_{digits}", {"w"}) == Slot("w", f"Adam_{digits}", "0")
    assert parse_partition(f"w/part_{digits}") is None
