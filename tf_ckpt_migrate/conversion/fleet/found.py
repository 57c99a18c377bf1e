"""Finds the checkpoints to convert, and says where each conversion goes.

The tree of the sources is kept in the output. What looks like a checkpoint but is none
that can be read (data without an index, a broken-off save, what a state file names and
nobody finds) is found too: it is not left out in silence, its conversion fails and says
why.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tf_ckpt_migrate.bundle.commit import STAGING_MARK
from tf_ckpt_migrate.bundle.shards import (
    INDEX_SUFFIX,
    index_path,
    parse_shard_path,
    parse_v1_shard_path,
)
from tf_ckpt_migrate.checkpoint.locate import locate
from tf_ckpt_migrate.checkpoint.ordering import by_numbers
from tf_ckpt_migrate.checkpoint.owned_file import owned_file
from tf_ckpt_migrate.checkpoint.state import (
    STATE_FILE,
    CheckpointState,
    read_state,
    state_text,
)
from tf_ckpt_migrate.checkpoint.unfinished import parts_in
from tf_ckpt_migrate.conversion.fleet.once import Outcome
from tf_ckpt_migrate.errors import (
    CheckpointError,
    CheckpointNotFoundError,
    MissingShardError,
    OutputPathError,
    capped,
)
from tf_ckpt_migrate.storage.access import (
    is_file,
    is_folder,
    same_file,
    sorted_folders_and_files,
)
from tf_ckpt_migrate.storage.paths import basename, dirname, is_far, join

__all__ = ["Found", "Pair", "by_folder", "find", "missing_latest", "state_made"]


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


# The folder of a writer; on far systems with what makes it of this one alone.
_STAGING = re.compile(rf".*{re.escape(STAGING_MARK)}(?:-[0-9a-f]+)?")
# Wildcards of a pattern, and what each stands for.
_WILD = re.compile(r"\*\*/|\*\*|\*|\?|\[!?[^\]]+\]")
_SPELLED = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
# The folder of a broken-off save: `model.ckpt-7_temp_0a1b/part-00000-of-00002.index`.
_TEMPORARY = re.compile(r"(.+)_temp(?:_.*)?")
# What needs no look whether it is of format V1, which is told by the bytes of a file.
_NO_V1 = re.compile(
    r"checkpoint|events\.out\..*|.*\.(?:meta|pb|pbtxt|json|yaml|txt|log|py|csv|md)"
)


class Pair(NamedTuple):
    """A checkpoint, and where its conversion goes: two prefixes."""

    source: str
    output: str


class Found(NamedTuple):
    """What there is to convert.

    Attributes:
      pairs: The checkpoints, folder by folder, lower steps first.
      unreadable: Folders that cannot be looked into, and why.
      notes: What else a reader should know.
    """

    pairs: tuple[Pair, ...]
    unreadable: tuple[tuple[str, OSError], ...] = ()
    notes: tuple[str, ...] = ()


def find(sources: Iterable[str], output_dir: str) -> Found:
    """Return what is to be converted.

    Args:
      sources: Folders, which are looked through with all that is below; patterns of
        prefixes with ``*``, ``?`` and ``[…]``, which fit no ``/``, and ``**``, which
        fits any number of folders; or checkpoints.
      output_dir: The folder for the outputs. Below a source, it is none of it.

    Returns:
      The checkpoints. The output of each lies as deep below ``output_dir`` as it lies
      below the source, or the folder before the first wildcard.

    Raises:
      CheckpointNotFoundError: If a source is not there, or nothing is found in it.
      OutputPathError: If two checkpoints would have one output.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> from tf_ckpt_migrate.storage.paths import dirname
      >>> with example_checkpoint({"w": [1.0, 2.0]}) as prefix:
      ...     for _, output in find([dirname(prefix)], "tf2").pairs:
      ...         print(output)
      tf2/model.ckpt
    """
    walk = _Walk(output_dir, [], [])
    pairs: dict[str, str] = {}
    for source in sources:
        here = [*_found_by(source, walk)]
        if not here and not walk.unreadable:
            raise CheckpointNotFoundError(
                f"no checkpoint is found by {source!r}, nor in any folder below"
            )
        for prefix, below in here:
            output = join(output_dir, below)
            other = pairs.setdefault(output, prefix)
            if other != prefix:
                raise OutputPathError(
                    f"both {other!r} and {prefix!r} would become {output!r}; convert "
                    "them one after the other, into two folders"
                )
    notes = ()
    if walk.links:
        listed = ", ".join(capped(map(repr, walk.links), 3))
        notes = (f"links to folders are not followed: {listed}",)
    found = (Pair(prefix, output) for output, prefix in pairs.items())
    return Found(tuple(found), tuple(walk.unreadable), notes)


def _found_by(source: str, walk: _Walk) -> Iterator[tuple[str, str]]:
    """Yield prefixes, each with what of it is kept in the output."""
    # To some far systems a folder is but the beginning of names: `m` that of `m.index`.
    if is_folder(source) and not (is_far(source) and is_file(index_path(source))):
        if _is_same(source, walk.output_dir):
            raise OutputPathError(
                f"{walk.output_dir!r} is the folder of the sources, which a conversion "
                "never touches; choose another folder for the outputs"
            )
        yield from walk.prefixes(source, "")
    elif wild := _WILD.search(source):
        root = source[: source.rfind("/", 0, wild.start()) + 1]
        if not is_folder(root):
            raise CheckpointNotFoundError(f"{source!r}: there is no folder {root!r}")
        pattern = _pattern(source[len(root) :])
        for prefix, below in walk.prefixes(root, ""):
            if pattern.fullmatch(below):
                yield prefix, below
    else:
        prefix = locate(source).prefix
        yield prefix, basename(prefix)


def _pattern(text: str) -> re.Pattern[str]:
    regex, end = "", 0
    for wild in _WILD.finditer(text):
        one = _SPELLED.get(wild[0]) or wild[0].replace("[!", "[^", 1)
        regex += re.escape(text[end : wild.start()]) + one
        end = wild.end()
    return re.compile(regex + re.escape(text[end:]))


class _Walk(NamedTuple):
    """Looks through folders."""

    output_dir: str
    unreadable: list[tuple[str, OSError]]
    links: list[str]

    def prefixes(self, folder: str, below: str) -> Iterator[tuple[str, str]]:
        """Yield the prefixes in a folder and below, each with its path from the root.

        Args:
          folder: Where to look.
          below: Its path from the root.
        """
        try:
            folders, files = sorted_folders_and_files(folder)
        except OSError as error:
            self.unreadable.append((folder, error))
            return
        broken_off = {n: b for n in folders if (b := _broken_off(folder, n))}
        bases = {*_bases(folder, files), *broken_off.values(), *missing_latest(folder)}
        for base in sorted(bases, key=by_numbers):
            yield join(folder, base), join(below, base)
        for name in folders:
            path = join(folder, name)
            if not is_far(path) and os.path.islink(path):
                self.links.append(path)
            elif (
                not _STAGING.fullmatch(name)
                and name not in broken_off
                and not _is_same(path, self.output_dir)
            ):
                yield from self.prefixes(path, join(below, name))


def _bases(folder: str, names: Iterable[str]) -> Iterator[str]:
    """Yield the basenames of the prefixes that files are of."""
    for name in names:
        if name.endswith(INDEX_SUFFIX):
            yield name.removesuffix(INDEX_SUFFIX)
        elif shard := parse_shard_path(name):
            yield shard.prefix
        elif not _NO_V1.fullmatch(name) and (base := _v1_base(folder, name)):
            yield base


def _v1_base(folder: str, name: str) -> str | None:
    try:
        location = locate(join(folder, name))
    except MissingShardError:  # of several; to convert it will say so
        shard = parse_v1_shard_path(name)
        return shard and shard.prefix
    except (CheckpointError, OSError):  # a file of another kind
        return None
    return basename(location.prefix) if location.v1_files else None


def _broken_off(folder: str, name: str) -> str | None:
    """Return the basename of the checkpoint that a folder holds parts of."""
    of = _TEMPORARY.fullmatch(name)
    parts = parts_in(join(folder, name)) if of else []
    return of[1] if of and any(map(parse_v1_shard_path, parts)) else None


def _is_same(folder: str, other: str) -> bool:
    """Return whether two paths are those of one folder, which need not exist."""
    if folder.rstrip("/") == other.rstrip("/"):
        return True
    return same_file(folder, other)
