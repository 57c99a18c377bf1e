"""What an error advises in Python is said in flags."""

from __future__ import annotations

import pytest

from tf_ckpt_migrate.cli.advice import in_shell


@pytest.mark.parametrize(
    ("python", "shell"),
    [
        ("Drop(role='slot'),  # 2", "--drop_role=slot  # 2"),
        ("Drop('net/w')", "--drop 'net/w'"),
        ("Drop(source='net/')", "--drop 'net/'"),
        ("Rename('a', 'b'),", "--rename 'a=b'"),
        ("RenameScope('a/', 'b/')", "--rename 'a/=b/'"),
        (
            "say Recipe('optimizer', 'Adam', 'opt', instance=0, epsilon=1e-08)",
            "say --recipe 'optimizer Adam=opt instance=0 epsilon=1e-08'",
        ),
        ('tcm.Recipe("lstm", "a/", "b/")', "--recipe 'lstm a/=b/'"),
        (
            'pass unused="drop" or "keep" for',
            "pass --unused=drop or --unused=keep for",
        ),
        ('missing="keep"', "--missing=keep"),
        ("pass overwrite=True (--overwrite) to", "pass --overwrite to"),
        ("no checkpoint at 'x'", "no checkpoint at 'x'"),
        (
            "leave them behind by tcm.Drop(role='slot')",
            "leave them behind by --drop_role=slot",
        ),
        ("Drop('a.b/c+d')", r"--drop 'a\.b/c\+d'"),
        ("Drop('a[')", r"--drop 'a\['"),
        ("Drop(pattern='a.*')", "--drop 'a.*'"),
        (
            "Rename('a', 'b', transform=Cast('x')) after RenameScope('c/', 'd/'); put",
            "Rename('a', 'b', transform=Cast('x')) after --rename 'c/=d/'; put",
        ),
        ('such as names={"vars/": "/"}', "such as --rename 'vars/=/'"),
        ("like='m' is object-based", "--like='m' is object-based"),
        (
            "convert(plan_migration(source, target, assignment_map), output_prefix)",
            "`tf-ckpt-migrate convert SOURCE OUTPUT --rename A=B`",
        ),
        (
            "use convert_tf1_to_tf2",
            "use `tf-ckpt-migrate convert SOURCE OUTPUT --to=tf2`",
        ),
        (
            "convert_tf1_to_tf2(…, like=…) or",
            "`tf-ckpt-migrate convert SOURCE OUTPUT --to=tf2 --like=CHECKPOINT` or",
        ),
        ("plan_migration(source, target, …); go", "`tf-ckpt-migrate plan SOURCE`; go"),
        ("by add_name_keys(prefix).", "by `tf-ckpt-migrate add-name-keys CHECKPOINT`."),
        ("no 'x/add_name_keys/y'", "no 'x/add_name_keys/y'"),
        (
            "copy it again, or read with verify=False to see what is there",
            "copy it again",
        ),
    ],
)
def test_a_call_becomes_a_flag(python, shell):
    assert in_shell(python) == shell
