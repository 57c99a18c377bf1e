"""Says what is not as a plan says."""

from __future__ import annotations

from collections.abc import Sequence

from tf_ckpt_migrate.bundle.slices import TensorSlice
from tf_ckpt_migrate.conversion.output import Value
from tf_ckpt_migrate.errors import capped
from tf_ckpt_migrate.names.moves import KeptTarget, Move

__all__ = ["computed_from", "misnamed_text", "missing_text", "parts_text"]


def computed_from(move: Move) -> str:
    """Return what a tensor is computed of, and how."""
    return f"{' + '.join(map(repr, move.sources))} by {move.transform!r}"


def missing_text(key: str, wanted: Move | KeptTarget | Value) -> str:
    """Return that a key is missing."""
    text = f"{key!r} {wanted.spec} is missing"
    if not isinstance(wanted, Move):
        return text
    return f"{text}; it is made of {' + '.join(map(repr, wanted.sources))}"


def misnamed_text(key: str, called: str, wanted: Move | KeptTarget | Value) -> str:
    """Return that a key is missing, and where its value is."""
    if isinstance(wanted, Move) and called == wanted.sources[0]:
        return f"{key!r} is missing: its value still has its old name, {called!r}"
    return f"{key!r} is missing: its value has the name {called!r}"


def parts_text(slices: Sequence[TensorSlice]) -> str:
    """Return in which slices something is stored."""
    return ", ".join(capped(map(str, slices), 4)) if slices else "one piece"
