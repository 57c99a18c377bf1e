"""Rules that stand for others, which depend on the tensors."""

from importlib import import_module

import pytest

import tf_ckpt_migrate as tcm
from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.errors import PlanError, RuleError
from tf_ckpt_migrate.names.resolution import resolve
from tf_ckpt_migrate.names.rules.recipe import recipe

SPECS = {name: TensorSpec(DType.float32, (2,)) for name in ("a/w", "a/b", "c")}


@pytest.fixture(autouse=True)
def kinds(monkeypatch):
    """A recipe of two renames, and an option."""
    import_module("tf_ckpt_migrate.recipes")  # or they would be gone with the patch
    monkeypatch.setattr(tcm.Recipe, "registry", dict(tcm.Recipe.registry))

    @recipe("test")
    def test(source, target, specs, targets, *, kernel="kernel"):
        if source + "w" not in specs:
            raise PlanError(f"{source!r} has no w")
        assert targets is None or targets
        rules = [tcm.Rename(source + "w", target + kernel)]
        return [*rules, tcm.Rename(source + "b", target + "bias")]


def test_it_stands_for_rules():
    found = resolve([tcm.Recipe("test", "a/", "x/"), tcm.Rename("c", "d")], SPECS)
    assert [move.target for move in found.moves] == ["x/kernel", "x/bias", "d"]


def test_a_part_of_it_may_be_left_out_before():
    """Where a rule that somebody wrote would be in vain, which is an error."""
    recipe = tcm.Recipe("test", "a/", "x/")
    found = resolve([tcm.Drop("a/b"), recipe, tcm.Keep("c")], SPECS)
    assert [move.target for move in found.moves] == ["x/kernel", "c"]
    assert found.notes[0].startswith("Rename('a/b', 'x/bias') decides about 0 of the 1")
    assert "went to Drop('a/b')" in found.notes[0]
    with pytest.raises(PlanError, match="never applies"):
        resolve([tcm.Drop("a/b"), tcm.Rename("a/b", "x"), tcm.Keep("/")], SPECS)
    with pytest.raises(PlanError, match="never applies"):
        resolve([tcm.Rename("a/b", "x"), recipe, tcm.Keep("/")], SPECS)


def test_an_option_and_the_targets():
    targets = {name: TensorSpec(DType.float32, (2,)) for name in ("x/k", "x/bias", "c")}
    found = resolve([tcm.Recipe("test", "a/", "x/", kernel="k")], SPECS, targets)
    assert {move.target for move in found.moves} == set(targets)


def test_its_own_error_is_told():
    with pytest.raises(PlanError, match="'b/' has no w"):
        resolve([tcm.Recipe("test", "b/", "x/")], SPECS)


def test_yaml():
    rules = tcm.AssignmentMap([tcm.Recipe("test", "a/", "x/", kernel="k")])
    config = [{"recipe": "test", "source": "a/", "target": "x/", "kernel": "k"}]
    assert rules.to_config() == config
    assert tcm.AssignmentMap.from_config(config) == rules


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tcm.Recipe("test", "a/", 7), "two scopes are wanted, as text"),
        (lambda: tcm.Recipe("test", "a/", "x/", kernel=[1]), "is no plain value"),
        (
            lambda: resolve([tcm.Recipe("tets", "a/", "x/")], SPECS),
            "did you mean 'test'",
        ),
        (
            lambda: resolve([tcm.Recipe("test", "a/", "x/", other=1)], SPECS),
            "it takes kernel, not other",
        ),
        (
            lambda: tcm.AssignmentMap.from_config([{"recipe": "test"}]),
            "a recipe needs 'source'",
        ),
        (
            lambda: tcm.AssignmentMap([tcm.Recipe("test", "a/", "x/")]).reversed(),
            "use plan.reversed",
        ),
    ],
)
def test_what_is_wrong(make, message):
    with pytest.raises(RuleError, match=message):
        make()
