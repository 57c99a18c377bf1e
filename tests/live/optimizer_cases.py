"""Optimizers of TF1, and those of Keras that go on: rows of ``docs/optimizers.md``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from tests.live.resumed import longest_step

__all__ = ["OF_KERAS", "OF_TF1", "SPARSE", "Case", "check_approximate", "tolerance"]

_NONE: Mapping[str, Any] = MappingProxyType({})


class Case(NamedTuple):
    """What went on from where.

    Attributes:
      tf1: What trained in TF1, as the page has it.
      keras: What goes on, as the page has it.
      golden: The checkpoint, less ``resume_``.
      name: What the recipe calls it.
      settings: What the optimizer of Keras is given; what can be called is given
        TensorFlow.
      told: What the recipe says.
      spares_bias: Whether the bias does not decay.
      flavors: The Kerases that take these settings.
    """

    tf1: str
    keras: str
    golden: str
    name: str
    settings: Mapping[str, Any]
    told: Mapping[str, Any] = _NONE
    spares_bias: bool = False
    flavors: tuple[str, ...] = ("legacy", "tf_keras", "keras_3")

    @property
    def keras_class(self) -> str:
        """The class of Keras."""
        return self.keras.partition("(")[0]

    @property
    def id(self) -> str:
        """What a test is called by it."""
        return f"{self.golden} to {self.keras}"

    def made(self, tf: Any, flavor: str, module: Any) -> Any:
        """Return the optimizer of Keras; None where there is no such."""
        if flavor not in self.flavors or not hasattr(module, self.keras_class):
            return None
        settings = {
            name: value(tf) if isinstance(value, Callable) else value
            for name, value in self.settings.items()
        }
        optimizer = getattr(module, self.keras_class)(**settings)
        if self.spares_bias:
            optimizer.exclude_from_weight_decay(var_names=["bias"])
        return optimizer


def tolerance(case: Case) -> float:
    """The fraction of the largest weight that rounding may come to in 20 steps.

    An optimizer that corrects a bias divides by ``1 - beta2**t``. Keras rounds that
    power once, TF1 at every step; the difference, half a unit in the last place of 1,
    is divided by 0.008 after 8 steps, and the root halves what that is of a step.
    Nadam's product of momenta, of powers that processors round each in its way, is
    rounded as often: as much again.
    """
    is_bert = case.name == "AdamWeightDecay"
    corrects_bias = case.keras_class in ("Adam", "AdamW", "Nadam") and not is_bert
    if not corrects_bias:
        return 1e-6
    return 2**-24 / (1 - 0.999**8) / (1 if case.keras_class == "Nadam" else 2)


def check_approximate(
    case: Case, verdicts: Iterable[Any], apart: float, record: Mapping[str, Any]
) -> None:
    """Check that bounds are kept, and that what has none is off indeed.

    Args:
      case: What went on.
      verdicts: Of the restore.
      apart: How far the weights are from those of TF1.
      record: What TF1 did.
    """
    doubtful = [each for each in verdicts if each.kind == "approximate"]
    far = sum(each.how_far for each in doubtful)
    assert apart <= len(record["losses"]) * far * longest_step(record) + 1e-6
    assert far < float("inf") or apart > tolerance(case)
    assert all(each.instead for each in doubtful)


def _scheduled(tf: Any) -> Any:
    return tf.keras.optimizers.schedules.ExponentialDecay(0.05, 10, 0.9)


def _inverse_time(tf: Any) -> Any:
    return tf.keras.optimizers.schedules.InverseTimeDecay(0.05, 1, 0.1)


_EXACT_ADAM = {"learning_rate": 0.1, "epsilon": 1e-8}
_RATE = {"learning_rate": 0.05}
_SGD = {"learning_rate": 0.05, "momentum": 0.9}
_ADAMW = {"learning_rate": 0.1, "epsilon": 1e-8}
_BERT = {"learning_rate": 0.05, "weight_decay": 0.01, "epsilon": 1e-6}
_RMS = {"learning_rate": 0.01, "momentum": 0.9, "epsilon": 1e-3}

OF_TF1 = (
    Case(
        "`GradientDescent`",
        "SGD()",
        "gradient_descent",
        "GradientDescent",
        {"learning_rate": 0.1},
    ),
    Case("`Momentum`", "SGD(momentum=0.9)", "momentum", "Momentum", _SGD),
    Case(
        "`Momentum(use_nesterov=True)`",
        "SGD(momentum=0.9, nesterov=True)",
        "nesterov",
        "Momentum",
        {**_SGD, "nesterov": True},
        {"use_nesterov": True, "momentum": 0.9},
    ),
    Case(
        "`Momentum`, then a schedule",
        "SGD(schedule, momentum=0.9)",
        "momentum",
        "Momentum",
        {"learning_rate": _scheduled, "momentum": 0.9},
    ),
    Case("`Adam`", "Adam(epsilon=1e-8)", "adam", "Adam", _EXACT_ADAM),
    Case('`Adam(name="opt")`', "Adam(epsilon=1e-8)", "adam_named", "opt", _EXACT_ADAM),
    Case("`Adam`", "Adam()", "adam", "Adam", {"learning_rate": 0.1}),
    Case("`Adam`", "Adam(amsgrad=True)", "adam", "Adam", {"amsgrad": True}),
    Case(
        "`Adagrad`",
        "Adagrad(epsilon=1e-30)",
        "adagrad",
        "Adagrad",
        {"learning_rate": 0.5, "epsilon": 1e-30},
    ),
    Case("`Adagrad`", "Adagrad()", "adagrad", "Adagrad", {"learning_rate": 0.5}),
    Case(
        "`Adadelta(epsilon=1e-4)`",
        "Adadelta(epsilon=1e-4)",
        "adadelta",
        "Adadelta",
        {"learning_rate": 1.0, "epsilon": 1e-4},
        {"epsilon": 1e-4},
    ),
    Case(
        "`Adadelta(epsilon=1e-4)`",
        "Adadelta(epsilon=1e-5)",
        "adadelta",
        "Adadelta",
        {"learning_rate": 1.0, "epsilon": 1e-5},
        {"epsilon": 1e-4},
    ),
    Case(
        "`RMSProp(epsilon=1)`",
        "RMSprop(epsilon=1)",
        "rmsprop",
        "RMSProp",
        {"learning_rate": 0.05, "epsilon": 1.0},
        {"epsilon": 1.0},
    ),
    Case(
        "`RMSProp(epsilon=1)`",
        "RMSprop(epsilon=1, momentum=1e-30)",
        "rmsprop",
        "RMSProp",
        {"learning_rate": 0.05, "epsilon": 1.0, "momentum": 1e-30},
        {"epsilon": 1.0, "momentum": 0.0},
    ),
    Case(
        "`RMSProp(momentum=0.9)`",
        "RMSprop(momentum=0.9)",
        "rmsprop_momentum",
        "RMSProp",
        _RMS,
        {"epsilon": 1e-3},
    ),
    Case(
        "`RMSProp(momentum=0.9)`",
        "RMSprop(momentum=0.9), another epsilon",
        "rmsprop_momentum",
        "RMSProp",
        {"learning_rate": 0.01, "momentum": 0.9},
        {"epsilon": 1e-3},
    ),
    Case(
        "`RMSProp(centered=True)`",
        "RMSprop(centered=True)",
        "rmsprop_centered",
        "RMSProp",
        {**_RMS, "centered": True},
        {"epsilon": 1e-3},
    ),
    Case(
        "`Ftrl`",
        "Ftrl()",
        "ftrl",
        "Ftrl",
        {"learning_rate": 0.5, "l1_regularization_strength": 0.01},
        {"l1_regularization_strength": 0.01},
    ),
    Case(
        "BERT's, ALBERT's `AdamWeightDecay`",
        "AdamW()",
        "adam_weight_decay",
        "AdamWeightDecay",
        _BERT,
        spares_bias=True,
    ),
    Case(
        "the same, then a schedule",
        "AdamW(schedule)",
        "adam_weight_decay",
        "AdamWeightDecay",
        {**_BERT, "learning_rate": _scheduled},
        spares_bias=True,
    ),
    Case("ALBERT's `LAMB`", "Lamb()", "lamb", "LAMB", _RATE),
    Case(
        "contrib's `AdamW(0.01, 0.1)`",
        "AdamW(0.1, weight_decay=0.1, epsilon=1e-8)",
        "adamw",
        "AdamW",
        {**_ADAMW, "weight_decay": 0.1},
        {"weight_decay": 0.01},
    ),
    Case(
        "contrib's `AdamW(0.01, 0.1)`",
        "AdamW(0.1, weight_decay=0.01, epsilon=1e-8)",
        "adamw",
        "AdamW",
        {**_ADAMW, "weight_decay": 0.01},
        {"weight_decay": 0.01},
    ),
    Case(
        "contrib's `AdamW`, then a schedule",
        "AdamW(schedule, epsilon=1e-8)",
        "adamw",
        "AdamW",
        {**_ADAMW, "learning_rate": _scheduled, "weight_decay": 0.1},
        {"weight_decay": 0.01},
    ),
    Case(
        "contrib's `MomentumW(0.01, 0.05, 0.9)`",
        "SGD(0.05, 0.9, weight_decay=0.2)",
        "momentumw",
        "MomentumW",
        {**_SGD, "weight_decay": 0.2},
        {"weight_decay": 0.01},
        flavors=("tf_keras", "keras_3"),
    ),
    Case(
        "contrib's `MomentumW(0.01, 0.05, 0.9)`",
        "SGD(0.05, 0.9)",
        "momentumw",
        "MomentumW",
        _SGD,
        {"weight_decay": 0.01},
    ),
    Case(
        "contrib's `AdaMax(epsilon=0.1)`",
        "Adamax(epsilon=0.1)",
        "adamax",
        "AdaMax",
        {"learning_rate": 0.1, "epsilon": 0.1},
        {"epsilon": 0.1},
    ),
    Case(
        "contrib's `AdaMax(epsilon=0.1)`",
        "Adamax()",
        "adamax",
        "AdaMax",
        {"learning_rate": 0.1},
        {"epsilon": 0.1},
    ),
    Case(
        "contrib's `LazyAdam`",
        "Adam(epsilon=1e-8)",
        "lazy_adam",
        "Adam",
        _EXACT_ADAM,
        {"like": "LazyAdam"},
    ),
    Case(
        "contrib's `AdamGS`",
        "Adam(epsilon=1e-8)",
        "adam_gs",
        "Adam",
        _EXACT_ADAM,
        {"like": "AdamGS"},
    ),
    Case(
        "contrib's `LazyAdamGS`",
        "Adam(epsilon=1e-8)",
        "lazy_adam_gs",
        "Adam",
        _EXACT_ADAM,
        {"like": "LazyAdamGS"},
    ),
)

OF_KERAS = (
    Case(
        "`SGD(0.05, momentum=0.9, nesterov=True)`",
        "SGD(0.05, momentum=0.9, nesterov=True)",
        "keras_sgd",
        "SGD",
        {**_SGD, "nesterov": True},
    ),
    Case(
        "`SGD(0.05, decay=0.1)`",
        "SGD(0.05, decay=0.1)",
        "keras_sgd_decay",
        "SGD",
        {"learning_rate": 0.05, "decay": 0.1},
        flavors=("legacy",),
    ),
    Case(
        "`SGD(0.05, decay=0.1)`",
        "SGD(InverseTimeDecay(0.05, 1, 0.1))",
        "keras_sgd_decay",
        "SGD",
        {"learning_rate": _inverse_time},
        flavors=("tf_keras", "keras_3"),
    ),
    Case("`SGD(0.05, decay=0.1)`", "SGD(0.05)", "keras_sgd_decay", "SGD", _RATE),
    Case(
        "`Adam(0.1, epsilon=1e-4)`",
        "Adam(0.1, epsilon=1e-4)",
        "keras_adam",
        "Adam",
        {"learning_rate": 0.1, "epsilon": 1e-4},
        {"epsilon": 1e-4},
    ),
    Case(
        "`Adam(0.1, epsilon=1e-4)`",
        "Adam(0.11, epsilon=1e-4)",
        "keras_adam",
        "Adam",
        {"learning_rate": 0.11, "epsilon": 1e-4},
        {"epsilon": 1e-4},
    ),
    Case(
        "`Adam(0.1)` of a compiled model",
        "Adam(0.1)",
        "keras_compiled",
        "Adam",
        {"learning_rate": 0.1},
    ),
    Case(
        "`Adam(0.1, amsgrad=True)`",
        "Adam(0.1, amsgrad=True)",
        "keras_amsgrad",
        "ams",
        {"learning_rate": 0.1, "amsgrad": True},
    ),
    Case(
        "`Adamax(0.1, beta_1=0.8)`",
        "Adamax(0.1, beta_1=0.8)",
        "keras_adamax",
        "Adamax",
        {"learning_rate": 0.1, "beta_1": 0.8},
    ),
    Case(
        "`Adamax(0.1, beta_1=0.8)`",
        "Adamax(0.1)",
        "keras_adamax",
        "Adamax",
        {"learning_rate": 0.1},
    ),
    Case("`Nadam(0.1)`", "Nadam(0.1)", "keras_nadam", "Nadam", {"learning_rate": 0.1}),
    Case(
        "`Adagrad(0.5)`",
        "Adagrad(0.5)",
        "keras_adagrad",
        "Adagrad",
        {"learning_rate": 0.5},
    ),
    Case(
        "`Adadelta(1.0, epsilon=1e-4)`",
        "Adadelta(1.0, epsilon=1e-4)",
        "keras_adadelta",
        "Adadelta",
        {"learning_rate": 1.0, "epsilon": 1e-4},
        {"epsilon": 1e-4},
    ),
    Case(
        "`RMSprop(0.05, epsilon=0.5)`",
        "RMSprop(0.05, epsilon=0.5)",
        "keras_rmsprop",
        "RMSprop",
        {"learning_rate": 0.05, "epsilon": 0.5},
        {"epsilon": 0.5},
    ),
    Case(
        "`RMSprop(0.01, momentum=0.9, centered=True)`",
        "RMSprop(0.01, momentum=0.9, centered=True)",
        "keras_rmsprop_centered",
        "RMSprop",
        {**_RMS, "centered": True},
        {"epsilon": 1e-3},
    ),
    Case(
        "`Ftrl(0.5)`",
        "Ftrl(0.5)",
        "keras_ftrl",
        "Ftrl",
        {"learning_rate": 0.5, "l1_regularization_strength": 0.01},
    ),
)

# With an embedding that has a row which is not looked up for 10 steps.
SPARSE = (
    Case("`Momentum`", "SGD(momentum=0.9)", "sparse_momentum", "Momentum", _SGD),
    Case("`Adam`", "Adam(epsilon=1e-8)", "sparse_adam", "Adam", _EXACT_ADAM),
    Case(
        "`Adam`",
        "Adam(epsilon=1e-8), gradients made dense",
        "sparse_adam",
        "Adam",
        _EXACT_ADAM,
        {"sparse": False},
    ),
    Case(
        "contrib's `LazyAdam`",
        "Adam(epsilon=1e-8)",
        "sparse_lazy_adam",
        "Adam",
        _EXACT_ADAM,
        {"like": "LazyAdam"},
    ),
    Case(
        "contrib's `AdaMax`",
        "Adamax(epsilon=1e-8)",
        "sparse_adamax",
        "AdaMax",
        _EXACT_ADAM,
    ),
    Case(
        "`Adagrad`",
        "Adagrad(epsilon=1e-30)",
        "sparse_adagrad",
        "Adagrad",
        {"learning_rate": 0.5, "epsilon": 1e-30},
    ),
    Case(
        "`Adadelta`",
        "Adadelta(epsilon=1e-8)",
        "sparse_adadelta",
        "Adadelta",
        {"learning_rate": 1.0, "epsilon": 1e-8},
    ),
    Case(
        "`RMSProp`",
        "RMSprop(epsilon=1e-10)",
        "sparse_rmsprop_plain",
        "RMSProp",
        {"learning_rate": 0.01, "epsilon": 1e-10},
    ),
    Case(
        "`RMSProp`",
        "RMSprop(epsilon=1e-10, momentum=1e-30)",
        "sparse_rmsprop_plain",
        "RMSProp",
        {"learning_rate": 0.01, "epsilon": 1e-10, "momentum": 1e-30},
        {"momentum": 0.0},
    ),
    Case(
        "`RMSProp(momentum=0.9)`",
        "RMSprop(epsilon=1e-10, momentum=0.9)",
        "sparse_rmsprop",
        "RMSProp",
        {"learning_rate": 0.05, "epsilon": 1e-10, "momentum": 0.9},
    ),
    Case("`Ftrl`", "Ftrl()", "sparse_ftrl", "Ftrl", {"learning_rate": 0.5}),
)
