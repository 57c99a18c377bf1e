"""Objects of a program, seen as the checkpoint that they would write.

One notion serves everything that values can be restored into: variables in a list or
dict, a ``tf.Module``, a ``tf.train.Checkpoint``, layers, models and optimizers of any
of the three Keras. Keys and object graph are those that ``tf.train.Checkpoint(object)``
saves, so edges between objects decide, never the text of a key: Keras 3 saves weights
of a model below its optimizer. What TensorFlow does not reach has keys of the same
form, and so have Keras 3 objects that compute with JAX or PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.object_graph import ObjectGraph
from tf_ckpt_migrate.conversion.graph_build import built_graph
from tf_ckpt_migrate.conversion.layout import guide_key
from tf_ckpt_migrate.errors import GraphModeError
from tf_ckpt_migrate.live.framework import (
    is_eager,
    keras_without_tensorflow,
    tensorflow,
)
from tf_ckpt_migrate.live.parts import Parts
from tf_ckpt_migrate.live.private import SavedTensor
from tf_ckpt_migrate.live.roots import root_of
from tf_ckpt_migrate.live.settings import settings_of, settings_of_layer
from tf_ckpt_migrate.live.unbuilt import is_layer, unbuilt_error, unbuilt_layers
from tf_ckpt_migrate.live.variables import (
    is_variable,
    name_of,
    spec_of_variable,
    value_of,
    within,
)
from tf_ckpt_migrate.naming.keys import SAVE_COUNTER_KEY, parse_object_key

if TYPE_CHECKING:
    import numpy as np

    from tf_ckpt_migrate.recipes.layer_defaults import KerasSettings, LayerSettings

__all__ = ["LiveTarget", "built_target"]


class LiveTarget:
    """What objects of this program would save, by key; a `CheckpointView`.

    Args:
      target: The objects; `root_of` says what they may be.
      counted: Whether the counter of saves is made if there is none so far.

    Attributes:
      prefix: What to call them.
      bundle: None: no file has the bytes.
      files: None, therefore.
      variables: Every variable by its key.
      given_names: Of variables that were given in a dict or list, by their keys.
      left_out: The keys of variables that ``tf.train.Checkpoint`` does not reach, as
        Keras 3 keeps their layers in a list or dict; it neither saves nor restores
        them.

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
        self.prefix: str = root.description
        names = {guide_key(name): name for name in root.variables}
        self.given_names: dict[str, str] = names
        self._saved = root.saved
        self.variables: Mapping[str, Any] = {}
        self._others: Mapping[str, SavedTensor] = {}
        self.left_out: frozenset[str] = frozenset()
        if self._saved is None:
            keys = zip(self.given_names, root.variables.values(), strict=True)
            self.variables = dict(keys)
            if counted and is_eager() and not keras_without_tensorflow():
                self.variables[SAVE_COUNTER_KEY] = _new_counter()
        else:
            tensors = self._saved.tensors
            mine = {each.key: each.owner for each in tensors if is_variable(each.owner)}
            self.variables = mine
            self.left_out = self._saved.left_out
            self._others = {each.key: each for each in tensors if each.key not in mine}

    @property
    def object_graph(self) -> ObjectGraph:
        """The graph that ``tf.train.Checkpoint(target).save`` would write."""
        return self._graph

    @cached_property
    def _graph(self) -> ObjectGraph:
        if self._saved is not None:
            names = {key: name_of(each) for key, each in self.variables.items()}
            return _NamedGraph(self._saved.graph, self.prefix, names)
        parsed = ((key, parse_object_key(key)) for key in self.variables)
        names = {key: name_of(variable) for key, variable in self.variables.items()}
        keys = [(key, path, names[key]) for key, path in parsed if path]
        return ObjectGraph(built_graph(keys), self.prefix)

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
        if self._saved is None:
            return
        missing = unbuilt_layers(self._saved.objects)
        if missing:
            raise unbuilt_error(map(self._saved.path_of, missing), self.prefix)

    def optimizer_settings(self, path: str) -> KerasSettings | None:
        """Return the settings of the Keras optimizer at a path; None for what is none.

        Raises:
          GraphModeError: If a graph is being built.
        """
        if not is_eager():
            raise GraphModeError(
                "a recipe for an optimizer asks that of Keras for its settings, which "
                "it has only in eager mode; call this outside of the graph"
            )
        found = self.objects_by_path(lambda each: hasattr(each, "get_config"))
        return settings_of(found[path]) if path in found else None

    def layer_settings(self) -> tuple[dict[str, LayerSettings], list[LayerSettings]]:
        """Return the settings of the innermost layer of each key, and of all layers."""
        if self._saved is None:
            return {}, []
        layers = [each for each in self._saved.objects if is_layer(each)]
        found: dict[int, LayerSettings] = {}
        # A layer has the variables of those within it, which come later. What a cell
        # has is said of the layer that it belongs to.
        cells = {id(getattr(each, "cell", None)) for each in layers}
        layers = [each for each in layers if id(each) not in cells]
        every = [settings_of_layer(each) for each in layers]
        for layer, settings in zip(layers, every, strict=True):
            found.update((id(within(each)), settings) for each in layer.weights)
        by_key = {
            key: found[id(within(variable))]
            for key, variable in self.variables.items()
            if id(within(variable)) in found
        }
        return by_key, every

    def objects_by_path(self, is_wanted: Callable[[object], bool]) -> dict[str, Any]:
        """Return the objects that ``is_wanted`` says, by their paths from the root."""
        if self._saved is None:
            return {}
        path_of = self._saved.path_of
        found = [each for each in self._saved.objects if is_wanted(each)]
        return {path_of(each).replace(".", "/"): each for each in found}

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
            if isinstance(variable, Parts):
                found.update((id(part), key) for part in variable.parts)
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


class _NamedGraph(ObjectGraph):
    """The graph, in which variables go by the names that their users know.

    Keras 3 calls a variable ``net/dense/kernel``, and the one of TensorFlow within it
    ``net/kernel`` if the layer was built by a call of the model.
    """

    def __init__(self, serialized: bytes, where: str, names: Mapping[str, str]) -> None:
        super().__init__(serialized, where)
        self._names = names

    def full_names(self) -> dict[str, str]:
        return {**super().full_names(), **self._names}


def _new_counter() -> Any:
    tf = tensorflow()
    return tf.Variable(0, dtype=tf.int64, name="save_counter", trainable=False)


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
