"""Make every environment of the test matrix and run all tests.

::

    python3 run_tests.py               # the whole matrix
    python3 run_tests.py lint no-tf    # chosen environments
    python3 run_tests.py --fresh       # anew, not reusing what .venvs/ holds

Needs Python 3.10 or later with pip, nothing else; all it makes is in ``.venvs/``. The
last lines say what passed, one line for each environment; one that cannot be had here
(no such interpreter) is named there, and one that fails to install is a failure.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent
VENVS = ROOT / ".venvs"
UV = VENVS / "uv" / "bin" / "uv"
WORKERS = str(min(4, os.cpu_count() or 1))  # each may hold a TensorFlow

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
# Without CUDA, where there is such a build.
CPU = "-cpu" if (sys.platform, platform.machine()) == ("linux", "x86_64") else ""


class Environment(NamedTuple):
    """One line of the matrix.

    Attributes:
      name: What to call it on the command line.
      pythons: Versions that serve, the preferred one first.
      requirements: What to install, as arguments of ``uv pip install``.
      without_deps: What to install after that without its dependencies.
      venv: The directory under ``.venvs/``, which two environments may share.
      marks: Which tests to run, as pytest's ``-m``; empty for the linters.
      variables: Environment variables of the tests.
    """

    name: str
    pythons: tuple[str, ...]
    requirements: tuple[str, ...]
    without_deps: tuple[str, ...] = ()
    venv: str = ""
    marks: str = "not tf1"
    variables: tuple[tuple[str, str], ...] = ()


class Outcome(NamedTuple):
    """What became of an environment; ``note`` says why it has no counts."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    note: str = ""


class CannotRunError(Exception):
    """An environment cannot be had on this machine."""


ANY = tuple(sorted(("3.10", "3.11", "3.12", "3.13"), key=lambda v: v != HERE))
WITHOUT_TF = "not tf and not tf1"
PACKAGE = ("-e", ".[test]")
# tf-keras depends on `tensorflow`, which would come beside `tensorflow-cpu`.
TF_215 = Environment(
    "tf-2.15",
    ("3.11", "3.10"),
    (*PACKAGE, f"tensorflow{CPU}==2.15.1", "protobuf<5", "numpy<2"),
    without_deps=("tf-keras==2.15.1",),
)
TF_221 = Environment(
    "tf-2.21",
    ANY,
    (*PACKAGE, f"tensorflow{CPU}==2.21.0"),
    without_deps=("tf-keras==2.21.0",),
)
TF_115 = ("tensorflow==1.15.5", "protobuf<3.21", "numpy<1.19", "h5py<3")
MATRIX = (
    Environment("lint", ANY, ("-e", ".[lint]"), marks=""),
    Environment("no-tf", ANY, PACKAGE, marks=WITHOUT_TF),
    Environment("no-tf-3.13", ("3.13",), PACKAGE, marks=WITHOUT_TF),
    Environment(
        "lowest",  # the lower bounds of setup.py, as they stand
        ("3.10",),
        ("--resolution=lowest-direct", *PACKAGE),
        marks=WITHOUT_TF,
    ),
    TF_215,
    TF_221._replace(name="tf-2.21-keras-3", venv="tf-2.21"),
    TF_221._replace(
        name="tf-2.21-tf-keras",
        venv="tf-2.21",
        variables=(("TF_USE_LEGACY_KERAS", "1"),),
    ),
    # TensorFlow 1.15 runs in an interpreter of its own, started by tests marked so.
    TF_215._replace(name="tf-1.15", venv="tf-2.15", marks="tf1"),
)
LINTERS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("codespell",),
    ("pyright",),
)


def main() -> int:
    """Run what the command line asks for; return the exit status."""
    known = {environment.name: environment for environment in MATRIX}
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "environment", nargs="*", help=f"of {', '.join(known)}; all where none is given"
    )
    parser.add_argument("--fresh", action="store_true", help="reuse no environment")
    arguments = parser.parse_args()
    if unknown := set(arguments.environment) - set(known):
        parser.error(f"no environment {sorted(unknown)}; there are {', '.join(known)}")
    if arguments.fresh:
        shutil.rmtree(VENVS, ignore_errors=True)
    lines: list[str] = []
    total = Outcome()
    for name in arguments.environment or known:
        start = time.monotonic()
        outcome = attempt(known[name])
        lines.append(line(name, outcome, time.monotonic() - start))
        total = Outcome(*(a + b for a, b in zip(total[:3], outcome[:3], strict=True)))
    print("\n", *lines, summary(total), sep="\n")
    return 1 if total.failed else 0


def line(name: str, outcome: Outcome, seconds: float) -> str:
    """Return the closing line of an environment."""
    return f"{name}: {outcome.note or f'{summary(outcome)}, {seconds:.0f} s'}"


def summary(outcome: Outcome) -> str:
    """Return the counts in words."""
    skipped = f", {outcome.skipped} skipped" if outcome.skipped else ""
    return f"{outcome.passed} passed, {outcome.failed} failed{skipped}"


