"""Embeddings that TF1 looks up by ``partition_strategy="mod"``: one row for each id."""

import numpy as np
import pytest

import tf_ckpt_migrate as tcm


def trained(tf, prefix, rows, parts):
    """Save an embedding in parts after a step of Adam; return what ids look up."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        partitioner = v1.fixed_size_partitioner(parts)
        with v1.variable_scope("net", partitioner=partitioner):
            table = v1.get_variable("emb", [rows, 2], use_resource=False)
        found = v1.nn.embedding_lookup(list(table), np.arange(rows))  # "mod"
        step = v1.train.AdamOptimizer(0.1).minimize(v1.reduce_sum(found**2))
        session.run(v1.global_variables_initializer())
        gradients = 2 * session.run(found)
        session.run(step)
        v1.train.Saver().save(session, prefix, write_meta_graph=False)
        return session.run(found), 0.1 * gradients


@pytest.mark.parametrize(("rows", "parts"), [(8, 3), (9, 3), (5, 1), (4, 4)])
def test_rows_are_ids(tf, tmp_path, rows, parts):
    source, target = str(tmp_path / "mod"), str(tmp_path / "div")
    looked_up, first_moments = trained(tf, source, rows, parts)
    recipe = tcm.Recipe("mod_to_div", "net/emb", "words", parts=parts)
    plan = tcm.plan_migration(source, None, [recipe], unused="keep")
    tcm.convert(plan, target)
    found = tcm.load_checkpoint(target)
    np.testing.assert_array_equal(found["words"], looked_up)
    np.testing.assert_allclose(found["words/Adam"], first_moments, rtol=1e-6)
    back = str(tmp_path / "back")
    tcm.convert(plan.reversed(), back, source=target)
    assert tcm.diff_checkpoints(source, back).equal


def test_every_embedding_of_a_scope(tf, tmp_path):
    source, target = str(tmp_path / "mod"), str(tmp_path / "div")
    looked_up, _ = trained(tf, source, 7, 2)
    rules = [tcm.Recipe("mod_to_div", "net/", "net/", parts=2)]
    plan = tcm.plan_migration(source, None, rules, unused="keep")
    np.testing.assert_array_equal(
        tcm.load_checkpoint(tcm.convert(plan, target))["net/emb"], looked_up
    )
