"""Names of any characters: no output holds one that steers a terminal or a page."""

from __future__ import annotations

import json
import unicodedata

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import tf_ckpt_migrate as tcm
from tests.bundle.files import write_checkpoint
from tf_ckpt_migrate.cli.main import main
from tf_ckpt_migrate.conversion.manifest import NameManifest
from tf_ckpt_migrate.escapes import printable, to_json
from tf_ckpt_migrate.names.assignment_map import AssignmentMap
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.names.yaml_files import write_yaml

NAMES = [
    "\x9b31mred", "a\x85b", "\u202egnp.exe", "zero\u200bwidth", "\u2066iso",
    "line\u2028end", "tag\U000e0041", "\x7fdel", "a/\x1b[2J/kernel", "c\u200b/bias",
    "d\n/x", "q'\"\u200b", "größe/漢字", "\ufeffmark", "a: b\u200b", "- #\u00ad",
]  # fmt: skip
TEXTS = st.text() | st.sampled_from(NAMES)


def steering(text):
    """Return what is not seen: controls, formats, line and paragraph separators."""
    hidden = {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")}
    return sorted(hidden - {"\n"})


@given(st.lists(TEXTS) | st.dictionaries(TEXTS, TEXTS))
def test_json_is_printable_and_exact(content):
    text = to_json(content)
    assert json.loads(text) == content
    assert "".join(text.split("\n")).isprintable()


@given(st.lists(TEXTS) | st.dictionaries(TEXTS, TEXTS), st.booleans())
def test_yaml_is_printable_and_exact(content, flow):
    text = write_yaml(content, flow=flow)
    assert yaml.safe_load(text) == content
    assert "".join(text.split("\n")).isprintable()


def test_json_keeps_what_people_can_read():
    assert to_json({"größe": "漢字"}) == '{\n  "größe": "漢字"\n}'
    assert to_json("\udc80") == '"\\udc80"'  # of a path that is not UTF-8


def test_printable_text_stays():
    assert printable("größe 漢字") == "größe 漢字"
    assert printable("a\x9b\u202e\U000e0041") == r"a\x9b\u202e\U000e0041"


@pytest.fixture
def prefixes(tmp_path):
    """Two checkpoints whose prefixes and names are hostile."""
    ones = np.ones(2, np.float32)
    a, b = str(tmp_path / "a\u200b"), str(tmp_path / "b\u202e")
    write_checkpoint(a, dict.fromkeys(NAMES, ones))
    write_checkpoint(b, dict.fromkeys([f"{name}2" for name in NAMES], ones))
    return a, b


def test_what_is_read_back_has_the_exact_names(prefixes):
    a, b = prefixes
    plan = tcm.plan_migration(a, unused="keep")
    assert MigrationPlan.from_yaml(plan.to_yaml()) == plan
    assert steering(plan.to_yaml()) == []
    manifest = NameManifest.from_checkpoint(a)
    assert NameManifest.from_yaml(manifest.to_yaml()).specs == manifest.specs
    assert steering(manifest.to_yaml()) == []
    suggestion = tcm.suggest_assignment_map(a, b)
    rules = yaml.safe_load(suggestion.to_yaml())
    assert steering(suggestion.to_yaml()) == []
    assert AssignmentMap.from_config(rules).to_config() == (
        suggestion.assignment_map.to_config()
    )
    for result in (
        tcm.inspect_checkpoint(a),
        tcm.diff_checkpoints(a, b),
        plan,
        manifest,
        tcm.make_report(a, b),
    ):
        text = result.to_json()
        assert steering(text) == []
        parsed = json.dumps(json.loads(text), ensure_ascii=False)
        assert [
            n for n in NAMES if json.dumps(n, ensure_ascii=False) not in parsed
        ] == []


def test_what_is_printed_has_no_hidden_characters(prefixes, tmp_path):
    a, b = prefixes
    plan = tcm.plan_migration(a, unused="keep")
    results = [
        plan,
        tcm.inspect_checkpoint(a, names=True),
        tcm.diff_checkpoints(a, b),
        tcm.verify_checkpoint(a),
        tcm.suggest_assignment_map(a, b),
        tcm.convert(plan, tmp_path / "c"),
        tcm.merge([a, b], tmp_path / "d"),
        tcm.compact(a, tmp_path / "e"),
        tcm.convert_tf1_to_tf2(a, tmp_path / "f"),
        tcm.verify_conversion(a, b),
        tcm.make_report(a, b),
        tcm.convert_all(tmp_path, tmp_path / "all", to="tf2"),
    ]
    for result in results:
        assert steering(str(result)) == [], type(result)
        assert steering(result.to_json()) == [], type(result)
    assert steering(results[-2].to_html()) == []


COMMANDS = [
    "inspect A",
    "diff A B",
    "suggest A B",
    "verify A",
    "plan A",
    "plan A --like=B",
    "convert A C",
    "compact A D",
    "inspect MISSING",
]


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("line", COMMANDS)
def test_commands_print_no_hidden_characters(prefixes, tmp_path, capsys, line, form):
    places = {"A": prefixes[0], "B": prefixes[1], "MISSING": str(tmp_path / "\u202e")}
    places |= {name: str(tmp_path / name) for name in "CD"}
    arguments = [places.get(word, word) for word in line.split()]
    main([*arguments, f"--output_format={form}"])
    out, err = capsys.readouterr()
    assert out or err
    assert steering(out + err) == []
