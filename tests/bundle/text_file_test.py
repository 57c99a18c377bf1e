"""Text never replaces a file of a checkpoint, and is told from one."""

from __future__ import annotations

import os
import shutil

import pytest

from tf_ckpt_migrate.bundle.text_file import read_text, write_text
from tf_ckpt_migrate.errors import NotTextError, OutputExistsError


@pytest.mark.parametrize("end", ["index", "data-00000-of-00001", "meta"])
def test_no_file_of_a_checkpoint_is_replaced(goldens, tmp_path, end):
    index = goldens / "tf1_15/optimizer_adam/model.ckpt.index"
    file = tmp_path / f"m.{end}"
    shutil.copy(index, file)
    with pytest.raises(OutputExistsError, match="is a file of a checkpoint"):
        write_text(file, "text")
    assert file.read_bytes() == index.read_bytes()


def test_a_v1_file_is_known_by_its_content(goldens, tmp_path):
    shutil.copy(goldens / "tf1_15/optimizer_adam/model.ckpt.index", tmp_path / "m.ckpt")
    with pytest.raises(OutputExistsError):
        write_text(tmp_path / "m.ckpt", "text")
    with pytest.raises(NotTextError, match="it is a file of a checkpoint"):
        read_text(tmp_path / "m.ckpt")


def test_a_link_is_not_written_through(tmp_path):
    (tmp_path / "a").write_text("old")
    os.link(tmp_path / "a", tmp_path / "b")
    write_text(tmp_path / "b", "new")
    assert (read_text(tmp_path / "a"), read_text(tmp_path / "b")) == ("old", "new")


def test_folders_are_made(tmp_path):
    write_text(tmp_path / "new/plan.yaml", "text")
    assert os.listdir(tmp_path / "new") == ["plan.yaml"]
