"""A report of what a restore did has its verdicts on optimizers."""

from __future__ import annotations

import tf_ckpt_migrate as tcm


def test_a_restore_with_an_optimizer_that_goes_on_nearly_as_in_tf1(tf, goldens):
    dense = tf.keras.layers.Dense(3, name="dense")
    dense.build((None, 2))
    optimizer = tf.keras.optimizers.Adam(0.1)  # of another epsilon than TF1's
    optimizer.build(dense.trainable_variables)
    restored = tcm.restore(
        goldens / "tf1_15/optimizer_adam/model.ckpt",
        tf.train.Checkpoint(dense=dense, optimizer=optimizer),
        [
            ("net/w", "dense/kernel"),
            ("net/b", "dense/bias"),
            tcm.Recipe("optimizer", "Adam", "optimizer"),
        ],
    )
    report = tcm.make_report(restored)
    assert report.kind == "restore"
    assert report.verdicts == restored.verdicts
    assert "approximate" in {each.kind for each in report.verdicts}
    first = report.findings[0]
    assert first.level == "check"
    assert first.title.startswith("Adam")
    assert first.title.endswith("epsilon: approximate")
    assert "set epsilon=1e-08" in first.why
    weights = [row.sources[0].key for row in report.section("weights")]
    assert weights == ["net/b", "net/w"]  # and not the learning rate
    assert "approximate" in report.to_html()
