"""``tcm.Checkpoint`` saving by object, by name, or both."""

import os
import threading

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live.models import KINDS, legacy_adam, sequential, with_table
from tests.live.readers import by_saver, data_bytes, names_in, same_values
from tf_ckpt_migrate.checkpoint.state import kept_beside, record_latest
from tf_ckpt_migrate.conversion import saved
from tf_ckpt_migrate.errors import (
    OutputExistsError,
    OutputInUseError,
    OutputPathError,
    PlanError,
)
from tf_ckpt_migrate.live.naming import names_to_save
from tf_ckpt_migrate.live.target import LiveTarget

VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


@pytest.fixture
def module(tf):
    module = tf.Module()
    module.kernel = tf.Variable([[1.0, 2.0]], name="net/w")
    module.items = [tf.Variable([3, 4], name="net/b"), tf.Variable("x", name="text")]
    return module


EXPECTED = {"net/w": [[1.0, 2.0]], "net/b": [3, 4], "text": b"x"}


def zeroed(tf):
    other = tf.Module()
    other.kernel = tf.Variable([[0.0, 0.0]])
    other.items = [tf.Variable([0, 0]), tf.Variable("")]
    return other


def check_objects(tf, path):
    other = zeroed(tf)
    checkpoint = tf.train.Checkpoint(other)
    saved = "save_counter" + VALUE in tcm.load_checkpoint(path)
    status = checkpoint.restore(path) if saved else checkpoint.read(path)
    status.assert_consumed()
    assert other.kernel.numpy().tolist() == [[1.0, 2.0]]
    assert other.items[0].numpy().tolist() == [3, 4]
    assert other.items[1].numpy() == b"x"


def check_both(tf, path):
    check_objects(tf, path)
    same_values(by_saver(tf, path), EXPECTED)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_of_object(tf, tmp_path, kind):
    made = kind(tf)
    mine = tcm.Checkpoint(it=made)
    live = LiveTarget(mine)
    names = {move.sources[0]: move.target for move in names_to_save(live, "key")}
    path = mine.save(str(tmp_path / "m"), keys="both", names="key")
    tf.train.Checkpoint(it=made).save(str(tmp_path / "stock"))
    other = tf.train.Checkpoint(it=kind(tf))
    other.restore(path).assert_consumed()
    again = LiveTarget(other)
    for key, name in names.items():
        np.testing.assert_array_equal(again[key], live[key])
        np.testing.assert_array_equal(tcm.load_checkpoint(path)[name], live[key])
    assert set(names_in(path)) == set(names.values())
    assert data_bytes(tmp_path, "m-1") == data_bytes(tmp_path, "stock-1")
    assert tcm.verify_checkpoint(path).ok


def test_both(tf, tmp_path, module):
    path = tcm.Checkpoint(module).save(tmp_path / "m", keys="both")
    check_both(tf, path)
    assert tf.train.latest_checkpoint(tmp_path) == path
    assert sorted(os.listdir(tmp_path)) == [
        "checkpoint",
        "m-1.data-00000-of-00001",
        "m-1.index",
    ]


def test_object_alone_is_what_tensorflow_writes(tf, tmp_path, module):
    ours = tcm.Checkpoint(module).write(str(tmp_path / "ours"))
    stock = tf.train.Checkpoint(module).write(str(tmp_path / "stock"))
    for suffix in (".index", ".data-00000-of-00001"):
        with open(ours + suffix, "rb") as mine, open(stock + suffix, "rb") as theirs:
            assert mine.read() == theirs.read()


def test_name_alone(tf, tmp_path, module):
    path = tcm.Checkpoint(module).write(str(tmp_path / "m"), keys="name")
    assert sorted(tcm.load_checkpoint(path)) == sorted(EXPECTED)
    same_values(by_saver(tf, path), EXPECTED)
    other = zeroed(tf)
    paths = {"net/w": "kernel", "net/b": "items/0", "text": "items/1"}
    tcm.Checkpoint(other).read(path, assignment_map=paths).assert_consumed()
    assert other.kernel.numpy().tolist() == [[1.0, 2.0]]


def test_name_alone_would_lose_a_table(tf, tmp_path):
    checkpoint = tcm.Checkpoint(it=with_table(tf))
    with pytest.raises(PlanError, match=r"keys=\"name\" would lose .*table"):
        checkpoint.write(str(tmp_path / "m"), keys="name")
    assert not os.listdir(tmp_path)
    checkpoint.write(str(tmp_path / "m"), keys="both")
    assert names_in(tmp_path / "m") == ["w"]


