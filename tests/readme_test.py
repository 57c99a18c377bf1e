"""What README.md and docs/ show is what happens.

A ``python`` block with ``>>>`` runs as a doctest, one without as a program; a ``shell``
or ``console`` block runs in a shell, each line with ``$``, and what follows is what it
prints. The blocks of a page run in order, in one directory that holds the checkpoints
of CHECKPOINTS, and its Python blocks share their names. A page that imports TensorFlow
or Keras runs where they are, with every version of them, unless it says which by
``<!-- runs on … -->`` ("Keras on JAX" is an environment without TensorFlow); one that
imports Apache Beam runs where that is. Blocks of other languages, or of none, are not
run: LANGUAGES has all that a page may use.
"""

import doctest
import importlib
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
    "dnn/model.ckpt-7": "tests/goldens/tf1_15/whole_dnn/run/model.ckpt-7",
    "v1/model.ckpt": "tests/goldens/tf1_15/saver_v1/model.ckpt",
    "keras2/weights": "tests/goldens/tf2_15/keras_weights/weights",
    "legacy/ckpt-1": "tests/goldens/tf2_15/keras_legacy_adam/ckpt-1",
    "keras3/ckpt-1": "tests/goldens/tf2_21/keras_optimizer_adam/ckpt-1",
    "bert/model.ckpt": "tests/goldens/tf1_15/whole_bert/model.ckpt",
    "slim/model.ckpt": "tests/goldens/tf1_15/layers_contrib/model.ckpt",
    "sliced/model.ckpt": "tests/goldens/tf1_15/sliced_v1_axis_0/model.ckpt",
    "model/ckpt-1": "tests/goldens/tf2_21/checkpoint_slots/ckpt-1",
    "variants/model.ckpt": "tests/goldens/tf2_21/variants/model.ckpt",
}

# What a page may say that it runs on; each is an environment of the matrix.
RUNS_ON = {
    "TensorFlow 2.15": lambda tf: tf.__version__.startswith("2.15."),
    "Keras 3": lambda tf: hasattr(tf.keras, "ops"),
}

ON_JAX = "Keras on JAX"
KERAS_ON_NUMPY_2 = "ignore:__array__ implementation doesn't accept a copy"

LANGUAGES = {"python", "shell", "console", "text", "yaml", "toml", ""}
NEEDS_TENSORFLOW = re.compile(
    r"^(?:>>> |\.\.\. )? *(?:import|from) (?:tensorflow|tf_keras|keras)\b", re.MULTILINE
)
NEEDS_BEAM = re.compile(r"^>>> import apache_beam\b", re.MULTILINE)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Every fence; a directive of the site, which has braces, is no block of a language.
FENCE = re.compile(
    r"^([ >]*)(`{3,}|~{3,})([^\n`{]*)(\{[^\n]*)?\n(.*?)^\1\2$", re.MULTILINE | re.DOTALL
)
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


def asked_of(page: Path) -> str:
    """Return what a page says that it runs on, or nothing."""
    text = page.read_text(encoding="utf-8")
    asked = re.search(r"^<!-- runs on (.*) -->$", text, re.MULTILINE)
    assert asked is None or asked[1] in {*RUNS_ON, ON_JAX}
    return asked[1] if asked else ""


def page_param(page: Path):
    needs_tf = any(NEEDS_TENSORFLOW.search(block.text) for block in blocks(page))
    marks = [pytest.mark.tf] if needs_tf else []
    if asked_of(page) == ON_JAX:
        marks = [pytest.mark.jax, pytest.mark.filterwarnings(KERAS_ON_NUMPY_2)]
    if any(NEEDS_BEAM.search(block.text) for block in blocks(page)):
        # Beam's own code warns of many a thing that is to come.
        marks += [pytest.mark.beam, pytest.mark.filterwarnings("ignore")]
    return pytest.param(page, marks=marks, id=str(page.relative_to(ROOT)))


@pytest.mark.parametrize("page", [page_param(page) for page in PAGES])
def test_every_block_gives_what_the_page_says(page, tmp_path, monkeypatch):
    check_it_runs_here(page)
    place_checkpoints(tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks(page):
        if block.language == "python":
            run_python(block, page, names)
        elif block.language in {"shell", "console"}:
            run_shell(block, page)


def check_it_runs_here(page: Path) -> None:
    """Skip a page that is for a TensorFlow or Keras that is not the one here."""
    asked = asked_of(page)
    if asked in RUNS_ON and not RUNS_ON[asked](importlib.import_module("tensorflow")):
        pytest.skip(f"it is for {asked}")


def place_checkpoints(folder: Path) -> None:
    for prefix, golden in CHECKPOINTS.items():
        source = ROOT / golden
        files = [*source.parent.glob(f"{source.name}.*"), source]
        for file in filter(Path.is_file, files):  # of V1 it is the prefix itself
            target = folder / f"{prefix}{file.name.removeprefix(source.name)}"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)


def run_python(block: Block, page: Path, names: dict[str, object]) -> None:
    if not re.search("^>>> ", block.text, re.MULTILINE):
        text = "\n" * block.line + block.text  # so that an error names the page's line
        exec(compile(text, str(page), "exec"), names)
        return
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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_block_is_left_out(page):
    assert unrun(page) == []


def unrun(page: Path) -> list[str]:
    """Return the blocks that nothing runs, but for those in languages of no program."""
    text = page.read_text(encoding="utf-8")
    wrong: list[str] = []
    for found in FENCE.finditer(text):
        indent, fence, language, directive, body = found.groups()
        where = f"{page.name}:{text[: found.start()].count(chr(10)) + 1}"
        if language.strip() not in LANGUAGES:
            wrong.append(f"{where}: {language!r} is none of {sorted(LANGUAGES)}")
        elif language not in {"python", "shell", "console"} or directive:
            continue
        elif indent or fence != "```":
            wrong.append(f"{where}: a block that runs is not indented, and has ```")
        elif language != "python" and page.name != "README.md" and body[:2] != "$ ":
            wrong.append(f"{where}: begins without `$ `, so nothing runs it")
    return wrong


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


def test_a_program_without_prompts_runs(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A\n\n```python\na = 1\nassert a == 2\n```\n")
    with pytest.raises(AssertionError) as caught:
        run_python(blocks(page)[0], page, {})
    assert caught.traceback[-1].lineno + 1 == 5


def test_a_block_that_nothing_would_run_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "- item\n\n  ```python\n  >>> 1\n  ```\n\n```console\nls\n```\n\n"
        "```pycon\n>>> 1\n```\n\n```text\nno program\n```\n\n```{toctree}\na\n```\n"
    )
    assert [line.split(": ")[0] for line in unrun(page)] == [
        "page.md:3",
        "page.md:7",
        "page.md:11",
    ]


def test_a_page_needs_tensorflow_if_a_block_imports_it():
    for line in ("import tensorflow as tf", ">>> from tensorflow import keras"):
        assert NEEDS_TENSORFLOW.search(line)
    assert not NEEDS_TENSORFLOW.search(">>> import tf_ckpt_migrate as tcm")
