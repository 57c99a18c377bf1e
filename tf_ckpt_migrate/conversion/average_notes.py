"""Notes on moving averages that a plan leaves out, and on what excludes them."""

from __future__ import annotations

from collections.abc import Iterable

from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.names.rules import Recipe, Rule
from tf_ckpt_migrate.naming.slots import role_of

__all__ = ["averages_left_out", "optimizers_without_averages"]


def averages_left_out(plan: MigrationPlan, averages: str | None) -> list[str]:
    """Return a note if variables take their own values though averages are there.

    Args:
      plan: The plan.
      averages: The caller's choice; None if there was none.
    """
    known = plan.source_specs
    left = [key for key, _ in plan.dropped if role_of(key, known) == "average"]
    moved = (key for move in plan.moves for key in move.sources)
    if averages is not None or not left:
        return []
    if any(role_of(key, known) == "average" for key in moved):
        return []
    count = "1 moving average" if len(left) == 1 else f"{len(left):,} moving averages"
    note = (
        f"the checkpoint has {count}, such as {left[0]!r}, which this leaves out: "
        "variables take their own values. Programs often evaluate with the averages; "
        'pass averages="average" to take them, or averages="raw" for what is done now'
    )
    return [note]


def optimizers_without_averages(
    rules: Iterable[Rule], averages: str | None
) -> list[str]:
    """Return which recipes for optimizers exclude the choice of averages."""
    recipes = [
        rule for rule in rules if isinstance(rule, Recipe) and rule.kind == "optimizer"
    ]
    if averages != "average" or not recipes:
        return []
    named = ", ".join(map(repr, recipes))
    note = (
        f'averages="average" excludes {named}: the state of an optimizer belongs to '
        "the variables' own values. Leave the recipe out and pass "
        'unused="drop" and missing=["slot", "optimizer", "step"], which leaves the '
        'optimizer as it is; or leave averages="average" out'
    )
    return [note]
