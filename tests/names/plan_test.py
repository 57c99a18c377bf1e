import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.errors import PlanError, TransformError
from tf_ckpt_migrate.names.moves import Dropped, KeptTarget, Move
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.names.resolution import resolve
from tf_ckpt_migrate.names.rules import Combine, Drop, Keep, Rename, RenameRegex, Split
from tf_ckpt_migrate.transforms import (
    Cast,
    Chain,
    Concat,
    Function,
    Reshape,
    Slice,
    Transpose,
)

S = TensorSpec(DType.float32, (2, 3))


def specs(*names, spec=S):
    return dict.fromkeys(names, spec)


def made(rules, source, *args, **kwargs):
    found = resolve(rules, source, *args, **kwargs)
    return MigrationPlan("old/model.ckpt-1", "new", source, *found)


MIXED = made(
    [
        Drop("step", reason="starts anew: # 'quoted'"),
        Rename("t", "transposed", Chain([Transpose((1, 0)), Reshape((6,))])),
        Combine(["p", "q"], "joined", Concat(axis=1)),
        Split("s", {"s/0": Slice((0, 0), (1, 3)), "s/1": Slice((1, 0), (1, 3))}),
        Keep("k"),
        ("a/", "b/"),
    ],
    specs("a/w", "a/x.y", "k", "p", "q", "s", "step", "t"),
    specs("b/w", "b/x.y", "head", "k")
    | {"transposed": TensorSpec(DType.float32, (6,))}
    | {"joined": TensorSpec(DType.float32, (2, 6))}
    | specs("s/0", "s/1", spec=TensorSpec(DType.float32, (1, 3))),
    missing="keep",
)


def test_a_plan_is_closed_or_it_is_none():
    plain = Move(("a",), "b", None, S)
    for moves, dropped, kept, problem in [
        ([], [], [], "'a' is neither moved nor dropped"),
        ([plain._replace(sources=("x",))], [], [], "'x' is not in the source"),
        ([plain], [Dropped("a", "")], [], "'a' is dropped and moved"),
        ([plain], [Dropped("z", "")], [], "dropped 'z' is not in the source"),
        ([], [Dropped("a", "")] * 2, [], "'a' is dropped twice"),
        ([plain, plain], [], [], "'b' is written 2 times"),
        ([plain], [], [KeptTarget("b", S, "")], "'b' is written and keeps its value"),
    ]:
        with pytest.raises(PlanError) as caught:
            MigrationPlan("", "", {"a": S}, tuple(moves), tuple(dropped), tuple(kept))
        assert problem in caught.value.problems
        assert problem in str(caught.value)


def test_a_plan_is_a_value():
    again = dataclasses.replace(MIXED, notes=("another note",))
    assert again == MIXED
    assert dataclasses.replace(MIXED, target="") != MIXED
    with pytest.raises(dataclasses.FrozenInstanceError):
        MIXED.source = "x"


def test_printed_small():
    assert str(MIXED) == (
        "8 keys: 2 renamed, 4 computed, 1 kept, 1 dropped, 0 unused, 0 collisions\n"
        "from old/model.ckpt-1\n"
        "for new\n"
        "\n"
        "renamed:\n"
        "  a/w    -> b/w    float32[2, 3]\n"
        "  a/x.y  -> b/x.y  float32[2, 3]\n"
        "\n"
        "computed:\n"
        "  'p' + 'q' -> 'joined' float32[2, 6] by Concat(axis=1)\n"
        "  's' -> 's/0' float32[1, 3] by Slice(begin=(0, 0), size=(1, 3))\n"
        "  's' -> 's/1' float32[1, 3] by Slice(begin=(1, 0), size=(1, 3))\n"
        "  't' -> 'transposed' float32[6] by Chain(transforms=(Transpose("
        "perm=(1, 0)), Reshape(shape=(6,))))\n"
        "\n"
        "kept under their names:\n"
        "  'k'\n"
        "\n"
        "dropped:\n"
        "  'step' (starts anew: # 'quoted')\n"
        "\n"
        "targets that keep their values:\n"
        "  'head' (no source is assigned to it)"
    )


