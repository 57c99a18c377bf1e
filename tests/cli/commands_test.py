"""Each subcommand does what it says, with its exit code."""

from __future__ import annotations

import json
import os

import pytest

from tf_ckpt_migrate.checkpoint.reader import load_checkpoint


@pytest.fixture
def adam(goldens):
    """A name-based checkpoint of two weights with Adam."""
    return goldens / "tf1_15/optimizer_adam/model.ckpt"


@pytest.fixture
def tf2(command, adam, tmp_path):
    """The same, object-based."""
    prefix = tmp_path / "tf2"
    assert command("convert", adam, prefix, "--to=tf2").status == 0
    return prefix


def keys_of(prefix):
    return sorted(load_checkpoint(prefix))


def test_inspect(command, checkpoint):
    outcome = command("inspect", checkpoint)
    assert outcome.status == 0
    assert "name-based, 4 tensors, 15 parameters" in outcome.out
    assert "net/dense/kernel  " in outcome.out
    assert "min" not in outcome.out


def test_inspect_values(command, checkpoint):
    outcome = command("inspect", checkpoint, "--values")
    assert "  min  " in outcome.out.replace("\n", "  \n")
    with open(f"{checkpoint}.data-00000-of-00001", "r+b") as file:
        file.write(b"\xff")
    outcome = command("inspect", checkpoint, "--values")
    assert outcome.status == 1
    assert "the checksum of tensor 'global_step'" in outcome.err


def test_inspect_names(command, tf2):
    assert "  variable" not in command("inspect", tf2).out
    lines = command("inspect", tf2, "--names").out.splitlines()
    assert any(line.endswith("offset  variable") for line in lines)
    (row,) = (line for line in lines if line.startswith("vars/net.Sw/.ATTRIBUTES/"))
    assert row.split()[-1] == "net/w"


def test_inspect_without_the_tensors(command, checkpoint):
    outcome = command("inspect", checkpoint, "--tensors=none")
    assert "net/dense/kernel" not in outcome.out
    assert outcome.out.endswith("4 tensors not listed; --tensors=all lists them\n")


def test_inspect_json(command, checkpoint):
    content = json.loads(command("inspect", checkpoint, "--output_format=json").out)
    assert [tensor["key"] for tensor in content["tensors"]] == keys_of(checkpoint)


def test_verify(command, checkpoint):
    outcome = command("verify", checkpoint)
    assert outcome.status == 0
    assert outcome.out.startswith(f"{checkpoint}: ok; 4 tensors, 68 bytes")
    os.truncate(f"{checkpoint}.data-00000-of-00001", 50)
    outcome = command("verify", checkpoint, "--output_format=json")
    assert outcome.status == 1
    assert json.loads(outcome.out)["ok"] is False


def test_diff(command, adam, goldens):
    assert command("diff", adam, adam).status == 0
    outcome = command("diff", adam, goldens / "tf1_15/optimizer_momentum")
    assert outcome.status == 1
    assert "only in a: " in outcome.out
    same = command("diff", adam, adam, "--output_format=json")
    assert json.loads(same.out)["equal"] is True


def test_diff_with_tolerance(command, goldens):
    folders = [goldens / f"tf1_15/optimizer_{name}" for name in ("adam", "adam_named")]
    assert command("diff", *folders).status == 1


def test_there_and_back(command, adam, tf2, tmp_path):
    outcome = command("convert", tf2, tmp_path / "tf1", "--to=tf1")
    assert outcome.status == 0
    assert "1 shard linked" in outcome.out
    assert command("diff", adam, tmp_path / "tf1").status == 0
    assert command("verify", tf2).status == 0


def test_rename_and_diff_with_the_same_rule(command, adam, tmp_path):
    rules = ["--rename=net/=model/", "--drop_role=step", "--drop", "beta._power"]
    outcome = command("convert", adam, tmp_path / "m", *rules)
    assert (outcome.status, outcome.err) == (0, "")
    assert keys_of(tmp_path / "m") == [
        f"model/{name}{slot}" for name in "bw" for slot in ("", "/Adam", "/Adam_1")
    ]
    assert command("diff", adam, tmp_path / "m", *rules).status == 0
    assert command("diff", adam, tmp_path / "m").status == 1


