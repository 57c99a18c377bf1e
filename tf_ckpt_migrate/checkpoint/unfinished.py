"""What a save of several shards leaves behind when it is broken off.

Each shard is written as a checkpoint of its own into a folder beside, all are then
joined, and the folder goes. It is ``PREFIX_temp_ID`` in TensorFlow 1, and
``PREFIX_temp`` in TensorFlow 2 (``saver.py``, ``functional_saver.py``).
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from tf_ckpt_migrate.bundle.shards import INDEX_SUFFIX, parse_v1_shard_path
from tf_ckpt_migrate.errors import capped
from tf_ckpt_migrate.storage.access import names_in
from tf_ckpt_migrate.storage.paths import join, split

__all__ = ["parts_in", "unfinished_parts", "what_of_unfinished"]

_TEMPORARY = "_temp"


def unfinished_parts(prefix: str) -> list[str]:
    """Return the prefixes of the parts that saves of a checkpoint have left.

    Args:
      prefix: Of the checkpoint, which is not there.

    Example:
      >>> unfinished_parts("nowhere/m-7")
      []
    """
    folder, base = split(prefix)
    parts: list[str] = []
    for name in sorted(names_in(folder)):
        if name == f"{base}{_TEMPORARY}" or name.startswith(f"{base}{_TEMPORARY}_"):
            parts += parts_in(join(folder, name))
    return parts


def parts_in(folder: str) -> list[str]:
    """Return the prefixes of the parts that one save has left in its folder."""
    return [
        join(folder, file.removesuffix(INDEX_SUFFIX))
        for file in sorted(names_in(folder))
        if file.endswith(INDEX_SUFFIX)
    ]


def what_of_unfinished(prefix: str, parts: Sequence[str]) -> str:
    """Return what to tell of a checkpoint of which there are only parts.

    Args:
      prefix: Of the checkpoint.
      parts: What ``unfinished_parts`` found.

    Example:
      >>> what_of_unfinished("m", ["m_temp/part-00000-of-00002"]).partition(": ")[0]
      "no checkpoint at 'm'"
    """
    shards = [parse_v1_shard_path(part) for part in parts]
    expected = max((shard.count for shard in shards if shard), default=len(parts))
    listed = ", ".join(capped(map(repr, parts)))
    text = (
        f"no checkpoint at {prefix!r}: a save of it was broken off; {len(parts)} of "
        f"its {expected} parts {'is' if expected == 1 else 'are'} there: {listed}; "
    )
    if len(parts) != expected:
        return f"{text}that is no whole one, so go back to the checkpoint before it"
    return (
        f"{text}as all are there, perhaps `tf-ckpt-migrate merge {shlex.join(parts)} "
        f"--output {shlex.quote(prefix)}` recovers it; verify it then, or go back to "
        "the checkpoint before it"
    )
