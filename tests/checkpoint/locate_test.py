"""Every path that stands for a checkpoint is understood, and no other is guessed at."""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from pathlib import Path

import pytest

from tf_ckpt_migrate.checkpoint.locate import locate
from tf_ckpt_migrate.checkpoint.ordering import by_numbers
from tf_ckpt_migrate.checkpoint.reader import load_checkpoint
from tf_ckpt_migrate.errors import (
    AmbiguousCheckpointError,
    CheckpointNotFoundError,
    CorruptCheckpointError,
    MissingShardError,
    NotACheckpointError,
)


def message(error, path):
    with pytest.raises(error) as caught:
        locate(path)
    return str(caught.value)


@pytest.mark.parametrize(
    "suffix", ["", ".index", ".data-00000-of-00001", ".meta"], ids=repr
)
def test_a_prefix_and_each_of_its_files(checkpoint, suffix):
    Path(checkpoint + ".meta").touch()
    assert locate(checkpoint + suffix).prefix == checkpoint


def test_a_path_object(checkpoint):
    assert locate(Path(checkpoint)).prefix == checkpoint


def test_a_state_file_and_its_directory(goldens):
    folder = goldens / "tf1_15/model_directory/run"
    latest = str(folder / "model.ckpt-3")
    assert locate(folder).prefix == latest
    assert locate(folder / "checkpoint").prefix == latest
    assert locate(folder).notes == ()


def test_the_state_file_counts_beside_other_checkpoints(goldens):
    older = goldens / "tf1_15/model_directory/run/model.ckpt-2"
    assert locate(older).prefix == str(older)


def test_an_absolute_path_of_a_machine_that_is_gone(goldens):
    folder = goldens / "tf1_15/model_directory_elsewhere/run"
    found = locate(folder)
    assert found.prefix == str(folder / "model.ckpt-3")
    (note,) = found.notes
    state = str(folder / "checkpoint")
    assert note.startswith(f"{state!r} names '/gone/machine/model/model.ckpt-3', which")
    assert note.endswith(f"is gone; {found.prefix!r} is read instead")


def test_a_state_file_that_names_a_deleted_checkpoint(copied):
    folder = copied("tf1_15/model_directory") / "run"
    for file in folder.glob("model.ckpt-3*"):
        file.unlink()
    text = message(CheckpointNotFoundError, folder)
    assert "names 'model.ckpt-3' as the latest checkpoint, but it is not there" in text
    assert f"there are: {str(folder / 'model.ckpt-2')!r}" in text


def test_a_state_file_that_is_none(copied):
    folder = copied("tf1_15/model_directory") / "run"
    (folder / "checkpoint").write_text("<html>")
    assert "line 1: not a field of a checkpoint state file" in message(
        CorruptCheckpointError, folder
    )


def test_a_directory_with_one_checkpoint(checkpoint):
    folder = os.path.dirname(checkpoint)
    found = locate(folder)
    assert found.prefix == checkpoint
    assert found.notes == (f"{checkpoint!r} is the only checkpoint in {folder!r}",)


def test_a_prefix_that_is_a_folder_too(checkpoint):
    prefix = checkpoint
    os.mkdir(prefix)
    for end in (".index", ".data-00000-of-00001"):
        shutil.copy(prefix + end, os.path.join(prefix, "x" + end))
    found = locate(prefix)
    assert found.prefix == prefix
    inside = os.path.join(prefix, "")
    assert found.notes == (
        f"{prefix!r} is a folder too; for what is in it give {inside!r}",
    )
    assert locate(inside).prefix == os.path.join(prefix, "x")
    Path(prefix, "checkpoint").write_text('model_checkpoint_path: "x"')
    assert locate(prefix).prefix == os.path.join(prefix, "x")


def test_a_directory_with_several_candidates_lists_them_by_number(copied):
    folder = copied("tf1_15/model_directory") / "run"
    (folder / "checkpoint").unlink()
    for suffix in (".index", ".data-00000-of-00001"):
        (folder / f"model.ckpt-3{suffix}").rename(folder / f"model.ckpt-10{suffix}")
    text = message(AmbiguousCheckpointError, folder)
    older, newer = (str(folder / f"model.ckpt-{step}") for step in (2, 10))
    told = f"holds 2 checkpoints and no 'checkpoint' file that says which: {older!r}, "
    assert told in text
    assert text.index(repr(older)) < text.index(repr(newer))
    assert text.endswith(f"give the prefix of one, such as {newer!r}")


