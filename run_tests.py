"""Make every environment of the test matrix and run all tests.

::

    python3 run_tests.py               # the whole matrix
    python3 run_tests.py lint no-tf    # chosen environments
    python3 run_tests.py --fresh       # create the environments again
    python3 run_tests.py newest        # the newest versions of everything
    python3 run_tests.py --refresh-locks

Needs Python 3.10 or later with pip, nothing else; everything it creates is in
``.venvs/``. Each environment installs the versions in its file in ``tools/locks/``, so
that a release of a dependency changes no result; ``--refresh-locks`` writes these files
again, with the newest versions. The last lines report what passed, one line for each
environment. An environment whose interpreter this machine lacks is named there; one
that cannot be installed is a failure.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

# Before what an older Python, which someone may run this with, cannot even read.
if sys.version_info < (3, 10):  # noqa: UP036
    sys.exit("this needs Python 3.10 or later, not " + sys.version.split()[0])

from tools.environments import (
    ROOT,
    VENVS,
    CannotRunError,
    Environment,
    activated,
    bazel,
    chromium,
    refresh_build_lock,
    refresh_lock,
    tensorflow_1,
    virtual_environment,
)
from tools.wheel import tested_wheel

WORKERS = str(min(4, os.cpu_count() or 1))  # each may hold a TensorFlow

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
# Without CUDA, for the platform that has such a build.
CPU_BUILD = "sys_platform == 'linux' and platform_machine == 'x86_64'"
OTHER_BUILD = "sys_platform != 'linux' or platform_machine != 'x86_64'"
ANY = tuple(sorted(("3.10", "3.11", "3.12", "3.13"), key=lambda v: v != HERE))
# NumPy's stubs for type checking, and Sphinx, are for 3.11 and later.
ON_311 = tuple(version for version in ANY if version != "3.10")
OF_TF = "tf and not tf1"  # the rest runs where there is none
WITHOUT_TF = "not tf and not tf1 and not browser and not far and not beam and not jax"
AGAIN = " and not once"  # what says nothing of versions runs in one environment
PACKAGE = ("-e", ".[test]")
LINT = ("-e", ".[lint]")


# tf-keras depends on `tensorflow`, which would come beside `tensorflow-cpu`.
def tensorflow(version: str, newest_python: str) -> tuple[str, str]:
    """Return the requirements for a version of TensorFlow on any platform."""
    python = f"python_full_version < '{newest_python}.999'"
    return (
        f"tensorflow-cpu{version} ; ({CPU_BUILD}) and {python}",
        f"tensorflow{version} ; ({OTHER_BUILD}) and {python}",
    )


# Where no tf-keras has the number of its TensorFlow.
TF_KERAS = {"2.16.2": "2.16.0", "2.18.1": "2.18.0", "2.20.0": "2.20.1"}


def with_tensorflow(
    version: str, pythons: tuple[str, ...], *pins: str, **fields: Any
) -> Environment:
    """Return an environment with a version of TensorFlow and of tf-keras."""
    tf_keras = TF_KERAS.get(version, version)
    return Environment(
        f"tf-{version.rpartition('.')[0]}",
        pythons,
        (*PACKAGE, *tensorflow(f"=={version}", max(pythons)), *pins),
        without_deps=(f"tf-keras=={tf_keras}",),
        marks=OF_TF,
    )._replace(**fields)


TF_215 = with_tensorflow("2.15.1", ("3.11", "3.10"), "protobuf<5", "numpy<2")
TF_221 = with_tensorflow("2.21.0", ANY)
LINTERS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("codespell",),
    ("pyright",),
    ("python", "tools/type_completeness.py"),
)
SITE = ("sphinx-build", "-W", "--keep-going", "-E", "-q", "docs", ".build/docs")
MATRIX = (
    Environment("lint", ON_311, LINT, programs=LINTERS),
    Environment("no-tf", ANY, PACKAGE, marks=WITHOUT_TF),
    # The wheel, built of the sdist, without the checkout.
    Environment("wheel", ("3.13", *ANY), versions="no-tf", marks=WITHOUT_TF + AGAIN),
    Environment(
        "lowest",  # the lower bounds of setup.py, as they stand
        ("3.10",),
        ("--resolution=lowest-direct", *PACKAGE),
        marks=WITHOUT_TF + AGAIN,
    ),
    TF_215._replace(marks=OF_TF + AGAIN),
    TF_221._replace(name="tf-2.21-keras-3", venv="tf-2.21"),
    TF_221._replace(
        name="tf-2.21-tf-keras",
        venv="tf-2.21",
        marks=f"{OF_TF} and keras{AGAIN}",
        variables=(("TF_USE_LEGACY_KERAS", "1"),),
    ),
    # TensorFlow 1.15 runs in an interpreter of its own, started by tests marked so.
    TF_215._replace(name="tf-1.15", venv="tf-2.15", marks="tf1"),
    TF_221._replace(
        name="tf-1.15-keras-3",
        venv="tf-2.21",
        marks="tf1 and every_keras",  # the rest knows no Keras
    ),
    # The page of a report, in Chromium.
    Environment("browser", ANY, ("-e", ".[browser,test]"), marks="browser"),
    # Checkpoints that are not on a disk here: a server that the tests start.
    Environment("far", ANY, ("-e", ".[far,far-test,test]"), marks="far"),
    Environment("beam", ANY, ("-e", ".[beam,test]"), marks="beam"),
    # Keras on JAX, where no TensorFlow is installed.
    Environment(
        "jax",
        ON_311,
        (*PACKAGE, "keras==3.15.1", "jax[cpu]"),
        marks="jax",
        variables=(("KERAS_BACKEND", "jax"),),
    ),
    Environment("docs", ON_311, ("-e", ".[docs]"), programs=(SITE,)),
    Environment(
        "bazel",
        ANY,
        PACKAGE,
        venv="no-tf",
        programs=(("python", "tools/with_bazel.py"),),
    ),
)

NOT_313 = tuple(version for version in ANY if version != "3.13")
# Run if they are named: versions between those of the matrix, and the newest releases.
ON_REQUEST = (
    with_tensorflow("2.16.2", NOT_313, on_request=True),
    with_tensorflow("2.18.1", NOT_313, on_request=True),
    # TensorFlow 2.20 passes protobuf an argument that version 6 warns of and 7 lacks.
    with_tensorflow("2.20.0", ANY, "protobuf<6", on_request=True),
    Environment(
        "newest",
        ANY,
        (*PACKAGE, *tensorflow("", max(ANY))),
        without_deps=("tf-keras",),
        marks="not tf1 and not browser and not far and not beam and not jax",
        locked=False,
        on_request=True,
    ),
    Environment(
        "newest-lint", ON_311, LINT, programs=LINTERS, locked=False, on_request=True
    ),
)


class Outcome(NamedTuple):
    """What became of an environment; ``note`` says why it has no counts."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    note: str = ""


