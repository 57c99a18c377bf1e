"""Long work shows on a terminal how far it is, and can be interrupted at any time."""

from __future__ import annotations

import io
import re
import signal
import subprocess
import sys

import pytest

WORK = {
    "convert": (
        "writing",
        ["{a}", "{out}", "--rename=net/=model/", "--unused=keep"],
    ),
    "compact": ("copying", ["{a}", "{out}"]),
    "prune": ("writing", ["{a}", "{out}", "--compact"]),
    "merge": ("merging", ["{a}", "{b}", "--output={out}"]),
    "verify": ("verifying", ["{a}"]),
    "diff": ("comparing", ["{a}", "{b}"]),
    "inspect": ("reading values", ["{a}", "--values"]),
    "report": ("reading values", ["{a}", "--values=all", "--output={out}.html"]),
}


@pytest.fixture
def places(goldens, tmp_path):
    return {
        "a": goldens / "tf1_15/optimizer_adam/model.ckpt",
        "b": goldens / "tf1_15/saver_v2/model.ckpt",
        "out": tmp_path / "out" / "m",
    }


def arguments(name, places):
    return [name, *(word.format(**places) for word in WORK[name][1])]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("name", WORK)
def test_a_bar_on_a_terminal_and_nothing_in_a_pipe(name, command, places, monkeypatch):
    terminal = Terminal()
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", terminal)
    if name == "merge":  # they have keys in common
        assert command(*arguments(name, places), "--precedence=first").status == 0
    else:
        assert command(*arguments(name, places)).status in (0, 1)
    shown = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", terminal.getvalue())
    assert WORK[name][0] in shown
    last = re.findall(r"([\d.]+)/([\d.]+) (?:bytes|kB)", shown)[-1]
    assert last[0] == last[1]
    monkeypatch.setattr("sys.stderr", io.StringIO())
    again = {**places, "out": places["out"].with_name("again")}
    command(
        *arguments(name, again), *(["--precedence=first"] if name == "merge" else [])
    )
    assert sys.stderr.getvalue() == ""


# In the process that is interrupted: what the work would do next takes very long.
HANGS = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from tf_ckpt_migrate.{module} import {holder} as holder
def hang(*_, **__):
    print("working", flush=True)
    time.sleep(60)
holder.{name} = hang
from tf_ckpt_migrate.cli.main import run
run()
"""
RANGES = ("bundle", "places", "append_range")
COPIES = ("bundle", "shards", "append_range")
PIECES = ("checkpoint", "statistics", "number_statistics")


@pytest.mark.parametrize(
    ("name", "hangs", "more"),
    [
        ("convert", COPIES, ["--data=copy"]),
        ("compact", RANGES, []),
        ("prune", RANGES, []),
        ("merge", COPIES, ["--data=copy", "--precedence=first"]),
        ("verify", ("bundle.reader", "crc32c", "value"), []),
        (
            "diff",
            ("checkpoint", "value_comparison", "difference"),
            ["--rename=net/=net/dense/"],
        ),
        ("inspect", PIECES, []),
        ("report", ("report", "values", "number_statistics"), []),
        ("report", ("report", "html", "page"), []),
    ],
)
def test_an_interrupt_leaves_one_line_and_no_file(name, hangs, more, places, tmp_path):
    module, holder, function = hangs
    code = HANGS.format(module=module, holder=holder, name=function)
    command = [sys.executable, "-c", code, *arguments(name, places), *more]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout.readline() == "working\n"
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert told == "tf-ckpt-migrate: interrupted; nothing is left half-written\n"
    assert process.returncode == 130
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
