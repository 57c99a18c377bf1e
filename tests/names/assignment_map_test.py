import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.errors import RuleError, TransformError
from tf_ckpt_migrate.names.assignment_map import AssignmentMap
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.names.resolution import resolve
from tf_ckpt_migrate.names.rules import (
    Bind,
    Combine,
    Drop,
    Keep,
    Recipe,
    Rename,
    RenameRegex,
    RenameScope,
    Split,
)
from tf_ckpt_migrate.transforms import Cast, Concat, Function, Slice, Transpose


class Variable:
    """Stands for a tf.Variable: any object that is no name."""


def test_the_five_syntaxes_of_tensorflow():
    whole, first, second = Variable(), Variable(), Variable()
    read = AssignmentMap(
        {
            "old/": "new/",
            "old/w": "new/kernel",
            "/": "scope/",
            "b": whole,
            "e": [first, second],
        }
    )
    assert list(read) == [
        RenameScope("old", "new"),
        Rename("old/w", "new/kernel"),
        RenameScope("", "scope"),
        Bind("b", (whole,)),
        Bind("e", (first, second)),
    ]


def test_a_value_that_has_a_map_is_taken_for_it():
    class Suggestion:
        assignment_map = AssignmentMap({"a": "b"})

    assert AssignmentMap(Suggestion()) == AssignmentMap({"a": "b"})
    with pytest.raises(RuleError, match="pass a dict, a list of pairs"):
        AssignmentMap(3)


def test_a_map_is_read_from_a_file_and_from_text(tmp_path):
    path = tmp_path / "map.yaml"
    path.write_text("bert/: encoder/\n", encoding="utf-8")
    expected = AssignmentMap({"bert/": "encoder/"})
    for given_map in (path, str(path), "bert/: encoder/", "{bert/: encoder/}"):
        assert AssignmentMap(given_map) == expected
        assert AssignmentMap.from_yaml(given_map) == expected
    with pytest.raises(FileNotFoundError, match=r"no file '.*none\.yaml'"):
        AssignmentMap(tmp_path / "none.yaml")
    with pytest.raises(RuleError, match="there is no file of this name"):
        AssignmentMap(str(tmp_path / "none.yaml"))
    with pytest.raises(TypeError, match="not a dict"):
        AssignmentMap.from_yaml({"a": "b"})
    path.write_text("- 7\n", encoding="utf-8")
    with pytest.raises(RuleError, match=r"map\.yaml': 7 is neither a rule"):
        AssignmentMap(path)


def test_a_plan_is_a_map_as_a_value_and_in_a_file(tmp_path):
    specs = {key: TensorSpec(DType.float32, (2, 2)) for key in "abcdef"}
    given_map = AssignmentMap(
        [
            Rename("a", "x"),
            Rename("b", "y", Transpose([1, 0])),
            Split("c", {"z": None, "zz": Transpose([1, 0])}),
            Combine(["d", "e"], {"w": Concat(axis=0)}),
            Drop("f", reason="not used"),
        ]
    )
    moves = resolve(given_map, specs)
    plan = MigrationPlan("model.ckpt", "", specs, moves.moves, moves.dropped)
    path = tmp_path / "plan.yaml"
    path.write_text(plan.to_yaml(), encoding="utf-8")
    for each in (plan, path, plan.to_yaml()):
        assert AssignmentMap(each) == given_map


