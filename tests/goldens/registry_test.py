import json
from pathlib import Path

import pytest

from tests.goldens.names import GOLDENS

HERE = Path(__file__).parent
WRITERS = {
    "tf1_15": "TensorFlow 1.15.5",
    "tf2_15": "TensorFlow 2.15.1",
    "tf2_21": "TensorFlow 2.21.0",
}


def test_every_writer_has_its_directory_and_the_reverse():
    present = {path.parent.parent.name for path in HERE.glob("*/*/expected.json")}
    assert present == set(GOLDENS) == set(WRITERS)


@pytest.mark.parametrize("writer", WRITERS)
def test_every_golden_has_its_directory_and_the_reverse(writer):
    present = sorted(path.name for path in (HERE / writer).iterdir())
    assert present == sorted(GOLDENS[writer])


@pytest.mark.parametrize("writer", WRITERS)
def test_every_golden_says_who_wrote_it(writer):
    for name in GOLDENS[writer]:
        text = (HERE / writer / name / "expected.json").read_text(encoding="utf-8")
        assert json.loads(text)["writer"] == WRITERS[writer], name


def test_the_goldens_stay_small():
    assert sum(path.stat().st_size for path in HERE.rglob("*.*")) < 2_500_000


def test_no_golden_holds_a_path_of_the_machine_it_was_written_on():
    for path in HERE.glob("tf*/**/*"):
        if path.is_file():
            data = path.read_bytes()
            assert not any(p in data for p in (b"/home/", b"/tmp", b"/usr/")), path
            assert b"site-packages" not in data, path
