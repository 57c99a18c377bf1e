"""Our reader and TensorFlow's agree on every checkpoint there is.

On every golden, in an environment without TensorFlow too, by what TensorFlow said when
it wrote it; on the goldens and on real checkpoints of other people, by asking the
TensorFlow that is installed.
"""

import hashlib
import io
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import pytest

from tests.goldens.digests import digest
from tests.goldens.names import GOLDENS
from tf_ckpt_migrate.checkpoint.reader import (
    CheckpointFormat,
    list_variables,
    load_checkpoint,
)
from tf_ckpt_migrate.errors import CheckpointError, UnsupportedDTypeError
from tf_ckpt_migrate.table.reader import TableReader
from tf_ckpt_migrate.table.writer import write_table

HERE = Path(__file__).parent
CORPUS = Path(
    os.environ.get("TF_CKPT_MIGRATE_CORPUS") or HERE.parent.parent / "shared" / "corpus"
)


class Golden(NamedTuple):
    directory: Path
    expected: dict[str, Any]

    @property
    def prefix(self) -> str:
        return os.path.join(self.directory, self.expected["prefix"])

    @property
    def tf_prefix(self) -> str:
        return os.path.join(
            self.directory, self.expected.get("tf_prefix", self.expected["prefix"])
        )


def _golden(directory: Path) -> Golden:
    text = (directory / "expected.json").read_text(encoding="utf-8")
    return Golden(directory, json.loads(text))


def _corpus() -> list[Any]:
    catalog = CORPUS / "CATALOG.json"
    if not catalog.is_file():
        return [pytest.param(None, marks=pytest.mark.skip(reason="corpus absent"))]
    entries = json.loads(catalog.read_text(encoding="utf-8"))
    return [pytest.param(entry, id=entry["id"]) for entry in entries]


NAMES = [f"{writer}/{name}" for writer in GOLDENS for name in GOLDENS[writer]]
each_golden = pytest.mark.parametrize("name", NAMES)
each_corpus_entry = pytest.mark.parametrize("entry", _corpus())


def _has_numpy_form(dtype: str) -> bool:
    """Whether values can be read: ml-dtypes as old as TF 2.15's lacks the newest."""
    newest = dtype in ("float4_e2m1fn", "int2", "uint2")
    return dtype not in ("variant", "resource") and not (
        newest and not hasattr(ml_dtypes, dtype)
    )


