"""Deferred restoration: values that wait for variables which do not exist yet.

TensorFlow does this for object-based checkpoints: a layer that is built after the
restore receives its values then. Here it is done for name-based checkpoints and for
assignment maps.

Every object that may get variables has one `_Listener`, which TensorFlow calls with
each child that is attached to the object. A listener passes children on to the restores
that wait there, the latest first. No file is open while values wait.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.layout import layout_of, public_path
from tf_ckpt_migrate.conversion.misses import check_all_met
from tf_ckpt_migrate.errors import CheckpointError, PlanError, capped
from tf_ckpt_migrate.findings import as_findings
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.goals import goal_by_keys, goal_by_names, names_of
from tf_ckpt_migrate.live.planning import (
    bound,
    goes_by_keys,
    other_half,
)
from tf_ckpt_migrate.live.private import (
    listeners_of,
    new_restore_uid,
    note_update,
    root_and_children,
    set_initial_value,
    update_uid_of,
)
from tf_ckpt_migrate.live.restore import value_of
from tf_ckpt_migrate.live.restore_errors import as_tensorflows
from tf_ckpt_migrate.live.status import unread_text
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.live.untracked import children_with_untracked
from tf_ckpt_migrate.live.variables import (
    assign,
    is_variable,
    name_of,
    spec_of_variable,
)
from tf_ckpt_migrate.names.assignment_map import AssignmentMap, AssignmentMapLike
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.names.resolution import resolve
from tf_ckpt_migrate.naming.catalog import catalog_of
from tf_ckpt_migrate.naming.keys import SAVE_COUNTER_KEY, parse_object_key

__all__ = ["Deferred", "NowAndLater", "plan_now_and_later", "waiting_text"]


class NowAndLater(NamedTuple):
    """What becomes of the tensors of a checkpoint that no rule drops.

    Attributes:
      now: Into variables that exist; the targets are their keys.
      later: The others, by the name, path or key of the variable that they wait for.
      named: All of them, by the name under which a variable is to get one.
    """

    now: tuple[Move, ...]
    later: Mapping[str, Move]
    named: Mapping[str, Move]


def plan_now_and_later(
    reader: CheckpointReader,
    live: LiveTarget,
    assignment_map: AssignmentMapLike | None = None,
) -> NowAndLater:
    """Decide what every variable gets, and what has no variable so far.

    Raises:
      PlanError: If a rule fits nothing, two tensors go to one variable, or a dtype or
        shape differs.
      RuleError: If the map is not well formed.

    Example:
      >>> import tensorflow as tf
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> from tf_ckpt_migrate.checkpoint.reader import as_reader
      >>> live = LiveTarget({"w": tf.Variable([0, 0], dtype=tf.int64)})
      >>> with example_checkpoint({"w": [1, 2], "b": [3]}) as prefix:
      ...     list(plan_now_and_later(as_reader(prefix), live).later)
      ['b']
    """
    rules = bound(AssignmentMap(assignment_map), live)
    by_keys = goes_by_keys(reader, live, rules)
    goal = goal_by_keys(live) if by_keys else goal_by_names(live)
    names = {} if by_keys else names_of(live)
    keys = {names.get(key, key): key for key in live.variables}
    found = resolve(
        [*rules, *other_half(reader, by_keys=by_keys)],
        layout_of(reader).tensors,
        unused="keep",
        sources=catalog_of(reader) if by_keys else None,
    )
    specs = goal.layout.specs
    own = {move.target for move in found.moves if move.target in specs}

    def place_of(move: Move) -> str:
        if move.target in specs:
            return move.target
        place = goal.catalog.aliases.get(move.target, move.target)
        # The tensor of a variable's own name comes before that of a path to it.
        return move.target if move.is_kept and place in own else place

    placed = [move._replace(target=place_of(move)) for move in found.moves]
    _check_collisions(placed)
    now = [move for move in placed if move.target in specs]
    named = {move.target: move for move in placed}
    given = {move.target for move in now}
    twins = {} if by_keys else _twins(live, names, given)
    now += [
        named[name]._replace(target=place)
        for name, places in twins.items()
        if name in named
        for place in places
    ]
    check_all_met(now, {move.target: specs[move.target] for move in now}, {}, reader)
    return NowAndLater(
        tuple(move._replace(target=keys[move.target]) for move in now),
        {n: move for n, move in named.items() if n not in given and n not in twins},
        named,
    )


def _twins(
    live: LiveTarget, names: Mapping[str, str], given: Collection[str]
) -> dict[str, list[str]]:
    """Return the places of variables that share one name, by that name.

    As with the original each gets the tensor of the name, unless a map says otherwise.
    """
    found: dict[str, list[str]] = {}
    for key, variable in live.variables.items():
        own, place = name_of(variable), names[key]
        if place != own and place not in given and key != SAVE_COUNTER_KEY:
            found.setdefault(own, []).append(place)
    return found


def _check_collisions(moves: list[Move]) -> None:
    count = Counter(move.target for move in moves)
    twice = [move for move in moves if count[move.target] > 1]
    if twice:
        problems = [f"collision: {move}" for move in twice]
        raise PlanError(
            "several tensors go to one variable:\n  " + "\n  ".join(capped(problems)),
            as_findings("collision", problems),
        )


# By the names of children, what waits below them; under _HERE, what waits for the
# object itself. `{"dense": {"kernel": {_HERE: "dense/kernel"}}}`
_Tree: TypeAlias = dict[str, Any]
_HERE = ""


class Deferred:
    """Gives values to the variables that objects get from now on.

    It lives as long as the objects do, or until a later restore waits for all that this
    one waits for.

    Args:
      reader: The checkpoint, whose files are opened only to read a value that waits.
      plan: What waits, and what a further variable of a name gets.
      checkpoint: The ``tf.train.Checkpoint`` whose objects are watched.

    Attributes:
      waiting: What still waits.
      restored: Every variable that has got a value, by its id, and weakly.
      asker: What a status asks about this restore, weakly.

    Example:
      >>> import tensorflow as tf
      >>> from tf_ckpt_migrate.live.deferred import plan_now_and_later
      >>> from tf_ckpt_migrate.live.target import LiveTarget
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> from tf_ckpt_migrate.checkpoint.reader import as_reader
      >>> module = tf.Module()
      >>> checkpoint = tf.train.Checkpoint(m=module)
      >>> with example_checkpoint({"w": [1, 2]}) as prefix:
      ...     plan = plan_now_and_later(as_reader(prefix), LiveTarget(checkpoint))
      ...     _ = Deferred(as_reader(prefix), plan, checkpoint)
      ...     module.late = tf.Variable([0, 0], dtype=tf.int64, name="w")
      >>> module.late.numpy().tolist()
      [1, 2]
    """

    def __init__(
        self, reader: CheckpointReader, plan: NowAndLater, checkpoint: Any
    ) -> None:
        """Watch every object that there is."""
        self.waiting: dict[str, Move] = dict(plan.later)
        self.named: Mapping[str, Move] = plan.named
        self.restored: dict[int, weakref.ref[Any]] = {}
        self.restore_uid: int = new_restore_uid()
        self.asker: Callable[[], object] = lambda: None
        self._reader = reader
        self._warning = weakref.finalize(self, _warn, reader.prefix, self.waiting)
        reader.close()
        tree = _tree_of(self.waiting)
        root, children = root_and_children(checkpoint)
        # The checkpoint itself may be gone tomorrow, but not the objects.
        self._watch(root, [tree])
        for name, child in children.items():
            self._watch(child, _below([tree], name))

    def expect_partial(self) -> None:
        """Let no warning tell, when the objects are gone, of what still waits then."""
        self._warning.detach()

    def unread(self) -> list[str]:
        """Return what still waits, and for what variable."""
        return waiting_text(self.waiting)

    def note_restored(self, variables: Iterable[Any]) -> None:
        """Note variables that have got their values otherwise."""
        for variable in variables:
            self.restored[id(variable)] = weakref.ref(variable)
            note_update(variable, self.restore_uid)

    def has_restored(self, variable: Any) -> bool:
        """Return whether a variable has got its value."""
        known = self.restored.get(id(variable))
        return known is not None and known() is variable

    def restore(self, child: Any, trees: list[_Tree]) -> None:
        """Give values to an object that has been attached, and to all below it."""
        for variable, found in self._watch(child, trees):
            self._restore(variable, [tree[_HERE] for tree in found if _HERE in tree])

    def _watch(self, start: Any, trees: list[_Tree]) -> list[tuple[Any, list[_Tree]]]:
        """Listen to an object and all below it; return the variables there."""
        variables: list[tuple[Any, list[_Tree]]] = []
        stack = [(start, trees)]
        while stack:
            owner, here = stack.pop()
            if is_variable(owner):
                variables.append((owner, here))
            elif _listen(owner, self, here):
                below = reversed(children_with_untracked(owner).items())
                stack += [(child, _below(here, name)) for name, child in below]
        return variables

    def _restore(self, variable: Any, paths: list[str]) -> None:
        name = self._name_for(variable, paths)
        if name is None or self.has_restored(variable):
            return
        if update_uid_of(variable) <= self.restore_uid:  # else by a later restore
            try:
                self._assign(variable, self.named[name])
            except CheckpointError as error:
                raise as_tensorflows(error) from None
        self.waiting.pop(name, None)  # others of the name may have got it before
        self.note_restored([variable])

    def _name_for(self, variable: Any, paths: list[str]) -> str | None:
        """Return which of the tensors a variable gets: led to it, of its name, or path.

        A tensor that has the variable's own name comes before one that only happens to
        be called like a path to it.
        """
        own = name_of(variable)
        led = [path for path in paths if not self.named[path].is_kept]
        return next((n for n in (*led, own, *paths) if n in self.named), None)

    def _assign(self, variable: Any, move: Move) -> None:
        import numpy as np

        spec = spec_of_variable(variable)
        check_all_met([move], {move.target: spec}, {}, self._reader)
        # A copy: no file stays open for an array that a variable may go on using.
        value = np.array(value_of(move, self._reader))
        self._reader.close()
        if not set_initial_value(variable, lambda: value):
            with tensorflow().init_scope():  # it may be made while a function is traced
                assign(variable, value)


class _Waits(NamedTuple):
    """A restore that waits at an object, and what of it waits below that."""

    deferred: Deferred
    trees: list[_Tree]


class _Listener:
    """What TensorFlow calls for an object in place of a name-based restore of its own.

    Args:
      owner: The object.
      waits: The restores that wait there, the latest first.

    Attributes:
      restore_uid: By which TensorFlow tells an earlier restore from a later one.
    """

    def __init__(self, owner: Any, waits: list[_Waits]) -> None:
        self.restore_uid: int = waits[0].deferred.restore_uid
        self.waits = waits
        self._owner = weakref.ref(owner)

    def is_of(self, owner: Any) -> bool:
        """Return whether this is the object's own, not passed on by a parent."""
        return self._owner() is owner

    def eager_restore(self, child: Any) -> None:
        """Restore an object that has been attached; TensorFlow calls this."""
        listeners_of(child).discard(self)  # TensorFlow passes it on to all children
        owner = self._owner()
        if owner is None or self.is_of(child):
            return
        names = [
            name
            for name, each in children_with_untracked(owner).items()
            if each is child
        ]
        for deferred, trees in self.waits:
            below = [each for name in names for each in _below(trees, name)]
            deferred.restore(child, below)

    def __deepcopy__(self, memo: dict[int, Any]) -> _Listener:
        """Return the listener of the copied object, which waits for the same values."""
        owner = self._owner()
        return _Listener(memo.get(id(owner), owner), list(self.waits))


