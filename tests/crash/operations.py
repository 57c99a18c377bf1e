"""What is done to checkpoints while it may be killed, and what may be found then."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import tf_ckpt_migrate as tcm
from tests.conversion.checkpoints import write
from tf_ckpt_migrate.bundle.commit import existing_files

__all__ = ["OPERATIONS", "Operation", "Scene", "state_of"]

_SHAPE = (64, 40)


class Operation(NamedTuple):
    """Something that writes a checkpoint.

    Attributes:
      run: Takes the folder and the prefix to write.
      old: Makes what is at the prefix before; None where nothing is.
    """

    run: Callable[[str, str], object]
    old: Callable[[str, str], object] | None = None


def _sources(folder: str) -> None:
    """Write what is taken from: two checkpoints by name, one by objects."""
    random = np.random.default_rng(1)
    tensors = {
        f"net/layer_{n}/{name}": random.normal(size=_SHAPE).astype(np.float32)
        for n in range(6)
        for name in ("w", "w/Adam", "w/Adam_1")
    }
    write(f"{folder}/names", {**tensors, "global_step": 7})
    write(
        f"{folder}/more", {"other": np.arange(1000.0), "s": np.array([b"text"], object)}
    )
    tcm.convert_tf1_to_tf2(f"{folder}/names", f"{folder}/objects", data="copy")
    tcm.compact(f"{folder}/names", f"{folder}/parts", shards=3)


def _plan(folder: str) -> tcm.MigrationPlan:
    turned = tcm.Rename("net/layer_0/w", "first", tcm.transforms.Transpose((1, 0)))
    rules = [turned, ("net/", "encoder/"), tcm.Keep("global_step")]
    return tcm.plan_migration(f"{folder}/names", None, rules)


def _of_another_time(folder: str, prefix: str) -> object:
    return tcm.compact(f"{folder}/more", prefix)


def _copy_of(name: str) -> Callable[[str, str], object]:
    return lambda folder, prefix: tcm.compact(f"{folder}/{name}", prefix)


def _convert(folder: str, prefix: str) -> object:
    return tcm.convert(_plan(folder), prefix, overwrite=True)


def _computed_names() -> list[Any]:
    turn = tcm.transforms.Transpose((1, 0))
    turned = [
        tcm.Rename(f"vars/net/layer_{n}/w", f"net/layer_{n}/w", turn) for n in range(6)
    ]
    return [*turned, ("vars/", "/")]


def _add_computed(_: str, prefix: str) -> object:
    return tcm.add_name_keys(prefix, _computed_names())


def _with_computed(folder: str, prefix: str) -> object:
    _copy_of("objects")(folder, prefix)
    return _add_computed(folder, prefix)


OPERATIONS = {
    # Where nothing was, nobody says that something may be replaced.
    "convert": Operation(lambda f, p: tcm.convert(_plan(f), p)),
    "convert over another": Operation(_convert, _of_another_time),
    "convert of three shards, copied": Operation(
        lambda f, p: tcm.convert_tf1_to_tf2(
            f"{f}/parts", p, data="copy", overwrite=True
        ),
        _of_another_time,
    ),
    "back to names": Operation(
        lambda f, p: tcm.convert_tf2_to_tf1(f"{f}/objects", p, overwrite=True)
    ),
    "prune": Operation(
        lambda f, p: tcm.prune(f"{f}/names", p, compact=True, overwrite=True),
        _of_another_time,
    ),
    "merge": Operation(
        lambda f, p: tcm.merge([f"{f}/names", f"{f}/more"], p, overwrite=True),
        _of_another_time,
    ),
    "compact into four": Operation(
        lambda f, p: tcm.compact(f"{f}/names", p, shards=4, overwrite=True),
        _of_another_time,
    ),
    "add names": Operation(lambda _, p: tcm.add_name_keys(p), _copy_of("objects")),
    "add names of other values": Operation(_add_computed, _copy_of("objects")),
    "remove names of other values": Operation(
        lambda _, p: tcm.remove_name_keys(p, _computed_names()), _with_computed
    ),
    "add objects": Operation(lambda _, p: tcm.add_object_keys(p), _copy_of("names")),
}


class Scene:
    """A folder where an operation runs again and again.

    Args:
      folder: An empty one.
      operation: What runs.

    Attributes:
      allowed: The states of the output that are whole: the old one and the new one.
      new: The latter.
    """

    def __init__(self, folder: Path, operation: Operation) -> None:
        """Write the sources, and find out what may be seen."""
        self._folder, self._operation = str(folder), operation
        self._prefix = f"{folder}/run/model.ckpt"
        folder.mkdir(parents=True, exist_ok=True)
        _sources(self._folder)
        self._before = self._sources_now()
        self.set()
        old = state_of(self._prefix)
        self.run()
        self.new = state_of(self._prefix)
        self.allowed = {old, self.new}

    def set(self) -> None:
        """Bring the output to how it is before the operation."""
        run = Path(self._prefix).parent
        shutil.rmtree(run, ignore_errors=True)
        run.mkdir()
        if self._operation.old:
            self._operation.old(self._folder, self._prefix)

    def run(self) -> None:
        """Run the operation."""
        self._operation.run(self._folder, self._prefix)

    def check(self) -> str:
        """Return the state of the output.

        Raises:
          AssertionError: If it is neither the old nor the new one, or a source is not
            what it was.
        """
        assert self._sources_now() == self._before, "a source has changed"
        state = state_of(self._prefix)
        assert state in self.allowed, f"neither old nor new: {state}"
        return state

    def check_next(self) -> None:
        """Let the next writer run to its end, and see that nothing else is left.

        That is the operation once more, or if it was done, one of another checkpoint in
        the same folder.

        Raises:
          AssertionError: If something is.
        """
        prefixes = [self._prefix]
        if self.check() == self.new:
            prefixes.append(f"{self._prefix}-next")
            _of_another_time(self._folder, prefixes[-1])
        else:
            self.run()
        self.check()
        self.check_nothing_left(*prefixes)

    def check_nothing_left(self, *prefixes: str) -> None:
        """See that there are no files but those of whole checkpoints.

        Raises:
          AssertionError: If there are.
        """
        of = prefixes or (self._prefix,)
        whole = {Path(path) for prefix in of for path in existing_files(prefix)}
        left = set(Path(self._prefix).parent.iterdir()) - whole
        assert not left, f"left behind: {left}"

    def _sources_now(self) -> dict[str, str]:
        paths = (path for path in Path(self._folder).iterdir() if path.is_file())
        return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}


def state_of(prefix: str) -> str:
    """Return a digest of all that a checkpoint holds; ``"absent"`` where none is.

    Raises:
      AssertionError: If it is damaged.
      CheckpointError: If it cannot be read.
    """
    if not os.path.exists(f"{prefix}.index"):
        return "absent"
    verified = tcm.verify_checkpoint(prefix)
    assert verified.ok, str(verified)
    reader, digest = tcm.load_checkpoint(prefix), hashlib.sha256()
    for key in sorted(reader):
        digest.update(f"{key} {reader.specs[key]} ".encode())
        value = reader[key]
        digest.update(repr(value.tolist()).encode() if value.dtype == object else value)
    return digest.hexdigest()