def test_a_map_in_a_file(command, adam, tmp_path):
    rules = tmp_path / "map.yaml"
    rules.write_text(
        "- {rule: drop, role: slot}\n- net/: model/\n- {rule: keep, source: /}\n"
    )
    outcome = command("convert", adam, tmp_path / "m", f"--map={rules}")
    assert outcome.status == 0, outcome.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "line 2: no YAML"),
        ("a: &x [*x]", "line 1: anchors and aliases"),
        ("a: !!python/object/apply:os.getcwd []", "line 1: the tag"),
        ("[" * 100_000, "nest"),
        ("net/: model", "assigns between the scope"),
        ("- 7", "7"),
    ],
)
def test_a_map_that_is_none(command, adam, tmp_path, text, told):
    rules = tmp_path / "map.yaml"
    rules.write_text(text)
    outcome = command("plan", adam, f"--map={rules}")
    assert outcome.status == 1
    assert outcome.err.startswith(f"tf-ckpt-migrate: {str(rules)!r}")
    assert told in outcome.err


def test_what_has_no_place_is_refused_with_the_flags_that_help(command, adam, tmp_path):
    outcome = command("convert", adam, tmp_path / "m", "--rename=net/=model/")
    assert (outcome.status, outcome.out) == (1, "")
    assert "  --drop_role=optimizer  # leaves 2 of them behind\n" in outcome.err
    assert "pass --unused=drop or --unused=keep" in outcome.err
    assert not list(tmp_path.iterdir())


def test_a_plan_is_written_edited_and_done(command, adam, tmp_path):
    plan = tmp_path / "plan.yaml"
    flags = ["--rename=net/=model/", "--unused=keep"]
    outcome = command("plan", adam, *flags, f"--output={plan}")
    assert outcome.status == 0
    assert outcome.out.startswith("9 keys: 6 renamed, 3 kept, 0 dropped")
    plan.write_text(plan.read_text().replace("model/w\n", "model/kernel\n"))
    outcome = command("convert", adam, tmp_path / "m", f"--plan={plan}")
    assert outcome.status == 0, outcome.err
    assert "model/kernel" in keys_of(tmp_path / "m")


@pytest.mark.parametrize(
    "words",
    ["convert OLD NEW --plan P", "verify OLD --against OLD --plan P", "report P"],
)
def test_a_plan_that_is_none_is_named(command, adam, tmp_path, words):
    plan = tmp_path / "plan.yaml"
    plan.write_text("version: 1\nmoves: []\nsource_spec: {}\n")
    paths = {"OLD": adam, "NEW": tmp_path / "new", "P": plan}
    outcome = command(*(paths.get(word, word) for word in words.split()))
    assert outcome.status == 1
    assert f"{str(plan)!r}: the plan cannot be read, line 3: " in outcome.err


def test_a_dry_run_writes_nothing(command, adam, tmp_path):
    outcome = command("convert", adam, tmp_path / "m", "--to=tf2", "--dry-run")
    assert outcome.status == 0
    assert outcome.out.startswith("9 keys: 9 renamed")
    assert not list(tmp_path.iterdir())


def test_like_gives_the_keys_of_another(command, adam, tf2, tmp_path):
    outcome = command("convert", adam, tmp_path / "m", "--to=tf2", f"--like={tf2}")
    assert outcome.status == 0, outcome.err
    assert keys_of(tmp_path / "m") == keys_of(tf2)


def test_output_that_exists_is_refused(command, adam, tf2):
    outcome = command("convert", adam, tf2, "--to=tf2")
    assert outcome.status == 1
    assert "exists already" in outcome.err
    assert "--overwrite" in outcome.err
    assert command("convert", adam, tf2, "--to=tf2", "--overwrite").status == 0


def test_the_state_file_is_written_on_request(command, adam, tmp_path):
    flags = ["--to=tf2", "--update_state_file", "--data=copy"]
    outcome = command("convert", adam, tmp_path / "m-1", *flags)
    assert "1 shard copied" in outcome.out
    assert (
        (tmp_path / "checkpoint").read_text().startswith('model_checkpoint_path: "m-1"')
    )


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ([], "say what to do: --to=tf2"),
        (["--plan=p.yaml", "--to=tf2"], "--plan says all that is to be done"),
        (["--plan=p.yaml", "--unused=drop"], "--averages and --unused"),
        (["--plan=p.yaml", "--missing=keep"], "pass --like CHECKPOINT"),
        (["--to=tf2", "--missing=keep"], "pass --like CHECKPOINT"),
        (["--to=tf2", "--names=key"], "--names is for --to=tf1 without rules"),
        (["--to=tf1", "--names=key", "--rename=a=b"], "--names is for --to=tf1"),
    ],
)
def test_a_conversion_that_is_not_said(command, adam, tmp_path, flags, told):
    outcome = command("convert", adam, tmp_path / "m", *flags)
    assert outcome.status == 2
    assert told in outcome.err


