"""Measures how well training goes on, and writes it into ``docs/optimizers.md``.

    python -m tests.live.optimizer_table

writes the columns of the Keras that the environment has; call it in each. It needs the
Python of TensorFlow 1.15, in ``TF_CKPT_MIGRATE_TF1_PYTHON``, for the way back.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import tf_ckpt_migrate as tcm
from tests.live.optimizer_cases import OF_KERAS, OF_TF1, SPARSE, Case
from tests.live.resumed import (
    apart,
    continued,
    flavors,
    prefix_of,
    restored,
    rules_of,
    train_on,
)
from tests.live.tf1_cases import OF_TCM
from tests.pages import DOCS, bound, read_table, write_table
from tf_ckpt_migrate.errors import PlanError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["COLUMNS", "NONE", "PAGE", "TABLES", "Way", "back", "there"]

PAGE = DOCS / "optimizers.md"
COLUMNS = {"legacy": "legacy", "tf_keras": "tf-keras", "keras_3": "Keras 3"}
TABLES = {
    "optimizers": OF_TF1,
    "of tf.keras": OF_KERAS,
    "sparse": SPARSE,
    "as TF1": OF_TCM,
}
NONE = "-"
_PROGRAM = Path(__file__).with_name("tf1_goes_on.py")


class Way(NamedTuple):
    """What a case came to.

    Attributes:
      verdict: The worst verdict; that there is no such optimizer is `NONE`.
      apart: How far 20 steps in Keras are from those of TF1.
      report: What the restore told.
      checkpoint: The model and its optimizer, after those steps.
    """

    verdict: str
    apart: float = 0.0
    report: Any = None
    checkpoint: Any = None


def there(tf: Any, flavor: str, case: Case) -> Way:
    """Go on in Keras for 20 steps."""
    optimizer = case.made(tf, flavor, flavors(tf)[flavor])
    if optimizer is None:
        return Way(NONE)
    try:
        checkpoint, report = restored(tf, optimizer, case)
    except PlanError:
        return Way("impossible")
    kinds = {verdict.kind for verdict in report.verdicts}
    record = continued(case.golden)
    _, weights = train_on(tf, checkpoint, record)
    verdict = "approximate" if "approximate" in kinds else "exact"
    return Way(verdict, apart(record, weights), report, checkpoint)


def back(tf: Any, ways: Mapping[Any, tuple[Case, Way]], tf1_python: str) -> dict:
    """Go back from what ``there`` came to; return how far 20 more steps are apart."""
    with tempfile.TemporaryDirectory() as folder:
        pairs, mine = [], {}
        for number, (key, (case, way)) in enumerate(ways.items()):
            made = tcm.save_like(
                prefix_of(case.golden),
                way.checkpoint,
                rules_of(case),
                output_prefix=Path(folder, str(number), "model.ckpt"),
            )
            pairs += [case.golden, made.prefix]
            record = continued(case.golden)
            _, mine[key] = train_on(tf, way.checkpoint, record, done=27)
        done = subprocess.run(
            [tf1_python, str(_PROGRAM), *pairs],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(done.stderr)
    records = map(json.loads, done.stdout.splitlines())
    return {key: apart(next(records), weights) for key, weights in mine.items()}


def _measured(tf: Any, cases: Iterable[Case], tf1_python: str) -> list[dict[str, str]]:
    """Return the cells that this environment knows, by case."""
    ways = {
        (number, flavor): (case, there(tf, flavor, case))
        for number, case in enumerate(cases)
        for flavor in flavors(tf)
    }
    whole = {key: pair for key, pair in ways.items() if pair[1].verdict == "exact"}
    returned = back(tf, whole, tf1_python)
    rows: dict[int, dict[str, str]] = {}
    for (number, flavor), (_, way) in ways.items():
        cell = way.verdict
        if way.checkpoint is not None:
            cell += f", {bound(way.apart)}"
        if (number, flavor) in returned:
            cell += f", {bound(returned[number, flavor])}"
        rows.setdefault(number, {})[COLUMNS[flavor]] = cell
    return list(rows.values())


def _written(name: str, measured: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the rows: what was measured now, and else what the page has."""
    cases = TABLES[name]
    old = {(row["TF1"], row["Keras"]): row for row in read_table(PAGE, name)}
    rows = []
    for case, cells in zip(cases, measured, strict=True):
        heads = {"TF1": case.tf1, "Keras": f"`{case.keras}`"}
        empty = dict.fromkeys(COLUMNS.values(), NONE)
        known = old.get((heads["TF1"], heads["Keras"]), {})
        rows.append({**heads, **empty, **known, **cells})
    return rows


def main() -> None:
    """Write what this environment knows."""
    import tensorflow as tf

    for name, cases in TABLES.items():
        cells = _measured(tf, cases, os.environ["TF_CKPT_MIGRATE_TF1_PYTHON"])
        write_table(PAGE, name, _written(name, cells))


if __name__ == "__main__":
    main()
