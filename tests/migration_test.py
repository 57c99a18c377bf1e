"""A model moves from TF1 to Keras in the middle of its training, in three stages.

TF1 style (``get_variable``, a session); half of the variables in a ``tf.Module``, under
other names; Keras. Every stage goes on from the checkpoint of every other one, earlier
or later, and the losses are those of a training that nothing interrupts.
"""

import itertools

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live.readers import by_saver, same_values

X = np.random.default_rng(1).normal(size=(8, 3)).astype(np.float32)
Y = np.tanh(X @ np.float32([[1.0], [-2.0], [0.5]]))
START = {
    "hidden/w": np.random.default_rng(2).normal(size=(3, 4)).astype(np.float32),
    "hidden/b": np.zeros(4, np.float32),
    "out/w": np.random.default_rng(3).normal(size=(4, 1)).astype(np.float32),
    "out/b": np.zeros(1, np.float32),
    "global_step": np.int64(0),
}
RATE = 0.05
STEPS = 5


def loss_of(tf, hidden, out):
    (w1, b1), (w2, b2) = hidden, out
    return tf.reduce_mean(tf.square(tf.tanh(X @ w1 + b1) @ w2 + b2 - Y))


def in_session(tf, made, source, prefix, save):
    """Build, restore, train and save in a session; return the losses."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        hidden, out, step, saver = made()
        loss = loss_of(tf, hidden, out)
        optimizer = v1.train.GradientDescentOptimizer(RATE)
        train = optimizer.minimize(loss, global_step=step)
        session.run(v1.global_variables_initializer())
        if source is not None:
            saver.restore(session, source)
        losses = [session.run([loss, train])[0] for _ in range(STEPS)]
        assert save(saver, session, prefix) == prefix
        return [*losses, session.run(loss)]


def got(tf, scope):
    """Variables as TF1 makes them."""
    v1 = tf.compat.v1
    with v1.variable_scope(scope):
        return [
            v1.get_variable(name, initializer=START[f"{scope}/{name}"]) for name in "wb"
        ]


def tf1(tf, source, prefix):
    """Stage 1: names are all there is."""

    def made():
        step = tf.compat.v1.train.get_or_create_global_step()
        # TensorFlow's own, which must read what later stages save by name.
        return got(tf, "hidden"), got(tf, "out"), step, tf.compat.v1.train.Saver()

    return in_session(tf, made, source, prefix, lambda s, *to: s.save(*to))


def half(tf, source, prefix):
    """Stage 2: a module has half of the variables, whose names are others."""

    def made():
        module = tf.Module()
        module.kernel = tf.Variable(START["hidden/w"], name="module/kernel")
        module.bias = tf.Variable(START["hidden/b"], name="module/bias")
        out = got(tf, "out")
        step = tf.compat.v1.train.get_or_create_global_step()
        names = {
            "hidden/w": module.kernel,
            "hidden/b": module.bias,
            "out/w": out[0],
            "out/b": out[1],
            "global_step": step,
        }
        target = tf.train.Checkpoint(module=module, out=out, step=step)
        saver = tcm.Saver(names, keys="both", target=target)
        return [module.kernel, module.bias], out, step, saver

    return in_session(tf, made, source, prefix, lambda s, *to: s.save(*to))


def keras(tf, source, prefix):
    """Stage 3: Keras layers, eager mode; TF1 still reads what is saved."""
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [layers.Dense(4, "tanh", name="hidden"), layers.Dense(1, name="out")]
    )
    model.build((None, 3))
    step = tf.Variable(0, dtype=tf.int64)
    names = dict(zip(START, [*model.weights, step], strict=True))
    if source is None:
        model.set_weights([START[name] for name in names if name != "global_step"])
    else:
        target = tf.train.Checkpoint(model=model, step=step)
        tcm.restore(source, target, names)
    optimizer = tf.keras.optimizers.SGD(RATE)
    losses = []
    for _ in range(STEPS):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(X) - Y))
        weights = model.trainable_variables
        gradients = tape.gradient(loss, weights)
        optimizer.apply_gradients(zip(gradients, weights, strict=True))
        step.assign_add(1)
        losses.append(float(loss))
    checkpoint = tcm.Checkpoint(model=model, step=step)
    checkpoint.write(prefix, keys="both", names=name_by(names))
    return [*losses, float(tf.reduce_mean(tf.square(model(X) - Y)))]


def name_by(names):
    """Return a function from a variable to the name that TF1 knows it by."""
    known = {id(getattr(each, "value", each)): name for name, each in names.items()}
    known |= {id(each): name for name, each in names.items()}
    return lambda variable: known.get(id(variable))


STAGES = {"tf1": tf1, "half": half, "keras": keras}


@pytest.fixture(scope="module")
def whole(tf, tmp_path_factory):
    """The losses of six stages in TF1, which nothing interrupts."""
    folder = tmp_path_factory.mktemp("whole")
    prefix, losses = None, []
    for number in range(6):
        to = str(folder / f"m-{number}")
        losses.append(tf1(tf, prefix, to))
        prefix = to
    assert losses[0][0] > 2 * losses[5][-1]
    return losses


def test_from_tf1_to_keras_and_back(tf, tmp_path, whole):
    order = ["tf1", "half", "keras", "keras", "half", "tf1"]
    prefix = None
    for number, name in enumerate(order):
        to = str(tmp_path / f"m-{number}")
        losses = STAGES[name](tf, prefix, to)
        np.testing.assert_allclose(losses, whole[number], rtol=1e-4)
        assert int(tcm.load_checkpoint(to)["global_step"]) == STEPS * (number + 1)
        prefix = to


@pytest.mark.parametrize(("before", "after"), [*itertools.product(STAGES, STAGES)])
def test_every_stage_goes_on_from_every_other_one(tf, tmp_path, whole, before, after):
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    saved = STAGES[before](tf, None, first)
    went_on = STAGES[after](tf, first, second)
    assert went_on[0] == pytest.approx(saved[-1], rel=1e-5)  # no jump
    np.testing.assert_allclose(saved + went_on[1:], whole[0] + whole[1][1:], rtol=1e-4)
    # And each still reads what the other has made of it.
    assert STAGES[before](tf, second, first)[0] == pytest.approx(went_on[-1], rel=1e-5)


def test_half_way_with_names_that_drifted(tf, tmp_path, whole):
    """A stage may also save under its new names: a map tells the others."""
    v1 = tf.compat.v1
    old, new = str(tmp_path / "old"), str(tmp_path / "new")
    tf1(tf, None, old)
    rules = {"hidden/w": "module/kernel", "hidden/b": "module/bias"}
    with tf.Graph().as_default(), v1.Session() as session:
        module = tf.Module()
        module.kernel = tf.Variable(tf.zeros([3, 4]), name="module/kernel")
        module.bias = tf.Variable(tf.zeros([4]), name="module/bias")
        out, step = got(tf, "out"), v1.train.get_or_create_global_step()
        loss = loss_of(tf, (module.kernel, module.bias), out)
        tcm.Saver(assignment_map=rules, unused="error").restore(session, old)
        assert session.run(loss) == pytest.approx(whole[0][-1], rel=1e-5)
        assert session.run(step) == STEPS
        tcm.Saver().save(session, new)
    with tf.Graph().as_default(), v1.Session() as session:
        loss = loss_of(tf, got(tf, "hidden"), got(tf, "out"))
        v1.train.get_or_create_global_step()
        back = {name: old for old, name in rules.items()}
        tcm.Saver(assignment_map=back, unused="error").restore(session, new)
        assert session.run(loss) == pytest.approx(whole[0][-1], rel=1e-5)


def test_both_worlds_restore_what_the_module_saves(tf, tmp_path):
    prefix = str(tmp_path / "m")
    half(tf, None, prefix)
    module = tf.Module()
    module.kernel, module.bias = tf.Variable(tf.zeros([3, 4])), tf.Variable([0.0] * 4)
    out = [tf.Variable(tf.zeros([4, 1])), tf.Variable([0.0])]
    step = tf.Variable(0, dtype=tf.int64)
    checkpoint = tf.train.Checkpoint(module=module, out=out, step=step)
    checkpoint.restore(prefix).assert_consumed()
    found = [module.kernel, module.bias, *out, step]
    values = {n: v.numpy() for n, v in zip(START, found, strict=True)}
    same_values(values, by_saver(tf, prefix, list(START)))


def test_both_worlds_restore_what_keras_saves(tf, tmp_path):
    prefix = str(tmp_path / "m")
    keras(tf, None, prefix)
    layers = [tf.keras.layers.Dense(4), tf.keras.layers.Dense(1)]
    model = tf.keras.Sequential(layers)
    model.build((None, 3))
    step = tf.Variable(0, dtype=tf.int64)
    checkpoint = tf.train.Checkpoint(model=model, step=step)
    checkpoint.read(prefix).assert_consumed()
    found = [*model.get_weights(), step.numpy()]
    values = dict(zip(START, found, strict=True))
    same_values(values, by_saver(tf, prefix, list(START)))
