"""For Keras, in TensorFlow's, tf-keras and Keras 3 alike.

The names are loaded on first use: they need TensorFlow, and `keras.objects` does not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tf_ckpt_migrate.keras import optimizers
    from tf_ckpt_migrate.keras.callback import DualModelCheckpoint

__all__ = ["DualModelCheckpoint", "optimizers"]


def __getattr__(name: str) -> Any:
    if name == "optimizers":
        return import_module(f"{__name__}.optimizers")
    if name == "DualModelCheckpoint":
        return import_module(f"{__name__}.callback").DualModelCheckpoint
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
