"""Rules: what becomes of a source key. Always source to target, old to new.

The words of every rule: a *name* is a whole key; a *scope* is whole path components,
so ``bert/`` holds ``bert/w`` but not ``bert_2/w`` nor the key ``bert``; a *pattern* is
a regular expression that must fit the whole key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tf_ckpt_migrate.errors import RuleError
from tf_ckpt_migrate.names.slots import ROLES
from tf_ckpt_migrate.transforms import Transform

__all__ = [
    "Bind",
    "Combine",
    "Drop",
    "Keep",
    "Rename",
    "RenameRegex",
    "RenameScope",
    "Rule",
    "Split",
]


@dataclass(frozen=True)
class Rename:
    """Gives one key another name.

    Attributes:
      source: The key as it is in the checkpoint.
      target: Its new name.
      transform: What becomes of its value; None leaves it as it is.

    Raises:
      RuleError: If a name is empty or ends in ``/``, which is a scope.

    Example:
      >>> Rename("net/w", "encoder/kernel")
      Rename('net/w', 'encoder/kernel')
    """

    source: str
    target: str
    transform: Transform | None = None

    def __post_init__(self) -> None:
        """Check the names."""
        _check_name(self.source, self)
        _check_name(self.target, self)
        _check_transform(self.transform, self)

    def __repr__(self) -> str:
        return _call("Rename", self.source, self.target, transform=self.transform)

    def reversed(self) -> Rename:
        """Return the rule back.

        Raises:
          RuleError: If the transform cannot be undone without knowing the tensors.
        """
        return Rename(self.target, self.source, _undone(self.transform, self))


@dataclass(frozen=True)
class RenameScope:
    """Moves every key of a scope into another one.

    Attributes:
      source: The scope; ``""`` or ``"/"`` is everything. The final ``/`` may be left
        out: it is added.
      target: The scope that takes its place.
      transform: What becomes of each value; None leaves it as it is.

    Example:
      >>> RenameScope("bert", "encoder/bert").target_of("bert/pooler/bias")
      'encoder/bert/pooler/bias'
    """

    source: str
    target: str
    transform: Transform | None = None

    def __post_init__(self) -> None:
        """Bring the scopes into one form."""
        object.__setattr__(self, "source", _scope(self.source, "RenameScope"))
        object.__setattr__(self, "target", _scope(self.target, "RenameScope"))
        _check_transform(self.transform, self)

    def __repr__(self) -> str:
        scopes = self.source or "/", self.target or "/"
        return _call("RenameScope", *scopes, transform=self.transform)

    def target_of(self, key: str) -> str:
        """Return the new name of a key of the scope."""
        return self.target + key[len(self.source) :]

    def reversed(self) -> RenameScope:
        """Return the rule back.

        Raises:
          RuleError: If the transform cannot be undone without knowing the tensors.
        """
        return RenameScope(self.target, self.source, _undone(self.transform, self))


@dataclass(frozen=True)
class RenameRegex:
    r"""Renames every key that a pattern fits as a whole.

    Attributes:
      pattern: A regular expression of Python; it must fit the whole key.
      target: The new name, in which ``\1`` or ``\g<name>`` stands for a group.
      transform: What becomes of each value; None leaves it as it is.

    Raises:
      RuleError: If the pattern is no regular expression, or ``target`` refers to a
        group that it does not have.

    Example:
      >>> RenameRegex(r"layer_(\d+)/w", r"layers/\1/kernel").target_of("layer_11/w")
      'layers/11/kernel'
    """

    pattern: str
    target: str
    transform: Transform | None = None

    def __post_init__(self) -> None:
        """Check the pattern, and the target against its groups."""
        compiled = _compiled(self.pattern, self)
        names = {number: name for name, number in compiled.groupindex.items()}
        # A pattern of the same groups that fits "": Python then checks the target.
        groups = "".join(
            f"(?P<{names[n]}>)" if n in names else "()"
            for n in range(1, compiled.groups + 1)
        )
        try:
            re.sub(groups, self.target, "")
        except (re.error, IndexError) as error:
            raise RuleError(
                f"the target of {self!r} does not go with its pattern, which has "
                f"{compiled.groups} group(s) {[*compiled.groupindex] or ''}: {error}"
            ) from None
        _check_transform(self.transform, self)

    def __repr__(self) -> str:
        transform = self.transform
        return _call("RenameRegex", self.pattern, self.target, transform=transform)

    def target_of(self, key: str) -> str | None:
        """Return the new name of ``key``, or None where the pattern does not fit."""
        match = re.fullmatch(self.pattern, key)
        return match.expand(self.target) if match else None

    def reversed(self) -> RenameRegex:
        """Refuse: a pattern does not say its inverse.

        Raises:
          RuleError: Always.
        """
        raise RuleError(
            f"{self!r} cannot be reversed as a rule; make the plan and use "
            "plan.reversed(), which knows every name"
        )


@dataclass(frozen=True)
class Drop:
    """Leaves keys behind on purpose.

    Attributes:
      source: A name, or a scope ending in ``/``; ``"/"`` is everything.
      pattern: In its place, a regular expression that must fit the whole key.
      role: In its place, what the keys are to training: ``"slot"``, ``"average"``,
        ``"step"``, ``"optimizer"``, ``"bookkeeping"`` or ``"weight"``.
      reason: Why, for whoever reads the plan.

    Raises:
      RuleError: Unless exactly one of ``source``, ``pattern`` and ``role`` is given,
        and is well formed.

    Example:
      >>> Drop("global_step"), Drop("adam/"), Drop(role="slot")
      (Drop('global_step'), Drop('adam/'), Drop(role='slot'))
    """

    source: str | None = None
    pattern: str | None = None
    role: str | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        """Check the choice of keys."""
        _check_choice(self)

    def __repr__(self) -> str:
        return _choice_repr("Drop", self)

    def reversed(self) -> None:
        """Return None: what was dropped cannot be brought back by a rule."""


@dataclass(frozen=True)
class Keep:
    """Carries keys over under their own names on purpose.

    Attributes:
      source: A name, or a scope ending in ``/``; ``"/"`` is everything.
      pattern: In its place, a regular expression that must fit the whole key.
      role: In its place, what the keys are to training, as in `Drop`.

    Raises:
      RuleError: Unless exactly one of them is given, and is well formed.

    Example:
      >>> Keep(pattern=r".*/bias")
      Keep(pattern='.*/bias')
    """

    source: str | None = None
    pattern: str | None = None
    role: str | None = None

    def __post_init__(self) -> None:
        """Check the choice of keys."""
        _check_choice(self)

    def __repr__(self) -> str:
        return _choice_repr("Keep", self)

    def reversed(self) -> Keep:
        """Return the rule itself: a kept key has the same name on both sides."""
        return self


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
    targets: tuple[tuple[str, Transform | None], ...]

    def __init__(
        self, source: str, targets: Mapping[str, Transform | None] | Iterable[str]
    ) -> None:
        """Check the names."""
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "targets", _targets(targets, self))
        _check_name(source, self)

    def __repr__(self) -> str:
        return _call("Split", self.source, dict(self.targets))

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
    targets: tuple[tuple[str, Transform | None], ...]

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
            _check_name(source, self)
        if not self.sources or len(set(self.sources)) < len(self.sources):
            raise RuleError(f"the sources of {self!r} must be names, each one once")
        if not all(how for _, how in self.targets):
            raise RuleError(
                f"{self!r} does not say how {len(self.sources)} tensors become one; "
                "give a transform, such as Concat(axis=0)"
            )

    def __repr__(self) -> str:
        return _call("Combine", list(self.sources), dict(self.targets))

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
        _check_name(self.source, self)

    def reversed(self) -> Bind:
        """Refuse: objects have no names here.

        Raises:
          RuleError: Always.
        """
        raise RuleError(
            f"{self!r} names variables by object; call with_names() on the map first"
        )


Rule = Rename | RenameScope | RenameRegex | Drop | Keep | Split | Combine | Bind
RULES: tuple[type[Any], ...] = (
    *(Rename, RenameScope, RenameRegex, Drop, Keep),
    *(Split, Combine, Bind),
)


class _Choice:
    words: ClassVar[tuple[str, ...]] = ("source", "pattern", "role")


def _check_choice(rule: Drop | Keep) -> None:
    given = [word for word in _Choice.words if getattr(rule, word) is not None]
    if len(given) != 1:
        raise RuleError(
            f"{type(rule).__name__} takes a name, a scope ending in '/', or one of "
            f"pattern= and role=; it was given {given or 'nothing'}"
        )
    if rule.source == "":
        raise RuleError(f"{rule!r}: the empty name is no key; '/' is everything")
    if rule.pattern is not None:
        _compiled(rule.pattern, rule)
    if rule.role is not None and rule.role not in ROLES:
        raise RuleError(f"{rule!r}: the roles are {', '.join(ROLES)}")


def _choice_repr(name: str, rule: Drop | Keep) -> str:
    if rule.source is not None:
        return _call(name, rule.source)
    return _call(name, pattern=rule.pattern, role=rule.role)


def _call(name: str, *arguments: object, **options: object) -> str:
    texts = [repr(argument) for argument in arguments]
    texts += [f"{key}={value!r}" for key, value in options.items() if value is not None]
    return f"{name}({', '.join(texts)})"


def _check_name(name: object, rule: object) -> None:
    if not isinstance(name, str) or not name or name.endswith("/"):
        raise RuleError(
            f"{rule!r}: {name!r} is not the name of a tensor"
            + ("; for a scope use RenameScope" if str(name).endswith("/") else "")
        )


def _check_transform(transform: object, rule: object) -> None:
    if transform is not None and not isinstance(transform, Transform):
        raise RuleError(
            f"{rule!r}: transform must be a Transform such as Transpose((1, 0)) or "
            f"Function(f), not {transform!r}"
        )


def _scope(scope: object, name: str) -> str:
    if not isinstance(scope, str):
        raise RuleError(f"{name}: {scope!r} is not the name of a scope")
    return f"{scope.rstrip('/')}/" if scope.strip("/") else ""


def _compiled(pattern: str, rule: object) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except (re.error, TypeError) as error:
        raise RuleError(
            f"{rule!r}: {pattern!r} is no regular expression: {error}"
        ) from None


def _targets(
    targets: Mapping[str, Transform | None] | Iterable[str], rule: object
) -> tuple[tuple[str, Transform | None], ...]:
    if isinstance(targets, str):
        raise RuleError(f"{targets!r} is one target; use Rename, or give a list")
    made = targets if isinstance(targets, Mapping) else dict.fromkeys(targets)
    kind = type(rule).__name__
    for target, transform in made.items():
        _check_name(target, kind)
        _check_transform(transform, kind)
    if not made:
        raise RuleError(f"{kind} needs at least one target; to leave a key, Drop it")
    return tuple(made.items())


def _undone(transform: Transform | None, rule: object) -> Transform | None:
    inverse = transform and transform.inverse()
    if transform is not None and inverse is None:
        raise RuleError(
            f"{rule!r} cannot be reversed without knowing its tensors; make the plan "
            "and use plan.reversed()"
        )
    return inverse
