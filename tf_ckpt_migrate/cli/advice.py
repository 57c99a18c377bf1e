"""Says in flags what an error advises in Python."""

from __future__ import annotations

import re

__all__ = ["in_shell"]

_TEXT = r"(?P<q>['\"])(?P<{}>.*?)(?P=q)"
_SPELLINGS = (
    (
        re.compile(r"\bDrop\(role=" + _TEXT.format("role") + r"\)"),
        r"--drop_role=\g<role>",
    ),
    (
        re.compile(r"\bDrop\((?:source=|pattern=)?" + _TEXT.format("key") + r"\)"),
        r"--drop '\g<key>'",
    ),
    (
        re.compile(r"\bRename\('(?P<old>[^']*)', '(?P<new>[^']*)'\)"),
        r"--rename '\g<old>=\g<new>'",
    ),
    (
        re.compile(
            r'\b(?P<name>unmatched|unmet|data|precedence|names)="(?P<word>\w+)"'
        ),
        r"--\g<name>=\g<word>",
    ),
    (re.compile(r"\boverwrite=True \((?P<flag>--overwrite)\)"), r"\g<flag>"),
)


def in_shell(message: str) -> str:
    """Return an error's message with the calls that it advises spelled as flags.

    Example:
      >>> in_shell('add Drop("step") or pass unmatched="keep"')
      "add --drop 'step' or pass --unmatched=keep"
    """
    for call, flag in _SPELLINGS:
        message = call.sub(flag, message)
    return message
