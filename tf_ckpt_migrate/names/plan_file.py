"""Plans as YAML: written for people to edit, read as from a stranger.

The file holds the plan whole, so that it can be checked against the checkpoint::

    version: 1
    source: old/model.ckpt-1000
    target: ''
    moves:
    - bert/w: encoder/w                   # source: target
    - sources: [emb_0, emb_1]             # what a pair cannot say
      target: emb
      transform: {op: concat, axis: 0}
    dropped:
    - global_step: not trained further
    kept_targets: []
    verdicts:                             # where an optimizer goes on
    - {optimizer: Adam, what: state, kind: exact, why: if TF1 had epsilon=1e-08}
    source_specs:
      bert/w: float32[3, 2]

Every name is read as text, whatever YAML takes it for (``on``, ``1e3``). Tags and
aliases are refused: nothing is constructed but text, lists and mappings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from tf_ckpt_migrate.bundle.dtypes import TensorSpec, is_possible, parse_spec
from tf_ckpt_migrate.errors import TransformError
from tf_ckpt_migrate.escapes import printable
from tf_ckpt_migrate.names.hints import Hints
from tf_ckpt_migrate.names.moves import Dropped, KeptTarget, Move, Verdict
from tf_ckpt_migrate.names.yaml_files import Node, parse_yaml, write_yaml
from tf_ckpt_migrate.transforms import Transform

if TYPE_CHECKING:
    from tf_ckpt_migrate.names.plan import MigrationPlan

__all__ = ["PlanParts", "from_yaml", "to_config", "to_yaml"]

PlanParts: TypeAlias = tuple[
    str,
    str,
    dict[str, TensorSpec],
    tuple[Move, ...],
    tuple[Dropped, ...],
    tuple[KeptTarget, ...],
    tuple[str, ...],
    tuple[Verdict, ...],
]
_VERSION = "1"
_REQUIRED = ("version", "moves", "source_specs")
_OPTIONAL = ("source", "target", "dropped", "kept_targets", "notes", "verdicts")
_AT_ONCE = 100  # items of a list that are dumped together
_FIELDS = (*_REQUIRED, *_OPTIONAL)


def to_config(plan: MigrationPlan) -> dict[str, Any]:
    """Return ``plan`` as plain data.

    Raises:
      TransformError: If a transform holds code.
    """
    verdicts = [verdict.to_config() for verdict in plan.verdicts]
    return {
        "version": int(_VERSION),
        "source": plan.source,
        "target": plan.target,
        "moves": [_move_config(move) for move in plan.moves],
        "dropped": [{key: reason} for key, reason in plan.dropped],
        "kept_targets": [
            {"target": name, "spec": str(spec), "reason": reason}
            for name, spec, reason in plan.kept_targets
        ],
        "notes": list(plan.notes),
        **({"verdicts": verdicts} if verdicts else {}),
        "source_specs": {key: str(spec) for key, spec in plan.source_specs.items()},
    }


def _move_config(move: Move) -> dict[str, Any]:
    if move.transform is None:
        return {move.sources[0]: move.target}
    return {
        "sources": list(move.sources),
        "target": move.target,
        "transform": move.transform.to_config(),
    }


def to_yaml(plan: MigrationPlan) -> str:
    """Return ``plan`` as YAML.

    Raises:
      TransformError: If a transform holds code.
    """
    header = f"# A plan of tf-ckpt-migrate. {printable(plan.summary)}\n"
    return header + "".join(_dumped(to_config(plan)))


def _dumped(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the YAML of a plan, in parts: PyYAML keeps a node for all that it is given.

    A list within a mapping begins where the mapping does, a mapping two spaces on.
    """
    for name, value in config.items():
        if not value or not isinstance(value, list | dict):
            yield write_yaml({name: value})
            continue
        yield f"{name}:\n"
        content = iter(cast("Iterable[Any]", value))
        while some := list(islice(content, _AT_ONCE)):
            if isinstance(value, list):
                yield write_yaml(some)
            else:
                pairs = write_yaml({key: cast("Any", value)[key] for key in some})
                yield "  " + pairs[:-1].replace("\n", "\n  ") + "\n"


