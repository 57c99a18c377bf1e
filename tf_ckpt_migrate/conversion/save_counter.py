"""The counter of saves of an output: as if ``tf.train.Checkpoint`` had saved it there.

``Checkpoint.save("run/ckpt")`` counts, writes the count into the checkpoint and appends
it to the prefix: ``run/ckpt-8`` holds 8. Whoever restores that and saves again gets
``run/ckpt-9``. With a lower count, a later save would replace the output.
"""

from __future__ import annotations

import re
from collections.abc import Container
from typing import TYPE_CHECKING, Any

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.conversion.contents import Value
from tf_ckpt_migrate.conversion.layout import CheckpointView
from tf_ckpt_migrate.naming.keys import OBJECT_GRAPH_KEY, SAVE_COUNTER_KEY
from tf_ckpt_migrate.storage.paths import basename

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["COUNTER_SPEC", "kept_counter", "save_counter", "without_counter"]

COUNTER_SPEC = TensorSpec(DType.int64, ())
_NUMBER = re.compile(r".*-([0-9]{1,18})", re.DOTALL)  # 18 digits fit into an int64


def save_counter(prefix: str, least: int = 1) -> Value:
    """Return the counter of saves for a checkpoint that is written to a prefix.

    Args:
      prefix: Of the output.
      least: The counter of the checkpoint that the output is like.

    Example:
      >>> [int(save_counter(name).compute()) for name in ("ckpt", "ckpt-8", "v2-0")]
      [1, 8, 1]
    """
    count = max(1, least, _number(prefix))

    def compute() -> Array:
        import numpy as np

        return np.array(count, np.int64)

    return Value(COUNTER_SPEC, compute)


def _number(prefix: str) -> int:
    found = _NUMBER.fullmatch(basename(prefix))
    return int(found[1]) if found else 0


def without_counter(prefix: str, keys: Container[str]) -> tuple[str, ...]:
    """Return a note if an output has a graph and a number, but not the counter.

    ``Checkpoint.write`` saves none, and an output that is like what it wrote has none.
    """
    if OBJECT_GRAPH_KEY not in keys or SAVE_COUNTER_KEY in keys or not _number(prefix):
        return ()
    name, _, _ = basename(prefix).rpartition("-")
    note = (
        f"{prefix!r} has no counter of saves, as the checkpoint that it is like has "
        f"none: Checkpoint.save('{name}') begins at '{name}-1' after restoring it"
    )
    return (note,)


def kept_counter(prefix: str, like: CheckpointView) -> Value | None:
    """Return the counter of an output that keeps the one of another checkpoint.

    None if what has the key there is not a counter: it is kept as it is.
    """
    if like.specs.get(SAVE_COUNTER_KEY) != COUNTER_SPEC:
        return None
    return save_counter(prefix, int(like[SAVE_COUNTER_KEY][()]))
