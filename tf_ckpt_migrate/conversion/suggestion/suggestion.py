"""A proposed map, as a value: what is chosen, how sure it is, and what is open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tf_ckpt_migrate.conversion.suggestion.matching import Confidence
from tf_ckpt_migrate.errors import RuleError, nearest
from tf_ckpt_migrate.escapes import to_html, to_json
from tf_ckpt_migrate.names.assignment_map import AssignmentMap
from tf_ckpt_migrate.names.rules import Rule
from tf_ckpt_migrate.names.rules.config import to_config

__all__ = ["Ambiguity", "Match", "Suggestion", "Unmatched"]


class Match(NamedTuple):
    """A source and the target that is proposed for it.

    Attributes:
      source: The key; of an RNN cell or the like, its scope.
      target: The name of the target, or its scope.
      form: What both are, as ``float32[2, 3]``.
      change: What is done to the value; "" if nothing.
      confidence: ``"certain"``, ``"likely"``, or ``"ambiguous"`` for what someone has
        accepted all the same.
      evidence: What speaks for it.
    """

    source: str
    target: str
    form: str
    change: str
    confidence: Confidence
    evidence: tuple[str, ...]


class Ambiguity(NamedTuple):
    """What cannot be decided from what is known.

    Attributes:
      source: The key, or the scope.
      form: What it is, as ``float32[2, 3]``.
      candidates: What may be its target, the best first.
      evidence: What speaks for the first.
      settle: What would settle it.
      more: How many candidates there are besides, as good as these.
    """

    source: str
    form: str
    candidates: tuple[str, ...]
    evidence: tuple[str, ...]
    settle: str
    more: int = 0


class Unmatched(NamedTuple):
    """What has no counterpart.

    Attributes:
      source: Keys of the source.
      target: Names of targets.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]


@dataclass(frozen=True)
class Suggestion:
    """A proposed map from a checkpoint to another, or to a live model.

    What is ambiguous is not in the map. It is listed, the best candidates first, and a
    choice is taken by ``accepting``.

    Attributes:
      source: The prefix of the checkpoint.
      target: That of the other, or what the model is called.
      assignment_map: The rules, as few as say it.
      matches: Every pair, with its confidence and evidence.
      ambiguities: What is open.
      unmatched: What has no counterpart on the other side.
      open_rules: Rules that might be meant, of which someone has to choose.
      notes: What else a reader should know.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> from tf_ckpt_migrate.conversion.suggestion.suggest import (
      ...     suggest_assignment_map,
      ... )
      >>> old = {"net/fc/weights": [[1.0, 2.0]] * 2, "net/fc/biases": [0.0, 0.0]}
      >>> new = {"model/dense/kernel": [[0.0, 0.0]] * 2, "model/dense/bias": [0.0, 0.0]}
      >>> with example_checkpoint(old) as source, example_checkpoint(new) as target:
      ...     suggestion = suggest_assignment_map(source, target)
      >>> [match.confidence for match in suggestion.matches]
      ['certain', 'certain']
    """

    source: str
    target: str
    assignment_map: AssignmentMap
    matches: tuple[Match, ...]
    ambiguities: tuple[Ambiguity, ...]
    unmatched: Unmatched
    open_rules: tuple[Rule, ...] = ()
    notes: tuple[str, ...] = ()
    _accept: Callable[[Mapping[str, str]], Suggestion] | None = field(
        default=None, repr=False, compare=False
    )

    def __repr__(self) -> str:
        return (
            f"<Suggestion {self.source!r} to {self.target!r}: "
            f"{len(self.matches):,} matches, {len(self.ambiguities):,} ambiguous>"
        )

    def _repr_html_(self) -> str:
        return to_html(self)

    def __str__(self) -> str:
        from tf_ckpt_migrate.checkpoint.text import plain_text
        from tf_ckpt_migrate.conversion.suggestion.text import said

        return plain_text(said(self))

    @property
    def totals(self) -> Mapping[str, int]:
        """How many matches there are of each confidence, and how much is open."""
        counts = Counter(match.confidence for match in self.matches)
        return {
            "certain": counts["certain"],
            "likely": counts["likely"],
            "accepted": counts["ambiguous"],
            "ambiguous": len(self.ambiguities),
        }

    def accepting(self, choices: Mapping[str, str] | None = None) -> Suggestion:
        """Return the suggestion with ambiguities decided.

        Args:
          choices: For sources of ambiguities, the candidate that is meant; None takes
            the first of each, unless that is taken already.

        Raises:
          RuleError: If there is no such ambiguity, or no such candidate.
        """
        given = {each.source: each for each in self.ambiguities}
        if choices is None:
            choices = _firsts(self.ambiguities, {m.target for m in self.matches})
        for source, target in choices.items():
            if source not in given:
                hint = ", ".join(map(repr, nearest(source, given))) or "nothing"
                raise RuleError(f"{source!r} is not ambiguous; what is: {hint}")
            if target not in given[source].candidates:
                there = ", ".join(map(repr, given[source].candidates))
                raise RuleError(f"{target!r} is no candidate of {source!r}: {there}")
        if not choices:
            return self
        if self._accept is None:
            raise RuleError(
                "this suggestion was pickled, or copied, without the comparison that "
                "accepting() needs; call it on the result of suggest_assignment_map"
            )
        return self._accept(choices)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what holds the checkpoint and the model, which no pickle can."""
        return {**self.__dict__, "_accept": None}

    def to_json(self) -> str:
        """Return all of it as JSON."""
        content: dict[str, Any] = {
            "source": self.source,
            "target": self.target,
            "totals": dict(self.totals),
            "assignment_map": self.assignment_map.to_config(),
            "matches": [match._asdict() for match in self.matches],
            "ambiguities": [each._asdict() for each in self.ambiguities],
            "unmatched": self.unmatched._asdict(),
            "open_rules": [to_config(rule) for rule in self.open_rules],
            "notes": self.notes,
        }
        return to_json(content)

    def to_yaml(self) -> str:
        """Return the map as YAML, what is open as comments ready to be made rules."""
        from tf_ckpt_migrate.conversion.suggestion.text import as_yaml

        return as_yaml(self)


def _firsts(ambiguities: Iterable[Ambiguity], taken: set[str]) -> dict[str, str]:
    """Return for each source its first candidate, if that is nobody else's yet."""
    found: dict[str, str] = {}
    for each in ambiguities:
        target = each.candidates[0]
        if target not in taken:
            found[each.source] = target
            taken.add(target)
    return found