def from_yaml(text: str) -> PlanParts:
    """Return the parts of the plan that ``text`` says, in the order of its fields.

    Raises:
      PlanError: If it is not well formed, naming the line.

    Example:
      >>> parts = from_yaml('''
      ... version: 1
      ... moves:
      ... - a: b        # a comment
      ... source_specs:
      ...   a: float32[2, 3]
      ... ''')
      >>> print(parts[3][0])
      'a' -> 'b' float32[2, 3]
    """
    root = parse_yaml(text)
    fields = {name: node for name, (_, node) in root.pairs("a plan").items()}
    for name, (node, _) in root.pairs("a plan").items():
        if name not in _FIELDS:
            raise node.error(f"a plan has no {name!r}; it has {', '.join(_FIELDS)}")
    for name in _REQUIRED:
        if name not in fields:
            raise root.error(f"{name!r} is missing; plan.to_yaml() writes whole plans")
    if fields["version"].text("version") != _VERSION:
        raise fields["version"].error(
            f"this release reads version {_VERSION} of plans, not "
            f"{fields['version'].text('version')}"
        )
    specs = {
        key: _spec(node)
        for key, (_, node) in fields["source_specs"].pairs("it").items()
    }
    return (
        fields["source"].text("source") if "source" in fields else "",
        fields["target"].text("target") if "target" in fields else "",
        specs,
        _each(fields, "moves", lambda node: _move(node, specs)),
        _each(fields, "dropped", _dropped),
        _each(fields, "kept_targets", _kept),
        _each(fields, "notes", lambda node: node.text("a note")),
        _each(fields, "verdicts", _verdict),
    )


_T = TypeVar("_T")


def _each(
    fields: Mapping[str, Node], name: str, read: Callable[[Node], _T]
) -> tuple[_T, ...]:
    return tuple(map(read, fields[name].items(name))) if name in fields else ()


def _spec(node: Node) -> TensorSpec:
    text = node.text("a spec")
    spec = parse_spec(text)
    if spec is None:
        raise node.error(f"{text!r} is no spec such as float32[2, 3]")
    return _possible(spec, node)


def _possible(spec: TensorSpec, node: Node) -> TensorSpec:
    if not is_possible(spec.shape):
        raise node.error(f"no tensor has the shape {list(spec.shape[:10])}")
    return spec


def _move(node: Node, specs: Mapping[str, TensorSpec]) -> Move:
    pairs = node.pairs("a move")
    if len(pairs) == 1:
        ((source, (name, target)),) = pairs.items()
        spec = _known(name, source, specs)
        return Move((source,), target.text("the target"), None, spec)
    _check_names(node, pairs, ("sources", "target", "transform"))
    entries = pairs["sources"][1].items("sources")
    sources = tuple(entry.text("a source") for entry in entries)
    given = [_known(e, s, specs) for e, s in zip(entries, sources, strict=True)]
    try:
        transform = Transform.from_config(pairs["transform"][1].plain())
        spec = transform.output_spec(*given)
    except TransformError as error:
        raise pairs["transform"][0].error(str(error)) from None
    _possible(spec, pairs["transform"][0])
    return Move(sources, pairs["target"][1].text("the target"), transform, spec)


def _known(node: Node, key: str, specs: Mapping[str, TensorSpec]) -> TensorSpec:
    if key not in specs:
        near = Hints(specs).nearest(key)
        hint = f"; the nearest are {', '.join(map(repr, near))}" if near else ""
        raise node.error(f"{key!r} is not in source_specs{hint}")
    return specs[key]


def _dropped(node: Node) -> Dropped:
    if node.kind == "text":  # a bare name, as a person may write
        return Dropped(node.text("a key"), "")
    pairs = node.pairs("a dropped key")
    if len(pairs) != 1:
        raise node.error("a dropped key is written '- key: reason'")
    ((key, (_, reason)),) = pairs.items()
    return Dropped(key, reason.value)


def _kept(node: Node) -> KeptTarget:
    pairs = node.pairs("a kept target")
    _check_names(node, pairs, ("target", "spec", "reason"))
    (_, name), (_, spec), (_, reason) = (
        pairs[field] for field in ("target", "spec", "reason")
    )
    return KeptTarget(name.text("target"), _spec(spec), reason.value)


def _verdict(node: Node) -> Verdict:
    config = {name: each.plain() for name, (_, each) in node.pairs("it").items()}
    try:
        return Verdict.from_config(config)
    except ValueError as error:
        raise node.error(str(error)) from None


def _check_names(node: Node, pairs: Iterable[str], names: tuple[str, ...]) -> None:
    if {*pairs} != {*names}:
        raise node.error(
            f"{sorted(pairs)} is neither one 'source: target' nor {', '.join(names)}"
        )
