"""Make the virtual environments of the test matrix, in ``.venvs/``."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

__all__ = [
    "ROOT",
    "UV",
    "VENVS",
    "CannotRunError",
    "Environment",
    "activated",
    "bazel",
    "chromium",
    "tensorflow_1",
    "virtual_environment",
]

ROOT = Path(__file__).resolve().parents[1]
VENVS = ROOT / ".venvs"
UV = VENVS / "uv" / "bin" / "uv"
_TF_115 = ("tensorflow==1.15.5", "protobuf<3.21", "numpy<1.19", "h5py<3")


class Environment(NamedTuple):
    """One line of the matrix.

    Attributes:
      name: What to call it on the command line.
      pythons: Versions that serve, the preferred one first.
      requirements: What to install, as arguments of ``uv pip install``.
      without_deps: What to install after that without its dependencies.
      venv: The directory under ``.venvs/``, which two environments may share.
      marks: Which tests to run, as pytest's ``-m``.
      programs: What to run instead of tests: each counts as one.
      variables: Environment variables of the tests.
    """

    name: str
    pythons: tuple[str, ...]
    requirements: tuple[str, ...]
    without_deps: tuple[str, ...] = ()
    venv: str = ""
    marks: str = ""
    programs: tuple[tuple[str, ...], ...] = ()
    variables: tuple[tuple[str, str], ...] = ()


class CannotRunError(Exception):
    """An environment cannot be had on this machine."""


def virtual_environment(environment: Environment) -> Path:
    """Return the interpreter of the environment, installing it where it is stale."""
    folder = VENVS / (environment.venv or environment.name)
    python = folder / "bin" / "python"

    def make() -> None:
        if not UV.exists():
            pip = [sys.executable, "-m", "pip", "install", "--quiet"]
            _call(*pip, "--target", str(UV.parent.parent), "uv")
        base = _interpreter(environment.pythons) or _downloaded(environment.pythons)
        venv = [str(UV), "venv", "--quiet", "--clear", "--python", str(base)]
        _call(*venv, str(folder))
        install = [str(UV), "pip", "install", "--quiet", "--python", str(python)]
        if environment.requirements:
            _call(*install, *environment.requirements)
        if environment.without_deps:
            _call(*install, "--no-deps", *environment.without_deps)

    recipe = [environment.requirements, environment.without_deps, environment.pythons]
    _unless_fresh(folder, repr(recipe) + (ROOT / "setup.py").read_text(), make)
    return python


def tensorflow_1() -> Path:
    """Return an interpreter that has TensorFlow 1.15."""
    folder = VENVS / "tf-1.15"
    python = folder / "bin" / "python"
    base = _interpreter(("3.7",))
    if base is None:
        raise CannotRunError("no Python 3.7 on PATH or in pyenv, which TF 1.15 needs")

    def make() -> None:
        _call(str(base), "-m", "venv", "--clear", str(folder))
        # uv has given up Python 3.7.
        _call(str(python), "-m", "pip", "install", "--quiet", *_TF_115)

    _unless_fresh(folder, repr(_TF_115), make)
    return python


def bazel() -> str:
    """Return the path of Bazel 4, which has the rules that our BUILD files use."""
    if (found := shutil.which("bazel")) is None:
        raise CannotRunError("no bazel on PATH")
    command = [found, "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # Debian's does not say; others are "bazel 4.2.4".
    if not done.stdout.startswith(("bazel no_version", "bazel 4.")):
        raise CannotRunError(f"{found} is {done.stdout.strip()!r}, and not Bazel 4")
    return found


def chromium() -> str:
    """Return the path of a browser that has Chromium's engine."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise CannotRunError(f"none of {', '.join(names)} is on PATH")
    return found


def _unless_fresh(folder: Path, recipe: str, make: Callable[[], None]) -> None:
    """Call ``make`` unless it made ``folder`` by the same recipe before."""
    stamp = folder / "recipe"
    digest = hashlib.sha256(recipe.encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        make()
        stamp.write_text(digest)


def _interpreter(versions: tuple[str, ...]) -> str | None:
    """Return an interpreter of the first of ``versions`` that this machine has."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in versions:
        candidates = [
            sys.executable,
            shutil.which(f"python{version}"),
            *map(str, sorted(pyenv.glob(f"{version}.*/bin/python"))),
        ]
        for candidate in candidates:
            if candidate and _version_of(candidate) == version:
                return candidate
    return None


def _version_of(python: str) -> str:
    """Return the version of an interpreter; empty where it does not start."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run(
        [python, "-c", code], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def _downloaded(versions: tuple[str, ...]) -> Path:
    """Return an interpreter that uv downloads."""
    folder = VENVS / "pythons"
    command = [str(UV), "python", "install", "--install-dir", str(folder), versions[0]]
    if subprocess.run(command, check=False).returncode:
        wanted = " or ".join(versions)
        raise CannotRunError(f"no Python {wanted} on PATH, in pyenv or by uv")
    return next(folder.glob(f"*{versions[0]}*/bin/python3"))


def activated(python: Path) -> dict[str, str]:
    """Return the variables of a shell in which an interpreter's programs come first."""
    path = os.pathsep.join([str(python.parent), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path}


def _call(*command: str) -> None:
    """Run a command in the repository; raise where it fails."""
    print("$", *command, flush=True)
    subprocess.run(command, cwd=ROOT, check=True)
