"""What README.md and docs/ show is what happens.

A ``python`` block with ``>>>`` runs as a doctest, a ``shell`` or ``console`` block with
``$`` runs in a shell; the blocks of a page run in order, in one directory that holds
the checkpoints of CHECKPOINTS, and its Python blocks share their names.
"""

import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

# Prefix that a page may use: prefix of the golden checkpoint that it is.
CHECKPOINTS = {
    "old/model.ckpt-1000": "tests/goldens/tf1_15/optimizer_adam/model.ckpt",
    "momentum/model.ckpt-3": "tests/goldens/tf1_15/optimizer_momentum/model.ckpt",
    "ema/model.ckpt": "tests/goldens/tf1_15/ema/model.ckpt",
    "parts/model.ckpt": "tests/goldens/tf1_15/partitioned_adam/model.ckpt",
    "rnn/model.ckpt": "tests/goldens/tf1_15/rnn_gru/model.ckpt",
    "stack/model.ckpt": "tests/goldens/tf1_15/resume_rnn_stack/model.ckpt",
    "bert/model.ckpt": "tests/goldens/tf1_15/whole_bert/model.ckpt",
    "slim/model.ckpt": "tests/goldens/tf1_15/layers_contrib/model.ckpt",
    "model/ckpt-1": "tests/goldens/tf2_21/checkpoint_slots/ckpt-1",
}

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ ((?:.+\\\n)*.+)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


class Block(NamedTuple):
    language: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(found[1], found[2], text[: found.start(2)].count("\n"))
        for found in BLOCK.finditer(text)
    ]


def page_param(page: Path):
    needs_tf = any("import tensorflow" in block.text for block in blocks(page))
    marks = [pytest.mark.tf] if needs_tf else []
    return pytest.param(page, marks=marks, id=str(page.relative_to(ROOT)))


@pytest.mark.parametrize("page", [page_param(page) for page in PAGES])
def test_every_block_gives_what_the_page_says(page, tmp_path, monkeypatch):
    place_checkpoints(tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks(page):
        if block.language == "python" and ">>> " in block.text:
            run_python(block, page, names)
        elif block.language in {"shell", "console"}:
            run_shell(block, page)


def place_checkpoints(folder: Path) -> None:
    for prefix, golden in CHECKPOINTS.items():
        source = ROOT / golden
        for file in source.parent.glob(f"{source.name}.*"):
            target = folder / f"{prefix}{file.name.removeprefix(source.name)}"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)


def run_python(block: Block, page: Path, names: dict[str, object]) -> None:
    parser = doctest.DocTestParser()
    test = parser.get_doctest(block.text, {}, page.name, str(page), block.line)
    test.globs = names
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
    runner.run(test, out=report.append, clear_globs=False)
    assert not runner.failures, "".join(report)


def run_shell(block: Block, page: Path) -> None:
    scripts = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {**os.environ, "PATH": scripts, "COLUMNS": "88"}
    for command, expected in COMMAND.findall(block.text):
        done = subprocess.run(
            ["bash", "-c", command],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        same = doctest.OutputChecker().check_output(expected, done.stdout, FLAGS)
        where = f"{page.name}:{block.line}: $ {command}"
        assert same, f"{where}\nexpected:\n{expected}\ngot:\n{done.stdout}"


def test_the_first_screen_has_the_two_commands():
    first, second = [b for b in blocks(ROOT / "README.md") if b.language == "shell"][:2]
    assert first.text == "python3 examples/main_job.py\n"
    assert second.text == "python3 run_tests.py\n"
    assert second.line < 40
    assert second.text in (ROOT / ".ci" / "run").read_text().splitlines(keepends=True)


def test_a_page_that_is_wrong_fails(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```console\n$ echo a; echo \\\n  b\na\n...\n$ echo c\nd\n```\n")
    with pytest.raises(AssertionError, match=r"page\.md:1: \$ echo c"):
        run_shell(blocks(page)[0], page)
    page.write_text("```python\n>>> 1 + 1\n3\n```\n")
    with pytest.raises(AssertionError, match=r"(?s)Expected:\s+3\s+Got:\s+2"):
        run_python(blocks(page)[0], page, {})
