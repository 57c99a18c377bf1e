"""A conversion is proven, or what is wrong with its output is found and named."""

import json
import os
import tracemalloc

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tf_ckpt_migrate import transforms
from tf_ckpt_migrate.conversion.example import example_checkpoint
from tf_ckpt_migrate.conversion.output import Value, write_output
from tf_ckpt_migrate.conversion.tf1_to_tf2 import plan_tf1_to_tf2
from tf_ckpt_migrate.errors import PlanError, RuleError

RULES = {"net/": "encoder/", "step": "step"}
TENSORS = {
    "net/w": np.arange(6, dtype=np.float32).reshape(2, 3),
    "net/v": np.arange(6, 12, dtype=np.float32).reshape(2, 3),
    "net/zero": np.zeros(3, np.float32),
    "step": np.int64(7),
}


@pytest.fixture
def source():
    with example_checkpoint(TENSORS) as prefix:
        yield prefix


@pytest.fixture
def plan(source):
    return tcm.plan_migration(source, None, RULES)


@pytest.fixture
def converted(plan, tmp_path):
    return os.fspath(tcm.convert(plan, tmp_path / "new" / "model.ckpt", data="copy"))


def rewritten(prefix, edit):
    """Write a checkpoint anew, with the right checksums for wrong values."""
    arrays = {
        key: np.array(value) for key, value in tcm.load_checkpoint(prefix).items()
    }
    edit(arrays)
    specs = {key: transforms.spec_of(value) for key, value in arrays.items()}
    contents = {k: Value(specs[k], lambda v=v: v) for k, v in arrays.items()}
    write_output(prefix, contents, overwrite=True)
    assert tcm.verify_checkpoint(prefix).ok  # nothing else could find it
    return prefix


def texts(proof):
    return [finding.text for finding in proof.findings]


def test_a_conversion_is_proven(plan, source, converted):
    proof = tcm.verify_conversion(converted, source, plan)
    assert proof.ok
    assert proof.counts["compared"] == 4
    assert str(proof) == (
        f"{converted}: proven; it holds what the plan makes of {source}, and no more\n"
        "  4 tensors: 4 compared bit by bit"
    )


def test_linked_bytes_are_not_read_twice(plan, source, tmp_path):
    linked = tcm.convert(plan, tmp_path / "linked", data="link")
    assert tcm.verify_conversion(linked, source, plan).counts["linked"] == 4


def test_a_flipped_byte_is_found(plan, source, converted):
    def flip(arrays):
        arrays["encoder/w"].view(np.uint8)[1, 9] ^= 64

    rewritten(converted, flip)
    (text,) = texts(tcm.verify_conversion(converted, source, plan))
    assert text.startswith(
        "'encoder/w': 1 of 6 elements is not that of 'net/w', the first at [1, 2]: "
    )
    assert text.endswith("expected 5.0")


def test_a_flipped_sign_of_zero_is_found(plan, source, converted):
    def flip(arrays):
        arrays["encoder/zero"][1] = -0.0

    rewritten(converted, flip)
    (text,) = texts(tcm.verify_conversion(converted, source, plan))
    assert text.endswith("the first at [1]: -0.0, expected 0.0")


def test_swapped_tensors_are_named(plan, source, converted):
    def swap(arrays):
        arrays["encoder/w"], arrays["encoder/v"] = (
            arrays["encoder/v"],
            arrays["encoder/w"],
        )

    rewritten(converted, swap)
    assert sorted(texts(tcm.verify_conversion(converted, source, plan))) == [
        "'encoder/v' holds the value of 'net/w', not that of 'net/v'",
        "'encoder/w' holds the value of 'net/v', not that of 'net/w'",
    ]


def test_a_forgotten_rename_is_named(plan, source, converted):
    def forget(arrays):
        arrays["net/w"] = arrays.pop("encoder/w")

    rewritten(converted, forget)
    (found,) = tcm.verify_conversion(converted, source, plan).findings
    assert (found.kind, found.target, found.text) == (
        "misnamed",
        "encoder/w",
        "'encoder/w' is missing: its value still has its old name, 'net/w'",
    )


def test_what_is_missing_and_what_is_more_is_named(plan, source, converted):
    def edit(arrays):
        del arrays["encoder/zero"]
        arrays["other"] = np.ones(2, np.float32)
        arrays["copy"] = arrays["encoder/w"]

    rewritten(converted, edit)
    proof = tcm.verify_conversion(converted, source, plan)
    assert texts(proof) == [
        "'encoder/zero' float32[3] is missing; it is made of 'net/zero'",
        (
            "'copy' float32[2, 3] is there, but the plan has no such key; its value is "
            "that of 'encoder/w'"
        ),
        "'other' float32[2] is there, but the plan has no such key",
    ]
    assert "3 problems; it is not what the plan makes of" in str(proof)


def test_another_dtype_is_named(plan, source, converted):
    def cast(arrays):
        arrays["encoder/w"] = arrays["encoder/w"].astype(np.float64)

    rewritten(converted, cast)
    (text,) = texts(tcm.verify_conversion(converted, source, plan))
    assert text == "'encoder/w' is float64[2, 3], expected float32[2, 3]"


def test_damage_is_told_once(plan, source, converted):
    with open(f"{converted}.data-00000-of-00001", "r+b") as file:
        file.write(b"\xff")
    proof = tcm.verify_conversion(converted, source, plan)
    assert not proof.ok
    assert str(proof).count("problem: ") == 1
    assert "the checksum of tensor" in str(proof)


