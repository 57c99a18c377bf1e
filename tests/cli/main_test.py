"""Exit codes, errors and help are those of a good citizen of the shell."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module

import pytest

from tf_ckpt_migrate._version import __version__
from tf_ckpt_migrate.cli import main as cli

COMMANDS = [*cli._COMMANDS]


def python(*arguments, **options):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_an_example_that_parses(command, name):
    outcome = command(name, "--help")
    assert outcome.status == 0
    module = import_module(f"tf_ckpt_migrate.cli.{name.replace('-', '_')}")
    assert f"example:\n  {module.EXAMPLE}" in outcome.out
    assert "--output_format" in outcome.out
    program, *words = module.EXAMPLE.split()
    assert (program, words[0]) == ("tf-ckpt-migrate", name)
    parser, _ = cli._parser(words)
    parser.parse_args(words)  # exits where the example is wrong


def test_help_names_every_command(command):
    outcome = command("--help")
    assert outcome.status == 0
    for name, summary in cli._COMMANDS.items():
        assert f"  {name} " in outcome.out.replace("\n", " \n")
        assert summary.split()[0] in outcome.out


def test_no_command_is_wrong_use(command):
    outcome = command()
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith("usage: tf-ckpt-migrate")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["inspcet"], "invalid choice: 'inspcet'"),
        (["inspect"], "the following arguments are required: checkpoint"),
        (["inspect", "m", "--valeus"], "unrecognized arguments: --valeus"),
        (["inspect", "m", "--output_format=yaml"], "invalid choice: 'yaml'"),
        (["diff", "a", "b", "--rename", "x"], "'x' is not of the form A=B"),
        (["diff", "a", "b", "--rtol=-1"], "--rtol: '-1' is no number, 0 or more"),
        (["diff", "a", "b", "--atol=nan"], "--atol: 'nan' is no number, 0 or more"),
        (["diff", "a", "b", "--rtol=x"], "--rtol: 'x' is no number, 0 or more"),
        (["diff", "a", "b", "--drop_role", "x"], "'x' is none of slot, optimizer"),
    ],
)
def test_wrong_use(command, arguments, told):
    outcome = command(*arguments)
    assert (outcome.status, outcome.out) == (2, "")
    assert told in outcome.err


def test_version(command):
    assert command("--version") == (0, f"{__version__}\n", "")


def test_an_error_is_told_without_a_traceback(command, tmp_path):
    path = str(tmp_path / "m")
    outcome = command("inspect", path)
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err == (
        f"tf-ckpt-migrate: no checkpoint at {path!r}; in {str(tmp_path)!r} "
        "there is none\n"
    )


def test_verbosity_shows_the_traceback(command, tmp_path):
    outcome = command("inspect", tmp_path / "m", "--verbosity=1")
    assert outcome.status == 1
    assert outcome.err.startswith("Traceback (most recent call last)")
    assert "CheckpointNotFoundError: no checkpoint at" in outcome.err


def test_an_error_of_the_system_is_told_too(command, checkpoint):
    outcome = command("diff", checkpoint, checkpoint, "--map=/no/such/map.yaml")
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err == "tf-ckpt-migrate: there is no file '/no/such/map.yaml'\n"


def test_flags_may_be_spelled_with_dashes(command, checkpoint):
    expected = command("inspect", checkpoint, "--output_format=json")
    assert command("inspect", "--output-format", "json", checkpoint) == expected
    assert expected.out.startswith("{")


def test_a_value_keeps_its_dashes(command, checkpoint):
    outcome = command("diff", checkpoint, checkpoint, "--rename=net/=my-net/")
    assert "my-net/dense/bias" in outcome.out


def test_flags_from_a_file_as_absl_reads_them(command, checkpoint, tmp_path):
    flags = tmp_path / "flags"
    flags.write_text("--output_format=json\n--values\n")
    outcome = command("inspect", checkpoint, f"--flagfile={flags}")
    assert outcome == command("inspect", checkpoint, "--values", "--output_format=json")
    assert outcome.status == 0


def test_an_interrupt_ends_with_one_line(command, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("tf_ckpt_migrate.checkpoint.verify.load_checkpoint", interrupt)
    line = "tf-ckpt-migrate: interrupted; nothing is left half-written\n"
    assert command("verify", "m") == (130, "", line)


def test_a_reader_that_goes_away(checkpoint, monkeypatch, tmp_path, capfd):
    with open(tmp_path / "pipe", "w") as file:

        class Pipe:
            def write(self, text):
                raise BrokenPipeError

            def isatty(self):
                return False

            def fileno(self):
                return file.fileno()

        monkeypatch.setattr("sys.stdout", Pipe())
        assert cli.main(["inspect", checkpoint]) == 141
        # What the interpreter still flushes at its end goes nowhere.
        file.write("more")
    assert (tmp_path / "pipe").read_text() == ""
    assert capfd.readouterr().err == ""


def test_as_a_module_and_piped_the_same_each_time(goldens):
    arguments = ["-m", "tf_ckpt_migrate", "inspect", goldens / "tf1_15/many_keys"]
    first, second = (
        python(*arguments, env={**os.environ, **more})
        for more in ({"COLUMNS": "40", "PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2"})
    )
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout == second.stdout
    assert first.stdout.count("\n") > 6000


def test_names_need_not_fit_the_encoding(goldens):
    arguments = ["-m", "tf_ckpt_migrate", "inspect", goldens / "tf1_15/names"]
    done = python(*arguments, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\x" in done.stdout or "\\u" in done.stdout


@pytest.mark.parametrize("golden", ["tf1_15/many_keys", "tf1_15/saved_model/model"])
def test_inspect_imports_only_what_it_needs(goldens, golden):
    code = (
        "import sys\n"
        "from tf_ckpt_migrate.cli.main import main\n"
        f"assert main(['inspect', {str(goldens / golden)!r}]) == 0\n"
        "heavy = {'numpy', 'ml_dtypes', 'rich', 'yaml', 'absl', 'tensorflow'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    assert python("-c", code).stderr == "[]\n"
