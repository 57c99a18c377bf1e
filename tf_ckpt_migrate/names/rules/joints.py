"""Rules of other than one source and one name: splits, joins, variable objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from tf_ckpt_migrate.errors import RuleError
from tf_ckpt_migrate.names.rules.renames import (
    Rename,
    call,
    check_name,
    check_transform,
)
from tf_ckpt_migrate.transforms import Transform

__all__ = ["Bind", "Combine", "Goals", "Split"]

Goals: TypeAlias = tuple[tuple[str, Transform | None], ...]


@dataclass(frozen=True)
class Split:
    """Gives one key several targets, each with its own transform or none.

    Attributes:
      source: The key as it is in the checkpoint.
      targets: The new names, or a mapping of each to its transform (or None).

    Raises:
      RuleError: If a name is empty or there is no target.

    Example:
      >>> Split("w", ["a/w", "b/w"])
      Split('w', {'a/w': None, 'b/w': None})
    """

    source: str
    targets: Goals

    def __init__(
        self, source: str, targets: Mapping[str, Transform | None] | Iterable[str]
    ) -> None:
        """Check the names."""
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "targets", _targets(targets, self))
        check_name(source, self)

    def __repr__(self) -> str:
        return call("Split", self.source, dict(self.targets))

    def reversed(self) -> Rename:
        """Return the rule that takes the first unchanged copy back.

        Raises:
          RuleError: If no target holds the value as it was.
        """
        for target, transform in self.targets:
            if transform is None:
                return Rename(target, self.source)
        raise RuleError(f"{self!r} cannot be reversed as a rule; use plan.reversed()")


@dataclass(frozen=True)
class Combine:
    """Makes one target, or several, of several keys.

    Attributes:
      sources: The keys as they are in the checkpoint, in the transform's order.
      targets: The new name(s), each with the transform that makes it of all sources.

    Raises:
      RuleError: If a name is empty, a source is given twice, or there is no transform.

    Example:
      >>> from tf_ckpt_migrate.transforms import Concat
      >>> Combine(["emb_0", "emb_1"], "emb", Concat(axis=0))
      Combine(['emb_0', 'emb_1'], {'emb': Concat(axis=0)})
    """

    sources: tuple[str, ...]
    targets: Goals

    def __init__(
        self,
        sources: Sequence[str],
        target: str | Mapping[str, Transform],
        transform: Transform | None = None,
    ) -> None:
        """Give ``target`` and ``transform``, or a mapping of targets to transforms."""
        if isinstance(sources, str):
            raise RuleError(
                f"Combine takes a list of sources, not the name {sources!r}"
            )
        made = {target: transform} if isinstance(target, str) else target
        object.__setattr__(self, "sources", tuple(sources))
        object.__setattr__(self, "targets", _targets(made, self))
        for source in self.sources:
            check_name(source, self)
        if not self.sources or len(set(self.sources)) < len(self.sources):
            raise RuleError(f"the sources of {self!r} must be names, each one once")
        if not all(how for _, how in self.targets):
            raise RuleError(
                f"{self!r} does not say how {len(self.sources)} tensors become one; "
                "give a transform, such as Concat(axis=0)"
            )

    def __repr__(self) -> str:
        return call("Combine", list(self.sources), dict(self.targets))

    def reversed(self) -> Combine:
        """Refuse: what the parts were is known only to the plan.

        Raises:
          RuleError: Always.
        """
        raise RuleError(f"{self!r} cannot be reversed as a rule; use plan.reversed()")


@dataclass(frozen=True)
class Bind:
    """Names live variable objects as the target: resolved where TensorFlow is known.

    Attributes:
      source: The key as it is in the checkpoint.
      targets: The variable, or the parts of a partitioned one, in order.
    """

    source: str
    targets: tuple[Any, ...]

    def __post_init__(self) -> None:
        """Check the name."""
        check_name(self.source, self)

    def reversed(self) -> Bind:
        """Refuse: objects have no names here.

        Raises:
          RuleError: Always.
        """
        raise RuleError(
            f"{self!r} names variables by object; call with_names() on the map first"
        )


def _targets(
    targets: Mapping[str, Transform | None] | Iterable[str], rule: object
) -> Goals:
    if isinstance(targets, str):
        raise RuleError(f"{targets!r} is one target; use Rename, or give a list")
    goals = cast(Mapping[str, Transform | None], targets)
    if not isinstance(targets, Mapping):
        goals = dict[str, Transform | None].fromkeys(targets)
    kind = type(rule).__name__
    for target, transform in goals.items():
        check_name(target, kind)
        check_transform(transform, kind)
    if not goals:
        raise RuleError(f"{kind} needs at least one target; to leave a key, Drop it")
    return tuple(goals.items())
