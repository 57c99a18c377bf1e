"""Each kind of finding, from Python, from the shell as text and as JSON."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.cli.errors_text import error_json, shell_text
from tf_ckpt_migrate.cli.main import main
from tf_ckpt_migrate.conversion.output import Value, write_output
from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.findings import Advice, Call, InPython, Message, Option
from tf_ckpt_migrate.names.rules import Rule

pytestmark = pytest.mark.once


def save(prefix: Path, **shapes: tuple[int, ...]) -> str:
    spec = {name.replace("__", "/"): shape for name, shape in shapes.items()}
    contents = {
        name: Value(
            TensorSpec(DType.float32, shape),
            lambda shape=shape: np.zeros(shape, np.float32),
        )
        for name, shape in spec.items()
    }
    write_output(str(prefix), contents)
    return str(prefix)


RULES: list[tuple[str, list[Rule]]] = [
    ("idle_rule", [tcm.Rename("nothing", "b/w")]),
    ("shadowed_rule", [tcm.RenameScope("a/", "b/"), tcm.Rename("a/w", "b/w")]),
    ("collision", [tcm.Rename("a/w", "b/w"), tcm.Rename("a/v", "b/w")]),
    ("no_target", [tcm.Rename("a/w", "b/other")]),
    ("shape", [tcm.Rename("a/t", "b/w")]),
    ("dtype", [tcm.Rename("a/w", "b/w", tcm.transforms.Cast("float64"))]),
    ("transform", [tcm.Rename("a/w", "b/w", tcm.transforms.Transpose((0, 1, 2)))]),
    ("unused", []),
    ("missing", []),
]


@pytest.mark.parametrize(("kind", "rules"), RULES)
def test_a_refused_plan_has_findings_of_its_kind(tmp_path, kind, rules):
    source = save(tmp_path / "a", a__w=(2, 3), a__v=(2, 3), a__t=(3, 2))
    target = save(tmp_path / "b", b__w=(2, 3))
    with pytest.raises(PlanError) as caught:
        tcm.plan_migration(source, target, rules)
    error = caught.value
    assert kind in {each.kind for each in error.findings}
    assert error.problems == tuple(map(str, error.findings))
    for finding in error.findings:
        assert finding.source or finding.target or finding.rule
    assert pickle.loads(pickle.dumps(error)).findings == error.findings
    content = json.loads(error_json(error))["error"]
    assert [each["kind"] for each in content["findings"]] == [
        each.kind for each in error.findings
    ]


def refusal(
    capsys: pytest.CaptureFixture[str], *arguments: object, status: int = 1
) -> dict[str, Any]:
    """Return the error that a command prints as JSON, and nothing else."""
    assert main([*map(str, arguments), "--output_format=json"]) == status
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)["error"]


def test_the_shell_prints_each_finding_as_json(tmp_path, capsys):
    source = save(tmp_path / "a", net__w=(2,), other__w=(2,))
    error = refusal(capsys, "plan", source, "--rename", "net/=encoder/")
    assert error["class"] == "PlanError"
    (finding,) = error["findings"]
    assert (finding["kind"], finding["source"]) == ("unused", ["other/w"])
    assert finding["remedies"] == ["--unused=drop or --unused=keep"]


def truncated(folder: Path) -> str:
    prefix = save(folder / "broken", w=(2,))
    Path(f"{prefix}.index").write_bytes(b"\0" * 20)
    return prefix


def nowhere(folder: Path) -> str:
    return str(folder / "nowhere")


@pytest.mark.parametrize("bad", [truncated, nowhere])
def test_a_checkpoint_that_cannot_be_read_is_json_too(
    tmp_path, capsys, bad: Callable[[Path], str]
):
    prefix = bad(tmp_path)
    error = refusal(capsys, "inspect", prefix)
    assert Path(prefix).name in error["message"]
    assert error["findings"] == []


@pytest.mark.parametrize("bad", [truncated, nowhere])
def test_diff_ends_with_2_where_it_cannot_compare(
    tmp_path, capsys, bad: Callable[[Path], str]
):
    one, other = save(tmp_path / "one", w=(2,)), save(tmp_path / "other", v=(2,))
    broken = bad(tmp_path)
    assert main(["diff", one, one]) == 0
    assert main(["diff", one, other]) == 1
    assert main(["diff", one, broken]) == 2
    capsys.readouterr()
    refusal(capsys, "diff", one, broken, status=2)


def test_advice_that_collides_is_not_given(tmp_path):
    """A rename of 'x/w' would shadow the rule that was given."""
    source = save(tmp_path / "a", net__w=(2,), net__v=(2,))
    target = save(tmp_path / "b", model__net__w=(2,))
    with pytest.raises(PlanError) as caught:
        tcm.plan_migration(source, target, {"net/v": "model/net/w"})
    assert "Rename('net/w', 'model/net/w')" not in str(caught.value)


def test_advice_settles_when_it_is_followed(tmp_path):
    source = save(tmp_path / "a", net__w=(2,), net__v=(3,))
    target = save(tmp_path / "b", model__net__w=(2,), model__net__v=(3,))
    with pytest.raises(PlanError) as caught:
        tcm.plan_migration(source, target)
    assert "RenameScope('/', 'model/')" in str(caught.value)
    rules = [tcm.RenameScope("/", "model/")]
    assert len(tcm.plan_migration(source, target, rules).moves) == 2


def test_nearest_names_could_hold_the_tensor(tmp_path):
    source = save(tmp_path / "a", net__w=(2,))
    target = save(tmp_path / "b", nets__w=(5,), other__net__w=(2,))
    with pytest.raises(PlanError) as caught:
        tcm.plan_migration(source, target)
    line = next(x for x in str(caught.value).splitlines() if x.startswith("  'net/w'"))
    assert "other/net/w" in line
    assert "nets/w" not in line


def test_verification_and_comparison_have_findings(tmp_path):
    one = save(tmp_path / "one", a=(2,), b=(2,), c=(2,))
    other = save(tmp_path / "other", b=(3,), c=(2,), d=(2,))
    found = tcm.diff_checkpoints(one, other).findings
    assert [(each.kind, each.target) for each in found] == [
        ("missing", "a"),
        ("unexpected", "d"),
        ("shape", "b"),
    ]
    shard = Path(f"{one}.data-00000-of-00001")
    shard.write_bytes(b"\1" + shard.read_bytes()[1:])
    (damaged,) = tcm.verify_checkpoint(one).findings
    assert (damaged.kind, damaged.source) == ("corrupt", ("a",))
    assert tcm.diff_checkpoints(other, other).findings == ()


@pytest.mark.parametrize(
    ("part", "python", "shell"),
    [
        (Advice(tcm.Drop(role="slot")), "Drop(role='slot')", "--drop_role=slot"),
        (Advice(tcm.Drop("net/w")), "Drop('net/w')", "--drop 'net/w'"),
        (Advice(tcm.Drop("a.b/c+d")), "Drop('a.b/c+d')", r"--drop 'a\.b/c\+d'"),
        (Advice(tcm.Drop("a[")), "Drop('a[')", r"--drop 'a\['"),
        (Advice(tcm.Drop(pattern="a.*")), "Drop(pattern='a.*')", "--drop 'a.*'"),
        (Advice(tcm.Rename("a", "b")), "Rename('a', 'b')", "--rename 'a=b'"),
        (
            Advice(tcm.RenameScope("a/", "b/")),
            "RenameScope('a/', 'b/')",
            "--rename 'a/=b/'",
        ),
        (
            Advice(tcm.Recipe("optimizer", "Adam", "opt", instance=0)),
            "Recipe('optimizer', 'Adam', 'opt', instance=0)",
            "--recipe 'optimizer Adam=opt instance=0'",
        ),
        (
            Option("unused", "drop", "keep"),
            'unused="drop" or "keep"',
            "--unused=drop or --unused=keep",
        ),
        (
            Call("convert_tf1_to_tf2", "…, like=…"),
            "convert_tf1_to_tf2(…, like=…)",
            "`tf-ckpt-migrate convert SOURCE OUTPUT --to=tf2 --like=CHECKPOINT`",
        ),
        (InPython(", or verify=False"), ", or verify=False", ""),
    ],
)
def test_advice_is_spelled_once_for_each_output(part, python, shell):
    message = Message("do ", part)
    assert (str(message), shell_text(message)) == (f"do {python}", f"do {shell}")
    assert pickle.loads(pickle.dumps(message)).parts == message.parts
