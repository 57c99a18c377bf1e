"""Plans for readers that ask a checkpoint of any kind for tensors by variable name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Literal

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.checkpoint.reader import CheckpointFormat, CheckpointReader
from tf_ckpt_migrate.conversion.bulk import without_collections
from tf_ckpt_migrate.conversion.layout import is_object_key, layout_of
from tf_ckpt_migrate.conversion.misses import Asked, check_all_met
from tf_ckpt_migrate.errors import PlanError, capped
from tf_ckpt_migrate.findings import Finding, Message, Option, as_findings
from tf_ckpt_migrate.names.assignment_map import AssignmentMap, AssignmentMapLike
from tf_ckpt_migrate.names.matching import match
from tf_ckpt_migrate.names.moves import Dropped, Move
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.names.resolution import resolve
from tf_ckpt_migrate.names.resolver import Specs
from tf_ckpt_migrate.names.rules import Drop, Keep, Rule
from tf_ckpt_migrate.naming.catalog import TensorCatalog, catalog_of
from tf_ckpt_migrate.naming.keys import OBJECT_GRAPH_KEY

__all__ = ["plan_by_names", "plan_by_rules"]

_REST = "nothing asks for it"


@without_collections
def plan_by_names(
    reader: CheckpointReader,
    asked: Asked,
    assignment_map: AssignmentMapLike | None = None,
    *,
    unused: Literal["error", "drop"] = "drop",
) -> MigrationPlan:
    """Decide which tensor of a checkpoint each name that is asked for gets.

    That is the one which the map assigns to it, else the one of its own name. A map
    that assigns nothing to what is asked for is an error, but not for a checkpoint with
    exactly the names that are asked for: it has been saved by these names already.

    Args:
      reader: A checkpoint of any kind.
      asked: The names, each with the dtype and shape that its tensor must have, or None
        if it may be any.
      assignment_map: Rules from names in the checkpoint to names that are asked for.
      unused: What becomes of tensors that nothing asks for: ``"drop"`` or
        ``"error"``.

    Returns:
      The plan, whose targets are the names that are asked for.

    Raises:
      PlanError: If a name has no tensor, or one of another dtype or shape, or a rule
        leads to no name; its ``problems`` list every finding.
      RuleError: If the map is not well formed.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> with example_checkpoint({"old/w": [1.0]}) as prefix:
      ...     reader = CheckpointReader(prefix)
      ...     print(*plan_by_names(reader, {"new/w": None}, {"old/": "new/"}).moves)
      'old/w' -> 'new/w' float64[1]
    """
    rules = tuple(AssignmentMap(assignment_map))
    strict = unused == "error"
    return _first_plan(
        reader, lambda specs: _moves(reader, specs, asked, rules, strict=strict)
    )


def plan_by_rules(
    reader: CheckpointReader, places: Mapping[str, TensorSpec], rules: Iterable[Rule]
) -> MigrationPlan:
    """Decide which places rules bring tensors to; they lead to nothing else.

    Args:
      reader: A checkpoint of any kind.
      places: Names, each with its dtype and shape.
      rules: From names in the checkpoint to these; what they do not name is left.

    Raises:
      PlanError: If a rule fits no tensor, or leads to no place, or to one of another
        dtype or shape.
      RuleError: If a rule names variables by object.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> with example_checkpoint({"old/w": [1.0], "b": [2.0]}) as prefix:
      ...     reader = CheckpointReader(prefix)
      ...     places = {"new/w": reader.specs["old/w"], "new/x": reader.specs["b"]}
      ...     plan = plan_by_rules(reader, places, AssignmentMap({"old/": "new/"}))
      >>> print(*plan.moves)
      'old/w' -> 'new/w' float64[1]
    """
    given = [*rules, Drop("/", reason=_REST)]

    def moves(specs: Specs) -> Sequence[Move]:
        catalog = catalog_of(reader)
        return resolve(given, specs, places, missing="keep", sources=catalog).moves

    return _first_plan(reader, moves)


def _first_plan(
    reader: CheckpointReader, moves_of: Callable[[Specs], Sequence[Move]]
) -> MigrationPlan:
    """Return the plan from all tensors; of a dual-keyed checkpoint from one kind.

    Raises:
      PlanError: If there is none: of the kind of keys that comes nearest.
    """
    errors: list[PlanError] = []
    for specs in _kinds_of_keys(reader):
        try:
            return _plan(reader, moves_of(specs))
        except PlanError as error:
            errors.append(error)
    raise min(errors, key=lambda error: len(error.problems))


def _kinds_of_keys(reader: CheckpointReader) -> list[Specs]:
    """Return the tensors; of a dual-keyed checkpoint by name, and then by object."""
    specs = {key: spec for key, spec in reader.specs.items() if key != OBJECT_GRAPH_KEY}
    if reader.format is not CheckpointFormat.DUAL_KEYED:
        return [specs]
    named = {key: spec for key, spec in specs.items() if not is_object_key(key)}
    return [named, {key: spec for key, spec in specs.items() if key not in named}]


def _plan(reader: CheckpointReader, moves: Iterable[Move]) -> MigrationPlan:
    moved = tuple(moves)
    specs = layout_of(reader).everything
    used = {key for move in moved for key in move.sources}
    dropped = tuple(Dropped(key, _REST) for key in specs if key not in used)
    return MigrationPlan(reader.prefix, "", specs, moved, dropped)


def _moves(
    reader: CheckpointReader,
    specs: Specs,
    asked: Asked,
    rules: Sequence[Rule],
    *,
    strict: bool,
) -> list[Move]:
    """Return what goes where, by name."""
    catalog = catalog_of(reader)
    rules = tuple(AssignmentMap(rules).expanded(specs))
    decided = match(rules, specs, catalog).decided
    by_rule = _moves_by_rules(rules, specs, catalog, asked, decided)
    if by_rule is None:  # the map does not apply: all is there by its own name
        by_rule, decided = [], {}
    taken = {move.target for move in by_rule}
    kept = {name for name, at in decided.items() if isinstance(rules[at], Keep)}
    free = {n: s for n, s in specs.items() if n not in decided or n in kept}
    keys = catalog.keys_by_name([name for name in asked if name not in taken])
    found = [
        Move((key,), name, None, free[key]) for name, key in keys.items() if key in free
    ]
    moves = [*by_rule, *found]
    # Messages name variables as programs do.
    named = {catalog[key].variable_name or key: spec for key, spec in free.items()}
    check_all_met(moves, asked, named, reader)
    if strict:
        layout = layout_of(reader)
        known = {*layout.bookkeeping, *layout.carried, *decided}
        known.update(key for move in moves for key in move.sources)
        _check_nothing_left([key for key in specs if key not in known], reader)
    return moves


def _moves_by_rules(
    rules: Sequence[Rule],
    specs: Specs,
    catalog: TensorCatalog,
    asked: Asked,
    decided: Mapping[str, int],
) -> list[Move] | None:
    """Return what the rules move; None where they do not apply."""
    if not rules:
        return []
    try:
        found = resolve(
            [*rules, Drop("/", reason=_REST)],
            specs,
            _Names(asked),
            unused="drop",
            missing="keep",
            sources=catalog,
        )
        moves = [move for move in found.moves if move.target in asked]
        _check_effect(rules, moves, asked, decided)
    except PlanError:
        if specs.keys() == asked.keys():
            return None
        raise
    return [m for m in moves if not isinstance(rules[decided[m.sources[0]]], Keep)]


class _Names(dict[str, TensorSpec]):
    """Places known by name: whether a tensor fits one is checked for all at once."""

    def __init__(self, names: Collection[str]) -> None:
        super().__init__()
        self._names = names

    def __contains__(self, name: object) -> bool:
        return name in self._names


def _check_effect(
    rules: Sequence[Rule],
    moves: Iterable[Move],
    asked: Collection[str],
    decided: Mapping[str, int],
) -> None:
    """Check that every rule leads to something that is asked for."""
    effective = {decided[name] for move in moves for name in move.sources}
    idle = [
        rule
        for position, rule in enumerate(rules)
        if position not in effective and not isinstance(rule, Drop | Keep)
    ]
    if idle:
        names = ", ".join(capped(map(repr, asked), 5))
        problems = [f"rule leads to nothing: {rule!r}" for rule in idle]
        raise PlanError(
            "what these rules make is nothing that is asked for; a map goes from names "
            f"in the checkpoint to these: {names}\n  "
            + "\n  ".join(capped(map(repr, idle))),
            as_findings("idle_rule", problems, rules=idle),
        )


def _check_nothing_left(names: Sequence[str], reader: CheckpointReader) -> None:
    if names:
        found = [Finding("unused", f"unused source: {n!r}", (n,)) for n in names]
        raise PlanError(
            Message(
                f"{len(names):,} of the tensors of {reader.prefix!r} "
                f"{'is' if len(names) == 1 else 'are'} not asked for: "
                f"{', '.join(capped(map(repr, names)))}; name them in the map, by "
                "Drop(…) what is to be left behind, or pass ",
                Option("unused", "drop"),
            ),
            found,
        )
