"""Many checkpoints, migrated by the workers of an Apache Beam runner.

``tcm.beam.convert_all`` is a ready pipeline. ``tcm.beam.ConvertCheckpoints`` is the
transform in it, for pipelines of one's own::

    with beam.Pipeline(options=options) as pipeline:
        outcomes = (
            pipeline
            | beam.Create([("old/model.ckpt-7", "new/model.ckpt-7")])
            | tcm.beam.ConvertCheckpoints(to="tf2")
        )

Apache Beam comes with the extra ``beam``, and is imported when one of them is called.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.bundle.commit import far_name_aside, staging_folder
from tf_ckpt_migrate.bundle.text_file import read_text, write_text
from tf_ckpt_migrate.conversion.fleet.convert_all import (
    ConvertAllResult,
    Sources,
    found_for,
    result_of,
)
from tf_ckpt_migrate.conversion.fleet.found import Found
from tf_ckpt_migrate.conversion.fleet.once import Outcome, convert_once
from tf_ckpt_migrate.conversion.fleet.request import Request
from tf_ckpt_migrate.errors import BeamNotFoundError, BeamPipelineError
from tf_ckpt_migrate.storage.access import make_folder, remove_folder
from tf_ckpt_migrate.storage.paths import is_far, join, path_of

if TYPE_CHECKING:
    from apache_beam import PTransform  # pyright: ignore[reportMissingImports] types are checked without it
    from apache_beam.options.pipeline_options import PipelineOptions  # pyright: ignore[reportMissingImports] types are checked without it

__all__ = ["ConvertCheckpoints", "convert_all"]

_METRICS = "tf_ckpt_migrate"


def ConvertCheckpoints(**asked: Any) -> PTransform:  # noqa: N802 - as Beam's are called
    """Return the transform from pairs (source, output) to what became of each.

    The elements are pairs of prefixes, the results are values of class ``Outcome``. It
    never fails because of a checkpoint: what is wrong with one is in its outcome. In
    the namespace ``"tf_ckpt_migrate"`` it counts ``converted``, ``present``,
    ``skipped``, ``failed``, ``keys``, ``bytes_linked`` and ``bytes_written``.

    A pair may come twice, and a bundle may be repeated after its worker was killed:
    what is done is recognised, what was begun is done again, and of two workers at one
    output the second waits for the first, or both write the same where there are no
    locks.

    Args:
      **asked: What is asked for all of them, as of ``tcm.convert_all``: ``to``,
        ``assignment_map``, ``plan``, ``like``, ``data`` and the others but
        ``progress``.

    Raises:
      BeamNotFoundError: If Apache Beam is not installed.
      RuleError: If nothing is asked for, a rule is not well formed, or one names a
        variable by object.
      TransformError: If a transform holds code, which cannot be sent to workers.
    """
    return _transform(Request.asked(**asked))


def convert_all(
    sources: Sources,
    output_dir: str | os.PathLike[str],
    options: PipelineOptions | Sequence[str] = (),
    **asked: Any,
) -> ConvertAllResult:
    """Convert every checkpoint below a folder, by the workers of a runner.

    Everything is as with ``tcm.convert_all``: what is found, what is recognised as
    done, the outputs byte for byte, state files, the result. Sources and outputs must
    be where the workers can reach them.

    Args:
      sources: As of ``tcm.convert_all``.
      output_dir: The folder for the outputs. One pipeline at a time may write there.
      options: Beam's, as ``["--runner=FlinkRunner", "--parallelism=64"]``. Without a
        runner it is Beam's local one.
      **asked: As of ``ConvertCheckpoints``.

    Returns:
      What became of each.

    Raises:
      BeamNotFoundError: If Apache Beam is not installed.
      BeamPipelineError: If the runner did not carry it out. Run it again: what is done
        is not done again.
      CheckpointError: As ``tcm.convert_all``.
    """
    request = Request.asked(**asked)
    found = found_for(request, sources, output_dir)
    outcomes = _carry_out(request, found, path_of(output_dir), options)
    return result_of(found, outcomes)


def _carry_out(
    request: Request,
    found: Found,
    output_dir: str,
    options: PipelineOptions | Sequence[str],
) -> list[Outcome]:
    """Convert what was found; outcomes come back by a file in the output's folder."""
    beam = _apache_beam()
    from apache_beam.options.pipeline_options import PipelineOptions  # pyright: ignore[reportMissingImports] types are checked without it

    if not isinstance(options, PipelineOptions):
        options = PipelineOptions([*options])
    with _folder_for_outcomes(join(output_dir, "outcomes")) as folder:
        path = join(folder, "outcomes")
        pipeline = beam.Pipeline(options=options)
        _ = (
            pipeline
            | "Found" >> beam.Create([*map(tuple, found.pairs)], reshuffle=False)
            | "ConvertCheckpoints" >> _transform(request)
            | "ToConfig" >> beam.Map(Outcome.to_config)
            | "All" >> beam.combiners.ToList()
            | "Write" >> beam.Map(_write, path)
        )
        _run(pipeline)
        return [Outcome(**each) for each in _read(path)]


