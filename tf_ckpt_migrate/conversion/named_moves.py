"""From the keys of objects to names of variables: rules over names, moves of keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from typing import NamedTuple

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.layout import (
    Layout,
    layout_of,
    name_of_key,
    public_names,
    without_own_names,
)
from tf_ckpt_migrate.conversion.optimizers.rules import (
    WithOptimizers,
    with_optimizers_back,
)
from tf_ckpt_migrate.conversion.partitions import with_layouts
from tf_ckpt_migrate.errors import PlanError, RuleError, capped
from tf_ckpt_migrate.findings import InPython, Message, Option, as_findings
from tf_ckpt_migrate.names.assignment_map import AssignmentMap, AssignmentMapLike
from tf_ckpt_migrate.names.moves import Dropped, KeptTarget, Move
from tf_ckpt_migrate.names.plan import MigrationPlan, check_targets
from tf_ckpt_migrate.names.resolution import (
    Missing,
    Resolution,
    Unused,
    check_choices,
    resolve,
)
from tf_ckpt_migrate.names.rules import Rename, Rule, Split
from tf_ckpt_migrate.naming.catalog import (
    RelabelledCatalog,
    TensorCatalog,
    catalog_of,
)
from tf_ckpt_migrate.naming.keys import parse_object_key
from tf_ckpt_migrate.naming.slots import role_of, slot_of

__all__ = ["NamedMoves", "as_names", "named_moves"]

_HOW_TO_NAME = Message(
    "name the variables in code, or take the keys as names with ",
    Option("names", "key"),
    ", or with an assignment map over these, such as ",
    InPython('names={"vars/": "/"}', "--rename 'vars/=/'"),
)


_ASIDE = "bookkeeping, such as a table or the sums of a metric; no variable of TF1"


class NamedMoves(NamedTuple):
    """What becomes of the tensors of objects.

    Attributes:
      moves: From keys to names.
      dropped: The keys that are left behind, and why.
      kept_targets: The names that keep what they have, and why.
      made: What is to be told about optimizers.
      notes: What a reader should know.
      bookkeeping: The keys of bookkeeping, which has no names, and why.
    """

    moves: tuple[Move, ...]
    dropped: tuple[Dropped, ...] = ()
    kept_targets: tuple[KeptTarget, ...] = ()
    made: WithOptimizers = WithOptimizers(AssignmentMap(), {})
    notes: tuple[str, ...] = ()
    bookkeeping: tuple[Dropped, ...] = ()


def named_moves(  # noqa: PLR0913 what convert_tf2_to_tf1 takes
    reader: CheckpointReader,
    layout: Layout,
    names: str | AssignmentMapLike | MigrationPlan,
    unused: Unused = "error",
    *,
    like: CheckpointReader | None = None,
    missing: Missing = "error",
) -> NamedMoves:
    """Return moves from the keys of objects to variable names.

    Args:
      reader: An object-based checkpoint.
      layout: The tensors in question; bookkeeping has no name, unless a rule names it.
      names: ``"full_name"``, with object paths for what has no name of its own,
        ``"key"``, or rules over the names that ``"key"`` gives;
        a variable's own name serves too. A plan stands for its rules.
      unused: What becomes of a name that no rule fits.
      like: A name-based checkpoint whose tensors are to be filled, or None.
      missing: What becomes of a tensor of ``like`` that nothing fills.

    Raises:
      PlanError: If there are no variables, or no rule fits one; or if an optimizer
        cannot go on.
    """
    if isinstance(names, MigrationPlan):
        rules = names.assignment_map
        found = named_moves(reader, layout, rules, unused, like=like, missing=missing)
        check_targets(names, found.moves)
        return found
    names = as_names(names)
    graph = reader.object_graph
    full_names = {} if graph is None else graph.full_names()
    rules = AssignmentMap(() if isinstance(names, str) else names)
    check_choices(rules, layout.everything, catalog_of(reader))
    specs = {**layout.specs, **_named_by(rules, layout.carried, full_names)}
    if not specs:
        raise PlanError(
            f"{reader.prefix!r} has no variables, and so nothing that "
            "tf.compat.v1.train.Saver could save or restore; a SavedModel without "
            "variables needs no conversion of its checkpoint"
        )
    aside = tuple(Dropped(k, _ASIDE) for k in layout.carried if k not in specs)
    chosen, notes = public_names(specs), ()
    if names == "full_name":
        chosen, notes = _own_names(chosen, full_names, specs)
    _check_names(chosen, reader.prefix)
    if isinstance(names, str) and like is None:
        moves = [Move((key,), chosen[key], None, spec) for key, spec in specs.items()]
        notes = (*notes, *_of_keras_3(moves, full_names))
        return NamedMoves(tuple(moves), notes=notes, bookkeeping=aside)
    found = _moves(reader, specs, chosen, rules, unused, like, missing)
    return found._replace(
        notes=(*notes, *found.notes, *_of_keras_3(found.moves, full_names)),
        bookkeeping=aside,
    )


def as_names(names: str | AssignmentMapLike) -> str | AssignmentMap:
    """Return where names come from: ``"full_name"`` or ``"key"``, or else a map.

    Raises:
      RuleError: If it is neither a word nor a map.
    """
    if isinstance(names, str) and names in ("full_name", "key"):
        return names
    try:
        return AssignmentMap(names)
    except RuleError as error:
        if not isinstance(error.__cause__, OSError):
            raise
        raise RuleError(
            f'names={names!r}; expected "full_name", "key", a map, or the path of a '
            "YAML file that holds one"
        ) from None


def _named_by(
    rules: AssignmentMap,
    carried: Mapping[str, TensorSpec],
    full_names: Mapping[str, str],
) -> dict[str, TensorSpec]:
    """Return the bookkeeping that rules call by one of its names."""
    called = {
        name
        for rule in rules
        for name in getattr(rule, "sources", (getattr(rule, "source", None),))
    }
    return {
        key: spec
        for key, spec in carried.items()
        if called & {key, name_of_key(key), full_names.get(key, key)}
    }


def _own_names(
    paths: Mapping[str, str],
    full_names: Mapping[str, str],
    specs: Mapping[str, TensorSpec],
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return variables' own names, paths for want of one, and a note of these."""
    count = Counter(full_names.get(key) for key in paths)
    named = {
        key: name for key in paths if (name := full_names.get(key)) and count[name] == 1
    }
    pathless = [key for key in paths if key not in named]
    if pathless:  # an optimizer whose parts are called in two ways is none to anybody
        owners = {owner for key in pathless if (owner := _optimizer_of(key, specs))}
        pathless = [
            key
            for key in paths
            if key not in named or _optimizer_of(key, specs) in owners
        ]
    chosen = {**paths, **named, **{key: paths[key] for key in pathless}}
    if not pathless:
        return chosen, ()
    shown = [
        f"{paths[key]!r} ({_lack(full_names.get(key))})"
        for key in pathless
        if key not in named
    ]
    note = (
        f"{len(pathless):,} of {len(paths):,} tensors go by their object paths, for "
        f"want of names of their own: {', '.join(capped(shown, 5))}; an assignment map "
        "gives them others"
    )
    return chosen, (note,)


