"""No suggested pair is wrong; the documentation's table has what is measured here."""

import pytest

import tf_ckpt_migrate as tcm
from tests.conversion.suggestion.files import write_shapes
from tests.conversion.suggestion.truth import PAGE, PAIRS, counts


@pytest.mark.parametrize("name", PAIRS)
def test_the_table_of_the_page(name, tmp_path):
    truth = PAIRS[name]
    source = write_shapes(tmp_path / "source", truth.source)
    target = write_shapes(tmp_path / "target", truth.target)
    suggestion = tcm.suggest_assignment_map(source, target)
    found = counts(suggestion, source, target, truth.pairs)
    assert (found.wrong_certain, found.wrong_likely) == (0, 0)
    assert found.row(name) in PAGE.read_text().splitlines()


def test_the_sums_in_the_readme():
    lines = PAGE.read_text().splitlines()
    cells = [line.strip("| ").split(" | ") for line in lines if line.count("|") == 8]
    rows = [list(map(int, row[1:])) for row in cells if row[1:] and row[1].isdecimal()]
    tensors, certain, likely, *wrong, left = map(sum, zip(*rows, strict=True))
    readme = (PAGE.parents[1] / "README.md").read_text()
    assert f"Over {len(rows)} pairs of models" in readme
    assert f"{certain + likely:,} of {tensors:,}" in readme
    assert certain + likely + left == tensors
    assert wrong == [0, 0]
