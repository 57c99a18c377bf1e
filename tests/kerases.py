"""Which Keras there are beside TensorFlow, by the names that tests give them."""

import os

__all__ = ["KERASES"]

# With this variable tf.keras is tf_keras: one and the same, which is tested once.
_IS_ONE = os.environ.get("TF_USE_LEGACY_KERAS") == "1"
KERASES = ["tf.keras"] if _IS_ONE else ["tf.keras", "tf_keras"]
