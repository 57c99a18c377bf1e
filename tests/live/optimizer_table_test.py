"""The tables of ``docs/optimizers.md`` tell what is measured, and verdicts are true."""

import pytest

from tests.live.optimizer_cases import check_approximate, tolerance
from tests.live.optimizer_table import COLUMNS, NONE, PAGE, TABLES, back, there
from tests.live.resumed import continued, flavors
from tests.pages import bound, holds, read_table, write_table

CASES = [
    pytest.param(name, case, id=f"{name}: {case.id}")
    for name, cases in TABLES.items()
    for case in cases
]


def cells(name, case, tf):
    """What the page tells of a case, for the flavors there are."""
    (row,) = (
        row
        for row in read_table(PAGE, name)
        if (row["TF1"], row["Keras"]) == (case.tf1, f"`{case.keras}`")
    )
    return {flavor: row[COLUMNS[flavor]].split(", ") for flavor in flavors(tf)}


@pytest.fixture(scope="module")
def ways():
    """What every case came to: each is trained once for all tests."""
    known = {}

    def way(tf, flavor, name, case):
        key = flavor, name, case.tf1, case.keras
        if key not in known:
            known[key] = there(tf, flavor, case)
        return known[key]

    return way


@pytest.mark.parametrize(("name", "case"), CASES)
def test_a_row(tf, ways, name, case):
    for flavor, (verdict, *told) in cells(name, case, tf).items():
        way = ways(tf, flavor, name, case)
        assert way.verdict == verdict, flavor
        if way.checkpoint is None:
            assert told == []
            continue
        assert holds(told[0], way.apart)
        if verdict == "exact":
            assert way.apart <= tolerance(case)
        else:
            record = continued(case.golden)
            check_approximate(case, way.report.verdicts, way.apart, record)


@pytest.mark.every_keras
def test_the_way_back(tf, ways, tf1_python):
    """20 steps in Keras from the state of TF1, then 20 in both."""
    exact, told = {}, {}
    for name, cases in TABLES.items():
        for case in cases:
            for flavor, (verdict, *bounds) in cells(name, case, tf).items():
                if verdict == "exact":
                    key = name, case.id, flavor
                    exact[key] = case, ways(tf, flavor, name, case)
                    told[key] = bounds[1]
    found = back(tf, exact, tf1_python)
    off = {key: far for key, far in found.items() if far > tolerance(exact[key][0])}
    assert off == {}
    assert [key for key, far in found.items() if not holds(told[key], far)] == []


@pytest.mark.parametrize("name", TABLES)
def test_every_case_is_a_row(name):
    rows = [(row["TF1"], row["Keras"]) for row in read_table(PAGE, name)]
    assert rows == [(case.tf1, f"`{case.keras}`") for case in TABLES[name]]
    assert len(set(rows)) == len(rows)


class TestPages:
    def test_there_and_back(self, tmp_path):
        page = tmp_path / "page.md"
        block = "<!-- measured: x, by y -->\n| a |\n|---|\n<!-- end of x -->"
        page.write_text(f"before\n\n{block}\n\nafter\n", encoding="utf-8")
        assert read_table(page, "x") == []
        rows = [{"a": "1", "b": NONE}, {"a": "`f(x)`", "b": "exact, 1e-6"}]
        write_table(page, "x", rows)
        assert read_table(page, "x") == rows
        text = page.read_text(encoding="utf-8")
        assert text.startswith("before\n\n<!--")
        assert text.endswith("-->\n\nafter\n")
        with pytest.raises(LookupError, match="'other'"):
            read_table(page, "other")

    def test_bounds(self):
        assert [bound(d) for d in (0, 7e-7, 2.3e-6, 0.04, 0.5)] == [
            *("1e-6", "1e-6", "5e-6", "0.1", "1"),
        ]
        assert holds("1e-6", 0)
        assert holds("1e-5", 2e-6)
        assert not holds("1e-6", 2e-6)
        assert not holds("1e-1", 1e-6)
