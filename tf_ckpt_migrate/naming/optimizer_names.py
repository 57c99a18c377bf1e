"""What optimizers call what they save, by framework and vintage."""

from __future__ import annotations

import re

from tf_ckpt_migrate.naming.keys import OBJECT_CONFIG_JSON

__all__ = [
    "AVERAGE",
    "BOOKKEEPING",
    "GGT",
    "GLOBAL_STEP",
    "GLUED_SLOTS",
    "HYPERPARAMETERS",
    "ITERATOR",
    "KERAS_3_SLOT",
    "KERAS_OPTIMIZERS",
    "KERAS_SLOTS",
    "KERAS_STEP",
    "LOSS_SCALE",
    "METRIC_SUMS",
    "NADAM_PRODUCT",
    "NAMED_SLOTS",
    "NUMBERED",
    "OF_OPTIMIZER",
    "OPTIMIZER_NAME",
    "PART",
    "RMSPROP_CENTERED",
    "SCALING",
    "SEED",
    "SLOT_STARTS",
    "STEPS",
    "STEP_COUNT",
    "TF1_SLOTS",
    "TF_KERAS_SLOTS",
    "UNNAMED",
    "ZERO_DEBIAS",
]

AVERAGE = "ExponentialMovingAverage"

# The suffix that each TF1 optimizer gives by default, and what its slots are, in the
# order they are made. RMSProp(centered=True) makes a third one: see _slot_names.
TF1_SLOTS: dict[str, tuple[str, ...]] = {
    "Adadelta": ("accum", "accum_update"),
    "Adagrad": ("accumulator",),
    "AdagradDA": ("gradient_accumulator", "gradient_squared_accumulator"),
    "AdaMax": ("m", "v"),
    "Adam": ("m", "v"),
    "AdamW": ("m", "v"),
    "AddSignOptimizer": ("m",),
    "Ftrl": ("accum", "linear"),
    "LARSOptimizer": ("momentum",),
    "Momentum": ("momentum",),
    "MomentumW": ("momentum",),
    "PowerSignOptimizer": ("m",),
    "ProximalAdagrad": ("accumulator",),
    "RMSProp": ("rms", "momentum"),
}
# What a slot holds before the first step, where that is not 0.
SLOT_STARTS: dict[tuple[str, str], float] = {
    ("Adagrad", "accumulator"): 0.1,
    ("AdagradDA", "gradient_squared_accumulator"): 0.1,
    ("Ftrl", "accum"): 0.1,
    ("ProximalAdagrad", "accumulator"): 0.1,
    ("RMSProp", "rms"): 1.0,
}
RMSPROP_CENTERED = ("rms", "mg", "momentum")
# What scales the loss is called in Keras 3 and in Keras 2, by what TF1 calls it.
SCALING: dict[str, tuple[str, ...]] = {
    "current_loss_scale": ("dynamic_scale", "current_loss_scale"),
    "good_steps": ("step_counter", "good_steps"),
}

# BERT's AdamWeightDecay and LAMB name the slot, not the optimizer; Mesh-TF's Adafactor
# glues it to the variable's name.
NAMED_SLOTS = {"adam_m": "m", "adam_v": "v"}
GLUED_SLOTS = {"_slot_vr": "vr", "_slot_vc": "vc", "_slot_v": "v", "_slot_m": "m"}

