"""Fuzz one kind of file: ``python -m tests.fuzz.run --target index``.

Needs atheris (``pip install -e .[fuzz]``, on Linux). What it finds is a file in the
folder that the last lines name. Mend the package, and add it to ``findings.py`` under a
name that says what is wrong with it.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from importlib import import_module
from pathlib import Path

# These wait inside functions, where nothing would be told of their branches.
_LATE = (
    "checkpoint.debug_string",
    "names.assignment_map",
    "names.rejoining",
    "names.yaml_lines",
    "recipes",
)


def _words(seed: bytes) -> set[bytes]:
    """Return what a format's files are made of: a fuzzer would not guess them."""
    punctuation = {
        b"[",
        b"]",
        b"{",
        b"}",
        b": ",
        b"\n- ",
        b"\n  ",
        b"&a ",
        b"*a",
        b"!!",
    }
    huge = {b"\xff" * 9 + b"\x01", b"\xff" * 8 + b"\x7f", b"\xff" * 4 + b"\x07"}
    ops = import_module("tf_ckpt_migrate.transforms").Transform.registry
    return (
        {*re.findall(rb"\w{2,}", seed)}
        | punctuation
        | huge
        | {op.encode() for op in ops}
    )


def _quoted(word: bytes) -> str:
    return '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n'


def main() -> None:
    """Fuzz as the command line says."""
    import atheris

    with atheris.instrument_imports(include=["tf_ckpt_migrate"]):
        findings = import_module("tests.fuzz.findings").FINDINGS
        targets = import_module("tests.fuzz.targets").TARGETS
        for name in _LATE:
            import_module(f"tf_ckpt_migrate.{name}")
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--target", choices=targets, required=True)
    parser.add_argument("--seconds", type=int, default=60)
    arguments = parser.parse_args()
    read, seed = targets[arguments.target]
    folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{arguments.target}-"))
    corpus, place = folder / "corpus", folder / "place"
    corpus.mkdir()
    place.mkdir()
    for name, data in {"seed": seed, **findings[arguments.target]}.items():
        (corpus / name).write_bytes(data)
    words = folder / "words"
    words.write_text("".join(map(_quoted, _words(seed))), encoding="ascii")
    limits = ["-max_len=4096", "-timeout=20", "-rss_limit_mb=1024"]
    seconds = f"-max_total_time={arguments.seconds}"
    found = f"-artifact_prefix={folder}/"
    atheris.Setup(
        [sys.argv[0], seconds, *limits, found, f"-dict={words}", str(corpus)],
        lambda data: read(data, place),
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