def main() -> int:
    """Run what the command line asks for; return the exit status."""
    known = {each.name: each for each in (*MATRIX, *ON_REQUEST)}
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "environment",
        nargs="*",
        help=f"any of {', '.join(known)}; by default the matrix, which is all but "
        + ", ".join(each.name for each in ON_REQUEST),
    )
    parser.add_argument("--fresh", action="store_true", help="reuse no environment")
    parser.add_argument(
        "--refresh-locks",
        action="store_true",
        help="write the newest versions into the lock files, of all environments or of "
        "those that are named, and run no test",
    )
    arguments = parser.parse_args()
    unknown = set(arguments.environment) - set(known)
    if unknown:
        parser.error(f"no environment {sorted(unknown)}; there are {', '.join(known)}")
    if arguments.refresh_locks:
        refresh_locks([known[name] for name in arguments.environment or known])
        return 0
    if arguments.fresh:
        shutil.rmtree(VENVS, ignore_errors=True)
    lines: list[str] = []
    total = Outcome()
    for name in arguments.environment or [each.name for each in MATRIX]:
        start = time.monotonic()
        outcome = attempt(known[name])
        lines.append(line(name, outcome, time.monotonic() - start))
        total = Outcome(*(a + b for a, b in zip(total[:3], outcome[:3], strict=True)))
    print("\n", *lines, summary(total), sep="\n")
    return 1 if total.failed else 0


def refresh_locks(environments: list[Environment]) -> None:
    """Write the lock files of environments, each file once."""
    refresh_build_lock()
    done: set[Path] = set()
    for each in environments:
        if each.requirements and each.lock is not None and each.lock not in done:
            refresh_lock(each)
            done.add(each.lock)


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
        if environment.marks.startswith("tf1"):
            variables["TF_CKPT_MIGRATE_TF1_PYTHON"] = str(tensorflow_1())
        if environment.marks == "browser":
            variables["TF_CKPT_MIGRATE_CHROMIUM"] = chromium()
        if environment.name == "bazel":
            bazel()
        python = virtual_environment(environment)
    except CannotRunError as error:
        return Outcome(note=f"not run: {error}")
    except subprocess.CalledProcessError as error:
        return Outcome(failed=1, note=f"1 failed: installing ended with {error}")
    if environment.programs:
        return run_programs(environment, python)
    variables["TF_CKPT_MIGRATE_ENVIRONMENT"] = environment.name
    try:
        wheel = environment.name == "wheel"
        root = tested_wheel(python, environment) if wheel else ROOT
    except subprocess.CalledProcessError as error:
        return Outcome(failed=1, note=f"1 failed: {error}")
    return run_pytest(environment, python, variables, root)


def run_programs(environment: Environment, python: Path) -> Outcome:
    """Run the programs of an environment; each counts as one test."""
    statuses: list[int] = []
    for command, *arguments in environment.programs:
        print("$", command, *arguments, flush=True)
        program = str(python.parent / command)
        env = activated(python)
        done = subprocess.run([program, *arguments], cwd=ROOT, env=env, check=False)
        statuses.append(done.returncode)
    return Outcome(statuses.count(0), len(statuses) - statuses.count(0))


def run_pytest(
    environment: Environment, python: Path, variables: dict[str, str], root: Path
) -> Outcome:
    """Run the tests of an environment in a folder; count them by pytest's report."""
    report = VENVS / f"{environment.name}.xml"
    report.unlink(missing_ok=True)
    options = ["-q", "-rs", "-n", WORKERS, f"--junitxml={report}"]
    command = [str(python), "-m", "pytest", *options, "-m", environment.marks]
    env = activated(python) | variables | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    status = subprocess.run(command, cwd=root, env=env, check=False).returncode
    if not report.exists():
        return Outcome(failed=1, note=f"1 failed: pytest ended with status {status}")
    outcome = counted(ET.parse(report).getroot())
    if status and not outcome.failed:
        return Outcome(failed=1, note=f"1 failed: pytest ended with status {status}")
    return outcome


def counted(report: ET.Element) -> Outcome:
    """Return the counts of a JUnit report."""
    suites = list(report.iter("testsuite"))

    def total(*names: str) -> int:
        return sum(int(suite.get(name, 0)) for suite in suites for name in names)

    failed, skipped = total("failures", "errors"), total("skipped")
    return Outcome(total("tests") - failed - skipped, failed, skipped)


if __name__ == "__main__":
    sys.exit(main())
