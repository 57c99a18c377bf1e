"""Rules: what becomes of a source key. Always source to target, old to new.

The words of every rule: a *name* is a whole key; a *scope* is whole path components,
so ``bert/`` holds ``bert/w`` but not ``bert_2/w`` nor the key ``bert``; a *pattern* is
a regular expression that must fit the whole key.
"""

from __future__ import annotations

from tf_ckpt_migrate.names.rules.choices import Drop, Keep
from tf_ckpt_migrate.names.rules.joints import Bind, Combine, Split
from tf_ckpt_migrate.names.rules.kinds import RULES, Rule
from tf_ckpt_migrate.names.rules.recipe import Recipe
from tf_ckpt_migrate.names.rules.renames import Rename, RenameRegex, RenameScope

__all__ = [
    "RULES",
    "Bind",
    "Combine",
    "Drop",
    "Keep",
    "Recipe",
    "Rename",
    "RenameRegex",
    "RenameScope",
    "Rule",
    "Split",
]
