"""Rules that give keys other names: one, those of a scope, those of a pattern."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tf_ckpt_migrate.errors import RuleError
from tf_ckpt_migrate.transforms import Transform

__all__ = [
    "Rename",
    "RenameRegex",
    "RenameScope",
    "call",
    "check_name",
    "check_transform",
    "compiled",
]


def call(name: str, *arguments: object, **options: object) -> str:
    """Return the call that makes a rule, without the options that are None.

    Example:
      >>> call("Drop", pattern=".*", role=None)
      "Drop(pattern='.*')"
    """
    texts = [repr(argument) for argument in arguments]
    texts += [f"{key}={value!r}" for key, value in options.items() if value is not None]
    return f"{name}({', '.join(texts)})"


def check_name(name: object, rule: object) -> None:
    """Check that ``name`` can be a tensor's.

    Raises:
      RuleError: If it is empty, or a scope; ``rule`` is shown as the place.
    """
    if not isinstance(name, str) or not name or name[-1] == "/":
        raise RuleError(
            f"{rule!r}: {name!r} is not the name of a tensor"
            + ("; for a scope use RenameScope" if str(name).endswith("/") else "")
        )


def check_transform(transform: object, rule: object) -> None:
    """Check that ``transform`` is one, or None.

    Raises:
      RuleError: If it is something else, such as a function.
    """
    if transform is not None and not isinstance(transform, Transform):
        raise RuleError(
            f"{rule!r}: transform must be a Transform such as Transpose((1, 0)) or "
            f"Function(f), not {transform!r}"
        )


def compiled(pattern: str, rule: object) -> re.Pattern[str]:
    """Return ``pattern`` compiled.

    Raises:
      RuleError: If it is no regular expression.
    """
    try:
        return re.compile(pattern)
    except (re.error, TypeError) as error:
        raise RuleError(
            f"{rule!r}: {pattern!r} is no regular expression: {error}"
        ) from None


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
        check_name(self.source, self)
        check_name(self.target, self)
        check_transform(self.transform, self)

    def __repr__(self) -> str:
        return call("Rename", self.source, self.target, transform=self.transform)

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
        check_transform(self.transform, self)

    def __repr__(self) -> str:
        scopes = self.source or "/", self.target or "/"
        return call("RenameScope", *scopes, transform=self.transform)

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
        fitted = compiled(self.pattern, self)
        names = {number: name for name, number in fitted.groupindex.items()}
        # A pattern of the same groups that fits "": Python then checks the target.
        groups = "".join(
            f"(?P<{names[n]}>)" if n in names else "()"
            for n in range(1, fitted.groups + 1)
        )
        try:
            re.sub(groups, self.target, "")
        except (re.error, IndexError) as error:
            raise RuleError(
                f"the target of {self!r} does not go with its pattern, which has "
                f"{fitted.groups} group(s) {[*fitted.groupindex] or ''}: {error}"
            ) from None
        check_transform(self.transform, self)

    def __repr__(self) -> str:
        transform = self.transform
        return call("RenameRegex", self.pattern, self.target, transform=transform)

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


def _scope(scope: object, name: str) -> str:
    if not isinstance(scope, str):
        raise RuleError(f"{name}: {scope!r} is not the name of a scope")
    return f"{scope.rstrip('/')}/" if scope.strip("/") else ""


def _undone(transform: Transform | None, rule: object) -> Transform | None:
    inverse = transform and transform.inverse()
    if transform is not None and inverse is None:
        raise RuleError(
            f"{rule!r} cannot be reversed without knowing its tensors; make the plan "
            "and use plan.reversed()"
        )
    return inverse
