"""Leaves out what inference does not need: optimizer state, averages, chosen keys."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.bundle.shards import DataMode
from tf_ckpt_migrate.bundle.writer import Progress
from tf_ckpt_migrate.checkpoint.reader import (
    CheckpointLike,
    CheckpointReader,
    as_reader,
)
from tf_ckpt_migrate.conversion.bulk import without_collections
from tf_ckpt_migrate.conversion.convert import ConversionResult, convert
from tf_ckpt_migrate.conversion.layout import layout_of
from tf_ckpt_migrate.errors import PlanError, nearest
from tf_ckpt_migrate.findings import Finding
from tf_ckpt_migrate.names.matching import match
from tf_ckpt_migrate.names.moves import Dropped, plain_moves
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.names.rules import Drop
from tf_ckpt_migrate.naming.slots import is_of_compiled_metric, is_step_of_optimizer

__all__ = ["TRAINING", "plan_prune", "prune"]

# What only training needs: these go where nobody names others.
TRAINING = ("slot", "optimizer")


def plan_prune(
    checkpoint_path: CheckpointLike,
    *,
    roles: Sequence[str] = TRAINING,
    patterns: Sequence[str] = (),
) -> MigrationPlan:
    """Decide what ``prune`` will drop; the arguments are the same.

    Raises:
      TypeError: If ``roles`` or ``patterns`` is a string.
      PlanError: If a pattern fits no key.
    """
    for name, value in (("roles", roles), ("patterns", patterns)):
        if isinstance(value, str):
            raise TypeError(f"{name}={value!r}; expected several: {name}=[{value!r}]")
    roles = tuple(roles)
    reader = as_reader(checkpoint_path)
    specs = layout_of(reader).everything
    reasons, idle = _reasons(specs, roles, patterns)
    _check_patterns([p for p in patterns if Drop(pattern=p) in idle], specs, reader)
    kept = {key: spec for key, spec in specs.items() if key not in reasons}
    return MigrationPlan(
        reader.prefix,
        "",
        specs,
        plain_moves(kept, [*kept], kept.values()),
        tuple(Dropped(key, reasons[key]) for key in specs if key in reasons),
        notes=_notes(roles, reasons, [rule for rule in idle if rule.role]),
    )


def _reasons(
    specs: Mapping[str, TensorSpec], roles: Sequence[str], patterns: Sequence[str]
) -> tuple[dict[str, str], list[Drop]]:
    """Return why each dropped key is dropped, and the rules that drop none."""
    reasons = {Drop(pattern=pattern): f"fits {pattern}" for pattern in patterns}
    reasons.update((Drop(role=role), role) for role in roles)
    found: dict[str, str] = {}
    idle: list[Drop] = []
    for rule, reason in reasons.items():
        new = [key for key in match([rule], specs).decided if key not in found]
        found.update(dict.fromkeys(new, reason))
        idle += [] if new else [rule]
    if "optimizer" in roles:  # a model without one has neither of these
        for key in specs:
            if is_step_of_optimizer(key, specs):
                found.setdefault(key, "optimizer")
            elif is_of_compiled_metric(key):
                found.setdefault(key, "metric")
    return found, idle


def _check_patterns(
    idle: Sequence[str], specs: Mapping[str, TensorSpec], reader: CheckpointReader
) -> None:
    """Refuse patterns that drop no key."""
    for pattern in idle:
        near = ", ".join(map(repr, nearest(pattern, specs)))
        text = f"pattern {pattern!r} fits no key of {reader.prefix!r} as a whole"
        text += f"; nearest: {near}" if near else ""
        finding = Finding("idle_rule", text, rule=Drop(pattern=pattern))
        raise PlanError(text, [finding])


def _notes(
    roles: Sequence[str], reasons: Mapping[str, str], idle: Sequence[Drop]
) -> tuple[str, ...]:
    if not reasons:
        return (f"nothing to drop: no key is {' or '.join(roles) or 'named'}",)
    if roles == TRAINING:  # nobody asked for these by name
        return ()
    return tuple(f"{rule!r} matched no key" for rule in idle)


@without_collections
def prune(  # noqa: PLR0913 the options of every conversion, by keyword
    checkpoint_path: CheckpointLike,
    output_prefix: str | os.PathLike[str],
    *,
    roles: Sequence[str] = TRAINING,
    patterns: Sequence[str] = (),
    compact: bool = False,
    overwrite: bool = False,
    data: DataMode = "auto",
    update_state_file: bool = False,
    progress: Progress | None = None,
) -> ConversionResult:
    """Write a checkpoint without the tensors that are not wanted.

    Where there are none of them the result has all tensors of the source, so that what
    is pruned twice is as what is pruned once.

    Args:
      checkpoint_path: The checkpoint to take from.
      output_prefix: Prefix of the checkpoint to write.
      roles: Which kinds of tensors to drop: ``"slot"``, ``"optimizer"`` (beta powers,
        hyperparameters, with the count of steps that an optimizer of Keras keeps and
        the sums of metrics that a model was compiled with), ``"average"``, ``"step"``.
      patterns: Regular expressions; a key that one fits as a whole is dropped.
      compact: Whether to copy only the bytes that are left. Otherwise whole shards are
        linked, which takes no time, but frees no disk space.
      overwrite: Whether a checkpoint of that prefix may be replaced.
      data: How shards are taken over; see ``convert``.
      update_state_file: Whether the ``checkpoint`` file of the folder is to name the
        output as the latest.
      progress: Called with the bytes in place so far and those there are to be.

    Returns:
      What was written; ``dropped`` lists what was not, and why.

    Raises:
      TypeError: If ``roles`` or ``patterns`` is a string.
      PlanError: If a pattern fits no key.
      OutputExistsError: If the output exists, or is the source.
      CheckpointError: If the checkpoint cannot be read.
      OSError: If a write fails; the output is then as it was.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> with example_checkpoint({"w": [1.0], "w/Momentum": [0.0]}) as prefix:
      ...     prune(prefix, prefix + "-inference").dropped
      (Dropped(key='w/Momentum', reason='slot'),)
    """
    reader = as_reader(checkpoint_path)
    return convert(
        plan_prune(reader, roles=roles, patterns=patterns),
        output_prefix,
        source=reader,
        overwrite=overwrite,
        data=data,
        update_state_file=update_state_file,
        shards=1 if compact else None,
        progress=progress,
    )
