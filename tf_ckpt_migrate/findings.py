"""Findings: what is wrong, and what settles it, as values.

A `Finding` is one thing that is wrong. A remedy is one call or argument that would
settle it. A `Message` is text for people in which remedies are still values: its string
is Python's spelling, and the command line renders the same parts as flags.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, Literal, TypeAlias

__all__ = [
    "OVERWRITE",
    "RENAMING",
    "Advice",
    "Call",
    "Finding",
    "FindingKind",
    "InPython",
    "Message",
    "Option",
    "Part",
    "Remedy",
    "as_findings",
    "message_of",
]

# The arguments of ``convert`` where a checkpoint keeps its kind of keys.
RENAMING = "plan_migration(source, target, assignment_map), output_prefix"

FindingKind: TypeAlias = Literal[
    "idle_rule",  # a rule that matches nothing, or lacks one of its sources
    "shadowed_rule",  # a rule whose keys all go to earlier rules
    "ambiguous",  # a name that several tensors go by
    "contradiction",  # names and object paths lead to two targets
    "collision",  # two sources for one target
    "no_target",  # a name that the target does not have
    "transform",  # a transform that does not fit its sources
    "dtype",  # the dtypes of two sides differ, and perhaps their shapes
    "shape",  # the shapes of two sides differ
    "unused",  # a source tensor that no target takes
    "missing",  # a target that no source fills, or a tensor that is not there
    "unexpected",  # a tensor that is there, though nothing asks for it
    "misnamed",  # a missing tensor whose value is there under another name
    "slices",  # a tensor that is stored in other slices
    "values_differ",  # a tensor with different values
    "object_graph",  # an object graph that does not belong to the keys
    "corrupt",  # bytes that contradict the format, or that cannot be read
    "name",  # a variable that has no name of its own to be saved by
    "lost",  # a tensor that a save or a reversal would lose
    "plan",  # a plan that contradicts itself, or its checkpoint
    "file",  # a plan, map or manifest that cannot be read
]


@dataclass(frozen=True)
class Option:
    """An argument that settles a finding, with each value that would.

    Attributes:
      name: Its name; the flag of the shell is called the same.
      values: The values.

    Example:
      >>> str(Option("unused", "drop", "keep"))
      'unused="drop" or "keep"'
    """

    name: str
    values: tuple[object, ...]

    def __init__(self, name: str, *values: object) -> None:
        """Take the name, and each value."""
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "values", values)

    def __str__(self) -> str:
        return f"{self.name}={' or '.join(map(_literal, self.values))}"


@dataclass(frozen=True)
class Advice:
    """A rule that settles a finding.

    Attributes:
      rule: The rule, a value of `tf_ckpt_migrate.names.rules`.
    """

    rule: Any  # the rules are defined in a folder above this module

    def __str__(self) -> str:
        return repr(self.rule)


@dataclass(frozen=True)
class Call:
    """A function of the package that settles a finding.

    Attributes:
      function: Its name.
      arguments: Its arguments as Python spells them; None for the name alone.

    Example:
      >>> str(Call("add_name_keys", "prefix"))
      'add_name_keys(prefix)'
    """

    function: str
    arguments: str | None = None

    def __str__(self) -> str:
        ends = "" if self.arguments is None else f"({self.arguments})"
        return f"{self.function}{ends}"


@dataclass(frozen=True)
class InPython:
    """Text that holds for calls from Python, with what the shell shows instead.

    Attributes:
      text: The text.
      shell: The text that the command line shows instead.
    """

    text: str
    shell: str = ""

    def __str__(self) -> str:
        return self.text


# The Python text names the flag as well: functions are also called by programs.
OVERWRITE = InPython("overwrite=True (--overwrite)", "--overwrite")

Remedy: TypeAlias = Option | Advice | Call
Part: TypeAlias = str | Option | Advice | Call | InPython


class Message(str):
    """A text whose advice is still made of values.

    Attributes:
      parts: Text and remedies in their order.

    Example:
      >>> text = Message("pass ", Option("unused", "drop"))
      >>> str(text), text.parts[1]
      ('pass unused="drop"', Option(name='unused', values=('drop',)))
    """

    parts: tuple[Part, ...]

    def __new__(cls, *parts: Part) -> Message:
        """Join the parts; those of another message are taken over."""
        flat: list[Part] = []
        for part in parts:
            flat += part.parts if isinstance(part, Message) else (part,)
        self = super().__new__(cls, "".join(map(str, flat)))
        self.parts = tuple(flat)
        return self

    @classmethod
    def lines(cls, lines: Sequence[str]) -> Message:
        """Return a message of several lines."""
        parts: list[Part] = []
        for line in lines:
            parts += ["\n", line] if parts else [line]
        return cls(*parts)

    @property
    def remedies(self) -> tuple[Remedy, ...]:
        """The calls and arguments that it advises."""
        return tuple(p for p in self.parts if isinstance(p, Option | Advice | Call))


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
      kind: What is wrong; see `FindingKind`.
      text: A line that says it.
      source: The keys or names of the source that it is about.
      target: The key or name of the target that it is about.
      rule: The rule that it is about.
      spec: The `TensorSpec` that was found.
      expected: The `TensorSpec` that was expected.
      remedies: What would settle it.

    Example:
      >>> finding = Finding("missing", "missing target: 'net/w'", target="net/w")
      >>> str(finding), finding.kind
      ("missing target: 'net/w'", 'missing')
    """

    kind: FindingKind
    text: str
    source: tuple[str, ...] = ()
    target: str = ""
    rule: Any = None  # the rules are defined in a folder above this module
    spec: Any = None  # and so is TensorSpec
    expected: Any = None
    remedies: tuple[Remedy, ...] = ()

    def __str__(self) -> str:
        return self.text

    def to_config(self) -> dict[str, Any]:
        """Return plain data; what a finding does not have is left out.

        Example:
          >>> Finding("unused", "unused source: 'w'", ("w",)).to_config()
          {'kind': 'unused', 'text': "unused source: 'w'", 'source': ['w']}
        """
        config: dict[str, Any] = {"kind": self.kind, "text": str(self.text)}
        if self.source:
            config["source"] = [*self.source]
        if self.target:
            config["target"] = self.target
        if self.rule is not None:
            config["rule"] = repr(self.rule)
        for name in ("spec", "expected"):
            if getattr(self, name) is not None:
                config[name] = str(getattr(self, name))
        if self.remedies:
            config["remedies"] = list(map(str, self.remedies))
        return config


def as_findings(
    kind: FindingKind, texts: Iterable[str], *, rules: Iterable[Any] = ()
) -> list[Finding]:
    """Return findings of one kind, each with its text and, if given, its rule.

    Example:
      >>> as_findings("lost", ["'w' would be lost"])[0].kind
      'lost'
    """
    given = chain(rules, repeat(None))
    return [Finding(kind, text, rule=rule) for text, rule in zip(texts, given)]  # noqa: B905 the rules end in endless None


def message_of(error: BaseException) -> str:
    """Return the message of an error, a `Message` where it was made of one."""
    first = error.args[0] if error.args else ""
    return first if isinstance(first, Message) else str(error)


def _literal(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)
