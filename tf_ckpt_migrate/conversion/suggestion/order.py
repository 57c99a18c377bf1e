"""The order in which programs made their layers, as evidence.

A ``.meta`` file next to a checkpoint of TF1 lists variables as they were made. On the
other side it is the number that Keras gives to layers without a name, or the order of
the objects. The alphabet is no order. The order counts where both sequences have the
same shapes throughout, and these change along the sequence.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from tf_ckpt_migrate.bundle.proto import MetaGraphDef, VariableDef, parsed
from tf_ckpt_migrate.conversion.layout import CheckpointView
from tf_ckpt_migrate.conversion.suggestion.evidence import Pairs
from tf_ckpt_migrate.conversion.suggestion.items import numbered
from tf_ckpt_migrate.conversion.suggestion.layers import Layer, Signature, fits_of
from tf_ckpt_migrate.conversion.suggestion.numbers import series_name
from tf_ckpt_migrate.errors import CorruptCheckpointError
from tf_ckpt_migrate.storage.access import is_file, read_bytes, size_of

__all__ = ["created_alike", "variables_in_order"]

_LARGEST = 1 << 28  # bytes of a graph that are read
_COLLECTIONS = ("variables", "trainable_variables")
_LEAST, _KINDS = 8, 4  # of a sequence: layers, and different shapes among them
_NUMBER = re.compile(r"\d+")
_Kinds: TypeAlias = tuple[Signature, Signature]


def variables_in_order(view: CheckpointView) -> tuple[Mapping[str, int], list[str]]:
    """Return the place of each variable in the order of creation, and notes.

    Nothing is known without a ``.meta`` file, or from one that is too large or damaged.
    """
    path = f"{view.prefix}.meta"
    if view.bundle is None or view.object_graph is not None or not is_file(path):
        return {}, []
    if size_of(path) > _LARGEST:
        return {}, [f"{path!r} was not read, as it has more than {_LARGEST >> 20} MB"]
    try:
        graph = parsed(MetaGraphDef, read_bytes(path), path)
        collections = {each.key: each.value for each in graph.collection_def}
        defs = next((collections[n] for n in _COLLECTIONS if n in collections), None)
        if defs is None:
            return {}, []
        values = (parsed(VariableDef, each, path) for each in defs.bytes_list.value)
        names = [each.variable_name.removesuffix(":0") for each in values]
    except CorruptCheckpointError as error:
        return {}, [f"the order of creation is unknown: {error}"]
    return {name: place for place, name in enumerate(dict.fromkeys(names))}, []


def created_alike(
    sources: Sequence[Layer],
    targets: Sequence[Layer],
    places: Mapping[str, int],
) -> Pairs:
    """Return the layers at the same place of both sequences, by number.

    Args:
      sources: The layers to take.
      targets: The layers to fill, in the order of the objects.
      places: Of the variables of the sources, in the order of creation.
    """
    if not places:
        return {}
    fits = fits_of(sources, targets)
    kinds = [layer.signature for layer in sources], [each.signature for each in targets]
    ours = _families(sources, kinds[0], {a for a, _ in fits})
    theirs = _families(targets, kinds[1], {b for _, b in fits})
    found: dict[int, int] = {}
    for parts in ours.keys() & theirs.keys():
        mine = [at for at in ours[parts] if _places(sources[at], places)]
        mine.sort(key=lambda at: _places(sources[at], places))
        for others in _sequences(targets, theirs[parts]):
            a, b = [kinds[0][at] for at in mine], [kinds[1][at] for at in others]
            pairs = _embedded(a, b, {*fits})
            if pairs:
                found |= {mine[p]: others[q] for p, q in pairs}
                break
    return found


def _families(
    layers: Sequence[Layer], kinds: Sequence[Signature], fitting: set[Signature]
) -> Mapping[tuple[str, ...], list[int]]:
    """Return the layers that have the same parts, of those that fit any other."""
    found: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for at, layer in enumerate(layers):
        if kinds[at] in fitting:
            found[tuple(sorted(layer.parts))].append(at)
    return found


def _places(layer: Layer, places: Mapping[str, int]) -> list[int]:
    return sorted(places[i.key] for i in layer.parts.values() if i.key in places)


def _sequences(targets: Sequence[Layer], which: list[int]) -> Iterator[list[int]]:
    """Yield the targets by the numbers of their layers, and by their objects."""
    names = numbered(targets[at].names[-1] for at in which)
    own = {at: names[targets[at].names[-1]] for at in which}
    counts: dict[str, dict[int, tuple[int, ...]]] = defaultdict(dict)
    for at, name in own.items():
        numbers = tuple(int(n[:18]) for n in _NUMBER.findall(name))
        counts[series_name(name)][at] = numbers
    if len(counts) == 1:
        (numbers,) = counts.values()
        varying = [
            len(set(column)) > 1 for column in zip(*numbers.values(), strict=True)
        ]
        if sum(varying) == 1 and len(set(numbers.values())) == len(which):
            yield sorted(which, key=lambda at: numbers[at])
    yield which


def _embedded(
    ours: Sequence[Signature], theirs: Sequence[Signature], fits: set[_Kinds]
) -> list[tuple[int, int]]:
    """Return the places of the shorter sequence in the longer, where only one will do.

    Both are walked from either end; what differs is not known.
    """
    if len(theirs) < _LEAST or len({*theirs}) < _KINDS:
        return []
    if len(theirs) > len(ours):
        back = _embedded_in(theirs, ours, {(b, a) for a, b in fits})
        return [(q, p) for p, q in back]
    return _embedded_in(ours, theirs, fits)


def _embedded_in(
    many: Sequence[Signature], few: Sequence[Signature], fits: set[_Kinds]
) -> list[tuple[int, int]]:
    first = _greedy(many, few, fits)
    last = _greedy([*reversed(many)], [*reversed(few)], fits)
    if first is None or last is None:
        return []
    last = [len(many) - 1 - at for at in reversed(last)]
    return [(a, q) for q, (a, b) in enumerate(zip(first, last, strict=True)) if a == b]


def _greedy(
    many: Sequence[Signature], few: Sequence[Signature], fits: set[_Kinds]
) -> list[int] | None:
    found: list[int] = []
    at = 0
    for each in few:
        while at < len(many) and (many[at], each) not in fits:
            at += 1
        if at == len(many):
            return None
        found.append(at)
        at += 1
    return found
