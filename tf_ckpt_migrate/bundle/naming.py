"""File names of a checkpoint: the contract between a prefix and its files.

Source: ``tensorflow/core/util/tensor_bundle/naming.h``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

__all__ = [
    "INDEX_SUFFIX",
    "ShardName",
    "index_path",
    "parse_shard_path",
    "parse_v1_shard_path",
    "shard_path",
]

INDEX_SUFFIX = ".index"

_SHARD = re.compile(r"(?as)(.*)\.data-(\d{5,9})-of-(\d{5,9})")
_V1_SHARD = re.compile(r"(?as)(.*)-(\d{5,9})-of-(\d{5,9})")


class ShardName(NamedTuple):
    """What the path of a shard says.

    Attributes:
      prefix: The checkpoint prefix.
      number: The shard's own number, from 0.
      count: How many shards the checkpoint has.
    """

    prefix: str
    number: int
    count: int  # pyright: ignore[reportIncompatibleMethodOverride] - hides tuple.count


def index_path(prefix: str) -> str:
    """Return the path of the index of ``prefix``.

    Example:
      >>> index_path("logs/model.ckpt-7")
      'logs/model.ckpt-7.index'
    """
    return prefix + INDEX_SUFFIX


@lru_cache(maxsize=4096)
def shard_path(prefix: str, number: int, count: int) -> str:
    """Return the path of data shard ``number`` of ``count``.

    Example:
      >>> shard_path("logs/model.ckpt-7", 0, 2)
      'logs/model.ckpt-7.data-00000-of-00002'
    """
    return f"{prefix}.data-{number:05d}-of-{count:05d}"


def parse_shard_path(path: str) -> ShardName | None:
    """Return what the path of a data shard says, or None if it is no such path.

    Example:
      >>> parse_shard_path("m.data-00001-of-00002")
      ShardName(prefix='m', number=1, count=2)
    """
    return _parsed(_SHARD, path)


def parse_v1_shard_path(path: str) -> ShardName | None:
    """Return what the path of a shard of a V1 checkpoint says, or None.

    Example:
      >>> parse_v1_shard_path("export-00000-of-00001")
      ShardName(prefix='export', number=0, count=1)
    """
    return _parsed(_V1_SHARD, path)


def _parsed(pattern: re.Pattern[str], path: str) -> ShardName | None:
    match = pattern.fullmatch(path)
    return match and ShardName(match[1], int(match[2]), int(match[3]))
