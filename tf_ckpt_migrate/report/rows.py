"""Says of every tensor what became of it: a row for each, without any value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.checkpoint.ordering import by_numbers
from tf_ckpt_migrate.conversion.convert import ConversionResult
from tf_ckpt_migrate.names.moves import Dropped, KeptTarget, Move
from tf_ckpt_migrate.naming.keys import (
    ATTRIBUTES,
    OPTIMIZER_SLOT,
    VARIABLE_VALUE,
    parse_object_key,
)
from tf_ckpt_migrate.naming.slots import ROLES, role_of
from tf_ckpt_migrate.report.content import Row, Status, Tensor

__all__ = [
    "Moves",
    "converted_rows",
    "described_rows",
    "moved_rows",
    "paired_rows",
    "path_of",
]

_Specs: TypeAlias = Mapping[str, TensorSpec]


class Moves(NamedTuple):
    """What becomes of the tensors of a source, as a plan or a map says it.

    Attributes:
      specs: Every tensor of the source.
      moves: The targets that are made.
      dropped: What is left behind.
      kept_targets: The targets that keep the values they have.
    """

    specs: _Specs
    moves: tuple[Move, ...]
    dropped: tuple[Dropped, ...] = ()
    kept_targets: tuple[KeptTarget, ...] = ()


def described_rows(specs: _Specs) -> tuple[Row, ...]:
    """Return a row for every tensor of one checkpoint."""
    return _ordered(
        Row("present", role_of(key, specs), (_tensor(key, spec),))
        for key, spec in specs.items()
    )


def converted_rows(specs: _Specs, result: ConversionResult) -> tuple[Row, ...]:
    """Return a row for every tensor that a conversion wrote or left behind."""
    special: dict[str, Status] = dict.fromkeys(result.computed, "computed")
    special |= dict.fromkeys(result.added, "added")
    written = (
        row._replace(status=special.get(row.main.key, row.status))
        for row in described_rows(specs)
    )
    names = dict.fromkeys(key for key, _ in result.dropped) | {**specs}
    left = (
        Row(
            "dropped",
            role_of(key, names),
            (Tensor(key, path_of(key), "", 0),),
            reason=reason,
        )
        for key, reason in result.dropped
    )
    return _ordered([*written, *left])


def moved_rows(moves: Moves) -> tuple[Row, ...]:
    """Return a row for every target, and for every source that is left behind."""
    moved = [_moved(move, moves.specs) for move in moves.moves]
    targets = {move.target: move.spec for move in moves.moves}
    targets |= {kept.name: kept.spec for kept in moves.kept_targets}
    held = [
        Row(
            "held",
            role_of(kept.name, targets),
            target=_tensor(kept.name, kept.spec),
            reason=kept.reason,
        )
        for kept in moves.kept_targets
    ]
    left = _left(moves.dropped, moves.specs)
    return _ordered([*moved, *left, *_beside(held, moved)])


def _beside(rows: Iterable[Row], moved: Iterable[Row]) -> Iterator[Row]:
    """Yield rows, a setting of an optimizer as what it is.

    Its key alone may not tell: what is in a scope with an optimizer's state only, as
    the sources of that have it, is no weight, nor what is called ``learning_rate``.
    """
    roles: dict[tuple[str, ...], set[str]] = {}
    for row in moved:
        roles.setdefault(row.main.path[:-1], set()).add(row.role)
    for row in rows:
        others = roles.get(row.main.path[:-1], {"weight"})
        is_setting = "weight" not in others or row.main.path[-1] == "learning_rate"
        if row.role == "weight" and is_setting:
            yield row._replace(role="optimizer")
        else:
            yield row


def paired_rows(moves: Moves, found: _Specs) -> tuple[Row, ...]:
    """Return a row for every tensor of two checkpoints.

    Args:
      moves: What should have become of the tensors of the first.
      found: Every tensor of the second.
    """
    moved: list[Row] = []
    for move in moves.moves:
        row = _moved(move, moves.specs)
        if move.target not in found:
            row = row._replace(status="missing")
        elif found[move.target] != move.spec:
            row = row._replace(found=str(found[move.target]))
        moved.append(row)
    left = _left(moves.dropped, moves.specs)
    expected = {row.main.key for row in moved}
    held = {kept.name: kept.reason for kept in moves.kept_targets}
    beyond = [
        _beyond(key, found, held.get(key)) for key in found if key not in expected
    ]
    return _ordered([*moved, *left, *_beside(beyond, moved)])


def _moved(move: Move, specs: _Specs) -> Row:
    status: Status = "kept" if move.is_kept else "renamed"
    return Row(
        "computed" if move.transform else status,
        role_of(move.sources[0], specs),
        tuple(_tensor(key, specs[key]) for key in move.sources),
        _tensor(move.target, move.spec),
        repr(move.transform) if move.transform else "",
        move.transform is None
        or move.transform.exact_for(*(specs[key] for key in move.sources)),
    )


def _left(dropped: Iterable[Dropped], specs: _Specs) -> Iterator[Row]:
    for key, reason in dropped:
        role = role_of(key, specs)
        yield Row("dropped", role, (_tensor(key, specs[key]),), reason=reason)


def _beyond(key: str, found: _Specs, reason: str | None) -> Row:
    role = role_of(key, found)
    status: Status = "added" if role == "bookkeeping" else "extra"
    if reason is not None:
        status = "held"
    return Row(status, role, target=_tensor(key, found[key]), reason=reason or "")


def _tensor(key: str, spec: TensorSpec) -> Tensor:
    return Tensor(key, path_of(key), str(spec), spec.nbytes)


def path_of(key: str) -> tuple[str, ...]:
    """Return the components that a tree shows of a key.

    A variable name kept as one component of an object path counts as the scopes that
    it names, and the end that all object-based keys share is left out.

    Example:
      >>> path_of("vars/net.Sw/.ATTRIBUTES/VARIABLE_VALUE")
      ('vars', 'net', 'w')
    """
    parsed = parse_object_key(key)
    if parsed is None:
        return tuple(key.split("/"))
    parts = "/".join(parsed.path).split("/") if parsed.path else []
    if parsed.slot:
        parts += [OPTIMIZER_SLOT, *parsed.slot.optimizer, parsed.slot.name]
    if parsed.attribute != VARIABLE_VALUE:
        parts += [ATTRIBUTES, parsed.attribute]
    return tuple(parts or [key])


def _ordered(rows: Iterable[Row]) -> tuple[Row, ...]:
    return tuple(sorted(rows, key=_place))


def _place(row: Row) -> tuple[int, list[list[tuple[int, str]]]]:
    named = row.sources[0] if row.sources else row.main
    return ROLES.index(row.role), [by_numbers(part) for part in named.path]
