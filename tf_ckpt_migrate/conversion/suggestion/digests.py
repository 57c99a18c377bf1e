"""Equal bytes as evidence, where one side holds what the other was made of.

The index of a checkpoint has a checksum of every tensor, so two files are compared
without reading a tensor. They count only where at least half of the tensors have one
of equal bytes on the other side: then one is a reference for the other. A few equal
ones, as zeros are, say nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from tf_ckpt_migrate.conversion.layout import CheckpointView
from tf_ckpt_migrate.conversion.suggestion.items import Item
from tf_ckpt_migrate.conversion.suggestion.linear import Floats
from tf_ckpt_migrate.table import crc32c

__all__ = ["digests_of", "same_bytes"]

# Of several tensors with the same bytes none is the one; others are worse still.
_ONE_OF_SEVERAL = 0.1
_REFERENCE = 0.5


def digests_of(
    view: CheckpointView, items: Sequence[Item], *, read: bool
) -> Mapping[str, object]:
    """Return what tells the bytes of tensors apart, by key, of those where it is known.

    Args:
      view: What has the tensors.
      items: Which of them; what stands for several has none.
      read: Whether to read values where no checksum is at hand.
    """
    found: dict[str, object] = {}
    for item in items:
        if item.members:
            continue
        entry = view.bundle.index[item.key] if view.bundle is not None else None
        if read and (entry is None or entry.slices):
            value = np.ascontiguousarray(view[item.key])
            found[item.key] = value.nbytes, crc32c.mask(crc32c.value(value))
        elif entry is not None and entry.crc32c and not entry.slices:
            found[item.key] = entry.size, entry.crc32c
    return found


def same_bytes(
    sources: Sequence[Item],
    targets: Sequence[Item],
    digests: tuple[Mapping[str, object], Mapping[str, object]],
) -> Floats:
    """Return 1 for each pair that alone has the same bytes, less where several have."""
    found = np.zeros((len(sources), len(targets)))
    ours, theirs = (
        _by_digest(items, of)
        for items, of in zip((sources, targets), digests, strict=True)
    )
    common = ours.keys() & theirs.keys()
    reached = sum(len(theirs[digest]) for digest in common)
    if not targets or reached < _REFERENCE * len(targets):
        return found
    for digest in common:
        rows, columns = ours[digest], theirs[digest]
        alone = len(rows) == len(columns) == 1
        found[np.ix_(rows, columns)] = 1.0 if alone else _ONE_OF_SEVERAL
    return found


def _by_digest(
    items: Sequence[Item], digests: Mapping[str, object]
) -> dict[object, list[int]]:
    found: dict[object, list[int]] = defaultdict(list)
    for at, item in enumerate(items):
        if item.key in digests:
            found[item.form.kind, digests[item.key]].append(at)
    return found
