"""Files changed anywhere: a quick round without a fuzzer, of the same targets."""

from __future__ import annotations

import argparse
import dataclasses
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import seeds
from tests.fuzz.targets import TARGETS
from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.v1 import V1Reader
from tf_ckpt_migrate.checkpoint.reader import load_checkpoint
from tf_ckpt_migrate.checkpoint.state import read_state
from tf_ckpt_migrate.checkpoint.verify import verify_checkpoint
from tf_ckpt_migrate.cli.rules import rules_of
from tf_ckpt_migrate.errors import CheckpointError
from tf_ckpt_migrate.names.assignment_map import AssignmentMap
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.table.reader import TableReader
from tf_ckpt_migrate.transforms import Transform

# What a varint can say at most, in 64, 63 and 32 bits; and what means much in text.
HUGE = [b"\xff" * 9 + b"\x01", b"\xff" * 8 + b"\x7f", b"\xff" * 4 + b"\x07"]
WORDS = [b"[", b"{", b"- ", b": ", b"\n", b"*a", b"&a ", b"!!int ", b"..", b"/", b'"']


@st.composite
def mutations(draw):
    """Draw a function that changes, inserts, removes or repeats some bytes."""
    where, gone = draw(st.floats(0, 1)), draw(st.integers(0, 9))
    what = draw(st.binary(max_size=9) | st.sampled_from(HUGE + WORDS))

    def mutated(data: bytes) -> bytes:
        at = int(where * len(data))
        return data[:at] + what + data[at + gone :]

    return mutated


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=50)
@given(changes=st.lists(mutations(), min_size=1, max_size=3))
def test_a_file_changed_anywhere(target, changes):
    data = TARGETS[target].seed
    for change in changes:
        data = change(data)
    with TemporaryDirectory() as folder:
        TARGETS[target].read(data, Path(folder))


def test_the_files_to_change_are_right(tmp_path):
    seeds.checkpoint(tmp_path)
    assert verify_checkpoint(tmp_path / "m").ok
    framed = seeds.of_one_block(seeds.block_in(TARGETS["index"].seed))
    (tmp_path / "m.index").write_bytes(framed)
    assert verify_checkpoint(tmp_path / "m").ok
    TableReader(framed, "t").check_searchable()
    assert (
        list(V1Reader([str(tmp_path / "v1")]).tensors) if seeds.v1_file(tmp_path) else 0
    )
    seeds.graph_checkpoint(seeds.object_graph(), tmp_path / "g")
    assert verify_checkpoint(tmp_path / "g").ok
    assert len(load_checkpoint(tmp_path / "g").object_graph or ()) == 4
    assert len(MigrationPlan.from_yaml(seeds.PLAN).moves) == 3
    (tmp_path / "map.yaml").write_text(seeds.MAP)
    path = str(tmp_path / "map.yaml")
    assert len(rules_of(argparse.Namespace(rules=None, map=path)) or ()) == 6
    (tmp_path / "state").write_text(seeds.STATE)
    assert read_state(str(tmp_path / "state")).latest == "m-2"


LEAVES = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=4)
WORDS_OF_RULES = st.sampled_from(
    ["op", "rule", "recipe", "source", "target", "pattern", "transform", "axis", "perm"]
)
PLAIN = st.recursive(
    LEAVES | WORDS_OF_RULES | st.sampled_from(sorted(Transform.registry)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(WORDS_OF_RULES | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)
SPECS = [
    TensorSpec(DType.float32, (2, 3)),
    TensorSpec(DType.int64, ()),
    TensorSpec(DType.string, (2,)),
    TensorSpec(DType.variant, (1,)),
]


@settings(max_examples=200)
@given(PLAIN)
def test_plain_data_as_rules(config):
    with suppress(CheckpointError):
        rules = AssignmentMap.from_config(config)
        str(rules)
        rules.reversed()


@pytest.mark.parametrize("op", sorted(Transform.registry))
@settings(max_examples=50)
@given(data=st.data())
def test_plain_data_as_a_transform(op, data):
    fields = [field.name for field in dataclasses.fields(Transform.registry[op])]
    config = {name: data.draw(PLAIN) for name in fields if data.draw(st.booleans())}
    with suppress(CheckpointError):
        transform = Transform.from_config({"op": op, **config})
        repr(transform)
        for spec in SPECS:
            for count in (1, 2):
                with suppress(CheckpointError):
                    transform.output_spec(*[spec] * count)
