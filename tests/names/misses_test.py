import pytest

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.names.misses import likely_causes

A, B = TensorSpec(DType.float32, (2, 3)), TensorSpec(DType.float32, (3,))


def maps(missing, free):
    return [{cause.source: cause.target} for cause in likely_causes(missing, free)]


@pytest.mark.parametrize(
    ("old", "new", "expected", "word"),
    [
        ("dense/kernel", "model/dense/kernel", {"/": "model/"}, "lacks"),
        ("a/b/dense/kernel", "dense/kernel", {"a/b/": "/"}, "model lacks"),
        ("dense/kernel", "dense_1/kernel", {"dense/": "dense_1/"}, "numbers"),
        ("v1", "v1_5", {"v1": "v1_5"}, "numbers"),
        ("bert/x/w", "encoder/x/w", {"bert/": "encoder/"}, "has 'bert/'"),
        ("m/dense_2/w", "n/dense/w", {"m/dense_2/": "n/dense/"}, "has"),
    ],
)
def test_a_cause_is_a_map_that_would_help(old, new, expected, word):
    [cause] = likely_causes({new: A}, {old: A})
    assert {cause.source: cause.target} == expected
    assert word in cause.text


def test_the_cause_of_most_comes_first():
    free = {"a/w": A, "a/b": B, "c": A}
    missing = {"n/a/w": A, "n/a/b": B, "c_1": A}
    assert maps(missing, free) == [{"/": "n/"}, {"c": "c_1"}]


def test_a_tensor_of_another_shape_is_no_cause():
    assert maps({"n/w": A}, {"w": B}) == []
    assert maps({"n/w": None}, {"w": B}) == [{"/": "n/"}]


def test_of_several_the_one_with_most_in_common_is_meant():
    free = {f"layer_{n}/dense/w": A for n in range(12)}
    missing = {"net/layer_7/dense/w": A}
    assert maps(missing, free) == [{"/": "net/"}]


def test_scopes_fit_by_their_shapes_and_lead_to_one_place_each():
    free = {"conv2d/w": A, "conv2d/b": B, "conv2d_1/w": B, "conv2d_1/b": B}
    missing = {"conv1/w": A, "conv1/b": B, "conv2/w": B, "conv2/b": B}
    assert maps(missing, free) == [{"conv2d/": "conv1/"}, {"conv2d_1/": "conv2/"}]


def test_nothing_alike_has_no_cause():
    assert maps({"w": A}, {"x": A}) == []
