"""Catalogs know a tensor by its key, its variable name and every path to it."""

import pytest

from tests.naming.graphs import END, SPEC, catalog
from tf_ckpt_migrate.naming.catalog import Ambiguous, TensorCatalog


@pytest.fixture
def keras_3():
    """A model whose only layer, `dense`, is listed by the optimizer too."""
    return catalog(
        {
            0: {"optimizer": 1, "model": 2},
            1: {
                "_trainable_variables": 3,
                "_variables": 6,
                "_iterations": 7,
                "_moms": 9,
            },
            2: {"dense": 4},
            3: {"0": 5},
            4: {"_kernel": 5},
            6: {"0": 7, "1": 8},
            9: {"0": 8},
        },
        {
            5: ("optimizer/_trainable_variables/0", "net/dense/kernel"),
            7: ("optimizer/_iterations", "adam/iteration"),
            8: ("optimizer/_variables/1", "adam/net_dense_kernel_momentum"),
        },
    )


@pytest.mark.parametrize(
    "name",
    [
        "net/dense/kernel",
        "model/dense/kernel",
        "model/dense/_kernel",
        "optimizer/_trainable_variables/0",
        "optimizer/_trainable_variables/0" + END,
    ],
)
def test_every_name_finds_the_tensor(keras_3, name):
    assert keras_3.find(name).key == "optimizer/_trainable_variables/0" + END


def test_an_unknown_name_finds_nothing(keras_3):
    assert keras_3.find("dense/kernel") is None


def test_a_name_based_checkpoint_is_found_by_key_alone():
    names = TensorCatalog({"net/w": SPEC})
    assert names.find("net/w").names == ("net/w",)
    assert names.find("w") is None


def test_a_slot_variable_belongs_to_the_variable_at_its_place(keras_3):
    slot = keras_3["optimizer/_variables/1" + END]
    assert slot.owner.variable == "optimizer/_trainable_variables/0" + END
    assert slot.owner.name == "momentum"
    assert keras_3["optimizer/_iterations" + END].owner is None


def test_a_slot_of_tf_keras_belongs_to_the_variable_in_its_name():
    found = catalog(
        {
            0: {"optimizer": 1, "a": 2, "b": 3},
            1: {"_variables": 4, "_iterations": 5},
            4: {"0": 5, "1": 6, "2": 7},
        },
        {
            2: ("a", "net/a/kernel"),
            3: ("b", "a/kernel"),  # a part of the other one's name
            5: ("optimizer/_iterations", "iteration"),
            6: ("optimizer/_variables/1", "Adam/m/net/a/kernel"),
            7: ("optimizer/_variables/2", "v/a/kernel"),
        },
    )
    assert found["optimizer/_variables/1" + END].owner[::2] == ("a" + END, "m")
    assert found["optimizer/_variables/2" + END].owner[::2] == ("b" + END, "v")


def test_a_legacy_slot_belongs_to_the_variable_that_the_graph_names():
    key = "a/.OPTIMIZER_SLOT/optimizer/m"
    found = catalog(
        {0: {"a": 1, "optimizer": 2}},
        {1: ("a", "a"), 3: (key, "Adam/a/m")},
        [(2, 1, "m", 3)],
    )
    assert found[key + END].owner[::2] == ("a" + END, "m")
    assert found.find("a/optimizer/m").key == key + END


def test_a_name_of_several_variables_is_ambiguous():
    found = catalog({0: {"a": 1, "b": 2}}, {1: ("a", "Variable"), 2: ("b", "Variable")})
    assert found.find("Variable") == Ambiguous("Variable", ("a" + END, "b" + END))
    assert found.find("b").key == "b" + END


def test_a_variable_name_comes_before_a_path():
    found = catalog({0: {"a": 1, "b": 2}}, {1: ("a", "b"), 2: ("b", "w")})
    assert found.find("b").key == "a" + END


def test_a_shared_object_that_many_paths_lead_to_is_bounded():
    # Thirty objects, each with two edges to the next: 2**30 paths to the last one.
    edges = {node: {"a": node + 1, "b": node + 1} for node in range(30)}
    found = catalog(edges, {30: ("/".join("a" * 30), "w")})
    assert found.find("w").object_paths[0] == ("a",) * 30
    assert len(found.find("w").object_paths) == 8


def test_objects_that_refer_to_each_other_end():
    found = catalog({0: {"a": 1}, 1: {"parent": 0, "w": 2}}, {2: ("a/w", "")})
    assert found.find("a/w").object_paths == (("a", "w"),)