@contextmanager
def _folder_for_outcomes(path: str) -> Generator[str]:
    if is_far(path):
        with _far_folder(path) as folder:
            yield folder
    else:
        with staging_folder(path) as staging:
            yield staging.path


@contextmanager
def _far_folder(path: str) -> Generator[str]:
    folder = far_name_aside(path)
    make_folder(folder)
    try:
        yield folder
    finally:
        with suppress(OSError):  # what it held has been read, or there is another error
            remove_folder(folder)


def _write(outcomes: list[dict[str, Any]], path: str) -> None:
    """Write what became of all, as one worker; it may be that a second does too."""
    write_text(path, json.dumps(outcomes))


def _read(path: str) -> list[dict[str, Any]]:
    try:
        return json.loads(read_text(path))
    except FileNotFoundError as error:
        raise BeamPipelineError(
            f"what became of the checkpoints did not come back by {path!r}: workers, "
            "and the machine that starts them, must reach the output folder by one "
            "path (memory:// and ram:// are of one process); then run it again: what "
            "is done is not done again"
        ) from error


def _run(pipeline: Any) -> None:
    try:
        ended = pipeline.run().wait_until_finish()
    except Exception as error:
        ended = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise BeamPipelineError(_broken_off(ended)) from error
    if ended not in (None, "DONE"):
        raise BeamPipelineError(_broken_off(ended))


def _broken_off(ended: str) -> str:
    return (
        f"the pipeline ended as {ended}; see what the runner says, and run it again: "
        "what is done is not done again"
    )


class _Once(NamedTuple):
    """Converts one checkpoint on a worker, and counts."""

    request: str

    def __call__(self, pair: tuple[str, str]) -> Outcome:
        from apache_beam.metrics import Metrics  # pyright: ignore[reportMissingImports] types are checked without it

        outcome = convert_once(_request(self.request), *pair)
        Metrics.counter(_METRICS, outcome.status).inc()
        for name in ("keys", "bytes_linked", "bytes_written"):
            Metrics.counter(_METRICS, name).inc(getattr(outcome, name))
        return outcome


@functools.cache
def _request(text: str) -> Request:
    return Request.from_config(json.loads(text))


def _transform(request: Request) -> PTransform:
    beam = _apache_beam()
    once = _Once(json.dumps(request.to_config()))
    # Reshuffled, or a runner would give all that one worker has found to that worker.
    chain: Any = beam.Reshuffle() | beam.Map(once)
    return "ConvertCheckpoints" >> chain


def _apache_beam() -> Any:
    try:
        import apache_beam  # pyright: ignore[reportMissingImports] types are checked without it
    except ModuleNotFoundError as error:
        if error.name != "apache_beam":  # it is there, but broken: let it say so itself
            raise
        raise BeamNotFoundError(
            "this takes Apache Beam, which is not installed; run "
            "`pip install 'tf-ckpt-migrate[beam]'`. Without a runner, convert_all "
            "does the same on this machine"
        ) from None
    return apache_beam
