"""Small programs that show what the package is for; see ``docs/examples.md``."""

import logging
import os

# Before the import of TensorFlow, which has much to tell that is not part of a story.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
logging.getLogger("tensorflow").setLevel(logging.ERROR)
