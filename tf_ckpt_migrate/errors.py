"""Every exception of the package.

Each class is one way to be wrong, and most are also the builtin that a caller of such a
function expects, so that existing ``except FileNotFoundError`` or ``except ValueError``
clauses keep working. A damaged file is no ``ValueError``: programs take that for "there
is no checkpoint", and would start from scratch. Messages name what failed (file, key,
offset), what was expected and what was found, the probable cause, and the corrected
call.

Programs that use TensorFlow catch ``tf.errors.NotFoundError`` and others from a reader.
Where TensorFlow has been imported, an error that its reader would raise is therefore of
that class too. Nothing here imports TensorFlow.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import cache
from typing import Any, ClassVar

from tf_ckpt_migrate.findings import Finding

__all__ = [
    "AmbiguousCheckpointError",
    "BeamNotFoundError",
    "BeamPipelineError",
    "CheckpointError",
    "CheckpointNotFoundError",
    "CheckpointReplacedError",
    "ChecksumError",
    "CorruptCheckpointError",
    "DirectoryWithoutCheckpointError",
    "FarFileError",
    "GraphModeError",
    "LayoutError",
    "MissingShardError",
    "NotACheckpointError",
    "NotTextError",
    "OutputExistsError",
    "OutputInUseError",
    "OutputPathError",
    "PlanError",
    "RecordingError",
    "RuleError",
    "SliceError",
    "TargetError",
    "TensorFlowNotFoundError",
    "TensorNotFoundError",
    "TransformError",
    "TruncatedFileError",
    "UnbuiltTargetError",
    "UnsupportedDTypeError",
    "VocabularyError",
    "capped",
    "looks_like",
    "nearest",
]


class CheckpointError(Exception):
    """Base of every error that this package raises on purpose."""

    # The class of `tf.errors` that an error is of too where TensorFlow is imported.
    _in_tensorflow: ClassVar[str] = ""

    def __new__(cls, *args: Any, **keywords: Any) -> Any:
        """Return an error that is also of TensorFlow's class, if there is one."""
        errors = getattr(sys.modules.get("tensorflow"), "errors", None)
        theirs = getattr(errors, cls._in_tensorflow, None) if errors else None
        if theirs is None or issubclass(cls, theirs):
            return super().__new__(cls, *args, **keywords)
        return super().__new__(_with_base(cls, theirs), *args, **keywords)


@cache
def _with_base(own: type[CheckpointError], theirs: Any) -> Any:
    """Return an error class of this package that is also one of TensorFlow."""

    def initialize(self: Any, message: object = "") -> None:
        theirs.__init__(self, None, None, str(message))  # no operation has failed
        self.args = (message,)

    def reduce(self: Any) -> tuple[type, tuple[Any, ...]]:
        return own, self.args  # another process may not have imported TensorFlow

    members = {
        "__init__": initialize,
        "__reduce__": reduce,
        **{name: getattr(own, name) for name in ("__module__", "__qualname__")},
    }
    return type(own.__name__, (own, theirs), {**members, "__doc__": own.__doc__})


class CheckpointNotFoundError(CheckpointError, FileNotFoundError):
    """Nothing that could be a checkpoint is at the given path."""

    _in_tensorflow = "NotFoundError"


class DirectoryWithoutCheckpointError(CheckpointNotFoundError, ValueError):
    """A directory holds no checkpoint, or not the one that it names as its latest."""

    _in_tensorflow = ""  # TensorFlow raises a ValueError


class AmbiguousCheckpointError(CheckpointError, ValueError):
    """A path stands for several checkpoints; the message lists them."""


class NotACheckpointError(CheckpointError):
    """The file is something else (a Git LFS pointer, HDF5, HTML, a GraphDef)."""

    _in_tensorflow = "DataLossError"


class MissingShardError(CheckpointError, FileNotFoundError):
    """The index names a data file that is not there."""

    _in_tensorflow = "DataLossError"


class CheckpointReplacedError(CheckpointError, RuntimeError):
    """Another checkpoint has been put in the place of one while it was being read."""


class CorruptCheckpointError(CheckpointError):
    """The bytes of a checkpoint contradict its format."""

    _in_tensorflow = "DataLossError"


class TruncatedFileError(CorruptCheckpointError):
    """A file ends before the bytes that it promises."""


class ChecksumError(CorruptCheckpointError):
    """Stored bytes do not have the checksum stored beside them."""


