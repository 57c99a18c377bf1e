import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live.optimizer_cases import OF_KERAS, OF_TF1, SPARSE
from tests.live.resumed import flavors, prefix_of, restored, rules_of
from tf_ckpt_migrate.conversion.example import example_checkpoint
from tf_ckpt_migrate.errors import (
    GraphModeError,
    OutputExistsError,
    PlanError,
    RuleError,
)


class TestBack:
    @pytest.mark.parametrize(
        "case", [*OF_TF1, *OF_KERAS, *SPARSE], ids=lambda case: case.id
    )
    def test_what_came_from_tf1_goes_back_as_it_was(self, tf, tmp_path, case):
        """That TF1 goes on from there, the table of optimizers shows."""
        for flavor, module in flavors(tf).items():
            checkpoint = self.restored(tf, case.made(tf, flavor, module), case)
            if checkpoint is None:
                continue
            made = tcm.save_like(
                prefix_of(case.golden),
                checkpoint,
                rules_of(case),
                output_prefix=tmp_path / flavor / "model.ckpt",
            )
            old = tcm.load_checkpoint(prefix_of(case.golden))
            new = tcm.load_checkpoint(made)
            assert new.specs == old.specs
            for key in old:
                np.testing.assert_allclose(new[key], old[key], rtol=2e-7)

    def restored(self, tf, optimizer, case):
        """What goes on, or None where nothing does: the table says when."""
        try:
            return restored(tf, optimizer, case)[0] if optimizer else None
        except PlanError:
            return None


class TestSaveLike:
    def test_a_count_of_its_own_stays(self, tf, tmp_path):
        """What is not carried over is told of."""
        variable = tf.Variable([1.0], name="w")
        rules = [tcm.Drop("step", reason="not ours")]
        tensors = {"w": np.zeros(1, np.float32), "step": 7}
        with example_checkpoint(tensors) as prefix:
            path = tmp_path / "model.ckpt"
            made = tcm.save_like(prefix, [variable], rules, output_prefix=path)
            with pytest.raises(OutputExistsError):
                tcm.save_like(prefix, [variable], rules, output_prefix=path)
        new = tcm.load_checkpoint(made)
        assert (new["w"].tolist(), int(new["step"])) == ([1.0], 7)
        assert "'step' is as it was: not ours" in made.notes

    def test_a_dual_keyed_one_gives_its_names(self, tf, tmp_path):
        """With an optimizer, there and back; the objects would have old values."""
        dense = tf.keras.layers.Dense(1, name="dense")
        dense.build((None, 2))
        optimizer = tf.keras.optimizers.Adam(0.1, epsilon=1e-8)
        optimizer.build(dense.trainable_variables)
        target = tf.train.Checkpoint(dense=dense, optimizer=optimizer)
        rules = [
            ("w", "dense/kernel"),
            ("b", "dense/bias"),
            tcm.Recipe("optimizer", "Adam", "optimizer"),
        ]
        w, b = np.ones([2, 1], np.float32), np.ones(1, np.float32)
        tensors = {"w": w, "w/Adam": w, "w/Adam_1": w, "b": b, "b/Adam": b}
        tensors |= {"b/Adam_1": b, "global_step": np.int64(3)}
        tensors |= {"beta1_power": np.float32(0.9**4)}
        tensors |= {"beta2_power": np.float32(0.999**4)}
        with example_checkpoint(tensors) as prefix:
            tcm.add_object_keys(prefix)
            report = tcm.restore(prefix, target, rules)
            dense.kernel.assign(w * 2)
            made = tcm.save_like(prefix, target, rules, output_prefix=tmp_path / "x")
        slots = {each.kind for each in report.verdicts if "slot" in each.what}
        assert slots == {"exact"}
        assert int(optimizer.iterations) == 3
        new = tcm.load_checkpoint(made)
        assert new.keys() == tensors.keys()
        assert new["w"].tolist() == [[2.0], [2.0]]

    def test_what_has_no_inverse(self, tf, tmp_path):
        variable = tf.Variable([1.0], name="w")
        rules = [tcm.Rename("w", "w", tcm.transforms.Function(np.sqrt))]
        with (
            example_checkpoint({"w": np.zeros(1, np.float32)}) as prefix,
            pytest.raises(PlanError, match="cannot be reversed"),
        ):
            tcm.save_like(prefix, [variable], rules, output_prefix=tmp_path / "x")

    def test_a_graph(self, tf, tmp_path):
        with tf.Graph().as_default(), pytest.raises(GraphModeError):
            tcm.save_like("any", [], output_prefix=tmp_path / "x")


