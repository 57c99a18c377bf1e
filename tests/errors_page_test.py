"""docs/errors.md and docs/errors_tensorflow.md have every error of the package."""

import builtins
import re

import pytest

from tf_ckpt_migrate import errors
from tools.source_graph import ROOT

pytestmark = pytest.mark.once

TEXT = "".join(
    (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    for page in ("errors", "errors_tensorflow")
)
SECTIONS = {
    part.split("\n")[0].strip("# "): part
    for part in re.split("^(?=##)", TEXT, flags=re.MULTILINE)
}
CLASSES = [name for name in errors.__all__ if isinstance(getattr(errors, name), type)]

# The base of all, and what only a runner that fails can make.
NOT_PRINTED = {"CheckpointError", "BeamPipelineError"}


@pytest.mark.parametrize("name", CLASSES)
def test_every_error_has_a_section_with_its_message_as_printed(name):
    section = SECTIONS[name]
    printed = re.search(rf"^tf_ckpt_migrate\.errors\.{name}:\s", section, re.MULTILINE)
    in_the_shell = "\ntf-ckpt-migrate: " in section
    assert printed or in_the_shell or name in NOT_PRINTED


@pytest.mark.parametrize("name", CLASSES)
def test_a_section_says_which_builtin_an_error_is(name):
    line = r"^(?:Also an?|An?) (`\w+`(?: and an? `\w+`)*)\."
    found = re.search(line, SECTIONS[name], re.MULTILINE)
    told = re.findall(r"`(\w+)`", found[1]) if found else []
    bases = [base.__name__ for base in getattr(errors, name).__bases__]
    if bases == ["Exception"]:
        assert not told
    elif len(bases) > 1:
        assert told == bases[1:]
        assert all(hasattr(builtins, each) for each in told)
    else:
        assert told == bases


@pytest.mark.parametrize("link", re.findall(r"\]\(#([\w-]+)\)", TEXT))
def test_a_link_within_the_pages_leads_to_a_section(link):
    slugs = {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in SECTIONS
    }
    assert link in slugs
