import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.errors import PlanError, RuleError
from tf_ckpt_migrate.names.assignment_map import AssignmentMap
from tf_ckpt_migrate.names.moves import Dropped, Move
from tf_ckpt_migrate.names.resolution import resolve
from tf_ckpt_migrate.names.rules import (
    Combine,
    Drop,
    Keep,
    Rename,
    RenameRegex,
    RenameScope,
    Split,
)
from tf_ckpt_migrate.transforms import Cast, Concat, Slice, Transpose

S = TensorSpec(DType.float32, (2, 3))
T = TensorSpec(DType.float32, (3, 2))


def specs(*names, spec=S):
    return dict.fromkeys(names, spec)


def pairs(resolution):
    return {(*move.sources, move.target) for move in resolution.moves}


def problems(*args, **kwargs):
    with pytest.raises(PlanError) as caught:
        resolve(*args, **kwargs)
    return caught.value


def test_without_rules_names_match_themselves():
    result = resolve(None, specs("a", "b"), specs("b", "a"))
    assert pairs(result) == {("a", "a"), ("b", "b")}


def test_without_rules_and_target_nothing_is_guessed():
    error = problems(None, specs("a", "b"))
    assert error.problems == (
        "unused source: 'a' float32[2, 3]",
        "unused source: 'b' float32[2, 3]",
    )
    kept = resolve(None, specs("a", "b"), unused="keep")
    assert pairs(kept) == {("a", "a"), ("b", "b")}


def test_a_scope_is_whole_components():
    source = specs("bert/w", "bert/a/b", "bert", "bert_2/w")
    result = resolve([("bert/", "enc/"), Keep(pattern="bert|bert_2/w")], source)
    assert pairs(result) == {
        ("bert/w", "enc/w"),
        ("bert/a/b", "enc/a/b"),
        ("bert", "bert"),
        ("bert_2/w", "bert_2/w"),
    }


def test_first_match_wins_and_is_never_chained():
    result = resolve(
        [Rename("a/w", "b/w"), RenameScope("a", "c"), RenameScope("b", "d")],
        specs("a/w", "a/x", "b/y"),
    )
    assert pairs(result) == {("a/w", "b/w"), ("a/x", "c/x"), ("b/y", "d/y")}
    assert result.notes == (
        (
            "RenameScope('a/', 'c/') decides about 1 of the 2 keys that it fits; the "
            "others went to Rename('a/w', 'b/w'), which comes first"
        ),
    )


def test_moves_come_in_the_order_of_their_sources():
    source = specs("z", "p", "a", "q")
    rules = [("a", "1"), ("z", "2"), Combine(["q", "p"], "3", Concat())]
    assert [move.target for move in resolve(rules, source).moves] == ["2", "3", "1"]


def test_swapping_two_names_is_no_collision():
    result = resolve({"a": "b", "b": "a"}, specs("a", "b"))
    assert pairs(result) == {("a", "b"), ("b", "a")}


def test_patterns_fit_whole_keys():
    rule = RenameRegex(r"layer_(\d+)/w", r"layers/\1")
    error = problems([rule], specs("layer_1/w", "net/layer_2/w", "layer_3/w/Adam"))
    assert len(error.problems) == 2
    assert "net/layer_2/w" in error.problems[0]


def test_drop_by_name_scope_pattern_and_role():
    source = specs("w", "w/Adam", "w/Adam_1", "s/x", "t1", "t2", "beta1_power")
    rules = [
        Drop(role="slot"),
        Drop(role="optimizer"),
        Drop("s/", reason="too old"),
        Drop(pattern=r"t\d"),
        Rename("w", "v"),
    ]
    result = resolve(rules, source)
    assert pairs(result) == {("w", "v")}
    assert result.dropped[2] == Dropped("s/x", "too old")
    assert result.dropped[0] == Dropped("w/Adam", "Drop(role='slot')")
    assert len(result.dropped) == 6


def test_one_source_to_several_targets():
    halves = {"x": Slice((0, 0), (1, 3)), "y": Slice((1, 0), (1, 3)), "z": None}
    result = resolve([Split("w", halves)], specs("w"))
    assert [(m.target, m.spec.shape) for m in result.moves] == [
        ("x", (1, 3)),
        ("y", (1, 3)),
        ("z", (2, 3)),
    ]


def test_several_sources_to_several_targets():
    made = {"c": Concat(0), "d": Concat(1)}
    result = resolve([Combine(["a", "b"], made)], specs("a", "b"))
    assert [str(move) for move in result.moves] == [
        "'a' + 'b' -> 'c' float32[4, 3] by Concat(axis=0)",
        "'a' + 'b' -> 'd' float32[2, 6] by Concat(axis=1)",
    ]


