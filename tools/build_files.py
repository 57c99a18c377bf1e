"""Write the BUILD files, which follow from what the sources import.

::

    python3 tools/build_files.py           # write them
    python3 tools/build_files.py --check   # say which are stale; exit 1 if any is

One ``py_library`` for each module, one named as its folder for all of them, one
``py_test`` for each test, by the rules that Bazel 4.2 has built in. What comes from
PyPI is named in comments, because how it reaches a build differs between users.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.source_graph import PACKAGE, ROOT, imports, modules

__all__ = ["build_files", "main", "stale"]

_FOLDERS = (PACKAGE, "benchmarks", "examples", "tests", "tools")
_HEADER = """\
# Written by tools/build_files.py from what the sources import.

package(default_visibility = ["//visibility:public"])

licenses(["notice"])
"""
_ROOT = """
exports_files(["LICENSE"])

{run_tests}
# What every test runs under: pytest's settings, its fixtures and the golden files.
py_library(
    name = "testing",
    testonly = True,
    srcs = ["conftest.py"],
    data = {data},
    deps = [
        # hypothesis dep
        # pytest dep
    ],
)
"""
_MAIN = "//tools:pytest_main.py"


def build_files() -> dict[Path, str]:
    """Return the contents of every BUILD file by its path."""
    sources = [path for folder in _FOLDERS for path in modules(folder).values()]
    folders = sorted({path.parent for path in sources})
    data = [folder for folder in folders if folder.name == "goldens"]
    labels = ["pyproject.toml", *(f"//{_relative(folder)}:data" for folder in data)]
    run_tests = _rule(ROOT / "run_tests.py")
    root = _ROOT.format(run_tests=run_tests, data=_list(labels))
    files = {ROOT / "BUILD": _HEADER + root}
    for folder in folders:
        here = [path for path in sources if path.parent == folder]
        rules = [_rule(path) for path in here]
        if folder in data:
            rules.append(_filegroup(folder))
        if folder.name == "tools":
            rules.append('exports_files(["pytest_main.py"])\n')
        files[folder / "BUILD"] = "\n".join([_HEADER, *rules])
    return files


def stale() -> list[str]:
    """Return the paths of BUILD files that are not what the sources ask for."""
    wanted = build_files()
    found = {ROOT / "BUILD"}.union(
        *((ROOT / folder).rglob("BUILD") for folder in _FOLDERS)
    )
    return sorted(
        str(path.relative_to(ROOT))
        for path in found | set(wanted)
        if not path.exists() or path.read_text() != wanted.get(path)
    )


def main(arguments: list[str]) -> int:
    """Write or check the BUILD files; return the exit status."""
    if arguments == ["--check"]:
        for path in stale():
            print(f"stale: {path}; run python3 tools/build_files.py")
        return 1 if stale() else 0
    for path in stale():
        (ROOT / path).unlink(missing_ok=True)
    for path, text in build_files().items():
        path.write_text(text)
    return 0


def _rule(path: Path) -> str:
    if path.name == "__init__.py":
        return _folder_library(path)
    if path.stem.endswith("_test"):
        return _test(path)
    testonly = ["    testonly = True,"] if "tests" in path.parts else []
    lines = [*testonly, *_sources(path), *_resources(path)]
    return _call("py_library", _name(path), lines, _deps(path))


def _folder_library(path: Path) -> str:
    siblings = [other for other in path.parent.glob("*.py") if other != path]
    inner = [f":{_name(other)}" for other in siblings]
    folders = [
        _label(other, path.parent) for other in path.parent.glob("*/__init__.py")
    ]
    deps = dict.fromkeys(_sorted([*inner, *folders]))
    return _call("py_library", path.parent.name, _sources(path), deps)


def _test(path: Path) -> str:
    lines = [
        f'    srcs = ["{path.name}", "{_MAIN}"],',
        f'    args = ["$(location {path.name})"],',
        f'    main = "{_MAIN}",',
    ]
    # What pytest finds without an import, and //:testing has of the root.
    folders = [path.parent, *path.parent.parents]
    above = [f / "conftest.py" for f in folders[: folders.index(ROOT)]]
    fixtures = [_label(found, path.parent) for found in above if found.exists()]
    deps = dict.fromkeys(["//:testing", *fixtures, *_deps(path)])
    return _call("py_test", path.stem, lines, deps)


def _sources(path: Path) -> list[str]:
    return [f'    srcs = ["{path.name}"],']


def _resources(path: Path) -> list[str]:
    """Return the data of a module that reads files of its package."""
    if "resources.files(" not in path.read_text():
        return []
    others = sorted(
        f"{folder.name}/*"
        for folder in path.parent.iterdir()
        if folder.is_dir() and not any(folder.glob("*.py")) and folder.name[0] != "_"
    )
    return [f"    data = glob({json.dumps(others)}),"]


def _deps(path: Path) -> dict[str, None]:
    """Return labels of ours and names of others, as a set that keeps its order."""
    ours: set[str] = set()
    others: set[str] = set()
    for found in imports(path):
        top = found.name.split(".")[0]
        if top in _FOLDERS or (ROOT / f"{top}.py").exists():
            # A program may import itself, to be found by a name in other processes.
            if not found.typing_only and _path(found.name) != path:
                ours.add(_label(_path(found.name), path.parent))
        elif top not in sys.stdlib_module_names:
            others.add(f"# {'protobuf' if top == 'google' else top} dep")
    return dict.fromkeys([*_sorted(ours), *sorted(others)])


def _sorted(labels: Iterable[str]) -> list[str]:
    return sorted(labels, key=lambda label: (label.startswith("//"), label))


def _path(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _label(path: Path, seen_from: Path | None = None) -> str:
    if path.parent == seen_from:
        return f":{_name(path)}"
    return f"//{_relative(path.parent)}:{_name(path)}"


def _name(path: Path) -> str:
    folder = path.parent.name
    if path.name == "__init__.py":
        return folder
    return f"{folder}_module" if path.stem == folder else path.stem


def _relative(folder: Path) -> str:
    return "" if folder == ROOT else folder.relative_to(ROOT).as_posix()


def _filegroup(folder: Path) -> str:
    name = '    name = "data",\n'
    # Bazel cannot name a file that has a colon in its name.
    left = '["*.py", "BUILD", "**/*:*"]'
    return f'filegroup(\n{name}    srcs = glob(["**"], exclude = {left}),\n)\n'


def _call(rule: str, name: str, lines: Iterable[str], deps: dict[str, None]) -> str:
    listed = [f"    deps = {_list(deps)}," if deps else ""]
    body = "\n".join(filter(None, [f'    name = "{name}",', *lines, *listed]))
    return f"{rule}(\n{body}\n)\n"


def _list(items: Iterable[str]) -> str:
    lines = [item if item.startswith("#") else f'"{item}",' for item in items]
    return "\n        ".join(["[", *lines]) + "\n    ]"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
