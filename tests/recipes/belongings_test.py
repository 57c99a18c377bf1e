"""What belongs to a variable, and what it is called with another name of that."""

import pytest

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.errors import PlanError, RuleError
from tf_ckpt_migrate.naming.keys import object_key
from tf_ckpt_migrate.recipes.slot_variables import belongings, check_variable, place_of

SPEC = TensorSpec(DType.float32, (2,))


def test_each_is_with_its_variable():
    names = ["a", "a/b", "a/Adam", "train/a/b/Adam", "a/b/part_0/Ftrl", "a_slot_v"]
    found = belongings(dict.fromkeys([*names, "x/RMSProp_1"], SPEC))
    keys = {variable: [key for key, _ in own] for variable, own in found.items()}
    assert keys == {
        "a": ["a/Adam", "a_slot_v"],
        "a/b": ["train/a/b/Adam", "a/b/part_0/Ftrl"],
    }


@pytest.mark.parametrize(
    ("key", "variable", "expected"),
    [
        ("a/Adam", "a", "n/w/Adam"),
        ("a/Adagrad", "a", "n/w/Adagrad"),
        ("train/a/Adam_1", "a", "train/n/w/Adam_1"),
        ("a/a/Adam", "a", "a/n/w/Adam"),
        ("a_slot_vr", "a", "n/w_slot_vr"),
        ("x/weights/part_0/Ftrl", "x/weights", "n/w/part_0/Ftrl"),
        ("Adam/a.b/m", "a.b", "Adam/n/w/m"),
    ],
)
def test_names(key, variable, expected):
    assert place_of(key, variable, "n/w") == expected


def test_objects():
    old, new = object_key("vars", "a"), object_key("vars", "n/w")
    slot = object_key("vars", "a/Adagrad")
    assert place_of(slot, old, new) == object_key("vars", "n/w/Adagrad")
    slot = "a/.OPTIMIZER_SLOT/opt/m/.ATTRIBUTES/VARIABLE_VALUE"
    assert place_of(slot, object_key("a"), "n/w") == "n/w/opt/m"
    expected = slot.replace("a/", "b/", 1)
    assert place_of(slot, object_key("a"), object_key("b")) == expected


def test_what_is_no_variable():
    check_variable("a", "b", {"a": SPEC})
    with pytest.raises(RuleError, match="'b/' a scope"):
        check_variable("a", "b/", {"a": SPEC})
    with pytest.raises(PlanError, match=r"no variable 'aa' .*nearest are 'ab'"):
        check_variable("aa", "b", {"ab": SPEC})
