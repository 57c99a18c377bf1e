"""YAML as maps and plans use it: read with line numbers, and written."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.escapes import escape_yaml
from tf_ckpt_migrate.findings import as_findings

if TYPE_CHECKING:
    import yaml

__all__ = ["Node", "is_text", "parse_yaml", "write_yaml"]


_MAX_DEPTH = 50  # a plan is 5 deep, and two more for each chain in a chain
_WORDS = {
    "true": True,
    "false": False,
    "null": None,
    "~": None,
    "": None,
    ".inf": math.inf,
    "-.inf": -math.inf,
    ".nan": math.nan,
}
_INTEGER = re.compile(r"[-+]?\d{1,19}", re.ASCII)  # of 64 bits, as TensorFlow's
_FLOAT = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][-+]?\d+)?", re.ASCII)


@dataclass
class Node:
    """A value and where it stands.

    Attributes:
      kind: ``text``, ``list`` or ``mapping``.
      line: Its line, from 1.
      value: The text.
      quoted: Whether the text is quoted, so that it is nothing but text.
      entries: The entries of a list; the names and values of a mapping, in turn.
      what: What the document is, for messages.
    """

    kind: str
    line: int
    value: str = ""
    quoted: bool = False
    entries: list[Node] = field(default_factory=list["Node"])
    what: str = "plan"

    @property
    def _is_nothing(self) -> bool:
        return self.kind == "text" and not self.value and not self.quoted

    def error(self, message: str) -> PlanError:
        """Return the error that says what is wrong here."""
        return _error(f"line {self.line}: {message}", self.what)

    def text(self, what: str) -> str:
        """Return the text that stands here, whatever YAML takes it for.

        Raises:
          PlanError: If it is a list or mapping, or nothing.
        """
        if self.kind != "text" or self._is_nothing:
            raise self.error(f"{what} is to be text")
        return self.value

    def items(self, what: str) -> list[Node]:
        """Return the entries of the list that stands here; none for nothing.

        Raises:
          PlanError: If it is no list.
        """
        if self.kind != "list" and not self._is_nothing:
            raise self.error(f"{what} is to be a list, with '- ' before each entry")
        return self.entries

    def pairs(self, what: str) -> dict[str, tuple[Node, Node]]:
        """Return the mapping that stands here: each name, its node and its value.

        Raises:
          PlanError: If it is no mapping, or has a name twice.
        """
        if self.kind != "mapping":
            raise self.error(f"{what} is to be a mapping, 'name: value'")
        found: dict[str, tuple[Node, Node]] = {}
        for name, value in zip(self.entries[::2], self.entries[1::2], strict=True):
            text = name.text("a name")
            if text in found:
                first = found[text][0].line
                raise name.error(f"{text!r} is there already, in line {first}")
            found[text] = (name, value)
        return found

    def plain(self) -> Any:
        """Return what stands here as Python's plain data.

        Raises:
          PlanError: If a mapping in it has a name twice.
        """
        if self.kind == "mapping":
            return {name: node.plain() for name, (_, node) in self.pairs("").items()}
        if self.kind == "list":
            return [node.plain() for node in self.entries]
        if self.quoted:
            return self.value
        if self.value.lower() in _WORDS:
            return _WORDS[self.value.lower()]
        if _INTEGER.fullmatch(self.value):
            return int(self.value)
        return float(self.value) if _FLOAT.fullmatch(self.value) else self.value


def is_text(value: str) -> bool:
    """Return whether this, without quotes, is read as text and not as a number."""
    return isinstance(Node("text", 1, value).plain(), str)


def parse_yaml(text: str, what: str = "plan") -> Node:
    """Return the document that ``text`` is.

    Args:
      text: The YAML.
      what: What the document is, for messages.

    Raises:
      PlanError: If it is not one YAML document, or uses tags or aliases. Its message
        is that of a plan; the first of its ``problems`` is that of any file.

    Example:
      >>> parse_yaml("moves: [a]").pairs("it")["moves"][1].items("moves")[0].text("")
      'a'
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    # The stubs leave the type of what parse() returns open.
    events = cast("Iterable[yaml.Event]", yaml.parse(text, Loader=loader))  # pyright: ignore[reportUnknownMemberType]
    try:
        return _document(events, what)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise _error(f"{line}no YAML, {problem}", what) from None


def _document(events: Iterable[yaml.Event], what: str) -> Node:
    import yaml

    top = Node("list", 1)  # holds the documents
    open_nodes = [top]
    for event in events:
        if isinstance(event, yaml.CollectionEndEvent):
            open_nodes.pop()
        elif isinstance(event, yaml.NodeEvent):
            node = _node(event, what)
            open_nodes[-1].entries.append(node)
            if node.kind != "text":
                open_nodes.append(node)
            if len(open_nodes) > _MAX_DEPTH:
                raise node.error(f"a {what} is not nested {_MAX_DEPTH} deep")
    if len(top.entries) != 1:
        raise _error(f"it holds {len(top.entries)} documents, not one", what)
    return top.entries[0]


def _node(event: yaml.NodeEvent, what: str) -> Node:
    import yaml

    mark = event.start_mark  # the stubs allow None, which no event read from text has
    node = Node("text", mark.line + 1 if mark else 0, what=what)
    if event.anchor is not None:  # of an alias, what it refers to
        raise node.error(f"anchors and aliases (&, *) have no meaning in a {what}")
    tag = getattr(event, "tag", None)
    if tag is not None:
        raise node.error(f"the tag {tag!r} has no meaning in a {what}; remove it")
    if isinstance(event, yaml.ScalarEvent):
        node.value = event.value
        node.quoted = event.style not in (None, "")
    else:
        node.kind = "list" if isinstance(event, yaml.SequenceStartEvent) else "mapping"
    return node


def _error(text: str, what: str) -> PlanError:
    return PlanError(f"the {what} cannot be read, {text}", as_findings("file", [text]))


def write_yaml(content: object, *, flow: bool = False) -> str:
    r"""Return plain data as YAML.

    Args:
      content: Lists, mappings, text and numbers.
      flow: Whether everything stands on one line.

    Example:
      >>> print(write_yaml({"größe": "zero\u200bwidth"}), end="")
      größe: "zero\u200bwidth"
    """
    import yaml

    untyped: Any = yaml  # the stubs leave types of its options out
    text: str = untyped.dump(
        content,
        Dumper=_dumper(),
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=flow,
        width=2**31 - 1,  # one line for one name, however long
    )
    return escape_yaml(text)


@cache
def _dumper() -> Any:
    import yaml

    untyped: Any = yaml
    base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

    class Dumper(base):
        """Puts what is not printable into double quotes, where it can be escaped."""

    def text(dumper: Any, value: str) -> Any:
        style = None if value.isprintable() and is_text(value) else '"'
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    untyped.add_representer(str, text, Dumper=Dumper)
    return Dumper
