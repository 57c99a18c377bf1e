"""Equal bytes as evidence, where one side holds what the other was made of.

The index of a checkpoint has a checksum of every tensor, so two files are compared
without reading a tensor. They count only where at least half of the layers have one
of equal bytes on the other side: then one is a reference for the other. A few equal
ones, as zeros are, say nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from tf_ckpt_migrate.conversion.layout import CheckpointView
from tf_ckpt_migrate.conversion.suggestion.layers import Layer
from tf_ckpt_migrate.table import crc32c

__all__ = ["digests_of", "same_bytes"]

_REFERENCE = 0.5


def digests_of(
    view: CheckpointView, layers: Sequence[Layer], *, read: bool
) -> Mapping[int, object]:
    """Return what tells the bytes of layers apart, of those where it is known.

    Args:
      view: What has the tensors.
      layers: The layers; what stands for several tensors has no digest.
      read: Whether to read values where no checksum is at hand.
    """
    found: dict[int, object] = {}
    for at, layer in enumerate(layers):
        items = layer.parts.values()
        if any(item.members for item in items):
            continue
        digests = [_digest(view, item.key, read=read) for item in items]
        known = [each for each in digests if each is not None]
        if len(known) == len(digests):
            found[at] = tuple(sorted(known))
    return found


def _digest(view: CheckpointView, key: str, *, read: bool) -> tuple[int, int] | None:
    entry = view.bundle.index[key] if view.bundle is not None else None
    if read and (entry is None or entry.slices):
        value = np.ascontiguousarray(view[key])
        return value.nbytes, crc32c.mask(crc32c.value(value))
    if entry is not None and entry.crc32c and not entry.slices:
        return entry.size, entry.crc32c
    return None


def same_bytes(
    ours: Mapping[int, object], theirs: Mapping[int, object], targets: int
) -> dict[int, int]:
    """Return the layers that alone have the same bytes; ``targets`` is how many are."""
    sides: list[dict[object, list[int]]] = []
    for digests in (ours, theirs):
        found: dict[object, list[int]] = defaultdict(list)
        for at, digest in digests.items():
            found[digest].append(at)
        sides.append(found)
    common = sides[0].keys() & sides[1].keys()
    if sum(len(sides[1][digest]) for digest in common) < _REFERENCE * targets:
        return {}
    pairs = ((sides[0][digest], sides[1][digest]) for digest in common)
    return {a[0]: b[0] for a, b in pairs if len(a) == len(b) == 1}