@pytest.mark.parametrize("name", ["plan", "verify"])
def test_a_flag_that_nothing_heeds(command, adam, name):
    outcome = command(name, adam, "--to=tf2", "--against=m", "--missing=keep")
    if name == "plan":
        outcome = command(name, adam, "--missing=keep")
    assert outcome.status == 2
    assert "pass --like CHECKPOINT" in outcome.err


def test_names_by_a_word_and_by_rules(command, tf2):
    outcome = command("add-name-keys", tf2, "--names=full_name", "--rename=a=b")
    assert outcome.status == 2
    assert "both name variables: give one" in outcome.err


def test_prune(command, adam, tmp_path):
    outcome = command("prune", adam, tmp_path / "m", "--compact")
    assert outcome.status == 0, outcome.err
    assert keys_of(tmp_path / "m") == ["global_step", "net/b", "net/w"]
    outcome = command("prune", adam, tmp_path / "n", "--drop", "net/.*")
    assert keys_of(tmp_path / "n") == ["beta1_power", "beta2_power", "global_step"]
    assert command("prune", adam, tmp_path / "o", "--dry_run").status == 0
    assert not list(tmp_path.glob("o*"))


def test_merge(command, adam, tmp_path):
    command("prune", adam, tmp_path / "weights")
    command(
        "prune", adam, tmp_path / "rest", "--drop=net/b", "--drop=net/w", "--drop=g.*"
    )
    outcome = command(
        "merge", tmp_path / "weights", tmp_path / "rest", f"--output={tmp_path / 'm'}"
    )
    assert outcome.status == 0, outcome.err
    assert command("diff", adam, tmp_path / "m").status == 0
    clash = command("merge", adam, adam, f"--output={tmp_path / 'n'}")
    assert clash.status == 1


def test_compact(command, adam, tmp_path):
    command("prune", adam, tmp_path / "m")
    outcome = command("compact", tmp_path / "m", tmp_path / "n", "--shards=2")
    assert outcome.status == 0, outcome.err
    assert len(load_checkpoint(tmp_path / "n").files) == 3
    assert command("diff", tmp_path / "m", tmp_path / "n").status == 0


@pytest.mark.parametrize("shards", [0, 513])
def test_a_number_of_shards_that_cannot_be(command, adam, tmp_path, shards):
    outcome = command("compact", adam, tmp_path / "small", f"--shards={shards}")
    assert outcome.status == 2
    assert "--shards takes a number from 1 to 512" in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_a_recipe_in_a_map(command, goldens, tmp_path):
    gru = goldens / "tf1_15" / "rnn_gru" / "model.ckpt"
    rules = tmp_path / "map.yaml"
    line = "- {recipe: gru, source: rnn/gru_cell/, target: gru/cell/}\n"
    rules.write_text(line, encoding="utf-8")
    outcome = command("convert", gru, tmp_path / "m", f"--map={rules}")
    assert outcome.status == 0, outcome.err
    names = ["bias", "kernel", "recurrent_kernel"]
    assert keys_of(tmp_path / "m") == [f"gru/cell/{name}" for name in names]
    rules.write_text(line.replace("gru,", "gruu,"), encoding="utf-8")
    outcome = command("convert", gru, tmp_path / "n", f"--map={rules}")
    assert outcome.status == 1
    assert "did you mean 'gru'?" in outcome.err


def test_object_keys_are_added(command, checkpoint):
    before = keys_of(checkpoint)
    outcome = command("add-object-keys", checkpoint)
    assert outcome.status == 0
    after = keys_of(checkpoint)
    assert set(before) < set(after)
    assert "vars/net.Sdense.Sbias/.ATTRIBUTES/VARIABLE_VALUE" in after
    assert command("add-object-keys", checkpoint).status == 1  # it is dual-keyed now


def test_name_keys_are_added_and_removed(command, tf2):
    before = (tf2.parent / "tf2.index").read_bytes()
    outcome = command("add-name-keys", tf2)
    assert outcome.status == 0, outcome.err
    assert "dual-keyed" in command("inspect", tf2).out
    assert {"net/w", "net/w/Adam"} <= set(keys_of(tf2))
    assert command("remove-name-keys", tf2).status == 0
    assert (tf2.parent / "tf2.index").read_bytes() == before


def test_every_result_comes_as_json(command, adam, tf2, tmp_path):
    as_json = "--output_format=json"
    for arguments in (
        ("plan", adam),
        ("convert", adam, tmp_path / "a", "--to=tf2"),
        ("prune", adam, tmp_path / "b"),
        ("compact", adam, tmp_path / "c"),
        ("merge", adam, f"--output={tmp_path / 'd'}"),
        ("add-name-keys", tf2),
        ("remove-name-keys", tf2),
        ("verify", tf2),
    ):
        outcome = command(*arguments, as_json)
        assert outcome.status == 0, outcome.err
        assert isinstance(json.loads(outcome.out), dict)


