import contextlib
import inspect
import logging

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live.models import sequential
from tf_ckpt_migrate.conversion.example import example_checkpoint
from tf_ckpt_migrate.errors import PlanError, RuleError, TargetError

OLD = {
    "a/w": np.float32([1, 2]),
    "a/b": np.float32([3]),
    "emb": np.arange(6, dtype=np.float32).reshape(3, 2),
    "w/Adam": np.float32([5, 6]),
}


@pytest.fixture
def write():
    with contextlib.ExitStack() as stack:
        yield lambda tensors: stack.enter_context(example_checkpoint(tensors))


@pytest.fixture
def named(write):
    return write(OLD)


def as_objects(tf, folder, *, dual=False):
    module = tf.Module()
    module.items = [tf.Variable(v, name=name) for name, v in OLD.items()]
    prefix = tf.train.Checkpoint(module).write(str(folder / "objects"))
    if dual:
        tcm.add_name_keys(prefix)
    return prefix


@pytest.fixture(params=["name-based", "object-based", "dual-keyed"])
def source(tf, tmp_path, named, request):
    if request.param == "name-based":
        return named
    return as_objects(tf, tmp_path, dual=request.param == "dual-keyed")


class InGraph:
    def __init__(self, tf):
        self.v1 = tf.compat.v1
        self.graph = tf.Graph()

    def variable(self, name, shape, **keywords):
        zeros = self.v1.zeros_initializer()
        return self.v1.get_variable(name, shape, initializer=zeros, **keywords)

    def values(self):
        with self.v1.Session(graph=self.graph) as session:
            session.run(self.v1.global_variables_initializer())
            variables = self.v1.global_variables()
            return {v.op.name: session.run(v).tolist() for v in variables}


@pytest.fixture
def graph(tf):
    built = InGraph(tf)
    with built.graph.as_default():
        yield built


class TestInAGraph:
    def test_the_signature_begins_as_the_originals(self, tf):
        theirs = inspect.signature(tf.compat.v1.train.warm_start).parameters
        ours = inspect.signature(tcm.warm_start).parameters
        assert list(ours)[:-1] == list(theirs)
        defaults = [each.default for each in theirs.values()]
        assert [each.default for each in ours.values()][:-1] == defaults

    def test_trainable_variables(self, tf, source):
        graph = InGraph(tf)
        with graph.graph.as_default():
            graph.variable("a/w", [2])
            graph.variable("a/b", [1], trainable=False)
            tcm.warm_start(source)
            assert graph.values() == {"a/w": [1, 2], "a/b": [0]}

    def test_patterns_parts_and_other_names(self, tf, source):
        graph = InGraph(tf)
        with graph.graph.as_default():
            axis = tf.compat.v1.fixed_size_partitioner(3)
            graph.variable("e", [3, 2], partitioner=axis)
            graph.variable("x", [1], trainable=False)
            graph.variable("y", [1])
            tcm.warm_start(source, ["e", "x"], None, {"e": "emb", "x": "a/b"})
            values = graph.values()
        rows = OLD["emb"].tolist()
        parts = {f"e/part_{n}": [row] for n, row in enumerate(rows)}
        assert values == {**parts, "x": [3], "y": [0]}

    def test_variables_and_one_tensor_for_two(self, tf, source):
        graph = InGraph(tf)
        with graph.graph.as_default():
            pair = [graph.variable("x", [2]), graph.variable("y", [2])]
            tcm.warm_start(source, pair, None, {"x": "a/w", "y": "a/w"})
            assert graph.values() == {"x": [1, 2], "y": [1, 2]}

    def test_paths_of_objects(self, tf, tmp_path):
        source = as_objects(tf, tmp_path)
        graph = InGraph(tf)
        with graph.graph.as_default():
            graph.variable("x", [2])
            tcm.warm_start(source, "x", None, {"x": "items/0"})
            assert graph.values() == {"x": [1, 2]}

    @pytest.mark.parametrize("kind", ["tf1", "objects", "V1"])
    def test_vocabularies(self, tf, tmp_path, goldens, named, kind):
        source, name, old = named, "emb", OLD["emb"]
        if kind == "objects":
            source = as_objects(tf, tmp_path)
        elif kind == "V1":
            source = str(goldens / "tf1_15" / "sliced_v1_axis_0" / "model.ckpt")
            old = tcm.load_checkpoint(source)["emb"]
        words = [f"word{n}" for n in range(len(old))]
        (tmp_path / "old.txt").write_text("\n".join(words))
        (tmp_path / "new.txt").write_text("\n".join([words[2], "new", words[0]]))
        info = tf.compat.v1.train.VocabInfo(
            str(tmp_path / "new.txt"), 3, 1, str(tmp_path / "old.txt")
        )
        graph = InGraph(tf)
        with graph.graph.as_default():
            graph.variable("e", [4, old.shape[1]])
            tcm.warm_start(source, "e", {"e": info}, {"e": name})
            [value] = graph.values().values()
        zeros = [0] * old.shape[1]
        assert value == [old[2].tolist(), zeros, old[0].tolist(), zeros]

    @pytest.mark.parametrize("name", ["sliced_v1_axis_0", "sliced_v1_sharded"])
    def test_slices_of_v1_files(self, tf, goldens, name):
        sharded = name.endswith("sharded")
        prefix = str(goldens / "tf1_15" / name / "model.ckpt")
        prefix += "-?????-of-00003" if sharded else ""
        tensor = "deep/emb" if sharded else "emb"
        old = tcm.load_checkpoint(prefix)[tensor]
        graph = InGraph(tf)
        with graph.graph.as_default():
            graph.variable(tensor, old.shape)
            tcm.warm_start(prefix)
            assert graph.values()[tensor] == old.tolist()

    @pytest.mark.parametrize("of_objects", [False, True])
    def test_a_missing_tensor_is_named(self, tf, tmp_path, named, of_objects):
        source = as_objects(tf, tmp_path) if of_objects else named
        graph = InGraph(tf)
        with graph.graph.as_default():
            graph.variable("nowhere", [2])
            with pytest.raises(ValueError, match="nowhere is not found") as caught:
                tcm.warm_start(source)
            with pytest.raises(ValueError, match="not used"):
                tcm.warm_start(source, "(?!)", None, {"x": "a/w"})
        assert source in str(caught.value)

    def test_what_fits_nothing_is_logged(self, tf, graph, named, caplog):
        graph.variable("a/w", [2])
        logger = tf.get_logger()
        logger.propagate = True
        with caplog.at_level(logging.WARNING, logger=logger.name):
            tcm.warm_start(named, "A/")
            tcm.warm_start(named, ["b/w"])
        text = caplog.text
        assert "'A/' fits the name of no variable" in text
        assert "'b/w' fits" in text
        assert "there are 'a/w'" in text
        assert graph.values() == {"a/w": [0, 0]}

    @pytest.mark.parametrize("given", [5, [5], ["w", None]])
    def test_no_patterns(self, tf, graph, named, given):
        graph.variable("a/w", [2])
        errors = []
        for function in (tf.compat.v1.train.warm_start, tcm.warm_start):
            with pytest.raises(ValueError, match="vars_to_warm_start") as caught:
                function(named, given)
            errors.append(str(caught.value))
        assert errors[0] == errors[1]

    def test_a_checkpoint_that_is_none(self, tf, graph, named):
        graph.variable("a/w", [2])
        errors = []
        for function in (tf.compat.v1.train.warm_start, tcm.warm_start):
            with pytest.raises(Exception) as caught:  # noqa: PT011 of TensorFlow's choice
                function(named + "-gone")
            errors.append(caught.value)
        assert type(errors[0]) is type(errors[1])
        assert str(errors[0]) == str(errors[1])


