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
