"""Renders a suggestion as text and as YAML: the rules first, then what is open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tf_ckpt_migrate.checkpoint.text import Table, counted
from tf_ckpt_migrate.conversion.suggestion.numbers import series_name
from tf_ckpt_migrate.errors import capped
from tf_ckpt_migrate.escapes import printable
from tf_ckpt_migrate.names.rules.config import to_config
from tf_ckpt_migrate.names.yaml_files import write_yaml

if TYPE_CHECKING:
    from tf_ckpt_migrate.conversion.suggestion.suggestion import Suggestion

__all__ = ["as_yaml", "by_series", "said", "verdict"]

_RULES = 40
_SHOWN = 4  # candidates
_MOST = 8  # of a list that is only to be looked at


def verdict(suggestion: Suggestion) -> str:
    """Return the suggestion in one line."""
    totals = suggestion.totals
    matched = len(suggestion.matches)
    found = [f"{totals[what]:,} {what}" for what in ("certain", "likely", "accepted")
             if totals[what]]  # fmt: skip
    open_ = [f"{totals['ambiguous']:,} ambiguous"] if totals["ambiguous"] else []
    if suggestion.unmatched.source:
        open_.append(f"{len(suggestion.unmatched.source):,} without a counterpart")
    parts = f" ({', '.join(found)})" if found else ""
    return "; ".join([f"{matched:,} matched{parts}", *open_])


def said(suggestion: Suggestion) -> Iterator[str | Table]:
    """Yield lines and tables that say what is proposed."""
    yield verdict(suggestion)
    yield f"from {suggestion.source}"
    yield f"to {suggestion.target}"
    if len(suggestion.assignment_map):
        yield ""
        yield f"the map, {counted(len(suggestion.assignment_map), 'rule')}:"
        yield from (
            f"  {rule}" for rule in capped(map(repr, suggestion.assignment_map), _RULES)
        )
    yield from _grounds(suggestion)
    if suggestion.notes:
        yield ""
        yield from (f"note: {note}" for note in suggestion.notes)
    yield from _open(suggestion)


def _grounds(suggestion: Suggestion) -> Iterator[str | Table]:
    """Yield what the matches stand on, those of the same grounds together."""
    counts = Counter(
        (match.confidence, ", ".join(match.evidence)) for match in suggestion.matches
    )
    if counts:
        yield ""
        order = sorted(counts.items(), key=lambda each: (each[0][0], -each[1]))
        rows = [(f"{number:,}", how, why) for (how, why), number in order]
        yield Table((">matches", "confidence", "what speaks for them"), rows)


def _open(suggestion: Suggestion) -> Iterator[str]:
    if suggestion.ambiguities:
        yield ""
        yield f"ambiguous, so not in the map: {len(suggestion.ambiguities):,}"
    for settle in dict.fromkeys(each.settle for each in suggestion.ambiguities):
        yield f"  {settle}:"
        for each in suggestion.ambiguities:
            if each.settle == settle:
                shown = [*map(repr, each.candidates[:_SHOWN])]
                rest = len(each.candidates) - len(shown) + each.more
                shown += [f"{rest:,} more"] if rest else []
                candidates = " or ".join(shown)
                yield f"    {each.source!r} {each.form} -> {candidates}"
    if suggestion.open_rules:
        yield ""
        yield "rules of which some may be meant:"
        yield from (f"  {rule!r}" for rule in suggestion.open_rules)
    yield from _listed(
        "without a counterpart in the target", suggestion.unmatched.source
    )
    yield from _listed(
        'filled by nothing; missing="keep" leaves them as they are',
        suggestion.unmatched.target,
    )


def _listed(title: str, names: Sequence[str]) -> Iterator[str]:
    if names:
        yield ""
        yield f"{title}: {len(names):,}"
        yield from (f"  {name}" for name in capped(by_series(names), _MOST))


def by_series(names: Sequence[str]) -> list[str]:
    """Return one line for all names that differ in numbers only.

    Example:
      >>> by_series(["conv_1/bias", "conv_2/bias", "conv_3/bias", "head/bias"])
      ['conv_1/bias and 2 more of conv_#/bias', 'head/bias']
    """
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(series_name(name), []).append(name)
    return [
        each[0]
        if len(each) == 1
        else f"{each[0]} and {len(each) - 1:,} more of {series}"
        for series, each in found.items()
    ]


def as_yaml(suggestion: Suggestion) -> str:
    """Return rules, one a line, then in comments what someone has to decide."""
    lines = [f"# {printable(verdict(suggestion))}"]
    lines += [f"# {printable(note)}" for note in suggestion.notes]
    rules = [_line(to_config(rule)) for rule in suggestion.assignment_map]
    lines += rules or ["[]  # no rules: a line to remove when there are some"]
    lines += _open_as_yaml(suggestion)
    return "\n".join(lines) + "\n"


def _open_as_yaml(suggestion: Suggestion) -> Iterator[str]:
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
