"""YAML as text, lists and mappings that know their lines; nothing is constructed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from tf_ckpt_migrate.errors import PlanError

if TYPE_CHECKING:
    import yaml

__all__ = ["Node", "parse_yaml"]

_STANDARD = "tag:yaml.org,2002:"


@dataclass
class Node:
    """A value and where it stands.

    Attributes:
      value: Text, a list of nodes, or a list of pairs of nodes (a mapping).
      line: Its line, from 1.
      tag: What YAML takes text for: ``int``, ``bool``, ``null``, ``float``, ``str``.
    """

    value: str | list[Node] | list[tuple[Node, Node]]
    line: int
    tag: str

    def error(self, message: str) -> PlanError:
        """Return the error that says what is wrong here."""
        text = f"line {self.line}: {message}"
        return PlanError(f"the plan's YAML, {text}", [text])

    def text(self, what: str) -> str:
        """Return the text that stands here, whatever YAML takes it for.

        Raises:
          PlanError: If it is a list or mapping, or nothing.
        """
        if not isinstance(self.value, str) or (self.tag == "null" and not self.value):
            raise self.error(f"{what} is to be text")
        return self.value

    def items(self, what: str) -> list[Node]:
        """Return the entries of the list that stands here; none for nothing.

        Raises:
          PlanError: If it is no list.
        """
        if self.tag == "null":
            return []
        if self.tag != "seq":
            raise self.error(f"{what} is to be a list, with '- ' before each entry")
        return [node for node in self.value if isinstance(node, Node)]

    def pairs(self, what: str) -> dict[str, tuple[Node, Node]]:
        """Return the mapping that stands here: each name, its node and its value.

        Raises:
          PlanError: If it is no mapping, or has a name twice.
        """
        if self.tag != "map":
            raise self.error(f"{what} is to be a mapping, 'name: value'")
        found: dict[str, tuple[Node, Node]] = {}
        for pair in self.value:
            if isinstance(pair, tuple):
                name = pair[0].text("a name")
                if name in found:
                    first = found[name][0].line
                    raise pair[0].error(f"{name!r} is there already, in line {first}")
                found[name] = pair
        return found

    def plain(self) -> Any:  # noqa: ANN401 plain data has any type
        """Return what stands here as Python's plain data."""
        if self.tag == "map":
            return {name: node.plain() for name, (_, node) in self.pairs("").items()}
        if self.tag == "seq":
            return [node.plain() for node in self.items("")]
        return self._scalar(str(self.value))

    def _scalar(self, text: str) -> object:
        try:
            if self.tag == "int":
                return int(text)
            if self.tag == "float":
                return float(text)
        except ValueError:
            raise self.error(f"{text!r} is no plain number") from None
        if self.tag == "bool":
            return text.lower() in ("true", "yes", "on")
        return None if self.tag == "null" else text


def parse_yaml(text: str) -> Node:
    """Return the document that ``text`` is.

    Raises:
      PlanError: If it is not one YAML document, or uses tags or aliases.

    Example:
      >>> parse_yaml("moves: [a]").pairs("it")["moves"][1].items("moves")[0].text("")
      'a'
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        # The stubs leave the type of what compose() returns open.
        root = cast("yaml.Node | None", yaml.compose(text, Loader=loader))  # pyright: ignore[reportUnknownMemberType]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        problem = f"{line}{getattr(error, 'problem', None) or error}"
        raise PlanError(f"the plan is no YAML, {problem}", [problem]) from None
    if root is None:
        raise PlanError("the plan is empty", ["empty"])
    return _node(root, set())


def _node(node: yaml.Node, seen: set[int]) -> Node:
    line = node.start_mark.line + 1
    tag = str(node.tag).removeprefix(_STANDARD)
    made = Node("", line, tag)
    if ":" in tag or tag.startswith("!") or tag in ("binary", "merge", "set", "omap"):
        raise made.error(f"the tag {node.tag!r} has no meaning in a plan; remove it")
    if isinstance(node.value, str):
        made.value = node.value
        return made
    if id(node) in seen:
        raise made.error("anchors and aliases (&, *) have no meaning in a plan")
    seen.add(id(node))
    if tag == "map":
        pairs: Iterator[tuple[yaml.Node, yaml.Node]] = iter(node.value)
        made.value = [(_node(name, seen), _node(value, seen)) for name, value in pairs]
    else:
        made.value = [_node(entry, seen) for entry in node.value]
    return made
