"""The contract between a model's code and its checkpoints, kept by a unit test."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader, load_checkpoint
from tf_ckpt_migrate.conversion.layout import layout_of
from tf_ckpt_migrate.conversion.manifest import NameManifest
from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.live.optimizers import with_live_optimizers
from tf_ckpt_migrate.live.planning import bound, plan_restore
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.names.assignment_map import AssignmentMap, AssignmentMapLike
from tf_ckpt_migrate.names.resolution import Missing
from tf_ckpt_migrate.names.rules import Rule
from tf_ckpt_migrate.storage.paths import path_of
from tf_ckpt_migrate.testing.breakage import breakage_of
from tf_ckpt_migrate.testing.layers import live_model

__all__ = ["assert_checkpoint_compatible", "manifest_of"]

_Names: TypeAlias = NameManifest | CheckpointReader | str | os.PathLike[str]


def manifest_of(model: Any, inputs: Any = None) -> NameManifest:
    """Return the names that a model saves, to be kept as its contract.

    Args:
      model: What ``assert_checkpoint_compatible`` takes.
      inputs: Likewise.

    Returns:
      Of a graph, the names under which ``tf.compat.v1.train.Saver`` saves it; of
      objects, the keys under which ``tf.train.Checkpoint`` does.

    Raises:
      TargetError: If it has no variables.

    Example:
      >>> import tensorflow as tf
      >>> def build():
      ...     tf.compat.v1.get_variable("net/w", [2, 3])
      >>> list(manifest_of(build).specs)
      ['net/w']
    """
    live = live_model(model, inputs)
    if not live.given_names:
        return NameManifest.from_view(live, live.prefix)
    specs = {name: live.specs[key] for key, name in live.given_names.items()}
    return NameManifest(live.prefix, specs)


def assert_checkpoint_compatible(  # noqa: PLR0913 what restore takes, by keyword
    model: Any,
    manifest_or_checkpoint: _Names,
    assignment_map: AssignmentMapLike | None = None,
    *,
    inputs: Any = None,
    unused: Literal["error", "drop"] = "error",
    missing: Missing | Collection[str] = "error",
) -> None:
    """Assert that a checkpoint of these names can be restored into a model.

    It passes if ``tcm.restore(checkpoint, model, assignment_map)`` would, and reads no
    value, so that a manifest serves in the place of the checkpoint. What a failing test
    shows is which names moved where, which tensors changed, vanished or are new, and
    the assignment map that would mend it.

    Args:
      model: A function that builds a graph of ``tf.compat.v1``, a ``tf.Graph``, or what
        ``tcm.restore`` takes: a module, a layer under ``track_tf1_style_variables``, a
        model of any Keras, variables.
      manifest_or_checkpoint: A manifest, the path of one (``.yaml``), or a checkpoint.
      assignment_map: Rules from names in the checkpoint to the model's.
      inputs: What the model is called with, if a call makes its variables; of a graph
        function, what it is given placeholders for.
      unused: As ``tcm.restore`` takes it: ``"drop"`` leaves what has no place.
      missing: As ``tcm.restore`` takes it: ``"keep"``, or roles such as ``"slot"``, for
        variables that need nothing from the checkpoint.

    Raises:
      AssertionError: If it could not be restored.
      TargetError: If the model has no variables, or layers are not built yet.
      RuleError: If the map is not well formed.
      CheckpointError: If the checkpoint or the manifest cannot be read.

    Example:
      >>> import tensorflow as tf
      >>> def build(scope):
      ...     with tf.compat.v1.variable_scope(scope):
      ...         tf.compat.v1.get_variable("w", [2, 3])
      >>> manifest = manifest_of(lambda: build("net"))
      >>> assert_checkpoint_compatible(lambda: build("net"), manifest)
      >>> assert_checkpoint_compatible(lambda: build("encoder"), manifest)
      Traceback (most recent call last):
      ...
      AssertionError: ... 1 name moved
      ...
    """
    names = _names_of(manifest_or_checkpoint)
    live = live_model(model, inputs)
    if missing != "keep":
        live.check_built()
    rules = bound(AssignmentMap(assignment_map), live)
    contract = _Contract(names, live, unused, missing)
    error = contract.broken_by(rules)
    if error is None:
        return
    text = f"{live.prefix} does not fit {names.prefix}: {error}"
    if error.findings:
        specs = layout_of(names).tensors
        breakage = breakage_of(error.findings, rules, specs, contract.findings)
        text = breakage.text(live.prefix, names.prefix)
    raise AssertionError(text)


def _names_of(given: _Names) -> Any:
    if isinstance(given, NameManifest | CheckpointReader):
        return given
    if path_of(given).endswith((".yaml", ".yml")):
        return NameManifest.load(given)
    return load_checkpoint(given)


class _Contract(NamedTuple):
    """A checkpoint's names and a model, to be held together by a map."""

    names: Any  # a reader of a checkpoint, or a manifest, which does for planning
    live: LiveTarget
    unused: Literal["error", "drop"]
    missing: Missing | Collection[str]

    def broken_by(self, rules: AssignmentMap) -> PlanError | None:
        """Return the error of a restore by these rules; None if it would work."""
        try:
            made = with_live_optimizers(self.names, self.live, rules)
            plan_restore(
                self.names,
                self.live,
                made.rules,
                unused=self.unused,
                missing=self.missing,
                may_stay=made.may_stay,
                by_identity=False,  # TensorFlow restores by paths
            )
        except PlanError as error:
            return error
        return None

    def findings(self, rules: Sequence[Rule]) -> tuple[str, ...]:
        """Return what would be wrong with other rules."""
        error = self.broken_by(AssignmentMap(rules))
        return error.problems if error else ()
