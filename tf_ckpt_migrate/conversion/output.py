"""Writes the checkpoint that a conversion decided on: references and new values.

A reference passes on the index entry of a tensor of another checkpoint, whose whole
shard is then linked; no tensor byte is read. New values go to one more shard.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.bundle.commit import (
    check_prefix,
    refuse_file_name,
    remove_unpublished,
)
from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.index import BundleIndex
from tf_ckpt_migrate.bundle.object_graph import ObjectGraph
from tf_ckpt_migrate.bundle.proto import Entry, serialized_entry
from tf_ckpt_migrate.bundle.shards import DataMode, index_path
from tf_ckpt_migrate.bundle.slices import slice_key
from tf_ckpt_migrate.bundle.writer import BundleWriter, Progress, Shard
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.contents import (
    Contents,
    Partitioned,
    Reference,
    Stored,
    StoredEntry,
    Stream,
    Value,
    packed,
)
from tf_ckpt_migrate.conversion.graph_build import (
    built_graph,
    guide_graph,
    joined_graphs,
)
from tf_ckpt_migrate.conversion.graph_rewrite import rewritten_graph
from tf_ckpt_migrate.conversion.layout import (
    CheckpointView,
    guide_keys,
    guide_name,
    is_object_key,
)
from tf_ckpt_migrate.conversion.rekey import raw_entries, stored_entries
from tf_ckpt_migrate.errors import LayoutError, OutputExistsError, capped
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.naming.keys import (
    MAX_PATH_LENGTH,
    OBJECT_GRAPH_KEY,
    SAVE_COUNTER_KEY,
    ObjectKey,
    parse_object_key,
)
from tf_ckpt_migrate.storage.access import real_path
from tf_ckpt_migrate.storage.paths import basename, is_far, join, split

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = [
    "COUNTER_SPEC",
    "committed",
    "graph_contents",
    "kept_counter",
    "save_counter",
    "string_value",
    "taken_from",
    "without_counter",
    "write_output",
]


def taken_from(
    reader: CheckpointView, key: str, *, big_endian: bool = False
) -> Reference | Value:
    """Return how a tensor of a checkpoint comes unchanged into an output.

    Args:
      reader: The checkpoint that has it.
      key: Its key there.
      big_endian: The output's byte order; values of the other one must be rewritten.
    """
    bundle = reader.bundle
    if bundle is not None and bundle.index.big_endian == big_endian:
        return Reference(bundle, key)
    return Value(reader.specs[key], lambda: reader[key])


def string_value(text: bytes) -> Value:
    """Return a scalar string tensor."""

    def compute() -> Array:
        import numpy as np

        array = np.empty((), object)
        array[()] = text
        return array

    return Value(TensorSpec(DType.string, ()), compute)


def _refuse_source_as_output(
    prefix: str, existing: Iterable[str], sources: Iterable[CheckpointView]
) -> None:
    """Refuse to replace files that a source consists of, by whatever path.

    Raises:
      OutputExistsError: If there are such.
    """
    replaced = {_in_real_folder(path) for path in (index_path(prefix), *existing)}
    replaced.discard(_in_real_folder(prefix))  # a V1 file, which an index leaves alone
    for source in sources:
        for path in source.files:
            # A snapshot's files may be links into another folder: the output's.
            if {_in_real_folder(path), real_path(path)} & replaced:
                raise OutputExistsError(
                    f"{prefix!r} would replace {path!r} of a source, which a "
                    "conversion never touches; choose another output prefix"
                )


def _in_real_folder(path: str) -> str:
    """Return the path of the directory entry itself, were it a link."""
    if is_far(path):
        return real_path(path)
    folder, name = split(path)
    return join(real_path(folder), name)


def write_output(  # noqa: PLR0913 the options of every conversion, by keyword
    prefix: str,
    contents: Contents,
    *,
    sources: Iterable[CheckpointView] = (),
    overwrite: bool = False,
    data: DataMode = "auto",
    big_endian: bool = False,
    shards: int | None = None,
    progress: Progress | None = None,
    avoiding: Collection[int] | None = None,
) -> tuple[Shard, ...]:
    """Write a checkpoint.

    Args:
      prefix: Of the checkpoint to write.
      contents: Every key with what it holds.
      sources: The checkpoints that values are taken from, by reference or read.
      overwrite: Whether a checkpoint of this prefix may be replaced.
      data: How shards are taken over: ``"auto"``, ``"link"`` or ``"copy"``.
      big_endian: The byte order of what is referred to.
      shards: None links whole shards; a number writes so many new ones.
      progress: Called with the bytes in place so far and those there are to be.
      avoiding: As of `BundleWriter`.

    Returns:
      The shards of the checkpoint.

    Raises:
      ValueError: If ``data`` is none of these.
      OutputPathError: If the prefix is a folder or a file of a checkpoint, or no path
        that can be written to.
      OutputExistsError: If the prefix is taken, or a file of a source would give way.
      MissingShardError: If a shard that is referred to is not there.
      OSError: If a write fails; the output is then as it was.
    """
    if data == "move":
        raise ValueError("data='move' would take the shards of a source away")
    refuse_file_name(prefix)
    remove_unpublished(prefix)
    existing = check_prefix(prefix)
    _refuse_source_as_output(prefix, existing, sources)
    with BundleWriter(
        prefix,
        overwrite=overwrite,
        data=data,
        big_endian=big_endian,
        progress=progress,
        avoiding=avoiding,
        existing=existing,
    ) as writer:
        return committed(writer, contents, shards)


def committed(
    writer: BundleWriter, contents: Contents, shards: int | None = None
) -> tuple[Shard, ...]:
    """Let a writer write all that a checkpoint is to hold, and make it visible.

    Args:
      writer: In its context.
      contents: Every key with what it holds.
      shards: As of `write_output`.

    Returns:
      The shards of the checkpoint.

    Raises:
      MissingShardError: If a shard that is referred to is not there.
      OSError: If a write fails; the output is then as it was.
    """
    references, stored, made, entries = _sorted_out(contents)
    writer.expect(sum(item.spec.nbytes for item in made.values()))
    if shards is None:
        entries.update(_linked(writer, references, stored))
    else:
        entries.update(packed(writer, _stored_entries(references, stored), shards))
    if made:
        number = writer.new_shard() if shards is None else shards - 1
        for name, item in made.items():
            pieces = item.pieces() if isinstance(item, Stream) else [item.compute()]
            entries[name] = writer.append_pieces(number, pieces, item.spec)
    return writer.commit(entries)


class _Sorted(NamedTuple):
    """Contents by what is to be done: the new key, or what it refers to, by name."""

    references: dict[str, Reference]
    stored: dict[bytes, Stored]
    made: dict[bytes, Value | Stream]
    entries: dict[bytes, bytes]

    def add(self, name: bytes, item: Stored | Stream | Value) -> None:
        """Add bytes that one key has."""
        if isinstance(item, Stored):
            self.stored[name] = item
        else:
            self.made[name] = item


def _sorted_out(contents: Contents) -> _Sorted:
    found = _Sorted({}, {}, {}, {})
    for key, item in contents.items():
        if isinstance(item, Reference):
            found.references[key] = item
        elif isinstance(item, Partitioned):
            whole = Entry(item.spec, 0, 0, 0, 0, tuple(item.parts))
            found.entries[key.encode()] = serialized_entry(whole)
            for piece, part in item.parts.items():
                found.add(slice_key(key, piece), part)
        else:
            found.add(key.encode(), item)
    return found


def _stored_entries(
    references: Mapping[str, Reference], stored: Mapping[bytes, Stored]
) -> Iterator[StoredEntry]:
    for new_key, (bundle, key) in references.items():
        for name, entry, raw in stored_entries(bundle.index, key, new_key):
            yield StoredEntry(name, bundle, entry, raw)
    for name, (bundle, entry) in stored.items():
        yield StoredEntry(name, bundle, entry, serialized_entry(entry))


def _linked(
    writer: BundleWriter,
    references: Mapping[str, Reference],
    stored: Mapping[bytes, Stored],
) -> dict[bytes, bytes]:
    """Link the shards that are referred to; return the entries."""
    items = [*references.values(), *stored.values()]
    bundles = {id(bundle): bundle for bundle, _ in items}
    sources: dict[int, dict[str, str]] = {name: {} for name in bundles}
    for key, (bundle, source) in references.items():
        sources[id(bundle)][key] = source
    needed: dict[int, set[int]] = {name: set() for name in bundles}
    for bundle, entry in stored.values():
        needed[id(bundle)].add(entry.shard)
    numbers: dict[int, dict[int, int]] = {}
    entries: dict[bytes, bytes] = {}
    for name, bundle in bundles.items():
        used = needed[name].union(_used(bundle.index, sources[name].values()))
        found = {
            old: bundle.shards.complete_with_size(old, bundle.index.end_of_shard(old))
            for old in sorted(used)
        }
        writer.expect(sum(size for _, size in found.values()))
        numbers[name] = {
            old: writer.link(path, bundle.index.kept_current, size)
            for old, (path, size) in found.items()
        }
        entries.update(_renamed(bundle.index, sources[name], numbers[name]))
    for key, (bundle, entry) in stored.items():
        number = numbers[id(bundle)][entry.shard]
        entries[key] = serialized_entry(entry._replace(shard=number))
    return entries


def _used(index: BundleIndex, keys: Iterable[str]) -> Iterable[int]:
    """Return the numbers of the shards that hold tensors."""
    if index.shards == 1:
        return [0]
    stored = chain.from_iterable(stored_entries(index, key, key) for key in keys)
    return {entry.shard for _, entry, _ in stored if not entry.slices}


def _renamed(
    index: BundleIndex, sources: Mapping[str, str], numbers: Mapping[int, int]
) -> dict[bytes, bytes]:
    """Return entries under new keys, given old to new numbers of shards."""
    same = all(old == new for old, new in numbers.items())
    if same and not index.has_slices:
        return {key.encode(): index.raw[source] for key, source in sources.items()}
    found = (
        raw_entries(index, source, key, None if same else numbers)
        for key, source in sources.items()
    )
    return dict(chain.from_iterable(found))


COUNTER_SPEC = TensorSpec(DType.int64, ())
_NUMBER = re.compile(r".*-([0-9]{1,18})", re.DOTALL)  # 18 digits fit into an int64


def save_counter(prefix: str, least: int = 1) -> Value:
    """Return the counter of saves for a checkpoint that is written to a prefix.

    Args:
      prefix: Of the output.
      least: The counter of the checkpoint that the output is like.

    Example:
      >>> [int(save_counter(name).compute()) for name in ("ckpt", "ckpt-8", "v2-0")]
      [1, 8, 1]
    """
    count = max(1, least, _number(prefix))

    def compute() -> Array:
        import numpy as np

        return np.array(count, np.int64)

    return Value(COUNTER_SPEC, compute)


def _number(prefix: str) -> int:
    found = _NUMBER.fullmatch(basename(prefix))
    return int(found[1]) if found else 0


def without_counter(prefix: str, keys: Container[str]) -> tuple[str, ...]:
    """Return a note if an output has a graph and a number, but not the counter.

    ``Checkpoint.write`` saves none, and an output that is like what it wrote has none.
    """
    if OBJECT_GRAPH_KEY not in keys or SAVE_COUNTER_KEY in keys or not _number(prefix):
        return ()
    name, _, _ = basename(prefix).rpartition("-")
    note = (
        f"{prefix!r} has no counter of saves, as the checkpoint that it is like has "
        f"none: Checkpoint.save('{name}') begins at '{name}-1' after restoring it"
    )
    return (note,)


def kept_counter(prefix: str, like: CheckpointView) -> Value | None:
    """Return the counter of an output that keeps the one of another checkpoint.

    None if what has the key there is not a counter: it is kept as it is.
    """
    if like.specs.get(SAVE_COUNTER_KEY) != COUNTER_SPEC:
        return None
    return save_counter(prefix, int(like[SAVE_COUNTER_KEY][()]))


def graph_contents(
    plan: MigrationPlan,
    reader: CheckpointReader,
    like: CheckpointView | None,
    prefix: str,
) -> dict[str, Value]:
    """Return the object graph that fits the output's keys, and what else it needs.

    Args:
      plan: What the output is made by.
      reader: The source.
      like: The checkpoint that the output is to be like; its graph is taken, as it is
        unless the source has objects beyond it.
      prefix: Of the output.

    Returns:
      The graph under its key; with a new graph also the counter of saves, for which
      ``tf.train.Checkpoint.restore`` asks.

    Raises:
      LayoutError: If several tensors of one object are not renamed alike, two would be
        the value of one object, or a key is none that objects can have.
    """
    graph = reader.object_graph
    if like is not None and like.object_graph is not None:
        _check_well_formed(plan.moves, named=graph is None)
        return {OBJECT_GRAPH_KEY: _graph_like(plan, reader, like, like.object_graph)}
    targets = [move.target for move in plan.moves]
    names = [move.sources[0] for move in plan.moves]
    if graph is None and targets == guide_keys(names):
        made = guide_graph(zip(targets, names, strict=True))
        counter = {SAVE_COUNTER_KEY: save_counter(prefix)}
        return {**counter, OBJECT_GRAPH_KEY: string_value(made)}
    _check_well_formed(plan.moves, named=graph is None)
    graphs: list[bytes] = []
    known = _named_by(graph, reader)
    moves = [move for move in plan.moves if move.sources[0] not in known]
    if graph is not None and len(moves) < len(plan.moves):
        graphs.append(rewritten_graph(graph, _targets_by_source(plan)))
    keys = [key for move in moves if (key := _named_key(move))]
    added: dict[str, Value] = {}
    if not graphs and SAVE_COUNTER_KEY not in {move.target for move in moves}:
        keys.append((SAVE_COUNTER_KEY, ObjectKey(("save_counter",)), "save_counter"))
        added[SAVE_COUNTER_KEY] = save_counter(prefix)
    if keys:
        graphs.append(built_graph(keys))
    return {**added, OBJECT_GRAPH_KEY: string_value(_joined(graphs))}


def _check_well_formed(moves: Iterable[Move], *, named: bool) -> None:
    """Check the object-based keys that are written: a graph could not hold others."""
    wrong = [
        move.target
        for move in moves
        if is_object_key(move.target)
        and not (named and move.is_kept)
        and parse_object_key(move.target) is None
    ]
    if wrong:
        raise LayoutError(
            f"{', '.join(capped(map(repr, wrong), 3))} look"
            f"{'s' if len(wrong) == 1 else ''} like the key of an object, but no path "
            "of objects is written so: within a name '.' is written '..' and '/' is "
            f"written '.S', and no path has more than {MAX_PATH_LENGTH} names"
        )


def _named_by(graph: ObjectGraph | None, keys: Iterable[str]) -> set[str]:
    """Return those of the keys that an object graph leads to."""
    return set[str]() if graph is None else set(chain(*graph.tensors(keys).values()))


def _graph_like(
    plan: MigrationPlan,
    reader: CheckpointReader,
    like: CheckpointView,
    graph: ObjectGraph,
) -> Value:
    """Return the graph of the target, with what the source has beyond it."""
    known = _named_by(graph, like.specs)
    names = {} if reader.object_graph is None else reader.object_graph.full_names()
    beyond = [
        (move.target, parsed, names.get(move.sources[0], ""))
        for move in plan.moves
        if move.target not in known and (parsed := parse_object_key(move.target))
    ]
    if not beyond:
        return string_value(graph.serialized)
    more = ObjectGraph(built_graph(beyond), "a new object graph")
    return string_value(joined_graphs([graph, more]))


def _targets_by_source(plan: MigrationPlan) -> dict[str, list[str]]:
    targets: dict[str, list[str]] = {}
    for move in plan.moves:  # of several sources the first one's object carries on
        targets.setdefault(move.sources[0], []).append(move.target)
    return targets


def _joined(graphs: Sequence[bytes]) -> bytes:
    if len(graphs) == 1:
        return graphs[0]
    return joined_graphs([ObjectGraph(graph, "a new object graph") for graph in graphs])


def _named_key(move: Move) -> tuple[str, ObjectKey, str] | None:
    """Return the target of a move for the object graph, with its variable's name.

    None for the name of a variable: it is no object's.
    """
    source = move.sources[0]
    parsed = parse_object_key(move.target)
    if parsed is None:
        return None
    name = guide_name(parsed)
    return move.target, parsed, source if name is None else name
