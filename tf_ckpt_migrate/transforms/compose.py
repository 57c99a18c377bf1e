"""Transforms made of others: chains, and functions of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import TransformError
from tf_ckpt_migrate.transforms.base import Transform

if TYPE_CHECKING:
    from tf_ckpt_migrate.transforms.base import Array

__all__ = ["Chain", "Function"]


@dataclass(frozen=True)
class Chain(Transform, op="chain"):
    """Applies transforms one after the other; the first may take several tensors.

    Attributes:
      transforms: The transforms, first one first.

    Raises:
      TransformError: If there is none, or one is not a `Transform`.

    Example:
      >>> from tf_ckpt_migrate.transforms import Cast, Transpose
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

    @property
    def note(self) -> str:
        """The notes of all links."""
        return "; ".join(each.note for each in self.transforms if each.note)

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
