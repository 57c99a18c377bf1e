"""What a plan consists of: tensors that move, are left behind, or stay as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import repeat
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.transforms import Partition, Transform

__all__ = [
    "STEPS_AHEAD",
    "Dropped",
    "KeptTarget",
    "Move",
    "Verdict",
    "VerdictKind",
    "plain_moves",
]


class Move(NamedTuple):
    """One target tensor and what it is made of.

    Attributes:
      sources: The source keys; one, unless the transform joins several.
      target: The name it gets.
      transform: What makes the value; None passes the source's bytes on as they are.
      spec: The dtype and shape that the target has.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> print(Move(("a",), "b", None, TensorSpec(DType.int32, ())))
      'a' -> 'b' int32[]
    """

    sources: tuple[str, ...]
    target: str
    transform: Transform | None
    spec: TensorSpec

    @property
    def is_plain(self) -> bool:
        """Whether the value stays as it is, so that no byte needs to be read."""
        return self.transform is None

    @property
    def is_divided(self) -> bool:
        """Whether the value stays as it is, but is stored in other slices."""
        return isinstance(self.transform, Partition)

    @property
    def is_kept(self) -> bool:
        """Whether nothing changes, not even the name."""
        return self.transform is None and self.sources[0] == self.target

    def __str__(self) -> str:
        how = "" if self.transform is None else f" by {self.transform!r}"
        sources = " + ".join(map(repr, self.sources))
        return f"{sources} -> {self.target!r} {self.spec}{how}"


def plain_moves(
    sources: Iterable[str], targets: Sequence[str], specs: Iterable[TensorSpec]
) -> tuple[Move, ...]:
    """Return the moves of many tensors to new names, made at once.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> print(*plain_moves(["a"], ["b"], [TensorSpec(DType.int32, ())]))
      'a' -> 'b' int32[]
    """
    new = partial(tuple[Any, ...].__new__, Move)  # what Move() calls in the end
    one_each = zip(sources, strict=True)
    rows = zip(one_each, targets, repeat(None, len(targets)), specs, strict=True)
    return tuple(map(new, rows))


class Dropped(NamedTuple):
    """A source key that is left behind, and why."""

    key: str
    reason: str


class KeptTarget(NamedTuple):
    """A target that keeps the value it has, and why."""

    name: str
    spec: TensorSpec
    reason: str


STEPS_AHEAD = 20

VerdictKind: TypeAlias = Literal["exact", "approximate", "impossible"]


class Verdict(NamedTuple):
    """How well training goes on, in one respect.

    Attributes:
      optimizer: The optimizer that has trained so far: what TF1 calls it, or the
        object path of one of Keras.
      what: What is judged: a slot of TF1, a setting of Keras, ``"iterations"``.
      kind: ``"exact"``, ``"approximate"`` or ``"impossible"``.
      why: The reason.
      instead: What makes it exact, or what to do instead.
      how_far: Of an approximate one, the largest fraction of itself by which any of the
        next 20 steps differs, from the same point and whatever the gradients; infinite
        where no bound is known.
      assumes: What TF1 must have had, which no checkpoint tells and nobody said.
      into: The optimizer that goes on, likewise.
      supposes: What that of Keras must have, likewise.
      saved_by: Who must have had what is assumed; "" for TF1.
    """

    optimizer: str
    what: str
    kind: VerdictKind
    why: str = ""
    instead: str = ""
    how_far: float = 0.0
    assumes: str = ""
    into: str = ""
    supposes: str = ""
    saved_by: str = ""

    @property
    def reason(self) -> str:
        """Why, how far and what instead, in a sentence."""
        far = ""
        if self.kind == "approximate" and self.how_far < float("inf"):
            far = (
                f"each of the next {STEPS_AHEAD} steps differs by up to "
                f"{self.how_far:.1e} of itself"
            )
        return "; ".join(part for part in (self.why, far, self.instead) if part)

    def __str__(self) -> str:
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.optimizer} {self.what} {self.kind}{reason}"

    def as_row(self) -> dict[str, Any]:
        """Return the fields for JSON, where no bound is None."""
        row = self._asdict()
        if self.how_far == float("inf"):
            row["how_far"] = None
        return row

    def to_config(self) -> dict[str, Any]:
        """Return it as plain data; without a bound, where none is known."""
        config: dict[str, Any] = {
            name: value for name, value in self._asdict().items() if value
        }
        if config.get("how_far") == float("inf"):
            del config["how_far"]
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Verdict:
        """Return the verdict of plain data: what `to_config` gave.

        Raises:
          ValueError: If it is none.

        Example:
          >>> known = Verdict("Adam", "epsilon", "approximate", "it has 1e-07")
          >>> Verdict.from_config(known.to_config()).how_far
          inf
        """
        texts = {n: config.get(n, "") for n in cls._fields if n != "how_far"}
        unknown = sorted({*config} - {*cls._fields})
        far = config.get("how_far")
        if far is None:
            far = float("inf") if texts["kind"] == "approximate" else 0.0
        is_well_formed = not unknown and texts["kind"] in get_args(VerdictKind)
        if not is_well_formed or not isinstance(far, int | float):
            raise ValueError(
                f"{dict(config)} is no verdict: that has {', '.join(cls._fields)}, and "
                f"kind is one of {', '.join(get_args(VerdictKind))}"
            )
        return cls(**{n: str(each) for n, each in texts.items()}, how_far=float(far))  # pyright: ignore[reportArgumentType] kind is checked
