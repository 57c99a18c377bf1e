"""Says of every name that gets no tensor, or an unfit one, what may be the cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.errors import PlanError, capped
from tf_ckpt_migrate.findings import Finding
from tf_ckpt_migrate.names.hints import Hints, fitting_transform
from tf_ckpt_migrate.names.misses import Cause, likely_causes
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.names.rules import Rename

__all__ = ["Asked", "check_all_met"]

Asked: TypeAlias = Mapping[str, TensorSpec | None]

_HINTED = 5
_CAUSES = 3


def check_all_met(
    moves: Iterable[Move],
    asked: Asked,
    free: Mapping[str, TensorSpec],
    reader: CheckpointReader,
) -> None:
    """Check that every name that is asked for gets a tensor that fits.

    Args:
      moves: What goes where.
      asked: The names, each with the dtype and shape that it needs, if it needs any.
      free: The tensors that no rule has taken, by name.
      reader: The checkpoint, for messages.

    Raises:
      PlanError: If one gets none, or one of another dtype or shape.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> with example_checkpoint({"w": [1.0]}) as prefix:
      ...     check_all_met([], {}, {}, CheckpointReader(prefix))
    """
    got = {move.target: move for move in moves}
    missing = {name: spec for name, spec in asked.items() if name not in got}
    misfits = [
        (name, got[name], spec)
        for name, spec in asked.items()
        if name in got and spec is not None and got[name].spec != spec
    ]
    if not missing and not misfits:
        return
    unused = {name: spec for name, spec in free.items() if name not in got}
    lines = [*_misses(missing, asked, unused, reader), *_misfits(misfits, reader)]
    findings = [
        Finding(
            "missing",
            f"missing target: {_with_spec(name, spec)}",
            target=name,
            expected=spec,
        )
        for name, spec in missing.items()
    ]
    findings += [
        Finding(
            "shape" if move.spec.dtype == spec.dtype else "dtype",
            f"dtype or shape differs: {move}, but the variable has {spec}",
            move.sources,
            name,
            spec=move.spec,
            expected=spec,
        )
        for name, move, spec in misfits
    ]
    raise PlanError("\n".join(lines), findings)


def _with_spec(name: str, spec: TensorSpec | None) -> str:
    return f"{name!r} {spec}" if spec else repr(name)


def _misses(
    missing: Asked,
    asked: Asked,
    unused: Mapping[str, TensorSpec],
    reader: CheckpointReader,
) -> list[str]:
    if not missing:
        return []
    hints, several = Hints(unused), _names_of_several(reader)
    shown: list[str] = []
    for number, (name, spec) in enumerate(missing.items()):
        line = f"variable {_with_spec(name, spec)}"
        if name in several:
            line += (
                f"; {several[name]} variables in it have this name, so none is meant"
            )
        near = hints.nearest(name) if number < _HINTED else []
        if near:
            line += f"; nearest in it: {', '.join(map(repr, near))}"
        shown.append(line)
    head = (
        f"{reader.prefix!r} ({reader.format}) has no tensor for {len(missing):,} of "
        f"{len(asked):,} variables:"
    )
    lines = [f"  {line}" for line in capped(shown)]
    return [head, *lines, _advice(likely_causes(missing, unused))]


def _names_of_several(reader: CheckpointReader) -> Mapping[str, int]:
    graph = reader.object_graph
    names = Counter(graph.full_names().values() if graph else ())
    return {name: count for name, count in names.items() if count > 1}


def _advice(causes: list[Cause]) -> str:
    leave_out = "leave out variables that the checkpoint need not have"
    if not causes:
        return f"If that is right, {leave_out}."
    first = causes[:_CAUSES]
    # Of rules the first that fits decides: narrow scopes before wide ones.
    narrow_first = sorted(first, key=lambda cause: -cause.source.strip("/").count("/"))
    rules = {cause.source: cause.target for cause in narrow_first}
    return (
        f"Likely cause: {'; '.join(cause.text for cause in first)}.\n"
        f"Then pass assignment_map={rules!r}; or {leave_out}."
    )


def _misfits(
    misfits: list[tuple[str, Move, TensorSpec]], reader: CheckpointReader
) -> list[str]:
    if not misfits:
        return []
    head = (
        f"{len(misfits):,} of the tensors of {reader.prefix!r} "
        f"{'has' if len(misfits) == 1 else 'have'} another dtype or shape:"
    )
    return [head, *(f"  {line}" for line in capped(_misfit(*m) for m in misfits))]


def _misfit(name: str, move: Move, spec: TensorSpec) -> str:
    sources = " + ".join(map(repr, move.sources))
    line = f"variable {name!r} {spec} would get {sources} {move.spec}"
    fix = fitting_transform(move.spec, spec) if move.is_plain else None
    if fix is None:
        return line
    rule = Rename(move.sources[0], name, fix)
    return f"{line}; assignment_map=[{rule!r}] would make it fit"