def _optimizer_of(key: str, keys: Container[str]) -> str:
    """Return the path of the optimizer that has a tensor; "" for none."""
    slot, parsed = slot_of(key, keys), parse_object_key(key)
    if slot is not None or parsed is None:
        return slot.optimizer if slot is not None else ""
    is_of_one = role_of(key, keys) in ("optimizer", "step")
    return "/".join(parsed.path[:-1]) if is_of_one else ""


def _lack(name: str | None) -> str:
    return f"several are called {name!r}" if name else "without a name"


def _moves(  # noqa: PLR0913, PLR0917 what named_moves has made of its arguments
    reader: CheckpointReader,
    specs: Mapping[str, TensorSpec],
    chosen: Mapping[str, str],
    rules: AssignmentMap,
    unused: Unused,
    like: CheckpointReader | None,
    missing: Missing,
) -> NamedMoves:
    keys = {name: key for key, name in chosen.items()}
    named = {name: specs[key] for name, key in keys.items()}
    catalog = RelabelledCatalog(catalog_of(reader), chosen)
    goals = None if like is None else like.specs

    def by_key(move: Move) -> Move:
        return move._replace(sources=tuple(keys[name] for name in move.sources))

    def weights(others: AssignmentMap) -> list[Move]:
        # What keeps its name moves too, and its slots go with it.
        rest: Unused = "keep" if unused == "keep" else "drop"
        found = resolve(
            others, named, goals, unused=rest, missing="keep", sources=catalog
        )
        return [by_key(move) for move in found.moves]

    made = with_optimizers_back(reader, like, rules, weights)
    ours = _without_doubles(made.rules, rules, catalog)
    may_stay: Missing | set[str] = missing
    if like is not None and missing != "keep":
        may_stay = {*made.may_stay, *layout_of(like).carried}
    found: Resolution = resolve(
        ours, named, goals, unused=unused, missing=may_stay, sources=catalog
    )
    return NamedMoves(
        with_layouts(reader, map(by_key, found.moves)),
        tuple(Dropped(keys[name], reason) for name, reason in found.dropped),
        found.kept_targets,
        made,
        found.notes,
    )


def _of_keras_3(
    moves: Iterable[Move], full_names: Mapping[str, str]
) -> tuple[str, ...]:
    """Return a note of weights that get a path for a name which says nothing.

    Keras 3 saves the weights of a compiled model below its optimizer.
    """
    for move in moves:
        is_numbered = move.target.split("/")[-2:-1] == ["_trainable_variables"]
        own = full_names.get(move.sources[0], "")
        if is_numbered and own:
            note = (
                f"Keras 3 has saved weights below their optimizer: {move.target!r} and "
                f"others are numbers there; their program calls that one {own!r}, and "
                'names="full_name", or rules from such names, take these'
            )
            return (note,)
    return ()


def _without_doubles(
    rules: Iterable[Rule], given: AssignmentMap, catalog: TensorCatalog
) -> list[Rule]:
    """Leave out a given rule where an optimizer's `Split` takes the same tensor."""
    own = [rule for rule in rules if rule not in {*given}]
    splits = [rule for rule in own if isinstance(rule, Split)]
    taken = {key for rule in splits for key in catalog.keys_of(rule.source)}
    return [
        rule
        for rule in rules
        if rule in own
        or not isinstance(rule, Rename | Split)
        or taken.isdisjoint(catalog.keys_of(rule.source))
    ]


def _check_names(names: Mapping[str, str], prefix: str) -> None:
    """Check that every key has a name of its own."""
    nameless, shared = without_own_names(names)
    problems = [f"{key!r} belongs to a variable without a name" for key in nameless]
    problems += [
        f"{name!r} is the name of {len(keys)} variables: {', '.join(capped(keys, 3))}"
        for name, keys in shared.items()
    ]
    if problems:
        raise PlanError(
            Message(
                f"the variables of {prefix!r} cannot be told apart by their names:\n  ",
                "\n  ".join(capped(problems)),
                "\n",
                _HOW_TO_NAME,
            ),
            as_findings("name", problems),
        )
