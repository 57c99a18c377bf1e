"""A parser that reads absl's own flags too."""

from __future__ import annotations

from typing import Any

from absl import flags
from absl.flags import argparse_flags

__all__ = ["AbslParser"]


class _NoFlags(flags.FlagValues):
    """Flags of nobody, which older absl would take for none being asked for."""

    def __bool__(self) -> bool:
        return True


class AbslParser(argparse_flags.ArgumentParser):
    """Reads ``--flagfile`` and ``--undefok`` as every program with absl flags does.

    Flags that other modules of the process have defined are not taken over: absl's
    logging has a ``--verbosity`` of another meaning.
    """

    def __init__(self, **kwargs: Any) -> None:
        """Take what ``argparse.ArgumentParser`` takes."""
        # absl has types for none of its own arguments here.
        super().__init__(inherited_absl_flags=_NoFlags(), **kwargs)  # pyright: ignore[reportUnknownMemberType]
