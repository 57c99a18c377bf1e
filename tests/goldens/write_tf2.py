"""Writes the goldens of TensorFlow 2. See README.md."""

from __future__ import annotations

import tensorflow as tf
import tf1_directories  # noqa: F401 - each of these registers its goldens
import tf1_files  # noqa: F401
import tf1_models  # noqa: F401
import tf1_objects  # noqa: F401
import tf2_keras  # noqa: F401
import tf2_objects  # noqa: F401
from recording import main

if __name__ == "__main__":
    cpu = tf.config.list_physical_devices("CPU")[0]
    three = [tf.config.LogicalDeviceConfiguration()] * 3
    tf.config.set_logical_device_configuration(cpu, three)
    major, minor = tf.__version__.split(".")[:2]
    main(tf, f"tf{major}_{minor}")
