"""Checkpoints for the tests of conversions, and what they are compared by."""

import os
import shutil
from pathlib import Path

import numpy as np

from tests.goldens.names import GOLDENS
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader, load_checkpoint
from tf_ckpt_migrate.conversion.contents import Value
from tf_ckpt_migrate.conversion.output import write_output
from tf_ckpt_migrate.errors import UnsupportedDTypeError
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
    """Return every value as bytes that compare."""
    reader = load_checkpoint(checkpoint)
    return {
        key: repr((str(spec), _value(reader, key))).encode()
        for key, spec in reader.specs.items()
    }


def _value(reader, key):
    try:
        array = reader[key]
    except UnsupportedDTypeError:  # variants, and what an old ml-dtypes does not know
        return [_stored(place) for place in reader.places(key)]
    return array.tolist() if array.dtype == object else array.tobytes()


def _stored(place) -> bytes:
    with open(place.file, "rb") as file:
        file.seek(place.offset)
        return file.read(place.size)


def files_in(folder) -> dict[str, bytes]:
    """Return the names and the bytes of all files below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file()
    }