def test_pairs_rules_and_several_names():
    read = AssignmentMap([("a", "b"), ("a", ["c", "d"]), Drop("e/"), ["f/", "/"]])
    assert list(read) == [
        Rename("a", "b"),
        Split("a", ["c", "d"]),
        Drop("e/"),
        RenameScope("f", ""),
    ]
    assert AssignmentMap(read) == read
    assert len(read) == 4
    assert len(AssignmentMap(None)) == 0


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"a/": "b"}, r"write 'a/': 'b/' for every tensor"),
        ({"a": "b/"}, r"between the scope 'b/' and the name 'a'"),
        ({"": "b"}, "for everything write '/'"),
        ({3: "b"}, "3: the source of an assignment"),
        ({"a": ""}, "'' is not the name of a tensor"),
        ({"a": None}, r"to leave it behind write Drop\('a'\)"),
        ({"a": []}, r"to leave it behind write Drop\('a'\)"),
        ({"a": ["b", Variable()]}, "names and variables together"),
        ({"a/": ["b", "c"]}, "scope 'a/' must be assigned a scope"),
        ({"a/": Variable()}, "scope 'a/' must be assigned a scope"),
        (["a"], "'a' is neither a rule nor a pair"),
        ([("a", "b", "c")], "neither a rule nor a pair"),
        ([3], "3 is neither a rule nor a pair"),
    ],
)
def test_what_is_no_assignment_is_explained(entries, message):
    with pytest.raises(RuleError, match=message) as caught:
        AssignmentMap(entries)
    assert isinstance(caught.value, ValueError)  # as TensorFlow raises


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Rename("a", "b/"),
            "'b/' is not the name of a tensor; for a scope use",
        ),
        (lambda: Rename("", "b"), "'' is not the name"),
        (lambda: Rename("a", "b", lambda x: x), "must be a Transform .* Function"),
        (lambda: RenameScope(None, "b"), "None is not the name of a scope"),
        (lambda: RenameRegex("(", "b"), r"'\(' is no regular expression"),
        (lambda: RenameRegex("(a)", r"\2"), r"has 1 group\(s\) : invalid group ref"),
        (lambda: RenameRegex("(?P<x>a)", r"\g<y>"), r"\['x'\]: unknown group name"),
        (lambda: RenameRegex("a", r"\q"), "bad escape"),
        (Drop, "it was given nothing"),
        (lambda: Drop("a", pattern="b"), r"it was given \['source', 'pattern'\]"),
        (lambda: Drop(""), "'/' is everything"),
        (lambda: Drop(pattern="["), "no regular expression"),
        (lambda: Drop(role="momentum"), "the roles are weight, slot"),
        (Keep, "Keep takes a name"),
        (lambda: Split("a", "b"), "'b' is one target; use Rename"),
        (lambda: Split("a", []), "needs at least one target"),
        (lambda: Split("a", ["b/"]), "'b/' is not the name"),
        (lambda: Combine("a", "b", Concat()), "takes a list of sources"),
        (lambda: Combine(["a", "b"], "c"), r"such as Concat\(axis=0\)"),
        (lambda: Combine(["a", "a"], "c", Concat()), "each one once"),
        (lambda: Combine([], "c", Concat()), "each one once"),
    ],
)
def test_rules_are_checked_when_they_are_made(make, message):
    with pytest.raises(RuleError, match=message):
        make()


def test_scopes_have_one_form():
    assert RenameScope("a", "b/") == RenameScope("a/", "b")
    assert RenameScope("/", "b") == RenameScope("", "b")
    assert RenameScope("a/", "/").target_of("a/w") == "w"
    assert RenameScope("", "b").target_of("a/w") == "b/a/w"


def test_groups_by_number_and_name():
    rule = RenameRegex(r"(?P<net>\w+)/layer_(\d+)", r"\2/\g<net>\g<0>")
    assert rule.target_of("n/layer_7") == "7/nn/layer_7"
    assert rule.target_of("n/layer_7/w") is None


def test_repr_is_the_call():
    rules = [
        Rename("a", "b", Transpose((1, 0))),
        RenameScope("a", ""),
        RenameRegex("(.*)", r"\1"),
        Drop(pattern=".*"),
        Keep(role="slot"),
        Split("s", {"x": None, "y": Slice((0,), (1,))}),
        Combine(["p", "q"], "r", Concat(axis=1)),
    ]
    shown = AssignmentMap(rules)
    assert eval(repr(shown)) == shown
    assert str(shown).splitlines()[1] == "RenameScope('a/', '/')"


