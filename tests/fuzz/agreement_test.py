"""What this package calls right, TensorFlow reads, with the same values."""

import pytest

from tests.fuzz.against_tensorflow import ask_tensorflow, disagreements, write_damaged

# Numbers of damaged checkpoints; those after the first were once judged wrongly:
# headers of a negative producer, a tensor of a dtype that cannot be stored, slices of
# another dtype than their variable, a slice with slices of its own.
NUMBERS = [*range(400), 426, 831, 6752, 10647, 107688]


def test_what_verify_calls_right_tensorflow_reads(tf, tmp_path):
    del tf  # it is asked in processes of its own
    assert list(disagreements(NUMBERS, tmp_path)) == []


def test_tensorflow_reads_some_of_the_files_and_refuses_others(tf, tmp_path):
    del tf
    for number in range(40):
        write_damaged(number, tmp_path / str(number))
    answers = ask_tensorflow([str(tmp_path / str(n) / "m") for n in range(40)])
    assert 5 < sum(answer is None for answer in answers) < 35


@pytest.mark.once
def test_the_damage_is_the_same_each_time(tmp_path):
    assert write_damaged(7, tmp_path / "a") == write_damaged(7, tmp_path / "b")
    names = ["m.index", "m.data-00000-of-00001"]
    a, b = ([(tmp_path / x / name).read_bytes() for name in names] for x in "ab")
    assert a == b
