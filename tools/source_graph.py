"""What the Python sources of this repository import, read without running them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

__all__ = ["PACKAGE", "ROOT", "Import", "imports", "modules", "tree"]

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "tf_ckpt_migrate"
_OURS = (PACKAGE, "benchmarks", "examples", "tests", "tools")


class Import(NamedTuple):
    """One import found in a source.

    Attributes:
      name: The module imported: ours in full, any other's as written.
      line: Where.
      typing_only: Whether it is under ``if TYPE_CHECKING``.
    """

    name: str
    line: int
    typing_only: bool


@cache
def modules(folder: str = PACKAGE) -> dict[str, Path]:
    """Return path by dotted name of every module under a folder of the repository."""
    paths = sorted((ROOT / folder).rglob("*.py"))
    return {_dotted(path): path for path in paths}


def _dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree(path: Path) -> ast.Module:
    """Return the syntax tree of a source."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@cache
def imports(path: Path) -> list[Import]:
    """Return every import of a source, those inside functions too."""
    return list(_walk(tree(path), typing_only=False))


def _walk(node: ast.AST, *, typing_only: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        for name in _targets(node):
            yield Import(name, node.lineno, typing_only)
        return
    guarded = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, typing_only=typing_only or guarded)


def _targets(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    source = node.module or ""
    if source.split(".")[0] not in _OURS:
        yield source
        return
    for alias in node.names:
        full = f"{source}.{alias.name}"
        yield full if _is_module(full) else source


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()
