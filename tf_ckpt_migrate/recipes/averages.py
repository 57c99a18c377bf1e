"""Moving averages of variables: which value a variable gets, and where averages go.

An average is called, after its variable ``net/w``, as one of these; the first may have
the scope before it in which it was made:

- ``net/w/ExponentialMovingAverage`` by ``tf.train.ExponentialMovingAverage``, or by the
  ``name`` that this was given;
- ``average/net/w`` by an optimizer of Keras 2 (since 2.11) with ``use_ema=True``;
- ``adam/net_w_average`` by one of Keras 3.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Literal

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import PlanError, RuleError
from tf_ckpt_migrate.names.rules import Drop, Rename, Rule
from tf_ckpt_migrate.names.rules.recipe import recipe
from tf_ckpt_migrate.recipes.scopes import start_of

__all__ = ["averages", "averages_in"]

_NAME = "ExponentialMovingAverage"
_KERAS_2 = "average/"
_KERAS_3 = "_average"
_USES = ("raw", "average", "both")
_Specs = Mapping[str, TensorSpec]


@recipe("averages")
def averages(  # noqa: PLR0913 what every recipe gets, and two options
    source: str,
    target: str,
    specs: _Specs,
    targets: _Specs | None,
    *,
    use: Literal["raw", "average", "both"] = "average",
    name: str = _NAME,
) -> list[Rule]:
    """Return rules for the variables of a scope that have averages, and for these.

    Other variables of the scope are left to the rules that follow, or to their names.

    Args:
      source: The scope in the checkpoint; ``"/"`` is everything.
      target: The scope to fill.
      specs: The tensors of the checkpoint.
      targets: The places to fill; None if any name will do.
      use: ``"average"`` gives variables their averages, ``"raw"`` their own values, and
        what is not used is dropped; ``"both"`` carries the averages over, to the
        averages of the target. One that has no place there is left to other rules.
      name: What the averages are called in TF1, also those to be made.

    Raises:
      RuleError: If ``use`` is none of the three, or a scope does not end in ``/``.
      PlanError: If the scope has no averages; if a variable has two; or if the target
        has no place for any.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> spec = TensorSpec(DType.float32, (2,))
      >>> specs = {"net/w": spec, "net/w/ExponentialMovingAverage": spec}
      >>> for rule in averages("net/", "model/", specs, None):
      ...     print(rule)
      Rename('net/w/ExponentialMovingAverage', 'model/w')
      Drop('net/w')
    """
    if use not in _USES:
        raise RuleError(f"use={use!r}; expected one of {', '.join(_USES)}")
    start, to = (start_of(scope) for scope in (source, target))
    known = averages_in(specs, name)
    found = {v: average for v, average in known.items() if v.startswith(start)}
    if not found:
        raise PlanError(
            f"no variable below {source!r} has an average called {name!r}, nor one of "
            "a Keras optimizer; averages of another name are found by name=…"
        )
    places = _places(targets, name) if use == "both" else {}
    rules: list[Rule] = []
    for variable, average in found.items():
        place = to + variable[len(start) :]
        if use == "average":
            rules.append(Rename(average, place))
            rules.append(Drop(variable, reason="its average is taken"))
            continue
        rules.append(Rename(variable, place))
        if use == "raw":
            rules.append(Drop(average, reason="the variable's own value is taken"))
        elif targets is None:
            rules.append(Rename(average, f"{place}/{name}"))
        elif place in places:
            rules.append(Rename(average, places[place]))
    return rules


def averages_in(names: Collection[str], name: str = _NAME) -> dict[str, str]:
    """Return the average of each variable that has one.

    Args:
      names: Of all tensors, to be looked up in.
      name: What averages are called in TF1.

    Raises:
      PlanError: If a variable has several.

    Example:
      >>> averages_in({"w": 0, "train/w/avg": 0, "b": 0}, "avg")
      {'w': 'train/w/avg'}
    """
    found: dict[str, str] = {}
    for variable, average in _pairs(names, name):
        if variable in found:
            raise PlanError(
                f"{variable!r} has two averages, {found[variable]!r} and {average!r}; "
                "drop one by a rule before, or choose by name=…"
            )
        found[variable] = average
    return found


def _pairs(names: Collection[str], name: str) -> Iterator[tuple[str, str]]:
    joined = {each.replace("/", "_") + _KERAS_3: each for each in names}
    for key in names:
        base = key.removesuffix(f"/{name}")
        variable = None
        if base != key:
            variable = _longest_suffix(base, names)
        elif _KERAS_2 in key:
            variable = key.partition(_KERAS_2)[2]
        elif key.endswith(_KERAS_3):
            variable = joined.get(key.rpartition("/")[2])
        if variable in names and variable is not None:
            yield variable, key


def _longest_suffix(name: str, names: Collection[str]) -> str | None:
    """Return the variable of an average, which may be below a scope of its own."""
    while name and name not in names:
        name = name.partition("/")[2]
    return name or None


def _places(targets: _Specs | None, name: str) -> dict[str, str]:
    """Return what the averages of variables are called in the target."""
    places = {} if targets is None else averages_in(targets, name)
    if targets is not None and not places:
        raise PlanError(
            "no variable of the target has an average; give its optimizer "
            "use_ema=True, or choose use='raw' or use='average'"
        )
    return places
