"""Plans that people keep in files."""

from __future__ import annotations

import os

from tf_ckpt_migrate.bundle.text_file import read_text
from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.names.plan import MigrationPlan

__all__ = ["read_plan"]


def read_plan(path: str | os.PathLike[str]) -> MigrationPlan:
    """Return the plan that a file holds as YAML.

    Raises:
      PlanError: If it is not well formed or not closed, naming the file and the line.
      NotTextError: If it is no text file.
      OSError: If it cannot be read.

    Example:
      >>> import tempfile
      >>> from pathlib import Path
      >>> from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
      >>> from tf_ckpt_migrate.names.moves import Move
      >>> spec = TensorSpec(DType.int32, ())
      >>> move = Move(("a",), "b", None, spec)
      >>> plan = MigrationPlan("old/model.ckpt", "", {"a": spec}, (move,))
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = Path(folder, "plan.yaml")
      ...     _ = path.write_text(plan.to_yaml(), encoding="utf-8")
      ...     read_plan(path) == plan
      True
    """
    text = read_text(path)
    try:
        return MigrationPlan.from_yaml(text)
    except PlanError as error:
        where = repr(os.fsdecode(path))
        raise PlanError(f"{where}: {error}", error.findings) from None
