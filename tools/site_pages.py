"""What the site of ``docs/`` takes from the sources, so that it cannot drift.

A line of a page that is a comment such as these stands for what is made of it::

    <!-- from: CONTRIBUTING.md; The laws -->  sections of a page; all, if none is named
    <!-- tables: docs/optimizers.md; Verdicts -->  only the tables of a section
    <!-- api: restore Saver -->               public names, by their docstrings
    <!-- module: tf_ckpt_migrate.keras -->    all public names of a module
    <!-- pages: Tutorials; tutorials/* -->    a part of the navigation
    <!-- shell: -->                           every command, by its --help

Code in a text that begins with ``tcm.``, or is a public name, links to its docstring;
one that does not exist is an error.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from tools.source_graph import PACKAGE, ROOT

__all__ = [
    "by_docstring",
    "directive",
    "made",
    "meant",
    "navigation",
    "put_back_colons",
    "relinked",
    "sections",
    "set_aside_colons",
    "setup",
    "shell_pages",
    "stub_tensorflow",
    "with_its_folder",
]

_MACRO = re.compile(
    r"^<!-- (from|tables|api|module|pages|shell): ?(.*?) ?-->$", re.MULTILINE
)
_OURS = re.compile(r"tcm\.([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)")


def made(text: str, page: Path) -> str:
    """Return the text of a page with what its comments stand for."""

    def expand(found: re.Match[str]) -> str:
        kind, words = found.groups()
        first, *others = re.split("; *", words)
        if kind == "shell":
            return shell_pages()
        if kind == "pages":
            return navigation(first, others)
        if kind in {"from", "tables"}:
            text = sections(ROOT / first, others)
            if kind == "tables":
                text = "".join(re.findall(r"^\|.*\n", text, re.MULTILINE))
            return relinked(text, ROOT / first, page)
        if kind == "module":
            return directive("automodule", words, "members:")
        return "\n".join(map(by_docstring, words.split()))

    text = re.sub(r"\A## ", "# ", _MACRO.sub(expand, text))
    text = with_its_folder(text, page)
    # Which a doctest ends with.
    return re.sub("\n+```$", "\n```", text, flags=re.MULTILINE)


def sections(file: Path, titles: list[str]) -> str:
    """Return the sections of a page that have these titles; all of it without any."""
    text = file.read_text(encoding="utf-8")
    if not titles:
        return text
    first, *found = re.split("^(?=## )", text, flags=re.MULTILINE)
    by_title = {part.splitlines()[0].removeprefix("## "): part for part in found}
    by_title["the beginning"] = first
    return "".join(by_title[title] for title in titles)


def navigation(caption: str, patterns: list[str]) -> str:
    """Return a part of the table of contents; nothing where it would have no page.

    Args:
      caption: Over it.
      patterns: Of pages below ``docs/``, without their suffix, in the order they get.
    """
    docs = ROOT / "docs"
    found = [sorted(docs.glob(f"{pattern}.md")) for pattern in patterns]
    return _toctree(list(chain.from_iterable(found)), f":caption: {caption}")


def with_its_folder(text: str, page: Path) -> str:
    """Return a page; one called index has its folder below it in the navigation."""
    if page.stem != "index" or page.parent.name == "docs" or "{toctree}" in text:
        return text
    return text + "\n" + _toctree(sorted({*page.parent.glob("*.md")} - {page}))


def _toctree(pages: list[Path], *options: str) -> str:
    paths = [page.relative_to(ROOT / "docs").with_suffix("") for page in pages]
    entries = dict.fromkeys(f"/{path.as_posix()}" for path in paths)
    lines = ["```{toctree}", ":hidden:", *options, "", *entries, "```\n"]
    return "\n".join(lines) * bool(entries)


def relinked(text: str, source: Path, page: Path) -> str:
    """Return the text of a page with links that are right in another place."""

    def relink(found: re.Match[str]) -> str:
        target = (source.parent / found[2]).resolve()
        moved = _ON_THE_SITE.get(target.relative_to(ROOT).as_posix())
        target = ROOT / "docs" / moved if moved else target
        # A path as the text of a link gives way to the title of the page.
        words = "" if found[1] == found[2] and target.suffix == ".md" else found[1]
        return f"[{words}]({os.path.relpath(target, page.parent)}"

    return re.sub(r"\[([^]]*)\]\((?!\w+:|#)([^)#]+)", relink, text)


# Pages of the repository that the site has under another name.
_ON_THE_SITE = {
    "CHANGELOG.md": "site/changelog.md",
    "CONTRIBUTING.md": "site/contributing.md",
    "README.md": "index.md",
    "SECURITY.md": "site/security.md",
}


def by_docstring(name: str) -> str:
    """Return what makes the reference of a public name, function or class."""
    if name.rpartition(".")[2][0].isupper():
        return directive("autoclass", f"{PACKAGE}.{name}", "members:", _INHERITED)
    return directive("autofunction", f"{PACKAGE}.{name}")


# But for what Python's own classes have: numbers, tuples, mappings.
_INHERITED = "inherited-members: int, tuple, Mapping"


def directive(name: str, argument: str, *options: str) -> str:
    """Return a directive of reStructuredText in a page of Markdown."""
    lines = "".join(f"   :{option}\n" for option in options)
    return f"```{{eval-rst}}\n.. {name}:: {argument}\n{lines}```\n"


def shell_pages() -> str:
    """Return the help of every command of the shell, a section each."""
    from tf_ckpt_migrate.cli.main import _COMMANDS

    parts = [f"```text\n{_help()}```\n"]
    parts += [f"## {name}\n\n```text\n{_help(name)}```\n" for name in _COMMANDS]
    return "\n".join(parts)


def _help(*command: str) -> str:
    from tf_ckpt_migrate.cli.main import main

    os.environ["COLUMNS"] = "80"
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        main([*command, "--help"])
    return printed.getvalue()


def set_aside_colons(what: str, lines: list[str]) -> None:
    """Hide the colons that napoleon would take for the end of a type.

    Our docstrings leave types to the annotations, so what stands before a colon in the
    first line of ``Returns`` or of an attribute is prose.
    """
    of_property = what in {"attribute", "property"}
    heads = {"Returns:", "Yields:"}
    for i, line in enumerate(lines):
        if (i == 0 and of_property) or (i and lines[i - 1].strip() in heads):
            lines[i] = line.replace(":", _COLON)


def put_back_colons(lines: list[str]) -> None:
    """Undo `set_aside_colons`."""
    lines[:] = [line.replace(_COLON, ":") for line in lines]


_COLON = "\ue000"  # of the private use area: in no text


class _Stub(type):
    """A class, every attribute of which is such a class too."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        made = _Stub(name, (), {"__module__": cls.__module__})
        setattr(cls, name, made)
        return made