def test_collisions_are_errors():
    error = problems({"a": "c", "b": "c"}, specs("a", "b"))
    assert error.problems == ("collision: 'c' from 'a' and 'b'",)
    error = problems({"a": "b"}, specs("a", "b"), unused="keep")
    assert error.problems == ("collision: 'b' from 'a' and 'b'",)
    error = problems({"a": "b"}, specs("a", "b"), specs("b"))
    assert error.problems == ("collision: 'b' from 'a' and 'b'",)


def test_shapes_and_dtypes_must_agree():
    error = problems({"a": "b"}, specs("a"), specs("b", spec=T))
    assert error.problems == (
        (
            "dtype or shape differs: 'a' -> 'b' float32[2, 3], but the target has "
            "float32[3, 2]; transform=Transpose(perm=(1, 0)) would fit"
        ),
    )
    half = S._replace(dtype=DType.bfloat16)
    error = problems({"a": "b"}, specs("a"), specs("b", spec=half))
    assert "transform=Cast('bfloat16') would fit" in str(error)
    text = S._replace(dtype=DType.string)
    assert "would fit" not in str(problems(None, specs("a"), specs("a", spec=text)))


def test_transforms_are_counted_in():
    result = resolve(
        [Rename("a", "b", Transpose((1, 0)))], specs("a"), specs("b", spec=T)
    )
    assert result.moves == (Move(("a",), "b", Transpose((1, 0)), T),)
    error = problems([Rename("a", "b", Cast("int8"))], specs("a"), specs("b"))
    assert "float32[2, 3] " not in error.problems[0]
    assert "'b' int8[2, 3] by Cast" in error.problems[0]
    error = problems([Rename("a", "b", Transpose((0,)))], specs("a"))
    assert error.problems == (
        (
            "transform does not fit: 'a' -> 'b': Transpose(perm=(0,)) does not fit "
            "float32[2, 3]: it takes 1 dimensions"
        ),
    )


def test_every_target_is_met_or_kept_on_purpose():
    error = problems(None, specs("a"), specs("a", "b"))
    assert error.problems == ("missing target: 'b' float32[2, 3]",)
    assert 'or pass missing="keep"' in str(error)
    kept = resolve(None, specs("a"), specs("a", "b"), missing="keep").kept_targets
    assert [entry.name for entry in kept] == ["b"]


def test_names_written_out_must_exist_in_the_target():
    target = specs("net/kernel")
    for policy in ("error", "drop", "keep"):
        error = problems({"w": "net/kernal"}, specs("w"), target, unused=policy)
        assert "no such target: 'net/kernal' (of source 'w')" in error.problems
        assert "nearest in the target: 'net/kernel'" in str(error)


def test_names_that_a_scope_makes_follow_unused():
    source, target = specs("a/w", "a/w/Adam"), specs("b/w")
    error = problems({"a/": "b/"}, source, target)
    assert error.problems == ("no such target: 'b/w/Adam' (of source 'a/w/Adam')",)
    dropped = resolve({"a/": "b/"}, source, target, unused="drop").dropped
    assert dropped == (Dropped("a/w/Adam", "the target has no 'b/w/Adam'"),)
    kept = resolve({"a/": "b/"}, source, target, unused="keep")
    assert ("a/w/Adam", "b/w/Adam") in pairs(kept)


def test_keep_carries_what_the_target_does_not_know():
    result = resolve([Keep("step")], specs("step", "w"), specs("w"))
    assert pairs(result) == {("step", "step"), ("w", "w")}


def test_aliases_name_targets_too():
    target = specs("model/w/.ATTRIBUTES/VARIABLE_VALUE", "model/b/.ATTRIBUTES/X")
    aliases = {
        "dense/kernel": "model/w/.ATTRIBUTES/VARIABLE_VALUE",
        "dense/bias": "model/b/.ATTRIBUTES/X",
    }
    source = specs("old/kernel", "dense/bias")
    result = resolve({"old/": "dense/"}, source, target, aliases=aliases)
    assert {move.target for move in result.moves} == set(target)


def test_where_both_sides_are_open_rules_can_be_proposed():
    source, target = specs("net/w", "net/w/Adam"), specs("dense/kernel", spec=T)
    call = "rules proposed, with how sure they are, by suggest_assignment_map("
    assert call in str(problems(None, source, target))
    told = str(problems(None, source, target | specs("optimizer/iterations")))
    assert "optimizer go on by Recipe('optimizer', 'Adam', 'optimizer'), if" in told
    assert call not in str(problems({"net/": "net/"}, source, target | source))


