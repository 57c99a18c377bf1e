"""Variables that a symbolic build of Keras 3 declares, and makes when it is over.

TensorFlow restores a variable when it is attached to its layer. At that time a declared
one has no value to replace: TensorFlow fails, Keras takes that for a build that cannot
be symbolic and builds once more, and the second time nothing is restored any more. So
what waits for a declared variable is given to it as its initial value.
"""

from __future__ import annotations

from typing import Any

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.live.private import give_when_declared
from tf_ckpt_migrate.live.watching import watch

__all__ = ["restore_declared"]


def restore_declared(reader: CheckpointReader, checkpoint: Any) -> None:
    """Let variables that are declared later have the values that wait for them.

    Args:
      reader: The checkpoint, which TensorFlow is restoring.
      checkpoint: The ``tf.train.Checkpoint`` that is restored.
    """

    def attached(owner: Any, _: object = None) -> None:
        give_when_declared(owner, reader.__getitem__)

    for owner in watch(checkpoint, attached):
        attached(owner)
