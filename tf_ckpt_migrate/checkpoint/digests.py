"""A digest of a tensor's value, whatever file, slices or shard it is in."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from tf_ckpt_migrate.bundle.dtypes import DType
from tf_ckpt_migrate.checkpoint.pieces import pieces
from tf_ckpt_migrate.checkpoint.value_comparison import stored_bytes

if TYPE_CHECKING:
    from tf_ckpt_migrate.checkpoint.reader import CheckpointReader

__all__ = ["value_digest"]


def value_digest(reader: CheckpointReader, key: str) -> str:
    """Return a digest of dtype, shape and every bit of the value, read in pieces.

    Args:
      reader: Of the checkpoint.
      key: Of the tensor; its checksum is checked.

    Raises:
      CorruptCheckpointError: If it is damaged.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> from tf_ckpt_migrate.checkpoint.reader import load_checkpoint
      >>> with example_checkpoint({"a": [1, 2], "b": [1, 2], "c": [2, 1]}) as prefix:
      ...     digests = [value_digest(load_checkpoint(prefix), key) for key in "abc"]
      >>> digests[0] == digests[1], digests[0] == digests[2]
      (True, False)
    """
    spec = reader.specs[key]
    digest = hashlib.blake2b(str(spec).encode(), digest_size=16)
    if spec.dtype in (DType.resource, DType.variant):
        digest.update(stored_bytes(reader, key))
        return digest.hexdigest()
    for piece in pieces(reader, key):
        if piece.dtype.hasobject:
            for text in piece:
                digest.update(b"%d:%b" % (len(text), text))
        else:
            digest.update(piece.tobytes())
    return digest.hexdigest()
