import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live.optimizers_test import EXACT, resumed, tolerance
from tests.live.resumed import RULES, apart, continued, flavors, prefix_of, train_on
from tf_ckpt_migrate.conversion.example import example_checkpoint
from tf_ckpt_migrate.errors import GraphModeError, OutputExistsError, PlanError

PROGRAM = Path(__file__).with_name("tf1_goes_on.py")


def saved(case, checkpoint, path):
    golden, name, _, _, told = case
    recipe = tcm.Recipe("optimizer", name, "optimizer", **told)
    rules = [*RULES.items(), recipe]
    return tcm.save_like(prefix_of(golden), checkpoint, rules, output_prefix=path)


class TestBack:
    @pytest.mark.parametrize("name", EXACT)
    def test_what_came_from_tf1_goes_back_as_it_was(self, tf, tmp_path, name):
        case = EXACT[name]
        for flavor, module in flavors(tf).items():
            if hasattr(module, case[2]):
                checkpoint, _ = resumed(tf, flavor, case)
                made = saved(case, checkpoint, tmp_path / flavor / "model.ckpt")
                old = tcm.load_checkpoint(prefix_of(case[0]))
                new = tcm.load_checkpoint(made)
                assert new.specs == old.specs
                for key in old:
                    np.testing.assert_allclose(new[key], old[key], rtol=2e-7)

    def test_tf1_goes_on_from_keras(self, tf, tf1_python, tmp_path):
        """20 steps in Keras from the state of TF1, then 20 in both."""
        flavor = "keras_3" if "keras_3" in flavors(tf) else "tf_keras"
        wanted, pairs = {}, []
        for number, (name, case) in enumerate(EXACT.items()):
            checkpoint, _ = resumed(tf, flavor, case)
            train_on(tf, checkpoint, continued(case[0]))
            made = saved(case, checkpoint, tmp_path / str(number) / "model.ckpt")
            pairs += [case[0], made.prefix]
            _, wanted[name] = train_on(tf, checkpoint, continued(case[0]))
        done = subprocess.run(
            [tf1_python, str(PROGRAM), *pairs],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        records = map(json.loads, done.stdout.splitlines())
        found = {
            name: apart(record, weights) / tolerance(EXACT[name])
            for (name, weights), record in zip(wanted.items(), records, strict=True)
        }
        assert {name: far for name, far in found.items() if far > 1} == {}


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
