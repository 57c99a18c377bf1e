"""Finds the checkpoint that a path stands for.

People give a prefix, one of a checkpoint's files, a model directory or a SavedModel.
All are understood; what could mean several checkpoints, or none, is an error that lists
what is there.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from tf_ckpt_migrate.bundle.foreign import what_is
from tf_ckpt_migrate.bundle.shards import (
    INDEX_SUFFIX,
    index_path,
    parse_shard_path,
    parse_v1_shard_path,
)
from tf_ckpt_migrate.checkpoint.ordering import by_numbers
from tf_ckpt_migrate.checkpoint.state import STATE_FILE, read_state
from tf_ckpt_migrate.checkpoint.unfinished import (
    unfinished_parts,
    what_of_unfinished,
)
from tf_ckpt_migrate.errors import (
    AmbiguousCheckpointError,
    CheckpointNotFoundError,
    DirectoryWithoutCheckpointError,
    MissingShardError,
    NotACheckpointError,
    capped,
    nearest,
)
from tf_ckpt_migrate.storage.access import is_file, is_folder, names_in, read_end
from tf_ckpt_migrate.storage.paths import (
    absolute,
    basename,
    dirname,
    is_far,
    join,
    path_of,
    scheme_of,
    split,
)
from tf_ckpt_migrate.table.block import MAGIC

__all__ = ["Location", "locate"]

_SAVED_MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt")
_VARIABLES = "variables"
_NOT_FOLLOWED = (
    "is a URL of another file system, which is opened only if you pass it yourself"
)
# What a state file holds for a sharded checkpoint of format V1.
_V1_PATTERN = re.compile(r"(?s)(.*)-\?{5}-of-\d{5}")


class Location(NamedTuple):
    """Where a checkpoint is.

    Attributes:
      prefix: Its prefix.
      v1_files: The files of a V1 checkpoint; empty for one with an index.
      saved_model: Whether it holds the variables of a SavedModel.
      notes: What the caller may want to know of how it was found.
    """

    prefix: str
    v1_files: tuple[str, ...] = ()
    saved_model: bool = False
    notes: tuple[str, ...] = ()


def locate(ckpt_dir_or_file: str | os.PathLike[str]) -> Location:
    """Return where the checkpoint is that a path stands for.

    Args:
      ckpt_dir_or_file: A checkpoint prefix; one of the files of a checkpoint (index,
        data shard, ``.meta``, V1 file); a ``checkpoint`` state file or its directory; a
        SavedModel's directory.

    Returns:
      The location.

    Raises:
      CheckpointNotFoundError: If there is none.
      AmbiguousCheckpointError: If a directory holds several and does not say which.
      NotACheckpointError: If the file is of another kind.
      TypeError: If it is not a path.
    """
    path = path_of(ckpt_dir_or_file)
    if not path:  # a variable that is not set, not the wish to search the folder here
        raise CheckpointNotFoundError(
            "no checkpoint at '': the path is empty; pass the prefix of a checkpoint, "
            "or '.' for the current folder"
        )
    if is_folder(path):
        found = _beside(path) or _in_directory(path)
        if found is not None:
            return found
    if (found := _at_path(path)) is not None:
        return found
    if is_file(path):
        return _of_other_file(path)
    raise _not_found(path)


def _beside(folder: str) -> Location | None:
    """Return the checkpoint whose prefix is the name of a folder too.

    A prefix that is written out beats what merely lies in the folder; a state file
    there beats the prefix, as in TensorFlow.
    """
    if not is_file(index_path(folder)) or is_file(join(folder, STATE_FILE)):
        return None
    found = _at_prefix(folder)
    if not basename(folder):
        return found
    note = f"{folder!r} is a folder too; for what is in it give {join(folder, '')!r}"
    return found and found._replace(notes=(*found.notes, note))


def _at_path(path: str) -> Location | None:
    found = map(_at_prefix, (*_without_a_name(path), path, *_prefixes_meant_by(path)))
    return next((location for location in found if location is not None), None)


def _without_a_name(path: str) -> list[str]:
    """Return the prefix of an empty name that a path can stand for.

    Keras' ``save_weights("weights/")`` writes ``weights/.index``, whose prefix is
    ``weights/``. A state file there calls it ``.``.
    """
    folder, name = split(path)
    unnamed = join(folder, "") if name in ("", ".") else ""
    return [unnamed] if unnamed and is_file(index_path(unnamed)) else []


def _at_prefix(prefix: str) -> Location | None:
    """Return the checkpoint of exactly this prefix: V2 before V1, as TensorFlow."""
    if not is_file(index_path(prefix)):
        v1_files = _v1_files(prefix)
        return Location(prefix, v1_files) if v1_files else None
    # Slices of a V1 checkpoint are not looked for: a folder of thousands of checkpoints
    # would be listed for each.
    notes = tuple(
        f"{path!r} is of a V1 checkpoint of the same prefix, perhaps of another step; "
        "the one with an index is read, as TensorFlow does"
        for path in (_v1_files(prefix)[:1] if is_file(prefix) else ())
    )
    return Location(prefix, saved_model=_is_saved_model(prefix), notes=notes)


def _v1_files(prefix: str) -> tuple[str, ...]:
    if is_file(prefix):
        shard = parse_v1_shard_path(prefix)
        if shard and shard.count > 1:
            return ()  # read alone, it would be a part that looks like a whole
        return (prefix,) if _is_table(prefix) and not _is_index(prefix) else ()
    folder, base = split(prefix)
    shards = {
        name: shard
        for name in names_in(folder)
        if (shard := parse_v1_shard_path(name)) and shard.prefix == base
    }
    paths = tuple(join(folder, name) for name in sorted(shards))
    if not paths or not all(map(_is_table, paths)):
        return ()
    counts = {shard.count for shard in shards.values()}
    if len(counts) != 1 or len(paths) != max(counts):
        raise MissingShardError(
            f"V1 checkpoint {prefix!r} has {len(paths)} of {max(counts)} shards: "
            f"{', '.join(capped(map(repr, paths)))}; copy the missing ones here too"
        )
    return paths


def _is_index(path: str) -> bool:
    return path.endswith(INDEX_SUFFIX)


def _is_table(path: str) -> bool:
    return read_end(path, len(MAGIC)) == MAGIC


def _is_saved_model(prefix: str) -> bool:
    folder = dirname(prefix)
    return basename(prefix) == _VARIABLES and any(
        is_file(join(dirname(folder), name)) for name in _SAVED_MODEL_FILES
    )


def _prefixes_meant_by(path: str) -> list[str]:
    """Return prefixes that the path of a file of a checkpoint can stand for."""
    meant = [path[: -len(end)] for end in (INDEX_SUFFIX, ".meta") if path.endswith(end)]
    if shard := parse_shard_path(path) or parse_v1_shard_path(path):
        meant.append(shard.prefix)
    if pattern := _V1_PATTERN.fullmatch(path):
        meant.append(pattern[1])
    return meant


def _of_other_file(path: str) -> Location:
    folder, name = split(path)
    if name == STATE_FILE and (found := _by_state(folder or ".")) is not None:
        return found
    if name in _SAVED_MODEL_FILES and (found := _in_directory(folder or ".")):
        return found
    if parse_shard_path(path) or _is_index(path):
        raise _not_found(path)
    kind = what_is(path) or (
        "not the file of a checkpoint, or a V1 file that was cut off: it does not end "
        "as a TensorFlow table does"
    )
    raise NotACheckpointError(f"{path!r} is {kind}")


def _in_directory(folder: str) -> Location | None:
    if (found := _by_state(folder)) is not None:
        return found
    for inside in (join(_VARIABLES, _VARIABLES), _VARIABLES):
        found = _at_prefix(join(folder, inside))
        if found is not None:
            return found._replace(saved_model=True)
    prefixes = _prefixes_in(folder)
    if len(prefixes) > 1:
        raise AmbiguousCheckpointError(
            f"{folder!r} holds {len(prefixes)} checkpoints and no {STATE_FILE!r} file "
            f"that says which: {', '.join(capped(map(repr, prefixes)))}; give the "
            f"prefix of one, such as {prefixes[-1]!r}"
        )
    if not prefixes:
        return None
    found = _at_prefix(prefixes[0])
    note = f"{prefixes[0]!r} is the only checkpoint in {folder!r}"
    return found and found._replace(notes=(*found.notes, note))


def _by_state(folder: str) -> Location | None:
    path = join(folder, STATE_FILE)
    if not is_file(path):
        return None
    latest = read_state(path).latest
    is_followed = _may_lead_to(folder, latest)
    found = _at_path(join(folder, latest)) if is_followed else None
    if found is not None:
        return found._replace(notes=(*found.notes, *_leads_outside(path, latest)))
    here = join(folder, basename(latest))
    found = _at_path(here)
    why = "is not there" if is_followed else _NOT_FOLLOWED
    if found is None:
        raise DirectoryWithoutCheckpointError(
            f"{path!r} names {latest!r} as the latest checkpoint, but it {why}; "
            f"in {folder!r} there are: "
            f"{', '.join(capped(map(repr, _prefixes_in(folder)))) or 'none'}"
        )
    why = "is gone" if is_followed else _NOT_FOLLOWED
    note = f"{path!r} names {latest!r}, which {why}; {here!r} is read instead"
    return found._replace(notes=(*found.notes, note))


def _may_lead_to(folder: str, named: str) -> bool:
    """Return whether what a state file names may be looked up.

    A local file never makes anybody open a network connection, nor does a remote one
    lead to another file system.
    """
    return not is_far(named) or scheme_of(named) == scheme_of(folder)


def _leads_outside(state: str, latest: str) -> list[str]:
    inside = absolute(dirname(state))
    path = absolute(join(inside, latest))
    if path.startswith(join(inside, "")):
        return []
    note = f"{state!r} names {latest!r}, which lies outside of its directory; it is "
    return [f"{note}read there, as TensorFlow does"]


def _prefixes_in(folder: str) -> list[str]:
    """Return the prefixes of all checkpoints in a folder, lower steps first."""
    prefixes = {
        name[: -len(INDEX_SUFFIX)] for name in names_in(folder) if _is_index(name)
    }
    if not prefixes:
        prefixes = {
            shard.prefix if (shard := parse_v1_shard_path(name)) else name
            for name in names_in(folder)
            if _is_v1_file(folder, name)
        }
    return [join(folder, name) for name in sorted(prefixes, key=by_numbers)]


def _is_v1_file(folder: str, name: str) -> bool:
    path = join(folder, name)
    return is_file(path) and _is_table(path)


def _of_shortened_url(path: str) -> str:
    scheme, slash, rest = path.partition(":/")
    if not slash or len(scheme) < 2 or "/" in scheme or rest.startswith("/"):
        return ""
    url = f"{scheme}://{rest}"
    why = "pathlib takes one away, so give it as text"
    return f"; a URL has two slashes, {url!r}: {why}"


def _not_found(path: str) -> CheckpointNotFoundError:
    folder = path if is_folder(path) else dirname(path)
    if not is_folder(folder):
        return CheckpointNotFoundError(
            f"no checkpoint at {path!r}: there is no directory {folder!r}"
            f"{_of_shortened_url(path)}"
        )
    shard = parse_shard_path(path)
    prefix = shard.prefix if shard else path
    base = basename(prefix)
    for name in names_in(folder):
        other = parse_shard_path(name)
        if other is not None and other.prefix == base:
            return CheckpointNotFoundError(
                f"{index_path(prefix)!r} is missing: data shards of {prefix!r} are "
                "there, but without the index nobody knows what is in them; copy it "
                "from where the shards came from"
            )
    if parts := unfinished_parts(prefix):
        return CheckpointNotFoundError(what_of_unfinished(prefix, parts))
    present = _prefixes_in(folder)
    likely = nearest(prefix, present) or present
    place = f"in {folder!r}" if folder else "here"
    hint = f"there is: {', '.join(capped(map(repr, likely), 3))}"
    error = (
        DirectoryWithoutCheckpointError if folder == path else CheckpointNotFoundError
    )
    return error(
        f"no checkpoint at {path!r}; {place} {hint if likely else 'there is none'}"
    )