def test_printed_large():
    source = specs(
        *(f"bert/layer_{i}/{part}" for i in range(1000) for part in ("w", "w/Adam")),
        *(f"head_{i}/kernel" for i in range(3000)),
    )
    rules = [
        Drop(role="slot"),
        ("bert/", "encoder/"),
        RenameRegex(r"head_(\d+)/kernel", r"heads/\1/w"),
    ]
    text = str(made(rules, source))
    assert text.splitlines() == [
        "5,000 keys: 4,000 renamed, 0 kept, 1,000 dropped, 0 unused, 0 collisions",
        "from old/model.ckpt-1",
        "for new",
        "",
        "renamed:",
        "  head_#/kernel  -> heads/#/w  3,000 keys, such as head_0/kernel",
        "  bert/*         -> encoder/*  1,000 keys, such as bert/layer_0/w",
        "",
        "dropped:",
        (
            "  1,000 keys: 'bert/layer_0/w/Adam', 'bert/layer_1/w/Adam', "
            "'bert/layer_2/w/Adam', … and 997 more (Drop(role='slot'))"
        ),
        "",
        "notes:",
        (
            "  RenameScope('bert/', 'encoder/') decides about 1,000 of the 2,000 keys "
            "that it fits; the others went to Drop(role='slot'), which comes first"
        ),
    ]


def test_printed_with_as_many_ways_as_keys():
    rules = [(f"{chr(97 + i % 26)}{'x' * i}", f"{'y' * i}!") for i in range(1, 200)]
    text = str(made(rules, specs(*(source for source, _ in rules))))
    assert "  … and 179 more keys" in text
    assert len(text.splitlines()) == 26


def test_check_compares_with_the_checkpoint_at_hand():
    MIXED.check(dict(MIXED.source_specs))
    other = dict(MIXED.source_specs)
    del other["p"]
    other["new"] = S
    other["t"] = TensorSpec(DType.float32, (2, 4))
    with pytest.raises(PlanError, match="made for another checkpoint") as caught:
        MIXED.check(other)
    assert caught.value.problems == (
        "'p' is planned as float32[2, 3], but the checkpoint does not have it",
        "'t' is planned as float32[2, 3], but the checkpoint has float32[2, 4]",
        "'new' float32[2, 3] is in the checkpoint, but not in the plan",
    )


def reversed_twice(plan):
    """Reverse a plan twice, and name again what a reverse cannot know."""
    again = plan.reversed().reversed()
    assert not again.source
    return dataclasses.replace(again, source=plan.source, target=plan.target)


def test_reversed_swaps_everything():
    back = MIXED.reversed()
    # Neither is the target what was written, nor does the plan know what that is.
    assert (back.source, back.target) == ("", "old/model.ckpt-1")
    assert [str(move) for move in back.moves] == [
        "'b/w' -> 'a/w' float32[2, 3]",
        "'b/x.y' -> 'a/x.y' float32[2, 3]",
        "'k' -> 'k' float32[2, 3]",
        "'joined' -> 'p' float32[2, 3] by Slice(begin=(0, 0), size=(2, 3))",
        "'joined' -> 'q' float32[2, 3] by Slice(begin=(0, 3), size=(2, 3))",
        "'s/0' + 's/1' -> 's' float32[2, 3] by Concat(axis=0)",
        (
            "'transposed' -> 't' float32[2, 3] by Chain(transforms=("
            "Reshape(shape=(3, 2)), Transpose(perm=(1, 0))))"
        ),
    ]
    assert back.dropped == (Dropped("head", "no source is assigned to it"),)
    assert back.kept_targets == (KeptTarget("step", S, "starts anew: # 'quoted'"),)
    assert back.notes[0] == (
        "what was dropped on the way there (1) does not come back: 'step'"
    )
    assert reversed_twice(MIXED) == MIXED


def test_a_copy_suffices_to_go_back():
    plan = made(
        [Split("a", {"t": Transpose((1, 0)), "b": None, "c": None})], specs("a")
    )
    back = plan.reversed()
    assert [str(move) for move in back.moves] == ["'b' -> 'a' float32[2, 3]"]
    assert [entry.key for entry in back.dropped] == ["t", "c"]
    (note,) = back.notes
    assert note == (
        "several were made of one, which comes back from one of them; whether the "
        "others have changed since is not looked at: 't' for 'b', 'c' for 'b'"
    )


