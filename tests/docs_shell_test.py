"""The commands of docs/shell.md print what stands below them."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

from tf_ckpt_migrate.cli.main import main

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "shell.md"
BLOCK = re.compile(r"(?ms)(?<=^```console\n).*?(?=^```$)")


def test_every_command_prints_what_stands_below_it(tmp_path, monkeypatch, capsys):
    golden = ROOT / "tests" / "goldens" / "tf1_15" / "optimizer_adam"
    shutil.copytree(golden, tmp_path / "train")
    monkeypatch.chdir(tmp_path)

    def run(block: re.Match[str]) -> str:
        commands = [line for line in block[0].splitlines() if line.startswith("$ ")]
        shown = ""
        for command in commands:
            program, *arguments = shlex.split(command[2:])
            assert program == "tf-ckpt-migrate"
            status = main(arguments)
            printed = capsys.readouterr()
            shown += f"{command}\n{printed.err}{printed.out}"
            shown += f"[exit code {status}]\n" if status else ""
        return shown

    text = PAGE.read_text(encoding="utf-8")
    ran = BLOCK.sub(run, text)
    if ran != text:  # what is right, to be looked at and taken over
        (tmp_path / PAGE.name).write_text(ran, encoding="utf-8")
    assert ran == text
