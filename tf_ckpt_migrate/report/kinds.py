"""The kinds of reports: how each is made of what there is to read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from tf_ckpt_migrate._version import __version__
from tf_ckpt_migrate.bundle.writer import Progress
from tf_ckpt_migrate.checkpoint.reader import (
    CheckpointFormat,
    CheckpointReader,
    as_reader,
)
from tf_ckpt_migrate.conversion.comparison import moves_between
from tf_ckpt_migrate.conversion.convert import ConversionResult, check_source
from tf_ckpt_migrate.conversion.rekey import same_bytes
from tf_ckpt_migrate.errors import CheckpointNotFoundError
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.report.commands import Typed, commands_for
from tf_ckpt_migrate.report.content import Kind, MigrationReport, Row, Side, WhichValues
from tf_ckpt_migrate.report.rows import (
    Moves,
    converted_rows,
    described_rows,
    moved_rows,
    paired_rows,
)
from tf_ckpt_migrate.report.values import with_values
from tf_ckpt_migrate.storage.access import exists, size_of
from tf_ckpt_migrate.storage.paths import basename

if TYPE_CHECKING:
    from tf_ckpt_migrate.names.assignment_map import AssignmentMapLike

__all__ = ["Making"]


class Making(NamedTuple):
    """Makes reports.

    Attributes:
      values: Which values to read.
      typed: What was typed, for the commands.
      progress: Whom to tell of bytes read.
    """

    values: WhichValues = "none"
    typed: Typed = Typed()
    progress: Progress | None = None

    def of_checkpoint(self, reader: CheckpointReader) -> MigrationReport:
        """Describe one checkpoint."""
        return MigrationReport(
            "checkpoint",
            _side(reader),
            None,
            self._valued(described_rows(reader.specs), (), reader),
            values=self.values,
            notes=_notes(reader),
            commands=commands_for("checkpoint", reader.prefix, "", self.typed),
            version=__version__,
        )

    def of_result(self, result: ConversionResult) -> MigrationReport:
        """Describe what a conversion wrote."""
        reader = as_reader(result.prefix)
        return MigrationReport(
            "conversion",
            _side(reader),
            None,
            self._valued(converted_rows(reader.specs, result), (), reader),
            result.verdicts,
            values=self.values,
            notes=(*_ways(result), *_notes(reader), *result.notes),
            commands=commands_for("conversion", reader.prefix, "", self.typed),
            version=__version__,
        )

    def of_plan(self, plan: MigrationPlan, kind: Kind) -> MigrationReport:
        """Say what a plan does, or has done to live variables."""
        rows = moved_rows(
            Moves(plan.source_specs, plan.moves, plan.dropped, plan.kept_targets)
        )
        values, notes = self.values, plan.notes
        source = Side(plan.source, "", *_sizes(plan))
        try:
            reader = as_reader(plan.source) if plan.source else None
        except CheckpointNotFoundError:
            reader = None
        if reader is None:
            values = "none"
            missing = f"{plan.source!r} is not here"
            if not plan.source:
                missing = "the plan names no source checkpoint"
            notes = (*notes, f"{missing}: no value of it is shown")
        else:
            check_source(plan, reader)
            source = _side(reader)
            rows = self._valued(rows, plan.moves, reader)
        written = [move.spec.nbytes for move in plan.moves]
        written += [kept.spec.nbytes for kept in plan.kept_targets]
        target = Side(plan.target, "", len(written), sum(written))
        return MigrationReport(
            kind,
            source,
            target,
            rows,
            plan.verdicts,
            values,
            notes,
            commands_for(kind, plan.source or "SOURCE", "", self.typed),
            __version__,
        )

    def of_pair(
        self,
        a: CheckpointReader,
        b: CheckpointReader,
        by: AssignmentMapLike | MigrationPlan | None,
    ) -> MigrationReport:
        """Hold one checkpoint to what should have become of another."""
        moves = _moves(a, b, by)
        rows = _with_twins(paired_rows(moves, b.specs), b)
        by_rules = by is not None and not isinstance(by, MigrationPlan)
        return MigrationReport(
            "pair",
            _side(a),
            _side(b),
            self._valued(rows, moves.moves, a, b),
            by.verdicts if isinstance(by, MigrationPlan) else (),
            values=self.values,
            notes=(*_notes(a), *_notes(b)),
            commands=commands_for(
                "pair", a.prefix, b.prefix, self.typed, by_rules=by_rules
            ),
            version=__version__,
        )

    def _valued(
        self,
        rows: tuple[Row, ...],
        moves: Iterable[Move],
        a: CheckpointReader,
        b: CheckpointReader | None = None,
    ) -> tuple[Row, ...]:
        by_target = {move.target: move for move in moves}
        return with_values(rows, by_target, (a, b), self.values, self.progress)


def _side(reader: CheckpointReader) -> Side:
    specs = reader.specs.values()
    sizes = [size_of(path) for path in reader.files if exists(path)]
    return Side(
        reader.prefix,
        str(reader.format),
        len(reader),
        sum(spec.nbytes for spec in specs),
        len(reader.files),
        sum(sizes),
    )


def _notes(reader: CheckpointReader) -> tuple[str, ...]:
    if reader.format is not CheckpointFormat.DUAL_KEYED:
        return reader.notes
    why = "two keys may be of the same bytes, which count for each of them"
    return (*reader.notes, f"{reader.prefix!r} is dual-keyed: {why}")


def _sizes(plan: MigrationPlan) -> tuple[int, int]:
    specs = plan.source_specs.values()
    return len(specs), sum(spec.nbytes for spec in specs)


def _ways(result: ConversionResult) -> list[str]:
    return [
        f"{basename(shard.path)} was {shard.transfer.value}"
        + (f" from {shard.source}" if shard.source else "")
        for shard in result.shards
    ]


def _moves(
    a: CheckpointReader,
    b: CheckpointReader,
    by: AssignmentMapLike | MigrationPlan | None,
) -> Moves:
    """Return what should have become of the tensors of the first checkpoint."""
    if isinstance(by, MigrationPlan):
        check_source(by, a)
        return Moves(by.source_specs, by.moves, by.dropped, by.kept_targets)
    if by is None:
        moves = (Move((key,), key, None, spec) for key, spec in a.specs.items())
        return Moves(a.specs, tuple(moves))
    found = moves_between(a, b, by)
    return Moves(a.specs, found.moves, found.dropped, found.kept_targets)


def _with_twins(rows: tuple[Row, ...], b: CheckpointReader) -> tuple[Row, ...]:
    """Return rows that tell a second key of the same bytes from a tensor of no source.

    A dual-keyed checkpoint has such keys for every variable.
    """
    extra = {row.main.key for row in rows if row.status == "extra"}
    if b.bundle is None or not extra:
        return rows
    rest = (key for key in b if key not in extra)
    twins: Mapping[str, str] = same_bytes(b.bundle.index, extra, rest)
    return tuple(
        row._replace(
            status="added", reason=f"the same bytes as {twins[row.main.key]!r}"
        )
        if row.status == "extra" and row.main.key in twins
        else row
        for row in rows
    )