@pytest.mark.parametrize(
    "rule",
    [
        Rename("a", "b", Cast("bfloat16")),
        Rename("a", "b", Function(abs)),
        Rename("a", "b", Slice((0, 0), (1, 3))),
        Split("a", {"b": Slice((0, 0), (1, 3)), "c": Slice((1, 0), (1, 2))}),
        Split("a", {"b": Slice((0, 0), (2, 1)), "c": Slice((0, 2), (2, 1))}),
        Split("a", {"b": Slice((0, 0), (2, 2)), "c": Slice((0, 1), (2, 2))}),
    ],
)
def test_what_cannot_be_reversed_says_so(rule):
    with pytest.raises(PlanError, match="'a', of which it makes"):
        made([rule], specs("a")).reversed()


def test_yaml_reads_well():
    text = MIXED.to_yaml()
    assert text.startswith("# A plan of tf-ckpt-migrate. 8 keys: 2 renamed")
    assert "\n- a/w: b/w\n" in text
    assert "\n  a/w: float32[2, 3]\n" in text


def test_yaml_both_ways_and_json():
    assert MigrationPlan.from_yaml(MIXED.to_yaml()) == MIXED
    assert MigrationPlan.from_yaml(MIXED.to_yaml()).notes == MIXED.notes
    assert json.loads(MIXED.to_json())["moves"][0] == {"a/w": "b/w"}


def test_code_cannot_be_written():
    with pytest.raises(TransformError, match="Python code"):
        made([Rename("a", "b", Function(abs))], specs("a")).to_yaml()


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(
    lambda name: name[0] != "\0"  # so the keys of slices begin
) | st.sampled_from(
    ["on", "null", "~", "1e3", "0x1f", "yes", "- a", "a: b", "#", "a" * 1500, "[", "<<"]
)
plain_specs = st.builds(
    TensorSpec,
    st.sampled_from([DType.float32, DType.string, DType.bool]),
    st.lists(st.integers(0, 2**19), max_size=3).map(tuple),
)


@st.composite
def plans(draw):
    source = draw(st.dictionaries(names, plain_specs, max_size=6))
    extra = draw(st.dictionaries(names, plain_specs, max_size=3))
    targets = draw(
        st.lists(
            names.filter(lambda name: name not in extra),
            unique=True,
            min_size=len(source),
            max_size=len(source),
        )
    )
    moves, dropped = [], []
    for (key, spec), target in zip(source.items(), targets, strict=True):
        if draw(st.booleans()):
            perm = tuple(reversed(range(len(spec.shape))))
            transform = draw(st.none() | st.just(Transpose(perm)))
            made_spec = transform.output_spec(spec) if transform else spec
            moves.append(Move((key,), target, transform, made_spec))
        else:
            dropped.append(Dropped(key, draw(st.text(st.characters(codec="utf-8")))))
    kept = [KeptTarget(name, spec, "kept") for name, spec in extra.items()]
    return MigrationPlan(
        draw(names), draw(names), source, tuple(moves), tuple(dropped), tuple(kept)
    )


@given(plans())
def test_any_plan_survives_yaml(plan):
    assert MigrationPlan.from_yaml(plan.to_yaml()) == plan


@given(plans())
def test_any_plan_of_single_tensors_reverses_twice(plan):
    back = plan.reversed()
    back.check(
        {move.target: move.spec for move in plan.moves}
        | {kept.name: kept.spec for kept in plan.kept_targets}
    )
    assert reversed_twice(plan) == plan


@given(plans())
def test_a_reversed_plan_names_no_source_in_yaml_either(plan):
    back = MigrationPlan.from_yaml(plan.reversed().to_yaml())
    assert back == plan.reversed()
    assert back.source == back.reversed().source == ""


@given(plans())
def test_any_plan_can_be_printed(plan):
    assert str(plan).startswith(f"{len(plan.source_specs)} key")