@pytest.mark.parametrize(
    ("rule", "hint"),
    [
        (
            Rename("bert", "encoder"),
            "slash: RenameScope('bert/', 'encoder/')",
        ),
        (Rename("w", "bert/kernel"), "turned around it would fit"),
        (RenameScope("encoder", "bert"), "turned around it would fit"),
    ],
)
def test_why_a_rule_matches_nothing_where_no_target_tells(rule, hint):
    (problem,) = problems([rule], specs("bert/kernel"), unused="keep").problems
    assert hint in problem


def test_rules_that_match_nothing():
    source = specs("bert/dense/kernel")
    rules = [
        Rename("bert/dense/kernal", "w"),
        RenameScope("brt", "b"),
        RenameRegex("x.*", "y"),
        Drop("gone"),
        Keep("also/"),
        RenameScope("bert", "encoder"),
    ]
    error = problems(rules, source)
    assert error.problems == (
        "rule matches nothing: Rename('bert/dense/kernal', 'w')",
        "rule matches nothing: RenameScope('brt/', 'b/')",
        "rule matches nothing: RenameRegex('x.*', 'y')",
    )
    assert "nearest in the source: 'bert/dense/kernel'" in str(error)
    notes = resolve(rules[3:], source).notes
    assert notes == ("Drop('gone') matched no key", "Keep('also/') matched no key")


def test_a_rule_that_earlier_ones_leave_nothing_is_an_error():
    error = problems([("a/", "b/"), ("a/w", "c")], specs("a/w"))
    assert error.problems == (
        (
            "rule never applies: Rename('a/w', 'c') after RenameScope('a/', 'b/'); put "
            "the narrower rule first"
        ),
    )


def test_names_of_graph_tensors_are_told_what_is_too_much():
    error = problems([("w:0", "v")], specs("w"), specs("v"))
    assert error.problems[0] == (
        f"rule matches nothing: {Rename('w:0', 'v')}; names in a checkpoint have no "
        "':0': 'w' is there"
    )
    error = problems([("w", "v:0")], specs("w"), specs("v"))
    assert error.problems[0] == (
        "no such target: 'v:0' (of source 'w'); names here have no ':0'"
    )


def test_the_rules_that_are_advised_work_in_their_order():
    source, target = specs("a/w", "a/w/Adam", "b", "b/Adam"), specs("v", "x/w/Adam")
    error = problems([], source, target)
    lines = [line.strip() for line in str(error).splitlines()]
    assert "Rename('a/w/Adam', 'x/w/Adam')," in lines
    assert lines.index("Rename('a/w/Adam', 'x/w/Adam'),") < lines.index(
        "Drop(role='slot'),  # leaves 1 of them behind"
    )
    rules = [Rename("a/w/Adam", "x/w/Adam"), Drop(role="slot")]
    assert resolve(rules, source, target, unused="drop", missing="keep").moves


def test_two_targets_of_one_source_are_told_of_split():
    error = problems([("w", "a"), ("w", "b")], specs("w"))
    split = Split("w", ["a", "b"])
    assert error.problems[0].endswith(
        f"{Rename('w', 'b')} after {Rename('w', 'a')}; for both targets write {split}"
    )
    moves = resolve([split], specs("w")).moves
    assert [move.target for move in moves] == ["a", "b"]
    error = problems([("w", "a"), ("w", "a")], specs("w"))
    assert error.problems[0].endswith("; one of them is enough")


def test_combine_needs_all_its_sources():
    rule = Combine(["a", "b"], "c", Concat())
    error = problems([rule], specs("a"))
    assert "lacks 'b'" in error.problems[0]
    error = problems([Drop("b"), rule], specs("a", "b"))
    assert "rule never applies" in error.problems[0]


def test_all_findings_come_at_once_and_long_lists_are_cut():
    source = specs(*(f"net/layer_{i}/w" for i in range(500)))
    error = problems({"x": "y"}, source, specs("head"))
    assert len(error.problems) == 502
    text = str(error)
    assert text.startswith("the plan leaves 502 things unaccounted for:")
    assert "500 source keys have no place:" in text
    assert "… and 490 more" in text
    assert len(text.splitlines()) < 35


