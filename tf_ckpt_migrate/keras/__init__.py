"""For Keras, in TensorFlow's, tf-keras and Keras 3 alike."""

from tf_ckpt_migrate.keras import optimizers
from tf_ckpt_migrate.keras.callback import DualModelCheckpoint

__all__ = ["DualModelCheckpoint", "optimizers"]
