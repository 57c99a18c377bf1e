"""Ten models of TF1 find their counterparts: right, or declared to be open."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live import suggestion_pairs as pairs
from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.conversion.output import Value, write_output
from tf_ckpt_migrate.live.target import built_target
from tf_ckpt_migrate.names.rules import Recipe

TALLY: Counter[str] = Counter()


def written(prefix, shapes):
    """Write a checkpoint of zeros."""
    contents = {}
    for name, shape in shapes.items():
        dtype = DType.int64 if name.endswith("global_step") else DType.float32
        zeros = np.broadcast_to(np.zeros((), dtype.as_numpy_dtype), shape)
        contents[name] = Value(TensorSpec(dtype, shape), lambda zeros=zeros: zeros)
    write_output(str(prefix), contents)
    return str(prefix)


def resolved(prefix, live, assignment_map):
    """Return of which sources a map makes each target of a live model."""
    rules = [rule for rule in assignment_map if not _is_of_optimizer(rule)]
    plan = tcm.plan_migration(prefix, live, rules, unmatched="drop", unmet="keep")
    return {move.target: move.sources for move in plan.moves}


def _is_of_optimizer(rule):
    return isinstance(rule, Recipe) and rule.kind == "optimizer"


def candidates(suggestion, live):
    """Return the targets that are declared to be open for each source."""
    keys = {name: key for name, key in _aliases(live).items()}
    return {
        (each.source, keys[name])
        for each in suggestion.ambiguities
        for name in each.candidates
    }


def _aliases(live):
    from tf_ckpt_migrate.conversion.layout import aliases_of

    return {**aliases_of(live, live.specs), **{key: key for key in live.specs}}


@pytest.fixture(params=pairs.PAIRS, ids=lambda make: make.__name__)
def pair(request, tf, tmp_path):
    tf.keras.backend.clear_session()
    case = request.param(tf)
    prefix = written(tmp_path / "model.ckpt", case.source)
    live = built_target(case.target)
    truth = {live.keys_of([v])[0]: name for v, name in case.truth}
    return request.param.__name__, prefix, live, truth


class TestTenPairs:
    def test_every_tensor_is_right_or_declared_to_be_open(self, pair, record_property):
        name, prefix, live, truth = pair
        suggestion = tcm.suggest_assignment_map(prefix, live)
        made = resolved(prefix, live, suggestion.assignment_map)
        wrong = {t: s for t, s in made.items() if s != (truth.get(t),)}
        assert wrong == {}
        open_ = candidates(suggestion, live)
        missing = {t: s for t, s in truth.items() if t not in made}
        assert [pair for pair in missing.items() if pair[::-1] not in open_] == []
        right = 1 - len(missing) / len(truth)
        said = f"{name}: {right:.2%} of {len(truth)} right, {len(missing)} open, 0 wrong"
        record_property("suggestion", said)
        print(said)
        TALLY.update(right=len(truth) - len(missing), all=len(truth))
        if name != "shuffled":  # of which nobody can know more
            assert right >= 0.98

    def test_what_is_open_are_two_layers_of_which_nothing_tells_one(self, pair):
        name, prefix, live, _ = pair
        if name != "shuffled":
            pytest.skip("only the net of random names has twins")
        suggestion = tcm.suggest_assignment_map(prefix, live)
        scopes = {each.source.rpartition("/")[0] for each in suggestion.ambiguities}
        assert len(scopes) == 2
        assert len(suggestion.ambiguities) == 8


def test_of_all_tensors_98_percent_are_right():
    if TALLY["all"] < 1000:
        pytest.skip("it counts what the tests above did")
    print(f"all pairs: {TALLY['right'] / TALLY['all']:.2%} of {TALLY['all']} right")
    assert TALLY["right"] >= 0.98 * TALLY["all"]