# Slots of legacy Keras optimizers, whose variables are called Adam/net/w/m.
KERAS_SLOTS = frozenset(
    [
        *("m", "v", "vhat", "momentum", "rms", "mg"),
        *("accumulator", "accum_grad", "accum_var", "linear"),
    ]
)
# Slots of later tf.keras optimizers, Adam/m/net/w, and of Keras 3, adam/net_w_momentum.
TF_KERAS_SLOTS = frozenset(
    [
        *("m", "v", "vhat", "u", "r", "c", "velocity", "momentum", "accumulator"),
        *("linear", "average", "average_gradient", "gradient_accumulator"),
        *("accumulated_grad", "accumulated_delta_var"),
    ]
)
KERAS_3_SLOT = re.compile(
    r".+_(momentum|velocity|velocity_hat|norm|accumulator|accumulated_grad"
    r"|accumulated_delta_var|linear|average|average_gradient|gradient_accumulator)",
    re.DOTALL,
)
# What these call their count of steps, and Nadam its product of momenta.
KERAS_STEP = "iteration"
NADAM_PRODUCT = re.compile(r"(?is)(?:.*/)?nadam(?:_\d+)?/variable(?:_\d+)?")
UNNAMED = re.compile(r"(?i)variable(?:_\d+)?")
# The default names of Keras optimizers, of any Keras, when they are lowered and joined.
KERAS_OPTIMIZERS = frozenset(
    [
        *("adadelta", "adafactor", "adagrad", "adam", "adamax", "adamw", "ftrl"),
        *("lamb", "lion", "muon", "nadam", "rmsprop", "sgd"),
    ]
)

NUMBERED = re.compile(r"(.+?)(?:_(\d{1,18}))?", re.DOTALL)
OPTIMIZER_NAME = re.compile(r"[A-Z]+[a-z]")
# What TF1 puts between a variable of several parts and the slot of one of them: the
# end of "<variable>/part_0" that is as long as the scope of its optimizer.
PART = re.compile(r"(?:.*/)?[^/]*?(\d+)", re.DOTALL)
GLOBAL_STEP = re.compile(r"(?:.*/)?global_step(?:_\d+)?", re.DOTALL)
OF_OPTIMIZER = re.compile(
    r"(?:.*/)?(?:beta[12]_power(?:_\d+)?|current_loss_scale|good_steps)", re.DOTALL
)
# What follows is looked at once: tried for every "Iterator" of a hostile name, it would
# take time by the square of its length.
ITERATOR = re.compile(
    r"(?:.*/)?(?=\w*:\d+(?:-state|_STATE)\Z)\w*?Iterator\w*:.*", re.DOTALL
)
# The state of a random generator of Keras 3; TF1 had no such variable.
SEED = re.compile(
    r"(?:.*/)?(?:seed_generator_state(?:_\d+)?|seed_generator(?:_\d+)?/state)",
    re.DOTALL,
)
STEPS = ("iter", "_iterations")
# The loss scale of Keras 3 and what it counts.
LOSS_SCALE = frozenset({"dynamic_scale", "step_counter"})
# Counts of steps that programs keep; integer scalars, unlike a weight of such a name.
STEP_COUNT = re.compile(r"_*(?:(?:train_|global_)?step|\w*step_counter)(?:_\d+)?")
# What assign_moving_average(zero_debias=True) keeps beside a moving mean.
ZERO_DEBIAS = frozenset({"biased", "local_step"})
# What a legacy Keras optimizer saves of itself beside its step.
HYPERPARAMETERS = frozenset(
    [
        *(
            "learning_rate",
            "current_learning_rate",
            "decay",
            "beta_1",
            "beta_2",
            "rho",
            "momentum",
            "epsilon",
        ),
        *("momentum_cache", "l1_regularization_strength", "beta"),
        *("l2_regularization_strength", "learning_rate_power"),
        "current_learning_rate",
    ]
)
# What contrib's GGT keeps for all variables together.
GGT = frozenset({"flat_grad", "grad_buffer", "moment1"})
# What a tf.data iterator, Keras or Python saves of itself; never what is trained.
BOOKKEEPING = frozenset({OBJECT_CONFIG_JSON, "ITERATOR", "ITERATOR_STATE", "py_state"})
# What Keras metrics count: two of a group are variables of one metric.
METRIC_SUMS = (
    frozenset({"total", "count"}),
    frozenset(
        ["true_positives", "true_negatives", "false_positives", "false_negatives"]
    ),
)
