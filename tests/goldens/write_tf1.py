"""Writes the goldens of TensorFlow 1.15 (Python 3.7). See README.md."""

from __future__ import annotations

import tensorflow as tf
import tf1_directories  # noqa: F401 - each of these registers its goldens
import tf1_files  # noqa: F401
import tf1_models  # noqa: F401
import tf1_objects  # noqa: F401
import tf1_resume  # noqa: F401
import tf1_resume_contrib  # noqa: F401
import tf1_resume_decaying  # noqa: F401
import tf1_resume_keras  # noqa: F401
import tf1_resume_sparse  # noqa: F401
import tf1_rnn  # noqa: F401
import tf1_whole  # noqa: F401
from recording import main

if __name__ == "__main__":
    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
    main(tf, "tf1_15")
