"""Results in a notebook: one short line, and a table with what is wrong first."""

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tf_ckpt_migrate.conversion.example import example_checkpoint


@pytest.fixture
def results():
    old = {f"block{n}/<kernel>": np.ones(2, np.float32) for n in range(60)}
    new = {**old, "block0/<kernel>": np.zeros(2, np.float32), "more": 1}
    with example_checkpoint(old) as a, example_checkpoint(new) as b:
        yield [
            tcm.plan_migration(a),
            tcm.inspect_checkpoint(a),
            tcm.make_report(a),
            tcm.diff_checkpoints(a, b),
            tcm.suggest_assignment_map(a, b),
        ]


def test_repr_is_one_short_line(results):
    for result in results:
        shown = repr(result)
        assert shown.startswith(f"<{type(result).__name__} ")
        assert "\n" not in shown
        assert len(shown) < 400


def test_repr_of_what_was_written_and_verified(tmp_path):
    with example_checkpoint({"a": np.ones(2, np.float32)}) as source:
        plan = tcm.plan_migration(source)
        made = tcm.convert(plan, tmp_path / "m")
        shown = [
            made,
            tcm.verify_conversion(made, source, plan),
            tcm.verify_checkpoint(made),
            tcm.convert_all(source, tmp_path / "all", assignment_map={"a": "b"}),
        ]
    for result in shown:
        assert repr(result).startswith(f"<{type(result).__name__} ")
        assert len(repr(result)) < 400
    assert "ok" in repr(shown[1])


def test_tables_name_findings_and_not_their_classes(results):
    a, b = results[3].a, results[3].b
    for result in (results[3], tcm.make_report(a, b)):
        table = result._repr_html_()
        assert "Difference(" not in table
        assert "Finding(" not in table


def test_tables_are_bounded_and_escaped(results):
    for result in results:
        table = result._repr_html_()
        assert table.startswith("<table><caption>&lt;")
        assert "<kernel>" not in table
        assert table.count("<tr>") <= 51


def test_what_differs_comes_first(results):
    table = results[3]._repr_html_()
    assert table.index("other values") < table.index("only in b")
