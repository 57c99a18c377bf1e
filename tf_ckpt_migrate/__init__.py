"""Migrate TensorFlow checkpoints by rewriting only their index.

The public names are loaded on first use, so that ``import tf_ckpt_migrate`` costs
milliseconds and a name costs only what it needs.

Example:
  >>> import tf_ckpt_migrate as tcm
  >>> issubclass(tcm.errors.CheckpointNotFoundError, FileNotFoundError)
  True
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tf_ckpt_migrate._version import __version__

if TYPE_CHECKING:
    from tf_ckpt_migrate import beam, errors, estimator, keras, testing, transforms
    from tf_ckpt_migrate.checkpoint.describe import (
        CheckpointDescription,
        inspect_checkpoint,
    )
    from tf_ckpt_migrate.checkpoint.diff import CheckpointDiff, diff_checkpoints
    from tf_ckpt_migrate.checkpoint.reader import (
        CheckpointReader,
        list_variables,
        load_checkpoint,
    )
    from tf_ckpt_migrate.checkpoint.verify import Verification, verify_checkpoint
    from tf_ckpt_migrate.conversion.convert import ConversionResult, convert
    from tf_ckpt_migrate.conversion.dual_keys import add_name_keys, remove_name_keys
    from tf_ckpt_migrate.conversion.fleet.convert_all import (
        ConvertAllResult,
        convert_all,
    )
    from tf_ckpt_migrate.conversion.merge import compact, merge
    from tf_ckpt_migrate.conversion.object_keys import add_object_keys
    from tf_ckpt_migrate.conversion.planning import plan_migration
    from tf_ckpt_migrate.conversion.prune import prune
    from tf_ckpt_migrate.conversion.suggestion.suggest import suggest_assignment_map
    from tf_ckpt_migrate.conversion.suggestion.suggestion import Suggestion
    from tf_ckpt_migrate.conversion.tf1_to_tf2 import convert_tf1_to_tf2
    from tf_ckpt_migrate.conversion.tf2_to_tf1 import convert_tf2_to_tf1
    from tf_ckpt_migrate.conversion.verify import ConversionProof, verify_conversion
    from tf_ckpt_migrate.live.checkpoint import Checkpoint
    from tf_ckpt_migrate.live.initialize import init_from_checkpoint
    from tf_ckpt_migrate.live.report import RestoreReport
    from tf_ckpt_migrate.live.restore import restore
    from tf_ckpt_migrate.live.save_like import save_like
    from tf_ckpt_migrate.live.saver import Saver
    from tf_ckpt_migrate.live.warm_start import warm_start
    from tf_ckpt_migrate.names.assignment_map import AssignmentMap
    from tf_ckpt_migrate.names.plan import MigrationPlan
    from tf_ckpt_migrate.names.rules import (
        Combine,
        Drop,
        Keep,
        Recipe,
        Rename,
        RenameRegex,
        RenameScope,
        Split,
    )
    from tf_ckpt_migrate.report.content import MigrationReport
    from tf_ckpt_migrate.report.making import make_report, write_report

__all__ = [
    "AssignmentMap",
    "Checkpoint",
    "CheckpointDescription",
    "CheckpointDiff",
    "CheckpointReader",
    "Combine",
    "ConversionProof",
    "ConversionResult",
    "ConvertAllResult",
    "Drop",
    "Keep",
    "MigrationPlan",
    "MigrationReport",
    "Recipe",
    "Rename",
    "RenameRegex",
    "RenameScope",
    "RestoreReport",
    "Saver",
    "Split",
    "Suggestion",
    "Verification",
    "__version__",
    "add_name_keys",
    "add_object_keys",
    "beam",
    "compact",
    "convert",
    "convert_all",
    "convert_tf1_to_tf2",
    "convert_tf2_to_tf1",
    "diff_checkpoints",
    "errors",
    "estimator",
    "init_from_checkpoint",
    "inspect_checkpoint",
    "keras",
    "list_variables",
    "load_checkpoint",
    "make_report",
    "merge",
    "plan_migration",
    "prune",
    "remove_name_keys",
    "restore",
    "save_like",
    "suggest_assignment_map",
    "testing",
    "transforms",
    "verify_checkpoint",
    "verify_conversion",
    "warm_start",
    "write_report",
]

# Where each public name lives; a submodule lives in the package itself. A new name
# goes here, into `__all__` and under TYPE_CHECKING: a test holds the three together.
_HOMES: dict[str, tuple[str, ...]] = {
    "": ("beam", "errors", "estimator", "keras", "testing", "transforms"),
    "checkpoint.describe": ("CheckpointDescription", "inspect_checkpoint"),
    "checkpoint.diff": ("CheckpointDiff", "diff_checkpoints"),
    "checkpoint.reader": ("CheckpointReader", "list_variables", "load_checkpoint"),
    "checkpoint.verify": ("Verification", "verify_checkpoint"),
    "conversion.convert": ("ConversionResult", "convert"),
    "conversion.dual_keys": ("add_name_keys", "remove_name_keys"),
    "conversion.fleet.convert_all": ("ConvertAllResult", "convert_all"),
    "conversion.merge": ("compact", "merge"),
    "conversion.object_keys": ("add_object_keys",),
    "conversion.planning": ("plan_migration",),
    "conversion.prune": ("prune",),
    "conversion.suggestion.suggest": ("suggest_assignment_map",),
    "conversion.suggestion.suggestion": ("Suggestion",),
    "conversion.tf1_to_tf2": ("convert_tf1_to_tf2",),
    "conversion.tf2_to_tf1": ("convert_tf2_to_tf1",),
    "conversion.verify": ("ConversionProof", "verify_conversion"),
    "live.checkpoint": ("Checkpoint",),
    "live.initialize": ("init_from_checkpoint",),
    "live.report": ("RestoreReport",),
    "live.restore": ("restore",),
    "live.save_like": ("save_like",),
    "live.saver": ("Saver",),
    "live.warm_start": ("warm_start",),
    "names.assignment_map": ("AssignmentMap",),
    "names.plan": ("MigrationPlan",),
    "names.rules": (
        "Combine",
        "Drop",
        "Keep",
        "Recipe",
        "Rename",
        "RenameRegex",
        "RenameScope",
        "Split",
    ),
    "report.content": ("MigrationReport",),
    "report.making": ("make_report", "write_report"),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            value = globals()[name] = _loaded(home, name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _loaded(home: str, name: str) -> object:
    from importlib import import_module

    if not home:
        return import_module(f"{__name__}.{name}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
