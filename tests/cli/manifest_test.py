"""The command ``manifest`` writes names down."""

import json

from tf_ckpt_migrate.conversion.manifest import NameManifest


def test_printed_and_written(command, goldens, tmp_path):
    adam = goldens / "tf1_15/optimizer_adam/model.ckpt"
    printed = command("manifest", adam)
    assert printed.status == 0
    assert "\n  net/w: float32[2, 3] + Adam, Adam_1\n" in printed.out
    file = tmp_path / "names.yaml"
    told = f"{file}: 9 names\n"
    assert command("manifest", adam, "--output", file) == (0, told, "")
    assert file.read_text() == printed.out
    assert NameManifest.load(file) == NameManifest.from_checkpoint(adam)


def test_roles_and_json(command, goldens):
    adam = goldens / "tf1_15/optimizer_adam/model.ckpt"
    roles = "--drop_role=slot", "--drop-role=optimizer"
    content = json.loads(command("manifest", adam, *roles, "--output_format=json").out)
    assert [*content["specs"]] == ["global_step", "net/b", "net/w"]
    assert command("manifest", adam, "--drop_role=slots").status == 2


def test_no_checkpoint(command, tmp_path):
    assert command("manifest", tmp_path / "none").status == 1
