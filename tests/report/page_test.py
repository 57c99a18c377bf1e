"""The page, read as text: it is whole, loads nothing, and trusts no name."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.report.checkpoints import RULES, SOURCE, many, write
from tf_ckpt_migrate.report import html

HOSTILE = (
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    "{{ 7 * 7 }}",
    '" onmouseover="alert(1)',
    "\u202egnp.exe\x1b[2J\u2028",
)
VOID = {"meta", "link", "rect", "input"}


class Elements(HTMLParser):
    """The elements of a page with their attributes, and the text of each."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs), []))
        if tag not in VOID:
            self.open.append(self.found[-1])

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop()[0] == tag

    def handle_data(self, data):
        if self.open:
            self.open[-1][2].append(data)

    def texts(self, tag, **attributes):
        return [
            "".join(text)
            for name, attrs, text in self.found
            if name == tag and attributes.items() <= attrs.items()
        ]


@pytest.fixture
def report(tmp_path):
    source = write(tmp_path / "old", SOURCE)
    plan = tcm.plan_migration(source, None, RULES)
    return tcm.make_report(plan, tcm.convert(plan, tmp_path / "new"), values="all")


@pytest.fixture
def hostile(tmp_path):
    tensors = {f"{name}/w": np.float32(1) for name in HOSTILE}
    return tcm.make_report(write(tmp_path / "hostile", tensors))


def test_the_data_in_it_is_the_report(report):
    page = Elements(report.to_html())
    (data,) = page.texts("script", id="data")
    assert json.loads(data) == json.loads(report.to_json())


def test_nothing_is_loaded(report):
    page = Elements(report.to_html())
    for _, attributes, _ in page.found:
        assert not {"src", "style", "action", "onclick", "onload"} & attributes.keys()
        assert attributes.get("href", "#").startswith(("#", "data:,"))
    text = report.to_html()
    assert "url(" not in text
    assert set(re.findall(r"https?://[\w./]+", text)) == {"http://www.w3.org/2000/svg"}


def test_the_policy_allows_its_style_and_its_script_only(report):
    page = Elements(report.to_html())
    (policy,) = (a["content"] for _, a, _ in page.found if "http-equiv" in a)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    for directive, text in (
        ("style-src", page.texts("style")),
        ("script-src", page.texts("script", type="module")),
    ):
        digest = base64.b64encode(hashlib.sha256(text[0].encode()).digest()).decode()
        assert rules[directive] == f"'sha256-{digest}'"


def test_a_hostile_name_is_text(hostile):
    text = hostile.to_html()
    page = Elements(text)
    assert not page.texts("img")
    assert len(page.texts("script")) == 3
    assert not any("onmouseover" in attributes for _, attributes, _ in page.found)
    assert "\u202e" not in text
    assert "\x1b" not in text
    keys = {
        row["sources"][0]["key"]
        for row in json.loads(page.texts("script", id="data")[0])["rows"]
    }
    assert keys == {f"{name}/w" for name in HOSTILE}
    assert any("{{ 7 * 7 }}" in cell for cell in page.texts("bdi"))


def test_without_scripts_there_are_tables(report):
    page = Elements(report.to_html())
    cells = page.texts("bdi")
    assert all(row.main.key in cells for row in report.rows)
    assert page.texts("noscript")


def test_without_scripts_a_large_table_says_what_it_leaves_out(tmp_path):
    report = tcm.make_report(write(tmp_path / "many", many(1010)))
    assert "… and 10 more, which this page shows with JavaScript" in report.to_html()


def test_the_same_content_gives_the_same_page(report):
    assert report.to_html() == report.to_html()


def test_a_report_replaces_another_whole(report, tmp_path, monkeypatch):
    output = tmp_path / "out" / "report.html"
    written = tcm.write_report(tmp_path / "old", output)
    assert output.read_text(encoding="utf-8") == written.to_html()

    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        tcm.write_report(tmp_path / "old", output, values="all")
    assert output.read_text(encoding="utf-8") == written.to_html()
    assert [path.name for path in output.parent.iterdir()] == ["report.html"]


def test_every_file_of_the_page_is_in_it(report):
    folder = Path(html.__file__).parent / "page"
    names = {path.name for path in folder.iterdir()}
    assert names == {*html._SCRIPTS, "style.css", "page.html"}
    text = report.to_html()
    assert all((folder / name).read_text() in text for name in names - {"page.html"})


@pytest.mark.browser  # the environment that has what builds a wheel
def test_the_wheel_has_every_file_of_the_page(tmp_path):
    command = [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", tmp_path]
    command += ["build", "--build-base", tmp_path, "bdist_wheel", "-d", tmp_path]
    root = Path(__file__).parents[2]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        inside = {name for name in file.namelist() if "/page/" in name}
    folder = Path(html.__file__).parent / "page"
    assert inside == {
        f"tf_ckpt_migrate/report/page/{path.name}" for path in folder.iterdir()
    }
