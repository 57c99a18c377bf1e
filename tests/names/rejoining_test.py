import numpy as np
import pytest

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.names.resolution import resolve
from tf_ckpt_migrate.names.rules import Split
from tf_ckpt_migrate.transforms import Blocks, Chain, Reshape, Scale, Slice, Transpose

W = TensorSpec(DType.float32, (5, 8))
TURNED = Transpose((1, 0))
GATES = Blocks(1, (0, 2, 1, 3))
UPPER, LOWER = Slice((0, 0), (3, -1)), Slice((3, 0), (2, -1))


def plan_of(**targets):
    source = {"w": W}
    return MigrationPlan("", "", source, *resolve([Split("w", targets)], source))


def values_of(plan, tensors):
    """What a plan makes of tensors."""
    made = {}
    for move in plan.moves:
        given = [tensors[key] for key in move.sources]
        made[move.target] = move.transform(*given) if move.transform else given[0]
    return made


@pytest.mark.parametrize(
    "targets",
    [
        {"a": UPPER, "b": LOWER},
        {"b": LOWER, "a": UPPER},
        {"a": Chain((GATES, UPPER)), "b": Chain((GATES, LOWER))},
        {"a": Chain((Chain((GATES, UPPER)), Scale(-0.5))), "b": Chain((GATES, LOWER))},
        {"a": Chain((UPPER, TURNED)), "b": Chain((LOWER, Reshape((4, 4))))},
        {"a": Chain((TURNED, Slice((0, 0), (7, 5)))),
         "b": Chain((TURNED, Slice((7, 0), (1, -1))))},
        {"a": UPPER, "twice": UPPER, "b": LOWER},
        {"a": Chain((GATES, UPPER)), "b": LOWER},
    ],
)  # fmt: skip
def test_what_was_cut_comes_back_and_goes_there_again(targets):
    there = plan_of(**targets)
    tensors = {"w": np.arange(40, dtype=np.float32).reshape(W.shape)}
    back = there.reversed()
    made = values_of(there, tensors)
    assert np.array_equal(values_of(back, made)["w"], tensors["w"])
    again = values_of(back.reversed(), tensors)
    assert all(np.array_equal(again[key], made[key]) for key in again)


@pytest.mark.parametrize(
    "targets",
    [
        {"a": UPPER},
        {"a": UPPER, "b": Slice((4, 0), (1, -1))},
        {"a": UPPER, "b": Slice((3, 0), (2, 7))},
        {"a": Chain((UPPER, Slice((0, 0), (1, -1)))), "b": LOWER},
    ],
    ids=["a part", "a gap", "too narrow", "cut twice"],
)
def test_what_is_not_whole_does_not(targets):
    with pytest.raises(PlanError, match="cannot be made of what they become"):
        plan_of(**targets).reversed()
