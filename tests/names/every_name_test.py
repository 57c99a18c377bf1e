"""Rules use every name of a tensor, and what no rule decides goes by identity."""

import pytest

from tests.naming.graphs import END, SPEC, catalog
from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.names.resolution import check_choices, resolve
from tf_ckpt_migrate.names.rules import (
    Combine,
    Drop,
    Keep,
    Rename,
    RenameRegex,
    RenameScope,
    Split,
)
from tf_ckpt_migrate.transforms import Concat, Slice

LISTED = "optimizer/_trainable_variables/{}" + END


def trained(*layers, first=0):
    """Return a model whose optimizer lists its kernels first, as in Keras 3."""
    places = {str(first + place): 10 + place for place in range(len(layers))}
    edges = {
        0: {"optimizer": 1, "model": 2},
        1: {"_trainable_variables": 3},
        2: {f"attribute_{layer}": 20 + at for at, layer in enumerate(layers)},
        3: places,
    }
    edges |= {20 + at: {"_kernel": 10 + at} for at in range(len(layers))}
    variables = {
        10 + at: (f"optimizer/_trainable_variables/{first + at}", f"net/{layer}/kernel")
        for at, layer in enumerate(layers)
    }
    return catalog(edges, variables)


def plan(rules, source, target=None, **options):
    targets = None if target is None else dict.fromkeys(target, SPEC)
    sources = dict.fromkeys(source, SPEC)
    found = resolve(rules, sources, targets, sources=source, targets=target, **options)
    return {move.target: move.sources for move in found.moves}, found


@pytest.mark.parametrize(
    "rule",
    [
        Rename("net/a/kernel", "x/a/kernel"),
        Rename("model/attribute_a/kernel", "x/a/kernel"),
        Rename("model/attribute_a/_kernel", "x/a/kernel"),
        Split("net/a/kernel", ["x/a/kernel"]),
        RenameScope("net/a/", "x/a/"),
        RenameScope("model/attribute_a/", "x/a/"),
        RenameRegex(r"net/(\w)/(kernel)", r"x/\1/\2"),
        RenameRegex(r"model/attribute_(\w)/(kernel)", r"x/\1/\2"),
    ],
)
def test_each_kind_of_rule_takes_each_name_of_the_source(rule):
    moves, _ = plan([rule], trained("a"))
    assert moves == {"x/a/kernel": (LISTED.format(0),)}


@pytest.mark.parametrize(
    "name", ["net/a/kernel", "model/attribute_a/kernel", LISTED.format(0)]
)
@pytest.mark.parametrize("choice", [Drop, Keep])
def test_drop_and_keep_take_each_name(choice, name):
    _, found = plan([choice(name)], trained("a"))
    assert bool(found.dropped) == (choice is Drop)


@pytest.mark.parametrize(
    "rule",
    [
        Rename("old", "model/attribute_a/kernel"),
        Rename("old", "net/a/kernel"),
        RenameScope("", "net/a/"),
        RenameRegex("old", "model/attribute_a/kernel"),
    ],
)
def test_each_kind_of_rule_takes_each_name_of_the_target(rule):
    old = {"kernel" if isinstance(rule, RenameScope) else "old": SPEC}
    target = trained("a")
    found = resolve([rule], old, dict.fromkeys(target, SPEC), targets=target)
    assert [move.target for move in found.moves] == [LISTED.format(0)]


def test_combine_takes_variable_names():
    rule = Combine(["net/a/kernel", "net/b/kernel"], {"both": Concat(0)})
    moves, _ = plan([rule], trained("a", "b"))
    assert moves == {"both": (LISTED.format(0), LISTED.format(1))}


def test_split_takes_variable_names_with_transforms():
    rule = Split("net/a/kernel", {"x": Slice((0,), (1,)), "y": Slice((1,), (1,))})
    moves, _ = plan([rule], trained("a"))
    assert moves.keys() == {"x", "y"}


def test_a_frozen_layer_shifts_no_other():
    moves, _ = plan([], trained("a", "b", "c"), trained("b", "c"), unused="drop")
    assert moves == {
        LISTED.format(0): (LISTED.format(1),),
        LISTED.format(1): (LISTED.format(2),),
    }


def test_names_and_attributes_that_disagree_are_an_error():
    source = catalog({0: {"a": 1, "b": 2}}, {1: ("a", "x/w"), 2: ("b", "y/w")})
    target = catalog({0: {"a": 1, "b": 2}}, {1: ("a", "y/w"), 2: ("b", "x/w")})
    with pytest.raises(PlanError, match="belong to two targets"):
        plan([], source, target)


def test_a_name_of_two_variables_is_an_error_that_lists_them():
    source = catalog({0: {"a": 1, "b": 2}}, {1: ("a", "w"), 2: ("b", "w")})
    with pytest.raises(
        PlanError, match=r"'w' may be 'a/.*, 'b/.*; give the key of one"
    ):
        plan([Rename("w", "x"), Drop("/")], source)


def test_positions_are_reported():
    def unnamed():
        return catalog({0: {"l": 1}, 1: {"0": 2}}, {2: ("l/0", "")})

    _, found = plan([], unnamed(), unnamed())
    assert "matched by their positions" in found.notes[0]


def test_a_drop_that_earlier_rules_leave_nothing_is_an_error():
    with pytest.raises(PlanError, match=r"Drop\('net/w'\) after RenameScope"):
        check_choices([RenameScope("net/", "x/"), Drop("net/w")], {"net/w": SPEC})


def test_what_is_dropped_twice_is_dropped():
    check_choices([Drop("net/"), Drop("net/w")], {"net/w": SPEC})


def test_a_drop_of_all_the_rest_may_have_nothing_left():
    check_choices([RenameScope("net/", "x/"), Drop("/")], {"net/w": SPEC})


def test_keep_takes_what_it_names_and_nothing_else():
    both = {"body/w": SPEC, "head/w": SPEC}
    found = resolve([Keep("body/")], both, both, unused="drop", missing="keep")
    assert [move.target for move in found.moves] == ["body/w"]
    assert [kept.name for kept in found.kept_targets] == ["head/w"]
