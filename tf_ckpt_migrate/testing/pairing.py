"""Which tensors of a TF1 graph are which layers of a model: told by their variables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.live.goals import names_of
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.live.variables import within
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.testing.layers import Capture, layers_of

if TYPE_CHECKING:
    from tf_ckpt_migrate.testing.tf1 import Tf1Model

__all__ = ["Pair", "paired_layers"]

_BEHIND = 24  # tensors that are looked at behind a scope: a GELU takes eight


class Pair(NamedTuple):
    """Tensors of a TF1 graph, one of which a layer's output should be.

    Attributes:
      layer: The name of the layer.
      tensors: The tensors, the likeliest first.
    """

    layer: str
    tensors: Sequence[Any]


def paired_layers(
    tf1: Tf1Model, model: Any, moves: Iterable[Move], captures: Iterable[Capture]
) -> list[Pair]:
    """Return which tensors could be the outputs of layers with variables.

    The variables of a layer come from variables of TF1 in one scope; what leaves the
    operations of that scope should be what the layer gives. An activation may lie just
    behind the scope, or the layer's own behind what leaves it.

    Args:
      tf1: The TF1 model.
      model: The model that its values were moved to.
      moves: How they were moved.
      captures: The calls of the model's layers.
    """
    shapes = {each.name: each.output.shape for each in reversed([*captures])}
    flowing = _downstream(tf1)
    results = {each.name for each in tf1.results.values()}
    scopes = _scopes(model, moves)
    others = tuple(f"{scope}/" for scope in scopes.values())
    found: list[Pair] = []
    for layer, scope in scopes.items():
        ops = [op for op in flowing if op.name.startswith(f"{scope}/")]
        tensors = [
            tensor
            for tensor in _candidates(ops, results, others)
            if layer in shapes and tensor.shape.is_compatible_with(shapes[layer])
        ]
        if tensors:
            found.append(Pair(layer, tensors))
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
    found: dict[str, str] = {}
    for name, layer in layers_of(model).items():
        own = [id(within(variable)) for variable in layer.weights]
        taken = [source for each in own for source in sources.get(each, ())]
        scope = _common_scope(taken)
        if scope:
            found[name] = scope
    # Layers come before those within them, which tell more.
    innermost = {scope: name for name, scope in found.items()}
    return {name: scope for scope, name in innermost.items()}


def _common_scope(names: Sequence[str]) -> str:
    if not names:
        return ""
    parts = [name.split("/")[:-1] for name in names]
    shared = 0
    for column in zip(*parts, strict=False):
        if len({*column}) > 1:
            break
        shared += 1
    return "/".join(parts[0][:shared])


def _downstream(tf1: Tf1Model) -> list[Any]:
    """Return the operations that what is fed flows through, as they were made."""
    reached = {tensor.op.name for tensor in tf1.fed}
    found: list[Any] = []
    for op in tf1.graph.get_operations():
        if any(tensor.op.name in reached for tensor in op.inputs):
            reached.add(op.name)
            found.append(op)
    return found


def _candidates(
    ops: Sequence[Any], results: set[str], scopes: tuple[str, ...]
) -> list[Any]:
    """Return what leaves a scope, what stays in it, and what becomes of that behind."""
    inside = {op.name for op in ops}
    tensors = [tensor for op in reversed(ops) for tensor in _floats(op)]
    leaving = [
        tensor
        for tensor in tensors
        if tensor.name in results
        or any(op.name not in inside for op in tensor.consumers())
    ]
    behind: list[Any] = []
    for tensor in leaving:
        behind += _behind(tensor, scopes)
    return [*{each.name: each for each in (*leaving, *tensors, *behind)}.values()]


def _behind(tensor: Any, scopes: tuple[str, ...]) -> list[Any]:
    """Return what is computed of a tensor before another layer's scope begins."""
    found: list[Any] = [tensor]
    for each in found:
        if len(found) > _BEHIND:
            break
        found += [
            output
            for op in each.consumers()
            if not op.name.startswith(scopes)
            for output in _floats(op)
            if all(output is not other for other in found)
        ]
    return found[1:]


def _floats(op: Any) -> list[Any]:
    return [tensor for tensor in op.outputs if tensor.dtype.is_floating]
