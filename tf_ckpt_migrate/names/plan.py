"""The plan: what a migration will do, as a value to print, review, edit and reverse."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import PlanError, RuleError, capped
from tf_ckpt_migrate.escapes import to_html, to_json
from tf_ckpt_migrate.findings import as_findings
from tf_ckpt_migrate.names.moves import Dropped, KeptTarget, Move, Verdict
from tf_ckpt_migrate.naming.keys import OBJECT_GRAPH_KEY

if TYPE_CHECKING:
    from tf_ckpt_migrate.names.assignment_map import AssignmentMap

__all__ = ["MigrationPlan", "check_targets"]

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class MigrationPlan:
    """What becomes of every tensor of a checkpoint, decided before a byte moves.

    Every key of ``source_specs`` is in a move or dropped, and no target is written
    twice: a plan that is not so cannot be made.

    Attributes:
      source: The checkpoint that it was made for, as text; empty if it is not known, as
        in a reversed plan.
      target: What it was made to fit, as text; empty if nothing in particular.
      source_specs: Every tensor of the source.
      moves: The targets that are written.
      dropped: The source keys that are left behind, and why.
      kept_targets: The targets that keep the values they have, and why.
      notes: What a reader should know; no part of equality.
      verdicts: How well each optimizer goes on that a recipe has translated.

    Raises:
      PlanError: If a key is unaccounted for or unknown, or a target is written twice or
        cannot be a key, or an optimizer cannot go on.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> spec = TensorSpec(DType.float32, (2,))
      >>> moves = (Move(("a",), "b", None, spec),)
      >>> plan = MigrationPlan("model.ckpt", "", {"a": spec}, moves)
      >>> plan.summary
      '1 key: 1 renamed, 0 kept, 0 dropped, 0 unused, 0 collisions'
      >>> plan.reversed().moves[0].target
      'a'
    """

    source: str
    target: str
    source_specs: Mapping[str, TensorSpec]
    moves: tuple[Move, ...]
    dropped: tuple[Dropped, ...] = ()
    kept_targets: tuple[KeptTarget, ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False)
    verdicts: tuple[Verdict, ...] = ()

    def __post_init__(self) -> None:
        """Check that the world is closed."""
        problems = [
            *_sources_unaccounted(self),
            *_targets_twice(self),
            *_no_keys(move.target for move in self.moves),
            *(str(each) for each in self.verdicts if each.kind == "impossible"),
        ]
        if problems:
            raise PlanError(
                "this is no plan: every source key is moved or dropped, and every "
                "target a key that is written once, but\n  "
                + "\n  ".join(capped(problems)),
                as_findings("plan", problems),
            )

    @property
    def summary(self) -> str:
        """One line that counts what becomes of the keys."""
        moved = {key for move in self.moves for key in move.sources}
        kept = sum(move.is_kept for move in self.moves)
        divided = {m.sources[0] for m in self.moves if m.is_divided}
        computed = {
            key
            for move in self.moves
            if not move.is_plain and not move.is_divided
            for key in move.sources
        }
        divided -= computed
        renamed = {
            move.sources[0] for move in self.moves if move.is_plain and not move.is_kept
        } - (computed | divided)
        counts = [f"{len(renamed):,} renamed"]
        counts += [f"{len(computed):,} computed"] if computed else []
        counts += [f"{len(divided):,} partitioned"] if divided else []
        counts += [f"{kept:,} kept", f"{len(self.dropped):,} dropped"]
        total = len(moved) + len(self.dropped)
        keys = "key" if total == 1 else "keys"
        return f"{total:,} {keys}: {', '.join(counts)}, 0 unused, 0 collisions"

    def __repr__(self) -> str:
        return f"<MigrationPlan {self.source!r}: {self.summary}>"

    def _repr_html_(self) -> str:
        return to_html(self)

    def __str__(self) -> str:
        from tf_ckpt_migrate.names.plan_text import plan_text

        return plan_text(self)

    def check(self, source_specs: Mapping[str, TensorSpec]) -> None:
        """Check that the checkpoint at hand is the one that the plan was made for.

        Args:
          source_specs: What the checkpoint holds now.

        Raises:
          PlanError: If a tensor is gone, new, or of another dtype or shape.
        """
        planned = self.source_specs
        if source_specs == planned:
            return
        problems = [
            f"{key!r} is planned as {spec}, but the checkpoint "
            + (
                f"has {source_specs[key]}"
                if key in source_specs
                else "does not have it"
            )
            for key, spec in planned.items()
            if source_specs.get(key) != spec
        ]
        problems += [
            f"{key!r} {spec} is in the checkpoint, but not in the plan"
            for key, spec in source_specs.items()
            if key not in planned
        ]
        if problems:
            named = f" (it names {self.source!r})" if self.source else ""
            raise PlanError(
                f"the plan was made for another checkpoint than this one{named}:\n  "
                + "\n  ".join(capped(problems))
                + "\n"
                "Make it anew with plan_migration(), or edit its YAML to say what "
                "becomes of these tensors.",
                as_findings("plan", problems),
            )

    def reversed(self) -> MigrationPlan:
        """Return the plan back, from what this one makes to its source.

        What was dropped cannot come back: it becomes a kept target of the reverse, and
        a kept target of this plan is dropped by it; its notes say so. It names no
        source, as this plan does not know what it was used to write:
        ``convert(plan.reversed(), output_prefix, source=CHECKPOINT)``.

        Raises:
          PlanError: If a move has no way back (a rounding cast, a function).
        """
        from tf_ckpt_migrate.names.reversal import reversed_plan

        return reversed_plan(self)

    @property
    def assignment_map(self) -> AssignmentMap:
        """The map that makes these moves again, a rule for each tensor.

        That of a reversed plan names the variables of a model for a save, as in
        ``checkpoint.save(prefix, keys="both", names=report.plan.reversed())``.

        Raises:
          RuleError: If the plan translates the state of an optimizer.

        Example:
          >>> from tf_ckpt_migrate.bundle.dtypes import DType
          >>> spec = TensorSpec(DType.float32, (2,))
          >>> moves = (Move(("a",), "b", None, spec),)
          >>> MigrationPlan("model.ckpt", "", {"a": spec}, moves).assignment_map
          AssignmentMap([Rename('a', 'b')])
        """
        from tf_ckpt_migrate.names.assignment_map import AssignmentMap

        if self.verdicts:
            names = ", ".join(repr(each.what) for each in self.verdicts[:3])
            raise RuleError(
                f"this plan translates the state of an optimizer ({names}), which "
                "rules for single tensors cannot do. To write weights and optimizer "
                "for TF1, call tcm.save_like(tf1_checkpoint, target, assignment_map, "
                "output_prefix=…). To write the weights alone, make the plan without "
                "the recipe for the optimizer, and drop what belongs to the optimizer"
            )
        return AssignmentMap(self)

    def to_config(self) -> dict[str, Any]:
        """Return the plan as plain data, as YAML and JSON hold it.

        Raises:
          TransformError: If a transform holds code.
        """
        from tf_ckpt_migrate.names.plan_file import to_config

        return to_config(self)

    def to_json(self) -> str:
        """Return the plan as JSON.

        Raises:
          TransformError: If a transform holds code.
        """
        return to_json(self.to_config())

    def to_yaml(self) -> str:
        """Return the plan as YAML, for people to read and edit.

        Raises:
          TransformError: If a transform holds code.
        """
        from tf_ckpt_migrate.names.plan_file import to_yaml

        return to_yaml(self)

    @classmethod
    def from_yaml(cls, text: str) -> MigrationPlan:
        """Return the plan that YAML says; nothing in it is executed.

        Raises:
          PlanError: If it is not well formed, naming the line, or not closed.
        """
        from tf_ckpt_migrate.names.plan_file import from_yaml

        return cls(*from_yaml(text))


def _sources_unaccounted(plan: MigrationPlan) -> list[str]:
    moved = set(chain.from_iterable(map(itemgetter(0), plan.moves)))
    known = plan.source_specs
    if not plan.dropped and moved == {*known}:
        return []
    dropped = Counter(entry.key for entry in plan.dropped)
    return [
        *(f"{key!r} is not in the source" for key in moved if key not in known),
        *(
            f"dropped {key!r} is not in the source"
            for key in dropped
            if key not in known
        ),
        *(f"{key!r} is dropped and moved" for key in dropped if key in moved),
        *(f"{key!r} is dropped twice" for key, count in dropped.items() if count > 1),
        *(
            f"{key!r} is neither moved nor dropped"
            for key in known
            if key not in moved and key not in dropped
        ),
    ]


def _targets_twice(plan: MigrationPlan) -> list[str]:
    targets = set(map(itemgetter(1), plan.moves))
    if not plan.kept_targets and len(targets) == len(plan.moves):
        return []
    written = Counter(move.target for move in plan.moves)
    kept = Counter(entry.name for entry in plan.kept_targets)
    both = {*written} & {*kept}
    twice = [name for name, count in written.items() if count > 1]
    return [f"{name!r} is written {written[name]} times" for name in twice] + [
        f"{name!r} is written and keeps its value" for name in sorted(both)
    ]


def _no_keys(targets: Iterable[str]) -> list[str]:
    """Return what is wrong with targets that an index has another meaning for."""
    targets = list(targets)
    text = "\n".join(targets)  # a look at each would take as long as all else here
    usual = text.isascii() and "\0" not in text and OBJECT_GRAPH_KEY not in text
    if usual and all(targets):
        return []
    return [
        f"{target!r} cannot be the key of a tensor: "
        + (
            "it is that of the object graph, which conversions write"
            if target == OBJECT_GRAPH_KEY
            else "it is empty, begins with a zero byte, or is no Unicode text"
        )
        for target in targets
        if not target
        or target[0] == "\0"
        or target == OBJECT_GRAPH_KEY
        or _SURROGATE.search(target)
    ]


def check_targets(plan: MigrationPlan, moves: Iterable[Move]) -> None:
    """Check that moves by the rules of a plan give its dtypes and shapes.

    Raises:
      PlanError: If one does not, because its sources have changed since.
    """
    planned = {move.target: move.spec for move in plan.moves}
    problems = [
        f"{move.target!r} would be {move.spec}, the plan says {planned[move.target]}"
        for move in moves
        if planned.get(move.target, move.spec) != move.spec
    ]
    if problems:
        raise PlanError(
            "variables have other dtypes or shapes than when the plan was made:\n  "
            + "\n  ".join(capped(problems))
            + "\nMake the plan again for these variables, or pass names="
            "plan.assignment_map to accept what its rules give now",
            as_findings("shape", problems),
        )