def test_the_message_proposes_what_to_add():
    step = {"global_step": TensorSpec(DType.int64, ())}
    source = specs("bert/pooler/w", "w/Adam", "w") | step
    target = specs("encoder/pooler/w", "w")
    text = str(problems(None, source, target))
    assert "  Rename('bert/pooler/w', 'encoder/pooler/w')," in text
    assert "  Drop(role='slot'),  # leaves 1 of them behind" in text
    assert "  Drop(role='step')," in text
    assert 'or pass unused="drop" or "keep" for what has no place' in text


def test_the_message_proposes_a_scope_where_that_says_it_all():
    names = ["encoder/w", "encoder/b", "pooler/w"]
    source = specs(*(f"bert/{name}" for name in names), "bert/encoder/w/Adam")
    target = specs(*(f"model/net/{name}" for name in names))
    assert str(problems(None, source, target)).endswith(
        "To go on, put before the other rules:\n"
        "  Drop(role='slot'),  # leaves 1 of them behind\n"
        "  RenameScope('bert/', 'model/net/'),\n"
        "\n"
        'or pass unused="drop" or "keep" for what has no place'
    )
    proposed = str(problems(None, source, target)).partition("other rules:")[2]
    rules = eval("[" + proposed.partition("\n\n")[0] + "]")
    assert len(resolve(rules, source, target).moves) == 3
    below = str(problems(None, specs(*names), target))
    assert below.endswith("  RenameScope('/', 'model/net/'),")


def test_slots_of_renamed_variables_are_recognised():
    source, target = specs("a/w", "a/w/Adam", "a/w/Adam_1"), specs("b/w")
    error = problems({"a/": "b/"}, source, target)
    assert len(error.problems) == 2
    assert "  Drop(role='slot'),  # leaves 2 of them behind" in str(error)
    mended = resolve([Drop(role="slot"), ("a/", "b/")], source, target)
    assert pairs(mended) == {("a/w", "b/w")}


def test_words_are_checked():
    with pytest.raises(RuleError, match="unused must be one of error, keep, drop"):
        resolve(None, {}, unused="ignore")
    with pytest.raises(RuleError, match="missing must be one of"):
        resolve(None, {}, missing="drop")


def test_variable_objects_need_the_model():
    with pytest.raises(RuleError, match=r"tcm\.restore"):
        resolve({"w": object()}, specs("w"))


parts = st.sampled_from(["a", "b", "c", "a_1", "w", "Adam"])
keys = st.lists(parts, min_size=1, max_size=4).map("/".join)
scopes = st.just("") | keys
rules = st.one_of(
    st.builds(Rename, keys, keys),
    st.builds(RenameScope, scopes, scopes),
    st.just(RenameRegex(r"(\w+)/(\w+)", r"\2/\1")),
    st.builds(Drop, keys | keys.map("{}/".format)),
    st.builds(Drop, role=st.just("slot")),
    st.builds(Keep, pattern=st.sampled_from([".*w", "a.*"])),
)


def reference(rules, key):
    """First match wins, one key at a time: what `resolve` does by ranges."""
    for rule in rules:
        if isinstance(rule, Rename) and key == rule.source:
            return rule.target
        if isinstance(rule, RenameScope) and key.startswith(rule.source):
            return rule.target + key[len(rule.source) :]
        if isinstance(rule, RenameRegex) and rule.target_of(key):
            return rule.target_of(key)
    return key


@given(st.sets(keys, max_size=12), st.lists(rules, max_size=5))
def test_every_source_is_accounted_for_once(names, given_rules):
    source = specs(*names)
    try:
        result = resolve(given_rules, source, unused="keep")
    except PlanError as error:
        assert error.problems  # noqa: PT017 either outcome is lawful
        return
    moved = [key for move in result.moves for key in move.sources]
    dropped = [entry.key for entry in result.dropped]
    assert sorted(moved + dropped) == sorted(names)
    assert len({move.target for move in result.moves}) == len(result.moves)


@given(
    st.sets(keys, min_size=1, max_size=12),
    st.lists(
        st.one_of(
            st.builds(RenameScope, scopes, st.uuids().map(str)),
            st.just(RenameRegex(r"(\w+)/(\w+)", r"R/\2/\1")),
        ),
        max_size=5,
    ),
)
def test_first_match_wins_as_one_would_do_it_by_hand(names, given_rules):
    source = specs(*names)
    try:
        result = resolve(given_rules, source, unused="keep")
    except PlanError:
        return
    expected = {key: reference(AssignmentMap(given_rules), key) for key in names}
    assert {move.sources[0]: move.target for move in result.moves} == expected
