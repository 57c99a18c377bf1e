"""What the writing scripts share: the registry, and the record of what was written.

Runs under Python 3.7 with TensorFlow 1.15 as well as under the newest of both, and
imports no TensorFlow: the scripts hand theirs in.

A golden is a function without arguments that writes a checkpoint into the current
directory and returns a ``Written``. What it expects of a reader is asked of
TensorFlow's own reader right after; values that the function hands in from memory must
agree with that, and stand alone where TensorFlow's reader refuses (sliced V1 files).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import names
from digests import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Written", "golden", "main"]

_HERE = Path(__file__).resolve().parent
_SMALL = 1000  # Above this many keys one digest stands for all: the record stays small.

_REGISTRY: dict[str, Callable[[], Written]] = {}


class Written(NamedTuple):
    """What a golden function wrote.

    Attributes:
      format: What a reader must call it.
      prefix: What to give to a reader, relative to the golden's directory.
      values: Values known from memory by key; all of them if TensorFlow cannot read
        the file, any of them otherwise.
      tf_prefix: What TensorFlow's reader needs instead of ``prefix``, if it does.
    """

    format: str = "name-based"
    prefix: str = "model.ckpt"
    values: Mapping[str, Any] | None = None
    tf_prefix: str | None = None


def golden(
    writer: Callable[[], Written], name: str | None = None
) -> Callable[[], Written]:
    """Register ``writer`` under ``name``, by default its own."""
    _REGISTRY[name or writer.__name__] = writer
    return writer


def _entry(dtype: str, shape: Any, value: Any) -> dict[str, Any]:
    known = value is not None
    return {
        "dtype": dtype,
        "shape": [int(length) for length in shape],
        "sha256": digest(value) if known else None,
    }


def _reader(tf: Any, prefix: str) -> Any:
    if prefix.endswith("/"):  # load_checkpoint takes it for a directory
        return tf.compat.v1.train.NewCheckpointReader(prefix)
    return tf.train.load_checkpoint(prefix)


def _value(reader: Any, key: str) -> Any:
    """Return what TensorFlow reads, None for a dtype without values (variant)."""
    try:
        return reader.get_tensor(key)
    except Exception as error:  # noqa: BLE001 - 1.15 raises bare ones of several kinds
        print(f"  {key}: {type(error).__name__}: {error}")  # noqa: T201 - a program
        return None


def _tensors(tf: Any, written: Written) -> dict[str, dict[str, Any]]:
    reader = _reader(tf, written.tf_prefix or written.prefix)
    shapes = reader.get_variable_to_shape_map()
    dtypes = reader.get_variable_to_dtype_map()
    known = dict(written.values or {})
    surplus = sorted(set(known) - set(shapes))
    if surplus:
        raise ValueError(f"values of {surplus} are known, but were not written")
    tensors = {}
    for key in sorted(shapes):
        read = _value(reader, key)
        if read is None or key not in known:
            value = known.get(key, read)
        else:
            value = read
            if digest(read) != digest(known[key]):
                raise ValueError(f"{key}: TensorFlow reads another value than it wrote")
        tensors[key] = _entry(dtypes[key].name, shapes[key], value)
    return tensors


def _record(tf: Any, written: Written) -> dict[str, Any]:
    tensors = _tensors(tf, written)
    record = {
        "prefix": written.prefix,
        "format": written.format,
        "writer": f"TensorFlow {tf.__version__}",
        "tensors": tensors,
    }
    if written.tf_prefix:
        record["tf_prefix"] = written.tf_prefix
    if len(tensors) > _SMALL:
        canonical = json.dumps(tensors, sort_keys=True).encode()
        record["tensors"] = None
        record["count"] = len(tensors)
        record["tensors_sha256"] = hashlib.sha256(canonical).hexdigest()
    return record


def _write(tf: Any, name: str, directory: Path) -> None:
    print(f"{directory.name}/{name}")  # noqa: T201 - a program
    start = Path.cwd()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        try:
            # Relative paths only: no path of this machine gets into a file.
            record = _record(tf, _REGISTRY[name]())
        finally:
            os.chdir(str(start))
        text = json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False)
        Path(scratch, "expected.json").write_text(text + "\n", encoding="utf-8")
        target = directory / name
        if target.exists():
            shutil.rmtree(str(target))
        shutil.copytree(scratch, str(target))


def main(tf: Any, writer: str) -> None:
    """Write every golden of ``writer``, or those of ``--only``.

    Args:
      tf: The TensorFlow that writes.
      writer: The name of the directory to write into.
    """
    parser = argparse.ArgumentParser(description="Write golden checkpoints.")
    parser.add_argument("--only", nargs="*", help="names of goldens; all by default")
    mine = names.GOLDENS[writer]
    chosen = parser.parse_args().only or mine
    astray = set(mine) - set(_REGISTRY)
    astray |= set(_REGISTRY) - set().union(*names.GOLDENS.values())
    if astray:
        raise SystemExit(f"names.py and the scripts differ in {sorted(astray)}")
    for name in chosen:
        _write(tf, name, _HERE / writer)