def _listen(owner: Any, deferred: Deferred, trees: list[_Tree]) -> bool:
    """Let a restore wait at an object; return False if it does that already."""
    listeners = listeners_of(owner)
    ours = [each for each in listeners if isinstance(each, _Listener)]
    known = [
        each for listener in ours if listener.is_of(owner) for each in listener.waits
    ]
    mine = next((each for each in known if each.deferred is deferred), None)
    if mine is not None:  # by another path
        new = [t for t in trees if not any(t is each for each in mine.trees)]
        mine.trees.extend(new)
        return bool(new)
    waits = [_Waits(deferred, list(trees))]
    for each in known:
        if _is_replaced(each, waits[0]):
            each.deferred.expect_partial()
        else:
            waits.append(each)
    listeners.difference_update(ours)
    listeners.add(_Listener(owner, waits))
    return True


def _is_replaced(old: _Waits, new: _Waits) -> bool:
    """Return whether a later restore waits for everything that an earlier one does.

    As long as its status may ask what became of it, the earlier one is told.
    """
    if (
        old.deferred.asker()
        or not old.deferred.named.keys() <= new.deferred.named.keys()
    ):
        return False
    waiting = old.deferred.waiting
    return all(any(_covers(n, o, waiting) for n in new.trees) for o in old.trees)