def test_a_saved_model_and_what_is_in_it(goldens):
    model = goldens / "tf1_15/saved_model/model"
    prefix = str(model / "variables/variables")
    for path in (model, model / "saved_model.pb", model / "variables", prefix):
        found = locate(path)
        assert (found.prefix, found.saved_model) == (prefix, True), path


@pytest.mark.parametrize(
    ("golden", "prefix"),
    [
        ("tf1_15/empty_basename/run/", ""),
        ("tf1_15/braces/model_{}-{epoch:02d}.ckpt", ""),
        ("tf1_15/braces/model_{}-{epoch:02d}.ckpt.index", ".index"),
    ],
)
def test_odd_basenames(goldens, golden, prefix):
    path = f"{goldens}/{golden}"
    assert locate(path).prefix == path.removesuffix(prefix)


def test_a_link_to_a_directory_and_links_to_files(checkpoint, tmp_path):
    linked = tmp_path / "linked"
    linked.symlink_to(os.path.dirname(checkpoint))
    assert locate(linked).prefix == str(linked / "model.ckpt")
    folder = tmp_path / "files"
    folder.mkdir()
    for file in Path(checkpoint).parent.glob("model.ckpt.*"):
        (folder / file.name).symlink_to(file)
    assert locate(folder / "model.ckpt").prefix == str(folder / "model.ckpt")


def test_a_v1_file(goldens):
    path = str(goldens / "tf1_15/saver_v1/model.ckpt")
    found = locate(path)
    assert (found.prefix, found.v1_files) == (path, (path,))


def test_v2_wins_over_v1_of_the_same_prefix_and_says_so(goldens):
    path = str(goldens / "tf1_15/saver_v1_and_v2/model.ckpt")
    found = locate(path)
    assert (found.prefix, found.v1_files) == (path, ())
    (note,) = found.notes
    assert note.startswith(f"{path!r} is of a V1 checkpoint of the same prefix")
    assert note.endswith("the one with an index is read, as TensorFlow does")


def test_a_sharded_v1_checkpoint_by_prefix_shard_pattern_and_directory(goldens):
    folder = goldens / "tf1_15/sliced_v1_sharded"
    shards = tuple(str(folder / f"model.ckpt-0000{i}-of-00003") for i in range(3))
    prefix = str(folder / "model.ckpt")
    for path in (prefix, shards[1], f"{prefix}-?????-of-00003", folder):
        found = locate(path)
        assert (found.prefix, found.v1_files) == (prefix, shards), path


def test_a_state_file_with_the_pattern_of_v1_shards(goldens):
    folder = goldens / "tf1_15/model_directory_v1_sharded/run"
    assert locate(folder).prefix == str(folder / "model.ckpt-3")


def test_a_sharded_v1_checkpoint_with_a_shard_missing(copied):
    folder = copied("tf1_15/sliced_v1_sharded")
    (folder / "model.ckpt-00001-of-00003").unlink()
    text = message(MissingShardError, folder / "model.ckpt")
    assert "has 2 of 3 shards" in text
    assert "copy the missing ones here too" in text


def test_no_directory(tmp_path):
    path = str(tmp_path / "gone" / "model.ckpt")
    assert message(CheckpointNotFoundError, path) == (
        f"no checkpoint at {path!r}: there is no directory {str(tmp_path / 'gone')!r}"
    )


def test_a_misspelt_prefix_is_told_the_nearest(checkpoint):
    path = checkpoint.replace("model.ckpt", "model.ckp")
    folder = os.path.dirname(checkpoint)
    assert message(CheckpointNotFoundError, path) == (
        f"no checkpoint at {path!r}; in {folder!r} there is: {checkpoint!r}"
    )


def test_a_url_that_pathlib_has_shortened():
    told = message(CheckpointNotFoundError, Path("s3://bucket/m"))
    assert told.endswith(
        "there is no directory 's3:/bucket'; a URL has two slashes, 's3://bucket/m': "
        "pathlib takes one away, so give it as text"
    )
    for path in ("no/such:/m", "C:/no/m", "no/such/m"):
        assert "slashes" not in message(CheckpointNotFoundError, path)


