"""Restoring into the variables of a graph, by its session."""

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tf_ckpt_migrate.conversion.example import example_checkpoint
from tf_ckpt_migrate.errors import ChecksumError, GraphModeError, PlanError, TargetError

VALUES = {
    "net/w": np.float32([[1, 2], [3, 4]]),
    "net/b": np.float32([5, 6]),
    "step": np.int64(7),
    "text": np.array([b"a", b"bc"], object),
}


@pytest.fixture(params=[True, False], ids=["resource", "ref"])
def graph(request, tf):
    v1 = tf.compat.v1
    made = tf.Graph()
    with made.as_default():
        for name, value in VALUES.items():
            array = np.asarray(value)
            dtype = tf.string if array.dtype == object else array.dtype
            start = v1.constant_initializer("" if dtype is tf.string else 0)
            v1.get_variable(name, array.shape, dtype, start, use_resource=request.param)
    return made


def variables(tf, graph):
    with graph.as_default():
        return tf.compat.v1.global_variables()


def found(session, made):
    return {each.op.name: session.run(each).tolist() for each in made}


EXPECTED = {name: np.asarray(value).tolist() for name, value in VALUES.items()}


@pytest.mark.parametrize("given", ["argument", "default"])
def test_a_finalized_graph_gets_all(tf, graph, given):
    made = variables(tf, graph)
    graph.finalize()
    with (
        example_checkpoint(VALUES) as prefix,
        tf.compat.v1.Session(graph=graph) as session,
        graph.as_default(),
    ):
        if given == "argument":
            report = tcm.restore(prefix, made, session=session)
        else:
            report = tcm.restore(prefix, made)
        assert len(report.restored) == 4
        assert found(session, made) == EXPECTED


def test_nothing_is_added_to_the_graph(tf, graph):
    made = variables(tf, graph)
    module = tf.Module()
    module.w, module.rest = made[0], made[1:]
    before = [op.name for op in graph.get_operations()]
    rules = dict(zip(VALUES, made, strict=True))
    with (
        example_checkpoint(VALUES) as prefix,
        graph.as_default(),
        tf.compat.v1.Session() as session,
    ):
        for target in (module, tf.train.Checkpoint(m=module), {"a": made[0]}):
            dropped = "drop" if isinstance(target, dict) else "error"
            map_ = {"net/w": "a"} if isinstance(target, dict) else rules
            tcm.restore(prefix, target, map_, unused=dropped)
        assert found(session, made) == EXPECTED
    assert [op.name for op in graph.get_operations()] == before


def test_variables_that_begin_as_one_tensor(tf):
    v1 = tf.compat.v1
    with (
        example_checkpoint({"a": [1.0], "b": [2.0]}) as prefix,
        tf.Graph().as_default(),
        v1.Session() as session,
    ):
        zero = tf.zeros([1], tf.float64)
        made = [v1.Variable(zero, name=name) for name in ("a", "b")]
        tcm.restore(prefix, made)
        assert found(session, made) == {"a": [1.0], "b": [2.0]}


def test_more_than_one_batch(tf):
    v1 = tf.compat.v1
    values = {f"v{i}": np.float32([i]) for i in range(250)}
    with (
        example_checkpoint(values) as prefix,
        tf.Graph().as_default(),
        v1.Session() as session,
    ):
        made = [v1.get_variable(name, [1]) for name in values]
        tcm.restore(prefix, made)
        assert session.run(made) == [[i] for i in range(250)]


def test_a_monitored_session(tf, graph):
    made = variables(tf, graph)
    with (
        example_checkpoint(VALUES) as prefix,
        graph.as_default(),
        tf.compat.v1.train.MonitoredSession() as session,
    ):
        tcm.restore(prefix, made, session=session)
        assert found(session, made) == EXPECTED


class TestRefusals:
    def test_no_session(self, tf, graph):
        with (
            example_checkpoint(VALUES) as prefix,
            graph.as_default(),
            pytest.raises(GraphModeError, match=r"pass session=….*as_default\(\)"),
        ):
            tcm.restore(prefix, variables(tf, graph))

    def test_a_closed_session(self, tf, graph):
        session = tf.compat.v1.Session(graph=graph)
        session.close()
        with (
            example_checkpoint(VALUES) as prefix,
            graph.as_default(),
            pytest.raises(GraphModeError, match=r"cannot be used: .*closed"),
        ):
            tcm.restore(prefix, variables(tf, graph), session=session)

    def test_a_session_in_eager_mode(self, tf, graph):
        with (
            tf.compat.v1.Session(graph=graph) as session,
            example_checkpoint(VALUES) as prefix,
        ):
            made = variables(tf, graph)
            if not tf.executing_eagerly():  # the session made its graph the default
                return
            with pytest.raises(GraphModeError, match="variables are eager here"):
                tcm.restore(prefix, made, session=session)

    def test_a_function_being_traced(self, tf):
        w = tf.Variable([0.0], dtype=tf.float64, name="w")
        with example_checkpoint({"w": [1.0]}) as prefix:

            @tf.function(autograph=False)
            def traced():
                tcm.restore(prefix, [w])

            with pytest.raises(GraphModeError, match=r"tf\.function is being traced"):
                traced()
        assert float(w[0]) == 0.0

    def test_the_session_of_another_graph(self, tf, graph):
        made = variables(tf, graph)
        with (
            example_checkpoint(VALUES) as prefix,
            tf.Graph().as_default(),
            tf.compat.v1.Session() as session,
        ):
            tf.constant(1)
            with pytest.raises(TargetError, match="is not of the session's graph"):
                tcm.restore(prefix, made, session=session)

    @pytest.mark.parametrize("what", ["shape", "damage"])
    def test_then_no_variable_has_changed(self, tf, graph, what):
        made = variables(tf, graph)
        values = dict(VALUES)
        error = ChecksumError
        if what == "shape":
            values["step"], error = np.int64([7]), PlanError
        with (
            example_checkpoint(values) as prefix,
            graph.as_default(),
            tf.compat.v1.Session() as session,
        ):
            session.run(tf.compat.v1.global_variables_initializer())
            before = found(session, made)
            if what == "damage":
                with open(f"{prefix}.data-00000-of-00001", "r+b") as file:
                    file.write(b"\xff")
            with pytest.raises(error):
                tcm.restore(prefix, made)
            assert found(session, made) == before
