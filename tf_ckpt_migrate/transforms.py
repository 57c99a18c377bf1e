"""Changes of value: what a tensor becomes on its way to its new name.

A transform is a value: it can be compared, written into a plan's YAML and undone. It
first says what it would make of tensors it has not read (`output_spec`), so that a plan
finds every misfit before a byte moves; only then is it called on arrays.

New kinds register themselves by being defined::

    @dataclass(frozen=True)
    class Negate(Transform, op="negate"): ...
"""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.errors import TransformError, nearest

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "Cast",
    "Chain",
    "Concat",
    "Function",
    "Reshape",
    "Slice",
    "Transform",
    "Transpose",
    "spec_of",
]

Array = "np.ndarray[Any, Any]"


class Transform(abc.ABC):
    """A change of values, from one or more tensors to one.

    Subclasses are frozen dataclasses whose fields are numbers, strings, dtypes,
    transforms and tuples of them; that is what `to_config` and YAML can hold. They
    define `output_spec`, `_apply` and, where it exists, `inverse`.

    Example:
      >>> transform = Transpose((1, 0))
      >>> str(transform.output_spec(TensorSpec(DType.float32, (2, 3))))
      'float32[3, 2]'
      >>> Transform.from_config(transform.to_config()) == transform
      True
    """

    op: ClassVar[str] = ""
    _registry: ClassVar[dict[str, type[Transform]]] = {}

    def __init_subclass__(cls, op: str = "", **kwargs: Any) -> None:
        """Register the class under ``op``, its name in YAML."""
        super().__init_subclass__(**kwargs)
        cls.op = op
        if op:
            Transform._registry[op] = cls

    @property
    def exact(self) -> bool:
        """Whether no value is ever rounded, whatever the input."""
        return True

    def exact_for(self, *specs: TensorSpec) -> bool:
        """Whether no value is rounded when the inputs are as ``specs``."""
        del specs
        return self.exact

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
        fields = dataclasses.fields(self)  # pyright: ignore[reportArgumentType] every subclass is a dataclass
        return {"op": self.op} | {
            field.name: _plain(getattr(self, field.name)) for field in fields
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


@dataclass(frozen=True)
class Transpose(Transform, op="transpose"):
    """Permutes the dimensions, as ``np.transpose``.

    Attributes:
      perm: For each dimension of the output, the one of the input that it is.

    Raises:
      TransformError: If ``perm`` is not a permutation.

    Example:
      >>> Transpose((2, 0, 1)).inverse()
      Transpose(perm=(1, 2, 0))
    """

    perm: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check ``perm``."""
        object.__setattr__(self, "perm", _integers("perm", self.perm))
        if sorted(self.perm) != list(range(len(self.perm))):
            raise TransformError(
                f"perm {list(self.perm)} is not a permutation of "
                f"{list(range(len(self.perm)))}"
            )

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return the spec with its shape permuted."""
        spec = self._only(*specs)
        if len(spec.shape) != len(self.perm):
            raise self._misfit(f"it takes {len(self.perm)} dimensions", spec)
        return TensorSpec(spec.dtype, tuple(spec.shape[axis] for axis in self.perm))

    def _apply(self, *arrays: Array) -> Array:
        return arrays[0].transpose(self.perm)

    def inverse(self, *specs: TensorSpec) -> Transpose:
        """Return the transposition back."""
        del specs
        axes = range(len(self.perm))
        return Transpose(tuple(sorted(axes, key=self.perm.__getitem__)))


@dataclass(frozen=True)
class Reshape(Transform, op="reshape"):
    """Gives the values another shape, in row-major order, as ``np.reshape``.

    Attributes:
      shape: The new shape; one length may be -1, to be whatever is left.

    Raises:
      TransformError: If more than one length is open.

    Example:
      >>> str(Reshape((2, -1)).output_spec(TensorSpec(DType.int32, (6,))))
      'int32[2, 3]'
    """

    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check ``shape``."""
        object.__setattr__(self, "shape", _integers("shape", self.shape))
        if min(self.shape, default=0) < -1 or self.shape.count(-1) > 1:
            raise TransformError(
                f"shape {list(self.shape)} must be lengths, at most one of them -1"
            )

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return the spec with the new shape."""
        spec = self._only(*specs)
        known = math.prod(length for length in self.shape if length >= 0)
        rest = spec.size // known if known else 0
        shape = tuple(rest if length < 0 else length for length in self.shape)
        if math.prod(shape) != spec.size:
            raise self._misfit(f"it has {spec.size:,} elements", spec)
        return TensorSpec(spec.dtype, shape)

    def _apply(self, *arrays: Array) -> Array:
        return arrays[0].reshape(self.shape)

    def inverse(self, *specs: TensorSpec) -> Reshape | None:
        """Return the reshape back, if the first shape is known."""
        return Reshape(specs[0].shape) if specs else None


@dataclass(frozen=True)
class Cast(Transform, op="cast"):
    """Converts the values to another dtype, as ``np.ndarray.astype``.

    Attributes:
      dtype: The new dtype, or its name.

    Raises:
      TransformError: If ``dtype`` is no dtype, or one that values cannot be cast to.

    Example:
      >>> half = Cast("bfloat16")
      >>> half.exact_for(TensorSpec(DType.float32, ()))
      False
      >>> half.exact_for(TensorSpec(DType.uint8, ()))
      True
    """

    dtype: DType

    def __post_init__(self) -> None:
        """Look the dtype up."""
        object.__setattr__(self, "dtype", _dtype(self.dtype))
        if not _is_number(self.dtype):
            raise TransformError(f"values cannot be cast to {self.dtype.name}")

    @property
    def exact(self) -> bool:
        """False: whether values are rounded depends on what they were."""
        return False

    def exact_for(self, *specs: TensorSpec) -> bool:
        """Whether every value of the input's dtype is a value of this one."""
        return _holds(self.dtype, self._only(*specs).dtype)

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return the spec with the new dtype."""
        spec = self._only(*specs)
        if not _is_number(spec.dtype):
            raise self._misfit(f"{spec.dtype.name} holds no numbers", spec)
        return TensorSpec(self.dtype, spec.shape)

    def _apply(self, *arrays: Array) -> Array:
        return arrays[0].astype(self.dtype.as_numpy_dtype)

    def inverse(self, *specs: TensorSpec) -> Cast | None:
        """Return the cast back, if nothing was rounded."""
        if not specs or not self.exact_for(*specs):
            return None
        return Cast(specs[0].dtype)


@dataclass(frozen=True)
class Concat(Transform, op="concat"):
    """Joins tensors along one dimension, as ``np.concatenate``.

    Attributes:
      axis: The dimension, counted from 0.

    Example:
      >>> parts = TensorSpec(DType.int32, (2, 4)), TensorSpec(DType.int32, (1, 4))
      >>> str(Concat(axis=0).output_spec(*parts))
      'int32[3, 4]'
    """

    axis: int = 0

    def __post_init__(self) -> None:
        """Check ``axis``."""
        (axis,) = _integers("axis", [self.axis])
        if axis < 0:
            raise TransformError(f"axis {axis} must count from 0")

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return the first spec with the lengths along ``axis`` added."""
        rests = {
            (s.dtype, *s.shape[: self.axis], -1, *s.shape[self.axis + 1 :])
            for s in specs
            if len(s.shape) > self.axis
        }
        if len(rests) != 1 or any(len(s.shape) <= self.axis for s in specs):
            raise self._misfit(
                f"all must have the same dtype and, but for axis {self.axis}, the "
                "same shape",
                *specs,
            )
        shape = list(specs[0].shape)
        shape[self.axis] = sum(spec.shape[self.axis] for spec in specs)
        return TensorSpec(specs[0].dtype, tuple(shape))

    def _apply(self, *arrays: Array) -> Array:
        import numpy as np

        return np.concatenate(arrays, axis=self.axis)

    def inverses(self, *specs: TensorSpec) -> tuple[Slice, ...] | None:
        """Return the slices that take the parts out again."""
        parts: list[Slice] = []
        start = 0
        for spec in specs:
            begin = [0] * len(spec.shape)
            begin[self.axis] = start
            parts.append(Slice(tuple(begin), spec.shape))
            start += spec.shape[self.axis]
        return tuple(parts) or None


@dataclass(frozen=True)
class Slice(Transform, op="slice"):
    """Takes a box out of a tensor, as ``tf.slice``.

    Attributes:
      begin: The first index along each dimension.
      size: The length along each dimension; -1 is everything from ``begin`` on.

    Raises:
      TransformError: If they are not of one length, or an index is negative.

    Example:
      >>> Slice.parse("0:3, 5:")
      Slice(begin=(0, 5), size=(3, -1))
    """

    begin: tuple[int, ...]
    size: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check that the box is one."""
        object.__setattr__(self, "begin", _integers("begin", self.begin))
        object.__setattr__(self, "size", _integers("size", self.size))
        if (
            len(self.begin) != len(self.size)
            or min(self.begin, default=0) < 0
            or min(self.size, default=0) < -1
        ):
            raise TransformError(
                f"begin {list(self.begin)} and size {list(self.size)} must give one "
                "index and one length (or -1) for each dimension"
            )

    @classmethod
    def parse(cls, text: str) -> Slice:
        """Return the slice that Python would write as ``[text]``.

        Raises:
          TransformError: If ``text`` is not ``start:stop`` for each dimension, with
            no step and nothing counted from the end.
        """
        begin: list[int] = []
        size: list[int] = []
        for part in text.split(","):
            start, colon, stop = (piece.strip() for piece in part.partition(":"))
            if not colon or not all(n.isdecimal() or not n for n in (start, stop)):
                raise TransformError(
                    f"{part.strip()!r} in slice {text!r} must be 'start:stop', "
                    "'start:', ':stop' or ':', as in '0:10, :'"
                )
            begin.append(int(start or 0))
            size.append(max(int(stop) - begin[-1], 0) if stop else -1)
        return cls(tuple(begin), tuple(size))

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return the spec with the shape of the box."""
        spec = self._only(*specs)
        if len(spec.shape) != len(self.begin):
            raise self._misfit(f"it takes {len(self.begin)} dimensions", spec)
        shape: list[int] = []
        for length, begin, size in zip(spec.shape, self.begin, self.size, strict=True):
            end = length if size < 0 else begin + size
            if not begin <= end <= length:
                raise self._misfit(f"{begin}:{end} exceeds length {length}", spec)
            shape.append(end - begin)
        return TensorSpec(spec.dtype, tuple(shape))

    def _apply(self, *arrays: Array) -> Array:
        box = (
            slice(begin, None if size < 0 else begin + size)
            for begin, size in zip(self.begin, self.size, strict=True)
        )
        return arrays[0][tuple(box)]


@dataclass(frozen=True)
class Chain(Transform, op="chain"):
    """Applies transforms one after the other; the first may take several tensors.

    Attributes:
      transforms: The transforms, first one first.

    Raises:
      TransformError: If there is none, or one is not a `Transform`.

    Example:
      >>> Chain([Transpose((1, 0)), Cast("float64")]).exact
      False
    """

    transforms: tuple[Transform, ...]

    def __post_init__(self) -> None:
        """Check what is chained."""
        object.__setattr__(self, "transforms", tuple(self.transforms))
        if not self.transforms:
            raise TransformError("a chain of no transforms; leave the transform out")
        for transform in self.transforms:
            if not isinstance(transform, Transform):  # pyright: ignore[reportUnnecessaryIsInstance] users
                raise TransformError(f"{transform!r} in a chain is not a Transform")

    @property
    def exact(self) -> bool:
        """Whether every link is exact, whatever the input."""
        return all(transform.exact for transform in self.transforms)

    def _specs(self, *specs: TensorSpec) -> list[tuple[TensorSpec, ...]]:
        inputs = [specs]
        for transform in self.transforms:
            inputs.append((transform.output_spec(*inputs[-1]),))
        return inputs

    def exact_for(self, *specs: TensorSpec) -> bool:
        """Whether every link is exact on what reaches it."""
        inputs = self._specs(*specs)
        return all(
            transform.exact_for(*given)
            for transform, given in zip(self.transforms, inputs, strict=False)
        )

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return what the last link makes of what the others made."""
        return self._specs(*specs)[-1][0]

    def _apply(self, *arrays: Array) -> Array:
        for transform in self.transforms:
            arrays = (transform(*arrays),)
        return arrays[0]

    def inverse(self, *specs: TensorSpec) -> Transform | None:
        """Return the chain back, if it has one input and every link can be undone."""
        inverses = self.inverses(*specs)
        return inverses[0] if inverses and len(inverses) == 1 else None

    def inverses(self, *specs: TensorSpec) -> tuple[Transform, ...] | None:
        """Return, for each input of the first link, the chain that makes it."""
        inputs = self._specs(*specs) if specs else [()] * len(self.transforms)
        undone = [
            transform.inverses(*given)
            for transform, given in zip(self.transforms, inputs, strict=False)
        ]
        if undone[0] is None or not all(undone):
            return None
        back = [links[0] for links in undone[:0:-1] if links]
        return tuple(Chain((*back, first)) for first in undone[0])


@dataclass(frozen=True)
class Function(Transform):
    """Calls a function of yours; it cannot be written into YAML.

    Attributes:
      function: Takes the arrays, returns the new one.
      spec: What comes out, or a function of the input specs that says it; None for
        what came in first.

    Example:
      >>> import numpy as np
      >>> Function(np.negative)(np.ones(2)).tolist()
      [-1.0, -1.0]
    """

    function: Callable[..., Any]
    spec: TensorSpec | Callable[..., TensorSpec] | None = None

    @property
    def exact(self) -> bool:
        """False: nothing is known of the function."""
        return False

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return what ``spec`` says."""
        if not specs:
            raise self._misfit("it takes at least one tensor")
        if self.spec is None:
            return specs[0]
        return self.spec if isinstance(self.spec, TensorSpec) else self.spec(*specs)

    def _apply(self, *arrays: Array) -> Array:
        import numpy as np

        return np.asarray(self.function(*arrays))

    def to_config(self) -> dict[str, Any]:
        """Refuse.

        Raises:
          TransformError: Always: code is no data.
        """
        raise TransformError(
            f"{self!r} holds Python code, which YAML and JSON cannot: keep the plan in "
            "Python, or give the change a name by subclassing Transform with op='…'"
        )


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
    return TensorSpec(_dtype(name), tuple(array.shape))


def _dtype(value: object) -> DType:
    if isinstance(value, DType):
        return value
    name = value if isinstance(value, str) else getattr(value, "name", None)
    name = name or getattr(value, "__name__", None)  # np.float32, a class
    if name not in DType.__members__:
        hints = nearest(str(name), DType.__members__)
        raise TransformError(f"{value!r} is no dtype; the nearest are {hints}")
    return DType[str(name)]


def _integers(what: str, values: Sequence[int]) -> tuple[int, ...]:
    if isinstance(values, str) or not all(type(n) is int for n in values):
        raise TransformError(f"{what} must be integers, not {values!r}")
    return tuple(values)


# Significant bits and the powers of two between which magnitudes lie (IEEE 754;
# bfloat16 is float32 cut short). What is not here, is not known to hold anything.
_FLOATS = {
    DType.float16: (11, -24, 16),
    DType.bfloat16: (8, -133, 128),
    DType.float32: (24, -149, 128),
    DType.float64: (53, -1074, 1024),
}
_PARTS = {DType.complex64: DType.float32, DType.complex128: DType.float64}


def _is_number(dtype: DType) -> bool:
    return dtype not in (DType.string, DType.resource, DType.variant) and (
        "qint" not in dtype.name and "quint" not in dtype.name
    )


def _integer_bits(dtype: DType) -> tuple[int, bool] | None:
    """Return the bits of magnitude and whether it is signed; None for no integer."""
    if dtype is DType.bool:
        return 1, False
    signed = dtype.name.startswith("int")
    digits = dtype.name.removeprefix("u").removeprefix("int")
    return (int(digits) - signed, signed) if digits.isdecimal() else None


def _holds(wide: DType, narrow: DType) -> bool:
    """Whether every value of ``narrow`` is one of ``wide``."""
    if wide is narrow:
        return True
    if narrow in _PARTS and wide not in _PARTS:
        return False
    wide, narrow = _PARTS.get(wide, wide), _PARTS.get(narrow, narrow)
    if wide is narrow:
        return True
    bits = _integer_bits(narrow)
    wide_bits = _integer_bits(wide)
    if wide_bits:
        return (
            bits is not None
            and wide is not DType.bool
            and bits[0] <= wide_bits[0]
            and bits[1] <= wide_bits[1]
        )
    if wide not in _FLOATS:
        return False
    digits, low, high = _FLOATS[wide]
    if bits:
        return bits[0] <= digits and bits[0] < high
    if narrow.name.startswith("float8"):
        return wide in (DType.float32, DType.float64)
    if narrow not in _FLOATS:
        return False
    other = _FLOATS[narrow]
    return other[0] <= digits and low <= other[1] and other[2] <= high


def _plain(value: object) -> Any:
    if isinstance(value, Transform):
        return value.to_config()
    if isinstance(value, DType):
        return value.name
    if isinstance(value, tuple):
        items: tuple[object, ...] = value
        return [_plain(item) for item in items]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TransformError(f"{value!r} cannot be written into YAML or JSON")


def _from_config(config: object) -> Transform:
    if not isinstance(config, Mapping) or "op" not in config:
        raise TransformError(
            f"a transform is written as {{op: NAME, …}}, such as "
            f"{{op: transpose, perm: [1, 0]}}, not {config!r}"
        )
    arguments: dict[str, Any] = {str(k): _value(v) for k, v in config.items()}
    op = str(arguments.pop("op"))
    registry = Transform._registry  # pyright: ignore[reportPrivateUsage] same module
    if op not in registry:
        raise TransformError(f"no transform is called {op!r}; there are {[*registry]}")
    names = [field.name for field in dataclasses.fields(registry[op])]  # pyright: ignore[reportArgumentType] every subclass is a dataclass
    try:
        return registry[op](**arguments)
    except TypeError:
        raise TransformError(f"{op} takes {names}, not {sorted(arguments)}") from None


def _value(value: object) -> Any:
    if isinstance(value, Mapping):
        return _from_config(value)
    if isinstance(value, list):
        items: list[object] = value
        return tuple(_value(item) for item in items)
    return value
