"""Which tensors are the same on both sides, without a rule."""

import pytest

from tests.naming.graphs import END, catalog
from tf_ckpt_migrate.naming.identity import match_identities
from tf_ckpt_migrate.naming.numbered_names import NumberedNames


def listed(*names, root="layers"):
    """Return the catalog of variables in a list."""
    places = {str(place): 2 + place for place in range(len(names))}
    variables = {
        2 + place: (f"{root}/{place}", name) for place, name in enumerate(names)
    }
    return catalog({0: {root: 1}, 1: places}, variables)


def attributes(**names):
    """Return the catalog of variables that are attributes of the root."""
    edges = {0: {path: 1 + at for at, path in enumerate(names)}}
    return catalog(edges, {1 + at: pair for at, pair in enumerate(names.items())})


def pairs(source, target):
    found = match_identities(source, target)
    return {
        key.removesuffix(END): to.removesuffix(END) for key, to in found.pairs.items()
    }


def test_names_decide_where_a_list_has_shifted():
    found = pairs(listed("net/a", "net/b", "net/c"), listed("net/b", "net/c"))
    assert found == {"layers/1": "layers/0", "layers/2": "layers/1"}


def test_names_decide_where_a_list_has_another_order():
    found = pairs(listed("net/a", "net/b"), listed("net/b", "net/a"))
    assert found == {"layers/0": "layers/1", "layers/1": "layers/0"}


def test_without_names_equal_lists_match_by_position_and_this_is_reported():
    found = match_identities(listed("", ""), listed("", ""))
    assert len(found.pairs) == len(found.by_position) == 2


def test_without_names_lists_of_unequal_length_match_nothing():
    assert pairs(listed("", ""), listed("", "", "")) == {}


def test_a_list_that_one_name_shows_to_be_shifted_matches_nothing_by_position():
    found = pairs(listed("", "net/b", ""), listed("net/b", "", ""))
    assert found == {"layers/1": "layers/0"}


def test_an_attribute_decides_before_a_number_that_keras_gave():
    source = attributes(first="dense/kernel", second="dense_1/kernel")
    target = attributes(second="dense/kernel", first="dense_1/kernel")
    assert pairs(source, target) == {"first": "first", "second": "second"}


def test_attributes_and_given_names_that_disagree_are_a_contradiction():
    source = attributes(first="net/a", second="net/b")
    target = attributes(first="net/b", second="net/a")
    found = match_identities(source, target)
    assert not found.pairs
    assert [each.source for each in found.contradictions] == [
        "first" + END,
        "second" + END,
    ]


def test_a_name_that_two_lists_have_is_told_apart_by_the_list():
    def twice(*order):
        return catalog(
            {0: {"all": 1, "own": 2}, 1: {"0": 3, "1": 4}, 2: {"0": 5, "1": 6}},
            {
                3: ("all/0", order[0]),
                4: ("all/1", order[1]),
                5: ("own/0", "m/a"),
                6: ("own/1", "m/b"),
            },
        )

    found = pairs(twice("m/a", "m/b"), twice("m/b", "m/a"))
    assert found == {
        "all/0": "all/1",
        "all/1": "all/0",
        "own/0": "own/0",
        "own/1": "own/1",
    }


@pytest.mark.parametrize(
    ("source", "target", "same"),
    [
        (["dense/w", "dense_1/w"], ["dense_7/w", "dense_8/w"], True),
        (["net/a/w"], ["net_3/a/w"], True),
        (["dense/w", "dense_1/w"], ["dense/w", "dense_1/w", "dense_2/w"], False),
        (["layer_1/w", "layer_2/w"], ["layer_1/w", "layer_2/w", "layer_3/w"], True),
    ],
)
def test_numbers_of_keras_correspond_where_there_are_equally_many(source, target, same):
    names = NumberedNames(source, target)
    common = [names.of_source(name) for name in source]
    others = [names.of_target(name) for name in target]
    assert common == others[: len(source)]
    assert (None not in common) == same
