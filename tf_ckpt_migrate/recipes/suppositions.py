"""What a verdict takes for granted where a checkpoint of Keras tells no setting."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tf_ckpt_migrate.names.verdict import Verdict
from tf_ckpt_migrate.recipes.keras_settings import KerasSettings
from tf_ckpt_migrate.recipes.known import Known

__all__ = ["with_suppositions"]


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
