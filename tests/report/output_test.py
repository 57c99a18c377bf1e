"""Results are whole and plain in a pipe, and laid out on a terminal."""

from __future__ import annotations

import io
import re

import pytest

from tf_ckpt_migrate.checkpoint.text import Table, counted, human_bytes, plain_text
from tf_ckpt_migrate.report.output import write
from tf_ckpt_migrate.report.progress import byte_progress

LONG = "scope/" * 60 + "kernel"
BLOCKS = [
    "different: 1 tensor",
    "",
    Table(("key", "shape", ">bytes"), [("w", "[2, 3]", "24"), (LONG, "[]", "1,024")]),
]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def uncoloured(stream):
    return re.sub(r"\x1b\[[\d;]*m", "", stream.getvalue())


def test_a_pipe_gets_all_of_it_uncut():
    stream = io.StringIO()
    write(BLOCKS, stream)
    lines = stream.getvalue().split("\n")
    assert lines[:2] == ["different: 1 tensor", ""]
    assert lines[3].split() == ["w", "[2,", "3]", "24"]
    assert lines[4] == f"{LONG}  []      1,024"
    assert lines[5:] == [""]


@pytest.mark.parametrize("width", [40, 80, 400])
def test_a_terminal_gets_all_of_it_folded(width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    write(BLOCKS, stream)
    text = uncoloured(stream)
    assert max(map(len, text.splitlines())) <= width
    assert "[2, 3]" in text  # no markup
    folded = "".join(line.split("  ")[0].strip() for line in text.splitlines())
    assert LONG in folded
    assert "1,024" in text


def test_a_wide_table_has_names_on_lines_of_their_own(monkeypatch):
    monkeypatch.setenv("COLUMNS", "24")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    table = Table(("key", "dtype", ">bytes"), [("scope/kernel", "float32", "24")])
    write([table, Table(("only in a",), [("scope/scope/scope/b",)])], stream)
    lines = [line.rstrip() for line in uncoloured(stream).splitlines()]
    assert lines == [
        "key",
        "    dtype    bytes",
        "scope/kernel",
        "    float32     24",
        "only in a",
        "scope/scope/scope/b",
    ]


def test_only_a_terminal_cuts_what_is_long(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    rows = [(f"key_{n}",) for n in range(500)]
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        write(["a", "b", "c", Table(("key",), rows)], stream, most=2)
    cut = "… and 498 more; redirect the output to see all\n"
    assert terminal.getvalue().split("c")[0].startswith("a\nb\nkey")
    assert cut in terminal.getvalue()
    assert "… and 1 more" in terminal.getvalue()
    assert pipe.getvalue().count("\n") == 504


@pytest.mark.parametrize("width", [20, 80])
def test_names_cannot_steer_the_terminal(monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    evil = "w\x1b[2J\r\n\u202eb"
    for stream in (Terminal(), io.StringIO()):
        write([evil, Table(("key", ">bytes"), [(evil, "8")])], stream)
        text = uncoloured(stream)
        assert not set(text) & set("\x1b\r\u202e")
        folded = "".join(line.rstrip() for line in text.splitlines())
        assert folded.count(r"w\x1b[2J\r\n\u202eb") == 2


def test_differences_are_red_on_a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    write(BLOCKS, stream)
    assert stream.getvalue().startswith("\x1b[1;31mdifferent: 1 tensor")


def test_progress_is_for_terminals():
    pipe, terminal = io.StringIO(), Terminal()
    with byte_progress("verifying", pipe) as progress:
        assert progress is None
    assert pipe.getvalue() == ""
    with byte_progress("verifying [1]", terminal) as progress:
        progress(5, 10)
    assert "verifying [1]" in terminal.getvalue()


def test_plain_text_of_nothing():
    assert plain_text([]) == ""
    assert plain_text([Table(("key", ">bytes"), [])]) == "key  bytes"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1 KB"),
        (999_499, "999 KB"),
        (999_999, "1 MB"),
        (4_300_000_000, "4.3 GB"),
        (2**70, "1.18e+06 PB"),
    ],
)
def test_human_bytes(size, text):
    assert human_bytes(size) == text


def test_counted():
    assert [counted(n, "key") for n in (0, 1, 1000)] == [
        "0 keys",
        "1 key",
        "1,000 keys",
    ]
