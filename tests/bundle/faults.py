"""Lets the n-th step of a program that touches the disk fail, and tells the steps."""

import errno
import os
from pathlib import Path


def no_space():
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Disk:
    """Counts steps; the one of number ``fails_at`` raises "no space left".

    Attributes:
      fails_at: Number of the step that fails; -1 for none.
      fail: What happens there instead, if it is something else.
      steps: The names of the steps so far, and the path that each is about.
      failed: The name of the step that failed; None if there was none.
      after: Called after every step that did not fail.
    """

    def __init__(self, monkeypatch, fails_at=-1, after=lambda: None, fail=no_space):
        self.fails_at = fails_at
        self.fail = fail
        self.steps = []
        self.failed = None
        self.after = after
        for module, name in [
            (os, "replace"),
            (os, "rename"),
            (os, "fsync"),
            (os, "link"),
            (os, "copy_file_range"),
            (Path, "unlink"),
        ]:
            self._watch(monkeypatch, module, name)
        opened = Path.open

        def watched(path, mode="r", *args, **options):
            file = opened(path, mode, *args, **options)
            return _File(file, self, path) if mode == "xb" else file

        monkeypatch.setattr(Path, "open", watched)

    def _watch(self, monkeypatch, module, name):
        original = getattr(module, name, None)
        if original is None:  # copy_file_range is not everywhere
            return

        def watched(*args, **options):
            with self.step(name, args):
                return original(*args, **options)

        monkeypatch.setattr(module, name, watched)

    def step(self, name, args):
        self.steps.append((name, args))
        if len(self.steps) == self.fails_at + 1:
            self.failed = name
            self.fail()
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.after()


class _File:
    def __init__(self, file, disk, path):
        self._file = file
        self._disk = disk
        self._path = path

    def write(self, data):
        with self._disk.step("write", (self._path,)):
            return self._file.write(data)

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()
