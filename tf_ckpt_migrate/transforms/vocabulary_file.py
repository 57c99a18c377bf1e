r"""Vocabulary files: one entry a line, whose number from 0 is its index.

As TensorFlow reads them: UTF-8, lines ended by ``\n``, which the last one need not be.
An empty line is an entry, the empty word. What would make two programs see different
vocabularies is refused.
"""

from __future__ import annotations

import codecs
import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.errors import VocabularyError, capped
from tf_ckpt_migrate.storage.access import exists, identity, is_file, read_bytes
from tf_ckpt_migrate.transforms.base import integers

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Matches", "VocabularyFile", "matches", "read_vocabulary"]

_DIGEST = 16  # hexadecimal digits of SHA-256: to notice a change, not an attack


class VocabularyFile(NamedTuple):
    """A vocabulary.

    Attributes:
      words: Its entries, as bytes, in order.
      digest: Of the whole file.
    """

    words: tuple[bytes, ...]
    digest: str


class Matches(NamedTuple):
    """Where the entries of the new vocabulary come from.

    Attributes:
      new: Indices in the new tensor that have a source, ascending.
      old: Their indices in the old one.
      missing: Indices in the new tensor that have none.
    """

    new: np.ndarray[Any, Any]
    old: np.ndarray[Any, Any]
    missing: np.ndarray[Any, Any]


def read_vocabulary(
    path: str, size: int | None = None, digest: str = ""
) -> VocabularyFile:
    r"""Return the entries of a vocabulary file.

    Args:
      path: Of the file.
      size: How many of its entries count, the first ones; None for all.
      digest: What the file had when it was read before; "" for a first time.

    Raises:
      VocabularyError: If it is not there, is not well formed, has an entry twice, has
        fewer entries than ``size``, or has changed.

    Example:
      >>> import os, pathlib, tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = os.path.join(folder, "vocab.txt")
      ...     count = pathlib.Path(path).write_bytes(b"the\nof\nand\n")
      ...     read_vocabulary(path, 2).words
      (b'the', b'of')
    """
    try:
        if exists(path) and not is_file(path):  # a device, or a pipe, may never end
            raise VocabularyError(f"the vocabulary {path!r} is no regular file")
        found = _read(path, identity(path))
    except OSError as error:
        raise VocabularyError(
            f"the vocabulary {path!r} cannot be read: {error.strerror or error}; a "
            "plan names files as they are seen from the working directory"
        ) from None
    if digest and found.digest != digest:
        raise VocabularyError(
            f"the vocabulary {path!r} has changed since the plan was made: its digest "
            f"is {found.digest}, expected {digest}; plan again, or bring the file back"
        )
    if size is not None and not 0 < integers("size", [size])[0] <= len(found.words):
        raise VocabularyError(
            f"the vocabulary {path!r} has {len(found.words):,} entries, but a size of "
            f"{size:,} is asked for"
        )
    _check_twice(found.words[:size], path)
    return found._replace(words=found.words[:size])


@lru_cache(maxsize=4)
def _read(path: str, seen: tuple[object, ...]) -> VocabularyFile:
    """Read a file, once as long as it does not change."""
    del seen
    data = read_bytes(path)
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    if not lines:
        raise VocabularyError(f"the vocabulary {path!r} is empty")
    if data.startswith(codecs.BOM_UTF8):
        raise VocabularyError(
            f"the vocabulary {path!r} begins with a byte order mark, which programs "
            f"take for a part of the first word; take it out: "
            f"sed -i '1s/^\\xEF\\xBB\\xBF//' {path}"
        )
    for number, line in enumerate(lines, 1) if b"\r" in data else ():
        if line.endswith(b"\r"):
            raise VocabularyError(
                f"line {number:,} of the vocabulary {path!r} ends in CRLF, as Windows "
                "writes, which some programs take for a part of the word; write it "
                f"with LF: sed -i 's/\\r$//' {path}"
            )
    _check_text(data, lines, path)
    digest = hashlib.sha256(data).hexdigest()[:_DIGEST]
    return VocabularyFile(tuple(lines), digest)


def _check_text(data: bytes, lines: list[bytes], path: str) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start)
        raise VocabularyError(
            f"line {number + 1:,} of the vocabulary {path!r} is not UTF-8: "
            f"{lines[number]!r}; is this a text file of one entry a line?"
        ) from None


@lru_cache(maxsize=8)
def _check_twice(words: tuple[bytes, ...], path: str) -> None:
    if len(set(words)) == len(words):
        return
    first: dict[bytes, int] = {}
    found: list[str] = []
    for number, word in enumerate(words, 1):
        if word in first:
            text = word.decode(errors="replace")
            found.append(f"{text!r} in lines {first[word]:,} and {number:,}")
        first.setdefault(word, number)
    raise VocabularyError(
        f"the vocabulary {path!r} has entries twice, so that their rows cannot be told "
        f"apart: {'; '.join(capped(found, 3))}"
    )


@lru_cache(maxsize=4)  # a variable and its slots are asked about several times
def matches(
    old: tuple[bytes, ...], new: tuple[bytes, ...], carried: int, added: int
) -> Matches:
    """Return where the entries of a vocabulary are in an old one, and its buckets.

    Args:
      old: The entries of the old one.
      new: Those of the new one.
      carried: How many buckets, which follow the entries, are carried over.
      added: How many are new.

    Example:
      >>> matches((b"a", b"b"), (b"b", b"c"), 1, 0).old.tolist()
      [1, 2]
    """
    import numpy as np

    places = {word: at for at, word in enumerate(old)}
    indices = [places.get(word, -1) for word in new]
    indices += [*range(len(old), len(old) + carried), *([-1] * added)]
    found = np.array(indices, np.int64)
    (has,), (lacks,) = np.nonzero(found >= 0), np.nonzero(found < 0)
    return Matches(has, found[has], lacks)
