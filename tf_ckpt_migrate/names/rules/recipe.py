"""A rule for a whole layer or optimizer: it stands for as many as that takes.

What a recipe means is known on a floor above, which is found by its name when the first
one is expanded, as a plug-in is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, TypeAlias, TypeVar

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import RuleError, nearest
from tf_ckpt_migrate.names.rules.checks import call

__all__ = ["Expansion", "Recipe", "recipe"]

# Takes source, target, the tensors of the checkpoint, the places to fill (None if any
# will do), and the options; returns rules.
Expansion: TypeAlias = Callable[..., list[Any]]
_Specs: TypeAlias = Mapping[str, TensorSpec]
_E = TypeVar("_E", bound=Expansion)


@dataclass(frozen=True)
class Recipe:
    """Stands for the rules that a kind of layer, or an optimizer, needs.

    Attributes:
      kind: Which recipe, such as ``"lstm"``.
      source: The scope, or name, in the checkpoint.
      target: The scope, or name, to fill.
      options: What the recipe takes besides, by name.
      registry: What each kind means.

    Raises:
      RuleError: If a scope is no text, or an option no plain value.

    Example:
      >>> Recipe("lstm", "rnn/lstm_cell/", "lstm/", forget_bias=1.0)
      Recipe('lstm', 'rnn/lstm_cell/', 'lstm/', forget_bias=1.0)
    """

    kind: str
    source: str
    target: str
    options: tuple[tuple[str, Any], ...]

    registry: ClassVar[dict[str, Expansion]] = {}

    def __init__(self, kind: str, source: str, target: str, **options: Any) -> None:
        """Check what can be checked without the tensors."""
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "target", target)
        object.__setattr__(self, "options", tuple(options.items()))
        if {type(each) for each in (kind, source, target)} != {str}:
            raise RuleError(f"{self!r}: a kind and two scopes are wanted, as text")
        for name, value in options.items():
            if not isinstance(value, bool | int | float | str | None):
                raise RuleError(f"{self!r}: {name}={value!r} is no plain value")

    def __repr__(self) -> str:
        options = dict(self.options)
        return call("Recipe", self.kind, self.source, self.target, **options)

    def expanded(self, specs: _Specs, targets: _Specs | None) -> list[Any]:
        """Return the rules that it stands for, with these tensors.

        Args:
          specs: The tensors of the checkpoint, by name.
          targets: The places to fill, by name; None if any name will do.

        Raises:
          RuleError: If no recipe is of this kind, or takes such options.
          PlanError: If the tensors are not those of such a layer, or cannot become
            those of the other.
        """
        import_module("tf_ckpt_migrate.recipes")
        expand = self.registry.get(self.kind)
        if expand is None:
            known = ", ".join(sorted(self.registry))
            hint = nearest(self.kind, self.registry, 1)
            meant = f"; did you mean {hint[0]!r}?" if hint else ""
            raise RuleError(f"{self!r}: the recipes are {known}{meant}")
        try:
            return expand(
                self.source, self.target, specs, targets, **dict(self.options)
            )
        except TypeError as error:
            if "argument" not in str(error):
                raise
            raise RuleError(f"{self!r}: {error}") from None

    def reversed(self) -> None:
        """Refuse: what it stands for depends on the tensors.

        Raises:
          RuleError: Always.
        """
        raise RuleError(f"{self!r} cannot be reversed as a rule; use plan.reversed()")


def recipe(kind: str) -> Callable[[_E], _E]:
    """Register a function as what recipes of a kind stand for.

    Args:
      kind: Its name in rules and YAML.

    Returns:
      What leaves the function as it is.
    """

    def register(expand: _E) -> _E:
        Recipe.registry[kind] = expand
        return expand

    return register
