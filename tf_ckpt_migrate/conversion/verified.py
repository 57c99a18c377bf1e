"""What verifying a conversion found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.checkpoint.text import counted
from tf_ckpt_migrate.checkpoint.verify import Verification
from tf_ckpt_migrate.errors import capped
from tf_ckpt_migrate.escapes import printable, to_json
from tf_ckpt_migrate.findings import Finding

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["ConversionProof", "Mismatch", "mismatch"]

_LISTED = 20
_HOW = {
    "linked": "are the same bytes of a linked file",
    "compared": "compared bit by bit",
    "computed": "computed anew and compared",
    "kept": "compared with the target",
    "added": "for the object graph",
}


class ConversionProof(NamedTuple):
    """Whether a converted checkpoint holds what its plan says.

    Attributes:
      converted: Prefix of the converted checkpoint.
      source: Prefix of its source.
      verification: What ``verify_checkpoint`` found of the converted one.
      findings: All that is not as the plan says.
      counts: How many tensors were proven how: ``linked`` ones are the same bytes of
        one file, ``compared`` ones equal their source, ``computed`` ones what their
        transform makes, ``kept`` ones the target, ``added`` ones belong to the objects.

    Example:
      >>> whole = Verification("new", 2, 16, (), checked_tensors=2)
      >>> print(ConversionProof("new", "old", whole, (), {"linked": 2}))
      new: proven; it holds what the plan makes of old, and no more
        2 tensors: 2 are the same bytes of a linked file
    """

    converted: str
    source: str
    verification: Verification
    findings: tuple[Finding, ...]
    counts: Mapping[str, int]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings and self.verification.ok

    def __repr__(self) -> str:
        count = len(self.findings) + len(self.verification.problems)
        found = "ok" if self.ok else counted(count, "problem")
        return f"<ConversionProof {self.converted!r} of {self.source!r}: {found}>"

    def __str__(self) -> str:
        problems = [*self.verification.problems, *map(str, self.findings)]
        if problems:
            verdict = f"{counted(len(problems), 'problem')}; it is not what the plan "
        else:
            verdict = "proven; it holds what the plan "
        verdict += (
            f"makes of {printable(self.source)}{'' if problems else ', and no more'}"
        )
        parts = [f"{n:,} {_HOW[how]}" for how, n in self.counts.items() if n]
        tensors = counted(sum(self.counts.values()), "tensor")
        return "\n".join(
            [
                f"{printable(self.converted)}: {verdict}",
                f"  {tensors}: {', '.join(parts)}" if parts else f"  {tensors}",
                *capped((f"problem: {problem}" for problem in problems), _LISTED),
            ]
        )

    def to_json(self) -> str:
        """Return all of it as JSON."""
        content = {
            "ok": self.ok,
            "converted": self.converted,
            "source": self.source,
            "counts": dict(self.counts),
            "findings": [each.to_config() for each in self.findings],
            "verification": self.verification.to_config(),
        }
        return to_json(content)


class Mismatch(NamedTuple):
    """Where two tensors are not the same, bit by bit.

    Attributes:
      elements: How many elements differ.
      size: How many there are.
      place: Where the first of them is.
      found: It, in the second tensor.
      expected: It, in the first.
    """

    elements: int
    size: int
    place: tuple[int, ...]
    found: str
    expected: str

    def text(self, what: str) -> str:
        """Return the sentence that says so.

        Args:
          what: What the value should be.
        """
        of = f"{self.elements:,} of {counted(self.size, 'element')}"
        is_not = "is not that" if self.elements == 1 else "are not those"
        where = f"the first at {[*self.place]}: {self.found}, expected {self.expected}"
        return f"{of} {is_not} of {what}, {where}"


def mismatch(
    pairs: Iterator[tuple[Array, Array]], shape: tuple[int, ...]
) -> Mismatch | None:
    """Return where two tensors differ in any bit; None where they do not.

    Args:
      pairs: Their values, as flat arrays of equal length and dtype.
      shape: Theirs.

    Example:
      >>> import numpy as np
      >>> zeros = np.zeros(4, np.float32)
      >>> print(mismatch(iter([(zeros, zeros * np.float32([1, 1, -1, 1]))]), (2, 2)))
      Mismatch(elements=1, size=4, place=(1, 0), found='-0.0', expected='0.0')
    """
    import numpy as np

    count, size = 0, 0
    first: tuple[int, str, str] | None = None
    for a, b in pairs:
        differs = _differs(a, b)
        if differs.any():
            count += int(differs.sum())
            at = int(differs.argmax())
            first = first or (size + at, str(b[at]), str(a[at]))
        size += a.size
    if first is None:
        return None
    place = tuple(map(int, np.unravel_index(first[0], shape))) if shape else ()
    return Mismatch(count, size, place, first[1], first[2])


def _differs(a: Array, b: Array) -> Array:
    import numpy as np

    if a.dtype.hasobject or not a.size:
        return np.asarray(a != b)
    bits = [np.ascontiguousarray(x).view(np.uint8) for x in (a, b)]
    return (bits[0] != bits[1]).reshape(a.size, -1).any(axis=1)
