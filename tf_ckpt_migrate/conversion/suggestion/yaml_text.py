"""A suggestion as the YAML that ``--map`` takes, with what is open as comments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tf_ckpt_migrate.conversion.suggestion.summaries import by_series
from tf_ckpt_migrate.escapes import printable
from tf_ckpt_migrate.names.rules.config import to_config
from tf_ckpt_migrate.names.yaml_writing import write_yaml

if TYPE_CHECKING:
    from tf_ckpt_migrate.conversion.suggestion.suggestion import Suggestion

__all__ = ["as_yaml"]


def as_yaml(suggestion: Suggestion) -> str:
    """Return rules, one a line, then in comments what someone has to decide."""
    from tf_ckpt_migrate.conversion.suggestion.text import verdict

    lines = [f"# {printable(verdict(suggestion))}"]
    lines += [f"# {printable(note)}" for note in suggestion.notes]
    rules = [_line(to_config(rule)) for rule in suggestion.assignment_map]
    lines += rules or ["[]  # no rules: a line to remove when there are some"]
    lines += _open(suggestion)
    return "\n".join(lines) + "\n"


def _open(suggestion: Suggestion) -> Iterator[str]:
    if suggestion.ambiguities:
        yield "# Ambiguous: take one line of each (a # and a blank less)."
    for each in suggestion.ambiguities:
        yield f"# {printable(each.source)} {each.form}: {each.settle}"
        for target in each.candidates:
            yield _line({each.source: target}, "# ")
        if each.more:
            yield f"#   or {each.more:,} more"
    if suggestion.open_rules:
        yield "# Rules of which some may be meant:"
        yield from (_line(to_config(rule), "# ") for rule in suggestion.open_rules)
    if suggestion.unmatched.target:
        yield "# Nothing goes to these, which --missing=keep leaves as they are:"
        names = by_series(suggestion.unmatched.target)
        yield from (f"#   {printable(name)}" for name in names)


def _line(entry: dict[str, Any], before: str = "") -> str:
    """Return a rule as an entry of a list; ``before`` goes before each of its lines."""
    if len(entry) > 1:
        text = f"- {write_yaml(entry, flow=True)}"
    else:
        text = write_yaml([entry])
    return before + text.strip().replace("\n", f"\n{before}")
