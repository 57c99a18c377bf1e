"""From object-based checkpoints to name-based ones."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.bundle.links import DataMode
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.bulk import without_collections
from tf_ckpt_migrate.conversion.convert import convert
from tf_ckpt_migrate.conversion.layout import (
    Layout,
    is_object_key,
    layout_of,
    name_of_key,
)
from tf_ckpt_migrate.conversion.partitions import with_layouts
from tf_ckpt_migrate.conversion.planning import CheckpointLike, opened
from tf_ckpt_migrate.conversion.result import ConversionResult
from tf_ckpt_migrate.errors import LayoutError, PlanError, capped
from tf_ckpt_migrate.names.assignment_map import AssignmentMap, AssignmentMapLike
from tf_ckpt_migrate.names.moves import Dropped, Move
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.names.resolution import Unmatched, resolve
from tf_ckpt_migrate.names.rules import Drop, Keep, Rule
from tf_ckpt_migrate.names.slots import role_of

__all__ = ["convert_tf2_to_tf1", "named_moves", "plan_tf2_to_tf1"]

_HOW_TO_NAME = (
    'name the variables in code, or take the keys as names with names="key" '
    '(--names=key), or with an assignment map over these, such as names={"vars/": "/"}'
)


@without_collections
def plan_tf2_to_tf1(
    checkpoint_path: CheckpointLike,
    names: str | AssignmentMapLike = "full_name",
    *,
    unmatched: Unmatched = "error",
) -> MigrationPlan:
    """Decide what ``convert_tf2_to_tf1`` will do; the arguments are the same.

    Raises:
      LayoutError: If the checkpoint is name-based already.
      PlanError: If variables have no names, or share them, or no rule fits one.
    """
    reader = opened(checkpoint_path)
    if reader.object_graph is None:
        raise LayoutError(
            f"{reader.prefix!r} is {reader.format} and holds no object graph, so it is "
            "name-based (TF1) already. To rename its keys use "
            "convert(plan_migration(source, target, assignment_map), output_prefix); "
            "for an object-based (TF2) checkpoint use convert_tf1_to_tf2"
        )
    layout = layout_of(reader)
    moves, dropped, notes = _moves(reader, layout, names, unmatched)
    bookkeeping = [Dropped(key, _why_dropped(key)) for key in layout.bookkeeping]
    return MigrationPlan(
        reader.prefix,
        "",
        {**layout.specs, **layout.bookkeeping},
        moves,
        (*dropped, *bookkeeping),
        notes=notes,
    )


def _why_dropped(key: str) -> str:
    if key.startswith("save_counter/"):
        return "the counter of saves, which TF1 does not have"
    return "bookkeeping of TF2, which TF1 does not have"


def _moves(
    reader: CheckpointReader,
    layout: Layout,
    names: str | AssignmentMapLike,
    unmatched: Unmatched,
) -> tuple[tuple[Move, ...], tuple[Dropped, ...], tuple[str, ...]]:
    named = {key: s for key, s in layout.specs.items() if not is_object_key(key)}
    if not named:
        return named_moves(reader, layout.specs, names, unmatched)
    # A dual-keyed checkpoint has its names already.
    same = tuple(Move((key,), key, None, spec) for key, spec in named.items())
    dropped = tuple(
        Dropped(key, "the object-based key of a dual-keyed checkpoint")
        for key in layout.specs
        if key not in named
    )
    return same, dropped, ()


def named_moves(
    reader: CheckpointReader,
    specs: Mapping[str, TensorSpec],
    names: str | AssignmentMapLike,
    unmatched: Unmatched = "error",
) -> tuple[tuple[Move, ...], tuple[Dropped, ...], tuple[str, ...]]:
    """Return moves from the keys of objects to variable names, drops, and notes.

    Args:
      reader: An object-based checkpoint.
      specs: The tensors in question, by key.
      names: ``"full_name"``, ``"key"``, or rules over the names that ``"key"`` gives.
      unmatched: What becomes of a name that no rule fits.

    Raises:
      PlanError: If variables have no names, or share them, or no rule fits one.
    """
    if isinstance(names, str) and names not in ("full_name", "key"):
        raise ValueError(f'names={names!r}; expected "full_name", "key" or a map')
    if names == "full_name":
        graph = reader.object_graph
        full_names = {} if graph is None else graph.full_names()
        chosen = {key: full_names.get(key, "") for key in specs}
    else:
        chosen = {key: name_of_key(key) for key in specs}
    _check_names(chosen, reader.prefix)
    if isinstance(names, str):
        moves = (Move((key,), chosen[key], None, spec) for key, spec in specs.items())
        return tuple(moves), (), ()
    keys = {name: key for key, name in chosen.items()}
    rules = [each for rule in AssignmentMap(names) for each in _by_name(rule, keys)]
    found = resolve(
        rules, {name: specs[key] for name, key in keys.items()}, unmatched=unmatched
    )
    moves = (
        move._replace(sources=tuple(keys[name] for name in move.sources))
        for move in found.moves
    )
    dropped = tuple(Dropped(keys[name], reason) for name, reason in found.dropped)
    return with_layouts(reader, moves), dropped, found.notes


def _by_name(rule: Rule, keys: Mapping[str, str]) -> Iterable[Rule]:
    """Return a rule over roles, which only keys tell, as rules over names."""
    role = rule.role if isinstance(rule, Drop | Keep) else None
    if role is None:
        return [rule]
    present = set(keys.values())
    found = [name for name, key in keys.items() if role_of(key, present) == role]
    if isinstance(rule, Drop):
        return [Drop(source=name, reason=rule.reason or role) for name in found]
    return [Keep(source=name) for name in found]


def _check_names(names: Mapping[str, str], prefix: str) -> None:
    """Check that every key has a name of its own."""
    users: defaultdict[str, list[str]] = defaultdict(list)
    for key, name in names.items():
        users[name].append(key)
    nameless = users.pop("", [])
    problems = [f"{key!r} belongs to a variable without a name" for key in nameless]
    problems += [
        f"{name!r} is the name of {len(keys)} variables: {', '.join(capped(keys, 3))}"
        for name, keys in users.items()
        if len(keys) > 1
    ]
    if problems:
        raise PlanError(
            f"the variables of {prefix!r} cannot be told apart by their names:\n  "
            + "\n  ".join(capped(problems))
            + f"\n{_HOW_TO_NAME}",
            problems,
        )


@without_collections
def convert_tf2_to_tf1(  # noqa: PLR0913 the options of every conversion, by keyword
    checkpoint_path: CheckpointLike,
    output_prefix: str | os.PathLike[str],
    *,
    names: str | AssignmentMapLike = "full_name",
    unmatched: Unmatched = "error",
    overwrite: bool = False,
    data: DataMode = "auto",
    update_state_file: bool = False,
) -> ConversionResult:
    """Convert an object-based checkpoint (TF2) to a name-based one (TF1).

    ``tf.compat.v1.train.Saver`` restores the result into variables of these names. What
    only TF2 knows (the object graph, the counter of saves, configurations, iterators)
    is left behind, and the result lists it.

    Args:
      checkpoint_path: The checkpoint to convert; anything that ``load_checkpoint``
        takes.
      output_prefix: Prefix of the checkpoint to write, exactly as given.
      names: ``"full_name"`` takes the variable names that the object graph holds;
        ``"key"`` the object paths (``model/dense/kernel``); an assignment map renames
        those object paths, for instance ``{"vars/": "/"}``.
      unmatched: What becomes of a tensor that no rule of the map fits: ``"error"``,
        ``"keep"`` or ``"drop"``.
      overwrite: Whether a checkpoint of that prefix may be replaced.
      data: ``"link"`` hard-links data shards, ``"copy"`` copies them, ``"auto"`` links
        where the file system can.
      update_state_file: Whether the ``checkpoint`` file of the folder is to name the
        output as the latest.

    Returns:
      What was written, and how; as a path it is ``output_prefix``.

    Raises:
      LayoutError: If the checkpoint is name-based already.
      PlanError: If variables have no names, or share them, or no rule fits one.
      OutputExistsError: If the output exists, or is the source.
      CheckpointError: If the checkpoint cannot be read.
      OSError: If a write fails; the output is then as it was.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> from tf_ckpt_migrate.conversion.tf1_to_tf2 import convert_tf1_to_tf2
      >>> with example_checkpoint({"net/w": [1.0, 2.0]}) as prefix:
      ...     tf2 = convert_tf1_to_tf2(prefix, prefix + "-tf2")
      ...     print(*opened(convert_tf2_to_tf1(tf2, prefix + "-tf1")))
      net/w
    """
    reader = opened(checkpoint_path)
    return convert(
        plan_tf2_to_tf1(reader, names, unmatched=unmatched),
        output_prefix,
        source=reader,
        overwrite=overwrite,
        data=data,
        update_state_file=update_state_file,
        object_graph=False,
    )