def test_a_name_from_a_map_and_from_a_function(tf, tmp_path, module):
    checkpoint = tcm.Checkpoint(module)
    rules = [tcm.RenameScope("net/", "bert/"), tcm.Keep(source="text")]
    path = checkpoint.save(str(tmp_path / "m"), keys="both", names=rules)
    assert sorted(names_in(path)) == ["bert/b", "bert/w", "text"]
    path = checkpoint.save(
        str(tmp_path / "m"), keys="both", names=lambda v: "x/" + v.name.split(":")[0]
    )
    assert sorted(names_in(path)) == ["x/net/b", "x/net/w", "x/text"]
    check_objects(tf, path)


def test_what_cannot_be_named_is_said_before_the_save(tf, tmp_path):
    checkpoint = tcm.Checkpoint(a=tf.Variable(1.0), b=tf.Variable(2.0))
    with pytest.raises(PlanError, match="'Variable' would be the name of 'a'"):
        checkpoint.save(str(tmp_path / "m"), keys="both")
    assert not os.listdir(tmp_path)
    assert checkpoint.save(str(tmp_path / "m")).endswith("m-1")


def test_a_name_that_is_a_key(tf, tmp_path, module):
    with pytest.raises(PlanError, match="is a key already"):
        tcm.Checkpoint(module).write(
            str(tmp_path / "m"),
            keys="both",
            names=lambda v: "kernel" + VALUE if v is module.kernel else None,
        )
    assert not os.listdir(tmp_path)


def test_a_word_that_is_none(tf, module, tmp_path):
    with pytest.raises(ValueError, match=r"keys='dual'; expected \"object\" \(as"):
        tcm.Checkpoint(module).save(str(tmp_path / "m"), keys="dual")
    with pytest.raises(ValueError, match="keys='all'"):
        tcm.Checkpoint(module).saving(keys="all")


def test_in_a_graph(tf, tmp_path):
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        module = tf.Module()
        module.kernel = v1.get_variable("net/w", initializer=[[1.0, 2.0]])
        module.items = [
            v1.get_variable("net/b", initializer=[3, 4]),
            v1.get_variable("text", initializer="x"),
        ]
        checkpoint = tcm.Checkpoint(module)
        session.run(v1.global_variables_initializer())
        first = checkpoint.save(str(tmp_path / "m"), keys="both")
        session.run(module.kernel.assign([[5.0, 6.0]]))
        second = checkpoint.save(str(tmp_path / "m"), keys="both")
    assert (first, second) == (str(tmp_path / "m-1"), str(tmp_path / "m-2"))
    check_both(tf, first)
    same_values(by_saver(tf, second, ["net/w"]), {"net/w": [[5.0, 6.0]]})
    assert tf.train.latest_checkpoint(tmp_path) == second


class TestFunctions:
    def test_a_write_within_a_function(self, tf, tmp_path, module):
        checkpoint = tcm.Checkpoint(module).saving(keys="both")
        prefix = str(tmp_path / "m")

        @tf.function
        def train(steps):
            for _ in tf.range(steps):
                module.items[0].assign_add([1, 1])
            return checkpoint.write(prefix)

        assert train(tf.constant(0)).numpy().decode() == prefix
        check_both(tf, prefix)
        train(tf.constant(2))
        same_values(by_saver(tf, prefix, ["net/b"]), {"net/b": [5, 6]})
        assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]

    def test_a_prefix_that_is_a_tensor(self, tf, tmp_path, module):
        checkpoint = tcm.Checkpoint(module)

        @tf.function
        def write(prefix):
            return checkpoint.write(prefix, keys="both")

        for name in ("a", "b"):
            write(tf.constant(str(tmp_path / name)))
            check_both(tf, str(tmp_path / name))

    def test_a_failure_within_and_the_next_try(self, tf, tmp_path, module):
        checkpoint = tcm.Checkpoint(module)

        @tf.function
        def write(prefix):
            return checkpoint.write(prefix, keys="both")

        (tmp_path / "file").write_text("", encoding="utf-8")
        with pytest.raises(tf.errors.OpError, match=r"OutputPathError: .*file"):
            write(tf.constant(str(tmp_path / "file" / "m")))
        write(tf.constant(str(tmp_path / "m")))
        check_both(tf, str(tmp_path / "m"))

    def test_a_loop_that_a_function_drives(self, tf, tmp_path, module):
        checkpoint = tcm.Checkpoint(module)

        @tf.function
        def step():
            module.kernel.assign_add([[1.0, 1.0]])

        for _ in range(2):
            step()
            path = checkpoint.save(str(tmp_path / "m"), keys="both")
        same_values(by_saver(tf, path, ["net/w"]), {"net/w": [[3.0, 4.0]]})