def test_memory_is_bounded(tmp_path):
    large = np.zeros(1 << 24, np.float32)  # 64 MB
    with example_checkpoint({"a": large}) as source:
        plan = tcm.plan_migration(source, None, {"a": "b"})
        out = tcm.convert(plan, tmp_path / "out", data="copy")
        tracemalloc.start()
        try:
            assert tcm.verify_conversion(out, source, plan).ok
            assert tracemalloc.get_traced_memory()[1] < large.nbytes / 2
        finally:
            tracemalloc.stop()


def test_transforms_are_computed_anew(source, tmp_path):
    rules = [
        tcm.Rename("net/w", "w", transforms.Transpose((1, 0))),
        tcm.Combine(["net/v", "net/v2"], "v", transforms.Concat(0)),
        tcm.Keep("/"),
    ]
    more = {**TENSORS, "net/v2": TENSORS["net/v"] * 2}
    with example_checkpoint(more) as prefix:
        plan = tcm.plan_migration(prefix, None, rules)
        out = os.fspath(tcm.convert(plan, tmp_path / "out"))
        proof = tcm.verify_conversion(out, prefix, plan)
        assert proof.ok
        assert proof.counts["computed"] == 2

        def edit(arrays):
            arrays["w"][2, 0] = 8

        rewritten(out, edit)
        (text,) = texts(tcm.verify_conversion(out, prefix, plan))
        assert text == (
            "'w': 1 of 6 elements is not that of 'net/w' by Transpose(perm=(1, 0)), "
            "the first at [2, 0]: 8.0, expected 2.0"
        )


def test_slices_are_those_of_the_plan(source, tmp_path):
    halves = [tcm.Rename("net/w", "w", transforms.Partition(parts=2)), tcm.Keep("/")]
    plan = tcm.plan_migration(source, None, halves)
    out = os.fspath(tcm.convert(plan, tmp_path / "out", data="copy"))
    assert tcm.verify_conversion(out, source, plan).ok
    whole = tcm.plan_migration(source, None, [tcm.Rename("net/w", "w"), tcm.Keep("/")])
    other = tcm.convert(whole, tmp_path / "other", data="copy")
    (found,) = tcm.verify_conversion(other, source, plan).findings
    assert found.text == (
        "'w' is stored in one piece, expected 0,1:0,3, 1,1:0,3 by "
        "Partition(axis=0, parts=2)"
    )


def test_targets_that_are_kept_are_compared(source, tmp_path):
    with example_checkpoint({"net/w": np.ones((2, 3), np.float32), "b": [5]}) as like:
        plan = tcm.plan_migration(
            source, like, unused="drop", missing="keep", assignment_map={}
        )
        out = os.fspath(tcm.convert(plan, tmp_path / "out"))
        proof = tcm.verify_conversion(out, source, plan)
        assert proof.ok
        assert proof.counts["kept"] == 1
        rewritten(out, lambda arrays: arrays.update(b=np.int64([6])))
        (text,) = texts(tcm.verify_conversion(out, source, plan))
        assert text.startswith("'b': 1 of 1 element is not that of 'b'")


def test_objects_are_proven_too(goldens, tmp_path):
    source = goldens / "tf1_15/optimizer_adam/model.ckpt"
    plan = plan_tf1_to_tf2(source)
    out = tcm.convert(plan, tmp_path / "tf2")
    proof = tcm.verify_conversion(out, source, plan)
    assert proof.ok
    assert proof.counts["added"] == 2
    other = tcm.convert_tf1_to_tf2(
        source, tmp_path / "other", assignment_map={"net/w": "net/x", "/": "/"}
    )
    found = tcm.verify_conversion(other, source, plan).findings
    assert {each.kind for each in found} == {"misnamed", "object_graph"}


@pytest.mark.parametrize(
    "name", ["tf1_15/partitioned_axis_1", "tf1_15/sliced_v1_axis_0"]
)
def test_sliced_tensors_and_old_files(goldens, name, tmp_path):
    folder = goldens / name
    prefix = json.loads((folder / "expected.json").read_text())["prefix"]
    source = folder / prefix
    plan = tcm.plan_migration(source, None, {"/": "moved/"})
    out = tcm.convert(plan, tmp_path / "out", data="copy")
    assert tcm.verify_conversion(out, source, plan).ok


def test_without_a_plan_rules_say_it(source, converted):
    assert tcm.verify_conversion(converted, source, assignment_map=RULES).ok
    assert not tcm.verify_conversion(converted, source).ok


def test_a_plan_of_another_source_is_refused(plan, converted):
    with (
        example_checkpoint({"a": [1]}) as other,
        pytest.raises(PlanError, match="the plan was made for another checkpoint"),
    ):
        tcm.verify_conversion(converted, other, plan)


def test_a_plan_and_a_map_are_refused(plan, source, converted):
    with pytest.raises(RuleError, match="give one of the two"):
        tcm.verify_conversion(converted, source, plan, assignment_map=RULES)


def test_progress_ends_where_it_should(plan, source, converted):
    steps = []
    tcm.verify_conversion(
        converted, source, plan, progress=lambda *step: steps.append(step)
    )
    assert steps == sorted(steps)
    assert steps[-1][0] == steps[-1][1]
