"""Which tensors of a TF1 graph are which layers of a model: told by their variables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from tf_ckpt_migrate.live.goals import names_of
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.live.variables import within
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.testing.layers import Capture, layers_of
from tf_ckpt_migrate.testing.reference import Reference

__all__ = ["Pair", "paired_layers"]


class Pair(NamedTuple):
    """Tensors of TF1, one of which the output of a layer should be.

    Attributes:
      layer: The name of the layer.
      tensors: The tensors, the likeliest first.
      is_certain: Whether the tensors are those of this layer alone; otherwise only a
        tensor that agrees tells that it is the layer's.
    """

    layer: str
    tensors: Sequence[Any]
    is_certain: bool


def paired_layers(
    reference: Reference, model: Any, moves: Iterable[Move], captures: Iterable[Capture]
) -> list[Pair]:
    """Return which tensors could be the outputs of layers with variables.

    The variables of a layer come from variables of TF1 in one scope; what leaves the
    operations of that scope should be what the layer gives. An activation may lie just
    behind the scope, or the layer's own behind what leaves it.

    Args:
      reference: TF1's side.
      model: The model that its values were moved to.
      moves: How they were moved.
      captures: The calls of the model's layers.
    """
    shapes = {each.name: each.output.shape for each in reversed([*captures])}
    scopes = _scopes(model, moves)
    count = Counter(scopes.values())
    found: list[Pair] = []
    for layer, scope in scopes.items():
        tensors = [
            tensor
            for tensor in reference.candidates(scope, [*count])
            if layer in shapes and tensor.shape.is_compatible_with(shapes[layer])
        ]
        if tensors:
            found.append(Pair(layer, tensors, bool(scope) and count[scope] == 1))
    return found


def _scopes(model: Any, moves: Iterable[Move]) -> dict[str, str]:
    """Return the scope of TF1 that the variables of each layer come from."""
    live = LiveTarget(model, counted=False)
    names = names_of(live)
    by_target = dict(live.variables)
    by_target.update((names[key], variable) for key, variable in live.variables.items())
    sources = {
        id(within(by_target[move.target])): move.sources
        for move in moves
        if move.target in by_target
    }
    found: dict[str, tuple[str, frozenset[int]]] = {}
    for name, layer in layers_of(model).items():
        own = frozenset(id(within(variable)) for variable in layer.weights) & {*sources}
        if own:
            taken = [source for each in own for source in sources[each]]
            found[name] = _common_scope(taken), own
    # Of a layer and those within it, these tell more; the inner ones come later.
    return {
        name: scope
        for place, (name, (scope, own)) in enumerate(found.items())
        if not any(
            other == scope and (variables < own or (variables == own and later > place))
            for later, (other, variables) in enumerate(found.values())
        )
    }


def _common_scope(names: Sequence[str]) -> str:
    parts = [name.split("/")[:-1] for name in names]
    shared = 0
    for column in zip(*parts, strict=False):
        if len({*column}) > 1:
            break
        shared += 1
    return "/".join(parts[0][:shared])
