"""Publishes what TensorFlow has saved, under the keys that it is to have.

TensorFlow writes to a folder beside, as of a checkpoint of its own; its data shards are
then renamed to where they belong and get another index. So nobody sees one half.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Literal, NamedTuple, TypeAlias

from tf_ckpt_migrate.bundle.commit import check_prefix
from tf_ckpt_migrate.bundle.reader import BundleReader
from tf_ckpt_migrate.bundle.writer import BundleWriter
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.contents import Contents, Item, Reference
from tf_ckpt_migrate.conversion.convert import move_contents
from tf_ckpt_migrate.conversion.dual_keys import check_free
from tf_ckpt_migrate.conversion.output import committed
from tf_ckpt_migrate.errors import LayoutError, OutputPathError, PlanError, capped
from tf_ckpt_migrate.findings import as_findings
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.storage.access import is_known_to_tensorflow, make_folder
from tf_ckpt_migrate.storage.paths import basename, is_far, join, path_of

__all__ = [
    "Aside",
    "Keys",
    "bundle_of",
    "check_keys",
    "named_contents",
    "saved_aside",
]

Keys: TypeAlias = Literal["object", "name", "both"]
_MEANINGS = {
    "object": "as tf.train.Checkpoint saves",
    "name": "as tf.compat.v1.train.Saver does",
    "both": "for the same bytes",
}


def check_keys(keys: Keys) -> Keys:
    """Return what was given for ``keys=``, if it is one of the three.

    Raises:
      ValueError: If it is not.

    Example:
      >>> check_keys("both")
      'both'
    """
    if keys not in _MEANINGS:
        words = (f'"{word}" ({meaning})' for word, meaning in _MEANINGS.items())
        raise ValueError(f"keys={keys!r}; expected {', '.join(words)}")
    return keys


class Aside(NamedTuple):
    """Where a checkpoint is saved before anybody sees it.

    Attributes:
      prefix: Where to save it.
      publish: Makes it visible, with what a function of its reader returns.
    """

    prefix: str
    publish: Callable[[Callable[[CheckpointReader], Contents]], None]


@contextmanager
def saved_aside(prefix: str) -> Generator[Aside]:
    """Let a checkpoint be saved aside, and then be published.

    Args:
      prefix: Of the checkpoint to write; one that is there is replaced.

    Yields:
      What there is to do both. Nothing is left of what has not been published.

    Raises:
      OutputPathError: If no checkpoint can have this prefix, or TensorFlow cannot write
        to its file system.
      OutputInUseError: If another writer is at work on this prefix.
      OSError: If a write fails; what was there is then as it was.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> from tf_ckpt_migrate.conversion.convert import convert
      >>> from tf_ckpt_migrate.conversion.planning import plan_migration
      >>> with example_checkpoint({"w": [1, 2]}) as source:
      ...     with saved_aside(source + "-new") as aside:
      ...         _ = convert(plan_migration(source), aside.prefix)
      ...         aside.publish(lambda saved: {"v": Reference(bundle_of(saved), "w")})
      ...     print(*CheckpointReader(source + "-new"))
      v
    """
    prefix = path_of(prefix)
    check_prefix(prefix)
    if is_far(prefix) and not is_known_to_tensorflow(prefix):
        raise OutputPathError(
            f"{prefix!r}: TensorFlow, which saves the variables, cannot write there; "
            "save to a path that tf.io.gfile knows, and copy the checkpoint with "
            "tcm.convert"
        )
    with BundleWriter(prefix, overwrite=True, data="move") as writer:
        folder = join(writer.folder, "saved")
        make_folder(folder)
        staged = join(folder, basename(prefix))

        def publish(contents_of: Callable[[CheckpointReader], Contents]) -> None:
            committed(writer, contents_of(CheckpointReader(staged)))

        yield Aside(staged, publish)


def bundle_of(reader: CheckpointReader) -> BundleReader:
    """Return the reader of the files of a checkpoint in format V2.

    Raises:
      LayoutError: If the checkpoint is of format V1.
    """
    if reader.bundle is None:
        raise LayoutError(f"{reader.prefix!r} is of format V1, which has no index")
    return reader.bundle


def named_contents(
    saved: CheckpointReader, moves: Sequence[Move], keys: Keys
) -> dict[str, Item]:
    """Return what an object-based checkpoint is to hold: its keys, names, or both.

    Args:
      saved: The checkpoint.
      moves: From keys to names; values may change on the way.
      keys: Which of them.

    Raises:
      PlanError: If it has no such key, or a name is that of a key.
    """
    needed = dict.fromkeys(key for move in moves for key in move.sources)
    if missing := [key for key in needed if key not in saved]:
        raise PlanError(
            f"{len(missing)} tensors that were to be saved by name were not saved: "
            f"{', '.join(map(repr, capped(missing, 3)))}; have the objects changed "
            "since the save began?",
            as_findings("missing", missing),
        )
    bundle = bundle_of(saved)
    check_free(bundle, [move.target for move in moves])
    contents: dict[str, Item] = {}
    if keys != "name":
        contents.update((key, Reference(bundle, key)) for key in saved)
    if keys != "object":
        contents.update(move_contents(saved, moves))
    return contents