class TestManagers:
    def test_it_keeps_so_many(self, tf, tmp_path, module):
        checkpoint = tcm.Checkpoint(module).saving(keys="both")
        manager = tf.train.CheckpointManager(checkpoint, str(tmp_path), max_to_keep=2)
        paths = [manager.save() for _ in range(4)]
        assert manager.checkpoints == paths[2:]
        assert manager.latest_checkpoint == paths[-1]
        check_both(tf, paths[2])
        check_both(tf, paths[3])
        assert len(list(tmp_path.glob("*.index"))) == 2
        assert len(list(tmp_path.glob("*.data-*"))) == 2

    def test_interval_and_hours(self, tf, tmp_path, module):
        step = tf.Variable(0, dtype=tf.int64, name="global_step")
        checkpoint = tcm.Checkpoint(module, step=step).saving(keys="both")
        manager = tf.train.CheckpointManager(
            checkpoint,
            str(tmp_path),
            max_to_keep=1,
            keep_checkpoint_every_n_hours=1e-9,
            step_counter=step,
            checkpoint_interval=2,
        )
        saved_at: list[int] = []
        for number in range(5):
            step.assign(number)
            if manager.save(checkpoint_number=number):
                saved_at.append(number)
        assert saved_at == [0, 2, 4]
        assert len(list(tmp_path.glob("*.index"))) == 3  # old enough to stay
        found = by_saver(tf, manager.latest_checkpoint, ["global_step"])
        same_values(found, {"global_step": 4})

    def test_init_fn_or_the_latest(self, tf, tmp_path, module):
        called: list[int] = []

        other = zeroed(tf)

        def manager():
            checkpoint = tcm.Checkpoint(other).saving(keys="both")
            return tf.train.CheckpointManager(
                checkpoint, str(tmp_path), 3, init_fn=lambda: called.append(1)
            )

        assert manager().restore_or_initialize() is None
        assert called == [1]
        path = tcm.Checkpoint(module).saving(keys="both").save(str(tmp_path / "ckpt"))
        assert manager().restore_or_initialize() == path
        assert other.kernel.numpy().tolist() == [[1.0, 2.0]]

    def test_in_a_graph(self, tf, tmp_path):
        v1 = tf.compat.v1
        with tf.Graph().as_default(), v1.Session() as session:
            w = v1.get_variable("net/w", initializer=[1.0])
            checkpoint = tcm.Checkpoint(w=w).saving(keys="both")
            manager = tf.train.CheckpointManager(checkpoint, str(tmp_path), 1)
            session.run(v1.global_variables_initializer())
            paths = [manager.save() for _ in range(2)]
        same_values(by_saver(tf, paths[1]), {"net/w": [1.0]})
        assert len(list(tmp_path.glob("*.index"))) == 1


class TestOptions:
    def test_callbacks_get_the_checkpoint_when_it_is_whole(self, tf, tmp_path, module):
        seen: list[tuple[str, list[str]]] = []
        options = tf.train.CheckpointOptions(
            experimental_io_device="/job:localhost",
            experimental_write_callbacks=[
                lambda path: seen.append((path, sorted(names_in(path))))
            ],
        )
        checkpoint = tcm.Checkpoint(module)
        path = checkpoint.save(str(tmp_path / "m"), options, keys="both")
        assert seen == [(path, ["net/b", "net/w", "text"])]
        assert len(options.experimental_write_callbacks) == 1
        check_both(tf, path)

    def test_shards_as_asked_for(self, tf, tmp_path, module):
        sharding = getattr(tf.train, "experimental", None)
        if not hasattr(sharding, "MaxShardSizePolicy"):
            pytest.skip("this TensorFlow has no policies of sharding")
        options = tf.train.CheckpointOptions(
            experimental_sharding_callback=sharding.MaxShardSizePolicy(max_shard_size=8)
        )
        path = tcm.Checkpoint(module).save(str(tmp_path / "m"), options, keys="both")
        assert len(list(tmp_path.glob("*.data-*"))) > 1
        check_both(tf, path)

    def test_without_slot_variables(self, tf, tmp_path):
        try:
            options = tf.train.CheckpointOptions(experimental_skip_slot_variables=True)
        except TypeError:
            pytest.skip("this TensorFlow cannot leave them out")
        checkpoint = tcm.Checkpoint(it=legacy_adam(tf)).saving(keys="both", names="key")
        whole = names_in(checkpoint.save(str(tmp_path / "m")))
        rest = names_in(checkpoint.save(str(tmp_path / "m"), options))
        assert set(rest) < set(whole)
        assert {name.rsplit("/", 1)[-1] for name in set(whole) - set(rest)} == {
            "m",
            "v",
        }


