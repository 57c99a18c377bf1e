"""Compares what a TF1 graph gives with what the model that replaces it gives."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from typing import Any, NamedTuple, TypeAlias

from tf_ckpt_migrate.checkpoint.reader import CheckpointLike
from tf_ckpt_migrate.checkpoint.text import Table, plain_text
from tf_ckpt_migrate.conversion.example import example_checkpoint
from tf_ckpt_migrate.errors import nearest
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.restore import restore
from tf_ckpt_migrate.names.assignment_map import AssignmentMap, AssignmentMapLike
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.names.rules import Drop
from tf_ckpt_migrate.testing.causes import Findings, causes_of
from tf_ckpt_migrate.testing.comparing import (
    Compared,
    Near,
    Pair,
    compared,
    likeliest,
    paired_layers,
)
from tf_ckpt_migrate.testing.layers import (
    Listened,
    as_arrays,
    as_model_takes,
    layers_of,
    run,
    unchanged,
)
from tf_ckpt_migrate.testing.recorded import RecordedModel, is_recording
from tf_ckpt_migrate.testing.tf1 import OPTIONAL, Reference, Tf1Model, named_results

__all__ = [
    "Comparison",
    "Row",
    "assert_same_outputs",
    "findings_text",
    "migrated",
    "outputs_text",
    "shown",
]


_Layer: TypeAlias = str | Callable[[Any, Any], Any]


class Row(NamedTuple):
    """One tensor of TF1 beside what the model has in its place.

    Attributes:
      tf1: What TF1 calls it.
      model: What the model calls it.
      result: How far they are apart.
      expected: TF1's value.
      layer: The layer that gave the model's, if it is known.
      place: Where it comes in the TF1 graph.
      counts: Whether the models differ if this does: not where the two were only
        paired by the names of variables.
      tensors: Then, the tensors of TF1 that may be the one.
    """

    tf1: str
    model: str
    result: Compared
    expected: Any
    layer: str | None
    place: int
    counts: bool
    tensors: Sequence[Any] = ()


class Comparison(NamedTuple):
    """Two models, their inputs, and all that was compared.

    Attributes:
      reference: TF1's side.
      model: The other one.
      inputs: As arrays.
      training: Whether the model was told to train.
      near: How far apart values may be.
      listened: The run of the model.
      rows: What was compared, in the order of the TF1 graph, the outputs last.
      plan: How TF1's values were moved to the model; None if they were not.
      assignment_map: The rules of that.
    """

    reference: Reference
    model: Any
    inputs: Any
    training: bool
    near: Near
    listened: Listened
    rows: Sequence[Row]
    plan: MigrationPlan | None
    assignment_map: AssignmentMap


def assert_same_outputs(  # noqa: PLR0913 two models and how to compare: by keyword
    tf1_model: Any,
    tf2_model: Any,
    inputs: Any = None,
    *,
    checkpoint: CheckpointLike | None = None,
    assignment_map: AssignmentMapLike | None = None,
    layers: Mapping[str, _Layer] | None = None,
    outputs: Any = None,
    feed_dict: Mapping[str, Any] | None = None,
    training: bool = False,
    restore_model: bool = True,
    rtol: float = 1e-5,
    atol: float = 1e-6,
    seed: int = 0,
) -> None:
    """Assert that a model gives what the TF1 graph gives, from the same checkpoint.

    Args:
      tf1_model: A function of ``tf.compat.v1`` that is called in a new graph, with
        placeholders, and returns the output: a tensor, a list or a dict of them. Or a
        ``tf.Graph``. Or what TF1 gave elsewhere: the path of a ``.npz`` file that
        `record_outputs` has written, or what ``numpy.load`` returns for it.
      tf2_model: A Keras model or layer, a module, or any function. It returns as many
        outputs, in a dict under the same names. Afterwards its variables have the
        values that were restored, or with ``restore_model=False`` those from before.
      inputs: An array, a tuple of arrays for several arguments, or a dict for arguments
        of these names (a dict as one argument where the model takes no such); of a
        Graph, a dict by names of tensors, which the model is given the values of. Of a
        recording, what the model takes; without it, the recorded inputs.
      checkpoint: Restored into both. Without one, TF1's variables get random values,
        and the model those. Beside a recording it is the checkpoint that TF1 had;
        without one, the model has to have the values already.
      assignment_map: Rules from names in the checkpoint to the model's variables.
      layers: More to compare: by the name of a TF1 tensor, the name of a Keras layer,
        or a function that is given model and inputs and returns a tensor. Layers whose
        variables the map moved are compared without being named, to find the first that
        differs.
      outputs: The names of TF1's output tensors, in the form of the model's output;
        needed of a Graph.
      feed_dict: More to feed to the TF1 graph that is no input of the model, by the
        names of tensors: ``{"is_training:0": False}``.
      training: Passed on to a model that takes it.
      restore_model: False if the model has the values already.
      rtol: How far a value may be off, relative to the largest of its tensor.
      atol: How far a value may be off, beside.
      seed: Of the TF1 graph, and of the model's random operations.

    Raises:
      AssertionError: If an output or a named layer differs. The text says where first,
        by how much, and which cause, when tried, makes the difference go away.
      PlanError: If the checkpoint does not fit one of the models.
      RecordingError: If a file is not a recording.
      LookupError: If a tensor or layer is named that does not exist.

    Example:
      >>> import numpy as np, tensorflow as tf
      >>> v1 = tf.compat.v1
      >>> def build(x):
      ...     return x @ v1.get_variable("w", [3, 2])
      >>> dense = tf.keras.layers.Dense(2, use_bias=False, name="fc")
      >>> x = np.ones((4, 3), np.float32)
      >>> assert_same_outputs(build, dense, x, assignment_map={"w": "fc/kernel"})
    """
    rules = AssignmentMap(assignment_map)

    def compare(reference: Reference, arrays: Any, plan: MigrationPlan | None) -> None:
        near = Near(rtol, atol)
        with unchanged(tf2_model):
            tensorflow().random.set_seed(seed)
            listened = run(tf2_model, arrays, training=training)
            whole = Comparison(
                *(reference, tf2_model, arrays, training, near, listened, (), plan),
                rules,
            )
            _check(whole._replace(rows=_rows(whole, layers or {})))

    if is_recording(tf1_model):
        if feed_dict:
            raise TypeError("feed_dict feeds a TF1 graph, and a recording has none")
        recorded = RecordedModel(tf1_model, outputs)
        arrays = _recorded_inputs(recorded, tf2_model, inputs)
        values = checkpoint if restore_model else None
        plan = _beside_recording(tf2_model, arrays, values, assignment_map)
        compare(recorded, arrays, plan)
        return
    with closing(Tf1Model(tf1_model, inputs, outputs, seed, feed_dict)) as tf1:
        tf1.start(checkpoint)
        arrays = as_arrays(inputs)
        if tf1.given:
            arrays = as_model_takes(tf2_model, arrays)
        plan = None
        if restore_model and tf1.variables:
            run(tf2_model, arrays)  # layers may have no variables before
            plan = migrated(tf1, tf2_model, checkpoint, rules)
        compare(tf1, arrays, plan)


def _rows(comparison: Comparison, layers: Mapping[str, _Layer]) -> list[Row]:
    """Compare what there is, in the order of the TF1 graph, the outputs last."""
    reference, model, arrays, _, near, listened, _, plan, _ = comparison
    moves = () if plan is None else plan.moves
    captures = listened.captures
    pairs = paired_layers(reference, model, moves, captures) if moves else []
    rows = [
        *_named(reference, (model, arrays), listened, layers, near),
        *_automatic(reference, listened, pairs, near),
    ]
    rows.sort(key=lambda row: row.place)
    return [*rows, *_outputs(reference, listened.result, near)]


def _check(comparison: Comparison) -> None:
    if any(row.counts and not row.result.agrees for row in comparison.rows):
        raise AssertionError(outputs_text(comparison))


def _beside_recording(
    model: Any,
    arrays: Any,
    checkpoint: CheckpointLike | None,
    assignment_map: AssignmentMapLike | None,
) -> MigrationPlan | None:
    """Restore the checkpoint that TF1 had into the model, if there is one."""
    if checkpoint is not None:
        run(model, arrays)  # layers may have no variables before
        return _restored(model, checkpoint, assignment_map)
    if assignment_map is not None:
        raise TypeError(
            "assignment_map says where the values of a checkpoint go, and there is "
            "none to restore: pass checkpoint= too, the one that TF1 had"
        )
    return None


def _recorded_inputs(recorded: RecordedModel, model: Any, inputs: Any) -> Any:
    if inputs is not None:
        return as_arrays(inputs)
    if not recorded.inputs:
        raise TypeError(
            "the recording has no arrays 'inputs/…'; pass the inputs that TF1 had as "
            "inputs="
        )
    return as_model_takes(model, as_arrays(recorded.inputs))


def migrated(
    tf1: Tf1Model,
    model: Any,
    checkpoint: CheckpointLike | None,
    assignment_map: AssignmentMapLike | None,
) -> MigrationPlan:
    """Restore a model from a checkpoint, or from what TF1's variables have now.

    Returns:
      What went where.
    """
    with ExitStack() as stack:
        if checkpoint is None:
            checkpoint = stack.enter_context(example_checkpoint(tf1.saved()))
        return _restored(model, checkpoint, assignment_map)


def _restored(
    model: Any, checkpoint: CheckpointLike, assignment_map: AssignmentMapLike | None
) -> MigrationPlan:
    rules = [*(Drop(role=role) for role in OPTIONAL), *AssignmentMap(assignment_map)]
    return restore(checkpoint, model, rules, missing=OPTIONAL).plan


def _named(
    reference: Reference,
    call: tuple[Any, Any],
    listened: Listened,
    layers: Mapping[str, _Layer],
    near: Near,
) -> list[Row]:
    model = call[0]
    outputs = {each.name: each.output for each in reversed(listened.captures)}
    rows: list[Row] = []
    for name, layer in layers.items():
        tensor = reference.results.get(name)
        tensor = reference.tensor(name) if tensor is None else tensor
        expected = reference.run(tensor)
        if callable(layer):
            found, called = layer(*call), getattr(layer, "__name__", "function")
        else:
            found, called = _output_of(layer, outputs, model), layer
        result = compared(expected, _array(found), near)
        own = None if callable(layer) else layer
        place = reference.place(tensor)
        rows.append(Row(name, called, result, expected, own, place, counts=True))
    return rows


def _output_of(layer: str, outputs: Mapping[str, Any], model: Any) -> Any:
    if layer in outputs:
        return outputs[layer]
    near = nearest(layer, outputs)
    known = layer in layers_of(model)
    raise LookupError(
        f"layer {layer!r} of the model was not called"
        if known
        else f"the model has no layer {layer!r}; nearest are {near or [*outputs]}"
    )


def _automatic(
    reference: Reference, listened: Listened, pairs: Sequence[Pair], near: Near
) -> list[Row]:
    outputs = {each.name: each.output for each in reversed(listened.captures)}
    rows: list[Row] = []
    for pair in pairs:
        values = reference.run(list(pair.tensors))
        best, result = likeliest(values, outputs[pair.layer], near)
        if not pair.is_certain and not result.agrees:
            continue
        tensor, layer = pair.tensors[best], pair.layer
        place = reference.place(tensor)
        value = values[best]
        row = Row(tensor.name, layer, result, value, layer, place, False, pair.tensors)
        rows.append(row)
    return rows


def _outputs(reference: Reference, result: Any, near: Near) -> list[Row]:
    found = named_results(result)
    if {*found} != {*reference.results}:
        if len(found) != len(reference.results):
            raise TypeError(
                f"TF1 gives {len(reference.results)} outputs, {[*reference.results]}, "
                f"the model {len(found)}, {[*found]}; return "
                "the same, or name TF1's by outputs="
            )
        found = dict(zip(reference.results, found.values(), strict=True))
    rows: list[Row] = []
    for name, tensor in reference.results.items():
        expected = reference.run(tensor)
        agreement = compared(expected, _array(found[name]), near)
        place = reference.place(tensor)
        rows.append(
            Row(name, "its output", agreement, expected, None, place, counts=True)
        )
    return rows


def _array(value: Any) -> Any:
    return tensorflow().convert_to_tensor(value).numpy()


_LIKELY = "Likely cause, tried out:"
_BEFORE, _AFTER = 3, 3  # rows that are shown around the first difference


def outputs_text(comparison: Comparison) -> str:
    """Return it for people.

    Args:
      comparison: All of it; something in it differs.
    """
    rows = comparison.rows
    first = next(row for row in rows if not row.result.agrees)
    wrong = [row for row in rows if row.counts and not row.result.agrees]
    what = f"the model does not give what TF1 gives: {_title(wrong[0])}"
    lines = [
        f"{what}; the tolerance is {comparison.near}",
        "",
        *_table(rows, first),
        "",
        *findings_text(causes_of(comparison, first)),
    ]
    return "\n".join(lines)


def _title(row: Row) -> str:
    if math.isinf(row.result.max_abs):
        return f"{row.tf1!r} has {row.result.detail}"
    return f"{row.tf1!r} is off by up to {shown(row.result.max_abs)}"


def _table(rows: Sequence[Row], first: Row) -> list[str]:
    at = rows.index(first)
    start = max(0, at - _BEFORE)
    near = [*rows[start : at + 1 + _AFTER]]
    near += [row for row in rows[at + 1 + _AFTER :] if row.counts]
    cells = [
        (
            row.tf1,
            row.model,
            shown(row.result.max_abs),
            shown(row.result.max_rel),
            _remark(row, first),
        )
        for row in near
    ]
    columns = ("in TF1", "in the model", ">max abs", ">max rel", "")
    lines = plain_text([Table(columns, cells)]).splitlines()
    return [lines[0], *([f"… {start} before agree"] if start else []), *lines[1:]]


def _remark(row: Row, first: Row) -> str:
    if row.result.agrees:
        return "agrees"
    which = "first to differ, " if row is first else ""
    return f"{which}{row.result.detail}"


def shown(number: float) -> str:
    """Return a difference for a table.

    Example:
      >>> shown(0.0), shown(0.00012345), shown(math.inf)
      ('0', '0.00012', '-')
    """
    if math.isinf(number):
        return "-"
    return f"{number:.2g}"


def findings_text(findings: Findings) -> list[str]:
    """Return lines that say why, as far as trying told."""
    lines: list[str] = []
    if findings.causes:
        title = "Likely causes, tried out together:" if findings.is_joint else _LIKELY
        lines += [title, *(f"  {each}" for each in findings.causes)]
    elif findings.mended:
        title = "Tried out, this mends the first difference, but not the outputs:"
        lines += [title, *(f"  {each}" for each in findings.mended)]
    elif findings.closer:
        title = "Tried out, this brings it much closer, so something else differs too:"
        lines += [title, *(f"  {each}" for each in findings.closer)]
    else:
        lines.append("No cause was found by trying.")
    if findings.advice:
        lines += findings.advice.splitlines()
    if findings.causes:
        return lines
    if findings.tried:
        lines.append(f"Tried without effect: {', '.join(findings.tried)}.")
    if findings.failed:
        lines.append(f"Could not be tried: {', '.join(findings.failed)}.")
    if findings.limit:
        lines.append(f"Not everything was tried: {findings.limit}.")
    return lines
