r"""Writes text with escapes in place of characters that steer a terminal or a page.

A name in a file may hold anything: U+009B begins a command as ESC [ does, U+202E turns
the rest of a line around, U+200B is invisible. No output holds such a character, and
JSON and YAML hold it as an escape that every parser turns back into the exact name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib import import_module

__all__ = ["escape_yaml", "printable", "to_html", "to_json"]

_UNUSUAL = re.compile(r"[^\n -~]")


def printable(text: str) -> str:
    r"""Return text with escapes for what would steer a terminal, or break a line.

    Example:
      >>> printable("größe\x1b[2J\n")
      'größe\\x1b[2J\\n'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def to_html(result: object) -> str:
    """Return a result as the HTML table that a notebook shows.

    The renderer knows every kind of result, and so is above all of them: it is found by
    its name when a notebook asks for it.
    """
    return import_module("tf_ckpt_migrate.report.notebook").html_table(result)


def to_json(content: object) -> str:
    r"""Return JSON for people and programs: indented, without invisible characters.

    Args:
      content: Plain data.

    Example:
      >>> print(to_json(["größe", "\x7f\u202e\U000e0041"]))
      [
        "größe",
        "\u007f\u202e\udb40\udc41"
      ]
    """
    text = json.dumps(content, indent=2, ensure_ascii=False)
    return _escaped(text, _json_escape)


def escape_yaml(text: str) -> str:
    r"""Return YAML without invisible characters.

    Args:
      text: YAML whose unprintable characters all stand within double quotes.

    Example:
      >>> print(escape_yaml('"\x7f": "größe\U000e0041"'))
      "\x7f": "größe\U000e0041"
    """
    return _escaped(text, lambda character: repr(character)[1:-1])


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _escaped(text: str, escape: Callable[[str], str]) -> str:
    """Replace what is not printable, save the line feeds between lines."""
    return _UNUSUAL.sub(
        lambda found: found[0] if found[0].isprintable() else escape(found[0]), text
    )
