"""What a resolution found wrong, gathered into one error that says how to go on.

Every finding is one line of ``PlanError.problems``. The message groups them by kind,
shows the first of each kind with the nearest names, and ends with the calls that
would settle them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import PlanError, capped
from tf_ckpt_migrate.names.advice import (
    about_averages,
    is_positional,
    leaving,
    may_be_one,
    proposing,
    rename_rules,
)
from tf_ckpt_migrate.names.hints import Hints, fitting_transform
from tf_ckpt_migrate.names.misses import likely_causes
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.names.rules import Rename, RenameScope, Rule, Split
from tf_ckpt_migrate.names.unaccounted import Unaccounted
from tf_ckpt_migrate.naming.identity import Contradiction
from tf_ckpt_migrate.naming.slots import role_of

__all__ = ["Problems"]

# What is said of one finding and of several of a kind, in the order of the message,
# and the first words of the finding in ``PlanError.problems``.
_KINDS = {
    "idle": (
        "rule matches nothing in the source",
        "rules match nothing in the source",
        "rule matches nothing",
    ),
    "shadowed": (
        "rule never applies, because earlier ones take its keys",
        "rules never apply, because earlier ones take their keys",
        "rule never applies",
    ),
    "ambiguous": (
        "name is that of several tensors",
        "names are those of several tensors",
        "ambiguous name",
    ),
    "contradiction": (
        "tensor has a name and a place that belong to two targets",
        "tensors have a name and a place that belong to two targets",
        "contradiction",
    ),
    "collision": (
        "target would come from two sources",
        "targets would come from two sources",
        "collision",
    ),
    "no_target": (
        "name is given that the target does not have",
        "names are given that the target does not have",
        "no such target",
    ),
    "misfit": (
        "transform does not fit",
        "transforms do not fit",
        "transform does not fit",
    ),
    "differs": (
        "source has another dtype or shape than its target",
        "sources have another dtype or shape than their targets",
        "dtype or shape differs",
    ),
    "unused": (
        "source key has no place",
        "source keys have no place",
        "unused source",
    ),
    "missing": ("target has no source", "targets have no source", "missing target"),
}
_CAUSES = 3
_ROLES_HINT = (
    '(missing=["slot", "optimizer", "step"] for only what optimizers remember to do so)'
)
_SHOWN = 10
_HINTED = 5


@dataclass
class _Finding:
    text: str
    # The name to look for, and on which side, when this finding is shown.
    wanted: str = ""
    side: str = ""


@dataclass
class Problems:
    """The findings of one resolution.

    Attributes:
      closed: Whether the target takes nothing but its own names, as a live one does.
    """

    closed: bool = False
    _findings: dict[str, list[_Finding]] = field(
        default_factory=lambda: defaultdict(list)
    )
    _unused: list[str] = field(default_factory=list[str])
    _missing: dict[str, TensorSpec] = field(default_factory=dict[str, TensorSpec])
    _misplaced: list[str] = field(default_factory=list[str])
    _differing: list[tuple[Move, TensorSpec]] = field(
        default_factory=list[tuple[Move, TensorSpec]]
    )

    def idle(self, rule: Rule, missing: Iterable[str], hint: str) -> None:
        """``rule`` fits no key; ``missing`` are the names that it spells out."""
        wanted = next(
            iter(missing), rule.source if isinstance(rule, RenameScope) else ""
        )
        text = f"{rule!r}; {hint}" if hint else repr(rule)
        self._add("idle", text, "" if hint else wanted, "source")

    def combine_lacks(self, rule: Rule, missing: Sequence[str]) -> None:
        """``rule`` needs several keys and not all of them are there."""
        names = ", ".join(map(repr, missing))
        self._add("idle", f"{rule!r} lacks {names}", missing[0], "source")

    def shadowed(self, rule: Rule, takers: Sequence[Rule]) -> None:
        """Every key that ``rule`` fits is decided by the ``takers`` before it."""
        shown = ", ".join(capped(map(repr, takers), 3))
        hint = "put the narrower rule first"
        if isinstance(rule, Rename) and isinstance(first := takers[0], Rename):
            goals = {each.target: each.transform for each in (first, rule)}
            both = f"for both targets write {Split(rule.source, goals)!r}"
            hint = both if len(goals) > 1 else "one of them is enough"
        self._add("shadowed", f"{rule!r} after {shown}; {hint}")

    def collision(
        self, target: str, first: Sequence[str], second: Sequence[str]
    ) -> None:
        """Two sources go to ``target``."""
        sides = " and ".join(" + ".join(map(repr, keys)) for keys in (first, second))
        self._add("collision", f"{target!r} from {sides}")

    def ambiguous(self, name: str, keys: Sequence[str]) -> None:
        """A rule gives a name that several tensors go by."""
        shown = ", ".join(capped(map(repr, keys), 3))
        self._add("ambiguous", f"{name!r} may be {shown}; give the key of one")

    def contradiction(self, found: Contradiction) -> None:
        """Names lead from a tensor to one target, places to another."""
        self._add(
            "contradiction",
            f"{found.source!r}: by name {found.by_name!r}, by place "
            f"{found.by_place!r}; write a rule for it",
        )

    def no_name(self, key: str) -> None:
        """A rule leaves nothing of the name of ``key``."""
        self._add("no_target", f"'' (of source {key!r}), which is no name")

    def no_target(self, key: str, name: str) -> None:
        """A rule spells out a name for ``key`` that the target does not have."""
        self._misplaced.append(key)
        of_tensor = "; names here have no ':0'" if name.endswith(":0") else ""
        text = f"{name!r} (of source {key!r}){of_tensor}"
        self._add("no_target", text, name, "target")

    def no_place(self, key: str, name: str) -> None:
        """A scope or pattern makes a name of ``key`` that the target does not have."""
        self._unused.append(key)
        self.no_target(key, name)

    def misfit(self, sources: Sequence[str], target: str, why: str) -> None:
        """A transform does not fit its sources."""
        self._add("misfit", f"{' + '.join(map(repr, sources))} -> {target!r}: {why}")

    def differs(self, move: Move, wanted: TensorSpec) -> None:
        """What arrives is not what the target holds."""
        self._differing.append((move, wanted))
        text = f"{move}, but the target has {wanted}"
        fix = fitting_transform(move.spec, wanted) if move.is_plain else None
        self._add("differs", text + (f"; transform={fix!r} would fit" if fix else ""))

    def unused(self, key: str, spec: TensorSpec) -> None:
        """No rule and no target takes ``key``."""
        self._unused.append(key)
        self._add("unused", f"{key!r} {spec}", key, "target")

    def missing(self, name: str, spec: TensorSpec) -> None:
        """No source goes to ``name``."""
        self._missing[name] = spec
        self._add("missing", f"{name!r} {spec}", name, "source")

    def idle_transform(self, name: str, transform: object) -> None:
        """Nothing moves from or to the name that ``transform`` is given for."""
        self._add("idle", f"transforms[{name!r}] = {transform!r}", name, "target")

    def _add(self, kind: str, text: str, wanted: str = "", side: str = "") -> None:
        self._findings[kind].append(_Finding(text, wanted, side))

    def raise_if_any(
        self,
        source: Mapping[str, TensorSpec],
        target: Mapping[str, TensorSpec] | None,
    ) -> None:
        """Raise what was found, if anything.

        Raises:
          PlanError: With every finding.
        """
        if not self._findings:
            return
        kinds = [kind for kind in _KINDS if kind in self._findings]
        hints = {"source": Hints(source), "target": Hints(target or ())}
        total = sum(map(len, self._findings.values()))
        things = "thing" if total == 1 else "things"
        lines = [f"the plan leaves {total:,} {things} unaccounted for:"]
        for kind in kinds:
            count = len(self._findings[kind])
            lines += ["", f"{count:,} {_KINDS[kind][count > 1]}:"]
            lines += self._section(kind, hints)
        lines += self._advice(source)
        problems = [
            f"{_KINDS[kind][2]}: {finding.text}"
            for kind in kinds
            for finding in self._findings[kind]
        ]
        raise PlanError("\n".join(lines), problems, self._details(source))

    def _details(self, source: Mapping[str, TensorSpec]) -> Unaccounted:
        placeless = dict.fromkeys([*self._unused, *self._misplaced])
        others = [
            f"{_KINDS[kind][2]}: {finding.text}"
            for kind in ("idle", "shadowed", "collision", "misfit")
            for finding in self._findings.get(kind, ())
        ]
        sources = {key: source[key] for key in placeless}
        return Unaccounted(sources, self._missing, self._differing, others)

    def _section(self, kind: str, hints: Mapping[str, Hints]) -> list[str]:
        shown: list[str] = []
        for number, finding in enumerate(self._findings[kind][:_SHOWN]):
            near = (
                hints[finding.side].nearest(finding.wanted)
                if finding.wanted and number < _HINTED
                else []
            )
            shown.append(
                f"  {finding.text}"
                + (f"; nearest in the {finding.side}: {_quoted(near)}" if near else "")
            )
        rest = len(self._findings[kind]) - len(shown)
        return [*shown, f"  … and {rest:,} more"] if rest else shown

    def _advice(self, source: Mapping[str, TensorSpec]) -> list[str]:
        """Return the rules that would settle most, in an order that works."""
        renames = rename_rules(self._pairs(source))
        found = {key for rule in renames for key in self._settled_by(rule)}
        left = [key for key in self._unused if key not in found]
        # What names one key precedes the rule that drops all others of its role.
        first = [
            rule
            for rule in renames
            if isinstance(rule, Rename) and role_of(rule.source, source) != "weight"
        ]
        rules = [f"{rule!r}," for rule in first]
        rules += leaving(left, source)
        rules += [f"{rule!r}," for rule in renames if rule not in first]
        lines: list[str] = []
        if self.closed and self._missing:
            free = {k: source[k] for k in self._unused if not is_positional(k)}
            wanted = {n: s for n, s in self._missing.items() if not is_positional(n)}
            causes = [cause.text for cause in likely_causes(wanted, free)]
            lines += (
                ["", f"Likely cause: {'; '.join(causes[:_CAUSES])}."] if causes else []
            )
        if rules:
            lines += ["", "To go on, put before the other rules:"]
            lines += [f"  {rule}" for rule in rules]
        if left:
            words = '"drop"' if self.closed else '"drop" or "keep"'
            lines += ["", f"or pass unused={words} for what has no place"]
            lines += about_averages(left, source)
        if len(self._missing) > len(found):
            lines += ["", 'or pass missing="keep" for targets to have their own values']
            lines += [_ROLES_HINT] if self.closed else []
            lines += proposing(left, source, self._missing) if left else []
        return lines

    def _settled_by(self, rule: Rename | RenameScope) -> list[str]:
        if isinstance(rule, Rename):
            return [rule.source]
        keys = [key for key in self._unused if key.startswith(rule.source)]
        return [key for key in keys if rule.target_of(key) in self._missing]

    def _pairs(self, source: Mapping[str, TensorSpec]) -> dict[str, str]:
        """Return a few unused sources for missing targets of like name and spec."""
        pairs: dict[str, str] = {}
        free = Hints(self._unused)
        for name, spec in [*self._missing.items()][:_HINTED]:
            for key in free.nearest(name):
                if source[key] == spec and key not in pairs and may_be_one(key, name):
                    pairs[key] = name
                    break
        return pairs


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))
