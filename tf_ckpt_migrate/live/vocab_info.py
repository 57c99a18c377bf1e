"""``tf.compat.v1.train.VocabInfo``: what `warm_start` is told of vocabularies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import RuleError
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.transforms import Vocabulary

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["mended", "vocabulary_of"]


def mended(
    infos: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Any]:
    """Return what TensorFlow is told in a graph, with initializers that it can call.

    It asks for new values as a column, whose length only the session knows: one that
    scales by the fans fails, and would scale by those of the column. Such a one is
    given the shape of the variable, of which as many values are taken as are wanted.

    Args:
      infos: By the name of the variable.
      shapes: Of variables, by name.
    """
    return {
        name: info._replace(backup_initializer=_by_fans(info, shapes[name]))
        if name in shapes and hasattr(info.backup_initializer, "mode")
        else info
        for name, info in infos.items()
    }


def _by_fans(info: Any, whole: tuple[int, ...]) -> Callable[..., Any]:
    tf = tensorflow()
    calls = count()

    def initializer(shape: Any, dtype: Any = None, **_: Any) -> Any:
        made = info.backup_initializer(whole, dtype or tf.float32)
        values, number = tf.reshape(made, [-1]), next(calls)
        if number:  # with a seed it makes the same again for each part, and for buckets
            values = tf.random.shuffle(values, seed=number)
        return tf.reshape(values[: tf.reduce_prod(shape)], shape)

    return initializer


def vocabulary_of(info: Any, spec: TensorSpec) -> Vocabulary:
    """Return what is done to a tensor as TensorFlow would do it.

    Args:
      info: A ``VocabInfo``. Buckets for words out of the vocabulary are new, whatever
        there were.
      spec: Of the tensor in the checkpoint.

    Raises:
      RuleError: If it is none.
      TransformError: If a vocabulary is not well formed, or does not fit.
    """
    if not hasattr(info, "new_vocab"):
        raise RuleError(f"a vocabulary is given as a VocabInfo, not {info!r}")
    made = _Warmed.from_files(
        info.old_vocab,
        info.new_vocab,
        old_vocab_size=None if info.old_vocab_size == -1 else info.old_vocab_size,
        new_vocab_size=info.new_vocab_size,
        num_oov_buckets=info.num_oov_buckets,
        axis=info.axis or 0,
        keep_buckets=False,
        make=info.backup_initializer,
        old_num_oov_buckets=0,
    )
    return made.with_buckets(spec)


@dataclass(frozen=True, repr=False)
class _Warmed(Vocabulary):
    """Gets new entries from an initializer of TensorFlow, or zeros."""

    make: Callable[..., Any] | None = None

    def _initial(self, missing: Array, result: Array, first: Array) -> Array:
        if self.make is None:
            return super()._initial(missing, result, first)
        import numpy as np

        made = self.make(result.shape, dtype=tensorflow().as_dtype(result.dtype))
        return np.moveaxis(np.asarray(made), self.axis, 0)[missing]
