"""What happens to an optimizer's memory of a variable when the variable changes."""

from __future__ import annotations

from dataclasses import replace

from tf_ckpt_migrate.transforms import (
    AddToBlock,
    Blocks,
    Cast,
    Chain,
    Concat,
    GruBiases,
    Join,
    Partition,
    Reshape,
    Slice,
    Stack,
    Transform,
    Transpose,
    Vocabulary,
)

__all__ = ["Unfollowable", "slot_transform"]

_MOVES = Blocks | Cast | Concat | Partition | Reshape | Slice | Stack | Transpose


class Unfollowable(ValueError):  # noqa: N818 what is raised is a PlanError made of it
    """A change of a variable of which none follows for its slots."""


def slot_transform(transform: Transform | None, start: float = 0.0) -> Transform | None:
    """Return what is done to the slots of a variable to which ``transform`` is done.

    Where values only move, those of the slots move likewise. A number added to the
    variable, as the bias of a forget gate, changes no gradient and so no slot. What is
    new in a vocabulary has not been trained.

    Args:
      transform: What is done to the variable; None for nothing.
      start: What the slot holds before it is trained.

    Raises:
      Unfollowable: If nothing follows, as of a function, or where a variable gets
        elements that were not there to be trained.

    Example:
      >>> print(slot_transform(AddToBlock(4, 1, 1.0)))
      None
      >>> slot_transform(Transpose((1, 0)))
      Transpose(perm=(1, 0))
    """
    if transform is None or isinstance(transform, AddToBlock):
        return None
    if isinstance(transform, Chain):
        steps = [slot_transform(step, start) for step in transform.transforms]
        kept = tuple(step for step in steps if step is not None)
        return Chain(kept) if len(kept) > 1 else next(iter(kept), None)
    if isinstance(transform, Join):
        parts = (slot_transform(part, start) for part in transform.parts)
        return replace(transform, parts=tuple(parts))
    if isinstance(transform, Vocabulary):
        return replace(transform, initializer="constant", scale=start)
    if isinstance(transform, _MOVES):
        return transform
    if isinstance(transform, GruBiases):
        raise Unfollowable(
            "Keras trains two biases of each gate where TF1 has one, so that every "
            "step would change their sum twice"
        )
    raise Unfollowable(f"{transform!r} does more than move values")
