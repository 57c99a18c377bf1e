"""A plan as text: every line of a small one, the pattern of a large one."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from tf_ckpt_migrate.errors import capped
from tf_ckpt_migrate.escapes import printable
from tf_ckpt_migrate.names.moves import STEPS_AHEAD, Move, Verdict
from tf_ckpt_migrate.naming.keys import ATTRIBUTES, OPTIMIZER_SLOT, parse_object_key

if TYPE_CHECKING:
    from tf_ckpt_migrate.names.plan import MigrationPlan

__all__ = [
    "VERDICT_COLUMNS",
    "plan_text",
    "rename_pattern",
    "rename_rows",
    "verdict_groups",
]


VERDICT_COLUMNS = ("what", "verdict", "why")

_ANY = float("inf")


def verdict_groups(
    verdicts: Iterable[Verdict],
) -> Iterator[tuple[list[str], list[tuple[str, ...]]]]:
    r"""Yield for each optimizer lines about it, and rows of `VERDICT_COLUMNS`.

    Example:
      >>> known = Verdict("Adam", "epsilon", "exact", "1e-08, as you say", into="opt")
      >>> for head, rows in verdict_groups([known]):
      ...     print(*head, *rows, sep="\n")
      optimizer 'Adam' goes on in 'opt' as in TF1
      ('epsilon', 'exact', '1e-08, as you say')
    """
    by_optimizer: dict[tuple[str, str], list[Verdict]] = {}
    for each in verdicts:
        by_optimizer.setdefault((each.optimizer, each.into), []).append(each)
    for (optimizer, into), own in by_optimizer.items():
        text = _summary(own, is_of_tf1=not own[0].saved_by)
        head = [f"optimizer {optimizer!r} goes on in {into!r} {text}"]
        assumed = ", ".join(each.assumes for each in own if each.assumes)
        supposed = ", ".join(each.supposes for each in own if each.supposes)
        given = [f"{own[0].saved_by or 'TF1'} had {assumed}"] if assumed else []
        given += [f"Keras has {supposed}"] if supposed else []
        if given:
            head.append(
                f"if {' and '.join(given)}: no checkpoint tells, nor does the recipe"
            )
        # What is not exact comes first: it is what someone has to read.
        rows = sorted(own, key=lambda verdict: verdict.kind == "exact")
        yield head, [(each.what, each.kind, each.reason) for each in rows]


def _summary(verdicts: Sequence[Verdict], *, is_of_tf1: bool) -> str:
    doubtful = [each for each in verdicts if each.kind != "exact"]
    far = math.prod(1 + each.how_far for each in doubtful) - 1
    names = ", ".join(dict.fromkeys(each.what for each in doubtful))
    as_before = "as in TF1" if is_of_tf1 else "as before"
    if not doubtful:
        return as_before
    if far == _ANY:
        return f"not {as_before}: {names}"
    steps = f"with the next {STEPS_AHEAD} steps each within {far:.1e} of"
    return f"{steps} {'TF1' if is_of_tf1 else 'the saved one'}'s: {names}"


_LISTED = 20  # moves that are listed one by one
_GROUPED = 20_000  # moves that are looked at for patterns: it takes 15 us for each
_EXAMPLES = 3
_DIGITS = re.compile(r"\d+")


def plan_text(plan: MigrationPlan) -> str:
    """Return ``plan`` for people: the counts, then what becomes of what."""
    renamed = [move for move in plan.moves if move.is_plain and not move.is_kept]
    lines = [plan.summary, *_ends(plan)]
    lines += _section("renamed", rename_rows(renamed))
    changed = [move for move in plan.moves if not move.is_plain]
    computed = [str(move) for move in changed if not move.is_divided]
    lines += _section("computed", capped(computed, _LISTED))
    divided = [str(move) for move in changed if move.is_divided]
    lines += _section("stored in other slices", capped(divided, _LISTED))
    kept = [repr(move.target) for move in plan.moves if move.is_kept]
    lines += _section("kept under their names", capped(kept, _LISTED))
    lines += _section("dropped", _by_reason(plan.dropped))
    targets = [(entry.name, entry.reason) for entry in plan.kept_targets]
    lines += _section("targets that keep their values", _by_reason(targets))
    for head, rows in verdict_groups(plan.verdicts):
        lines += ["", *head, *(f"  {row}" for row in _columns(rows))]
    lines += _section("notes", capped(plan.notes, _LISTED))
    return "\n".join(lines)


def _ends(plan: MigrationPlan) -> Iterable[str]:
    if plan.source:
        yield f"from {printable(plan.source)}"
    if plan.target:
        yield f"for {printable(plan.target)}"


def _section(title: str, rows: Sequence[str]) -> list[str]:
    if not rows:
        return []
    return ["", f"{title}:", *(f"  {row}" for row in rows)]


def rename_rows(moves: Sequence[Move]) -> list[str]:
    """Return lines for renames: one for each of a few, else one for each pattern."""
    if len(moves) <= _LISTED:
        return _columns([(m.sources[0], f"-> {m.target}", str(m.spec)) for m in moves])
    groups: dict[tuple[str, str], list[Move]] = defaultdict(list)
    for move in moves[:_GROUPED]:
        groups[rename_pattern(move.sources[0], move.target)].append(move)
    ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
    rows = [_group_row(pattern, found) for pattern, found in ordered[:_LISTED]]
    rest = len(moves) - sum(len(found) for _, found in ordered[:_LISTED])
    more = [f"… and {rest:,} more keys"] if rest else []
    return [*_columns(rows), *more]


def _group_row(pattern: tuple[str, str], moves: Sequence[Move]) -> tuple[str, ...]:
    first = moves[0]
    if len(moves) == 1:
        return first.sources[0], f"-> {first.target}", "1 key"
    example = f"{len(moves):,} keys, such as {first.sources[0]}"
    return pattern[0], f"-> {pattern[1]}", example


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return ``rows`` with their columns aligned, unless that makes them too wide."""
    widths = [min(max(map(len, column)), 60) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def rename_pattern(source: str, target: str) -> tuple[str, str]:
    """Return both names with ``*`` for what they share and ``#`` for numbers.

    Example:
      >>> rename_pattern("bert/layer_3/w", "encoder/layer_3/w")
      ('bert/*', 'encoder/*')
      >>> rename_pattern("layer_3/w", "layers/3/kernel")
      ('layer_#/w', 'layers/#/kernel')
    """
    old, old_end = _parts(source)
    new, new_end = _parts(target)
    start, other, length = _longest_run(old, new)
    if length:
        old[start : start + length] = ["*"]
        new[other : other + length] = ["*"]
    return (
        _DIGITS.sub("#", "/".join(old)) + old_end,
        _DIGITS.sub("#", "/".join(new)) + new_end,
    )


def _parts(name: str) -> tuple[list[str], str]:
    """Return the path components, unescaped and split, and what follows them."""
    key = parse_object_key(name)
    if key is None:
        return name.split("/"), ""
    parts = "/".join(key.path).split("/")
    if key.slot:
        parts += [OPTIMIZER_SLOT, *key.slot.optimizer, key.slot.name]
    return parts, f"/{ATTRIBUTES}/{key.attribute}"


def _longest_run(old: Sequence[str], new: Sequence[str]) -> tuple[int, int, int]:
    """Return where in both the longest run of equal parts begins, and its length."""
    best = (0, 0, 0)
    for i in range(len(old)):
        for j in range(len(new)):
            length = 0
            limit = min(len(old) - i, len(new) - j)
            while length < limit and old[i + length] == new[j + length]:
                length += 1
            if length > best[2]:
                best = (i, j, length)
    return best


def _by_reason(entries: Iterable[tuple[str, str]]) -> list[str]:
    groups: dict[str, list[str]] = defaultdict(list)
    for name, reason in entries:
        groups[reason].append(name)
    rows: list[str] = []
    for reason, names in groups.items():
        count = f"{len(names):,} keys: " if len(names) > 1 else ""
        why = f" ({reason})" if reason else ""
        rows.append(f"{count}{', '.join(capped(map(repr, names), _EXAMPLES))}{why}")
    return capped(rows, _LISTED)
