"""What is known of the layouts of TF1 and Keras: every module registers its recipes."""

from tf_ckpt_migrate.recipes import (
    attention,
    averages,
    dense,
    optimizers,
    partitions,
    rnn,
    vocabularies,
)
from tf_ckpt_migrate.recipes import legacy_names as eras
from tf_ckpt_migrate.recipes import slot_variables as slot_rules

__all__ = [
    "attention",
    "averages",
    "dense",
    "eras",
    "optimizers",
    "partitions",
    "rnn",
    "slot_rules",
    "vocabularies",
]
