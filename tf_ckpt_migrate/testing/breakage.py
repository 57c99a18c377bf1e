"""What broke between a checkpoint's names and a model, and the map that mends it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.checkpoint.text import Table, counted, plain_text
from tf_ckpt_migrate.conversion.layout import VALUE_END
from tf_ckpt_migrate.conversion.moved import MovedName, moved_names
from tf_ckpt_migrate.errors import capped
from tf_ckpt_migrate.findings import Finding
from tf_ckpt_migrate.names.compression import Renamed, compressed
from tf_ckpt_migrate.names.hints import fitting_transform
from tf_ckpt_migrate.names.matching import match
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.names.plan_text import rename_rows
from tf_ckpt_migrate.names.rules import Drop, Keep, Recipe, Rule
from tf_ckpt_migrate.naming.slots import role_of

__all__ = ["Breakage", "Mend", "breakage_of", "breakage_text", "rule_text"]


_ANY = TensorSpec(DType.float32, ())
_OTHERS = ("idle_rule", "shadowed_rule", "collision", "transform")
_Check = Callable[[Sequence[Rule]], Sequence[str]]


class Mend(NamedTuple):
    """An assignment map that mends what can be mended.

    Attributes:
      rules: The whole map.
      left: What is wrong even so, a line each.
      dropped: The rules of the old map that fit nothing any more.
    """

    rules: Sequence[Rule]
    left: Sequence[str]
    dropped: Sequence[Rule]


class Breakage(NamedTuple):
    """What broke.

    Attributes:
      moved: Names that have become others, of the same dtype and shape.
      changed: Tensors that are of another dtype or shape in the model: old name, new
        name, and both specs.
      vanished: Names that the model has no place for.
      new: Variables that the checkpoint has nothing for.
      others: What else is wrong, a line each.
      specs: Dtype and shape of everything in the checkpoint.
      mend: The map that mends it, or some of it; None where none does.
    """

    moved: Sequence[MovedName]
    changed: Sequence[tuple[str, str, TensorSpec, TensorSpec]]
    vanished: Mapping[str, TensorSpec]
    new: Mapping[str, TensorSpec]
    others: Sequence[str]
    specs: Mapping[str, TensorSpec]
    mend: Mend | None

    def text(self, model: str, checkpoint: str) -> str:
        """Return it for people.

        Args:
          model: What to call the model.
          checkpoint: What to call the checkpoint.
        """
        return breakage_text(self, model, checkpoint)


def breakage_of(
    findings: Sequence[Finding],
    rules: Iterable[Rule],
    specs: Mapping[str, TensorSpec],
    check: _Check,
) -> Breakage:
    """Return what broke, and the map that mends it.

    Args:
      findings: What is wrong with the plan.
      rules: The map that it was made by.
      specs: Dtype and shape of everything in the checkpoint.
      check: Returns what would be wrong with another map.

    Example:
      >>> from tf_ckpt_migrate.names.rules import RenameScope
      >>> spec = TensorSpec(DType.float32, (2,))
      >>> gone = {"net/a": spec, "net/b": spec}
      >>> found = [Finding("unused", "", (key,), spec=spec) for key in gone]
      >>> found += [
      ...     Finding("missing", "", target=name, expected=spec)
      ...     for name in ("top/a", "top/b")
      ... ]
      >>> print(breakage_of(found, [], gone, lambda rules: ()).mend.rules)
      [RenameScope('net/', 'top/')]
    """
    unused = [f for f in findings if f.kind in ("unused", "no_target")]
    gone = {f.source[0]: f.spec for f in unused if f.spec is not None}
    new = {f.target: f.expected for f in findings if f.kind == "missing"}
    moved = moved_names(gone, new)
    for each in moved:
        del gone[each.old], new[each.new]
    changed = [
        (f.source[0], f.target, f.spec, f.expected)
        for f in findings
        if f.kind in ("dtype", "shape")
    ]
    renames = {each.old: each.new for each in moved}
    for old, name in _moved_and_changed(gone, new):
        changed.append((old, name, gone.pop(old), new.pop(name)))
        renames[old] = name
    return Breakage(
        moved,
        changed,
        gone,
        new,
        [f.text for f in findings if f.kind in _OTHERS],
        specs,
        _mended(renames, gone, tuple(rules), specs, check),
    )


def _moved_and_changed(
    gone: Mapping[str, TensorSpec], new: Mapping[str, TensorSpec]
) -> list[tuple[str, str]]:
    """Return names that moved though dtype or shape are others: by their last parts."""
    pairs = moved_names(dict.fromkeys(gone, _ANY), dict.fromkeys(new, _ANY))
    return [
        (each.old, each.new)
        for each in pairs
        if not each.doubt and each.old.rpartition("/")[2] == each.new.rpartition("/")[2]
    ]


def _mended(
    renames: Mapping[str, str],
    gone: Mapping[str, TensorSpec],
    rules: tuple[Rule, ...],
    specs: Mapping[str, TensorSpec],
    check: _Check,
) -> Mend | None:
    """Return the better of two maps: new rules first of all, or after what is left."""
    drops = [Drop(role=role) for role in _roles(gone, specs)]
    choices = [rule for rule in rules if isinstance(rule, Drop | Keep)]
    others = [rule for rule in rules if rule not in choices]
    mends: list[Mend] = []
    for before, after in ((drops, rules), ([*choices, *drops], others)):
        decided = match(_simple(before), specs).decided
        asked = [key for key in specs if key not in decided]
        wanted = [Renamed(o, (n,)) for o, n in renames.items() if o not in decided]
        made = [*before, *compressed(wanted, asked, even_same=True)]
        if made == [*before] and not drops:
            continue
        idle = _idle([*made, *after], specs)
        whole = [rule for rule in (*made, *after) if rule not in idle]
        mends.append(Mend(whole, check(whole), idle))
    sizes = [(len(mend.left), len(mend.rules)) for mend in mends]
    return mends[sizes.index(min(sizes))] if mends else None


def _simple(rules: Iterable[Rule]) -> list[Rule]:
    return [rule for rule in rules if not isinstance(rule, Recipe)]


def _idle(rules: Sequence[Rule], specs: Mapping[str, TensorSpec]) -> list[Rule]:
    """Return the renames that decide about nothing: a plan would refuse them."""
    simple = _simple(rules)
    won = match(simple, specs).won
    return [
        rule
        for rule, count in zip(simple, won, strict=True)
        if not count and not isinstance(rule, Drop | Keep)
    ]


def _roles(gone: Iterable[str], specs: Mapping[str, TensorSpec]) -> list[str]:
    """Return what vanished names are to training, weights aside."""
    return sorted({role_of(key, specs) for key in gone} - {"weight"})


_LISTED = 12
_RULES = 40


def breakage_text(breakage: Breakage, model: str, checkpoint: str) -> str:
    """Return what broke as lines.

    Args:
      breakage: What broke.
      model: What to call the model.
      checkpoint: What to call the checkpoint.
    """
    blocks = [
        *_section(_moved_title(breakage), _moved(breakage)),
        *_section(_changed_title(breakage), _changed(breakage)),
        *_section(
            f"{_names(len(breakage.vanished))} vanished; the model has no place for "
            f"{_them(breakage.vanished)}:",
            _by_role(breakage.vanished, breakage.specs),
        ),
        *_section(
            f"{counted(len(breakage.new), 'variable')} "
            f"{_is(breakage.new)} new; the checkpoint has nothing for "
            f"{_them(breakage.new)}:",
            _listed(breakage.new),
        ),
        *_section("wrong with the assignment map:", _others(breakage)),
        *_mend(breakage),
    ]
    return "\n".join(
        [f"{model} does not fit {checkpoint}: {_counts(breakage)}", *blocks]
    )


def _counts(breakage: Breakage) -> str:
    counts = [
        (breakage.moved, "moved", "name"),
        (breakage.changed, "changed", "tensor"),
        (breakage.vanished, "vanished", "name"),
        (breakage.new, "new", "variable"),
    ]
    found = [
        f"{counted(len(some), noun)} {what}" for some, what, noun in counts if some
    ]
    found += ["the assignment map is wrong"] if not found else []
    return ", ".join(found)


def _names(count: int) -> str:
    return counted(count, "name")


def _is(some: Sequence[object] | Mapping[str, object]) -> str:
    return "is" if len(some) == 1 else "are"


def _them(some: Mapping[str, object]) -> str:
    return "it" if len(some) == 1 else "them"


def _section(title: str, rows: Sequence[str]) -> list[str]:
    return ["", title, *(f"  {row}" for row in rows)] if rows else []


def _short(name: str) -> str:
    return name.removesuffix(VALUE_END)


def _moved_title(breakage: Breakage) -> str:
    return f"{_names(len(breakage.moved))} moved:"


def _moved(breakage: Breakage) -> list[str]:
    moves = [
        Move((_short(each.old),), _short(each.new), None, breakage.specs[each.old])
        for each in breakage.moved
    ]
    doubts = [
        f"{_short(each.old)} -> {_short(each.new)}: {each.doubt}"
        for each in breakage.moved
        if each.doubt
    ]
    rows = rename_rows(moves) if moves else []
    if doubts:
        rows += ["not certain, so look:", *(f"  {d}" for d in capped(doubts, _LISTED))]
    return rows


def _changed_title(breakage: Breakage) -> str:
    count = len(breakage.changed)
    have = "has" if count == 1 else "have"
    return f"{counted(count, 'tensor')} {have} another dtype or shape in the model:"


def _changed(breakage: Breakage) -> list[str]:
    rows: list[tuple[str, ...]] = []
    for old, new, before, now in breakage.changed:
        name = _short(old) if old == new else f"{_short(old)} -> {_short(new)}"
        fix = fitting_transform(before, now)
        hint = f"transform={fix!r} would fit" if fix else ""
        rows.append((name, f"{before} -> {now}", hint))
    return capped(_columns(rows), _LISTED)


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    if not rows:
        return []
    header = tuple("" for _ in rows[0])
    return plain_text([Table(header, rows)]).splitlines()[1:]


def _listed(specs: Mapping[str, TensorSpec]) -> list[str]:
    return capped(
        _columns([(_short(name), str(spec)) for name, spec in specs.items()]), _LISTED
    )


def _by_role(
    gone: Mapping[str, TensorSpec], specs: Mapping[str, TensorSpec]
) -> list[str]:
    """Return weights one by one, and of all else how much there is of it."""
    roles: defaultdict[str, list[str]] = defaultdict(list)
    for name in gone:
        roles[role_of(name, specs)].append(name)
    rows = _listed({name: gone[name] for name in roles.pop("weight", [])})
    for role, names in roles.items():
        shown = ", ".join(capped(map(_short, names), 2))
        rows.append(f"{len(names):,} of role {role!r}: {shown}")
    return rows


def _others(breakage: Breakage) -> list[str]:
    """Return what is wrong beside names, but for rules that the mend leaves out."""
    left_out = breakage.mend.dropped if breakage.mend else ()
    known = tuple(
        f"{how}: {rule!r}"
        for rule in left_out
        for how in ("rule matches nothing", "rule never applies")
    )
    return capped((e for e in breakage.others if not e.startswith(known)), _LISTED)


def _mend(breakage: Breakage) -> Iterator[str]:
    mend = breakage.mend
    if mend is not None:
        what = "what moved" if mend.left else "it"
        rows = capped((_rule_row(rule, breakage) for rule in mend.rules), _RULES)
        yield from ("", f"This assignment map mends {what}:")
        yield from ("  [", *(f"      {row}" for row in rows), "  ]")
        if mend.dropped:
            yield f"without {_reprs(mend.dropped)}, which would fit nothing"
    if mend is None or mend.left:
        title = "What would help:" if mend is None else "What else would help:"
        yield from _section(title, _advice(breakage))


def _advice(breakage: Breakage) -> list[str]:
    rows: list[str] = []
    if breakage.changed:
        rows.append(
            "what changed: the former shape, or a transform, as in "
            "tcm.Rename(old, new, tcm.transforms.Transpose((1, 0)))"
        )
    if weights := [
        n for n in breakage.vanished if role_of(n, breakage.specs) == "weight"
    ]:
        rows.append(
            f"what vanished: {rule_text(Drop(weights[0]))[:-1]} leaves it behind"
        )
    if breakage.new:
        rows.append('what is new: missing="keep" lets it begin with its own values')
    return rows


def _reprs(rules: Iterable[Rule]) -> str:
    return ", ".join(capped(map(repr, rules), 3))


def _rule_row(rule: Rule, breakage: Breakage) -> str:
    text = rule_text(rule)
    if isinstance(rule, Drop) and rule.role:
        gone = [
            name
            for name in breakage.vanished
            if role_of(name, breakage.specs) == rule.role
        ]
        if gone:
            return f"{text}  # if the model may start without: leaves {len(gone):,}"
    return text


def rule_text(rule: Rule) -> str:
    """Return a rule as it is pasted into code.

    Example:
      >>> print(rule_text(Drop("net")))
      tcm.Drop("net"),
    """
    text = repr(rule)
    return f"tcm.{text if chr(34) in text else text.replace(chr(39), chr(34))},"
