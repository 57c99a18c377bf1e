"""Every kind of rule there is."""

from __future__ import annotations

from typing import TypeAlias

from tf_ckpt_migrate.names.rules.choices import Drop, Keep
from tf_ckpt_migrate.names.rules.joints import Bind, Combine, Split
from tf_ckpt_migrate.names.rules.recipe import Recipe
from tf_ckpt_migrate.names.rules.renames import Rename, RenameRegex, RenameScope

__all__ = ["RULES", "Rule"]

Rule: TypeAlias = (
    Rename | RenameScope | RenameRegex | Drop | Keep | Split | Combine | Bind | Recipe
)
RULES = (Rename, RenameScope, RenameRegex, Drop, Keep, Split, Combine, Bind, Recipe)
