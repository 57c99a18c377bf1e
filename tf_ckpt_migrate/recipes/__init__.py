"""What is known of the layouts of TF1 and Keras: every module registers its recipes."""

from tf_ckpt_migrate.recipes import (
    averages,
    eras,
    optimizers,
    partitions,
    rnn,
    vocabularies,
)

__all__ = ["averages", "eras", "optimizers", "partitions", "rnn", "vocabularies"]
