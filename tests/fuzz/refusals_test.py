"""Damage that costs memory or time is refused, and says what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz import seeds
from tests.fuzz.findings import FINDINGS
from tests.fuzz.targets import TARGETS
from tf_ckpt_migrate.bundle.v1 import V1Reader
from tf_ckpt_migrate.checkpoint.verify import verify_checkpoint
from tf_ckpt_migrate.errors import CheckpointError, CorruptCheckpointError
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.table.block import FOOTER_SIZE, read_footer
from tf_ckpt_migrate.table.reader import TableReader


def told_of_table(data: bytes) -> str:
    with pytest.raises(CorruptCheckpointError) as caught:
        TableReader(data, "t").columns()
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("one_block_100_times", "blocks overlap, or are out of order"),
        ("blocks_within_blocks", "blocks overlap, or are out of order"),
        ("footer_that_points_beyond", "exceeds the file of"),
        ("handles_of_endless_varints", "exceeds 64 bits"),
    ],
)
def test_tables(name, text):
    assert text in told_of_table(FINDINGS["table"][name])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("keys_that_share_and_grow_in_snappy", "as no writer makes them"),
        ("snappy_that_promises_4_gib", "snappy cannot make so many"),
        ("snappy_that_promises_2_64", "snappy cannot make so many"),
        ("more_restarts_than_bytes", "4,294,967,295 restarts do not fit"),
        ("key_twice", "each key once"),
        ("keys_out_of_order", "a table is sorted"),
    ],
)
def test_blocks(name, text):
    kind, *block = FINDINGS["table_block"][name]
    assert text in told_of_table(seeds.of_one_block(bytes(block), kind))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("entry_beyond_its_shard", "but the file ends at 56"),
        ("entry_whose_end_overflows", "but the file ends at 56"),
        ("entry_of_negative_offset", "impossible place"),
        ("entry_of_negative_size", "impossible place"),
        ("entry_of_shard_7_of_1", "shard 7 of 1"),
        ("entries_that_overlap", "overlap"),
        ("strings_without_number", "cannot be stored in 40 bytes"),
        ("shape_whose_size_overflows", "impossible shape"),
        ("slice_that_is_not_there", "is missing"),
        ("slice_beyond_its_tensor", "does not lie within"),
        ("entry_nested_deep", "not a BundleEntryProto"),
        ("header_of_2_31_shards", "impossible header"),
        ("header_of_100000_shards", "99,990 more data shards are missing"),
        ("key_that_is_not_utf_8", "is not UTF-8"),
    ],
)
def test_indexes(tmp_path, name, text):
    TARGETS["index"].read(FINDINGS["index"][name], tmp_path)  # writes it
    assert text in str(verify_checkpoint(tmp_path / "m"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tensor_listed_1000_times", "is listed twice"),
        ("huge_shape", "listed, but not in the file"),
        ("negative_shape", "impossible shape"),
        ("dtype_99", "99 is not the number of a dtype"),
    ],
)
def test_v1_files(tmp_path, name, text):
    path = tmp_path / "v1"
    path.write_bytes(FINDINGS["v1"][name])
    with pytest.raises(CheckpointError, match=text):
        V1Reader([str(path)]).read("w")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("alias_bomb", "anchors and aliases"),
        ("merge_of_itself", "anchors and aliases"),
        ("python_tag", "the tag 'tag:yaml.org,2002:python/object/apply:os.system'"),
        ("spec_of_a_huge_shape", "line 19: no tensor has the shape"),
        ("pad_to_a_huge_shape", "no tensor has the shape"),
        ("pad_with_text", "value must be a number, not 'x'"),
        ("pad_with_a_list", "value must be a number"),
        ("steps_of_text", "each of betas must be a number, not 'a'"),
        ("shift_by_nothing", "offset must be integers, not [None]"),
        ("fill_with_text", "value must be a number, not 'x'"),
    ],
)
def test_plans(name, text):
    with pytest.raises(CheckpointError) as caught:
        MigrationPlan.from_yaml(FINDINGS["plan"][name].decode())
    assert text in str(caught.value)


def test_what_no_key_needs_is_checked_by_verifying(tmp_path):
    seeds.checkpoint(tmp_path)
    index = Path(tmp_path / "m.index")
    whole = index.read_bytes()
    metaindex, _ = read_footer(whole, "t")
    for at, text in (
        (metaindex.offset, "checksum mismatch"),
        (len(whole) - FOOTER_SIZE + 20, "a damaged footer"),
    ):
        data = bytearray(whole)
        data[at] ^= 1
        index.write_bytes(data)
        (problem,) = verify_checkpoint(tmp_path / "m").problems
        assert text in problem
