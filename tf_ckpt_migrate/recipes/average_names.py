"""What averages are called, beside their variables.

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
from tf_ckpt_migrate.names.rules import Drop, Rule, Split
from tf_ckpt_migrate.naming.optimizer_names import AVERAGE
from tf_ckpt_migrate.naming.slots import role_of

__all__ = ["NAME", "averages_in", "view_rules"]

NAME = AVERAGE
_KERAS_2 = "average/"
_KERAS_3 = "_average"
_Specs = Mapping[str, TensorSpec]


def view_rules(specs: _Specs, use: Literal["raw", "average"]) -> list[Rule]:
    """Return rules to names as programs ask for them, in which averages are chosen.

    With ``"average"`` a variable and its average are the same; what has no average has
    its own value under the name of one too, as ``variables_to_restore()`` of TF1 asks
    for the averages of all variables.

    Args:
      specs: The tensors of the checkpoint, by name.
      use: ``"average"``, or ``"raw"``, which leaves averages out.

    Raises:
      PlanError: If there are no averages to use.
      RuleError: If ``use`` is none of the two.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> names = ["w", "w/ExponentialMovingAverage"]
      >>> specs = dict.fromkeys(names, TensorSpec(DType.float32, (2,)))
      >>> rule = view_rules(specs, "average")[0]
      >>> rule.source, dict(rule.targets)["w"]
      ('w/ExponentialMovingAverage', None)
    """
    if use not in ("raw", "average"):
        raise RuleError(f"averages={use!r}; expected one of raw, average")
    found = averages_in(specs)
    if use == "raw":
        return [Drop(average, reason="not asked for") for average in found.values()]
    if not found:
        raise PlanError(f"the checkpoint has no averages called {NAME!r}")
    rules: list[Rule] = []
    for key in specs:
        if key in found:
            rules += [Split(found[key], [key, f"{key}/{NAME}"]), Drop(key)]
        elif role_of(key, specs) == "weight":
            rules.append(Split(key, [key, f"{key}/{NAME}"]))
    return rules


def averages_in(names: Collection[str], name: str = NAME) -> dict[str, str]:
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
