"""What a conversion did, as a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tf_ckpt_migrate.bundle.shards import Transfer
from tf_ckpt_migrate.bundle.writer import Shard
from tf_ckpt_migrate.checkpoint.text import counted, human_bytes
from tf_ckpt_migrate.errors import capped
from tf_ckpt_migrate.escapes import to_json
from tf_ckpt_migrate.names.moves import Dropped, Verdict
from tf_ckpt_migrate.names.plan_text import verdict_groups

__all__ = ["ConversionResult"]


@dataclass(frozen=True)
class ConversionResult:
    """What was written, and how.

    As a path (``os.fspath``) and in an f-string it is the prefix written, so it can be
    given to whatever takes a checkpoint. ``print`` shows a summary.

    Attributes:
      prefix: Of the checkpoint that was written.
      keys: Number of keys in it.
      shards: Its data shards, each with how its bytes came there.
      computed: Keys whose values were computed, decoded, or written in other slices,
        not taken over by reference.
      dropped: Keys of the source that were left behind, and why.
      added: Keys that the conversion itself added, such as the object graph.
      notes: What a reader should know.
      state_file: The ``checkpoint`` state file that was written; "" for none.
      verdicts: How well each optimizer goes on that a recipe has translated.

    Example:
      >>> import os
      >>> result = ConversionResult("out/model.ckpt", keys=2)
      >>> os.fspath(result), f"{result}.index"
      ('out/model.ckpt', 'out/model.ckpt.index')
    """

    prefix: str
    keys: int
    shards: tuple[Shard, ...] = ()
    computed: tuple[str, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    added: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False)
    state_file: str = ""
    verdicts: tuple[Verdict, ...] = ()

    def __fspath__(self) -> str:
        return self.prefix

    def __format__(self, spec: str) -> str:
        return format(self.prefix, spec)

    def bytes_by(self, transfer: Transfer) -> int:
        """Return how many bytes of shards came to the output in one way."""
        return sum(shard.size for shard in self.shards if shard.transfer is transfer)

    def __repr__(self) -> str:
        return f"<ConversionResult {self.prefix!r}: {counted(self.keys, 'key')}>"

    def __str__(self) -> str:
        lines = [f"{self.prefix}: {counted(self.keys, 'key')}", *self._shard_lines()]
        lines += _listed("computed", self.computed)
        lines += _listed("dropped", [f"{key} ({why})" for key, why in self.dropped])
        lines += _listed("added", self.added)
        for head, rows in verdict_groups(self.verdicts):
            doubtful = [row for row in rows if row[1] != "exact"]
            lines += [*(f"  {line}" for line in head)]
            lines += [f"    {what} {kind}: {why}" for what, kind, why in doubtful]
        lines += [f"  note: {note}" for note in self.notes]
        if self.state_file:
            lines.append(f"  {self.state_file} names it as the latest")
        return "\n".join(lines)

    def _shard_lines(self) -> list[str]:
        lines: list[str] = []
        for transfer in Transfer:
            shards = [shard for shard in self.shards if shard.transfer is transfer]
            if shards:
                size = human_bytes(self.bytes_by(transfer))
                lines.append(
                    f"  {counted(len(shards), 'shard')} {transfer.value} ({size})"
                )
        return lines

    def to_json(self) -> str:
        """Return everything as JSON."""
        shards = [
            {
                "path": shard.path,
                "transfer": shard.transfer.value,
                "size": shard.size,
                "source": shard.source,
            }
            for shard in self.shards
        ]
        return to_json(
            {
                "prefix": self.prefix,
                "keys": self.keys,
                "shards": shards,
                "computed": self.computed,
                "dropped": [
                    {"key": key, "reason": reason} for key, reason in self.dropped
                ],
                "added": self.added,
                "notes": self.notes,
                "state_file": self.state_file,
                "verdicts": [verdict.as_row() for verdict in self.verdicts],
            }
        )


def _listed(word: str, items: Sequence[str]) -> list[str]:
    if not items:
        return []
    return [f"  {len(items):,} {word}: {', '.join(capped(items, 5))}"]