def test_reversed():
    there = AssignmentMap(
        [Rename("a", "b", Transpose((1, 0))), RenameScope("c", "d"), Keep("k")]
    )
    back = there.reversed()
    assert list(back) == [
        Rename("b", "a", Transpose((1, 0))),
        RenameScope("d", "c"),
        Keep("k"),
    ]
    assert back.reversed() == there
    assert list(AssignmentMap([Drop("a")]).reversed()) == []
    assert list(AssignmentMap({"a": ["b", "c"]}).reversed()) == [Rename("b", "a")]


@pytest.mark.parametrize(
    "rule",
    [
        RenameRegex("(a)", r"\1"),
        Rename("a", "b", Cast("bfloat16")),
        Combine(["a", "b"], "c", Concat()),
        Split("a", {"b": Slice((0,), (1,))}),
    ],
)
def test_what_only_the_plan_can_reverse_says_so(rule):
    with pytest.raises(RuleError, match=r"plan\.reversed\(\)"):
        AssignmentMap([rule]).reversed()


def test_variables_become_names():
    one, two = Variable(), Variable()
    bound = AssignmentMap({"w": one, "e": [one, two], "x/": "y/"})
    names = {(one,): "net/w", (one, two): ["net/e/0", "net/e/1"]}
    assert list(bound.with_names(names.__getitem__)) == [
        Rename("w", "net/w"),
        Split("e", ["net/e/0", "net/e/1"]),
        RenameScope("x", "y"),
    ]
    with pytest.raises(RuleError, match="with_names"):
        bound.reversed()
    with pytest.raises(RuleError, match="with_names"):
        bound.to_config()


names = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1)
rules = st.one_of(
    st.builds(Rename, names, names, st.none() | st.just(Transpose((1, 0)))),
    st.builds(
        RenameScope, st.just("") | names, names, st.none() | st.just(Cast("int8"))
    ),
    st.builds(RenameRegex, st.sampled_from(["(.*)/(w)", "(a)(b)"]), st.just(r"\2/\1")),
    st.builds(Drop, names, reason=st.text()),
    st.builds(Drop, pattern=st.just(".*")),
    st.builds(Keep, role=st.just("slot")),
    st.builds(Split, names, st.lists(names, min_size=1)),
    st.builds(Combine, st.just(("p", "q")), names, st.just(Concat(axis=1))),
)


@given(st.lists(rules))
def test_plain_data_both_ways(entries):
    given_map = AssignmentMap(entries)
    assert AssignmentMap.from_config(given_map.to_config()) == given_map
    assert AssignmentMap.from_yaml(given_map.to_yaml() + "\n") == given_map


@pytest.mark.parametrize(
    "rule",
    [
        Rename("rule", "recipe"),
        Rename("recipe", "rule"),
        Rename("1.5e3", "1e3"),
        Rename("on", "null"),
        Rename("a: b", "- [x]"),
        Rename("größe", "zero\u200bwidth"),
        Drop("/", reason="007"),
        Recipe("lstm", "rnn/", "lstm/", forget_bias=float("inf"), name="1e3"),
        Recipe("lstm", "rnn/", "lstm/", a=1e-08, b=None, c=True, d="true", e=7),
    ],
)
def test_yaml_keeps_text_text_and_numbers_numbers(rule):
    assert list(AssignmentMap.from_yaml(AssignmentMap([rule]).to_yaml())) == [rule]


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        (3, RuleError, "is written as a mapping"),
        ("a: b", RuleError, "is written as a mapping"),
        ([3], RuleError, "neither a rule nor a pair"),
        ({"rule": "swap"}, RuleError, "no rule is called 'swap'; there are rename"),
        ([{"rule": "drop", "sauce": "a"}], RuleError, "drop takes source, pattern"),
        ([{"rule": "rename", "source": "a"}], RuleError, "rename takes source, target"),
        (
            [{"rule": "rename", "source": "a", "target": "b", "transform": 3}],
            TransformError,
            "a transform is written as",
        ),
    ],
)
def test_bad_plain_data_is_named(config, error, message):
    with pytest.raises(error, match=message):
        AssignmentMap.from_config(config)


def test_code_is_no_plain_data():
    with pytest.raises(TransformError, match="Python code"):
        AssignmentMap([Rename("a", "b", Function(abs))]).to_config()
