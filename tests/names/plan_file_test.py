"""Plans come from editors and strangers: every way of being wrong names its line."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.names.plan import MigrationPlan

from_yaml = MigrationPlan.from_yaml

GOOD = """\
# a comment
version: 1
source: old
moves:
- a: b            # another one
- sources: [c, d]
  target: e
  transform: {op: chain, transforms: [{op: concat, axis: 0}, {op: cast, dtype: int64}]}
dropped:
- on: "reason: with a colon"
- off
source_specs:
  a: float32[]
  c: int32[2]
  d: int32[3]
  on: string[1, 2]
  off: bool[0]
"""


def test_what_a_person_writes():
    plan = from_yaml(GOOD)
    assert [str(move) for move in plan.moves] == [
        "'a' -> 'b' float32[]",
        (
            "'c' + 'd' -> 'e' int64[5] by Chain(transforms=(Concat(axis=0), "
            "Cast('int64')))"
        ),
    ]
    assert plan.dropped == (("on", "reason: with a colon"), ("off", ""))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version: 1", "version: 2", "line 2: this release reads version 1"),
        ("version: 1\n", "", "'version' is missing"),
        ("version: 1", "version: [1]", "line 2: version is to be text"),
        ("source: old", "sauce: old", "line 3: a plan has no 'sauce'; it has version"),
        ("moves:\n", "moves: {}\nextra:\n", "a plan has no 'extra'"),
        ("- a: b ", "- a b ", "line 5: a move is to be a mapping"),
        ("- a: b ", "- x: b ", "line 5: 'x' is not in source_specs"),
        ("- a: b ", "- {a: b, c: d} ", "line 5: .* is neither one 'source: target'"),
        ("- a: b ", "- a: ", "line 5: the target is to be text"),
        ("- a: b ", "- a: [b] ", "line 5: the target is to be text"),
        ("- a: b ", "- a: e ", "'e' is written 2 times"),
        ("[c, d]", "[c, dd]", "line 6: 'dd' is not in source_specs; .* 'd'"),
        ("[c, d]", "c", "line 6: sources is to be a list"),
        ("op: cast", "op: cats", "line 8: no transform is called 'cats'"),
        ("axis: 0", "axis: one", "line 8: axis must be integers"),
        ("axis: 0", "axis: 1", "line 8: .* but for axis 1, the same shape"),
        ("axis: 0", "axis: 0.5", "line 8: axis must be integers"),
        ("axis: 0", "axis: '0'", "line 8: axis must be integers"),
        ("moves:", "moves: &anchor", "line 4: anchors and aliases"),
        ("- off", "- [off]", "line 11: a dropped key is to be a mapping"),
        ("- off", "- a: b\n  c: d", "line 11: a dropped key is written '- key:"),
        ("- off\n", "", "'off' is neither moved nor dropped"),
        ("float32[]", "float[]", r"line 13: 'float\[\]' is no spec such as"),
        ("float32[]", "float32", "line 13: 'float32' is no spec such as"),
        ("float32[]", "float32[-1]", "line 13: .* is no spec such as"),
        ("float32[]", f"float32[{'1' * 5000}]", "line 13: .* is no spec such as"),
        ("float32[]", "float32[1,,2]", "line 13: .* is no spec such as"),
        ("axis: 0", f"axis: {'1' * 5000}", "line 8: axis must be integers"),
        ("  d: int32[3]", "  c: int32[3]", "line 15: 'c' is there already, in line 14"),
        ("- a: b ", "- a: *x ", "anchors and aliases"),
        (
            "- a: b ",
            "- a: !!python/name:os.system b ",
            "line 5: the tag .* has no mean",
        ),
        ("- a: b ", "- a: !x b ", "line 5: the tag '!x' has no meaning"),
        ("- a: b ", "- a: {", "line .: no YAML, "),
        ("- a: b ", "- a:\tb: c\n\t", "line .: no YAML, "),
    ],
)
def test_what_is_wrong_is_named_with_its_line(old, new, message):
    assert old in GOOD
    with pytest.raises(PlanError, match=message) as caught:
        from_yaml(GOOD.replace(old, new, 1))
    assert caught.value.problems


@pytest.mark.parametrize(
    "text", ["", "# only a comment", "3", "- a", "a: b\n---\nc: d"]
)
def test_what_is_no_plan(text):
    with pytest.raises(PlanError):
        from_yaml(text)


def test_aliases_cannot_blow_up():
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60)]
    with pytest.raises(PlanError, match=r"anchors and aliases \(&, \*\)"):
        from_yaml("\n".join(lines))


def test_deep_nesting_is_refused_not_overflown():
    # PyYAML has a limit of its own, since 6.0.4.
    with pytest.raises(PlanError, match=r"not nested 50 deep|maximum nesting depth"):
        from_yaml("[" * 100_000 + "]" * 100_000)


@given(
    st.integers(0, len(GOOD)),
    st.integers(0, 12),
    st.text(st.characters(codec="utf-8"), max_size=8)
    | st.sampled_from(
        ["[", "{", "- ", ": ", "\n", "*a", "&a ", "!!int ", "op: ", "|", "'"]
    ),
)
def test_a_plan_changed_anywhere_is_read_or_refused(start, length, inserted):
    text = GOOD[:start] + inserted + GOOD[start + length :]
    with contextlib.suppress(PlanError):
        from_yaml(text)
