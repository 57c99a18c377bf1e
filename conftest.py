"""What every test can ask for: TensorFlow, and an interpreter with TensorFlow 1.15."""

from __future__ import annotations

import functools
import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings

# How long an example takes says nothing: the machine is shared.
settings.register_profile("untimed", deadline=None, print_blob=True)
settings.load_profile("untimed")

# Their doctests, and the import that collects them, need TensorFlow.
_NEED_TENSORFLOW = ["live", "keras", "estimator.py", "testing"]
_PACKAGE = Path(__file__).parent / "tf_ckpt_migrate"
_HAS_TENSORFLOW = importlib.util.find_spec("tensorflow") is not None

# Programs that tests start, most of them with TensorFlow 1.15; not tests.
collect_ignore = [
    "tests/beam_killed.py",
    "tests/tf1_restores.py",
    "tests/live/tf1_goes_on.py",
    "tests/live/tf1_rnn_goes_on.py",
    "tests/whole/tf1_trains_on.py",
]
_BACKEND = os.environ.get("KERAS_BACKEND", "jax")  # or "torch", for tests marked `jax`
_HAS_KERAS_3 = all(importlib.util.find_spec(each) for each in ("keras", _BACKEND))
if not _HAS_TENSORFLOW:
    collect_ignore += [
        *(f"tf_ckpt_migrate/{path}" for path in _NEED_TENSORFLOW),
        *("tests/live", "tests/testing", "tests/estimator_test.py"),
        "tests/keras_test.py",
        "tests/crash/saves.py",
        "tests/partitioned_adam.py",
    ]


@pytest.fixture(scope="session")
def tf() -> ModuleType:
    """TensorFlow; a test that asks for it gets the mark ``tf``."""
    return importlib.import_module("tensorflow")


@pytest.fixture(scope="session")
def keras_3() -> ModuleType:
    """Keras 3 without TensorFlow; a test that asks for it gets the mark ``jax``."""
    os.environ["KERAS_BACKEND"] = _BACKEND
    return importlib.import_module("keras")


@pytest.fixture(scope="session")
def tf1_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Path of what starts TensorFlow 1.15's interpreter; gives the mark ``tf1``.

    An imported TensorFlow 2 asks, by a variable, that of every process begun from here
    to behave as it does.
    """
    path = os.environ.get("TF_CKPT_MIGRATE_TF1_PYTHON")
    if path is None:
        pytest.skip("TF_CKPT_MIGRATE_TF1_PYTHON names no interpreter here")
    script = tmp_path_factory.mktemp("tf1") / "python"
    script.write_text(f'#!/bin/sh\nunset TF2_BEHAVIOR\nexec "{path}" "$@"\n')
    script.chmod(0o755)
    return str(script)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium browser; gives the mark ``browser``."""
    path = os.environ.get("TF_CKPT_MIGRATE_CHROMIUM")
    if path is None:
        pytest.skip("TF_CKPT_MIGRATE_CHROMIUM names no browser here")
    return path


def _is_of_tensorflow(path: Path) -> bool:
    """Whether it is a module of the package whose examples need TensorFlow."""
    if not path.is_relative_to(_PACKAGE):
        return False
    return path.relative_to(_PACKAGE).parts[0] in _NEED_TENSORFLOW


@functools.cache
def _is_of_keras(path: Path) -> bool:
    """Whether a file names Keras, so that it matters which one there is."""
    return "keras" in path.read_text(encoding="utf-8").lower()


@pytest.hookimpl(tryfirst=True)  # before -m chooses by the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        asked = getattr(item, "fixturenames", ())
        if "tf" in asked or _is_of_tensorflow(item.path):
            item.add_marker("tf")
        if "keras_3" in asked:
            item.add_marker("jax")
        if item.get_closest_marker("jax") and not _HAS_KERAS_3:
            reason = f"Keras 3 with {_BACKEND} is not installed here"
            item.add_marker(pytest.mark.skip(reason=reason))
        if "chromium" in asked:
            item.add_marker("browser")
        if "tf1_python" in asked:
            item.add_marker("tf1")
        if _is_of_keras(item.path):
            item.add_marker("keras")
        if item.get_closest_marker("tf") and not _HAS_TENSORFLOW:
            item.add_marker(pytest.mark.skip(reason="TensorFlow is not installed here"))