class TestWhatRestoreTakes:
    """Every option of restore has its way back."""

    def saved(self, folder, target, prefix, *rules, **options):
        path = folder / "back"
        made = tcm.save_like(prefix, target, [*rules], output_prefix=path, **options)
        return made, tcm.load_checkpoint(made)

    def test_what_has_no_place_on_either_side(self, tf, tmp_path):
        module = tf.Module()
        module.w, module.calls = tf.Variable([5.0], name="w"), tf.Variable(1, name="n")
        tensors = {"w": np.zeros(1, np.float32), "old": np.float32(3)}
        options = {"unused": "drop", "missing": "keep"}
        with example_checkpoint(tensors) as prefix:
            tcm.restore(prefix, module, **options)
            module.w.assign([7.0])
            made, found = self.saved(tmp_path, module, prefix, **options)
            with pytest.raises(PlanError, match='missing="keep"'):
                self.saved(tmp_path, module, prefix, unused="drop", missing="error")
            with pytest.raises(RuleError, match="unused must be"):
                self.saved(tmp_path, module, prefix, unused="keep")
        assert {key: found[key].tolist() for key in found} == {"w": [7.0], "old": 3.0}
        assert any("'old' is as it was" in note for note in made.notes)
        assert any("not saved" in note and "'n'" in note for note in made.notes)

    def test_averages(self, tf, tmp_path):
        tensors = {"w": np.zeros(1, np.float32)}
        tensors["w/ExponentialMovingAverage"] = np.ones(1, np.float32)
        variable = tf.Variable([0.0], name="w")
        with example_checkpoint(tensors) as prefix:
            tcm.restore(prefix, [variable], averages="average")
            assert variable.numpy().tolist() == [1.0]
            variable.assign([2.0])
            _, found = self.saved(tmp_path, [variable], prefix, averages="average")
        assert found["w/ExponentialMovingAverage"].tolist() == [2.0]
        assert found["w"].tolist() == [0.0]

    @pytest.mark.parametrize("use_resource", [False, True])
    def test_a_session(self, tf, tmp_path, use_resource):
        v1 = tf.compat.v1
        values = {"emb": np.arange(10, dtype="f").reshape(5, 2), "b": np.float32(1)}
        with example_checkpoint(values) as prefix, tf.Graph().as_default() as graph:
            how = {"use_resource": use_resource}
            halves = v1.fixed_size_partitioner(2)
            v1.get_variable("emb", [5, 2], partitioner=halves, **how)
            v1.get_variable("b", [], **how)
            variables = v1.global_variables()
            more = [each.assign_add(tf.ones_like(each)) for each in variables]
            graph.finalize()
            with v1.Session() as session:
                tcm.restore(prefix, variables, session=session)
                session.run(more)
                _, found = self.saved(tmp_path, variables, prefix, session=session)
            with pytest.raises(GraphModeError, match=r"save_like\(\) in a graph"):
                self.saved(tmp_path, variables, prefix)
        for key, value in values.items():
            assert found[key].tolist() == (value + 1).tolist()

    def test_copies_that_have_parted(self, tf, tmp_path):
        pair = {name: tf.Variable([0.0]) for name in ("a", "b")}
        rule = tcm.Split("w", ["a", "b"])
        with example_checkpoint({"w": np.ones(1, np.float32)}) as prefix:
            tcm.restore(prefix, pair, [rule])
            made, _ = self.saved(tmp_path, pair, prefix, rule)
            assert not any("differs" in note for note in made.notes)
            pair["b"].assign([3.0])
            made, _ = self.saved(tmp_path, pair, prefix, rule, overwrite=True)
        assert any("'b', which restore fills from it too" in n for n in made.notes)
