"""A change to a model that is tried: what it does and what to say if it helps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple

from tf_ckpt_migrate.live.variables import is_variable, value_of
from tf_ckpt_migrate.testing.layers import Trial

__all__ = ["Change", "setting"]


def _unchanged(inputs: Any) -> Any:
    return inputs


def _nothing(layer: Any) -> AbstractContextManager[Any]:
    del layer
    return nullcontext()


class Change(NamedTuple):
    """Something to try.

    Attributes:
      kind: What is told of changes of this kind that did not help.
      text: What is told if it helps.
      trial: What to call in the place of the layer's ``call``, if that is the change.
      made: Makes the change to the layer while its context lasts.
      inputs: Makes the change to the model's inputs.
      others: What to call in the place of other layers' ``call``, by their names.
      exchanged: Pairs of variables whose values are exchanged.
      renamed: Which layer has then the values of which, by their names.
    """

    kind: str
    text: str
    trial: Trial | None = None
    made: Callable[[Any], AbstractContextManager[Any]] = _nothing
    inputs: Callable[[Any], Any] = _unchanged
    others: Mapping[str, Trial] = {}
    exchanged: Sequence[tuple[Any, Any]] = ()
    renamed: Mapping[str, str] = {}


@contextmanager
def setting(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Let an object have another setting while the context lasts."""
    before = getattr(owner, name)
    if is_variable(before):  # to set it is to assign
        before = float(value_of(before))
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
