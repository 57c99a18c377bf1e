"""Groups tensors into layers, and says how one layer becomes another.

A layer is the tensors that share a parent: kernel and bias; gamma, beta and moving
statistics. Layers are matched as a whole, so no bias is parted from its kernel. Shapes
fit if they are equal, or by one of these changes:

==========================  ====================================================
change                      where it is met
==========================  ====================================================
lengths of 1 come or go     a 1x1 convolution and a dense layer
axes joined or parted       attention heads: ``[d, d]`` and ``[d, heads, d/heads]``;
                            a convolution over all that is there and a dense layer
two axes exchanged          ``output_weights [classes, d]`` and a dense kernel
==========================  ====================================================
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from tf_ckpt_migrate.conversion.suggestion.items import Form, Item
from tf_ckpt_migrate.conversion.suggestion.words import KINDS, kind_of, words_of
from tf_ckpt_migrate.transforms import Reshape, Transform, Transpose

__all__ = [
    "EQUAL",
    "TRANSPOSED",
    "Fit",
    "Layer",
    "LayerFit",
    "Signature",
    "fit_of",
    "fits_of",
    "layers_of",
]

Signature: TypeAlias = tuple[bool, tuple[tuple[str, Form], ...]]

_KIND_OF_KERNEL = ("recurrent", "depthwise", "pointwise")
_NEAR = ({"bias", "beta"}, {"kernel", "embedding"}, {"kernel", "gamma"})
_RECURRENT = frozenset(["lstm", "gru"])
_CELLS = _RECURRENT | {"rnn", "cell"}
_TOKEN = re.compile(r"[^\W\d_]+|\d+")
_UNKNOWN = "?"
_PARTLY = 0.3  # what it costs that one of the layers has no bias


TRANSPOSED = 0.5  # what it costs, more than any other change


class Fit(NamedTuple):
    """How one form becomes another.

    Attributes:
      transform: What is done; None for equal forms.
      cost: How much that speaks against it.
      why: The same in words.
    """

    transform: Transform | None
    cost: float
    why: str


EQUAL = Fit(None, 0.0, "equal shape")


def fit_of(source: Form, target: Form) -> Fit | None:
    """Return how ``source`` becomes ``target``; None if in no way that is known.

    Example:
      >>> fit_of(Form("float32", (1, 1, 8, 3)), Form("float32", (8, 3))).transform
      Reshape(shape=(8, 3))
      >>> fit_of(Form("float32", (2, 8)), Form("float32", (8, 2))).transform
      Transpose(perm=(1, 0))
    """
    if source == target:
        return EQUAL
    if source.native is not None or target.native is not None:
        same = source[:2] == target[:2] and None not in (source.native, target.native)
        return Fit(None, 0.0, f"both are {source}") if same else None
    a, b = source.shape, target.shape
    if source.kind != target.kind or math.prod(a) != math.prod(b):
        return None
    lengths = [tuple(n for n in shape if n != 1) for shape in (a, b)]
    if lengths[0] == lengths[1]:
        return Fit(Reshape(b), 0.3, "equal shape but for lengths of 1")
    if _merges(*lengths) or _merges(*reversed(lengths)):
        return Fit(Reshape(b), 0.2, "equal shape but for axes joined")
    if len(a) == 2 and a == b[::-1]:
        return Fit(Transpose((1, 0)), TRANSPOSED, "transposed")
    return None


def _merges(many: tuple[int, ...], few: tuple[int, ...]) -> bool:
    """Return whether joining neighbours among ``many`` axes gives ``few``."""
    left = list(many)
    for length in few:
        joined = 1
        while left and joined < length:
            joined *= left.pop(0)
        if joined != length:
            return False
    return not left and len(few) < len(many)


class Layer(NamedTuple):
    """Tensors that share a parent.

    Attributes:
      parts: The tensors by what they are to the layer: ``kernel``, ``beta``, …; an
        unknown one by ``?`` and the end of its name.
      names: What the layer is called, by each kind of name.
    """

    parts: Mapping[str, Item]
    names: tuple[str, ...]

    @property
    def signature(self) -> Signature:
        """What decides which layers it can become."""
        forms = sorted((role, item.form) for role, item in self.parts.items())
        return self.is_recurrent, tuple(forms)

    @property
    def is_recurrent(self) -> bool:
        """Whether it is an RNN cell, whose gates may stand in another order."""
        scopes = [words_of(scope) for scope in self.names[-1].split("/")[-2:]]
        return bool(
            not _CELLS.isdisjoint(scopes[-1])
            or not _RECURRENT.isdisjoint(word for words in scopes for word in words)
        )


class LayerFit(NamedTuple):
    """How one layer becomes another.

    Attributes:
      pairs: Roles in the source and in the target, and what is done to the value.
      cost: How much the changes speak against it.
    """

    pairs: tuple[tuple[str, str, Fit], ...]
    cost: float

    @property
    def is_transposed(self) -> bool:
        """Whether a part is transposed."""
        return any(fit.cost >= TRANSPOSED for _, _, fit in self.pairs)

    @property
    def is_named(self) -> bool:
        """Whether the parts are known by what they are to their layers."""
        return all(ours[0] != _UNKNOWN != theirs[0] for ours, theirs, _ in self.pairs)


def layers_of(*sides: Sequence[Item]) -> list[list[Layer]]:
    """Return the layers of each side."""
    clear = [_clearly_named(side) for side in sides]
    shared = Counter(
        ends for side in clear for ends in _unknown_ends(side).values() if len(ends) > 1
    )
    known = {ends for ends, count in shared.items() if count > 1}
    return [_grouped(side, known) for side in clear]


def _clearly_named(side: Sequence[Item]) -> list[Item]:
    """Return items whose paths come last where their variable names are not unique.

    Keras 3 calls all variables of a layer's own layers ``layer/kernel``.
    """
    counts = Counter(item.names[-1] for item in side)
    return [
        item
        if counts[item.names[-1]] == 1 and "/" in item.names[-1]
        else item._replace(names=item.names[::-1])
        for item in side
    ]


def _unknown_ends(side: Sequence[Item]) -> Mapping[str, frozenset[str]]:
    """Return the ends of names that say no kind, by the scope that they share."""
    found: dict[str, set[str]] = defaultdict(set)
    for item in side:
        scope, _, end = item.names[-1].rpartition("/")
        if scope and not item.members and not kind_of(words_of(item.names[-1])):
            found[scope].add(end)
    return {scope: frozenset(ends) for scope, ends in found.items()}


def _grouped(side: Sequence[Item], known: set[frozenset[str]]) -> list[Layer]:
    """Return layers; ``known`` are the ends of names that recur in several scopes."""
    ends = _unknown_ends(side)
    groups: dict[str, dict[str, list[Item]]] = defaultdict(lambda: defaultdict(list))
    for item in side:
        name = item.names[-1]
        role, stem = _role_and_stem(name)
        if item.members:
            role, stem = _UNKNOWN, name + "\0"
        elif role[0] == _UNKNOWN:
            scope = name.rpartition("/")[0]
            stem = scope if ends.get(scope) in known else name + "\0"
        groups[stem][role].append(item)
    found: list[Layer] = []
    for stem, roles in groups.items():
        if all(len(items) == 1 for items in roles.values()):
            parts = _simplified({role: items[0] for role, items in roles.items()})
            found.append(Layer(parts, _names(stem, parts)))
        else:  # the ends of names do not tell the parts of one layer
            single = [(role, each) for role, items in roles.items() for each in items]
            found += [Layer({role: each}, each.names) for role, each in single]
    return found


def _simplified(parts: dict[str, Item]) -> Mapping[str, Item]:
    """Call the only kernel of a layer ``kernel``, of whichever kind it is.

    A tensor alone needs no end of a name to be told apart: without one, all layers of
    equal shapes share a signature.
    """
    if len(parts) == 1:
        ((role, item),) = parts.items()
        if role[0] == _UNKNOWN:
            return {_UNKNOWN: item}
    kernels = [role for role in parts if role.endswith("kernel")]
    if len(kernels) == 1 and not kernels[0].startswith("recurrent"):
        parts["kernel"] = parts.pop(kernels[0])
    return parts


def _names(stem: str, parts: Mapping[str, Item]) -> tuple[str, ...]:
    """Return what a layer is called: by paths of its parts, and by its own stem."""
    first = next(iter(parts.values()))
    if stem.endswith("\0"):
        return first.names
    others = [_role_and_stem(name)[1] for name in first.names[:-1]]
    return tuple(dict.fromkeys((*others, stem)))


def _role_and_stem(name: str) -> tuple[str, str]:
    """Return what a tensor is to its layer, and the name without what says so.

    Example:
      >>> _role_and_stem("net/fc/weights"), _role_and_stem("Model/softmax_w")
      (('kernel', 'net/fc'), ('kernel', 'Model/softmax'))
    """
    words = words_of(name)
    kind = kind_of(words)
    scope, _, end = name.rpartition("/")
    own = words_of(f"x/{end}")[1:]
    if not kind or kind_of(own) == "":
        return _UNKNOWN + end, scope
    if kind == "kernel":
        kind = next((f"{w}_kernel" for w in _KIND_OF_KERNEL if w in own), kind)
    tokens = [t for t in re.split(r"[_.]", end) if t]
    left = [t for t in tokens if not _says_kind(t) and t not in ("moving", "running")]
    left = [t for t in left if not t.isdecimal() and t not in _KIND_OF_KERNEL]
    return kind, f"{scope}/{'_'.join(left)}" if left else scope


def _says_kind(token: str) -> bool:
    return bool(KINDS.intersection(words_of(f"x/{token}")[1:]))


def fits_of(
    sources: Sequence[Layer], targets: Sequence[Layer]
) -> dict[tuple[Signature, Signature], LayerFit]:
    """Return how layers of each signature become those of another, where they can.

    Layers of which only one has a bias are a pair only where neither has a better one.
    """
    ours = {layer.signature: layer for layer in sources}
    theirs = {layer.signature: layer for layer in targets}
    sizes: dict[int, list[Signature]] = defaultdict(list)
    for signature in theirs:
        for size in {math.prod(form.shape) for _, form in signature[1]}:
            sizes[size].append(signature)
    found: dict[tuple[Signature, Signature], LayerFit] = {}
    for a, first in ours.items():
        largest = max(math.prod(form.shape) for _, form in a[1])
        for b in sizes.get(largest, ()):
            fit = _layer_fit(first, theirs[b])
            if fit is not None:
                found[a, b] = fit
    whole = {side for (a, b), fit in found.items() if _is_whole(a, b, fit)
             for side in ((0, a), (1, b))}  # fmt: skip
    return {
        (a, b): fit
        for (a, b), fit in found.items()
        if _is_whole(a, b, fit) or ((0, a) not in whole and (1, b) not in whole)
    }


def _is_whole(a: Signature, b: Signature, fit: LayerFit) -> bool:
    return len(a[1]) == len(b[1]) == len(fit.pairs)


def _layer_fit(source: Layer, target: Layer) -> LayerFit | None:
    ours, theirs = dict(source.parts), dict(target.parts)
    if source.is_recurrent or target.is_recurrent:
        is_same = {r: i.form for r, i in ours.items()} == {
            r: i.form for r, i in theirs.items()
        }
        is_whole = any(item.members for item in ours.values())
        if not is_whole and (not is_same or [*ours] == ["bias"]):
            return None
    pairs: list[tuple[str, str, Fit]] = []
    for role, item in list(ours.items()):
        for other in _alike(role, theirs):
            fit = fit_of(item.form, theirs[other].form)
            if fit is not None:
                pairs.append((role, other, fit))
                del ours[role], theirs[other]
                break
    if any(role != "bias" for role in (*ours, *theirs)) or not pairs:
        return None
    if len(ours) + len(theirs) and all(role in ("bias", "beta") for role, *_ in pairs):
        return None
    cost = sum(fit.cost for *_, fit in pairs) + _PARTLY * (len(ours) + len(theirs))
    return LayerFit(tuple(pairs), cost)


def _alike(role: str, others: Mapping[str, Item]) -> list[str]:
    """Return the roles that a role can become, the best first."""
    if role in others:
        return [role]
    near = [other for other in others if {role, other} in _NEAR]
    unknown = [o for o in others if role[0] == _UNKNOWN or o[0] == _UNKNOWN]
    return [*near, *unknown]
