"""Checkpoints for the tests of conversions, and what they are compared by."""

import os
import shutil
from pathlib import Path

import numpy as np

from tests.goldens.names import GOLDENS
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader, load_checkpoint
from tf_ckpt_migrate.conversion.output import Value, write_output
from tf_ckpt_migrate.table.reader import TableReader
from tf_ckpt_migrate.transforms import spec_of

GOLDEN_FOLDER = Path(__file__).parent.parent / "goldens"


def golden(name: str) -> CheckpointReader:
    """Return the reader of a golden, ``tf2_21/saver_v2``."""
    import json

    folder = GOLDEN_FOLDER / name
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    return load_checkpoint(os.path.join(folder, expected["prefix"]))


def goldens(wanted) -> list[str]:
    """Return the names of the goldens whose readers fulfil a condition."""
    names = [f"{writer}/{name}" for writer in GOLDENS for name in GOLDENS[writer]]
    return [name for name in names if wanted(golden(name))]


def is_name_based(reader: CheckpointReader) -> bool:
    return reader.object_graph is None


def is_object_based(reader: CheckpointReader) -> bool:
    return reader.object_graph is not None and str(reader.format) != "dual-keyed"


def write(prefix, tensors) -> str:
    """Write a name-based checkpoint with our own writer."""
    arrays = {name: np.asarray(value) for name, value in tensors.items()}
    write_output(
        str(prefix),
        {
            name: Value(spec_of(array), lambda array=array: array)
            for name, array in arrays.items()
        },
    )
    return str(prefix)


def copied(reader: CheckpointReader, folder) -> str:
    """Copy the files of a checkpoint; return the prefix of the copy."""
    for path in reader.files:
        shutil.copy(path, folder)
    return os.path.join(folder, os.path.basename(reader.prefix))


def index_entries(prefix) -> dict[bytes, bytes]:
    """Return what is in an index, but the header, as it is in the file."""
    path = f"{os.fspath(prefix)}.index"
    entries = dict(TableReader(Path(path).read_bytes(), path))
    del entries[b""]
    return entries


def values(checkpoint) -> dict[str, bytes]:
    """Return every value that NumPy can hold, as bytes that compare."""
    reader = load_checkpoint(checkpoint)
    found = {}
    for key, spec in reader.specs.items():
        if spec.dtype.name not in ("variant", "resource"):
            array = reader[key]
            plain = array.tolist() if array.dtype == object else array.tobytes()
            found[key] = repr((str(spec), plain)).encode()
    return found


def files_in(folder) -> dict[str, bytes]:
    """Return the names and the bytes of all files below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file()
    }