class TestInEagerMode:
    def target(self, tf):
        return {
            "a/w": tf.Variable([0.0, 0.0]),
            "a/b": tf.Variable([0.0], trainable=False),
            "other": tf.Variable([0.0, 0.0]),
        }

    def values(self, target):
        return {name: variable.numpy().tolist() for name, variable in target.items()}

    def test_a_pattern_means_trainable_variables(self, tf, source):
        target = self.target(tf)
        tcm.warm_start(source, "a/", target=target)
        assert self.values(target) == {"a/w": [1, 2], "a/b": [0], "other": [0, 0]}

    def test_patterns_mean_all(self, tf, source):
        target = self.target(tf)
        tcm.warm_start(
            source, ["a/.$", "other:0"], None, {"other": "a/w"}, target=target
        )
        assert self.values(target) == {"a/w": [1, 2], "a/b": [3], "other": [1, 2]}

    def test_variables_need_no_target(self, tf, source):
        one, two = tf.Variable([0.0, 0.0], name="a/w"), tf.Variable([0.0], name="x")
        tcm.warm_start(source, [one, two], None, {"x": "a/b"})
        assert one.numpy().tolist() == [1, 2]
        assert two.numpy().tolist() == [3]

    def test_a_model(self, tf, write):
        model = sequential(tf)
        kernel = model.trainable_variables[0]
        name = getattr(kernel, "path", kernel.name).partition(":")[0]
        path = write({"k": np.ones((2, 3), np.float32)})
        tcm.warm_start(path, f"{name}$", None, {name: "k"}, target=model)
        assert kernel.numpy().tolist() == [[1, 1, 1]] * 2

    def test_none_means_nothing_without_vocabularies(self, tf, named):
        target = self.target(tf)
        tcm.warm_start(named, None, target=target)
        assert self.values(target)["a/w"] == [0, 0]

    @pytest.mark.parametrize(
        ("arguments", "error", "words"),
        [
            (("A/",), PlanError, "'A/' fits the name of no variable.*'a/w'"),
            ((["a/", "x"],), PlanError, "'x' fits the name of no variable"),
            (("a/", None, {"a/v": "a/w"}), PlanError, "'a/v'; those that are: 'a/w'"),
            (("other",), PlanError, "'other' would get 'other'"),
            (("a/w", None, {"a/w": "a/b"}), PlanError, r"float32\[1\].*float32\[2\]"),
            ((5,), ValueError, "not 5"),
            (([5],), ValueError, "list of variables"),
            (("a/", {"a/w": "words"}), RuleError, "a VocabInfo.*not 'words'"),
            (("a/", {"a/v": None}), PlanError, "vocab_info.*'a/v'; those.*'a/w'"),
        ],
    )
    def test_refusals_change_nothing(self, tf, named, arguments, error, words):
        target = self.target(tf)
        with pytest.raises(error, match=f"(?s){words}") as caught:
            tcm.warm_start(named, *arguments, target=target)
        assert isinstance(caught.value, ValueError)
        assert not any(map(any, self.values(target).values()))

    def test_names_need_to_know_of_what(self, tf, named):
        with pytest.raises(TargetError, match="target=model"):
            tcm.warm_start(named)
        with pytest.raises(TargetError, match="have one name"):
            tcm.warm_start(named, [tf.Variable(1.0), tf.Variable(2.0)])
