"""What is the same on both sides by identity, settled before anything is weighed.

Between two sides with objects that is the same path of attributes, the same variable
name, or the same slot of the same variable; between two sides with names, an equal
name. Numbers of lists are no identity.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from tf_ckpt_migrate.conversion.layout import CheckpointView, own_names_of
from tf_ckpt_migrate.conversion.suggestion.items import Item, Side
from tf_ckpt_migrate.conversion.suggestion.layers import EQUAL
from tf_ckpt_migrate.conversion.suggestion.pairing import Choice
from tf_ckpt_migrate.naming.catalog import catalog_of
from tf_ckpt_migrate.naming.identity import match_identities

__all__ = ["Settled", "settled"]


class Settled(NamedTuple):
    """What needs no weighing.

    Attributes:
      choices: The pairs, which are certain; and what names and objects disagree on.
      without_rules: The sources that a plan brings to their targets by itself.
    """

    choices: list[Choice]
    without_rules: frozenset[str] = frozenset()

    def others(self, ours: Side, theirs: Side) -> tuple[Side, Side]:
        """Return both sides without what is settled."""
        sources = {choice.source.key for choice in self.choices}
        targets = {c.target.key for c in self.choices if c.confidence == "certain"}
        return _without(ours, sources), _without(theirs, targets)


def settled(
    views: tuple[CheckpointView, CheckpointView], ours: Side, theirs: Side
) -> Settled:
    """Return what two sides have in common by identity."""
    graphs = [view.object_graph is not None for view in views]
    mine, others = _items(ours), _items(theirs)
    if all(graphs):
        catalogs = [catalog_of(view) for view in views]
        found = match_identities(*catalogs, sources=mine, targets=others)
        by_place = set(found.by_position)
        pairs = {k: t for k, t in found.pairs.items() if k not in by_place}
        choices = _choices(pairs, mine, others, "the same variable")
        contradictory = [
            Choice(mine[each.source], others[each.by_name], EQUAL, "ambiguous",
                   ("name and place disagree",), (others[each.by_place],))
            for each in found.contradictions
            if mine[each.source].form == others[each.by_name].form
        ]  # fmt: skip
        keys = frozenset(choice.source.key for choice in choices)
        return Settled([*choices, *contradictory], keys)
    if not any(graphs):
        return Settled(_choices({k: k for k in mine}, mine, others, "equal name"))
    return Settled(_choices(_by_name(views, ours, theirs), mine, others, "equal name"))


def _by_name(
    views: tuple[CheckpointView, CheckpointView], ours: Side, theirs: Side
) -> dict[str, str]:
    """Return the weights called alike by name and by object, in whole layers.

    A cell keeps its bias under an equal name with its gates in another order: what
    else is in its scope must be the same too.
    """
    if views[1].object_graph is not None:
        named = {
            name: key for key, name in own_names_of(views[1], theirs.specs).items()
        }
        pairs = {i.key: named[i.key] for i in ours.weights if i.key in named}
    else:
        names = own_names_of(views[0], ours.specs)
        pairs = {k: n for k, n in names.items() if n in theirs.specs}
    mine = {item.key: item for item in ours.weights}
    others = {item.key: item for item in theirs.weights}
    layers: dict[str, list[str]] = defaultdict(list)
    for key, item in mine.items():
        layers[item.names[-1].rpartition("/")[0]].append(key)
    whole = (
        keys
        for keys in layers.values()
        if all(
            key in pairs and pairs[key] in others
            and mine[key].form == others[pairs[key]].form
            for key in keys
        )
    )  # fmt: skip
    return {key: pairs[key] for keys in whole for key in keys}


def _choices(
    pairs: Mapping[str, str],
    mine: Mapping[str, Item],
    others: Mapping[str, Item],
    why: str,
) -> list[Choice]:
    return [
        Choice(mine[key], others[target], EQUAL, "certain", ("equal shape", why))
        for key, target in pairs.items()
        if target in others and mine[key].form == others[target].form
    ]


def _items(side: Side) -> dict[str, Item]:
    groups = (side.weights, *side.others.values())
    return {item.key: item for items in groups for item in items}


def _without(side: Side, keys: set[str]) -> Side:
    """Return a side without some items; their specs stay, as rules must know them."""

    def left(items: tuple[Item, ...]) -> tuple[Item, ...]:
        return tuple(item for item in items if item.key not in keys)

    others = {role: left(items) for role, items in side.others.items()}
    return side._replace(weights=left(side.weights), others=others)
