"""Defaults of layers that differ between TF1 and Keras, and that no checkpoint stores.

Values that fit are no proof that a layer computes the same: an LSTM whose gates have
another activation takes the same weights. Each kind of difference is one note, stated
where the names in the checkpoint, or the layers of the target, make it relevant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import capped
from tf_ckpt_migrate.recipes.optimizer_kinds import Flavor

__all__ = ["KerasSettings", "LayerSettings", "bias_notes", "layer_notes"]


# The epsilon of normalizations, by the scope or the variable name that TF1's layer has.
_EPSILONS: Mapping[str, tuple[str, float]] = {
    "LayerNorm": ("contrib.layers.layer_norm", 1e-12),
    "GroupNorm": ("contrib.layers.group_norm", 1e-6),
    "InstanceNorm": ("contrib.layers.instance_norm", 1e-6),
    "layer_norm_scale": ("Tensor2Tensor's layer_norm", 1e-6),
}
_STORED = "no checkpoint stores it"


class LayerSettings(NamedTuple):
    """The settings of a live layer that a note may be about.

    Attributes:
      name: The name of the layer.
      kind: Its class.
      is_keras_3: Whether it is a layer of Keras 3.
      values: Its settings by name; of a function its name.
    """

    name: str
    kind: str
    is_keras_3: bool
    values: Mapping[str, Any]


# Names of TF1's variables, each with the layer of the target that gets its value.
_Pairs: TypeAlias = Iterable[tuple[str, LayerSettings | None]]


def bias_notes(
    specs: Mapping[str, TensorSpec], layers: Iterable[LayerSettings]
) -> list[str]:
    """Return notes on GRU layers whose biases cannot take those of TF1's.

    A GRU of TF1's Keras has one bias for each unit, that of Keras today has two.

    Args:
      specs: Dtype and shape of the tensors of a TF1 checkpoint.
      layers: The settings of the target's layers.
    """
    if not any(
        key.endswith("/recurrent_kernel")
        and len(spec.shape) == 2
        and spec.shape[1] == 3 * spec.shape[0]
        for key, spec in specs.items()
    ):
        return []
    grus = [each for each in layers if each.values.get("reset_after") is True]
    notes = layer_notes([("gru/recurrent_kernel", each) for each in grus])
    return [note for note in notes if "reset_after" in note]


def layer_notes(
    pairs: _Pairs,
    layers: Iterable[LayerSettings] = (),
) -> list[str]:
    """Return a note for each kind of default that may make the outputs differ.

    Args:
      pairs: The names of TF1's variables, each with the layer of the target that gets
        its value; None where that is not known, as of a checkpoint.
      layers: All layers of the target, those without variables too.

    Example:
      >>> settings = {"recurrent_activation": "sigmoid"}
      >>> lstm = LayerSettings("rnn", "LSTM", False, settings)
      >>> for note in layer_notes([("lstm/recurrent_kernel", lstm)]):
      ...     print(note)
      TF1's tf.keras LSTM and GRU layers have recurrent_activation='hard_sigmoid' by ...
    """
    found = [*pairs]
    every = [*layers]
    return [
        *_recurrent(found),
        *_reset_after(found),
        *_batch_norm(found),
        *_epsilon(found),
        *_hard_sigmoid(found, every),
        *_gelu(every),
        *_leaky(every),
    ]


def _recurrent(pairs: _Pairs) -> Iterator[str]:
    taken = [
        (_scope(source), layer)
        for source, layer in pairs
        if _last(source) == "recurrent_kernel"
        and (layer is None or layer.values.get("recurrent_activation") == "sigmoid")
    ]
    if taken:
        yield (
            "TF1's tf.keras LSTM and GRU layers have recurrent_activation="
            f"'hard_sigmoid' by default, {_here(taken, 'sigmoid')}; {_STORED}. Unless "
            "the TF1 program set it, build the layers with recurrent_activation="
            f"{_hard(taken)}"
        )


def _hard(taken: _Pairs) -> str:
    if not any(layer is not None and layer.is_keras_3 for _, layer in taken):
        return "'hard_sigmoid'"
    return (
        "lambda x: keras.ops.clip(0.2 * x + 0.5, 0, 1), as hard_sigmoid of Keras 3 is "
        "another function"
    )


def _reset_after(pairs: _Pairs) -> Iterator[str]:
    taken = [
        (_scope(source), layer)
        for source, layer in pairs
        if _last(source) == "recurrent_kernel"
        and layer is not None
        and layer.values.get("reset_after") is True
    ]
    if taken:
        yield (
            "TF1's tf.keras GRU layers have reset_after=False by default, "
            f"{_here(taken, 'True')}; {_STORED}. Unless the TF1 program set it, build "
            "the layers with reset_after=False"
        )


def _batch_norm(pairs: _Pairs) -> Iterator[str]:
    taken = [
        (_scope(source), layer)
        for source, layer in pairs
        if _is_scope(source, "BatchNorm") and _last(source) == "moving_mean"
    ]
    if taken:
        settings = {
            f"epsilon={layer.values['epsilon']:g} and "
            f"momentum={layer.values['momentum']:g}": None
            for _, layer in taken
            if layer is not None and {"epsilon", "momentum"} <= {*layer.values}
        }
        has = " or ".join(settings) or "epsilon=0.001 and momentum=0.99 by default"
        yield (
            "TF1's contrib.layers.batch_norm has epsilon=0.001 and decay=0.999 by "
            "default, slim's ResNets have epsilon=1e-05 and decay=0.997, the target "
            f"has {has}; no checkpoint stores them. Set epsilon as the TF1 program "
            "did, and to train further, momentum to its decay"
        )


def _epsilon(pairs: _Pairs) -> Iterator[str]:
    taken = [*pairs]
    for mark, (function, epsilon) in _EPSILONS.items():
        own = [
            (_scope(source), layer)
            for source, layer in taken
            if _last(source) == mark
            or (_is_scope(source, mark) and _last(source) == "gamma")
        ]
        own = [
            each
            for each in own
            if each[1] is None
            or each[1].values.get("epsilon", epsilon) not in (None, epsilon)
        ]
        if own:
            values = {f"{e[1].values['epsilon']:g}" for e in own if e[1] is not None}
            has = _here(own, " or ".join(sorted(values)) or "0.001")
            yield (
                f"TF1's {function} has epsilon={epsilon:g}, {has}; {_STORED}. Build "
                f"the layers with epsilon={epsilon:g}"
            )


def _hard_sigmoid(pairs: _Pairs, layers: Iterable[LayerSettings]) -> Iterator[str]:
    fed = [layer for _, layer in pairs if layer is not None]
    own = {
        layer.name: None
        for layer in (*fed, *layers)
        if layer.is_keras_3 and "hard_sigmoid" in layer.values.values()
    }
    if own:
        yield (
            "hard_sigmoid of Keras 3 is clip(x / 6 + 0.5, 0, 1), TF1's is clip(0.2 * x "
            f"+ 0.5, 0, 1): for {_quoted(own)} use "
            "lambda x: keras.ops.clip(0.2 * x + 0.5, 0, 1)"
        )


def _gelu(layers: Iterable[LayerSettings]) -> Iterator[str]:
    own = {
        layer.name: None
        for layer in layers
        if layer.values.get("activation") == "gelu"
        and layer.values.get("approximate", False) is False
    }
    if own:
        yield (
            "TF1 has no gelu of its own: many programs, as BERT's and GPT-2's, compute "
            f"it by tanh, {_quoted(own)} by erf; {_STORED}. For gelu by tanh use "
            "lambda x: tf.nn.gelu(x, approximate=True)"
        )


def _leaky(layers: Iterable[LayerSettings]) -> Iterator[str]:
    own = {
        layer.name: None
        for layer in layers
        if layer.kind == "LeakyReLU"
        and any(
            abs(float(layer.values.get(name, 0.0)) - 0.3) < 1e-6
            for name in ("alpha", "negative_slope")
        )
    }
    if own:
        yield (
            "tf.nn.leaky_relu has the slope alpha=0.2 by default, "
            f"{_quoted(own)} 0.3; {_STORED}"
        )


def _here(taken: _Pairs, value: str) -> str:
    """Return what the layers of the target have."""
    names = dict.fromkeys(layer.name for _, layer in taken if layer is not None)
    if not names:
        return f"those of TF2 {value}"
    return f"{_quoted(names)} {'have' if len(names) > 1 else 'has'} {value}"


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(capped(map(repr, names), 3))


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _scope(name: str) -> str:
    return name.rpartition("/")[0]


def _is_scope(name: str, mark: str) -> bool:
    """Return whether a variable is in a scope of this name, or `…_1` of it."""
    base, _, number = _last(_scope(name)).rpartition("_")
    return _last(_scope(name)) == mark or (base == mark and number.isdigit())


class KerasSettings(NamedTuple):
    """The settings of an optimizer of Keras.

    Attributes:
      keras_class: Its class.
      flavor: Of which Keras it is.
      values: Its configuration, by Keras's names.
      learning_rate: What it is now; None under a schedule.
      supposed: Which of its settings nobody knows, as those of one on file; where
        ``values`` has them they are as TF1 had them.
      dense_gradients: Whether the gradient of an embedding has all rows, as with every
        backend but TensorFlow.
    """

    keras_class: str
    flavor: Flavor
    values: Mapping[str, Any]
    learning_rate: float | None
    supposed: tuple[str, ...] = ()
    dense_gradients: bool = False
