"""What happens to a variable happens to what an optimizer remembers of it."""

import numpy as np
import pytest

from tf_ckpt_migrate.recipes.slot_variables import Unfollowable, slot_transform
from tf_ckpt_migrate.transforms import (
    AddToBlock,
    Blocks,
    Chain,
    Function,
    Join,
    Pad,
    Slice,
    Transpose,
)


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        (None, None),
        (AddToBlock(4, 1, 1.0), None),
        (Blocks(0, (1, 0)), Blocks(0, (1, 0))),
        (Chain([Blocks(0, (1, 0)), AddToBlock(2, 0, 1.0)]), Blocks(0, (1, 0))),
        (
            Chain([Transpose((1, 0)), Blocks(0, (1, 0))]),
            Chain([Transpose((1, 0)), Blocks(0, (1, 0))]),
        ),
        (
            Join(0, (Slice((0,), (1,)), AddToBlock(1, 0, 1.0)), (1, 0)),
            Join(0, (Slice((0,), (1,)), None), (1, 0)),
        ),
    ],
)
def test_what_follows(transform, expected):
    assert slot_transform(transform) == expected


# Of what is padded no optimizer has trained the new elements, whatever they are.
@pytest.mark.parametrize(
    "transform", [Function(np.negative), Pad((1,), (0,), 1), Pad((1,), (0,))]
)
def test_what_does_not(transform):
    with pytest.raises(Unfollowable, match="does more than move values"):
        slot_transform(transform)
