"""Gives folders of outputs the ``checkpoint`` state files that the sources have."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tf_ckpt_migrate.checkpoint.locate import locate
from tf_ckpt_migrate.checkpoint.owned_file import owned_file
from tf_ckpt_migrate.checkpoint.state import (
    STATE_FILE,
    CheckpointState,
    read_state,
    state_text,
)
from tf_ckpt_migrate.conversion.fleet.outcome import Outcome
from tf_ckpt_migrate.errors import CheckpointError, CheckpointNotFoundError
from tf_ckpt_migrate.storage.access import is_file
from tf_ckpt_migrate.storage.paths import basename, dirname, join

__all__ = ["by_folder", "missing_latest", "state_made"]

_V1_SHARDS = re.compile(r"-\?{5}-of-\d{5}$")  # a sharded checkpoint of format V1


def missing_latest(folder: str) -> Iterable[str]:
    """Return the basename of the latest checkpoint of a folder, if it is not there.

    A state file that cannot be read names none here; `state_made` tells of it.
    """
    path = join(folder, STATE_FILE)
    if not is_file(path):
        return ()
    try:
        locate(path)
    except CheckpointNotFoundError:
        return (_base(read_state(path).latest),)
    except (CheckpointError, OSError):
        return ()
    return ()


def by_folder(outcomes: Iterable[Outcome]) -> dict[tuple[str, str], list[Outcome]]:
    """Return outcomes by the folders of source and output."""
    folders: dict[tuple[str, str], list[Outcome]] = {}
    for each in outcomes:
        key = dirname(each.source), dirname(each.output)
        folders.setdefault(key, []).append(each)
    return folders


def state_made(source: str, output: str, outcomes: Iterable[Outcome]) -> Outcome | None:
    """Let a folder of outputs name as the latest what the folder of sources does.

    Where the latest of the sources has not been converted (it has failed, or is
    skipped), the state file stays as it is: an older checkpoint must not pass for it.

    Args:
      source: The folder of sources.
      output: The folder of their outputs.
      outcomes: What became of the checkpoints in it.

    Returns:
      What went wrong; None if nothing did.
    """
    path, made = (join(folder, STATE_FILE) for folder in (source, output))
    done = (o for o in outcomes if o.status in ("converted", "present"))
    here = {_base(each.output) for each in done}
    if not here or not is_file(path):
        return None
    try:
        state = read_state(path)
        if (latest := _base(state.latest)) not in here:
            return None
        kept = tuple(base for base in map(_base, state.kept) if base in here)
        with owned_file(made) as put:
            old = read_state(made) if is_file(made) else None
            new_ones = {*kept}
            others = tuple(o for o in old.kept if o not in new_ones) if old else ()
            new = CheckpointState(latest, (*others, *kept))
            if new != old:
                put(state_text(new))
    except Exception as error:  # noqa: BLE001 - as with one bad checkpoint
        return Outcome.of_error(path, made, error)
    return None


def _base(path: str) -> str:
    return _V1_SHARDS.sub("", basename(path))
