"""Carries a plan out on files."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.bundle.shards import DataMode, Transfer
from tf_ckpt_migrate.bundle.writer import Progress, Shard
from tf_ckpt_migrate.checkpoint.reader import (
    CheckpointLike,
    CheckpointReader,
    as_reader,
)
from tf_ckpt_migrate.checkpoint.state import kept_beside, record_latest
from tf_ckpt_migrate.checkpoint.text import counted, human_bytes
from tf_ckpt_migrate.conversion.bulk import without_collections
from tf_ckpt_migrate.conversion.contents import (
    Item,
    Partitioned,
    Reference,
    Stored,
    Stream,
    Value,
)
from tf_ckpt_migrate.conversion.layout import CheckpointView, is_object_key
from tf_ckpt_migrate.conversion.output import (
    graph_contents,
    kept_counter,
    taken_from,
    without_counter,
    write_output,
)
from tf_ckpt_migrate.conversion.partitions import divided, repartitioned
from tf_ckpt_migrate.errors import CheckpointNotFoundError, PlanError, capped
from tf_ckpt_migrate.escapes import to_json
from tf_ckpt_migrate.names.moves import Dropped, Move, Verdict
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.names.plan_text import verdict_groups
from tf_ckpt_migrate.naming.keys import (
    OBJECT_GRAPH_KEY,
    SAVE_COUNTER_KEY,
)
from tf_ckpt_migrate.storage.paths import path_of
from tf_ckpt_migrate.transforms import Transform
from tf_ckpt_migrate.transforms.partition import parted

__all__ = [
    "ConversionResult",
    "carried_out",
    "check_source",
    "convert",
    "is_written",
    "move_contents",
    "prepared",
]


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


def move_contents(reader: CheckpointReader, moves: Iterable[Move]) -> dict[str, Item]:
    """Return what an output holds under the target of each move.

    Args:
      reader: The checkpoint that the moves take tensors from. A value that changes is
        read and computed when it is written, one at a time.
      moves: The moves, by the keys of the checkpoint.
    """
    contents: dict[str, Item] = {}
    bundle = reader.bundle
    for sources, target, transform, spec in moves:
        if transform is not None:
            contents[target] = _changed(sources, transform, spec, reader)
        elif bundle is not None:
            contents[target] = Reference(bundle, sources[0])
        else:
            contents[target] = taken_from(reader, sources[0])
    return contents


def _changed(
    sources: Sequence[str],
    transform: Transform,
    spec: TensorSpec,
    reader: CheckpointReader,
) -> Item:
    how, partition = parted(transform)
    if how is None and partition is not None:
        return repartitioned(reader, sources[0], partition)
    made = how or transform
    value = Value(spec, lambda: made(*(reader.part(key) for key in sources)))
    return value if partition is None else divided(value, partition)


def is_written(item: Item) -> bool:
    """Return whether an item has bytes of its own, which are written."""
    if isinstance(item, Partitioned):
        return any(isinstance(part, Stream) for part in item.parts.values())
    return not isinstance(item, Reference | Stored)


_EMPTY = "no tensors were written: the checkpoint is empty"


def convert(  # noqa: PLR0913 one plan, and how to write: options by keyword
    plan: MigrationPlan,
    output_prefix: str | os.PathLike[str],
    *surplus: object,
    source: CheckpointLike | None = None,
    target: CheckpointLike | CheckpointView | None = None,
    overwrite: bool = False,
    data: DataMode = "auto",
    update_state_file: bool = False,
    shards: int | None = None,
    object_graph: bool | None = None,
    progress: Progress | None = None,
) -> ConversionResult:
    """Write the checkpoint that a plan describes.

    Tensors that keep their values are taken over by reference: their shards are linked
    or copied whole, and only an index is written. Nothing is visible before all is
    done, and the source is never touched.

    Args:
      plan: What becomes of every tensor.
      output_prefix: Prefix of the checkpoint to write. Missing folders are made.
      *surplus: Nothing; rules here are refused with the corrected call.
      source: The checkpoint to take from; None for the one that the plan names. A
        reversed plan names none.
      target: What the plan was made to fit; None for the checkpoint that it names.
      overwrite: Whether a checkpoint of that prefix may be replaced.
      data: ``"link"`` hard-links data shards, ``"copy"`` copies them, ``"auto"`` links
        where the file system can.
      update_state_file: Whether the ``checkpoint`` file of the folder is to name the
        output as the latest.
      shards: None takes over whole shards; a number copies the bytes that are referred
        to, and no others, into so many new ones.
      object_graph: Whether the output is object-based; None to see it by its keys.
      progress: Called with the bytes in place so far and those there are to be.

    Returns:
      What was written, and how; as a path it is ``output_prefix``.

    Raises:
      PlanError: If the source is not the one that the plan was made for, or neither
        ``source`` nor the plan names one.
      TypeError: If ``plan`` is no plan.
      OutputExistsError: If the output exists, or is a source.
      CheckpointError: If a checkpoint cannot be read.
      OSError: If a write fails; the output is then as it was.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> from tf_ckpt_migrate.conversion.planning import plan_migration
      >>> with example_checkpoint({"bert/w": [1.0, 2.0]}) as prefix:
      ...     plan = plan_migration(prefix, None, {"bert/": "encoder/"})
      ...     print(*as_reader(convert(plan, prefix + "-new")))
      encoder/w
    """
    _check_type(plan)
    if surplus:
        raise TypeError(
            "convert() takes a plan and an output prefix; rules belong to the plan: "
            "convert(plan_migration(source, target, assignment_map), output_prefix)"
        )
    return carried_out(
        plan,
        output_prefix,
        source=source,
        target=target,
        overwrite=overwrite,
        data=data,
        update_state_file=update_state_file,
        shards=shards,
        object_graph=object_graph,
        progress=progress,
    )


@without_collections
def carried_out(  # noqa: PLR0913 what `convert` takes, and one more
    plan: MigrationPlan,
    output_prefix: str | os.PathLike[str],
    *,
    source: CheckpointLike | None = None,
    target: CheckpointLike | CheckpointView | None = None,
    overwrite: bool = False,
    data: DataMode = "auto",
    update_state_file: bool = False,
    shards: int | None = None,
    object_graph: bool | None = None,
    progress: Progress | None = None,
    avoiding: Collection[int] | None = None,
) -> ConversionResult:
    """Do what `convert` does; ``avoiding`` is as of `BundleWriter`."""
    _check_type(plan)
    prefix = path_of(output_prefix)
    if update_state_file:
        kept_beside(prefix)  # a damaged file is told of before anything is written
    reader = as_reader(_source_of(plan) if source is None else source)
    like, added = prepared(plan, reader, target, prefix, object_graph=object_graph)
    big_endian = reader.bundle is not None and reader.bundle.index.big_endian
    contents = _contents(plan, reader, like, prefix, big_endian=big_endian)
    made = write_output(
        prefix,
        {**contents, **added},
        sources=[r for r in (reader, like) if isinstance(r, CheckpointReader)],
        overwrite=overwrite,
        data=data,
        big_endian=big_endian,
        shards=shards,
        progress=progress,
        avoiding=avoiding,
    )
    dropped = plan.dropped
    if OBJECT_GRAPH_KEY in reader and OBJECT_GRAPH_KEY not in added:
        why = "the object graph, which only object-based keys need"
        dropped = (*dropped, Dropped(OBJECT_GRAPH_KEY, why))
    return ConversionResult(
        prefix,
        len(contents) + len(added),
        made,
        tuple(key for key, item in contents.items() if is_written(item)),
        dropped,
        tuple(added),
        (
            *reader.notes,
            *plan.notes,
            *without_counter(prefix, {**contents, **added}),
            *(() if contents else (_EMPTY,)),
        ),
        record_latest(prefix) if update_state_file else "",
        plan.verdicts,
    )


def _source_of(plan: MigrationPlan) -> str:
    """Return the source that a plan names; a plan without one is never guessed at."""
    if not plan.source:
        raise PlanError(
            "the plan does not name the checkpoint to convert (its field 'source' is "
            "empty, as in every reversed plan); pass the checkpoint, as in "
            "convert(plan, output_prefix, source=CHECKPOINT)"
        )
    return plan.source


def _check_type(plan: object) -> None:
    if not isinstance(plan, MigrationPlan):
        raise TypeError(
            f"plan={plan!r}; expected a MigrationPlan, as in "
            "convert(plan_migration(source, target, assignment_map), output_prefix); "
            "to verify by rules say assignment_map=rules"
        )


def prepared(
    plan: MigrationPlan,
    reader: CheckpointReader,
    target: CheckpointLike | CheckpointView | None = None,
    prefix: str = "",
    *,
    object_graph: bool | None = None,
) -> tuple[CheckpointView | None, dict[str, Value]]:
    """Return what the output of a plan is like, and what it has beside the plan's.

    Args:
      plan: The plan.
      reader: Its source.
      target: As ``convert`` takes it.
      prefix: Of the output, from which the counter of saves follows.
      object_graph: As ``convert`` takes it.

    Returns:
      What targets are kept from; the object graph and the counter of saves.

    Raises:
      TypeError: If the plan is none.
      PlanError: If the source is not the one that the plan was made for, or the plan
        keeps targets and names no checkpoint that has them.
    """
    _check_type(plan)
    check_source(plan, reader)
    if object_graph is None:
        object_graph = _has_object_keys(plan, reader)
    like = _like(plan, target, object_graph=object_graph or not plan.source_specs)
    if not plan.source_specs and like is not None:
        object_graph = like.object_graph is not None
    return like, graph_contents(plan, reader, like, prefix) if object_graph else {}


def _contents(
    plan: MigrationPlan,
    reader: CheckpointReader,
    like: CheckpointView | None,
    prefix: str,
    *,
    big_endian: bool,
) -> dict[str, Item]:
    contents = move_contents(reader, plan.moves)
    if like is None:
        return contents
    for name, *_ in plan.kept_targets:
        counter = kept_counter(prefix, like) if name == SAVE_COUNTER_KEY else None
        contents[name] = counter or taken_from(like, name, big_endian=big_endian)
    return contents


def check_source(plan: MigrationPlan, reader: CheckpointReader) -> None:
    """Check that the source is the planned one; what we add ourselves may be there.

    Raises:
      PlanError: If a tensor is gone, new, or of another dtype or shape.
    """
    derived = {OBJECT_GRAPH_KEY, SAVE_COUNTER_KEY} - {*plan.source_specs}
    specs = reader.specs
    plan.check({key: specs[key] for key in specs if key not in derived})


def _has_object_keys(plan: MigrationPlan, reader: CheckpointReader) -> bool:
    """Return whether the output has object-based keys.

    A variable of a name-based checkpoint may be called like one; it is none.
    """
    named = reader.object_graph is None
    return any(
        is_object_key(move.target) and not (named and move.is_kept)
        for move in plan.moves
    ) or any(is_object_key(kept.name) for kept in plan.kept_targets)


def _like(
    plan: MigrationPlan,
    target: CheckpointLike | CheckpointView | None,
    *,
    object_graph: bool,
) -> CheckpointView | None:
    """Return what the result is to be like, where anything needs it."""
    if target is None and not plan.target and plan.kept_targets:
        raise PlanError(
            f"{plan.kept_targets[0].name!r} keeps the value it has in the target, but "
            "the plan names no target checkpoint; pass target=CHECKPOINT to convert "
            "(like=CHECKPOINT to verify_conversion), or name one in the plan's field "
            "'target'"
        )
    if not object_graph and not plan.kept_targets:
        return None
    like = target if target is not None else plan.target
    if not isinstance(like, str | os.PathLike):
        return like
    try:
        return as_reader(like) if like else None
    except CheckpointNotFoundError as error:
        if target is not None:
            raise
        raise PlanError(
            f"the plan was made for {like!r}, which is no checkpoint: {error}. A plan "
            "for the objects of a program is carried out by restore(source, objects, "
            "plan); to write a checkpoint for them, call convert_tf1_to_tf2(source, "
            "output_prefix, target=objects, assignment_map=rules)"
        ) from None
