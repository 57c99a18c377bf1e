"""A pipeline of two processes, one of which is killed while it converts.

::

    python -m tests.beam_killed SOURCE OUTPUT FLAG

The file FLAG is made by the one that is to be killed, so that no other one is.
"""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

import tf_ckpt_migrate as tcm
from tests.bundle.faults import Disk
from tests.conversion.fleet.many import RULES
from tf_ckpt_migrate.conversion.fleet.found import find
from tf_ckpt_migrate.conversion.fleet.once import Outcome

__all__ = ["OPTIONS", "doomed", "main"]

OPTIONS = [
    "--runner=FnApiRunner",
    "--direct_running_mode=multi_processing",
    "--direct_num_workers=2",
]
_AFTER = "run-10/m-5"
_STEPS = 5  # of the next conversion, in the middle of it

os.fsync = lambda fd: None  # in this program and its workers: the current stays on


def doomed(outcome: Outcome, flag: str) -> tcm.Outcome:
    """Let the process be killed in the conversion after a certain one."""
    if outcome.source.endswith(_AFTER) and not os.path.exists(flag):
        Path(flag).touch()
        kill = partial(os.kill, os.getpid(), signal.SIGKILL)
        Disk(pytest.MonkeyPatch(), _STEPS, fail=kill)
    return outcome


def main(source: str, output: str, flag: str) -> None:
    """Run the pipeline."""
    from tests.beam_killed import doomed  # not that of __main__, which workers lack

    with beam.Pipeline(options=PipelineOptions(OPTIONS)) as pipeline:
        _ = (
            pipeline
            | beam.Create([*map(tuple, find([source], output).pairs)])
            | tcm.beam.ConvertCheckpoints(assignment_map=RULES)
            | beam.Map(doomed, flag)
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
