"""What is asked for all checkpoints: a value that plans each, and travels as JSON."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias, cast

from tf_ckpt_migrate.bundle.shards import DataMode
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader, load_checkpoint
from tf_ckpt_migrate.conversion.convert import check_source
from tf_ckpt_migrate.conversion.planning import Averages, plan_migration
from tf_ckpt_migrate.conversion.tf1_to_tf2 import is_object_based, plan_tf1_to_tf2
from tf_ckpt_migrate.conversion.tf2_to_tf1 import plan_tf2_to_tf1
from tf_ckpt_migrate.errors import RuleError
from tf_ckpt_migrate.names.assignment_map import AssignmentMap, AssignmentMapLike
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.names.resolution import Missing, Unused

__all__ = ["Direction", "Names", "Request"]

Direction: TypeAlias = Literal["tf1", "tf2"]
Names: TypeAlias = Literal["full_name", "key"]


@dataclass(frozen=True)
class Request:
    """What is asked for, whatever the checkpoint.

    Attributes:
      to: ``"tf2"`` from names to objects, ``"tf1"`` back; None only renames.
      assignment_map: From keys of a source to those of its output; None for no rules.
      plan: What is to be done, in place of all other fields but the last two; it fits
        every checkpoint of the tensors that it was made for.
      like: The checkpoint whose keys outputs are to have; "" for none.
      names: With ``to="tf1"`` and no rules, where names come from.
      unused: What becomes of a source key without a place.
      missing: What becomes of a key of ``like`` without a source.
      averages: What variables get whose moving averages are there.
      data: How data shards are taken over.
      overwrite: Whether outputs may replace checkpoints that are not of this request.

    Raises:
      RuleError: If the fields contradict each other.
      TypeError: If ``plan`` is none.

    Example:
      >>> request = Request(to="tf2", names="key", data="copy")
      >>> Request.from_config(request.to_config()) == request
      True
    """

    to: Direction | None = None
    assignment_map: AssignmentMap | None = None
    plan: MigrationPlan | None = None
    like: str = ""
    names: Names = "full_name"
    unused: Unused = "error"
    missing: Missing = "error"
    averages: Averages | None = None
    data: DataMode = "auto"
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Check that one thing is asked for."""
        _check_type(self.plan)
        if self.plan is not None and self.is_asked:
            raise RuleError(
                "a plan says all that is to be done: give it without a direction, "
                "rules, averages and a checkpoint that the output is to be like"
            )
        if self.to not in (None, "tf1", "tf2"):
            raise RuleError(f"to={self.to!r} is none of 'tf1', 'tf2' and None")
        if self.to == "tf1" and self.averages is not None:
            raise RuleError(
                "--averages chooses among the names of TF1, and with --to=tf1 the "
                "source has objects; use it without --to, or with --to=tf2"
            )

    @classmethod
    def asked(
        cls,
        *,
        assignment_map: AssignmentMapLike | None = None,
        like: str | os.PathLike[str] | None = None,
        **others: Any,
    ) -> Request:
        """Return the request of a call, in which a map may be written in any syntax.

        Raises:
          RuleError: If nothing is asked for, or a rule is not well formed.
          TypeError: If an argument is none.
        """
        rules = None if assignment_map is None else AssignmentMap(assignment_map)
        prefix = os.fsdecode(like or "")
        request = cls(assignment_map=rules, like=prefix, **others)
        if request.plan is None and not request.is_asked:
            raise RuleError(
                'say what to do with all of them: to="tf2", to="tf1", an '
                "assignment_map, a plan, like=CHECKPOINT or averages"
            )
        return request

    @property
    def is_asked(self) -> bool:
        """Whether anything is to be done, a plan aside."""
        asked = (self.to, self.assignment_map, self.averages)
        return bool(self.like) or any(each is not None for each in asked)

    def check(self) -> None:
        """Check once what else each checkpoint would have to tell of.

        Raises:
          CheckpointError: If ``like`` cannot be read.
        """
        if self.like:
            load_checkpoint(self.like)

    def reason_to_skip(self, source: CheckpointReader) -> str:
        """Return why a checkpoint needs no conversion; "" if it does.

        Example:
          >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
          >>> with example_checkpoint({"w": [1.0, 2.0]}) as prefix:
          ...     source = load_checkpoint(prefix)
          >>> Request(to="tf1").reason_to_skip(source)
          'it is name-based (TF1) already'
        """
        if self.to == "tf2" and is_object_based(source):
            return "it is object-based (TF2) already"
        if self.to == "tf1" and source.object_graph is None:
            return "it is name-based (TF1) already"
        return ""

    def plan_for(self, source: CheckpointReader) -> MigrationPlan:
        """Return the plan of one checkpoint.

        Raises:
          LayoutError: If it is not one for the direction.
          RuleError: If a rule is not well formed.
          PlanError: If anything is not accounted for.
        """
        if self.plan is not None:
            check_source(self.plan, source)
            return self.plan
        how: dict[str, Any] = {
            "like": self.like or None,
            "unused": self.unused,
            "missing": self.missing,
        }
        rules = self.assignment_map
        if self.to == "tf2":
            return plan_tf1_to_tf2(source, rules, averages=self.averages, **how)
        if self.to == "tf1":
            names = self.names if rules is None else rules
            return plan_tf2_to_tf1(source, names, **how)
        like = how.pop("like")
        return plan_migration(source, like, rules, averages=self.averages, **how)

    def to_config(self) -> dict[str, Any]:
        """Return plain data, which another process reads back.

        Raises:
          RuleError: If a rule names a variable by object.
          TransformError: If a transform holds code.
        """
        config = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.assignment_map is not None:
            config["assignment_map"] = self.assignment_map.to_config()
        if self.plan is not None:
            config["plan"] = self.plan.to_yaml()
        return config

    @classmethod
    def from_config(cls, config: object) -> Request:
        """Return the request that `to_config` has written down."""
        values = dict(cast(dict[str, Any], config))
        if values["assignment_map"] is not None:
            rules = AssignmentMap.from_config(values["assignment_map"])
            values["assignment_map"] = rules
        if values["plan"] is not None:
            values["plan"] = MigrationPlan.from_yaml(values["plan"])
        return cls(**values)


def _check_type(plan: object) -> None:
    if plan is not None and not isinstance(plan, MigrationPlan):
        raise TypeError(f"plan={plan!r}; expected a MigrationPlan")
