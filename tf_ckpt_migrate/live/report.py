"""What a restore did, as a value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from tf_ckpt_migrate.checkpoint.text import Table, counted, human_bytes, plain_text
from tf_ckpt_migrate.errors import capped
from tf_ckpt_migrate.escapes import to_html, to_json
from tf_ckpt_migrate.names.moves import Dropped, KeptTarget, Move, Verdict
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.names.plan_text import VERDICT_COLUMNS, verdict_groups
from tf_ckpt_migrate.naming.slots import ROLES, role_of

__all__ = ["RestoreReport", "Total", "verdict_blocks"]


def verdict_blocks(verdicts: Iterable[Verdict]) -> Iterator[str | Table]:
    """Yield lines and tables.

    Example:
      >>> from tf_ckpt_migrate.checkpoint.text import plain_text
      >>> epsilon = Verdict("Adam", "epsilon", "exact", "1e-08, as you say", into="opt")
      >>> print(plain_text(verdict_blocks([epsilon])))
      optimizer 'Adam' goes on in 'opt' as in TF1
      what     verdict  why
      epsilon  exact    1e-08, as you say
    """
    for head, rows in verdict_groups(verdicts):
        yield from head
        yield Table(VERDICT_COLUMNS, rows)


_LISTED = 10


class Total(NamedTuple):
    """How much was restored.

    Attributes:
      variables: Number of variables.
      parameters: Number of their elements.
      nbytes: Bytes of their values; strings count as none.
    """

    variables: int
    parameters: int
    nbytes: int


@dataclass(frozen=True)
class RestoreReport:
    """What became of every tensor of a checkpoint and of every variable of a target.

    Attributes:
      plan: What was carried out: the assignments, in order, what was left behind, what
        kept its value.

    Example:
      >>> import tf_ckpt_migrate as tcm, tensorflow as tf
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> with example_checkpoint({"net/w": [1, 2]}) as prefix:
      ...     variable = tf.Variable([0, 0], dtype=tf.int64)
      ...     report = tcm.restore(prefix, {"w": variable}, {"net/w": "w"})
      >>> report.totals["weight"]
      Total(variables=1, parameters=2, nbytes=16)
    """

    plan: MigrationPlan

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """How well each optimizer goes on that a recipe has translated."""
        return self.plan.verdicts

    @property
    def restored(self) -> tuple[Move, ...]:
        """Every assignment: sources, variable, transform, dtype and shape."""
        return self.plan.moves

    @property
    def left_behind(self) -> tuple[Dropped, ...]:
        """The tensors of the checkpoint that no variable got, and why."""
        return self.plan.dropped

    @property
    def kept(self) -> tuple[KeptTarget, ...]:
        """What of the target has the value that it had, and why."""
        return self.plan.kept_targets

    @property
    def totals(self) -> Mapping[str, Total]:
        """How much was restored, by role: what it is to training."""
        known = self.plan.source_specs
        found: dict[str, Total] = {}
        for move in self.restored:
            role, spec = role_of(move.sources[0], known), move.spec
            one = Total(1, spec.size, spec.nbytes)
            found[role] = _sum([found[role], one]) if role in found else one
        return {role: found[role] for role in ROLES if role in found}

    @property
    def inexact(self) -> tuple[Move, ...]:
        """The assignments whose transform may have changed a value by rounding."""
        return tuple(move for move in self.restored if not self._is_exact(move))

    def __repr__(self) -> str:
        return (
            f"<RestoreReport of {self.plan.target} from {self.plan.source!r}: "
            f"{len(self.restored):,} restored, {len(self.left_behind):,} dropped, "
            f"{len(self.kept):,} kept>"
        )

    def _repr_html_(self) -> str:
        return to_html(self)

    def __str__(self) -> str:
        whole = _sum(self.totals.values())
        size = f"{counted(whole.parameters, 'parameter')}, {human_bytes(whole.nbytes)}"
        head = f"restored {counted(whole.variables, 'variable')} ({size})"
        lines: list[str | Table] = [
            f"{head} of {self.plan.target} from {self.plan.source}"
        ]
        if self.totals:
            rows = [
                (role, f"{t.variables:,}", f"{t.parameters:,}", human_bytes(t.nbytes))
                for role, t in self.totals.items()
            ]
            lines.append(Table(("role", ">variables", ">parameters", ">bytes"), rows))
        lines += _section("computed", (str(m) for m in self.restored if m.transform))
        lines += _section("not exact", (repr(move.target) for move in self.inexact))
        lines += _section(
            "left behind", (f"{d.key!r}: {d.reason}" for d in self.left_behind)
        )
        lines += _section("kept", (f"{k.name!r}: {k.reason}" for k in self.kept))
        lines += verdict_blocks(self.verdicts)
        lines += _section("note", self.plan.notes)
        return plain_text(lines)

    def to_json(self) -> str:
        """Return everything as JSON."""
        return to_json(
            {
                "source": self.plan.source,
                "target": self.plan.target,
                "totals": {role: t._asdict() for role, t in self.totals.items()},
                "restored": [self._row(move) for move in self.restored],
                "left_behind": [entry._asdict() for entry in self.left_behind],
                "kept": [{"name": k.name, "reason": k.reason} for k in self.kept],
                "verdicts": [verdict.as_row() for verdict in self.verdicts],
                "notes": self.plan.notes,
            }
        )

    def _row(self, move: Move) -> dict[str, Any]:
        return {
            "variable": move.target,
            "sources": move.sources,
            "transform": None if move.transform is None else repr(move.transform),
            "exact": self._is_exact(move),
            "dtype": move.spec.dtype.name,
            "shape": move.spec.shape,
        }

    def _is_exact(self, move: Move) -> bool:
        specs = [self.plan.source_specs[key] for key in move.sources]
        return move.transform is None or move.transform.exact_for(*specs)


def _sum(totals: Iterable[Total]) -> Total:
    return Total(*map(sum, zip(Total(0, 0, 0), *totals, strict=True)))


def _section(title: str, rows: Iterable[str]) -> list[str]:
    listed = list(rows)
    return [f"{title}: {row}" for row in capped(listed, _LISTED)]
