"""Let Bazel load and build every target, and run some tests, without a network.

::

    python tools/with_bazel.py

It needs Bazel 4.2, Debian's ``apt-get install bazel-bootstrap``. Running tests by Bazel
shows that the files in ``BUILD`` are all that a test needs.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

__all__ = ["main"]

# For every py_test Bazel looks for toolchains of C++, Java and coverage, and fetches
# rules for them, which it then does not use. What it has built in takes their place.
_STAND_INS = {
    "rules_cc": (
        "cc/defs.bzl",
        "cc_binary cc_library cc_test cc_toolchain cc_toolchain_suite",
    ),
    "rules_java": (
        "java/defs.bzl",
        "java_binary java_import java_runtime java_toolchain",
    ),
    "remote_coverage_tools": ("defs.bzl", ""),
}
_COVERAGE = """\
package(default_visibility = ["//visibility:public"])
filegroup(name = "coverage_report_generator")
filegroup(name = "lcov_merger")
"""
# Without TensorFlow; the second reads golden files, by a fixture of another folder.
_TESTS = ("//tests:names/assignment_map_test", "//tests:checkpoint/reader_test")


def main() -> int:
    """Run Bazel in a temporary folder; return the first exit status that is not 0."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        options = ["--noshow_progress", *_overrides(folder)]
        # The links to what a test needs are made for those that run: goldens are many.
        made = ["--symlink_prefix=/", "--nobuild_runfile_links", "--test_env=PATH"]
        tests = ["--test_output=errors", "--spawn_strategy=local"]
        commands = (
            ["query", *options, "//..."],
            ["build", *options, *made, "//..."],
            ["test", *options, *made, *tests, *_TESTS],
        )
        try:
            # The first that fails is the last one.
            return next(filter(None, (_bazel(folder, c) for c in commands)), 0)
        finally:
            _bazel(folder, ["shutdown"])


def _overrides(folder: Path) -> list[str]:
    """Write the stand-ins; return the options that put them in their places."""
    options: list[str] = []
    for name, (file, rules) in _STAND_INS.items():
        path = folder / name / file
        path.parent.mkdir(parents=True)
        path.write_text("".join(f"{rule} = native.{rule}\n" for rule in rules.split()))
        (path.parent / "BUILD").write_text("" if rules else _COVERAGE)
        (folder / name / "WORKSPACE").write_text(f'workspace(name = "{name}")\n')
        options.append(f"--override_repository={name}={folder / name}")
    return options


def _bazel(folder: Path, command: list[str]) -> int:
    """Run a command of Bazel by a server of our own; return its exit status."""
    # Without the user's settings; those of the system tell Debian's own folders.
    start = ["bazel", "--nohome_rc", f"--output_user_root={folder}/output"]
    start.append("--max_idle_secs=60")  # should we be killed before we shut it down
    print("$ bazel", *command, flush=True)
    done = subprocess.run(
        [*start, *command], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    lines = done.stdout.splitlines()
    print(f"{len(lines)} targets" if command[0] == "query" else done.stdout)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
