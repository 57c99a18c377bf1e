"""The base of every change of value, and its form as plain data."""

from __future__ import annotations

import abc
import dataclasses
import operator
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, cast

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.errors import TransformError, nearest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]

__all__ = ["Transform", "dtype_named", "integers", "real_number", "spec_of"]


class Transform(abc.ABC):
    """A change of values, from one or more tensors to one.

    Subclasses are frozen dataclasses whose fields are numbers, strings, dtypes,
    transforms and tuples of them; that is what `to_config` and YAML can hold. They
    define `output_spec`, `_apply` and, where it exists, `inverse`.

    Example:
      >>> from tf_ckpt_migrate.transforms import Transpose
      >>> transform = Transpose((1, 0))
      >>> str(transform.output_spec(TensorSpec(DType.float32, (2, 3))))
      'float32[3, 2]'
      >>> Transform.from_config(transform.to_config()) == transform
      True

    Attributes:
      op: Its name in YAML; empty for one that cannot be written there.
      registry: Every transform that can be, by that name.
    """

    op: ClassVar[str] = ""
    registry: ClassVar[dict[str, type[Transform]]] = {}

    def __init_subclass__(cls, op: str = "") -> None:
        """Register the class under ``op``, its name in YAML."""
        super().__init_subclass__()
        cls.op = op
        if op:
            Transform.registry[op] = cls

    @property
    def exact(self) -> bool:
        """Whether no value is ever rounded, whatever the input."""
        return True

    def exact_for(self, *specs: TensorSpec) -> bool:
        """Whether no value is rounded when the inputs are as ``specs``."""
        del specs
        return self.exact

    @property
    def note(self) -> str:
        """What a reader of a plan should know of it; empty if that is nothing."""
        return ""

    @abc.abstractmethod
    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return what comes out when tensors as ``specs`` go in.

        Raises:
          TransformError: If it does not fit such tensors.
        """

    @abc.abstractmethod
    def _apply(self, *arrays: Array) -> Array:
        """Return the changed values; the arrays are known to fit."""

    def __call__(self, *arrays: Array) -> Array:
        """Return the changed values; the inputs stay as they are.

        Raises:
          TransformError: If the transform does not fit the arrays, or makes something
            else of them than it promises.
        """
        promised = self.output_spec(*map(spec_of, arrays))
        result = self._apply(*arrays)
        if spec_of(result) != promised:
            raise TransformError(
                f"{self!r} made {spec_of(result)} where it promises {promised}"
            )
        return result

    def inverse(self, *specs: TensorSpec) -> Transform | None:
        """Return what undoes this transform of one tensor as ``specs``, if it exists.

        Without ``specs`` only a transform that needs none of them has an inverse.
        """
        del specs
        return None

    def inverses(self, *specs: TensorSpec) -> tuple[Transform, ...] | None:
        """Return, for each input, what makes it from the output; None if lost."""
        inverse = self.inverse(*specs)
        return None if inverse is None else (inverse,)

    def to_config(self) -> dict[str, Any]:
        """Return plain data (for YAML and JSON) that `from_config` reads back.

        Raises:
          TransformError: If it holds something that plain data cannot say.
        """
        return {"op": self.op} | {
            field.name: _plain(getattr(self, field.name)) for field in _fields(self)
        }

    @staticmethod
    def from_config(config: object) -> Transform:
        """Return the transform that `to_config` described.

        Raises:
          TransformError: If ``config`` is not such a description.
        """
        return _from_config(config)

    def _misfit(self, why: str, *specs: TensorSpec) -> TransformError:
        given = ", ".join(map(str, specs)) or "nothing"
        return TransformError(f"{self!r} does not fit {given}: {why}")

    def _only(self, *specs: TensorSpec) -> TensorSpec:
        if len(specs) != 1:
            raise self._misfit(f"it takes one tensor, not {len(specs)}", *specs)
        return specs[0]


def spec_of(array: Array) -> TensorSpec:
    """Return dtype and shape of an array as a checkpoint would hold it.

    Raises:
      TransformError: If no tensor can have its dtype.

    Example:
      >>> import numpy as np
      >>> str(spec_of(np.zeros([2, 3], np.float32)))
      'float32[2, 3]'
    """
    dtype = array.dtype
    if dtype.names:  # quantized values are structures of one field named for the dtype
        name = dtype.names[0]
    else:
        name = "string" if dtype.kind in "OSU" else dtype.name
    return TensorSpec(dtype_named(name), tuple(array.shape))


def dtype_named(value: object) -> DType:
    """Return the dtype that ``value`` is or names, as NumPy and TensorFlow name them.

    Raises:
      TransformError: If it names none.

    Example:
      >>> dtype_named("bfloat16").itemsize
      2
    """
    if isinstance(value, DType):
        return value
    name = value if isinstance(value, str) else getattr(value, "name", None)
    name = name or getattr(value, "__name__", None)  # np.float32, a class
    if name not in DType.__members__:
        hints = nearest(str(name), DType.__members__)
        raise TransformError(f"{value!r} is no dtype; the nearest are {hints}")
    return DType[str(name)]


def integers(what: str, values: Sequence[int]) -> tuple[int, ...]:
    """Return ``values`` as a tuple, checked to be integers; ``what`` names them.

    Raises:
      TransformError: If one is not.

    Example:
      >>> integers("perm", [1, 0])
      (1, 0)
    """
    try:
        return tuple(map(operator.index, values))
    except TypeError:
        raise TransformError(f"{what} must be integers, not {values!r}") from None


def real_number(what: str, value: object) -> float:
    """Return ``value``, checked to be a number; ``what`` names it.

    Raises:
      TransformError: If it is none.

    Example:
      >>> real_number("factor", 0.5)
      0.5
    """
    if not hasattr(value, "__float__") or getattr(value, "ndim", 0):
        raise TransformError(f"{what} must be a number, not {value!r}")
    return cast(float, value)


def _plain(value: object) -> object:
    if isinstance(value, Transform):
        return value.to_config()
    if isinstance(value, DType):
        return value.name
    if isinstance(value, tuple):
        return [_plain(item) for item in cast(tuple[object, ...], value)]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TransformError(f"{value!r} cannot be written into YAML or JSON")


def _from_config(config: object) -> Transform:
    if not isinstance(config, Mapping) or "op" not in config:
        raise TransformError(
            f"a transform is written as {{op: NAME, …}}, such as "
            f"{{op: transpose, perm: [1, 0]}}, not {config!r}"
        )
    given = cast(Mapping[str, object], config)
    arguments = {str(name): _value(value) for name, value in given.items()}
    op = str(arguments.pop("op"))
    kind = Transform.registry.get(op)
    if kind is None:
        known = ", ".join(Transform.registry)
        raise TransformError(f"no transform is called {op!r}; there are {known}")
    try:
        return kind(**arguments)
    except TypeError:
        names = ", ".join(field.name for field in _fields(kind))
        raise TransformError(f"{op} takes {names}, not {sorted(arguments)}") from None


def _fields(transform: object) -> tuple[dataclasses.Field[object], ...]:
    return dataclasses.fields(cast(Any, transform))  # every subclass is a dataclass


def _value(value: object) -> Any:
    if isinstance(value, Mapping):
        return _from_config(cast(object, value))
    if isinstance(value, list):
        return tuple(_value(item) for item in cast(list[object], value))
    return value