def test_a_suggestion_is_a_map(command, adam, goldens, tmp_path):
    like = goldens / "tf2_21" / "checkpoint_slots" / "ckpt-1"
    rules = tmp_path / "map.yaml"
    outcome = command("suggest", adam, like, f"--output={rules}")
    assert outcome.status == 0
    assert outcome.out.startswith("4 matched (2 certain, 2 likely)\n")
    outcome = command(
        *("convert", adam, tmp_path / "m", "--to=tf2"),
        *(f"--like={like}", f"--map={rules}"),
    )
    assert outcome.status == 0, outcome.err


def test_what_is_ambiguous_is_taken_only_when_asked_for(command, tmp_path):
    from tests.conversion.suggestion.files import write_shapes

    source = write_shapes(tmp_path / "a", {"left/w": (2, 2), "right/w": (2, 2)})
    target = write_shapes(tmp_path / "b", {"one/k": (2, 2), "two/k": (2, 2)})
    as_json = "--output_format=json"
    content = json.loads(command("suggest", source, target, as_json).out)
    assert (content["assignment_map"], len(content["ambiguities"])) == ([], 2)
    accepted = command("suggest", source, target, "--accept_ambiguous", as_json)
    assert len(json.loads(accepted.out)["assignment_map"]) == 2


@pytest.fixture
def rnn(copied):
    return copied("tf1_15/rnn_gru") / "model.ckpt"


def test_a_recipe_plans_converts_and_compares(command, rnn, tmp_path):
    """The same recipe on the command line, in YAML, and back."""
    recipe = "--recipe=gru rnn/gru_cell/=gru/"
    there, again = tmp_path / "there", tmp_path / "again"
    outcome = command("convert", rnn, there, recipe)
    assert outcome.status == 0, outcome.err
    assert "3 keys" in outcome.out
    rules = tmp_path / "rules.yaml"
    rules.write_text("- {recipe: gru, source: rnn/gru_cell/, target: gru/}\n")
    assert command("convert", rnn, again, "--map", rules).status == 0
    assert command("diff", there, again).status == 0
    assert command("diff", rnn, there, recipe).status == 0
    back = "--recipe=gru gru/=rnn/gru_cell/"
    outcome = command("convert", there, tmp_path / "b", back)
    assert outcome.status == 0, outcome.err
    assert command("diff", rnn, tmp_path / "b").status == 0


def test_options_of_a_recipe(command, goldens, tmp_path):
    """Numbers, truths and words; verdicts in text and in JSON."""
    source = goldens / "tf1_15/rnn_basic_lstm/model.ckpt"
    recipe = "lstm rnn/basic_lstm_cell/=lstm/ forget_bias=0.5"
    outcome = command("plan", source, "--recipe", recipe, "--output_format=json")
    assert "add_to_block" in outcome.out
    assert "0.5" in outcome.out
    outcome = command("plan", source, "--recipe", "lstm rnn/=lstm/ forget=yes")
    assert outcome.status == 1
    assert "--recipe 'lstm rnn/=lstm/ forget=" in outcome.err.replace('"', "'")


@pytest.mark.parametrize(
    "text", ["lstm", "lstm a/", "lstm a/=b/ x", "lstm a/=", "'lstm a=b"]
)
def test_what_is_no_recipe(command, rnn, text):
    outcome = command("plan", rnn, "--recipe", text)
    assert outcome.status == 2
    assert "is not of the form 'KIND A=B [NAME=VALUE ...]'" in outcome.err


class TestPartition:
    @pytest.fixture
    def source(self, goldens):
        return str(goldens / "tf1_15" / "partitioned_adam" / "model.ckpt")

    def test_slots_too(self, source, command, tmp_path):
        made = tmp_path / "m"
        options = ("--partition", "deep/emb=2@1", "--unused=keep")
        outcome = command("convert", source, made, *options)
        assert outcome.status == 0, outcome.err
        assert "3 computed: deep/emb, deep/emb/Adam, deep/emb/Adam_1" in outcome.out
        assert "equal: 5 tensors" in command("diff", source, made).out

    @pytest.mark.parametrize("text", ["emb", "emb=", "=2", "emb=2@", "emb=x", "e=2@x"])
    def test_what_is_none(self, source, command, text):
        outcome = command("plan", source, "--partition", text)
        assert outcome.status == 2
        assert f"{text!r} is not of the form NAME=PARTS" in outcome.err

    def test_what_cannot_be(self, source, command):
        outcome = command("plan", source, "--partition", "deep/emb=0")
        assert outcome.status == 1
        assert "parts=0 must be from 1" in outcome.err
