"""A small checkpoint for examples and tests, written by our own writer."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from tf_ckpt_migrate.conversion.contents import Value
from tf_ckpt_migrate.conversion.output import write_output
from tf_ckpt_migrate.transforms import spec_of

__all__ = ["example_checkpoint"]


@contextmanager
def example_checkpoint(tensors: Mapping[str, Any]) -> Generator[str]:
    """Write a name-based checkpoint into a folder that lasts as long as the context.

    Args:
      tensors: Values by name, whatever ``numpy.asarray`` takes.

    Yields:
      Its prefix, ``model.ckpt`` in the folder.

    Example:
      >>> with example_checkpoint({"w": [1, 2]}) as prefix:
      ...     os.path.basename(prefix)
      'model.ckpt'
    """
    import numpy as np

    arrays = {name: np.asarray(value) for name, value in tensors.items()}
    with tempfile.TemporaryDirectory() as folder:
        prefix = os.path.join(folder, "model.ckpt")
        contents = {
            name: Value(spec_of(array), lambda array=array: array)
            for name, array in arrays.items()
        }
        write_output(prefix, contents)
        yield prefix
