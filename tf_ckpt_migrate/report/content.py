"""What a report says: one value, which is shown as a page, as text and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from tf_ckpt_migrate.checkpoint.statistics import NumberStatistics, StringStatistics
from tf_ckpt_migrate.checkpoint.value_comparison import Difference
from tf_ckpt_migrate.escapes import to_html, to_json
from tf_ckpt_migrate.names.moves import Verdict
from tf_ckpt_migrate.report.words import SECTIONS

if TYPE_CHECKING:
    from tf_ckpt_migrate.report.attention import Finding

__all__ = [
    "Command",
    "Kind",
    "MigrationReport",
    "Row",
    "Side",
    "Status",
    "Tensor",
    "Values",
    "WhichValues",
]

Kind: TypeAlias = Literal["plan", "checkpoint", "pair", "restore", "conversion"]
WhichValues: TypeAlias = Literal["none", "changed", "all"]
Status: TypeAlias = Literal[
    "renamed",  # under another name, its value as it was
    "kept",  # under its name, as it was
    "computed",  # by a transform
    "dropped",  # left behind on purpose
    "held",  # a target that keeps the value it has, on purpose
    "added",  # bookkeeping that the conversion itself writes
    "missing",  # in the source, and not where the second checkpoint should have it
    "extra",  # in the second checkpoint, of no source
    "present",  # of a checkpoint that is only described
]


class Tensor(NamedTuple):
    """A tensor on one side.

    Attributes:
      key: Its key, or its name.
      path: The components that a tree shows of it.
      spec: Dtype and shape, as text.
      nbytes: Bytes of its values; 0 for strings.
    """

    key: str
    path: tuple[str, ...]
    spec: str
    nbytes: int


class Values(NamedTuple):
    """What values are like.

    Attributes:
      statistics: Of all of them.
      counts: How many are in each interval of the row; empty for what is no number.
    """

    statistics: NumberStatistics | StringStatistics
    counts: tuple[int, ...] = ()


class Row(NamedTuple):
    """What became of a tensor.

    Attributes:
      status: One word for it.
      role: What it is to training, one of ``names.slots.ROLES``.
      sources: What it was; none for what has no source.
      target: What it is; None for what has no target.
      transform: What is done to the values, as text; "" for nothing.
      exact: Whether no value may have been rounded by that.
      reason: Why it is dropped or keeps its value.
      found: What the second checkpoint has, where it is of another dtype or shape.
      before: The values of the sources, if they were read.
      after: The values of the target, if they were read.
      interval: Where the first interval of the counts begins, and the last ends.
      step: Which values the counts are of: every so-many-th.
      shared: Whether source and target are the very same bytes of one file.
      difference: How far the target is from what it should be; in a plan from the
        source, place by place. None if nobody looked.
    """

    status: Status
    role: str
    sources: tuple[Tensor, ...] = ()
    target: Tensor | None = None
    transform: str = ""
    exact: bool = True
    reason: str = ""
    found: str = ""
    before: Values | None = None
    after: Values | None = None
    interval: tuple[float, float] | None = None
    step: int = 1
    shared: bool | None = None
    difference: Difference | None = None

    @property
    def main(self) -> Tensor:
        """The tensor that it is told by: the target, or else the first source."""
        return self.target or self.sources[0]

    @property
    def differs(self) -> bool:
        """Whether the target holds other values than it should."""
        return bool(self.found or (self.difference and self.difference.elements))


class Side(NamedTuple):
    """A checkpoint, or what else is on a side.

    Attributes:
      name: The prefix of a checkpoint, or what to call it.
      format: ``name-based`` and so on; "" where no file was read.
      tensors: How many it has, as far as they are known.
      nbytes: The bytes of their values.
      files: How many files; 0 where none was read.
      file_bytes: Their bytes.
    """

    name: str
    format: str = ""
    tensors: int = 0
    nbytes: int = 0
    files: int = 0
    file_bytes: int = 0


class Command(NamedTuple):
    """What to type to do a thing again.

    Attributes:
      what: What it does.
      text: The command.
    """

    what: str
    text: str


@dataclass(frozen=True)
class MigrationReport:
    """What moved where, how well, and what needs a look.

    Attributes:
      kind: What it was made of.
      source: The checkpoint that it starts from.
      target: Where it goes; None for a checkpoint that is only described.
      rows: Every tensor, by role and then in the order of names.
      verdicts: How well optimizers go on.
      values: Which values were asked for.
      notes: What a reader should know.
      commands: What to type to do it again.
      version: Of this package.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> from tf_ckpt_migrate.report.making import make_report
      >>> with example_checkpoint({"net/w": [1.0, 2.0]}) as prefix:
      ...     report = make_report(prefix)
      >>> report.kind, report.rows[0].main.spec
      ('checkpoint', 'float64[2]')
    """

    kind: Kind
    source: Side
    target: Side | None
    rows: tuple[Row, ...]
    verdicts: tuple[Verdict, ...] = ()
    values: WhichValues = "none"
    notes: tuple[str, ...] = ()
    commands: tuple[Command, ...] = ()
    version: str = field(default="", compare=False)

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """How many rows there are of each status."""
        found: dict[str, int] = {}
        for row in self.rows:
            found[row.status] = found.get(row.status, 0) + 1
        return found

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What needs a look, the worst first."""
        from tf_ckpt_migrate.report.attention import findings_of

        return findings_of(self)

    def section(self, name: str) -> tuple[Row, ...]:
        """Return the rows of one of ``words.SECTIONS``."""
        return tuple(row for row in self.rows if row.role in SECTIONS[name])

    def __repr__(self) -> str:
        return f"<MigrationReport {self.source.name!r}: {len(self.rows):,} rows>"

    def _repr_html_(self) -> str:
        return to_html(self)

    def __str__(self) -> str:
        from tf_ckpt_migrate.checkpoint.text import plain_text
        from tf_ckpt_migrate.report.text import told

        return plain_text(told(self))

    def to_config(self) -> dict[str, Any]:
        """Return all of it as plain data, without what is empty."""
        from tf_ckpt_migrate.report.config import config_of

        return config_of(self)

    def to_json(self) -> str:
        """Return all of it as JSON; the same content gives the same text."""
        return to_json(self.to_config())

    def to_html(self) -> str:
        """Return all of it as one page, which needs nothing else."""
        from tf_ckpt_migrate.report.html import page

        return page(self)
