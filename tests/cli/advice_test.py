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
            'pass unmatched="drop" or "keep" for',
            "pass --unmatched=drop or --unmatched=keep for",
        ),
        ('unmet="keep"', "--unmet=keep"),
        ("pass overwrite=True (--overwrite) to", "pass --overwrite to"),
        ("no checkpoint at 'x'", "no checkpoint at 'x'"),
    ],
)
def test_a_call_becomes_a_flag(python, shell):
    assert in_shell(python) == shell
