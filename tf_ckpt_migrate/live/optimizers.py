"""Optimizers of every Keras, their settings and what they remember, by role.

Legacy ones are asked by ``get_slot``. The others number their variables, in an order
that settings change; there the name of a slot, which has that of its variable in it,
tells whose it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from tf_ckpt_migrate.errors import PlanError, capped
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.live.variables import name_of
from tf_ckpt_migrate.names.keys import ATTRIBUTES, VARIABLE_VALUE
from tf_ckpt_migrate.names.slots import role_of
from tf_ckpt_migrate.recipes.optimizer_kinds import Flavor
from tf_ckpt_migrate.recipes.verdicts import LiveSettings

__all__ = ["LiveOptimizer", "embeddings_of", "live_optimizer"]

# What an optimizer that scales the loss keeps, in Keras 3 and in Keras 2.
_OF_SCALING = ("step_counter", "dynamic_scale", "current_loss_scale", "good_steps")
_VALUE_END = f"/{ATTRIBUTES}/{VARIABLE_VALUE}"


class LiveOptimizer(NamedTuple):
    """An optimizer of a target.

    Attributes:
      path: Where it is in the target.
      optimizer: The object.
      settings: What it was given.
      iterations: The key of its count of steps.
      hyperparameters: The keys of those that are variables.
    """

    path: str
    optimizer: Any
    settings: LiveSettings
    iterations: str
    hyperparameters: tuple[str, ...]

    def slot_keys(
        self, live: LiveTarget, names: Mapping[str, str]
    ) -> dict[str, dict[str, str]]:
        """Return the keys of slots: by the key of a variable, by the slot of TF1.

        Args:
          live: The target.
          names: What it calls the slots, by the slots of TF1.

        Raises:
          PlanError: If two variables have one name, so that no one can tell.
        """
        find = _legacy_finder(self.optimizer)
        if self.settings.flavor != "legacy":
            find = _name_finder(self.optimizer)
        found: dict[str, dict[str, str]] = {}
        for key, variable in live.variables.items():
            slots = {tf1: find(variable, name) for tf1, name in names.items()}
            mine = {t: live.keys_of([s])[0] for t, s in slots.items() if s is not None}
            if mine:
                found[key] = mine
        _check_told_apart(found, live)
        return found


def live_optimizer(live: LiveTarget, path: str) -> LiveOptimizer:
    """Return the optimizer of a target that is at a path, such as ``"optimizer"``.

    Raises:
      PlanError: If there is none.

    Example:
      >>> import tensorflow as tf
      >>> sgd = tf.keras.optimizers.SGD(0.5)
      >>> sgd.build([tf.Variable(1.0)])
      >>> found = live_optimizer(LiveTarget(tf.train.Checkpoint(opt=sgd)), "opt")
      >>> found.settings.keras_class, found.settings.learning_rate
      ('SGD', 0.5)
    """
    found = live.objects_by_path(_is_optimizer)
    if path not in found:
        there = ", ".join(capped(map(repr, found))) or "none"
        raise PlanError(
            f"{live.prefix} has no Keras optimizer at {path!r}; those that it has are "
            f"at: {there}. Restore into tf.train.Checkpoint(model=model, "
            "optimizer=optimizer), or a compiled model, whose is at 'optimizer'"
        )
    # What scales the loss for mixed precision wraps the one that has the slots.
    optimizer = getattr(found[path], "inner_optimizer", found[path])
    iterations = live.keys_of([optimizer.iterations])[0]
    own = [key for key in live.variables if key.startswith(f"{path}/")]
    own.remove(iterations)
    hyperparameters = (key for key in own if _is_setting(key, live))
    return LiveOptimizer(
        path, optimizer, _settings(optimizer), iterations, tuple(hyperparameters)
    )


def embeddings_of(live: LiveTarget) -> list[str]:
    """Return the keys of the variables whose gradients are sparse, as layers tell.

    Example:
      >>> import tensorflow as tf
      >>> table = tf.keras.layers.Embedding(3, 2)
      >>> table.build(None)
      >>> live = LiveTarget(tf.train.Checkpoint(table=table, w=tf.Variable(1.0)))
      >>> [tuple(live.variables[key].shape) for key in embeddings_of(live)]
      [(3, 2)]
    """
    layers = live.objects_by_path(_is_embedding).values()
    variables = [each for layer in layers for each in layer.trainable_variables]
    return live.keys_of(variables)


def _is_embedding(candidate: object) -> bool:
    names = {each.__name__ for each in type(candidate).__mro__}
    return {"Embedding", "Layer"} <= names


def _is_setting(key: str, live: LiveTarget) -> bool:
    name = key.removesuffix(_VALUE_END).rpartition("/")[2]
    return name in _OF_SCALING or role_of(key, live.variables) in ("optimizer", "step")


def _is_optimizer(candidate: object) -> bool:
    wanted = ("get_config", "apply_gradients", "iterations", "learning_rate")
    return all(hasattr(type(candidate), name) for name in wanted[:2]) and all(
        hasattr(candidate, name) for name in wanted[2:]
    )


def _settings(optimizer: Any) -> LiveSettings:
    config = optimizer.get_config()
    rate = _plain(config["learning_rate"])
    is_constant = isinstance(rate, int | float) and not config.get("decay")
    return LiveSettings(
        type(optimizer).__name__,
        _flavor(optimizer),
        {name: _plain(value) for name, value in config.items()},
        float(rate) if is_constant else None,
    )


def _plain(value: Any) -> Any:
    """Return a setting as a number of Python: as it was written, before float32."""
    number = value.item() if hasattr(value, "item") else value
    return float(f"{number:.7g}") if isinstance(number, float) else number


def _flavor(optimizer: Any) -> Flavor:
    if hasattr(optimizer, "get_slot"):
        return "legacy"
    return "keras_3" if hasattr(optimizer, "stateless_apply") else "tf_keras"


def _legacy_finder(optimizer: Any) -> Any:
    def find(variable: Any, name: str) -> Any:
        try:
            return optimizer.get_slot(variable, name)
        except (KeyError, AttributeError):  # it has no slots, or is no such variable
            return None

    return find


def _name_finder(optimizer: Any) -> Any:
    variables = optimizer.variables
    listed: Any = variables() if callable(variables) else variables
    by_name: dict[str, Any] = {}
    twice: set[str] = set()
    for each in listed:
        name = _slot_name(each)
        if name in by_name:
            twice.add(name)
        by_name[name] = each

    def find(variable: Any, name: str) -> Any:
        own = name_of(variable)
        whole = str(variable.name).replace(":", "_")  # of what is no variable of Keras
        in_keras_3 = [f"{n.replace('/', '_')}_{name}" for n in (own, whole)]
        for candidate in (f"{name}/{own}", *in_keras_3):
            if candidate in twice:
                raise PlanError(
                    f"several slots of the optimizer are called {candidate!r}, as "
                    "their variables are called alike; give each a name of its own"
                )
            if candidate in by_name:
                return by_name[candidate]
        return None

    return find


def _slot_name(variable: Any) -> str:
    """Return the name of a slot; Keras 3 puts that of the optimizer before it."""
    name = name_of(variable)
    return name.rpartition("/")[2] if hasattr(variable, "path") else name


def _check_told_apart(found: Mapping[str, Mapping[str, str]], live: LiveTarget) -> None:
    owners: dict[str, list[str]] = defaultdict(list)
    for key, slots in found.items():
        for slot in slots.values():
            owners[slot].append(name_of(live.variables[key]))
    doubtful = [
        repr(name) for names in owners.values() if len(names) > 1 for name in names
    ]
    if doubtful:
        raise PlanError(
            "no one can tell whose slots are whose, as variables are called alike: "
            f"{', '.join(capped(doubtful))}; give each a name of its own"
        )