class FarFileError(CheckpointError, OSError):
    """A file system that is not this machine's failed, or nobody knows its scheme."""


class LayoutError(CheckpointError, ValueError):
    """A checkpoint's layout (name-based, object-based) is not the one a call needs."""


class TensorNotFoundError(CheckpointError, LookupError):
    """No tensor of this name is in the checkpoint."""

    _in_tensorflow = "NotFoundError"


class SliceError(CheckpointError, ValueError):
    """A slice specification does not fit the tensor it is asked of."""


class TransformError(CheckpointError, ValueError):
    """A transform is not well formed, or does not fit the tensors it is to take."""


class VocabularyError(TransformError):
    """A vocabulary file is not there, not well formed, or has changed."""


class UnsupportedDTypeError(CheckpointError, TypeError):
    """The value's dtype has no NumPy form (resource, variant)."""

    _in_tensorflow = "UnimplementedError"


class RuleError(CheckpointError, ValueError):
    """An assignment map or one of its rules is not well formed."""


class PlanError(CheckpointError, ValueError):
    """A plan leaves something unaccounted for.

    Attributes:
      findings: Each thing that is wrong as a value, in the order of the message.
    """

    def __init__(self, message: str, findings: Iterable[Finding] = ()) -> None:
        """Keep the findings for programs; ``message`` is for people."""
        super().__init__(message)
        self.findings: tuple[Finding, ...] = tuple(findings)

    @property
    def problems(self) -> tuple[str, ...]:
        """The findings as text, one line each."""
        return tuple(finding.text for finding in self.findings)


class NotTextError(CheckpointError, ValueError):
    """A file that is to be text, as a plan or a map, is something else."""


class OutputExistsError(CheckpointError, FileExistsError):
    """The output prefix already holds a checkpoint and ``overwrite`` was not given."""


class OutputInUseError(CheckpointError, BlockingIOError):
    """Another writer is at work on the output prefix."""


class OutputPathError(CheckpointError, OSError, ValueError):
    """A path cannot be written to: nothing can have it, or something is in the way."""


class TargetError(CheckpointError, ValueError):
    """An object is none whose variables could be found, or named without doubt."""


class RecordingError(CheckpointError, ValueError):
    """A file is not a recording of what a TF1 program computes."""


class UnbuiltTargetError(TargetError):
    """Layers of a target have no variables yet that could be restored."""


class GraphModeError(CheckpointError, RuntimeError):
    """Variables were to be assigned at once while a graph is being built."""


class BeamNotFoundError(CheckpointError, ImportError):
    """Apache Beam, which only `tf_ckpt_migrate.beam` needs, is not installed."""


class BeamPipelineError(CheckpointError, RuntimeError):
    """A pipeline was not carried out to its end."""


class TensorFlowNotFoundError(CheckpointError, ImportError):
    """TensorFlow, which only work on live objects needs, is not installed."""


def nearest(name: str, candidates: Iterable[str], count: int = 3) -> list[str]:
    """Return up to ``count`` of ``candidates`` that look most like ``name``.

    Args:
      name: The name that was not found.
      candidates: The names that exist. At most 5,000 of them are compared, those of
        a similar length: a hint must not cost more than the work it explains.
      count: The most names to return.

    Returns:
      The nearest names, best first; empty when nothing is similar.

    Example:
      >>> nearest("dense/kernal", ["dense/kernel", "dense/bias", "conv/w"])
      ['dense/kernel', 'dense/bias']
    """
    from difflib import get_close_matches  # only a mistake pays for it

    by_length = sorted(candidates, key=lambda other: abs(len(other) - len(name)))
    return get_close_matches(name, by_length[:5000], n=count, cutoff=0.5)


def looks_like(name: str, key: str) -> bool:
    r"""Return whether two names of other characters look the same to people.

    Example:
      >>> looks_like("\u00e9t\u00e9", "e\u0301te\u0301")
      True
    """
    if name.isascii():
        return False
    from unicodedata import normalize  # only a mistake pays for it

    return normalize("NFKC", name) == normalize("NFKC", key)


def capped(items: Iterable[str], limit: int = 10) -> list[str]:
    """Return ``items`` cut to ``limit``, the last then saying how many more there are.

    Example:
      >>> capped(["a", "b", "c"], limit=2)
      ['a', 'b', '… and 1 more']
    """
    listed = list(items)
    rest = len(listed) - limit
    return listed if rest <= 0 else [*listed[:limit], f"… and {rest:,} more"]
