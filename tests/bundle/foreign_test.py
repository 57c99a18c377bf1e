import bz2
import gzip
import io
import lzma
import pickle
import zipfile

import numpy as np
import pytest

from tests.bundle.files import GOLDENS, write_checkpoint
from tf_ckpt_migrate.bundle.foreign import what_is
from tf_ckpt_migrate.bundle.reader import BundleReader
from tf_ckpt_migrate.errors import NotACheckpointError


def _zip():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("config.json", "{}")
    return file.getvalue()


def _npy():
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


# A GraphDef of one node, {name: "input", op: "Placeholder"}.
NODE = b"\x0a\x05input\x12\x0bPlaceholder"
GRAPH = b"\x0a" + bytes([len(NODE)]) + NODE
BIG_NODE = b"\x0a\x05input" + bytes(200)
BIG_GRAPH = b"\x0a\xcf\x01" + BIG_NODE


@pytest.mark.parametrize(
    ("data", "meaning"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"\x89HDF\r\n\x1a\n" + bytes(8), "HDF5"),
        (_zip(), "zip archive"),
        (gzip.compress(b"x", mtime=0), "gzip"),
        (bz2.compress(b"x"), "bzip2"),
        (lzma.compress(b"x"), "xz"),
        (_npy(), "NumPy array"),
        (pickle.dumps({"w": 1}, protocol=2), "Python pickle"),
        (b"\n <!DOCTYPE html><html>", "web page"),
        (b"<?xml version='1.0'?>", "web page"),
        (GRAPH, "serialized graph"),
        (BIG_GRAPH, "serialized graph"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # zip holds the time
)
def test_a_known_kind_is_recognised(tmp_path, data, meaning):
    path = tmp_path / "file"
    path.write_bytes(data)
    assert meaning in what_is(str(path))


def test_a_graph_is_recognised_by_its_suffix(tmp_path):
    path = tmp_path / "saved_model.pb"
    path.write_bytes(b"\x08\x01")
    assert "serialized graph" in what_is(str(path))


@pytest.mark.parametrize(
    "data", [b"", b"\x0a", b"\x0a\x05\x0a\x03\xff\xff\xff\xff", b"?"]
)
def test_the_unknown_stays_unknown(tmp_path, data):
    path = tmp_path / "file"
    path.write_bytes(data)
    assert what_is(str(path)) is None


def test_no_index_and_no_v1_file_of_tensorflow_is_taken_for_another():
    found = [
        *GOLDENS.rglob("*.index"),
        *(path for path in GOLDENS.glob("*/*v1*/**/*") if "ckpt" in path.name),
    ]
    assert len(found) > 100
    assert [path for path in found if path.is_file() and what_is(str(path))] == []


@pytest.mark.parametrize(
    "head", [b"PK\x03\x04", b"<html><b", b"\x93NUMPY\0\0", b"BZh9"]
)
def test_a_shard_may_begin_with_any_bytes(tmp_path, head):
    prefix = str(tmp_path / "m")
    value = np.frombuffer(head, np.uint8)
    write_checkpoint(prefix, {"w": value})
    assert np.array_equal(BundleReader(prefix).read("w"), value)


def told_of(path, data, *others):
    for other in others:
        (path.parent / other).write_bytes(b"whole")
    path.write_bytes(data)
    return what_is(str(path))


@pytest.mark.parametrize("name", ["m.index", "m.data-00000-of-00001", "m"])
def test_a_link_that_was_written_as_text(tmp_path, name):
    target = name.replace("m", "m-10", 1).encode()
    told = told_of(tmp_path / name, target, target.decode())
    assert f"the text of a symbolic link to {target.decode()!r}" in told
    assert f"copy {str(tmp_path / target.decode())!r} in its place" in told


@pytest.mark.parametrize("target", [b"m-1.index", b"../run/m.index\n", b"/x/m.index"])
def test_a_link_to_a_file_that_is_not_looked_for_or_not_there(tmp_path, target):
    told = told_of(tmp_path / "m.index", target)
    assert "copy the file that it names in its place" in told


@pytest.mark.parametrize(
    "text", [b"m", b"there/m", b"no-file", b"m.index\nm.index", b"", b"x" * 2000]
)
def test_other_text_is_no_link(tmp_path, text):
    assert told_of(tmp_path / "m", text, "other") is None


def test_a_small_shard_that_is_a_pointer_or_a_link_is_not_read(tmp_path):
    prefix = str(tmp_path / "m")
    write_checkpoint(prefix, {"a": np.zeros(2, np.float32), "b": np.float32(1)})
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
    link = b"other/place/m-10.data-00000-of-00001"
    for text, name in ((pointer, "Git LFS"), (link, "symbolic link")):
        (tmp_path / "m.data-00000-of-00001").write_bytes(text)
        for verify in (True, False):
            for index in (None, ...):
                with pytest.raises(NotACheckpointError, match=name):
                    BundleReader(prefix, verify=verify).read("b", index)
