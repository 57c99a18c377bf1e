"""Proposes rules and arguments that settle the findings of a plan, and tries them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import TypeAlias

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.findings import Advice, Call, Finding, InPython, Message, Option
from tf_ckpt_migrate.names.hints import Hints
from tf_ckpt_migrate.names.misses import likely_causes
from tf_ckpt_migrate.names.plan_text import rename_pattern
from tf_ckpt_migrate.names.rules import Drop, Keep, Recipe, Rename, RenameScope, Rule
from tf_ckpt_migrate.naming.keys import parse_object_key
from tf_ckpt_migrate.naming.slots import role_of, slot_of

__all__ = [
    "Trial",
    "is_positional",
    "may_be_one",
    "rename_rules",
    "settling",
]

# Returns the findings of the same resolution with other rules before its own.
Trial: TypeAlias = Callable[[Sequence[Rule]], Sequence[Finding]]

# What every optimizer of Keras has, by any of its names.
_ITERATIONS = re.compile(r"(?:^|/)_?iter(?:ations?)?(?:/|$)")
_COUNTED = 10_000  # keys whose role is looked up: advice may not cost seconds
_CAUSES = 3
_PAIRED = 5
_ROLES_HINT = (
    '(missing=["slot", "optimizer", "step"] for only what optimizers remember to do so)'
)


def is_positional(key: str) -> bool:
    """Return whether a key ends in the number of a list: it tells no variable.

    Example:
      >>> is_positional("optimizer/_variables/1/.ATTRIBUTES/VARIABLE_VALUE")
      True
      >>> is_positional("layers/0/kernel")
      False
    """
    parsed = parse_object_key(key)
    path = parsed.path if parsed else key.split("/")
    return len(path) > 1 and path[-1].isdecimal() and path[-2].startswith("_")


def may_be_one(key: str, name: str) -> bool:
    """Return whether two keys may name one variable: no slot is a weight.

    Example:
      >>> may_be_one("a/w", "b/w"), may_be_one("opt/_variables/1", "b/w")
      (True, False)
    """
    ends = parse_object_key(key), parse_object_key(name)
    are_slots = [bool(end.slot) for end in ends if end is not None]
    is_known = not is_positional(key) and not is_positional(name)
    return is_known and (len(are_slots) < 2 or are_slots[0] == are_slots[1])


def rename_rules(pairs: Mapping[str, str]) -> list[Rename | RenameScope]:
    """Return rules that rename ``pairs``: one scope where that says it all."""
    patterns = {rename_pattern(old, new) for old, new in pairs.items()}
    if len(patterns) == 1 and len(pairs) > 1:
        old, new = patterns.pop()
        if all(re.fullmatch(r"(?:[^*#]+/)?\*", side) for side in (old, new)):
            return [RenameScope(old.rstrip("*"), new.rstrip("*"))]
    return [Rename(old, new) for old, new in pairs.items()]


def settling(
    findings: Sequence[Finding],
    source: Mapping[str, TensorSpec],
    *,
    closed: bool,
    options: bool = True,
    trial: Trial | None = None,
) -> list[str]:
    """Return the lines of a message that say what settles most findings.

    Args:
      findings: What is wrong.
      source: The tensors of the checkpoint.
      closed: Whether the target takes nothing but its own names.
      options: Whether the caller takes arguments such as ``unused``.
      trial: Resolves again with rules before those that were given.
    """
    unused = list(dict.fromkeys(key for key in _sources(findings)))
    missing = {f.target: f.expected for f in findings if f.kind == "missing"}
    renames = rename_rules(_pairs(unused, missing, source))
    found = {key for rule in renames for key in _settled_by(rule, unused, missing)}
    left = [key for key in unused if key not in found]
    # A rule for one key precedes the rule that drops all others of its role.
    first = [
        rule
        for rule in renames
        if isinstance(rule, Rename) and role_of(rule.source, source) != "weight"
    ]
    drops, notes = _drops(left, source)
    others = [rule for rule in renames if rule not in first]
    proposed: list[tuple[Rule, str]] = [(rule, "") for rule in first]
    proposed += zip(drops, notes, strict=True)
    proposed += [(rule, "") for rule in others]
    tried = _tried([rule for rule, _ in proposed], findings, trial)
    rules = [
        Message(Advice(rule), InPython(","), note)
        for rule, note in proposed
        if rule in tried
    ]
    found &= {key for rule in tried for key in _settled_by(rule, unused, missing)}
    left = [key for key in unused if key not in found]
    lines: list[str] = []
    if closed and missing:
        free = {k: source[k] for k in unused if not is_positional(k)}
        wanted = {n: s for n, s in missing.items() if not is_positional(n)}
        causes = [cause.text for cause in likely_causes(wanted, free)]
        lines += ["", f"Likely cause: {'; '.join(causes[:_CAUSES])}."] if causes else []
    if rules:
        lines += ["", "To go on, put before the other rules:"]
        lines += [Message("  ", rule) for rule in rules]
    if left:
        option = Option("unused", *(("drop",) if closed else ("drop", "keep")))
        rest = Message("put ", Advice(Drop("/")), " or ", Advice(Keep("/")), " last,")
        call = Message("pass ", option) if options else rest
        lines += ["", Message("or ", call, " for what has no place")]
        lines += _about_averages(left, source)
    if len(missing) > len(found):
        text = " for targets to have their own values"
        lines += ["", Message("or pass ", Option("missing", "keep"), text)]
        lines += [_ROLES_HINT] if closed else []
        lines += _proposing(left, source, missing) if left else []
    return lines


def _sources(findings: Sequence[Finding]) -> list[str]:
    """Return the sources that no target takes."""
    kinds = ("unused", "no_target")
    return [f.source[0] for f in findings if f.kind in kinds and f.spec is not None]


def _tried(
    rules: Sequence[Rule],
    findings: Sequence[Finding],
    trial: Trial | None,
) -> list[Rule]:
    """Return the rules with which a resolution has fewer findings and no other kind."""
    if trial is None or not rules:
        return [*rules]

    def settles(tried: Sequence[Rule]) -> bool:
        after = trial(tried)
        count = Counter(f.kind for f in findings)
        other = Counter(f.kind for f in after)
        worse = any(n > count[kind] for kind, n in other.items())
        return not worse and len(after) < len(findings)

    return [*rules] if settles(rules) else [r for r in rules if settles([r])]


def _settled_by(
    rule: Rule, unused: Sequence[str], missing: Mapping[str, object]
) -> list[str]:
    if isinstance(rule, Rename):
        return [rule.source]
    if not isinstance(rule, RenameScope):
        return []
    keys = [key for key in unused if key.startswith(rule.source)]
    return [key for key in keys if rule.target_of(key) in missing]


def _pairs(
    unused: Sequence[str],
    missing: Mapping[str, TensorSpec],
    source: Mapping[str, TensorSpec],
) -> dict[str, str]:
    """Return a few unused sources for missing targets with a similar name and spec."""
    pairs: dict[str, str] = {}
    free = Hints(unused)
    for name, spec in [*missing.items()][:_PAIRED]:
        for key in free.nearest(name):
            if source[key] == spec and key not in pairs and may_be_one(key, name):
                pairs[key] = name
                break
    return pairs


def _drops(
    keys: Sequence[str], source: Mapping[str, TensorSpec]
) -> tuple[list[Drop], list[str]]:
    """Return the rules that drop keys by their roles, and a note on each."""
    counted = keys[:_COUNTED]
    roles = Counter(role_of(key, source) for key in counted)
    weights = roles.pop("weight", 0)
    least = "at least " if len(keys) > _COUNTED else ""
    rules: list[Drop] = [Drop(role=role) for role in roles]
    notes = [f"  # leaves {least}{count:,} of them behind" for count in roles.values()]
    if weights:
        example = next(key for key in counted if role_of(key, source) == "weight")
        rules.append(Drop(example))
        notes.append("  # and so on, for what is to be left behind")
    return rules, notes


def _proposing(
    left: Sequence[str], source: Mapping[str, TensorSpec], missing: Mapping[str, object]
) -> list[str]:
    """Return what finds rules where keys and targets are both left over."""
    call = Call("suggest_assignment_map", "source, target")
    lines: list[str] = [
        "",
        Message("or have rules proposed, with how sure they are, by ", call),
    ]
    slots = (
        slot_of(key, source) for key in left[:_COUNTED] if not parse_object_key(key)
    )
    slot = next((each for each in slots if each and each.name != "average"), None)
    found = (_ITERATIONS.search(name) for name in islice(missing, _COUNTED))
    steps = next(filter(None, found), None)
    if slot is not None and steps is not None:
        is_key = parse_object_key(steps.string) is not None
        path = steps.string[: steps.start()] if is_key else "optimizer"
        rule = Recipe("optimizer", slot.optimizer, path)
        where = "" if is_key else ", if it is at that path"
        lines.append(Message("or let the optimizer go on by ", Advice(rule), where))
    return lines


def _about_averages(keys: Sequence[str], source: Mapping[str, TensorSpec]) -> list[str]:
    """Return what chooses between variables and their averages, if these are left."""
    if all(role_of(key, source) != "average" for key in keys[:_COUNTED]):
        return []
    text = Message(
        "or pass ",
        Option("averages", "average"),
        " for variables to have their moving averages, as TF1 programs evaluate, or ",
        Option("averages", "raw"),
        " for their own values",
    )
    return ["", text]