def attempt(environment: Environment) -> Outcome:
    """Make an environment and run its tests or linters."""
    print(f"\n=== {environment.name}", flush=True)
    try:
        variables = dict(environment.variables)
        if environment.marks == "tf1":
            variables["TF_CKPT_MIGRATE_TF1_PYTHON"] = str(tensorflow_1())
        python = virtual_environment(environment)
    except CannotRunError as error:
        return Outcome(note=f"not run: {error}")
    except subprocess.CalledProcessError as error:
        return Outcome(failed=1, note=f"1 failed: installing ended with {error}")
    if not environment.marks:
        return lint(python)
    variables["TF_CKPT_MIGRATE_ENVIRONMENT"] = environment.name
    return run_pytest(environment, python, variables)


def virtual_environment(environment: Environment) -> Path:
    """Return the interpreter of the environment, installing it where it is stale."""
    folder = VENVS / (environment.venv or environment.name)
    python = folder / "bin" / "python"

    def make() -> None:
        if not UV.exists():
            pip = [sys.executable, "-m", "pip", "install", "--quiet"]
            call(*pip, "--target", str(UV.parent.parent), "uv")
        base = interpreter(environment.pythons) or downloaded(environment.pythons)
        call(str(UV), "venv", "--quiet", "--clear", "--python", str(base), str(folder))
        install = [str(UV), "pip", "install", "--quiet", "--python", str(python)]
        call(*install, *environment.requirements)
        if environment.without_deps:
            call(*install, "--no-deps", *environment.without_deps)

    recipe = [environment.requirements, environment.without_deps, environment.pythons]
    unless_fresh(folder, repr(recipe) + (ROOT / "setup.py").read_text(), make)
    return python


def tensorflow_1() -> Path:
    """Return an interpreter that has TensorFlow 1.15."""
    folder = VENVS / "tf-1.15"
    python = folder / "bin" / "python"
    base = interpreter(("3.7",))
    if base is None:
        raise CannotRunError("no Python 3.7 on PATH or in pyenv, which TF 1.15 needs")

    def make() -> None:
        call(str(base), "-m", "venv", "--clear", str(folder))
        # uv has given up Python 3.7.
        call(str(python), "-m", "pip", "install", "--quiet", *TF_115)

    unless_fresh(folder, repr(TF_115), make)
    return python


def unless_fresh(folder: Path, recipe: str, make: Callable[[], None]) -> None:
    """Call ``make`` unless it made ``folder`` by the same recipe before."""
    stamp = folder / "recipe"
    digest = hashlib.sha256(recipe.encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        make()
        stamp.write_text(digest)


def interpreter(versions: tuple[str, ...]) -> str | None:
    """Return an interpreter of the first of ``versions`` that this machine has."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in versions:
        candidates = [
            sys.executable,
            shutil.which(f"python{version}"),
            *map(str, sorted(pyenv.glob(f"{version}.*/bin/python"))),
        ]
        for candidate in candidates:
            if candidate and version_of(candidate) == version:
                return candidate
    return None


def version_of(python: str) -> str:
    """Return the version of an interpreter; empty where it does not start."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run(
        [python, "-c", code], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def downloaded(versions: tuple[str, ...]) -> Path:
    """Return an interpreter that uv downloads."""
    folder = VENVS / "pythons"
    command = [str(UV), "python", "install", "--install-dir", str(folder), versions[0]]
    if subprocess.run(command, check=False).returncode:
        wanted = " or ".join(versions)
        raise CannotRunError(f"no Python {wanted} on PATH, in pyenv or by uv")
    return next(folder.glob(f"*{versions[0]}*/bin/python3"))


def lint(python: Path) -> Outcome:
    """Run every linter; each counts as one test."""
    statuses: list[int] = []
    for command, *arguments in LINTERS:
        print("$", command, *arguments, flush=True)
        program = str(python.parent / command)
        env = activated(python)
        done = subprocess.run([program, *arguments], cwd=ROOT, env=env, check=False)
        statuses.append(done.returncode)
    return Outcome(statuses.count(0), len(statuses) - statuses.count(0))


def run_pytest(
    environment: Environment, python: Path, variables: dict[str, str]
) -> Outcome:
    """Run the tests of an environment and count them by pytest's report."""
    report = VENVS / f"{environment.name}.xml"
    report.unlink(missing_ok=True)
    options = ["-q", "-rs", "-n", WORKERS, f"--junitxml={report}"]
    command = [str(python), "-m", "pytest", *options, "-m", environment.marks]
    env = activated(python) | variables | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    status = subprocess.run(command, cwd=ROOT, env=env, check=False).returncode
    if not report.exists():
        return Outcome(failed=1, note=f"1 failed: pytest ended with status {status}")
    outcome = counted(ET.parse(report).getroot())
    if status and not outcome.failed:
        return Outcome(failed=1, note=f"1 failed: pytest ended with status {status}")
    return outcome


def activated(python: Path) -> dict[str, str]:
    """Return the variables of a shell in which an interpreter's programs come first."""
    path = os.pathsep.join([str(python.parent), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path}


def counted(report: ET.Element) -> Outcome:
    """Return the counts of a JUnit report."""
    suites = list(report.iter("testsuite"))

    def total(*names: str) -> int:
        return sum(int(suite.get(name, 0)) for suite in suites for name in names)

    failed, skipped = total("failures", "errors"), total("skipped")
    return Outcome(total("tests") - failed - skipped, failed, skipped)


def call(*command: str) -> None:
    """Run a command in the repository; raise where it fails."""
    print("$", *command, flush=True)
    subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    sys.exit(main())
