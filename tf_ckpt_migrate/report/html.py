"""A report as one page that needs no network, no other file and no trust in names.

A name in a checkpoint may hold anything, markup too. The template escapes all that it
shows; what the script shows it takes from JSON, in which no ``<`` is left, and shows as
text; and by the page's own policy a browser runs that one script and no other.
"""

from __future__ import annotations

import base64
import hashlib
import json
from importlib import resources
from typing import TYPE_CHECKING, Any

from tf_ckpt_migrate.checkpoint.text import counted, human_bytes
from tf_ckpt_migrate.escapes import printable
from tf_ckpt_migrate.report.words import SECTION_TITLES, SECTIONS, STATUS_WORDS, judged

if TYPE_CHECKING:
    from tf_ckpt_migrate.report.content import MigrationReport, Row, Side

__all__ = ["page"]

# In this order they are one script.
_SCRIPTS = ("data.js", "tree.js", "detail.js", "row.js", "map.js", "page.js")
_KINDS = {
    "plan": "Migration plan",
    "checkpoint": "Checkpoint",
    "pair": "Migration report",
    "restore": "Restore",
    "conversion": "Conversion",
}
_LISTED = 50  # keys under a finding; the map below has them all
_MOST_WITHOUT_SCRIPT = 1000  # rows of the table for browsers that run no scripts


def page(report: MigrationReport) -> str:
    """Return a report as a page.

    Example:
      >>> from tf_ckpt_migrate.report.content import MigrationReport, Side
      >>> text = page(MigrationReport("checkpoint", Side("<b>"), None, ()))
      >>> "&lt;b&gt;" in text, "<b>" in text
      (True, False)
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment: Any = Environment(  # its filters have no types
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        bytes=human_bytes, counted=counted, shown=printable, judged=judged
    )
    style = _asset("style.css")
    script = "\n".join(map(_asset, _SCRIPTS))
    return environment.from_string(_asset("page.html")).render(
        report=report,
        kind=_KINDS[report.kind],
        heading=_heading(report),
        policy=_policy(style, script),
        style=Markup(style),  # noqa: S704 - ours, and no name is in it
        script=Markup(script),  # noqa: S704 - likewise
        status_words=Markup(_embedded(STATUS_WORDS)),  # noqa: S704 - likewise
        data=Markup(_embedded(report.to_config())),  # noqa: S704 - no markup is left
        tallies=_tallies(report),
        verdicts=sorted(report.verdicts, key=lambda each: each.kind == "exact"),
        sections=_sections(report),
        words=STATUS_WORDS,
        listed=_LISTED,
        most=_MOST_WITHOUT_SCRIPT,
    )


def _asset(name: str) -> str:
    folder = resources.files("tf_ckpt_migrate.report") / "page"
    return (folder / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Return a policy that allows this style and this script, and nothing else."""
    return (
        f"default-src 'none'; style-src {_digest(style)}; script-src "
        f"{_digest(script)}; img-src data:; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _embedded(content: object) -> str:
    """Return JSON that ends no script element and begins no comment."""
    text = json.dumps(content, separators=(",", ":"))  # ASCII: no odd line separators
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


def _heading(report: MigrationReport) -> list[dict[str, str]]:
    sides = [report.source] if report.target is None else [report.source, report.target]
    return [_named(side) for side in sides]


def _named(side: Side) -> dict[str, str]:
    folder, slash, name = side.name.rpartition("/")
    size = human_bytes(side.file_bytes if side.files else side.nbytes)
    parts = [side.format, counted(side.tensors, "tensor"), size]
    if side.files:
        parts[2] += f" in {counted(side.files, 'file')}"
    return {
        "folder": folder + slash,
        "name": name or "new names",
        "about": " · ".join(filter(None, parts)),
    }


def _tallies(report: MigrationReport) -> list[tuple[str, str, str]]:
    """Return the numbers at the top: what is counted, how many, and of what colour."""
    rows = report.rows
    found = [("tensors", f"{len(rows):,}", "")]
    found += [
        (STATUS_WORDS[status], f"{report.counts[status]:,}", status)
        for status in STATUS_WORDS
        if status in report.counts and STATUS_WORDS[status]
    ]
    equal = sum(_is_equal(row) for row in rows)
    if report.kind == "pair":
        found.append(("equal", f"{equal:,}", "equal"))
    return found


def _is_equal(row: Row) -> bool:
    return bool(row.shared or (row.difference and not row.difference.elements))


def _sections(report: MigrationReport) -> list[dict[str, Any]]:
    sections: list[dict[str, Any]] = []
    sizes = {
        name: sum(row.main.nbytes for row in report.section(name))
        for name in SECTION_TITLES
    }
    whole = sum(sizes.values()) or 1
    for name, title in SECTION_TITLES.items():
        rows = report.section(name)
        if rows:
            sections.append(
                {
                    "name": name,
                    "title": title,
                    "roles": " ".join(SECTIONS[name]),
                    "rows": rows,
                    "nbytes": sizes[name],
                    "share": round(100 * sizes[name] / whole, 1),
                }
            )
    return sections
