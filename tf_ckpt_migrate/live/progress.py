"""What has become of a restore, for its status to assert."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from itertools import chain
from typing import Any

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.layout import is_object_key
from tf_ckpt_migrate.conversion.misses import check_all_met
from tf_ckpt_migrate.conversion.rekey import same_bytes
from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.live.deferred import Deferred, NowAndLater, waiting_text
from tf_ckpt_migrate.live.goals import goal_by_names, names_of
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.naming.keys import OBJECT_GRAPH_KEY

__all__ = ["ByName", "ByObject", "InGraph", "missing_text"]


_LEAD = "Lead each to its variable by assignment_map, or leave it out by Drop(…)"


class ByObject:
    """A restore that TensorFlow did by the object graph.

    TensorFlow asserts for what its graph names; here is what else the file has.

    Args:
      reader: The checkpoint.
      computed: Returns the names for which a save of the same objects computes values.
    """

    advice: str = (
        "If a save for both worlds computed it, give the checkpoint that you restore "
        'the names of that save before: checkpoint.saving(keys="both", names=…)'
    )

    def __init__(
        self,
        reader: CheckpointReader,
        computed: Callable[[], Collection[str]] = frozenset,
    ) -> None:
        """Look at nothing before an assertion asks."""
        self.source: str = reader.prefix
        self._reader = reader
        self._computed = computed

    def unread(self) -> list[str]:
        """Return the keys that no object has, nor a name for the value of one."""
        return list(map(repr, self._beyond))

    @cached_property
    def _beyond(self) -> list[str]:
        graph, specs = self._reader.object_graph, self._reader.specs
        if graph is None:
            return list(specs)
        named = set(chain.from_iterable(graph.tensors(specs).values()))
        beyond = [key for key in specs if key not in named and key != OBJECT_GRAPH_KEY]
        if self._reader.bundle is None or not beyond:
            return beyond
        doubles = same_bytes(
            self._reader.bundle.index, beyond, filter(is_object_key, named)
        )
        alone = [key for key in beyond if key not in doubles]
        computed = self._computed() if alone else ()
        return [key for key in alone if key not in computed]

    def unrestored(self) -> str:
        """Return nothing: TensorFlow asserts it."""
        return ""

    def add_optional(self, variable: Any) -> None:
        """Do nothing: TensorFlow asserts it."""

    def has_restored_any(self) -> bool:
        """Return that there may be something: TensorFlow asserts it."""
        return True

    def expect_partial(self) -> None:
        """Leave it to TensorFlow, who warns."""


class ByName:
    """A restore at once, and later into what is made later.

    Args:
      reader: The checkpoint.
      checkpoint: The ``tf.train.Checkpoint`` that was restored.
      deferred: What has got values, and what waits.
    """

    def __init__(
        self, reader: CheckpointReader, checkpoint: Any, deferred: Deferred
    ) -> None:
        """Look at nothing before an assertion asks."""
        self.source: str = reader.prefix
        self.advice: str = _LEAD
        self._reader = reader
        self._checkpoint = checkpoint
        self._deferred = deferred
        self._optional: list[Any] = []
        deferred.asker = weakref.ref(self)

    def unread(self) -> list[str]:
        """Return the keys that wait for a variable."""
        return self._deferred.unread()

    def unrestored(self) -> str:
        """Return which of the variables that there are now have no value from it."""
        live = LiveTarget(self._checkpoint, counted=False)
        got = {
            key
            for key, variable in live.variables.items()
            if self._deferred.has_restored(variable)
            or any(variable is each for each in self._optional)
        }
        return missing_text(live, got, self._deferred.waiting, self._reader)

    def add_optional(self, variable: Any) -> None:
        """Let a variable be that needs no value from it."""
        self._optional.append(variable)

    def has_restored_any(self) -> bool:
        """Return whether a variable has its value from it."""
        return bool(self._deferred.restored)

    def expect_partial(self) -> None:
        """Let no warning tell of what waits in vain."""
        self._deferred.expect_partial()


class InGraph:
    """A restore in a graph, where all variables exist.

    Args:
      reader: The checkpoint.
      live: The target.
      plan: What variables get, and what none gets.
      keeps: What has to live as long as the restore can be run.
    """

    def __init__(
        self,
        reader: CheckpointReader,
        live: LiveTarget,
        plan: NowAndLater,
        keeps: object,
    ) -> None:
        """Keep what was planned."""
        self.source: str = reader.prefix
        self.advice: str = _LEAD
        self._plan = plan
        self._reader = reader
        self._live = live
        self._got = {move.target for move in plan.now}
        self._keeps = keeps

    def unread(self) -> list[str]:
        """Return the keys that no variable gets."""
        return waiting_text(self._plan.later)

    def unrestored(self) -> str:
        """Return which variables get no value."""
        return missing_text(self._live, self._got, self._plan.later, self._reader)

    def add_optional(self, variable: Any) -> None:
        """Let a variable be that needs no value from it."""
        mine = {key for key, each in self._live.variables.items() if each is variable}
        self._got |= mine

    def has_restored_any(self) -> bool:
        """Return whether a variable gets a value."""
        return bool(self._plan.now)

    def expect_partial(self) -> None:
        """Warn no one; in a graph nothing is made later."""


def missing_text(
    live: LiveTarget,
    got: Collection[str],
    waiting: Mapping[str, Move],
    reader: CheckpointReader,
) -> str:
    """Return which variables get nothing, the nearest tensors and likely causes.

    Args:
      live: The target.
      got: The keys of the variables that get something.
      waiting: The tensors that no variable gets, by the name that they wait for.
      reader: The checkpoint.

    Returns:
      The text of an error; "" if every variable gets something.

    Example:
      >>> import tensorflow as tf
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> with example_checkpoint({"w": [1.0]}) as prefix:
      ...     reader = CheckpointReader(prefix)
      ...     print(missing_text(LiveTarget({"b": tf.Variable(1.0)}), [], {}, reader))
      '...' (name-based) has no tensor for 1 of 1 variables:
        variable 'b' float32[]
      ...
    """
    names, specs = names_of(live), goal_by_names(live).layout.specs
    met = [Move((n,), n, None, specs[n]) for key in got if (n := names[key]) in specs]
    # Those that a map leads elsewhere are told as unread, with where it leads.
    free = {n: move.spec for n, move in waiting.items() if move.is_kept}
    try:
        check_all_met(met, specs, free, reader)
    except PlanError as error:
        return str(error)
    return ""
