"""Objects of a program, seen as the checkpoint that they would write.

One notion serves everything that values can be restored into: variables in a list or
dict, a ``tf.Module``, a ``tf.train.Checkpoint``, layers, models and optimizers of any
of the three Keras. Keys and object graph are those that ``tf.train.Checkpoint(object)``
saves, so edges between objects decide, never the text of a key: Keras 3 saves weights
of a model below its optimizer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.object_graph import ObjectGraph
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.private import SavedTensor, saved_by
from tf_ckpt_migrate.live.roots import root_of
from tf_ckpt_migrate.live.unbuilt import unbuilt_error, unbuilt_layers
from tf_ckpt_migrate.live.variables import is_variable, spec_of_variable, value_of

if TYPE_CHECKING:
    import numpy as np

__all__ = ["LiveTarget", "built_target"]


class LiveTarget:
    """What objects of this program would save, by key; a `CheckpointView`.

    Args:
      target: The objects; `root_of` says what they may be.
      counted: Whether the counter of saves is made if there is none so far.

    Attributes:
      prefix: What to call them.
      object_graph: The graph that ``tf.train.Checkpoint(target).save`` would write.
      bundle: None: no file has the bytes.
      files: None, therefore.
      variables: Every variable by its key.
      given_names: Of variables that were given in a dict or list, by their keys.

    Raises:
      TargetError: If they are none that could be restored.

    Example:
      >>> import tensorflow as tf
      >>> target = LiveTarget({"net/w": tf.Variable([1.0, 2.0])})
      >>> target.prefix, str(target.specs["vars/net.Sw/.ATTRIBUTES/VARIABLE_VALUE"])
      ('a dict of 1 variable', 'float32[2]')
    """

    bundle = None
    files: tuple[str, ...] = ()

    def __init__(self, target: object, *, counted: bool = True) -> None:
        """Walk the objects."""
        root = root_of(target, counted=counted)
        saved = saved_by(root.checkpoint)
        self.prefix = root.description
        self.given_names = root.names
        self._saved = saved
        self.object_graph = ObjectGraph(saved.graph, root.description)
        self.variables: Mapping[str, Any] = {
            tensor.key: tensor.owner
            for tensor in saved.tensors
            if is_variable(tensor.owner)
        }
        self._others: Mapping[str, SavedTensor] = {
            tensor.key: tensor
            for tensor in saved.tensors
            if tensor.key not in self.variables
        }

    @property
    def specs(self) -> Mapping[str, TensorSpec]:
        """Dtype and shape of every tensor, the state of tables and iterators too."""
        return self._specs

    @cached_property
    def _specs(self) -> Mapping[str, TensorSpec]:
        specs = {key: spec_of_variable(each) for key, each in self.variables.items()}
        for key in self._others:
            tensor = self._tensor(key)
            dtype = DType(tensor.dtype.as_datatype_enum)
            specs[key] = TensorSpec(dtype, tuple(tensor.shape))
        return specs

    def check_built(self) -> None:
        """Check that every Keras layer has its variables.

        Raises:
          UnbuiltTargetError: If one has not.
        """
        missing = unbuilt_layers(self._saved.objects)
        if missing:
            raise unbuilt_error(map(self._saved.path_of, missing), self.prefix)

    def keys_of(self, variables: Iterable[object]) -> list[str]:
        """Return the keys of variables that are given as objects.

        Raises:
          KeyError: For one that is not among those of the target.
        """
        return [self._keys_by_id[id(variable)] for variable in variables]

    @cached_property
    def _keys_by_id(self) -> Mapping[int, str]:
        found: dict[int, str] = {}
        for key, variable in self.variables.items():
            found[id(variable)] = key
            # The variable within a variable of Keras 3.
            found.setdefault(id(getattr(variable, "value", None)), key)
        return found

    def __contains__(self, key: object) -> bool:
        return key in self.variables or key in self._others

    def __getitem__(self, key: str) -> np.ndarray[Any, Any]:
        if key in self.variables:
            return value_of(self.variables[key])
        return value_of(self._tensor(key))

    def _tensor(self, key: str) -> Any:
        value = self._others[key].value
        value = value() if callable(value) else value
        return tensorflow().convert_to_tensor(value)


def built_target(target: object) -> LiveTarget:
    """Return objects as a target that is known to have all its variables.

    Raises:
      UnbuiltTargetError: If a layer has none yet.
      TargetError: If they are none that could be restored.

    Example:
      >>> import tensorflow as tf
      >>> built_target([tf.Variable(1.0, name="w")]).prefix
      'a list of 1 variable'
    """
    live = LiveTarget(target)
    live.check_built()
    return live
