"""The way back: live values under the names, and in the layout, of a TF1 checkpoint."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.checkpoint.reader import CheckpointLike, as_reader
from tf_ckpt_migrate.conversion.bulk import without_collections
from tf_ckpt_migrate.conversion.contents import Item, Value
from tf_ckpt_migrate.conversion.convert import ConversionResult
from tf_ckpt_migrate.conversion.output import taken_from, write_output
from tf_ckpt_migrate.conversion.partitions import divided
from tf_ckpt_migrate.conversion.planning import Averages
from tf_ckpt_migrate.live.optimizers import with_live_optimizers
from tf_ckpt_migrate.live.planning import (
    Transforms,
    bound,
    check_unused,
    goes_by_keys,
    other_half,
    plan_restore,
)
from tf_ckpt_migrate.live.sessions import session_to_use, values_in
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.live.variables import value_of
from tf_ckpt_migrate.names.assignment_map import AssignmentMap, AssignmentMapLike
from tf_ckpt_migrate.names.moves import KeptTarget, Move
from tf_ckpt_migrate.names.resolution import Missing, check_choices
from tf_ckpt_migrate.naming.catalog import catalog_of
from tf_ckpt_migrate.storage.paths import path_of
from tf_ckpt_migrate.transforms.partition import parted

__all__ = ["save_like"]


@without_collections
def save_like(  # noqa: PLR0913 what restore takes, and where to write
    ckpt_dir_or_file: CheckpointLike,
    target: object,
    assignment_map: AssignmentMapLike | None = None,
    *,
    output_prefix: str | os.PathLike[str],
    transforms: Transforms | None = None,
    unused: Literal["error", "drop"] = "error",
    missing: Missing | Collection[str] = "keep",
    averages: Averages | None = None,
    session: Any = None,
    overwrite: bool = False,
) -> ConversionResult:
    """Save live values so that who wrote a checkpoint can go on from them.

    It is the reverse of ``restore`` with the same arguments: every tensor that this
    would take comes back from its variable, through the inverse of what is done to it.
    So a model that has been trained in Keras, with its optimizer, is trained on in TF1.

    Args:
      ckpt_dir_or_file: The checkpoint that says which tensors there are. It need not be
        the one that the values came from, and is not touched.
      target: What has the variables, as ``restore`` takes it.
      assignment_map: Rules from the names of the checkpoint to the variables.
      output_prefix: Prefix of the checkpoint to write.
      transforms: As ``restore`` takes them; each must have an inverse.
      unused: As ``restore`` takes it. What is dropped there keeps the value that it
        has in the checkpoint.
      missing: What happens to a variable that the checkpoint has no tensor for:
        ``"keep"`` does not save it, and a note names it; ``"error"``, or roles, as for
        ``restore``.
      averages: As ``restore`` takes it.
      session: In a graph, the session that has the variables; None for the default one.
      overwrite: Whether a checkpoint of that prefix may be replaced.

    Returns:
      What was written. What ``restore`` would leave behind has the value it has in the
      checkpoint; a note names it.

    Raises:
      PlanError: If ``restore`` would not do, or what it does has no inverse.
      RuleError: If the map is not well formed.
      OutputExistsError: If the output exists.
      UnbuiltTargetError: If a layer has no variables yet.
      GraphModeError: If there is no session in a graph, or a function is traced.
      TensorFlowNotFoundError: If TensorFlow is not installed.

    Example:
      >>> import tensorflow as tf
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> module = tf.Module()
      >>> module.kernel = tf.Variable([5, 6], dtype=tf.int64)
      >>> with example_checkpoint({"net/w": [1, 2]}) as prefix:
      ...     new = prefix + "-new"
      ...     rules = {"net/w": "kernel"}
      ...     saved = save_like(prefix, module, rules, output_prefix=new)
      ...     as_reader(saved)["net/w"].tolist()
      [5, 6]
    """
    session = session_to_use(session, "save_like()")
    check_unused(unused)
    reader, live = as_reader(ckpt_dir_or_file), LiveTarget(target)
    live.check_built()
    rules = AssignmentMap(assignment_map).with_averages(averages)
    check_choices(rules, reader.specs, catalog_of(reader))
    made = with_live_optimizers(reader, live, bound(rules, live))
    there, variables = plan_restore(
        reader,
        live,
        made.rules,
        transforms=transforms,
        unused=unused,
        missing=missing,
        may_stay=made.may_stay,
    )
    back = there.reversed()
    value_in = _reading(variables, session)
    saved = {move.target: _saved(move, value_in) for move in back.moves}
    contents: dict[str, Item] = dict(saved)
    # Of a dual-keyed one the names are written; its objects have the old values.
    by_keys = goes_by_keys(reader, live, made.rules)
    aside = {rule.source for rule in other_half(reader, by_keys=by_keys)}
    as_it_was = {k.name: k for k in back.kept_targets if k.name not in aside}
    for step, counters in made.steps.items():
        counts = {
            int(value_of(live.variables[c.iterations])) - c.more for c in counters
        }
        contents.pop(step, None)
        as_it_was.pop(step, None)
        if len(counts) == 1:
            contents[step] = _count(counts.pop(), reader.specs[step])
        else:
            as_it_was[step] = _undecided(step, counts, reader.specs[step])
    for kept in as_it_was.values():
        contents[kept.name] = taken_from(reader, kept.name)
    prefix = path_of(output_prefix)
    shards = write_output(prefix, contents, sources=[reader], overwrite=overwrite)
    notes = [f"{e.name!r} is as it was: {e.reason}" for e in as_it_was.values()]
    notes += _not_saved(there.kept_targets)
    notes += _copies_apart(there.moves, back.moves, value_in)
    return ConversionResult(
        prefix,
        len(contents),
        shards,
        tuple(contents),
        back.dropped,
        notes=(*made.notes, *notes),
        verdicts=made.verdicts,
    )


def _not_saved(kept: Sequence[KeptTarget]) -> list[str]:
    """Return a note of the variables that the checkpoint has no tensor for."""
    names = [f"{target.name!r}" for target in kept]
    if not names:
        return []
    more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
    listed = ", ".join(names[:5])
    return [f"not saved, because the checkpoint has no tensor for them: {listed}{more}"]


def _undecided(step: str, counts: Iterable[int], spec: TensorSpec) -> KeptTarget:
    """Return a step as it was, with which optimizers disagree about it."""
    taken = " and ".join(f"{count:,}" for count in sorted(counts))
    why = f"the optimizers have taken {taken} steps, and they share this one"
    return KeptTarget(step, spec, why)


def _reading(variables: Mapping[str, Any], session: Any) -> Callable[[str], Any]:
    """Return what gives the values of variables by their names."""
    if session is None:
        return lambda name: value_of(variables[name])
    return values_in(session, variables).__getitem__


def _copies_apart(
    there: Iterable[Move], back: Iterable[Move], value_in: Callable[[str], Any]
) -> Iterator[str]:
    """Yield a note of each variable whose copy is saved, and is another by now."""
    copies: dict[str, list[str]] = defaultdict(list)
    for move in there:
        if move.is_plain:
            copies[move.sources[0]].append(move.target)
    for move in back:
        for other in copies[move.target] if move.is_plain else ():
            if other == move.sources[0]:
                continue
            if (value_in(other) != value_in(move.sources[0])).any():
                yield (
                    f"{move.target!r} has the value of {move.sources[0]!r}; that of "
                    f"{other!r}, which restore fills from it too, differs"
                )


def _count(steps: int, spec: TensorSpec) -> Value:
    import numpy as np

    return Value(spec, lambda: np.asarray(steps, spec.dtype.as_numpy_dtype))


def _saved(move: Move, value_in: Callable[[str], Any]) -> Item:
    """Return what is saved under the target of a move, in the slices that it names."""
    how, partition = parted(move.transform)

    def compute() -> Any:
        values = [value_in(name) for name in move.sources]
        return values[0] if how is None else how(*values)

    value = Value(move.spec, compute)
    return value if partition is None else divided(value, partition)
