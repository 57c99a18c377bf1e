import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tf_ckpt_migrate.errors import TargetError
from tf_ckpt_migrate.live.asked import asked_by_operations, asked_by_variables

VALUES = {
    "net/w": np.zeros((5, 2), np.float32),
    "net/b": np.zeros(2, np.float64),
    "text": np.array(["a"], object),
    "step": np.int64(7),
}
SPECS = {name: tcm.transforms.spec_of(np.asarray(v)) for name, v in VALUES.items()}


def restore_op(tf, graph, **options):
    saver = tf.compat.v1.train.Saver(**options)
    return graph.get_operation_by_name(saver.saver_def.restore_op_name)


@pytest.fixture
def graph(tf):
    with tf.Graph().as_default() as graph:
        yield graph


@pytest.mark.parametrize("options", [{}, {"sharded": True}])
@pytest.mark.parametrize("resource", [False, True])
@pytest.mark.parametrize("parts", [1, 2])
def test_of_a_graph_names_dtypes_and_whole_shapes(tf, graph, options, resource, parts):
    v1 = tf.compat.v1
    for name, value in VALUES.items():
        two = np.ndim(value) == 2
        v1.get_variable(
            name,
            shape=None if not two else value.shape,
            initializer=None if two else tf.constant(value.tolist(), _dtype(tf, value)),
            use_resource=resource,
            partitioner=v1.fixed_size_partitioner(parts) if two else None,
        )
    before = len(graph.get_operations())
    op = restore_op(tf, graph, **options)
    graph.finalize()
    assert asked_by_operations(op) == SPECS
    assert len(graph.get_operations()) > before  # the saver's, none of ours


def _dtype(tf, value):
    is_text = np.asarray(value).dtype == object
    return tf.string if is_text else tf.as_dtype(np.asarray(value).dtype)


def test_of_operations_that_came_with_an_older_graph(tf, graph):
    old = tf.raw_ops.RestoreSlice(
        file_pattern="x",
        tensor_name="w",
        shape_and_slice="4 2 0,2:-",
        dt=tf.float32,
    )
    whole = tf.raw_ops.Restore(file_pattern="x", tensor_name="b", dt=tf.int32)
    with graph.control_dependencies([old, whole]):
        op = tf.no_op()
    op = op if hasattr(op, "control_inputs") else op.op
    assert asked_by_operations(op) == {
        "w": tcm.transforms.spec_of(np.zeros((4, 2), np.float32)),
        "b": None,  # nothing tells where it goes
    }


def test_what_takes_any_shape(tf, graph):
    tf.compat.v1.Variable([0], name="w", validate_shape=False, use_resource=False)
    tf.compat.v1.Variable(
        [0], name="r", shape=tf.TensorShape([None]), use_resource=True
    )
    assert asked_by_operations(restore_op(tf, graph)) == {"w": None, "r": None}
    assert asked_by_operations(restore_op(tf, graph, reshape=True)) == {
        "w": None,
        "r": None,
    }


def test_names_that_the_graph_computes(tf, graph):
    names = tf.strings.join([tf.compat.v1.placeholder(tf.string, [1]), "w"])
    [tensor] = tf.raw_ops.RestoreV2(
        prefix="x", tensor_names=names, shape_and_slices=[""], dtypes=[tf.float32]
    )
    with pytest.raises(TargetError, match="computed when the graph runs"):
        asked_by_operations(tensor.op)


class TestInEagerMode:
    def test_a_dict(self, tf):
        variables = {name: tf.Variable(value) for name, value in VALUES.items()}
        assert asked_by_variables(variables) == SPECS

    def test_a_list(self, tf):
        variables = [tf.Variable(value, name=name) for name, value in VALUES.items()]
        assert asked_by_variables([*variables, variables[0]]) == SPECS

    def test_a_variable_of_any_shape(self, tf):
        variable = tf.Variable([1], shape=tf.TensorShape(None))
        assert asked_by_variables({"w": variable}) == {"w": None}

    def test_names_that_tell_nothing_apart(self, tf):
        variables = [tf.Variable(1.0), tf.Variable(1.0), tf.Variable(1.0, name="x")]
        with pytest.raises(TargetError, match=r"var_list\[0\] \(\) and var_list\[1\]"):
            asked_by_variables(variables)

    def test_what_no_saver_takes(self):
        with pytest.raises(TypeError):
            asked_by_variables("w")
