"""A rule for a whole layer or optimizer: it stands for as many as that takes.

What a recipe means is known on a floor above, which is found by its name when the first
one is expanded, as a plug-in is.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, NamedTuple, TypeAlias, TypeVar

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import RuleError, nearest
from tf_ckpt_migrate.findings import Advice, Message
from tf_ckpt_migrate.names.rules.renames import call

__all__ = ["Expansion", "Recipe", "Ruled", "recipe"]

# Takes source, target, the tensors of the checkpoint, the places to fill (None if any
# will do), and the options; returns rules, and notes as text. One that comes after all
# others takes their rules too, as `Ruled`, and returns all.
Expansion: TypeAlias = Callable[..., list[Any]]
_Specs: TypeAlias = Mapping[str, TensorSpec]
_E = TypeVar("_E", bound=Expansion)


class Ruled(NamedTuple):
    """The rules around a recipe that comes after all others.

    Attributes:
      before: Those before it.
      after: Those behind it.
      made: Which of them recipes stand for, by ``id``.
    """

    before: Sequence[Any]
    after: Sequence[Any]
    made: Collection[int] = ()


@dataclass(frozen=True)
class Recipe:
    """Stands for the rules that a kind of layer, or an optimizer, needs.

    Attributes:
      kind: Which recipe, such as ``"lstm"``.
      source: The scope, or name, in the checkpoint.
      target: The scope, or name, to fill.
      options: What the recipe takes besides, by name.
      registry: What each kind means.
      last: The kinds that change what all other rules do, and so come after these.

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
    last: ClassVar[set[str]] = set()

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

    @property
    def is_last(self) -> bool:
        """Whether it changes what all other rules do.

        Raises:
          RuleError: If no recipe is of this kind.
        """
        self._expansion()
        return self.kind in self.last

    def expanded(
        self, specs: _Specs, targets: _Specs | None, ruled: Ruled | None = None
    ) -> list[Any]:
        """Return the rules that it stands for, with these tensors, and notes as text.

        Args:
          specs: The tensors of the checkpoint, by name.
          targets: The places to fill, by name; None if any name will do.
          ruled: The other rules, for one that is last, which returns all.

        Raises:
          RuleError: If no recipe is of this kind, or takes such options.
          PlanError: If the tensors are not those of such a layer, or cannot become
            those of the other.
        """
        expand = self._expansion()
        options = dict(self.options)
        given = (specs, targets) if ruled is None else (specs, targets, ruled)
        try:
            inspect.signature(expand).bind(self.source, self.target, *given, **options)
        except TypeError:
            raise RuleError(
                Message(Advice(self), f": {_misfit(expand, options)}")
            ) from None
        try:
            return expand(self.source, self.target, *given, **options)
        except TypeError as error:  # of options that only the function can check
            if "argument" not in str(error):
                raise
            raise RuleError(Message(Advice(self), f": {error}")) from None

    def _expansion(self) -> Expansion:
        import_module("tf_ckpt_migrate.recipes")
        expand = self.registry.get(self.kind)
        if expand is None:
            known = ", ".join(sorted(self.registry))
            hint = nearest(self.kind, self.registry, 1)
            meant = f"; did you mean {hint[0]!r}?" if hint else ""
            raise RuleError(Message(Advice(self), f": the recipes are {known}{meant}"))
        return expand

    def reversed(self) -> None:
        """Refuse: what it stands for depends on the tensors.

        Raises:
          RuleError: Always.
        """
        raise RuleError(f"{self!r} cannot be reversed as a rule; use plan.reversed()")


def _misfit(expand: Expansion, options: Mapping[str, Any]) -> str:
    """Return which options are too many, or which one is missing."""
    spec = inspect.getfullargspec(expand)
    takes = ", ".join(spec.kwonlyargs) or "no options"
    surplus = sorted({*options} - {*spec.kwonlyargs})
    if surplus:
        return f"it takes {takes}, not {', '.join(surplus)}"
    needed = {*spec.kwonlyargs} - {*(spec.kwonlydefaults or {})} - {*options}
    return f"it needs {', '.join(map(repr, sorted(needed)))}; it takes {takes}"


def recipe(kind: str, *, last: bool = False) -> Callable[[_E], _E]:
    """Register a function as what recipes of a kind stand for.

    Args:
      kind: Its name in rules and YAML.
      last: Whether it changes what all other rules do.

    Returns:
      What leaves the function as it is.
    """

    def register(expand: _E) -> _E:
        Recipe.registry[kind] = expand
        if last:
            Recipe.last.add(kind)
        return expand

    return register
