"""Make the distributions of the package, and the folder where the wheel is tested."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

from tools.environments import ROOT, UV, VENVS, Environment, uv_variables

__all__ = ["tested_wheel"]

_DIST = VENVS / "dist"
_PACKAGE = "tf_ckpt_migrate"


def tested_wheel(python: Path, environment: Environment) -> Path:
    """Build the sdist and of that the wheel, install it, and unpack what tests it.

    Args:
      python: Interpreter of the environment to install it into.
      environment: The environment, whose lock file has the versions to install.

    Returns:
      A folder with all of the sdist but the package, in whose place is a link to the
      one that is installed.

    Raises:
      subprocess.CalledProcessError: If one cannot be built or installed.
    """
    shutil.rmtree(_DIST, ignore_errors=True)
    build = [str(UV), "build", "--quiet", "--out-dir", str(_DIST)]
    _call(*build, "--sdist", str(ROOT))
    (sdist,) = _DIST.glob("*.tar.gz")
    with tarfile.open(sdist) as file:
        file.extractall(_DIST, filter="data")
    root = _DIST / sdist.name.removesuffix(".tar.gz")
    _call(*build, "--wheel", str(root))
    (wheel,) = _DIST.glob("*.whl")
    install = [str(UV), "pip", "install", "--quiet", "--python", str(python)]
    install += ["--constraints", str(environment.lock)]
    _call(*install, "--reinstall-package", "tf-ckpt-migrate", f"{wheel}[test]")
    shutil.rmtree(root / _PACKAGE)
    (installed,) = python.parents[1].glob(f"lib/python*/site-packages/{_PACKAGE}")
    (root / _PACKAGE).symlink_to(installed)
    return root


def _call(*command: str) -> None:
    print("$", *command, flush=True)
    subprocess.run(command, check=True, env=uv_variables())
