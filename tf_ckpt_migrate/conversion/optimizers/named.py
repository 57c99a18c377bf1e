"""What a recipe for an optimizer says: names on both sides, and settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from tf_ckpt_migrate.checkpoint.reader import CheckpointFormat, CheckpointReader
from tf_ckpt_migrate.conversion.optimizers.keras import KerasOptimizer, keras_optimizer
from tf_ckpt_migrate.errors import PlanError, RuleError, nearest
from tf_ckpt_migrate.findings import Advice, Message
from tf_ckpt_migrate.names.rules import Drop, Recipe
from tf_ckpt_migrate.recipes.judging import BESIDE_ALL
from tf_ckpt_migrate.recipes.keras_kinds import KINDS_OF_KERAS, kinds_between
from tf_ckpt_migrate.recipes.optimizer_kinds import (
    KINDS,
    KINDS_OF_TF1,
    OWN_MODULE,
    Flavor,
    Kind,
    call_of,
    kind_for,
    own_kind_for,
)
from tf_ckpt_migrate.recipes.optimizers import SavedOptimizer, without_counterpart

__all__ = ["Named", "named"]

_BESIDE = ("instance", "like", "sparse")  # what a recipe takes besides settings


class Named(NamedTuple):
    """What a recipe for an optimizer says.

    Attributes:
      recipe: The recipe itself, for messages.
      name: What TF1 calls the optimizer.
      path: Where it is in Keras.
      instance: Which one of this name in TF1; None for the only one.
      like: Which kind it is, if that is said.
      is_sparse: Whether there may be sparse gradients; someone may say that not.
      told: The settings that are told: those of TF1 by their names there, and with
        ``keras_`` before its name what that of Keras has.
      is_back: Whether the recipe goes from Keras to TF1.
    """

    recipe: Recipe
    name: str
    path: str
    instance: int | None
    like: str | None
    is_sparse: bool
    told: Mapping[str, Any]
    is_back: bool = False

    def kind(
        self,
        keras_class: str,
        keras: KerasOptimizer,
        flavor: Flavor | None,
        source: KerasOptimizer | None = None,
    ) -> tuple[str, Mapping[str, Kind]]:
        """Return which kind of optimizer is meant, and the kinds that it is one of.

        Args:
          keras_class: The class of that of Keras, "" if nobody knows.
          keras: What is known of it.
          flavor: Of which Keras the one that continues is; None for one of TF1's own.
          source: The same, if it is in an object-based checkpoint.

        Raises:
          PlanError: If none is known that goes on so.
        """
        if source is not None:
            return self._kind_between(keras_class or self.told_class, keras, source)
        is_of_keras = flavor is not None
        name = self.like or self.name.rpartition("/")[2]
        kinds = KINDS_OF_KERAS if is_of_keras else KINDS
        if not keras_class and not is_of_keras:
            keras_class = self._class_on_file(name, keras)
        own = None if is_of_keras else own_kind_for(name, keras_class)
        if own:
            return own, KINDS_OF_TF1
        why = None if is_of_keras else without_counterpart(name)
        if why:
            call = call_of(name, "learning_rate, …")
            raise PlanError(
                Message(
                    f"the state of {name} cannot go on in {keras_class or 'Keras'}: "
                    f"{why}; ",
                    f"go on with {call}" if call else "keep the optimizer of TF1",
                    ", or begin anew with ",
                    Advice(Drop(role="slot")),
                )
            )
        if keras_class:
            kind = kind_for(name, keras_class, kinds)
        else:
            kind = name if name in kinds else _by_slots(keras, kinds)
        if kind is None or (self.like and kind != self.like):
            raise PlanError(
                Message(
                    Advice(self.recipe),
                    ": no optimizer of TF1 is known that goes on in "
                    f"{keras_class or 'one with such slots'}; say like=… with one of "
                    f"{', '.join(kinds)}",
                )
            )
        return kind, kinds

    def source_in(self, reader: CheckpointReader | None) -> KerasOptimizer | None:
        """Return the Keras optimizer of the source; None for one saved by name.

        Raises:
          PlanError: If an object-based checkpoint has none at that path.
        """
        if reader is None or reader.object_graph is None:
            return None
        if reader.format is CheckpointFormat.DUAL_KEYED:
            return None  # rules go by its names
        return keras_optimizer(reader, self.name)

    @property
    def source_text(self) -> str:
        """What to call a Keras optimizer of the source, in messages."""
        return f"the optimizer at {self.name!r}"

    def _kind_between(
        self, keras_class: str, keras: KerasOptimizer, source: KerasOptimizer
    ) -> tuple[str, Mapping[str, Kind]]:
        """Return the kind of two Keras optimizers: the class of the live one.

        Raises:
          PlanError: If the slots of the source are not those of that class.
        """
        own = {kind.keras: name for name, kind in KINDS_OF_TF1.items()}
        kinds = kinds_between(source.flavor)
        name = self.like or keras_class
        if name in own:
            return own[name], KINDS_OF_TF1
        if not name:
            fit = [
                each
                for each, kind in kinds.items()
                if _may_be(kind, source) and _may_be(kind, keras)
            ]
            named = [each for each in fit if each.lower() in source.called.lower()]
            name = next(iter(named or fit), "")
        if name not in kinds or not _may_be(kinds[name], source):
            slots = ", ".join(sorted(source.slot_names)) or "none"
            raise PlanError(
                Message(
                    Advice(self.recipe),
                    f": the slots of {self.source_text}, {slots}, are not those of "
                    f"{name or 'a known class'}; say like=… with one of "
                    f"{', '.join(kinds)}, or begin anew with ",
                    Advice(Drop(role="slot")),
                )
            )
        return name, kinds

    @property
    def told_class(self) -> str:
        """The class of the Keras optimizer as the recipe states it, or ""."""
        told = str(self.told.get("keras_class", ""))
        own = f"{OWN_MODULE}.{told}"
        return own if any(k.keras == own for k in KINDS_OF_TF1.values()) else told

    def _class_on_file(self, name: str, keras: KerasOptimizer) -> str:
        """Return the class of a Keras optimizer on file; "" for one of Keras itself.

        Raises:
          PlanError: If the file leaves open which it is.
        """
        if self.told_class:
            return self.told_class
        slots, called = keras.slot_names - {"average"}, keras.called
        fit = {n: k for n, k in KINDS_OF_TF1.items() if slots == {*k.slots}}
        base = re.sub(r"_\d+$", "", called)
        if base in fit and keras.flavor != "legacy":
            return fit[base].keras
        own = fit[name].keras if name in fit else ""
        if name not in KINDS:
            return own
        theirs = KINDS[name]
        names = {each[keras.flavor] for each in theirs.slots.values()}
        is_theirs = slots == names or name == "RMSProp"
        if not own or keras.flavor == "legacy":
            return ""
        is_called_so = called.lower().startswith(theirs.keras.lower())
        if is_theirs and (is_called_so or not called):
            return ""
        if is_theirs:
            last = own.rpartition(".")[2]
            raise PlanError(
                f"{self.recipe!r}: the checkpoint does not tell whether the optimizer "
                f"at {keras.path!r} is {theirs.keras} of Keras or {own}, whose slots "
                f"differ in value; add keras_class={theirs.keras!r} or "
                f"keras_class={last!r}"
            )
        return own

    def check_options(self, kind: str, saved: SavedOptimizer) -> None:
        """Check what is told.

        Args:
          kind: Which kind it is of.
          saved: The optimizer of TF1.

        Raises:
          RuleError: If an option is none, or the checkpoint has what is told.
        """
        settings = saved.kind.settings
        known = [each for each, setting in settings.items() if setting.is_told]
        known += ["learning_rate", *BESIDE_ALL]
        of_keras = [f"keras_{each.keras}" for each in settings.values()]
        of_keras += ["keras_class", "keras_learning_rate"]
        of_keras += [f"keras_{each}" for each in BESIDE_ALL]
        for each in self.told:
            if each in saved.settings:
                raise RuleError(
                    f"{self.recipe!r}: {each} need not be told, the checkpoint has it "
                    f"in {saved.settings[each]!r}"
                )
            if each not in known + of_keras:
                hint = nearest(each, known + of_keras, 1)
                meant = f"; did you mean {hint[0]!r}?" if hint else ""
                raise RuleError(
                    f"{self.recipe!r}: of {kind} can be told "
                    f"{', '.join((*known, *_BESIDE, *of_keras))}, not {each!r}{meant}"
                )


def named(recipe: Recipe, *, back: bool = False) -> Named:
    """Return what a recipe says, from TF1 to Keras or back.

    Example:
      >>> named(Recipe("optimizer", "opt", "Adam", instance=1), back=True)[1:4]
      ('Adam', 'opt', 1)
    """
    told = dict(recipe.options)
    instance, like, sparse = (told.pop(option, None) for option in _BESIDE)
    name, path = recipe.source, recipe.target
    if back:
        name, path = path, name
    is_sparse = sparse is not False
    return Named(recipe, name, path, instance, like, is_sparse, told, back)


def _may_be(kind: Kind, keras: KerasOptimizer) -> bool:
    """Whether the slots of a Keras optimizer are those of a kind, or some of them."""
    return keras.slot_names <= {each[keras.flavor] for each in kind.slots.values()}


def _by_slots(keras: KerasOptimizer, kinds: Mapping[str, Kind]) -> str | None:
    """Return the kind of which alone an optimizer of Keras with these slots can be.

    None where it can be of several classes: as Adam and AdamW have the same slots.
    """
    have = {slot for slots in keras.slots.values() for slot in slots}
    fit = {
        name: kind.keras
        for name, kind in kinds.items()
        if have == {by_flavor[keras.flavor] for by_flavor in kind.slots.values()}
    }
    return next(iter(fit)) if len({*fit.values()}) == 1 else None
