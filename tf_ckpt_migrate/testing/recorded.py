"""What a TF1 program has computed elsewhere, as `record_outputs` writes it."""

from __future__ import annotations

import math
import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.errors import RecordingError, nearest
from tf_ckpt_migrate.live.framework import tensorflow

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["RecordedModel", "is_recording", "read_recording"]

_GROUPS = ("inputs", "outputs", "tensors")
_MOST = 1100  # times that deflate makes zeros smaller, at most
_BEHIND = 24  # tensors that are looked at behind a scope


class _Tensor(NamedTuple):
    name: str
    value: Array

    @property
    def shape(self) -> Any:
        return tensorflow().TensorShape(self.value.shape)


class RecordedModel:
    """TF1's side of a comparison, read from a file.

    Args:
      recording: The path of a `.npz` file, or the arrays of one by name.
      outputs: Which of the outputs, or of the recorded tensors, to compare; None for
        all outputs.

    Attributes:
      inputs: What was fed, by name.
      results: The tensors that are compared, by name.

    Raises:
      RecordingError: If it is not a recording.
      LookupError: If ``outputs`` names what it does not have.

    Example:
      >>> import numpy as np
      >>> recorded = RecordedModel({"inputs": np.ones(2), "outputs/y": np.zeros(2)})
      >>> [*recorded.inputs], [*recorded.results]
      (['inputs'], ['y'])
    """

    def __init__(self, recording: Any, outputs: Any = None) -> None:
        """Read the recording."""
        mapping = isinstance(recording, Mapping)
        where = "the recording" if mapping else repr(os.fspath(recording))
        arrays = dict(recording) if mapping else read_recording(recording)
        groups = _grouped(arrays, where)
        self.inputs: dict[str, Array] = groups["inputs"]
        all_outputs = [_Tensor(*each) for each in groups["outputs"].items()]
        tensors = [_Tensor(*each) for each in groups["tensors"].items()]
        self._scoped: list[_Tensor] = tensors
        self._by_name: dict[str, _Tensor] = {
            each.name: each for each in (*tensors, *all_outputs)
        }
        self._places: dict[str, int] = {t: n for n, t in enumerate(self._by_name)}
        self.results: dict[str, Any] = {each.name: each for each in all_outputs}
        if outputs is not None:
            self.results = self._chosen(outputs)

    def _chosen(self, outputs: Any) -> dict[str, Any]:
        if isinstance(outputs, str):
            outputs = [outputs]
        if not isinstance(outputs, Mapping):
            outputs = {name: name for name in outputs}
        return {key: self.tensor(name) for key, name in outputs.items()}

    def tensor(self, name: str) -> Any:
        """Return a tensor by its name, or by that of its operation.

        Raises:
          LookupError: If it was not recorded.
        """
        for each in (name, f"{name}:0"):
            if each in self._by_name:
                return self._by_name[each]
        near = nearest(name, [*self._by_name])
        raise LookupError(f"the recording has no tensor {name!r}; nearest are {near}")

    def run(self, fetches: Any) -> Any:
        """Return the recorded value of a tensor, or the values of a list of them."""
        if isinstance(fetches, list):
            return [each.value for each in fetches]
        return fetches.value

    def place(self, tensor: Any) -> int:
        """Return where a tensor comes in the order of the recording."""
        return self._places[tensor.name]

    def candidates(self, scope: str, scopes: Sequence[str]) -> list[Any]:
        """Return the tensors that the layer of a scope may give, likeliest first."""
        floats = [each for each in self._scoped if each.value.dtype.kind == "f"]
        start = f"{scope}/" if scope else ""
        places = [n for n, each in enumerate(floats) if each.name.startswith(start)]
        inside = [floats[n] for n in reversed(places)]
        behind: list[_Tensor] = []
        others = tuple(f"{each}/" for each in scopes if each)
        for each in floats[places[-1] + 1 :][:_BEHIND] if places else []:
            if each.name.startswith(others):
                break
            behind.append(each)
        return [*inside, *behind]

    def constants(self) -> list[float]:
        """Return nothing: a recording does not have the numbers of the graph."""
        return []


def is_recording(candidate: object) -> bool:
    """Return whether something is a recording, or the path of one.

    Example:
      >>> is_recording("recorded.npz"), is_recording(len)
      (True, False)
    """
    return isinstance(candidate, str | os.PathLike | Mapping)


def read_recording(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Read the arrays of a `.npz` file, none of which may be pickled.

    Raises:
      FileNotFoundError: If there is no such file.
      RecordingError: If it is not a `.npz` file, or damaged.

    Example:
      >>> import os, tempfile
      >>> import numpy as np
      >>> path = os.path.join(tempfile.mkdtemp(), "recorded.npz")
      >>> np.savez(path, outputs=np.ones(2))
      >>> read_recording(path)
      {'outputs': array([1., 1.])}
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return {
                info.filename.removesuffix(".npy"): _read(archive, info)
                for info in archive.infolist()
            }
    except (
        *(zipfile.BadZipFile, zlib.error, ValueError, EOFError),
        *(NotImplementedError, RuntimeError),  # another compression; encrypted
    ) as error:
        raise RecordingError(
            f"cannot read {os.fspath(path)!r} as a recording: {error}. Write it with "
            "record_outputs of tf_ckpt_migrate/testing/record_tf1.py, or with "
            "numpy.savez, without arrays of Python objects"
        ) from error


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Array:
    import numpy as np

    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if header is None:
            raise ValueError(f"array {info.filename!r} has format {version}")
        shape, _, dtype = header(file)
        size = math.prod(shape) * dtype.itemsize
        if dtype.hasobject:
            raise ValueError(f"array {info.filename!r} has Python objects")
        if file.tell() + size != info.file_size or size > _MOST * (
            info.compress_size + 1
        ):
            raise ValueError(f"array {info.filename!r} is not {size:,} bytes long")
    with archive.open(info) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _grouped(arrays: Mapping[str, Any], where: str) -> dict[str, dict[str, Array]]:
    import numpy as np

    groups: dict[str, dict[str, Array]] = {name: {} for name in _GROUPS}
    unknown: list[str] = []
    for name, value in arrays.items():
        group, _, rest = str(name).partition("/")
        if group not in _GROUPS:
            unknown.append(str(name))
            continue
        short = rest or {"outputs": "output"}.get(group, group)
        groups[group][short] = np.asarray(value)
    if unknown or not groups["outputs"]:
        what = f"has {unknown}" if unknown else "has no outputs"
        raise RecordingError(
            f"{where} is not a recording: it {what}; its arrays are called 'inputs/…', "
            "'outputs/…' and 'tensors/…'"
        )
    return groups
