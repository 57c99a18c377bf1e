"""Gathers the findings of a resolution into one error that says what settles them.

The message groups findings by kind, shows the first of each kind with the nearest
names, and ends with the rules and arguments that settle them. Advice is tried: a rule
is only proposed if a resolution with it has fewer findings, and none of another kind.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import PlanError, capped
from tf_ckpt_migrate.findings import (
    Advice,
    Finding,
    FindingKind,
    Message,
    Option,
    Part,
)
from tf_ckpt_migrate.names.advice import Trial, settling
from tf_ckpt_migrate.names.hints import Hints, fitting_transform
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.names.rules import Rename, RenameScope, Rule, Split
from tf_ckpt_migrate.naming.identity import Contradiction

__all__ = ["Problems"]

# What is said of one finding and of several of a kind, in the order of the message,
# and the first words of the text of a finding.
_KINDS: dict[FindingKind, tuple[str, str, str]] = {
    "idle_rule": (
        "rule matches nothing in the source",
        "rules match nothing in the source",
        "rule matches nothing",
    ),
    "shadowed_rule": (
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
    "transform": (
        "transform does not fit",
        "transforms do not fit",
        "transform does not fit",
    ),
    "dtype": (
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
# Dtypes and shapes that differ are one group of the message.
_GROUPS: dict[FindingKind, FindingKind] = {"shape": "dtype"}
_SHOWN = 10
_HINTED = 5
_TAKERS = 3


@dataclass
class _Line:
    """A finding, its line in the message, and the name to look for on a side."""

    finding: Finding
    text: Message
    wanted: str = ""
    side: str = ""


@dataclass
class Problems:
    """The findings of one resolution.

    Attributes:
      closed: Whether the target takes nothing but its own names, as a live one does.
      options: Whether the caller takes arguments such as ``unused``.
    """

    closed: bool = False
    options: bool = True
    _lines: dict[FindingKind, list[_Line]] = field(
        default_factory=lambda: defaultdict(list)
    )

    @property
    def findings(self) -> list[Finding]:
        """The findings, in the order of the message."""
        return [each.finding for kind in _KINDS for each in self._lines.get(kind, ())]

    def idle(self, rule: Rule, missing: Iterable[str], hint: str) -> None:
        """``rule`` fits no key; ``missing`` are the names that it spells out."""
        wanted = next(
            iter(missing), rule.source if isinstance(rule, RenameScope) else ""
        )
        self._add(
            Finding("idle_rule", "", rule=rule),
            Message(Advice(rule), f"; {hint}" if hint else ""),
            "" if hint else wanted,
            "source",
        )

    def combine_lacks(self, rule: Rule, missing: Sequence[str]) -> None:
        """``rule`` needs several keys and not all of them are there."""
        names = ", ".join(map(repr, missing))
        finding = Finding("idle_rule", "", tuple(missing), rule=rule)
        self._add(
            finding, Message(Advice(rule), f" lacks {names}"), missing[0], "source"
        )

    def shadowed(self, rule: Rule, takers: Sequence[Rule]) -> None:
        """Every key that ``rule`` fits is decided by the ``takers`` before it."""
        shown = [Advice(taker) for taker in takers[:_TAKERS]]
        rest = len(takers) - len(shown)
        hint = Message("put the narrower rule first")
        if isinstance(rule, Rename) and isinstance(first := takers[0], Rename):
            goals = {each.target: each.transform for each in (first, rule)}
            hint = Message("one of them is enough")
            if len(goals) > 1:
                both = Advice(Split(rule.source, goals))
                hint = Message("for both targets write ", both)
        listed = _joined(shown)
        more = f", … and {rest:,} more" if rest else ""
        self._add(
            Finding("shadowed_rule", "", rule=rule),
            Message(Advice(rule), " after ", listed, more, "; ", hint),
        )

    def collision(
        self, target: str, first: Sequence[str], second: Sequence[str]
    ) -> None:
        """Two sources go to ``target``."""
        sides = " and ".join(" + ".join(map(repr, keys)) for keys in (first, second))
        finding = Finding("collision", "", (*first, *second), target)
        self._add(finding, Message(f"{target!r} from {sides}"))

    def ambiguous(self, name: str, keys: Sequence[str]) -> None:
        """A rule gives a name that several tensors go by."""
        shown = ", ".join(capped(map(repr, keys), 3))
        self._add(
            Finding("ambiguous", "", tuple(keys)),
            Message(f"{name!r} may be {shown}; give the key of one"),
        )

    def contradiction(self, found: Contradiction) -> None:
        """Names lead from a tensor to one target, places to another."""
        self._add(
            Finding("contradiction", "", (found.source,), found.by_name),
            Message(
                f"{found.source!r}: by name {found.by_name!r}, by place "
                f"{found.by_place!r}; write a rule for it"
            ),
        )

    def no_name(self, key: str) -> None:
        """A rule leaves nothing of the name of ``key``."""
        self._add(
            Finding("no_target", "", (key,)),
            Message(f"'' (of source {key!r}), which is no name"),
        )

    def no_target(self, key: str, name: str, spec: TensorSpec) -> None:
        """A rule makes a name of ``key`` that the target does not have."""
        of_tensor = "; names here have no ':0'" if name.endswith(":0") else ""
        finding = Finding("no_target", "", (key,), name, spec=spec)
        text = Message(f"{name!r} (of source {key!r}){of_tensor}")
        self._add(finding, text, name, "target")

    def misfit(self, sources: Sequence[str], target: str, why: str) -> None:
        """A transform does not fit its sources."""
        finding = Finding("transform", "", tuple(sources), target)
        self._add(
            finding, Message(f"{' + '.join(map(repr, sources))} -> {target!r}: {why}")
        )

    def differs(self, move: Move, wanted: TensorSpec) -> None:
        """What arrives is not what the target holds."""
        text = f"{move}, but the target has {wanted}"
        fix = fitting_transform(move.spec, wanted) if move.is_plain else None
        self._add(
            Finding(
                "shape" if move.spec.dtype == wanted.dtype else "dtype",
                "",
                move.sources,
                move.target,
                spec=move.spec,
                expected=wanted,
                remedies=(Advice(Rename(move.sources[0], move.target, fix)),)
                if fix
                else (),
            ),
            Message(text + (f"; transform={fix!r} would fit" if fix else "")),
        )

    def unused(self, key: str, spec: TensorSpec) -> None:
        """No rule and no target takes ``key``."""
        finding = Finding("unused", "", (key,), spec=spec)
        self._add(finding, Message(f"{key!r} {spec}"), key, "target")

    def missing(self, name: str, spec: TensorSpec) -> None:
        """No source goes to ``name``."""
        finding = Finding("missing", "", target=name, expected=spec)
        self._add(finding, Message(f"{name!r} {spec}"), name, "source")

    def idle_transform(self, name: str, transform: object) -> None:
        """Nothing moves from or to the name that ``transform`` is given for."""
        self._add(
            Finding("idle_rule", ""),
            Message(f"transforms[{name!r}] = {transform!r}"),
            name,
            "target",
        )

    def _add(
        self, finding: Finding, text: Message, wanted: str = "", side: str = ""
    ) -> None:
        group = _GROUPS.get(finding.kind, finding.kind)
        finding = replace(
            finding,
            text=Message(f"{_KINDS[group][2]}: ", text),
            remedies=finding.remedies or _options(finding.kind, self.closed),
        )
        self._lines[group].append(_Line(finding, text, wanted, side))

    def raise_if_any(
        self,
        source: Mapping[str, TensorSpec],
        target: Mapping[str, TensorSpec] | None,
        trial: Trial | None = None,
    ) -> None:
        """Raise what was found, if anything.

        Raises:
          PlanError: With every finding.
        """
        findings = self.findings
        if not findings:
            return
        hints = {"source": Hints(source), "target": Hints(target or {})}
        things = "thing" if len(findings) == 1 else "things"
        lines: list[str] = [
            f"the plan leaves {len(findings):,} {things} unaccounted for:"
        ]
        for kind in _KINDS:
            if count := len(self._lines.get(kind, ())):
                lines += ["", f"{count:,} {_KINDS[kind][count > 1]}:"]
                lines += self._section(kind, hints)
        lines += settling(
            findings,
            source,
            closed=self.closed,
            options=self.options,
            trial=trial,
        )
        raise PlanError(Message.lines(lines), findings)

    def _section(self, kind: FindingKind, hints: Mapping[str, Hints]) -> list[str]:
        shown: list[str] = []
        for number, line in enumerate(self._lines[kind][:_SHOWN]):
            spec = line.finding.spec or line.finding.expected
            near = (
                hints[line.side].nearest(line.wanted, spec)
                if line.wanted and number < _HINTED
                else []
            )
            hint = f"; nearest in the {line.side}: {_quoted(near)}" if near else ""
            shown.append(Message("  ", line.text, hint))
        rest = len(self._lines[kind]) - len(shown)
        return [*shown, f"  … and {rest:,} more"] if rest else shown


def _options(kind: FindingKind, closed: bool) -> tuple[Option, ...]:
    """Return the arguments that accept findings of a kind."""
    if kind == "unused":
        return (Option("unused", *(("drop",) if closed else ("drop", "keep"))),)
    return (Option("missing", "keep"),) if kind == "missing" else ()


def _joined(parts: Sequence[Advice]) -> Message:
    found: list[Part] = []
    for part in parts:
        found += [", ", part] if found else [part]
    return Message(*found)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))
