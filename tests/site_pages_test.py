"""What the site of docs/ is made of; environment `docs` makes it, with Sphinx."""

import re

import pytest

import tf_ckpt_migrate
from tf_ckpt_migrate.cli.main import _COMMANDS
from tools.site_pages import (
    made,
    meant,
    navigation,
    sections,
    set_aside_colons,
    shell_pages,
)
from tools.source_graph import ROOT

pytestmark = pytest.mark.once

API = ROOT / "docs" / "site" / "api"


def test_the_reference_has_every_public_name():
    text = "".join(page.read_text(encoding="utf-8") for page in API.glob("*.md"))
    names = " ".join(re.findall(r"<!-- api: (.+) -->", text)).split()
    modules = re.findall(r"<!-- module: tf_ckpt_migrate\.(\w+) -->", text)
    public = [name for name in names if "." not in name]
    assert sorted(["__version__", *public, *modules]) == tf_ckpt_migrate.__all__
    index = (API / "index.md").read_text(encoding="utf-8").split()
    assert {page.stem for page in API.glob("*.md")} - set(index) == {"index"}


def test_a_page_takes_sections_of_another_with_links_that_lead_there(tmp_path):
    page = ROOT / "docs" / "site" / "page.md"
    text = made("<!-- from: README.md; The idea -->\n", page)
    assert text.startswith("# The idea\n")
    assert "([](../format.md) has the rest)" in text
    assert "What nothing else does" not in text
    assert "(../limits.md" not in made("<!-- from: README.md; How to -->\n", page)
    assert "[](security.md)" in made("<!-- from: README.md; How to -->\n", page)


def test_a_section_that_is_not_there_is_an_error():
    with pytest.raises(KeyError, match="No such section"):
        sections(ROOT / "README.md", ["No such section"])


def test_the_tables_of_a_section_come_without_its_text():
    text = made("<!-- tables: docs/recipes.md; RNN cells -->", ROOT / "docs" / "a.md")
    assert "`BasicLSTMCell`" in text
    assert all(line.startswith("|") for line in text.splitlines())


def test_a_public_name_is_a_directive():
    page = ROOT / "docs" / "a.md"
    assert ".. autofunction:: tf_ckpt_migrate.merge" in made(
        "<!-- api: merge -->", page
    )
    assert ".. autoclass:: tf_ckpt_migrate.Drop" in made("<!-- api: Drop -->", page)


def test_the_navigation_leaves_out_what_has_no_page():
    assert navigation("A", ["site/nothing*"]) == ""
    assert "format\n" in navigation("A", ["site/nothing*", "format"])
    assert navigation("A", ["format", "for*"]).count("/format\n") == 1


def test_an_index_has_its_folder_below_it():
    page = ROOT / "docs" / "coming_from" / "index.md"
    lines = made("# Coming from\n", page).splitlines()
    assert {"```{toctree}", "/coming_from/guide"} < set(lines)
    assert "/coming_from/index" not in lines
    assert made("# A\n", ROOT / "docs" / "index.md") == "# A\n"


def test_every_command_has_its_help():
    text = shell_pages()
    for name in _COMMANDS:
        assert f"\n## {name}\n\n```text\nusage: tf-ckpt-migrate {name} " in text


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("tcm.restore(prefix, model)", "tf_ckpt_migrate.restore"),
        ("tcm.keras.optimizers.of(tf_keras)", "tf_ckpt_migrate.keras.optimizers.of"),
        ("tf.train.Checkpoint", ""),
        ("restore", ""),
    ],
)
def test_code_means_a_public_name(code, name):
    assert meant(code, "index", in_docstring=False) == name


def test_in_a_docstring_a_name_alone_means_ours():
    assert meant("restore", "a", in_docstring=True) == "tf_ckpt_migrate.restore"
    assert meant("matches", "a", in_docstring=True) == ""


def test_prose_before_a_colon_is_no_type():
    lines = ["One: two.", "", "Returns:", "  The report: of all."]
    set_aside_colons("property", lines)
    assert not any(":" in line for line in (lines[0], lines[3]))
    assert lines[2] == "Returns:"
