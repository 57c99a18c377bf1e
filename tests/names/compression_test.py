"""Few rules that say the same as many: each is looked up, none is guessed."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.names.compression import Renamed, compressed, generalizations
from tf_ckpt_migrate.names.resolution import resolve
from tf_ckpt_migrate.names.rules import Rename, RenameRegex, RenameScope
from tf_ckpt_migrate.transforms import Reshape, Transpose

SPEC = TensorSpec(DType.float32, (2, 2))


def meant(rules, keys, targets):
    """Return which source a map brings to which target, if the rest may stay."""
    specs, places = dict.fromkeys(keys, SPEC), dict.fromkeys(targets, SPEC)
    found = resolve(rules, specs, places, unused="drop", missing="keep")
    return {move.sources[0]: move.target for move in found.moves}


# Few words and numbers, so that names often look alike.
names = st.lists(
    st.sampled_from(
        ["net", "w", "b", "layer_1", "layer_2", "layer_10", "1", "a.b", "x-1"]
    ),
    min_size=1,
    max_size=4,
).map("/".join)


@settings(max_examples=60)
@given(
    sources=st.lists(names, unique=True, min_size=1, max_size=10),
    targets=st.lists(names, unique=True, min_size=10, max_size=10),
    left=st.integers(0, 4),
)
def test_rules_mean_the_pairs_and_nothing_else(sources, targets, left):
    pairs = {s: f"to/{t}" for s, t in zip(sources[left:], targets, strict=False)}
    renamed = [Renamed(source, (target,)) for source, target in pairs.items()]
    for even_same in (False, True):
        rules = compressed(renamed, sources[:left], even_same=even_same)
        assert meant(rules, sources, pairs.values()) == pairs
        assert len(rules) <= len(pairs)


@settings(max_examples=100)
@given(names, names)
def test_what_a_name_is_an_instance_of_gives_that_name(source, target):
    for rule in generalizations(source, target, None):
        if isinstance(rule, RenameRegex):
            found = re.fullmatch(rule.pattern, source)
            assert found is not None
            assert found.expand(rule.target) == target, rule
        else:
            assert source.startswith(rule.source)
            assert rule.target_of(source) == target, rule


def rules_for(pairs, others=()):
    renamed = [Renamed(s, (t,) if isinstance(t, str) else t) for s, t in pairs.items()]
    return compressed(renamed, others)


def test_a_scope_is_one_rule():
    pairs = {f"bert/{name}": f"encoder/{name}" for name in ("a/w", "a/b", "c")}
    assert rules_for(pairs) == [RenameScope("bert", "encoder")]


def test_a_scope_that_holds_others_is_not_moved_whole():
    pairs = {f"bert/{name}": f"encoder/{name}" for name in ("a/w", "a/b", "c")}
    rules = rules_for(pairs, others=["bert/left"])
    assert rules == [RenameScope("bert/a", "encoder/a"), Rename("bert/c", "encoder/c")]


def test_numbers_become_groups():
    pairs = {f"l_{i}/c_{j}/w": f"n{j}x{i}/k" for i in range(3) for j in range(4)}
    assert rules_for(pairs) == [RenameRegex(r"l_(\d+)/c_(\d+)/w", r"n\2x\1/k")]


def test_numbers_that_are_counted_otherwise_stay_apart():
    pairs = {f"l_{i}/{n}": f"n/{i + 1}/{n}" for i in range(3) for n in ("w", "b")}
    assert rules_for(pairs) == [RenameScope(f"l_{i}", f"n/{i + 1}") for i in range(3)]


def test_the_name_that_makes_fewer_rules_is_taken():
    pairs = {f"l_{i}/w": (f"obj-{7 * i + 3}/w", f"dense_{i}/w") for i in range(5)}
    assert rules_for(pairs) == [RenameRegex(r"l_(\d+)/w", r"dense_\1/w")]


def test_transforms_are_part_of_a_rule():
    how = Transpose((1, 0))
    pairs = [Renamed(f"l_{i}/w", (f"n_{i}/k",), how) for i in range(3)]
    pairs.append(Renamed("l_3/w", ("n_3/k",), Reshape((4, 1))))
    assert compressed(pairs, []) == [
        Rename("l_3/w", "n_3/k", Reshape((4, 1))),
        RenameRegex(r"l_(\d+)/w", r"n_\1/k", how),
    ]


def test_what_keeps_its_name_needs_no_rule():
    assert rules_for({"a/w": "a/w", "b/w": "c/w"}) == [Rename("b/w", "c/w")]
    pairs = {"a/w": "a/w", "a/b": "a/b", "b/w": "c/w"}
    renamed = [Renamed(source, (target,)) for source, target in pairs.items()]
    assert compressed(renamed, [], even_same=True) == [
        RenameScope("a", "a"),
        Rename("b/w", "c/w"),
    ]


def test_exceptions_stand_before_a_wide_rule():
    pairs = {f"net/{n}/w": f"to/{n}/w" for n in ("a", "b", "c", "d/e")}
    pairs |= {"net/a/gamma": "to/a/scale"}
    assert rules_for(pairs) == [
        Rename("net/a/gamma", "to/a/scale"),
        RenameScope("net", "to"),
    ]
    assert meant(rules_for(pairs), pairs, pairs.values()) == pairs


def test_a_wide_rule_never_takes_what_must_be_left():
    pairs = {f"net/{n}/w": f"to/{n}/w" for n in ("a", "b", "c")}
    rules = rules_for(pairs, others=["net/d/w", "net/left"])
    assert len(rules) == len(pairs)
