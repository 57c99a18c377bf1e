"""What is known of an optimizer of TF1 besides its slots, and from whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from tf_ckpt_migrate.names.moves import Verdict
from tf_ckpt_migrate.recipes.layer_defaults import KerasSettings
from tf_ckpt_migrate.recipes.optimizer_kinds import Flavor, Kind

__all__ = ["Known", "Wanted", "with_suppositions"]


_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Wanted(NamedTuple):
    """A setting as TF1 had it.

    Attributes:
      value: The setting.
      why: How that is known.
      assumes: That it is not, and is assumed.
    """

    value: Any
    why: str
    assumes: str = ""


class Known(NamedTuple):
    """What is known of the optimizer that another one continues.

    Attributes:
      name: What its kind is called.
      kind: Its kind.
      told: What someone says that TF1 had, by the names of its arguments.
      saved: What the checkpoint says, likewise.
      flavor: Of which Keras it is; None for one of TF1's own.
      saved_by: Who had its settings, for messages.
      epsilon_fraction: By how much of itself a step differs for what is done with
        epsilon; `epsilon.step_fraction` knows.
      steps: How many steps it has taken, where someone counted.
      is_sparse: Whether there may be sparse gradients; someone may say that not.
      embeddings: The variables that it trains with such.
    """

    name: str
    kind: Kind
    told: Mapping[str, Any] = _NOTHING
    saved: Mapping[str, Any] = _NOTHING
    flavor: Flavor | None = None
    saved_by: str = "TF1"
    epsilon_fraction: float = 0.0
    steps: int = 0
    is_sparse: bool = True
    embeddings: tuple[str, ...] = ()

    @property
    def is_of_keras(self) -> bool:
        """Whether it is one of Keras."""
        return self.flavor is not None

    def wanted(self, argument: str, live: KerasSettings) -> Wanted | None:
        """Return what TF1 had; None where nothing is known and the live one has none.

        Example:
          >>> from tf_ckpt_migrate.recipes.optimizer_kinds import KINDS
          >>> adam = Known("Adam", KINDS["Adam"], {"epsilon": 1e-4})
          >>> adam.wanted("epsilon", KerasSettings("Adam", "keras_3", {}, 0.1))
          Wanted(value=0.0001, why='as you say', assumes='')
        """
        setting = self.kind.settings[argument]
        if argument in self.told:
            return Wanted(self.told[argument], "as you say")
        if argument in self.saved:
            return Wanted(self.saved[argument], "as the checkpoint tells")
        if setting.default is not None:
            value = setting.default
            why = f"if {self.saved_by} had {argument}={value!r}, its default"
            return Wanted(value, why, f"{argument}={value!r}")
        taken = live.values.get(setting.keras)
        if taken is None:
            return None
        return Wanted(
            taken,
            f"if {self.saved_by} had {argument}={taken!r}",
            f"{argument}={taken!r}",
        )


def with_suppositions(
    verdicts: Iterable[Verdict], known: Known, live: KerasSettings
) -> Iterator[Verdict]:
    """Yield verdicts, each with what it supposes of that of Keras, and others that do.

    Example:
      >>> from tf_ckpt_migrate.recipes.optimizer_kinds import KINDS
      >>> supposed = ("class", "momentum")
      >>> live = KerasSettings("SGD", "keras_3", {}, 0.1, supposed)
      >>> made = with_suppositions([], Known("Momentum", KINDS["Momentum"]), live)
      >>> [each.supposes for each in made]
      ['SGD', 'momentum as TF1 had it']
    """
    what = "class"
    if what in live.supposed:
        why = f"if that of Keras is {live.keras_class}, whose slots it has"
        yield Verdict(known.name, what, "exact", why, supposes=live.keras_class)
    rest = [name for name in live.supposed if name != what]
    for verdict in verdicts:
        if verdict.what in rest:
            rest.remove(verdict.what)
            yield _supposing(verdict, live)
        else:
            yield verdict
    for name in rest:
        yield _supposing(Verdict(known.name, name, "exact"), live)


def _supposing(verdict: Verdict, live: KerasSettings) -> Verdict:
    name = verdict.what
    has = f"{name}={live.values[name]!r}" if name in live.values else ""
    supposes = has or f"{name} as TF1 had it"
    why = "; ".join(part for part in (verdict.why, f"if Keras has {supposes}") if part)
    return verdict._replace(why=why, supposes=supposes)