def stub_tensorflow() -> None:
    """Let docstrings of what is made of TensorFlow's classes be read without it.

    Half a gigabyte of it would add nothing to them. Sphinx's own mocks are no classes,
    which `type` could derive one from.
    """
    tensorflow = _Stub("tensorflow", (), {})
    tensorflow.keras.utils.register_keras_serializable = lambda _: lambda made: made
    sys.modules["tensorflow"] = cast("ModuleType", tensorflow)


def meant(code: str, page: str, *, in_docstring: bool) -> str:
    """Return the full name of what of ours a piece of code means; else nothing."""
    import tf_ckpt_migrate

    if found := _OURS.match(code):
        return f"{PACKAGE}.{found[1]}"
    if (in_docstring or page == "reference") and code in tf_ckpt_migrate.__all__:
        return f"{PACKAGE}.{code}"
    return ""


def setup(app: Any) -> dict[str, bool]:
    """Tell Sphinx of it."""
    stub_tensorflow()
    app.connect("source-read", _read)
    app.connect("doctree-read", _link)
    docstring = "autodoc-process-docstring"  # napoleon is at 500
    app.connect(docstring, lambda *a: set_aside_colons(a[1], a[-1]), priority=400)
    app.connect(docstring, lambda *a: put_back_colons(a[-1]), priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _read(app: Any, name: str, source: list[str]) -> None:
    source[0] = made(source[0], Path(app.env.doc2path(name)))


def _link(app: Any, document: Any) -> None:
    from docutils import nodes
    from sphinx.addnodes import pending_xref

    page = app.env.docname
    for literal in list(document.findall(nodes.literal)):
        of_docstring = "code" in literal["classes"]
        name = meant(literal.astext(), page, in_docstring=of_docstring)
        if name and not isinstance(literal.parent, nodes.reference | pending_xref):
            target = {"refdomain": "py", "reftype": "obj", "reftarget": name}
            reference = pending_xref("", refdoc=page, refexplicit=True, **target)
            literal.replace_self(reference)
            reference += literal
