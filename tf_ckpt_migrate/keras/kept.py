"""The checkpoints of one training: which are kept, and which is the latest."""

from __future__ import annotations

import re

from tf_ckpt_migrate.bundle.shards import INDEX_SUFFIX, index_path
from tf_ckpt_migrate.checkpoint.state import kept_beside, record_latest
from tf_ckpt_migrate.conversion.twin import remove_checkpoint
from tf_ckpt_migrate.storage.access import changed_at, names_in
from tf_ckpt_migrate.storage.paths import basename, dirname, join

__all__ = ["Kept"]


class Kept:
    """The checkpoints under a template of paths.

    Args:
      filepath: The template, with fields as of ``str.format``.
      max_to_keep: How many stay; None for all.

    Attributes:
      prefixes: Of those that are kept, oldest first.

    Raises:
      ValueError: If none would stay.
    """

    def __init__(self, filepath: str, max_to_keep: int | None) -> None:
        """Begin with none."""
        if max_to_keep is not None and max_to_keep < 1:
            raise ValueError(f"max_to_keep={max_to_keep}; expected 1 or more, or None")
        self._filepath = filepath
        self._max_to_keep = max_to_keep
        self.prefixes: list[str] = []

    def add(self, prefix: str) -> None:
        """Name a whole checkpoint as the latest, and remove those that are too many.

        The state file names what is to stay before anything goes.

        Raises:
          CorruptCheckpointError: If the directory has a state file that is none.
          OSError: If a file cannot be written or removed.
        """
        prefixes = [*(each for each in self.prefixes if each != prefix), prefix]
        count = len(prefixes) if self._max_to_keep is None else self._max_to_keep
        surplus, self.prefixes = prefixes[:-count], prefixes[-count:]
        record_latest(prefix, without=[basename(each) for each in surplus])
        for each in surplus:
            remove_checkpoint(each)

    def take_up(self) -> str | None:
        """Return the latest checkpoint that is there, and keep those listed with it.

        That is the last one that the state file lists or, if it lists none of this
        template, the newest.

        Raises:
          CorruptCheckpointError: If the directory has a state file that is none.
        """
        folder = dirname(self._filepath)
        there = self._bases_there(folder)
        listed = [basename(each) for each in kept_beside(self._filepath)]
        self.prefixes = [join(folder, base) for base in listed if base in there]
        if self.prefixes:
            return self.prefixes[-1]
        paths = [join(folder, base) for base in there]
        return max(paths, key=_age_and_name, default=None)

    def _bases_there(self, folder: str) -> set[str]:
        """Return the basenames that fit the template."""
        escaped = re.escape(basename(self._filepath))
        fits = re.compile(re.sub(r"\\\{.*?\\\}", ".*", escaped)).fullmatch
        names = names_in(folder)
        bases = (
            n.removesuffix(INDEX_SUFFIX) for n in names if n.endswith(INDEX_SUFFIX)
        )
        return {base for base in bases if fits(base)}


def _age_and_name(prefix: str) -> tuple[float, str]:
    return changed_at(index_path(prefix)), prefix
