"""What broke between a checkpoint's names and a model, and the map that mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.conversion.moved import MovedName, moved_names
from tf_ckpt_migrate.findings import Finding
from tf_ckpt_migrate.names.compression import Renamed, compressed
from tf_ckpt_migrate.names.matching import match
from tf_ckpt_migrate.names.rules import Drop, Keep, Recipe, Rule
from tf_ckpt_migrate.naming.slots import role_of

__all__ = ["Breakage", "Mend", "breakage_of"]

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
        from tf_ckpt_migrate.testing.breakage_text import breakage_text

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
