"""Cells are found where TensorFlow 1.15 puts them."""

import json
import subprocess
from pathlib import Path

import pytest

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.names.resolver import Places
from tf_ckpt_migrate.recipes.stacks import cells_below

PROGRAM = Path(__file__).parents[1] / "goldens" / "tf1_cudnn_names.py"


def test_what_cudnn_layers_save(tf1_python):
    """A layer of Cudnn saves cells that others can read; one scope holds them all."""
    done = subprocess.run(
        [tf1_python, "-W", "ignore", str(PROGRAM)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for names, kind in zip(
        json.loads(done.stdout), ("lstm",) * 2 + ("gru",) * 2, strict=True
    ):
        cell = f"cudnn_compatible_{kind}_cell/"
        stacked = "stack_bidirectional_rnn/cell_{}/bidirectional_rnn/{}/" + cell
        straight = "rnn/multi_rnn_cell/cell_{}/" + cell
        both = names[0].startswith("stack")
        expected = (
            [stacked.format(n, way) for way in ("bw", "fw") for n in (0, 1)]
            if both
            else [straight.format(n) for n in (0, 1)]
        )
        found = cells_below(dict.fromkeys(names), "/")
        assert [each.scope for each in found] == expected
        own = {name for name in names if name.startswith(tuple(expected))}
        assert own == set(names)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a/lstm_cell/kernel", "a/lstm_cell/kernel/Adam"], ["a/lstm_cell/"]),
        (["a/rnn/gru_cell/gates/kernel", "a/rnn/gru_cell/candidate/kernel"],
         ["a/rnn/gru_cell/"]),
        (["a/MultiRNNCell/Cell0/BasicLSTMCell/Linear/Matrix"],
         ["a/MultiRNNCell/Cell0/BasicLSTMCell/"]),
        (["a/decoder/dense/kernel", "a/decoder/rnn/lstm_cell/kernel"], []),
        (["a/lstm_2/cell/recurrent_kernel", "a/lstm_10/cell/recurrent_kernel"],
         ["a/lstm_2/cell/", "a/lstm_10/cell/"]),
        (["a/kernel"], ["a/"]),
    ],
)  # fmt: skip
def test_names(names, expected):
    found = cells_below(dict.fromkeys(names), "a/")
    assert [each.scope for each in found] == expected


def test_paths_are_looked_at_where_keys_name_no_cell():
    """In a file keys end otherwise than the paths that rules have."""
    end = "/.ATTRIBUTES/VARIABLE_VALUE"
    paths = [f"net/seq/cell/{name}" for name in ("kernel", "recurrent_kernel")]
    spec = TensorSpec(DType.float32, (2, 2))
    keys = {path + end: spec for path in paths}
    places = Places(keys, {path: path + end for path in paths})
    found = cells_below(places, "net/seq/")
    assert [cell.scope for cell in found] == ["net/seq/cell/"]
    assert cells_below(Places(keys), "net/seq/") == []
