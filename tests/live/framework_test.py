import subprocess
import sys

WITHOUT = """
import sys
sys.modules["tensorflow"] = None
import tf_ckpt_migrate as tcm
from tf_ckpt_migrate.conversion.example import example_checkpoint
assert {"restore", "Saver", "Checkpoint"} <= {*dir(tcm)}
with example_checkpoint({"w": [1]}) as prefix:
    for call in (
        lambda: tcm.restore(prefix, object()),
        lambda: tcm.convert_tf1_to_tf2(prefix, prefix + "-2", target=object()),
        lambda: tcm.Saver,
        lambda: tcm.Checkpoint,
    ):
        try:
            call()
        except tcm.errors.TensorFlowNotFoundError as error:
            assert isinstance(error, ImportError)
            print(error)
"""


def test_without_tensorflow_the_error_says_what_to_install():
    command = [sys.executable, "-c", WITHOUT]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    assert all('pip install "tf_ckpt_migrate[tf]"' in line for line in lines)


def test_importing_the_package_does_not_import_tensorflow():
    code = "import tf_ckpt_migrate as t, sys; t.restore; dir(t); print(*sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "tensorflow" not in done.stdout.split()