def _covers(new: _Tree, old: _Tree, waiting: Mapping[str, Move]) -> bool:
    return all(
        below not in waiting or name in new
        if name == _HERE
        else _covers(new.get(name, {}), below, waiting)
        for name, below in old.items()
    )


def _tree_of(names: Iterable[str]) -> _Tree:
    """Return what waits, by the paths that its names may be: paths or keys."""
    tree: _Tree = {}
    for name in names:
        key = parse_object_key(name)
        if key is not None and key.slot:
            continue  # a slot variable is attached to no object
        at = tree
        for part in "/".join(key.path if key else (name,)).split("/"):
            at = at.setdefault(part or "/", {})
        at[_HERE] = name
    return tree


def _below(trees: Iterable[_Tree], name: str) -> list[_Tree]:
    """Return what waits below a child, of a name with or without Keras 3's underscore.

    Example:
      >>> _below([{"kernel": {"": "d/kernel"}}], "_kernel")
      [{'': 'd/kernel'}]
    """
    return [
        found
        for tree in trees
        for each in dict.fromkeys((name, public_path(name)))
        if (found := _at(tree, each))
    ]


def _at(tree: _Tree, name: str) -> _Tree | None:
    at: _Tree | None = tree
    for part in name.split("/"):
        at = at.get(part or "/") if at else None
    return at


def waiting_text(waiting: Mapping[str, Move]) -> list[str]:
    """Return which tensors wait, each with the variable if that has another name.

    Args:
      waiting: By the name, path or key of the variable that they wait for.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
      >>> spec = TensorSpec(DType.int32, ())
      >>> waiting_text({"b": Move(("a",), "b", None, spec)})
      ["'a' (for 'b')"]
    """
    return [
        " + ".join(map(repr, move.sources))
        + ("" if move.sources == (name,) else f" (for {name!r})")
        for name, move in waiting.items()
    ]


def _warn(source: str, waiting: Mapping[str, Move]) -> None:
    if waiting:
        tensorflow().get_logger().warning(
            "%s. assert_consumed() makes that an error, expect_partial() silences this "
            "warning",
            unread_text(source, waiting_text(waiting)),
        )
