"""Measure conversions side by side with TensorFlow's own ways, and print a table.

::

    python benchmarks/run.py                        # all of it: some minutes, 8 GB
    python benchmarks/run.py --quick                # tiny inputs: only that it runs
    python benchmarks/run.py --only many_tensors --json=result.json --svg=chart.svg

Needs an environment with TensorFlow; ours and the peer run in turn in one process, each
once untimed before, the input in the cache. A conversion is timed until its result is
on the disk. A figure is a median, the spread that of the ratios of the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before the import of TensorFlow
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import tensorflow as tf

import tf_ckpt_migrate as tcm
from benchmarks.cases import CASES
from benchmarks.chart import chart
from benchmarks.sizes import QUICK, Sizes
from benchmarks.timing import Row

tf.get_logger().setLevel("ERROR")

__all__ = ["machine", "main", "table", "versions"]

_HEADINGS = ("what", "peer", "ours", "comparison", "goal", "met")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the cases that the command line asks for."""
    known = {case.__name__: case for case in CASES}
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny inputs")
    parser.add_argument("--only", nargs="+", choices=known, default=[*known])
    parser.add_argument("--repeats", type=int, default=Sizes().repeats)
    parser.add_argument("--folder", default=".", help="where to write inputs")
    parser.add_argument("--json", type=Path, help="a file for all that was measured")
    parser.add_argument("--svg", type=Path, help="a file for a chart of it")
    options = parser.parse_args(arguments)
    sizes = QUICK if options.quick else Sizes(repeats=options.repeats)
    rows: list[Row] = []
    for name in options.only:
        print(f"{name} ...", file=sys.stderr)
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            rows += known[name](folder, sizes)
    print(table(rows), "", machine(), sep="\n")
    if options.quick:
        print("The inputs were tiny; the goals are for the real ones.")
    if options.json:
        found = {
            "machine": machine(),
            "versions": versions(),
            "sizes": sizes._asdict(),
            "rows": [row._asdict() for row in rows],
        }
        text = json.dumps(found, indent=1, ensure_ascii=False)
        options.json.write_text(text + "\n", encoding="utf-8")
    if options.svg:
        options.svg.write_text(chart(rows, machine()), encoding="utf-8")


def table(rows: Sequence[Row]) -> str:
    """Return rows as a table that people and Markdown read."""
    met = {True: "yes", False: "NO", None: ""}
    lines = [_HEADINGS, *((*row[:5], met[row.met]) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([texts[0], rule, *texts[1:]])


def versions() -> dict[str, str]:
    """Return the versions of what does the work."""
    packages = ("tensorflow-cpu", "tensorflow", "keras", "numpy", "google-crc32c")
    found = {name: version(name) for name in packages if _is_installed(name)}
    return {"python": platform.python_version(), **found}


def _is_installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def machine() -> str:
    """Return what the figures depend on, in a line."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else ():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return (
        f"{os.cpu_count()} x {model}, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, TensorFlow {tf.__version__}, "
        f"tf-ckpt-migrate {tcm.__version__}"
    )


if __name__ == "__main__":
    main()
