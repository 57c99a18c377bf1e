"""What rules check when they are made, and how they show themselves."""

from __future__ import annotations

import re

from tf_ckpt_migrate.errors import RuleError
from tf_ckpt_migrate.transforms import Transform

__all__ = ["call", "check_name", "check_transform", "compiled"]


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
