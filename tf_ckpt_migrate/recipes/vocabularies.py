"""Embeddings and softmax layers for another vocabulary, with what belongs to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import PlanError, RuleError, TransformError, capped
from tf_ckpt_migrate.names.rules import Combine, Drop, Rename, Rule
from tf_ckpt_migrate.names.rules.recipe import recipe
from tf_ckpt_migrate.naming.optimizer_names import SLOT_STARTS, TF1_SLOTS
from tf_ckpt_migrate.naming.slots import Slot, slot_of
from tf_ckpt_migrate.recipes.slot_variables import (
    belongings,
    check_variable,
    place_of,
    slot_transform,
)
from tf_ckpt_migrate.transforms import Chain, Transform, Vocabulary

__all__ = ["vocabulary"]

_Specs = Mapping[str, TensorSpec]
_FILES = ("old_vocab", "new_vocab")
_SIZES = (
    *("old_vocab_size", "new_vocab_size"),
    *("old_num_oov_buckets", "num_oov_buckets"),
)
_COLUMNS = "col_"
_FILLING = ("initializer", "scale", "seed", "keep_buckets")
_SLOTS = ("follow", "drop", "leave")


@recipe("vocabulary")
def vocabulary(  # noqa: PLR0913 what every recipe gets, and its options
    source: str,
    target: str,
    specs: _Specs,
    targets: _Specs | None,
    *,
    axis: int = 0,
    slots: Literal["follow", "drop", "leave"] = "follow",
    optimizer: str | None = None,
    accumulator: float = 0.1,
    **options: Any,
) -> list[Rule]:
    """Return rules that take a variable from one vocabulary to another.

    Options are those of ``VocabInfo`` and of `Vocabulary`: ``old_vocab``,
    ``new_vocab``, their ``_size``, ``num_oov_buckets``, ``old_num_oov_buckets``,
    ``initializer``, ``scale``, ``seed``, ``keep_buckets``. With ``col_`` before the
    first six they are about axis 1, while those without are about axis 0.

    Slots and averages change as their variable does. What is new in a slot gets what
    the optimizer begins with, in an average what is new in the variable.

    Args:
      source: The variable in the checkpoint.
      target: What it is to be called.
      specs: The tensors of the checkpoint.
      targets: The places to fill; None if any name will do. What belongs to the
        variable and has no place is left to other rules.
      axis: Which dimension is that of the vocabulary, where there is one only.
      slots: ``"follow"``; or they are dropped, or left to other rules.
      optimizer: What an optimizer with a name of the user's own is, such as
        ``"Adagrad"``.
      accumulator: What accumulators of Adagrad and Ftrl began with.
      **options: The others.

    Raises:
      PlanError: If there is no such variable, or a slot cannot follow.
      TransformError: If a file is not well formed, or does not fit the tensor.
      RuleError: If an option is missing or impossible.
    """
    check_variable(source, target, specs)
    if slots not in _SLOTS:
        raise RuleError(f"slots={slots!r}; expected one of {', '.join(_SLOTS)}")
    try:
        how = _transform(specs[source], axis, options)
    except TransformError as error:
        raise type(error)(f"{source!r}: {error}") from None
    own = [key for key, _ in belongings(specs).get(source, ())]
    if slots != "follow":
        drops = [Drop(key, reason="slots='drop'") for key in own]
        return [Rename(source, target, how), *(drops if slots == "drop" else ())]
    _check_no_doubt(source, specs)
    made = _Followers(source, target, specs, targets, optimizer, accumulator)
    return made.rules(how)


def _transform(spec: TensorSpec, axis: int, options: Mapping[str, Any]) -> Transform:
    """Return what is done to the variable."""
    filling = {name: options[name] for name in _FILLING if name in options}
    known = {*_FILES, *_SIZES, *(_COLUMNS + n for n in (*_FILES, *_SIZES)), *_FILLING}
    if unknown := sorted({*options} - known):
        raise TypeError(f"unexpected keyword argument {unknown[0]!r}")
    both = [name for name in options if name.startswith(_COLUMNS)]
    if both and axis:
        raise RuleError(f"axis={axis} beside {both[0]!r}, which is about axis 1")
    steps: list[Transform] = []
    if not both or any(name in options for name in _FILES):
        steps.append(_along(spec, axis, "", options, filling))
        spec = steps[0].output_spec(spec)
    if both:
        filling["seed"] = int(filling.get("seed", 0)) + len(steps)
        steps.append(_along(spec, 1, _COLUMNS, options, filling))
    return Chain(tuple(steps)) if len(steps) > 1 else steps[0]


def _along(
    spec: TensorSpec,
    axis: int,
    prefix: str,
    options: Mapping[str, Any],
    filling: Mapping[str, Any],
) -> Transform:
    """Return what is done along one axis."""
    if missing := [prefix + name for name in _FILES if prefix + name not in options]:
        raise RuleError(f"a vocabulary needs {missing[0]}=, the path of a file")
    given = {name: options.get(prefix + name) for name in (*_FILES, *_SIZES)}
    given = {name: value for name, value in given.items() if value is not None}
    made = Vocabulary.from_files(**given, **filling, axis=axis)
    if "old_num_oov_buckets" not in given and axis < len(spec.shape):
        rest = spec.shape[axis] - made.old_vocab_size
        if rest not in (0, made.num_oov_buckets):
            raise TransformError(_misfit(made, spec, prefix, rest))
        made = made.with_buckets(spec)
    made.output_spec(spec)
    return made


def _misfit(made: Vocabulary, spec: TensorSpec, prefix: str, rest: int) -> str:
    have = f"axis {made.axis} of {spec} has {spec.shape[made.axis]:,} indices"
    text = f"{have}, but {made.old_vocab!r} has {made.old_vocab_size:,} entries"
    if rest < 0:
        return (
            f"{text}: it is not the file that the tensor was trained with, or of more "
            f"entries than were used: {prefix}old_vocab_size={spec.shape[made.axis]}"
        )
    return (
        f"{text}; if the other {rest:,} are buckets for words out of it, say "
        f"{prefix}old_num_oov_buckets={rest}, else give the file that it was trained "
        "with"
    )


def _check_no_doubt(source: str, specs: _Specs) -> None:
    """Refuse where slots may be of the variable, and only a graph knows."""
    doubtful = [
        key
        for key, spec in specs.items()
        if spec.shape == specs[source].shape
        and (slot := slot_of(key, specs)) is not None
        and slot.variable is None
    ]
    if doubtful:
        keys = ", ".join(capped([repr(key) for key in doubtful], 3))
        raise PlanError(
            f"{keys} may be slots of {source!r}, which their keys do not tell. Give "
            "slots='leave', and a Recipe('vocabulary', ...) for each with "
            "initializer='constant' and scale=0.0, or Drop them"
        )


@dataclass(frozen=True)
class _Followers:
    """What belongs to a variable, and what becomes of it."""

    source: str
    target: str
    specs: _Specs
    targets: _Specs | None
    optimizer: str | None
    accumulator: float

    def rules(self, how: Transform) -> list[Rule]:
        """Return the rules for the variable and all of these."""
        averages: dict[str, str] = {}
        rules: list[Rule] = []
        own = belongings(self.specs, self._own_names).get(self.source, ())
        for key, slot in own:
            place = place_of(key, self.source, self.target)
            if self.targets is not None and place not in self.targets:
                continue
            self._check_shape(key)
            if slot.name == "average":
                averages[key] = place
            else:
                rules.append(
                    Rename(key, place, slot_transform(how, self._start(key, slot)))
                )
        if averages and _takes_mean(how):
            return [self._with_averages(how, averages), *rules]
        others = [Rename(key, place, how) for key, place in averages.items()]
        return [Rename(self.source, self.target, how), *others, *rules]

    @property
    def _own_names(self) -> Mapping[str, str]:
        """The names of optimizers of a kind that the names do not tell."""
        if self.optimizer is None:
            return {}
        if self.optimizer not in TF1_SLOTS:
            known = ", ".join(TF1_SLOTS)
            raise RuleError(f"optimizer={self.optimizer!r}; there are {known}")
        found = belongings(self.specs).get(self.source, ())
        names = {slot.optimizer for _, slot in found if slot.name.isdecimal()}
        return dict.fromkeys(names, self.optimizer)

    def _check_shape(self, key: str) -> None:
        if self.specs[key].shape != self.specs[self.source].shape:
            raise PlanError(
                f"{key!r} {self.specs[key]} has another shape than its variable "
                f"{self.source!r} {self.specs[self.source]}, and how it follows is not "
                "known; give slots='drop', to begin it anew"
            )

    def _start(self, key: str, slot: Slot) -> float:
        """Return what a slot holds before it is trained."""
        kind = self._own_names.get(slot.optimizer, slot.optimizer)
        start = SLOT_STARTS.get((kind, slot.name), 0.0)
        if kind in TF1_SLOTS:
            return start if kind == "RMSProp" or not start else self.accumulator
        if slot.name.isdecimal():
            raise PlanError(
                f"{key!r} is a slot of an optimizer that is called "
                f"{slot.optimizer!r}; say of which kind it is, to know what a slot "
                "begins with: optimizer='Adam', or another of " + ", ".join(TF1_SLOTS)
            )
        return self.accumulator if slot.name == "accumulator" else start

    def _with_averages(self, how: Transform, averages: Mapping[str, str]) -> Rule:
        """Return a rule whose averages get the mean of the variable, not their own."""
        if not isinstance(how, Vocabulary):
            raise PlanError(
                f"averages of {self.source!r} cannot get the mean along both axes; "
                "choose another initializer, or change one axis after the other"
            )
        goals: dict[str, Transform] = {self.target: how}
        for number, place in enumerate(averages.values(), 1):
            goals[place] = replace(how, of=number)
        return Combine([self.source, *averages], goals)


def _takes_mean(how: Transform) -> bool:
    steps = how.transforms if isinstance(how, Chain) else (how,)
    return any(isinstance(s, Vocabulary) and s.initializer == "mean" for s in steps)
