"""Says in flags what an error advises in Python."""

from __future__ import annotations

import re
import shlex

__all__ = ["in_shell"]

_TEXT = r"(?P<{0}_quote>['\"])(?P<{0}>.*?)(?P={0}_quote)"
# A rule of a list ends in a comma, which is none of the shell's.
_SPELLINGS = (
    (rf"\bDrop\(role={_TEXT.format('role')}\),?", r"--drop_role=\g<role>"),
    (rf"\bDrop\((?:source=|pattern=)?{_TEXT.format('key')}\),?", r"--drop '\g<key>'"),
    (
        rf"\bRename(?:Scope)?\({_TEXT.format('old')}, {_TEXT.format('new')}\),?",
        r"--rename '\g<old>=\g<new>'",
    ),
    (r'\b(unmatched|unmet|data|precedence|names|averages)="(\w+)"', r"--\1=\2"),
    (r'--(\w+)=(\w+) or "(\w+)"', r"--\1=\2 or --\1=\3"),
    (r"\boverwrite=True \(--overwrite\)", "--overwrite"),
)
_RECIPE = re.compile(
    rf"(?:\btcm\.)?\bRecipe\({_TEXT.format('kind')}, {_TEXT.format('source')}, "
    rf"{_TEXT.format('target')}(?P<options>(?:, \w+=[^,()]+)*)\)"
)


def in_shell(message: str) -> str:
    """Return an error's message with the calls that it advises spelled as flags.

    Example:
      >>> in_shell('add Drop("step") or pass unmatched="keep"')
      "add --drop 'step' or pass --unmatched=keep"
    """
    for call, flag in _SPELLINGS:
        message = re.sub(call, flag, message)
    return _RECIPE.sub(_recipe, message)


def _recipe(found: re.Match[str]) -> str:
    options = "".join(f" {each}" for each in (found["options"] or "").split(", ")[1:])
    flag = f"{found['kind']} {found['source']}={found['target']}{options}"
    return f"--recipe {shlex.quote(flag)}"
