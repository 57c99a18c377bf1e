"""Make the virtual environments of the test matrix, in ``.venvs/``."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

__all__ = [
    "LOCKS",
    "ROOT",
    "UV",
    "VENVS",
    "CannotRunError",
    "Environment",
    "activated",
    "bazel",
    "chromium",
    "install_uv",
    "refresh_build_lock",
    "refresh_lock",
    "tensorflow_1",
    "uv_variables",
    "virtual_environment",
]

ROOT = Path(__file__).resolve().parents[1]
VENVS = ROOT / ".venvs"
UV = VENVS / "uv" / "bin" / "uv"
LOCKS = ROOT / "tools" / "locks"
_BUILD_LOCK = LOCKS / "build.txt"
_UV_VERSION = "0.13.9"


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
      versions: The lock file with the versions to install, if it is that of another
        environment.
      locked: False to install the newest versions, whatever a lock file says.
      on_request: Whether to run it only if it is named on the command line.
    """

    name: str
    pythons: tuple[str, ...]
    requirements: tuple[str, ...] = ()
    without_deps: tuple[str, ...] = ()
    venv: str = ""
    marks: str = ""
    programs: tuple[tuple[str, ...], ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    versions: str = ""
    locked: bool = True
    on_request: bool = False

    @property
    def folder(self) -> str:
        """Return the name of its virtual environment."""
        return self.venv or self.name

    @property
    def lock(self) -> Path | None:
        """Return the file with the versions to install; None for the newest ones."""
        return LOCKS / f"{self.versions or self.folder}.txt" if self.locked else None


class CannotRunError(Exception):
    """An environment cannot be had on this machine."""


def virtual_environment(environment: Environment) -> Path:
    """Return the interpreter of the environment, installing it if it is stale."""
    folder = VENVS / environment.folder
    python = folder / "bin" / "python"
    lock = environment.lock

    def make() -> None:
        install_uv()
        base = _interpreter(environment.pythons) or _downloaded(environment.pythons)
        venv = [str(UV), "venv", "--quiet", "--clear", "--python", str(base)]
        _call(*venv, str(folder))
        install = [str(UV), "pip", "install", "--quiet", "--python", str(python)]
        if lock is not None:
            install += ["--constraints", str(lock)]
        if environment.requirements:
            _call(*install, *environment.requirements)
        if environment.without_deps:
            _call(*install, "--no-deps", *environment.without_deps)

    recipe = [environment.requirements, environment.without_deps, environment.pythons]
    parts = [repr(recipe), (ROOT / "setup.py").read_text()]
    parts += [lock.read_text() if lock is not None else str(time.time())]
    _unless_fresh(folder, "".join(parts), make)
    return python


def tensorflow_1() -> Path:
    """Return an interpreter that has TensorFlow 1.15."""
    folder = VENVS / "tf-1.15"
    python = folder / "bin" / "python"
    lock = LOCKS / "tf-1.15.txt"
    base = _interpreter(("3.7",))
    if base is None:
        raise CannotRunError("no Python 3.7 on PATH or in pyenv, which TF 1.15 needs")

    def make() -> None:
        _call(str(base), "-m", "venv", "--clear", str(folder))
        # uv no longer supports Python 3.7.
        pip = (str(python), "-m", "pip", "install", "--quiet", "--no-deps")
        _call(*pip, "-r", str(lock))

    _unless_fresh(folder, lock.read_text(), make)
    return python


def install_uv() -> None:
    """Install the one version of uv that makes the environments, if it is absent."""
    folder = UV.parent.parent
    if not (folder / f"uv-{_UV_VERSION}.dist-info").exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade"]
        _call(*pip, "--target", str(folder), f"uv=={_UV_VERSION}")


def refresh_lock(environment: Environment) -> None:
    """Write the newest versions that an environment allows into its lock file.

    Args:
      environment: One with ``locked``; the file holds the versions for all of its
        ``pythons`` and for every platform.

    Raises:
      subprocess.CalledProcessError: If the requirements have no solution.
    """
    if (lock := environment.lock) is None:
        raise ValueError(f"{environment.name} installs the newest versions; no lock")
    install_uv()
    lock.parent.mkdir(exist_ok=True)
    oldest = min(environment.pythons, key=lambda each: int(each.split(".")[1]))
    options = [each for each in environment.requirements if each.startswith("--")]
    packages = [each for each in environment.requirements if not each.startswith("-")]
    _compile(lock, packages, "--python-version", oldest, *options)


def refresh_build_lock() -> None:
    """Write the newest version of what builds the package into its lock file."""
    install_uv()
    _compile(_BUILD_LOCK, ["setuptools>=68", "wheel"], "--python-version", "3.10")


def _compile(lock: Path, packages: list[str], *options: str) -> None:
    """Resolve requirements for every platform and write the versions into a file."""
    lock.parent.mkdir(exist_ok=True)
    command = [str(UV), "pip", "compile", "--quiet", "--universal", "--upgrade"]
    command += ["--no-header", "--no-annotate", *options, "-"]
    print("$", *command, flush=True)
    done = subprocess.run(
        command, cwd=ROOT, check=True, input="\n".join(packages), text=True,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    supported = r"\(?sys_platform == 'darwin' or sys_platform == 'linux'\)?"
    text = re.sub(rf"( ;| and) {supported}", "", done.stdout)
    # The line of the package itself, a folder without a version, is left out.
    lock.write_text("\n".join(re.findall("^[a-z].*==.*$", text, re.M)) + "\n")


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


def uv_variables() -> dict[str, str]:
    """Return the environment variables that make uv build with locked versions."""
    return {**os.environ, "UV_BUILD_CONSTRAINT": str(_BUILD_LOCK)}


def _call(*command: str) -> None:
    """Run a command in the repository; raise an error if it fails."""
    print("$", *command, flush=True)
    subprocess.run(command, cwd=ROOT, check=True, env=uv_variables())