def test_an_empty_directory(tmp_path):
    assert message(CheckpointNotFoundError, tmp_path).endswith(
        f"in {str(tmp_path)!r} there is none"
    )


def test_shards_without_their_index(checkpoint):
    os.remove(f"{checkpoint}.index")
    text = message(CheckpointNotFoundError, checkpoint)
    assert text.startswith(f"'{checkpoint}.index' is missing: data shards of ")
    assert message(CheckpointNotFoundError, f"{checkpoint}.data-00000-of-00001") == text


def _zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")


# A NodeDef named "x", of op "Const", in a GraphDef.
_GRAPH_DEF = b"\x0a\x0a\x0a\x01x\x12\x05Const"


@pytest.mark.parametrize(
    ("name", "content", "kind", "advice"),
    [
        (
            "model.ckpt",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n",
            "a Git LFS pointer, not the file itself",
            "git lfs pull",
        ),
        (
            "model.ckpt",
            b"<!DOCTYPE html><html>Sign in</html>",
            "a web page",
            "download it again",
        ),
        ("weights.h5", b"\x89HDF\r\n\x1a\n", "an HDF5 file", "load it with Keras"),
        ("frozen.pb", _GRAPH_DEF, "a serialized graph", "variables/variables"),
        ("graph", _GRAPH_DEF, "a serialized graph", "variables/variables"),
        ("model.tar.gz", b"\x1f\x8b\x08", "gzip-compressed", "unpack it first"),
        ("notes.txt", b"hello", "not the file of a checkpoint", "TensorFlow table"),
    ],
)
def test_other_files_are_named_with_what_to_do(tmp_path, name, content, kind, advice):
    path = tmp_path / name
    path.write_bytes(content)
    text = message(NotACheckpointError, path)
    assert text.startswith(f"{str(path)!r} is {kind}")
    assert advice in text


def test_a_keras_file(tmp_path):
    path = tmp_path / "model.keras"
    _zip(path)
    assert re.search(
        r"is a zip archive .*load_model", message(NotACheckpointError, path)
    )


def test_a_directory_of_which_only_the_index_came(checkpoint):
    os.remove(f"{checkpoint}.data-00000-of-00001")
    assert locate(checkpoint).prefix == checkpoint  # it can be listed


def test_a_relative_path(checkpoint, monkeypatch):
    monkeypatch.chdir(os.path.dirname(checkpoint))
    assert locate("model.ckpt").prefix == "model.ckpt"
    shutil.copy("model.ckpt.index", "other.index")
    assert message(CheckpointNotFoundError, "othr").endswith("'other'")


@pytest.mark.parametrize("state", [None, ".", ""])
def test_a_prefix_of_an_empty_name(checkpoint, tmp_path, state):
    """As Keras' ``save_weights("weights/")`` writes it, its state file too."""
    folder = tmp_path / "weights"
    folder.mkdir()
    for end in (".index", ".data-00000-of-00001"):
        shutil.copy(checkpoint + end, folder / end)
    if state is not None:
        text = f'model_checkpoint_path: "{state}"\nall_model_checkpoint_paths: "."\n'
        (folder / "checkpoint").write_text(text)
    prefix = f"{folder}{os.sep}"
    paths = [folder, prefix, f"{folder}/.", folder / ".index"]
    for path in [*paths, *folder.glob("checkpoint")]:
        assert os.path.normpath(locate(path).prefix + "x") == str(folder / "x"), path
    assert locate(locate(folder).prefix) == locate(prefix)
    assert len(load_checkpoint(locate(folder).prefix)) == 4


def test_a_name_of_many_digits_is_sorted(checkpoint, tmp_path):
    names = ["9" * 200, "1" + "0" * 200, "2", "010"]
    for name in names:
        shutil.copy(f"{checkpoint}.index", tmp_path / f"{name}.index")
    ordered = [names[2], names[3], names[0], names[1]]
    assert sorted(names, key=by_numbers) == ordered
    assert sorted(["1" * 5_000, "2"], key=by_numbers)[0] == "2"
    text = message(AmbiguousCheckpointError, tmp_path)
    assert [text.index(repr(str(tmp_path / name))) for name in ordered] == sorted(
        text.index(repr(str(tmp_path / name))) for name in ordered
    )
