"""The laws of CONTRIBUTING.md that a program can check, read from the sources."""

import ast
import importlib
import re
import subprocess
import sys
from graphlib import TopologicalSorter

import pytest

import tf_ckpt_migrate
from tools.source_graph import PACKAGE, ROOT, imports, modules, tree

pytestmark = pytest.mark.once

# A folder (or a module beside the folders) imports only from lower floors.
FLOORS = {
    "_version": 0,
    "findings": 0,
    "errors": 1,
    "escapes": 1,
    "storage": 2,
    "table": 2,
    "bundle": 3,
    "transforms": 4,
    "naming": 4,
    "names": 5,
    "recipes": 6,
    "checkpoint": 6,
    "conversion": 7,
    "live": 8,
    "beam": 9,
    "keras": 9,
    "estimator": 9,
    "testing": 9,
    "report": 10,
    "cli": 11,
    "__main__": 12,
    "": 12,  # the facade, tf_ckpt_migrate itself
}
KNOWS_TENSORFLOW = {"live", "keras", "estimator", "testing"}
TENSORFLOW = {"tensorflow", "tensorflow_estimator", "keras", "tf_keras"}

# Importing the module on the left loads nothing of what is on the right.
CHEAP = {
    "tf_ckpt_migrate": "numpy google.protobuf yaml rich absl cramjam ml_dtypes",
    "tf_ckpt_migrate.table.reader": "numpy cramjam",
    "tf_ckpt_migrate.checkpoint.reader": "numpy yaml rich cramjam",
    "tf_ckpt_migrate.names.plan": "numpy google.protobuf yaml rich",
    "tf_ckpt_migrate.cli.main": "numpy google.protobuf yaml rich jinja2",
}

MODULES = modules()
PROGRAMS = {**modules("tools"), **modules("examples"), **modules("benchmarks")}


def part(module: str) -> str:
    """Return what of a module's name stands in FLOORS."""
    return module.split(".")[1] if "." in module else ""


def ours(module: str, *, typing: bool) -> set[str]:
    found = imports(MODULES[module])
    wanted = (i.name for i in found if typing or not i.typing_only)
    return {name for name in wanted if name.split(".")[0] == PACKAGE}


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down_the_floors(module):
    here = part(module)
    wrong = [
        name
        for name in ours(module, typing=True)
        if part(name) != here and FLOORS[part(name)] >= FLOORS[here]
    ]
    assert not wrong, f"{module} is on floor {FLOORS[here]}"


def test_no_module_imports_in_a_circle():
    graph = {module: ours(module, typing=False) for module in MODULES}
    TopologicalSorter(graph).prepare()  # CycleError names the circle


READING = {"replace", "find", "index", "count", "startswith", "endswith"}
READING |= {"removeprefix", "removesuffix", "translate"}


def reads_of_messages(module):
    """Yield the lines that search the text of a caught error, or change it."""
    names = {
        node.name
        for node in ast.walk(tree(MODULES[module]))
        if isinstance(node, ast.ExceptHandler) and node.name
    }

    def is_text(node):
        is_call = isinstance(node, ast.Call) and len(node.args) == 1
        return is_call and ast.unparse(node) in {f"str({name})" for name in names}

    for node in ast.walk(tree(MODULES[module])):
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.Call):
            owner = getattr(node.func, "value", None)
            is_search = getattr(owner, "id", "") == "re"
            is_reading = getattr(node.func, "attr", "") in READING
            parts = [
                *([owner] if is_reading else []),
                *(node.args if is_search else []),
            ]
        elif isinstance(node, ast.Subscript):
            parts = [node.value]
        else:
            continue
        if any(map(is_text, parts)):
            yield node.lineno


# What others raise, and say only in words.
READS_MESSAGES = {
    f"{PACKAGE}.live.graph_views",  # TensorFlow names a temporary file
    f"{PACKAGE}.names.rules.recipe",  # Python refuses an argument
}


@pytest.mark.parametrize("module", MODULES)
def test_a_message_is_not_read_by_code(module):
    assert bool([*reads_of_messages(module)]) is (module in READS_MESSAGES)


@pytest.mark.parametrize(
    "module", [name for name in MODULES if part(name) not in KNOWS_TENSORFLOW]
)
def test_tensorflow_is_not_imported(module):
    found = {i.name.split(".")[0] for i in imports(MODULES[module])}
    assert not found & TENSORFLOW


def test_everything_below_the_live_floor_works_without_tensorflow():
    names = [name for name in MODULES if part(name) not in KNOWS_TENSORFLOW]
    blocked = "".join(f"sys.modules[{name!r}] = None\n" for name in sorted(TENSORFLOW))
    loads = "".join(f"importlib.import_module({name!r})\n" for name in names)
    in_new_process(f"import importlib, sys\n{blocked}{loads}")


