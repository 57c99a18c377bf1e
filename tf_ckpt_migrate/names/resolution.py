"""From an assignment map to moves: every name on both sides is accounted for.

The laws:

- The first rule that fits a key decides; its result is not looked at again.
- With a target, a key that no rule fits goes to the target of its own name (or alias).
- What has no place is an error, unless ``unused`` (sources) or ``missing`` (targets)
  says otherwise; two sources for one target, and dtypes or shapes that differ, always.
- A rename that fits nothing, or that earlier rules leave nothing, is an error; such a
  `Drop` or `Keep` is a note: it says what may be there.
- All findings come in one error.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from tf_ckpt_migrate.errors import RuleError, capped
from tf_ckpt_migrate.names.assignment_map import AssignmentMap, AssignmentMapLike
from tf_ckpt_migrate.names.matching import match
from tf_ckpt_migrate.names.moves import Dropped, KeptTarget, Move
from tf_ckpt_migrate.names.problems import Problems
from tf_ckpt_migrate.names.resolver import Missing, Places, Resolver, Specs, Unused
from tf_ckpt_migrate.names.rules import Bind, Drop, Keep, Recipe, Rule
from tf_ckpt_migrate.naming.slots import role_of, slot_of
from tf_ckpt_migrate.transforms import Cast, Partition, Transform

if TYPE_CHECKING:
    from tf_ckpt_migrate.bundle.dtypes import TensorSpec
    from tf_ckpt_migrate.naming.catalog import TensorCatalog

__all__ = ["Resolution", "check_choices", "resolve"]


class Resolution(NamedTuple):
    """What becomes of every source key and of every target.

    Attributes:
      moves: The targets that are written, in the order of their (first) source.
      dropped: The source keys left behind, in their order.
      kept_targets: The targets that keep their values, in their order.
      notes: What a reader should know, though nothing is wrong.
    """

    moves: tuple[Move, ...]
    dropped: tuple[Dropped, ...] = ()
    kept_targets: tuple[KeptTarget, ...] = ()
    notes: tuple[str, ...] = ()


def resolve(  # noqa: PLR0913 the vocabulary of every planning call, by keyword
    assignment_map: AssignmentMapLike | None,
    source: Specs,
    target: Specs | None = None,
    *,
    unused: Unused = "error",
    missing: Missing | Collection[str] = "error",
    aliases: Mapping[str, str] | None = None,
    own_names: Mapping[str, str] | None = None,
    transforms: Mapping[str, Transform] | None = None,
    closed: bool = False,
    options: bool = True,
    sources: TensorCatalog | None = None,
    targets: TensorCatalog | None = None,
) -> Resolution:
    """Return the moves that an assignment map means for these tensors.

    Args:
      assignment_map: The rules, or what `AssignmentMap` reads as such.
      source: What the checkpoint holds.
      target: What the model, or the other checkpoint, has; None accepts any name.
      unused: What to do with a source tensor that no target takes: ``"error"``,
        ``"keep"`` carries it over, ``"drop"`` drops it.
      missing: What to do with a target that no source fills: ``"error"``; ``"keep"``
        leaves its current value; a collection names the targets that may keep theirs.
      aliases: Other names of targets, such as variable names for object keys; rules
        and sources may use either.
      own_names: By target, the one of its names that comes before others where the
        source has several of them.
      transforms: By source or target, what is done to what moves from or to it, after
        what its rule does.
      closed: Whether the target can take nothing beyond its names; errors then do not
        advise it.
      options: Whether the caller takes ``unused`` from its user; errors otherwise
        advise rules instead.
      sources: The catalog of the source; rules may then use every name in it.
      targets: The catalog of the target, likewise. If both have object graphs, what no
        rule decides about is matched by names and objects, and not by equal keys.

    Returns:
      The moves, and what is dropped and kept.

    Raises:
      PlanError: If anything is not accounted for; ``problems`` lists every finding.
      RuleError: If the map is not well formed, or names variables by object.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
      >>> spec = TensorSpec(DType.float32, (2,))
      >>> print(resolve({"bert/": "encoder/"}, {"bert/w": spec}).moves[0])
      'bert/w' -> 'encoder/w' float32[2]
    """
    _check_word("unused", unused, ("error", "keep", "drop"))
    if isinstance(missing, str):
        _check_word("missing", missing, ("error", "keep"))
    places = None if target is None else Places(target, aliases)
    given = AssignmentMap(assignment_map)
    others: dict[str, TensorSpec] | None = None
    if sources is not None and any(isinstance(rule, Recipe) for rule in given):
        keys = sources.aliases.items()
        others = {name: source[key] for name, key in keys if key in source}
    rules = given.expanded(source, places, others)

    def run(first: Sequence[Rule]) -> tuple[Resolver, tuple[KeptTarget, ...]]:
        resolver = Resolver(
            (*first, *rules),
            source,
            target,
            unused,
            aliases or {},
            own_names or {},
            transforms or {},
            closed,
            sources,
            targets,
        )
        resolver.given = (*first, *given)
        resolver.notes += rules.notes
        resolver.run()
        return resolver, resolver.missing_targets(missing)

    resolver, kept = run(())
    resolver.problems.options = options
    resolver.problems.raise_if_any(
        source, target, lambda first: run(first)[0].problems.findings
    )
    notes = (
        *resolver.notes,
        *_notes(resolver.moves),
        *_unlike_their_variables(resolver.moves, source),
        *_unused_averages(resolver, rules),
    )
    return Resolution(tuple(resolver.moves), tuple(resolver.dropped), kept, notes)


def _unused_averages(resolver: Resolver, rules: Iterable[Rule]) -> list[str]:
    """Return a note if ``unused="drop"`` alone decides that averages are not used."""
    if resolver.unused != "drop" or not resolver.moves:
        return []
    source = resolver.source
    unused = [d.key for d in resolver.dropped if role_of(d.key, source) == "average"]
    drops = [rule for rule in rules if isinstance(rule, Drop)]
    if unused and drops:
        chosen = match(drops, source, resolver.sources).decided
        unused = [key for key in unused if key not in chosen]
    if not unused:
        return []
    note = (
        "moving averages of the checkpoint are not used, and variables get their own "
        f"values: {', '.join(capped(map(repr, unused), 3))}. Pass "
        'averages="average" to give variables their averages, with which TF1 programs '
        'evaluate, or averages="raw" to omit this note'
    )
    return [note]


def check_choices(
    rules: Iterable[Rule], source: Specs, sources: TensorCatalog | None = None
) -> None:
    """Check that each Drop and Keep of a map decides about a key, if it fits one.

    ``Drop("/")`` and ``Keep("/")`` say what becomes of the rest, which may be nothing.
    A recipe may leave everything to others, and an earlier `Drop` drops as well.

    Args:
      rules: The map as it was given: what recipes stand for may drop what is not there.
      source: What the checkpoint holds.
      sources: Its catalog.

    Raises:
      PlanError: If earlier rules take all keys that one fits.
    """
    given = [rule for rule in rules if not isinstance(rule, Recipe | Bind)]
    if not any(isinstance(rule, Drop | Keep) for rule in given):
        return
    matching = match(given, source, sources)
    problems = Problems()
    for position, lost in matching.lost.items():
        rule = given[position]
        takers = [given[each] for each in sorted(lost)]
        is_choice = isinstance(rule, Drop | Keep) and rule.source != "/"
        happens = all(isinstance(taker, type(rule)) for taker in takers)
        if is_choice and not happens and not matching.won[position]:
            problems.shadowed(rule, takers)
    problems.raise_if_any(source, None)


def _unlike_their_variables(moves: Sequence[Move], source: Specs) -> list[str]:
    """Return a note of slots and averages that stay as they are, unlike variables.

    A scope moves them with all else, whatever other rules do to their variables.
    """
    kept = Cast | Partition  # of which a slot may think otherwise
    changed = {
        key
        for move in moves
        if move.transform and not isinstance(move.transform, kept)
        for key in move.sources
    }
    if not changed:
        return []
    found: list[str] = []
    for move in moves:
        slot = None if move.transform else slot_of(move.sources[0], source)
        if slot is not None and slot.variable in changed:
            found.append(repr(move.sources[0]))
    if not found:
        return []
    what = (
        f"{', '.join(capped(found, 3))} stay as they are, though their variables are "
        'changed; Recipe("slots", "/", "/") and averages="both" let them follow'
    )
    return [what]


def _notes(moves: Iterable[Move]) -> list[str]:
    """Return what transforms have to say, once for all targets of the same."""
    targets: dict[str, list[str]] = {}
    for move in moves:
        if move.transform is not None and move.transform.note:
            targets.setdefault(move.transform.note, []).append(repr(move.target))
    return [f"{', '.join(capped(them, 3))}: {note}" for note, them in targets.items()]


def _check_word(name: str, value: str, words: Sequence[str]) -> None:
    if value not in words:
        raise RuleError(f"{name} must be one of {', '.join(words)}, not {value!r}")
