"""Changes of value: what a tensor becomes on its way to its new name.

A transform is a value: it can be compared, written into a plan's YAML and undone. It
first says what it would make of tensors it has not read (`output_spec`), so that a plan
finds every misfit before a byte moves; only then is it called on arrays.

New kinds register themselves by being defined::

    @dataclass(frozen=True)
    class Negate(Transform, op="negate"): ...
"""

from __future__ import annotations

from tf_ckpt_migrate.transforms.base import Transform, spec_of
from tf_ckpt_migrate.transforms.blocks import AddToBlock, Blocks, GruBiases, Sum
from tf_ckpt_migrate.transforms.numbers import Cast, Fill, Scale, Shift
from tf_ckpt_migrate.transforms.partition import (
    JoinParts,
    Partition,
    Reassemble,
    StorePart,
    only_moves,
)
from tf_ckpt_migrate.transforms.rows import DivToMod, Join, ModToDiv, Pad, Stack
from tf_ckpt_migrate.transforms.shapes import (
    Chain,
    Concat,
    Function,
    Reshape,
    Slice,
    Transpose,
)
from tf_ckpt_migrate.transforms.steps import PowerOfSteps, StepsOfPowers
from tf_ckpt_migrate.transforms.vocabulary import Vocabulary

__all__ = [
    "AddToBlock",
    "Blocks",
    "Cast",
    "Chain",
    "Concat",
    "DivToMod",
    "Fill",
    "Function",
    "GruBiases",
    "Join",
    "JoinParts",
    "ModToDiv",
    "Pad",
    "Partition",
    "PowerOfSteps",
    "Reassemble",
    "Reshape",
    "Scale",
    "Shift",
    "Slice",
    "Stack",
    "StepsOfPowers",
    "StorePart",
    "Sum",
    "Transform",
    "Transpose",
    "Vocabulary",
    "only_moves",
    "spec_of",
]