def _found(reader: Any, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return tensors as they are recorded; each map is a call that lists all keys."""
    dtypes = reader.get_variable_to_dtype_map()
    shapes = reader.get_variable_to_shape_map()
    return {
        key: {
            "dtype": dtypes[key].name,
            "shape": shapes[key],
            "sha256": digest(reader.get_tensor(key))
            if _has_numpy_form(dtypes[key].name)
            else None,
        }
        for key in keys
    }


def _as_readable_here(recorded: dict[str, Any]) -> dict[str, Any]:
    known = _has_numpy_form(recorded["dtype"])
    return recorded if known else {**recorded, "sha256": None}


@each_golden
def test_a_golden_reads_as_tensorflow_recorded_it(name):
    golden = _golden(HERE / "goldens" / name)
    expected = golden.expected
    reader = load_checkpoint(golden.prefix)
    found = _found(reader, sorted(reader))
    if expected["tensors"] is None:  # too many to list
        canonical = json.dumps(found, sort_keys=True).encode()
        assert len(found) == expected["count"]
        assert hashlib.sha256(canonical).hexdigest() == expected["tensors_sha256"]
    else:
        recorded = expected["tensors"].items()
        assert found == {key: _as_readable_here(tensor) for key, tensor in recorded}


@each_golden
def test_a_golden_is_called_what_it_is(name):
    golden = _golden(HERE / "goldens" / name)
    format_ = golden.expected["format"].upper().replace("-", "_")
    assert load_checkpoint(golden.prefix).format is CheckpointFormat[format_]


@each_golden
def test_a_golden_is_found_by_the_name_that_tensorflow_needs(name):
    golden = _golden(HERE / "goldens" / name)
    assert list_variables(golden.tf_prefix) == list_variables(golden.prefix)


@each_golden
def test_values_without_a_numpy_form_are_refused_by_name(name):
    golden = _golden(HERE / "goldens" / name)
    tensors = golden.expected["tensors"] or {}
    reader = load_checkpoint(golden.prefix)
    for key, tensor in tensors.items():
        if not _has_numpy_form(tensor["dtype"]):
            with pytest.raises(UnsupportedDTypeError, match=tensor["dtype"]):
                reader.get_tensor(key)


@each_golden
def test_a_slice_equals_the_slice_of_the_whole(name):
    reader = load_checkpoint(_golden(HERE / "goldens" / name).prefix)
    for key, spec in list(reader.specs.items())[:100]:
        readable = spec.dtype.name != "string" and _has_numpy_form(spec.dtype.name)
        if spec.shape and readable:
            rows = reader.get_tensor(key, slice(1, 3))
            whole = reader.get_tensor(key)[1:3]
            assert (rows.dtype, rows.shape) == (whole.dtype, whole.shape), key
            assert digest(rows) == digest(whole), key


@each_golden
def test_checksums_fit_and_change_nothing(name):
    prefix = _golden(HERE / "goldens" / name).prefix
    checked, trusted = load_checkpoint(prefix), load_checkpoint(prefix, verify=False)
    keys = list(checked)[:100]
    for key in keys:
        checked.check(key)
    assert _found(checked, keys) == _found(trusted, keys)


@pytest.mark.tf
@pytest.mark.parametrize("name", [name for name in NAMES if "sliced_v1" in name])
def test_a_sliced_v1_file_reads_as_tensorflow_restores_it(name):
    """TensorFlow's reader refuses the file, its restore operation does not."""
    import tensorflow as tf

    golden = _golden(HERE / "goldens" / name)
    reader = load_checkpoint(golden.prefix)
    specs = reader.specs
    restored = tf.raw_ops.RestoreV2(
        prefix=golden.tf_prefix,
        tensor_names=list(specs),
        shape_and_slices=[""] * len(specs),
        dtypes=[spec.dtype.value for spec in specs.values()],
    )
    for key, value in zip(specs, restored, strict=True):
        assert digest(reader.get_tensor(key)) == digest(value.numpy()), key


def _tf_reader(prefix: str) -> Any:
    import tensorflow as tf

    if prefix.endswith("/"):  # load_checkpoint takes it for a directory
        return tf.compat.v1.train.NewCheckpointReader(prefix)
    return tf.train.load_checkpoint(prefix)


def _tf_value(reader: Any, key: str) -> Any:
    """Return TensorFlow's value, or the exception with which it refuses one."""
    try:
        return reader.get_tensor(key)
    except Exception as error:  # noqa: BLE001 - compared with what we know it refuses
        return error


def _assert_same(ours: Any, theirs: Any, key: str) -> None:
    assert type(ours) is type(theirs), key
    if isinstance(theirs, bytes):
        assert ours == theirs, key
        return
    assert ours.dtype == theirs.dtype, key
    assert ours.shape == theirs.shape, key
    assert digest(ours) == digest(theirs), key


def _assert_agree(ours: Any, theirs: Any) -> list[str]:
    """Compare two readers; return the keys whose values TensorFlow refuses."""
    shapes = theirs.get_variable_to_shape_map()
    assert ours.get_variable_to_shape_map() == shapes
    assert ours.get_variable_to_dtype_map() == theirs.get_variable_to_dtype_map()
    assert sorted(ours) == sorted(shapes)
    assert all(ours.has_tensor(key) and theirs.has_tensor(key) for key in shapes)
    refused = []
    for key in shapes:
        value = _tf_value(theirs, key)
        if isinstance(value, Exception):
            refused.append(key)
        else:
            _assert_same(ours.get_tensor(key), value, key)
    return refused


def _is_older(expected: dict[str, Any]) -> bool:
    """Return whether this TensorFlow is too old to know the dtypes of a golden."""
    import tensorflow as tf

    try:
        for tensor in (expected["tensors"] or {}).values():
            tf.as_dtype(tensor["dtype"])
    except TypeError:
        return True
    return False


def _assert_same_listing(ours: Any, theirs: Any) -> None:
    if ours.format is CheckpointFormat.V1:  # TensorFlow's order is that of a hash
        lines = sorted(ours.debug_string().splitlines())
        assert lines == sorted(theirs.debug_string().splitlines())
    else:
        assert ours.debug_string() == theirs.debug_string()


@pytest.mark.tf
@each_golden
def test_a_golden_reads_as_with_tensorflow(name):
    golden = _golden(HERE / "goldens" / name)
    reader, theirs = load_checkpoint(golden.prefix), _tf_reader(golden.tf_prefix)
    if _is_older(golden.expected):
        with pytest.raises(TypeError):
            theirs.get_variable_to_dtype_map()
        return
    refused = _assert_agree(reader, theirs)
    for key in refused:  # Ours reads sliced V1 files, and all dtypes of V1.
        dtype = reader.get_variable_to_dtype_map()[key].name
        assert reader.format is CheckpointFormat.V1 or dtype == "variant", key


@pytest.mark.tf
@each_golden
def test_a_golden_lists_as_with_tensorflow(name):
    golden = _golden(HERE / "goldens" / name)
    theirs = _tf_reader(golden.tf_prefix)
    if not _is_older(golden.expected):
        _assert_same_listing(load_checkpoint(golden.prefix), theirs)
    shapes = theirs.get_variable_to_shape_map()
    assert list_variables(golden.prefix) == sorted(shapes.items())


def _catalog_digest(reader: Any) -> str:
    """Return ``tensors_sha`` as the corpus's README defines it."""
    total = hashlib.sha256()
    for key in sorted(reader):
        value = np.asarray(reader.get_tensor(key))
        total.update(key.encode())
        if value.dtype == object:
            total.update("".join(repr(e) for e in value.flat).encode())
        else:
            total.update(value.tobytes())
    return total.hexdigest()[:16]


@each_corpus_entry
def test_a_real_checkpoint_has_the_digest_of_the_catalog(entry):
    prefix = str(CORPUS / entry["prefix"])
    if not entry["readable"]:
        with pytest.raises(CheckpointError, match=re.escape(Path(prefix).name)):
            _catalog_digest(load_checkpoint(prefix))
        return
    reader = load_checkpoint(prefix)
    assert len(reader) == entry["num_tensors"]
    assert (reader.object_graph is not None) == entry["object_based"]
    assert _catalog_digest(reader) == entry["tensors_sha"]


def _read_all(reader: Any) -> None:
    for key in reader.get_variable_to_shape_map():
        reader.get_tensor(key)


@pytest.mark.tf
@each_corpus_entry
def test_a_real_checkpoint_reads_as_with_tensorflow(entry):
    import tensorflow as tf

    prefix = str(CORPUS / entry["prefix"])
    if not entry["readable"]:
        with pytest.raises(tf.errors.OpError):
            _read_all(_tf_reader(prefix))
        return
    ours, theirs = load_checkpoint(prefix), _tf_reader(prefix)
    assert not _assert_agree(ours, theirs)
    _assert_same_listing(ours, theirs)


def _rewritten(index: Path) -> bytes:
    entries = TableReader(index.read_bytes(), str(index))
    file = io.BytesIO()
    write_table(file, [(key, bytes(value)) for key, value in entries])
    return file.getvalue()


@each_golden
def test_the_index_of_a_golden_is_written_byte_for_byte(name):
    for index in (HERE / "goldens" / name).rglob("*.index"):
        assert _rewritten(index) == index.read_bytes(), index


@each_corpus_entry
def test_the_index_of_a_real_checkpoint_is_written_byte_for_byte(entry):
    index = Path(f"{CORPUS / entry['prefix']}.index")
    if not entry["readable"] or not index.is_file():
        assert not entry["readable"] or entry["format"] == "v1"
        return
    rewritten = _rewritten(index)
    if entry["index_compression"] == "none":
        assert rewritten == index.read_bytes()
    else:
        again = TableReader(rewritten, "rewritten")
        assert list(again) == list(TableReader(index.read_bytes(), str(index)))
