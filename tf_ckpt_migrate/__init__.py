"""Migrate TensorFlow checkpoints by rewriting only their index.

The public names are loaded on first use, so that ``import tf_ckpt_migrate`` costs
milliseconds and a name costs only what it needs.

Example:
  >>> import tf_ckpt_migrate as tcm
  >>> issubclass(tcm.errors.ChecksumError, ValueError)
  True
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tf_ckpt_migrate._version import __version__

if TYPE_CHECKING:
    from tf_ckpt_migrate import errors

__all__ = [
    "__version__",
    "errors",
]

# Where each public name lives; a submodule lives in the package itself. A new name
# goes here, into `__all__` and under TYPE_CHECKING: a test holds the three together.
_HOMES: dict[str, tuple[str, ...]] = {
    "": ("errors",),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            value = globals()[name] = _loaded(home, name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _loaded(home: str, name: str) -> object:
    from importlib import import_module

    if not home:
        return import_module(f"{__name__}.{name}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