class TestInTheBackground:
    @pytest.fixture
    def options(self, tf):
        return tf.train.CheckpointOptions(experimental_enable_async_checkpoint=True)

    def test_saves(self, tf, tmp_path, module, options):
        checkpoint = tcm.Checkpoint(module)
        paths: list[str] = []
        for number in range(3):
            module.kernel.assign([[1.0, float(number)]])
            paths.append(checkpoint.save(str(tmp_path / "m"), options, keys="both"))
        module.kernel.assign([[0.0, 0.0]])  # after the values were taken
        checkpoint.sync()
        for number, path in enumerate(paths):
            found = by_saver(tf, path, ["net/w"])
            same_values(found, {"net/w": [[1.0, float(number)]]})
            tf.train.Checkpoint(zeroed(tf)).restore(path).assert_consumed()
        assert tf.train.latest_checkpoint(tmp_path) == paths[-1]

    def test_by_a_manager(self, tf, tmp_path, module, options):
        checkpoint = tcm.Checkpoint(module).saving(keys="both")
        manager = tf.train.CheckpointManager(checkpoint, str(tmp_path), 2)
        for _ in range(3):
            path = manager.save(options=options)
        checkpoint.sync()
        check_both(tf, path)
        assert len(list(tmp_path.glob("*.index"))) == 2

    def test_nobody_sees_one_half(self, tf, tmp_path, module, options, monkeypatch):
        waiting, go_on = threading.Event(), threading.Event()
        publish = saved.committed

        def slowly(*given):
            waiting.set()
            assert go_on.wait(60)
            return publish(*given)

        monkeypatch.setattr(saved, "committed", slowly)
        checkpoint = tcm.Checkpoint(module)
        path = checkpoint.save(str(tmp_path / "m"), options, keys="both")
        assert waiting.wait(60)  # TensorFlow has saved
        assert not list(tmp_path.glob("m-1*"))
        assert tf.train.latest_checkpoint(tmp_path) is None
        go_on.set()
        checkpoint.sync()
        check_both(tf, path)

    def test_a_collision_is_said_at_once(self, tf, tmp_path, options):
        checkpoint = tcm.Checkpoint(a=tf.Variable(1.0), b=tf.Variable(2.0))
        with pytest.raises(PlanError, match="'Variable' would be the name"):
            checkpoint.save(str(tmp_path / "m"), options, keys="both")