@pytest.mark.parametrize("module", [name for name in CHEAP if name in MODULES])
def test_a_cheap_import_stays_cheap(module):
    code = f"import sys, {module}\nprint(*sys.modules)"
    loaded = in_new_process(code).split()
    assert not set(CHEAP[module].split()) & set(loaded)


def in_new_process(code: str) -> str:
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("module", MODULES)
def test_all_is_what_a_module_defines_in_public(module):
    source = tree(MODULES[module])
    if MODULES[module].name == "__init__.py" and module != PACKAGE:
        assert not defined(source), "a folder's __init__ is its docstring"
    elif module != PACKAGE:
        assert set(literal(source, "__all__")) == defined(source)


def defined(source: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in source.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            named = (sub for target in targets for sub in ast.walk(target))
            names.update(sub.id for sub in named if isinstance(sub, ast.Name))
    dunder = {"__version__"} & names
    return {name for name in names if not name.startswith("_")} | dunder


def literal(source: ast.Module, name: str) -> list[str]:
    for node in source.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    return []


def test_the_public_names_are_stated_alike_in_their_three_places():
    homes = tf_ckpt_migrate._HOMES
    lazy = {(home, name) for home, names in homes.items() for name in names}
    typed: set[tuple[str, str]] = set()
    for node in ast.walk(tree(MODULES[PACKAGE])):
        if isinstance(node, ast.If):
            for found in ast.walk(node):
                if isinstance(found, ast.ImportFrom):
                    home = (found.module or "").removeprefix(PACKAGE).lstrip(".")
                    typed.update((home, alias.name) for alias in found.names)
    assert typed == lazy
    names = [name for _, name in lazy]
    assert sorted([*names, "__version__"]) == sorted(tf_ckpt_migrate.__all__)


def test_the_reference_lists_the_public_names():
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert sorted(["__version__", *listed]) == sorted(tf_ckpt_migrate.__all__)


def test_the_reference_lists_the_stable_names_of_public_modules():
    """A name that goes, or comes, is a line that someone has to change."""
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| of `([\w.]+)` \| (.*) \|$", text, re.MULTILINE)
    listed = {name: re.findall(r"`(\w+)`", names) for name, names in rows}
    assert {*listed} == {*tf_ckpt_migrate._HOMES[""], "keras.optimizers"}
    for name, names in listed.items():
        stated = literal(tree(MODULES[f"{PACKAGE}.{name}"]), "__all__")
        if name in ("errors", "transforms"):  # functions there are for the package
            stated = [each for each in stated if each[0].isupper()]
        assert names == sorted(stated), name


PUBLIC = [
    (home, name)
    for home, names in tf_ckpt_migrate._HOMES.items()
    for name in names
    if part(f"{PACKAGE}.{home or name}") not in KNOWS_TENSORFLOW
]


@pytest.mark.parametrize(("home", "name"), PUBLIC)
def test_a_public_name_has_a_docstring_with_an_example(home, name):
    value = getattr(tf_ckpt_migrate, name)
    assert value.__doc__, name
    assert name in dir(tf_ckpt_migrate)
    if home:
        assert getattr(importlib.import_module(f"{PACKAGE}.{home}"), name) is value
        assert "Example:" in value.__doc__


def test_a_name_that_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'no_such_name'"):
        _ = tf_ckpt_migrate.no_such_name


SOURCES = {**MODULES, **PROGRAMS, "run_tests": ROOT / "run_tests.py"}


@pytest.mark.parametrize("module", SOURCES)
def test_modules_and_functions_are_small(module):
    path = SOURCES[module]
    lines = path.read_text().count("\n")
    assert lines <= 600
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef):
            assert length_of_body(node) <= 50, node.name


def length_of_body(function: ast.FunctionDef) -> int:
    """Return the lines of a function but its signature, which options make long."""
    body = function.body
    if ast.get_docstring(function) is not None:
        body = body[1:]
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


# Whoever leaves one of these gives its reason: TODO(#12): wait for protobuf 8.
LEFTOVER = re.compile(
    r"\b(?:TODO|FIXME|XXX)\b(?!\(#\d+\): )|(?<!\w)/(?:work|opt|root)/\w"
)
TEXT_FOLDERS = (PACKAGE, "benchmarks", "docs", "examples", "tests", "tools")
TEXTS = [
    path
    for pattern in ("*", *(f"{folder}/**/*" for folder in TEXT_FOLDERS))
    for path in sorted(ROOT.glob(pattern))
    if path.suffix in {".md", ".py", ".toml", ".yaml"}
]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_left_over(path):
    text = path.read_text(encoding="utf-8")
    if path.name != "architecture_test.py":
        assert not LEFTOVER.findall(text)
