"""Writes errors for the shell: their advice as flags and subcommands, or as JSON."""

from __future__ import annotations

import re
import shlex
from typing import Any

from tf_ckpt_migrate.escapes import to_json
from tf_ckpt_migrate.findings import (
    Advice,
    Call,
    Finding,
    InPython,
    Message,
    Option,
    Part,
    message_of,
)
from tf_ckpt_migrate.names.rules import Drop, Recipe, Rename, RenameScope, Rule

__all__ = ["error_json", "error_text", "shell_text"]

_COMMANDS = {
    "add_name_keys": "add-name-keys CHECKPOINT",
    "add_object_keys": "add-object-keys CHECKPOINT",
    "convert": "convert SOURCE OUTPUT --rename A=B",
    "convert_tf1_to_tf2": "convert SOURCE OUTPUT --to=tf2",
    "convert_tf2_to_tf1": "convert SOURCE OUTPUT --to=tf1",
    "diff_checkpoints": "diff SOURCE CONVERTED --map FILE",
    "plan_migration": "plan SOURCE",
    "suggest_assignment_map": "suggest SOURCE TARGET",
    "remove_name_keys": "remove-name-keys CHECKPOINT",
    "verify_conversion": "verify CONVERTED --against SOURCE --map FILE",
}


def error_text(error: BaseException) -> str:
    """Return the message of an error for the shell."""
    return shell_text(message_of(error) or str(error))


def error_json(error: BaseException) -> str:
    """Return an error as JSON: its class, its message and each of its findings."""
    findings: tuple[Finding, ...] = getattr(error, "findings", ())
    content = {
        "class": type(error).__name__,
        "message": str(error) if isinstance(error, OSError) else error_text(error),
        "findings": [_config(finding) for finding in findings],
    }
    return to_json({"error": content})


def _config(finding: Finding) -> dict[str, Any]:
    """Return plain data of a finding, with remedies as they are typed in a shell."""
    config = {**finding.to_config(), "text": shell_text(finding.text)}
    if finding.remedies:
        config["remedies"] = list(map(_spelled, finding.remedies))
    return config


def shell_text(text: str) -> str:
    """Return a message with its advice as it is typed in a shell.

    Example:
      >>> text = Message("add ", Advice(Drop("step")), " or ", Option("unused", "keep"))
      >>> shell_text(text)
      "add --drop 'step' or --unused=keep"
    """
    parts = text.parts if isinstance(text, Message) else (text,)
    return "".join(map(_spelled, parts))


def _spelled(part: Part) -> str:
    if isinstance(part, Option):
        return " or ".join(
            f"--{part.name}" if value is True else f"--{part.name}={value}"
            for value in part.values
        )
    if isinstance(part, Advice):
        return _flag(part.rule)
    if isinstance(part, Call):
        like = " --like=CHECKPOINT" if "like=" in (part.arguments or "") else ""
        return f"`tf-ckpt-migrate {_COMMANDS[part.function]}{like}`"
    return part.shell if isinstance(part, InPython) else part


def _flag(rule: Rule) -> str:
    """Return a rule as a flag; one that no flag expresses as Python spells it."""
    if isinstance(rule, Drop):
        if rule.role:
            return f"--drop_role={rule.role}"
        pattern = rule.pattern or _pattern(rule.source or "")
        return f"--drop {_quoted(pattern)}"
    if isinstance(rule, Recipe):
        options = "".join(f" {name}={value}" for name, value in rule.options)
        text = f"{rule.kind} {rule.source}={rule.target}{options}"
        return f"--recipe {shlex.quote(text)}"
    if isinstance(rule, Rename | RenameScope) and rule.transform is None:
        pair = "=".join(side or "/" for side in (rule.source, rule.target))
        return f"--rename {_quoted(pair)}"
    return repr(rule)


def _quoted(text: str) -> str:
    quoted = shlex.quote(text)
    return quoted if quoted != text else f"'{text}'"


def _pattern(key: str) -> str:
    """Return a scope as it is, and a key as the pattern that fits it alone."""
    if key.endswith("/") or not key:
        return key or "/"
    try:
        is_own = re.fullmatch(key, key) is not None
    except re.error:
        is_own = False
    return key if is_own else re.escape(key)