class TestTwins:
    def test_a_directory_of_twins(self, tf, tmp_path, module):
        checkpoint = tcm.Checkpoint(module)
        manager = tf.train.CheckpointManager(
            checkpoint.saving(twin_directory=tmp_path / "by_name"),
            str(tmp_path / "run"),
            max_to_keep=2,
        )
        for _ in range(4):
            path = manager.save()
        check_objects(tf, path)
        assert not names_in(path)
        twin = tf.train.latest_checkpoint(tmp_path / "by_name")
        assert twin == str(tmp_path / "by_name" / "ckpt-4")
        same_values(by_saver(tf, twin), EXPECTED)
        assert sorted(tcm.load_checkpoint(twin)) == sorted(EXPECTED)
        data = ".data-00000-of-00001"
        assert os.path.samefile(path + data, twin + data)
        # One more than is kept: an original goes after its successor is there.
        left = {file.name for file in (tmp_path / "by_name").glob("*.index")}
        assert left == {"ckpt-2.index", "ckpt-3.index", "ckpt-4.index"}

    def test_checkpoints_of_others_in_that_directory_stay(self, tf, tmp_path, module):
        serving = tmp_path / "serving"
        others = {}
        for name in ("model.ckpt-9", "ckpt-1"):
            others[name] = tcm.Checkpoint(module).write(
                str(serving / name), keys="name"
            )
            record_latest(str(serving / name))
        (serving / "ckpt-2").write_text("a file of the same name", encoding="utf-8")
        manager = tf.train.CheckpointManager(
            tcm.Checkpoint(module).saving(twin_directory=serving),
            str(tmp_path / "run"),
            max_to_keep=1,
        )
        for number in range(2, 6):
            manager.save(checkpoint_number=number)
        for prefix in others.values():
            assert tcm.verify_checkpoint(prefix).ok
        left = {file.name for file in serving.glob("*.index")}
        assert left == {f"{base}.index" for base in (*others, "ckpt-4", "ckpt-5")}
        assert (serving / "ckpt-2").exists()
        kept = [os.path.basename(each) for each in kept_beside(str(serving / "m"))]
        assert kept == ["model.ckpt-9", "ckpt-1", "ckpt-4", "ckpt-5"]

    def test_the_directory_itself(self, tf, tmp_path, module):
        with pytest.raises(OutputExistsError, match=r"is the directory of .* itself"):
            tcm.Checkpoint(module).write(str(tmp_path / "m"), twin_directory=tmp_path)
        assert not os.listdir(tmp_path)

    def test_within_a_function(self, tf, tmp_path, module):
        checkpoint = tcm.Checkpoint(module)
        prefix = str(tmp_path / "m")

        @tf.function
        def write():
            return checkpoint.write(prefix, twin_directory=tmp_path / "twins")

        write()
        same_values(by_saver(tf, str(tmp_path / "twins" / "m")), EXPECTED)
        check_objects(tf, prefix)


class TestPrefixes:
    def test_one_that_is_there_is_replaced(self, tf, tmp_path, module):
        checkpoint = tcm.Checkpoint(module).saving(keys="both")
        prefix = str(tmp_path / "m")
        for number in range(3):
            module.items[0].assign([number, number])
            checkpoint.write(prefix)
            same_values(by_saver(tf, prefix, ["net/b"]), {"net/b": [number, number]})
            assert len(list(tmp_path.glob("m.data-*"))) in (1, 2)

    def test_one_in_use_by_another_writer(self, tf, tmp_path, module):
        checkpoint = tcm.Checkpoint(module).saving(keys="both")
        prefix = str(tmp_path / "m")
        checkpoint.write(prefix)
        with saved.saved_aside(prefix):
            module.kernel.assign([[9.0, 9.0]])
            with pytest.raises(OutputInUseError, match="another writer is at work"):
                checkpoint.write(prefix)
            same_values(by_saver(tf, prefix, ["net/w"]), {"net/w": [[1.0, 2.0]]})
        checkpoint.write(prefix)
        same_values(by_saver(tf, prefix, ["net/w"]), {"net/w": [[9.0, 9.0]]})

    def test_one_that_tensorflow_cannot_write_to(self, tf, module):
        with pytest.raises(OutputPathError, match=r"memory://tests/m.*tcm\.convert"):
            tcm.Checkpoint(module).write("memory://tests/m", keys="both")

    def test_one_below_a_file(self, tf, tmp_path, module):
        (tmp_path / "file").write_text("", encoding="utf-8")
        with pytest.raises(OutputPathError, match="file' is not a directory") as error:
            tcm.Checkpoint(module).write(str(tmp_path / "file" / "m"), keys="both")
        assert isinstance(error.value, OSError)

    def test_one_below_folders_that_are_missing(self, tf, tmp_path, module):
        path = tcm.Checkpoint(module).write(
            str(tmp_path / "a" / "b" / "m"), keys="both"
        )
        check_both(tf, path)

    def test_one_without_a_basename(self, tf, tmp_path, module):
        path = tcm.Checkpoint(module).write(f"{tmp_path}/", keys="both")
        check_both(tf, path)

    def test_one_in_this_folder(self, tf, tmp_path, module, monkeypatch):
        monkeypatch.chdir(tmp_path)
        check_both(tf, tcm.Checkpoint(module).write("m", keys="both"))


def test_unbuilt_layers_and_what_comes_later(tf, tmp_path):
    model = sequential(tf, built=False)
    checkpoint = tcm.Checkpoint(model=model).saving(keys="both")
    first = checkpoint.save(str(tmp_path / "m"))
    assert not names_in(first)
    model.build((None, 2))
    assert len(names_in(checkpoint.save(str(tmp_path / "m")))) == 6
