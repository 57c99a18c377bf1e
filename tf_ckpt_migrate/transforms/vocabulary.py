"""Rows of an embedding, or columns of a softmax layer, for another vocabulary."""

from __future__ import annotations

import codecs
import hashlib
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.errors import TransformError, VocabularyError, capped
from tf_ckpt_migrate.storage.access import exists, identity, is_file, read_bytes
from tf_ckpt_migrate.transforms.base import Transform, integers
from tf_ckpt_migrate.transforms.numbers import INITIALIZERS, RANDOM, initial_values

if TYPE_CHECKING:
    import numpy as np

    from tf_ckpt_migrate.transforms.base import Array

__all__ = ["Matches", "Vocabulary", "VocabularyFile", "matches", "read_vocabulary"]


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


_SEEDS = 1 << 32  # of NumPy's RandomState
_COPIED = 1 << 16  # rows that are copied at a time


@dataclass(frozen=True)
class Vocabulary(Transform, op="vocabulary"):
    """Rearranges a tensor from an old vocabulary to a new one, along one axis.

    An index of the axis belongs to an entry of a vocabulary, in the order of its file;
    after those come buckets for words out of it. An entry that is in both files keeps
    its values, wherever it stands; a new one gets initial values. Buckets are carried
    over where there are as many as before, as a word falls into one by its hash and
    their number.

    `from_files` reads the sizes from the files. As numbers they belong to the plan,
    which so needs the files only when it is carried out.

    Attributes:
      old_vocab: The file that the tensor was trained with.
      new_vocab: The file that it is to serve.
      old_vocab_size: How many entries of the old file have an index.
      new_vocab_size: How many of the new one get one.
      axis: The axis, counted from 0.
      old_num_oov_buckets: How many buckets the tensor has.
      num_oov_buckets: How many it gets.
      keep_buckets: Whether buckets are carried over where that makes sense.
      initializer: What new entries and buckets get: "zeros", "ones", "constant",
        "mean" (of the old entries), "uniform", "normal", "truncated_normal", and
        "uniform" or "normal" after ``"glorot_"``, ``"he_"`` and ``"lecun_"``.
      scale: The limit or deviation of the first three random ones, 0.05 if it is None;
        the value of "constant".
      seed: Of random numbers.
      old_digest: Of the old file; "" is not compared.
      new_digest: Of the new one.
      of: Which of several tensors is rearranged, where the first is the one whose mean
        is taken.

    Raises:
      TransformError: If a number is impossible, or there is no such initializer.

    Example:
      >>> how = Vocabulary("old.txt", "new.txt", 4, 5, num_oov_buckets=1)
      >>> str(how.output_spec(TensorSpec(DType.float32, (4, 8))))
      'float32[6, 8]'
    """

    old_vocab: str
    new_vocab: str
    old_vocab_size: int
    new_vocab_size: int
    axis: int = 0
    old_num_oov_buckets: int = 0
    num_oov_buckets: int = 0
    keep_buckets: bool = True
    initializer: str = "zeros"
    scale: float | None = None
    seed: int = 0
    old_digest: str = ""
    new_digest: str = ""
    of: int = 0

    def __post_init__(self) -> None:
        """Check what can be without the files."""
        sizes = self.old_vocab_size, self.new_vocab_size
        others = self.axis, self.old_num_oov_buckets, self.num_oov_buckets, self.of
        numbers = integers("sizes, buckets, axis and of", (*sizes, *others, self.seed))
        if min(numbers) < 0 or min(numbers[:2]) < 1 or self.seed >= _SEEDS:
            raise TransformError(
                f"{self!r}: a size is below 1, another number is below 0, or the seed "
                f"is {_SEEDS:,} or more"
            )
        files = {type(self.old_vocab), type(self.new_vocab)}
        if files != {str}:
            raise TransformError(f"{self!r}: a vocabulary is the path of a file")
        if self.initializer not in INITIALIZERS:
            raise TransformError(
                f"initializer={self.initializer!r}; there are {', '.join(INITIALIZERS)}"
            )
        if not isinstance(self.scale, int | float | None):  # pyright: ignore[reportUnnecessaryIsInstance] YAML
            raise TransformError(f"scale={self.scale!r} is no number")
        if (self.scale is None) == (self.initializer == "constant") or (
            self.scale is not None and self.initializer not in (*RANDOM[:3], "constant")
        ):
            raise TransformError(
                f"initializer={self.initializer!r} with scale={self.scale}: scale is "
                f"the value of 'constant', and the width of {', '.join(RANDOM[:3])}"
            )

    def __repr__(self) -> str:
        hidden = ("old_digest", "new_digest")
        shown = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in fields(self)[4:]
            if field.name not in hidden and getattr(self, field.name) != field.default
        ]
        files = [repr(self.old_vocab), repr(self.new_vocab)]
        sizes = [f"{self.old_vocab_size}", f"{self.new_vocab_size}"]
        return f"Vocabulary({', '.join([*files, *sizes, *shown])})"

    def to_config(self) -> dict[str, Any]:
        """Return plain data, of what is not as if nothing were said."""
        defaults = {field.name: field.default for field in fields(self)}
        config = super().to_config()
        return {k: v for k, v in config.items() if k == "op" or v != defaults[k]}

    @classmethod
    def from_files(
        cls,
        old_vocab: str,
        new_vocab: str,
        *,
        old_vocab_size: int | None = None,
        new_vocab_size: int | None = None,
        **options: Any,
    ) -> Vocabulary:
        """Return the transform, with sizes and digests as the files have them.

        Args:
          old_vocab: The file that the tensor was trained with.
          new_vocab: The file that it is to serve.
          old_vocab_size: How many entries of the old file count; None for all.
          new_vocab_size: How many of the new one.
          **options: The other attributes.

        Raises:
          VocabularyError: If a file is not there, or not well formed.
          TransformError: If an option is impossible.
        """
        old = read_vocabulary(old_vocab, old_vocab_size)
        new = read_vocabulary(new_vocab, new_vocab_size)
        return cls(
            old_vocab,
            new_vocab,
            len(old.words),
            len(new.words),
            old_digest=old.digest,
            new_digest=new.digest,
            **options,
        )

    def with_buckets(self, spec: TensorSpec) -> Vocabulary:
        """Return it for a tensor whose other indices are all buckets."""
        if self.axis >= len(spec.shape):
            return self
        rest = spec.shape[self.axis] - self.old_vocab_size
        return replace(self, old_num_oov_buckets=max(0, rest))

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return the spec with the length of the new vocabulary and its buckets."""
        if len(specs) <= self.of:
            raise self._misfit(f"it takes {self.of + 1} tensors", *specs)
        spec = specs[self.of]
        if self.axis >= len(spec.shape) or len({each.shape for each in specs}) > 1:
            raise self._misfit(f"it takes tensors with an axis {self.axis}", *specs)
        wanted = self.old_vocab_size + self.old_num_oov_buckets
        if spec.shape[self.axis] != wanted:
            raise self._misfit(
                f"axis {self.axis} should have {wanted:,} indices: "
                f"{self.old_vocab_size:,} entries of {self.old_vocab!r} and "
                f"{self.old_num_oov_buckets:,} buckets for words out of it",
                spec,
            )
        is_float = spec.dtype.name.startswith(("float", "bfloat"))
        if spec.dtype is DType.string or not (
            is_float or self.initializer in ("zeros", "ones", "constant")
        ):
            raise self._misfit(f"its dtype has no {self.initializer!r}", spec)
        shape = list(spec.shape)
        shape[self.axis] = self.new_vocab_size + self.num_oov_buckets
        return TensorSpec(spec.dtype, tuple(shape))

    def _apply(self, *arrays: Array) -> Array:
        import numpy as np

        shape = list(arrays[self.of].shape)
        shape[self.axis] = self.new_vocab_size + self.num_oov_buckets
        result = np.empty(shape, arrays[self.of].dtype)
        rows, source = (np.moveaxis(a, self.axis, 0) for a in (result, arrays[self.of]))
        where = self._mapping()
        for start in range(0, len(where.new), _COPIED):
            part = slice(start, start + _COPIED)
            rows[where.new[part]] = source[where.old[part]]
        if len(where.missing):
            rows[where.missing] = self._initial(where.missing, result, arrays[0])
        return result

    def _initial(self, missing: Array, result: Array, first: Array) -> Array:
        import numpy as np

        if self.initializer == "mean":
            entries = np.moveaxis(first, self.axis, 0)[: self.old_vocab_size]
            return entries.mean(axis=0, dtype=np.float64).astype(result.dtype)
        rest = np.moveaxis(result, self.axis, 0).shape[1:]
        return initial_values(
            self.initializer,
            (len(missing), *rest),
            result.dtype,
            whole=result.shape,
            scale=self.scale,
            seed=self.seed,
        )

    def _mapping(self) -> Matches:
        old = read_vocabulary(self.old_vocab, self.old_vocab_size, self.old_digest)
        new = read_vocabulary(self.new_vocab, self.new_vocab_size, self.new_digest)
        carried = self.num_oov_buckets if self.carries_buckets else 0
        return matches(old.words, new.words, carried, self.num_oov_buckets - carried)

    @property
    def carries_buckets(self) -> bool:
        """Whether buckets for words out of the vocabulary keep their values."""
        same = 0 < self.num_oov_buckets == self.old_num_oov_buckets
        return same and self.keep_buckets

    @property
    def note(self) -> str:
        """How many entries are kept, moved, new and dropped."""
        where, size = self._mapping(), self.new_vocab_size
        entries = where.new < size
        kept = int((where.new[entries] == where.old[entries]).sum())
        shared = int(entries.sum())
        counts = [f"{kept:,} kept", f"{shared - kept:,} moved"]
        filled = self.scale if self.initializer == "constant" else self.initializer
        counts += [f"{size - shared:,} new ({filled})"]
        counts += [f"{self.old_vocab_size - shared:,} dropped"]
        text = f"entries of {self.new_vocab!r}: {', '.join(counts)}"
        if self.num_oov_buckets or self.old_num_oov_buckets:
            how = "carried over" if self.carries_buckets else "new"
            many = "bucket" if self.num_oov_buckets == 1 else "buckets"
            text += f"; {self.num_oov_buckets:,} {many} {how}"
        return text

    def inverse(self, *specs: TensorSpec) -> Vocabulary | None:
        """Return the way back, if no entry and no bucket is dropped."""
        del specs
        shared = int((self._mapping().new < self.new_vocab_size).sum())
        lost_buckets = self.old_num_oov_buckets and not self.carries_buckets
        if self.of or shared < self.old_vocab_size or lost_buckets:
            return None
        return replace(
            self,
            old_vocab=self.new_vocab,
            new_vocab=self.old_vocab,
            old_vocab_size=self.new_vocab_size,
            new_vocab_size=self.old_vocab_size,
            old_num_oov_buckets=self.num_oov_buckets,
            num_oov_buckets=self.old_num_oov_buckets,
            initializer="zeros",
            scale=None,
            old_digest=self.new_digest,
            new_digest=self.old_digest,
        )
