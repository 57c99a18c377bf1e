"""Where a step of Keras is another than that of TF1, whatever the settings."""

from __future__ import annotations

from collections.abc import Iterator

from tf_ckpt_migrate.names.moves import Verdict
from tf_ckpt_migrate.recipes.known import Known
from tf_ckpt_migrate.recipes.layer_defaults import KerasSettings
from tf_ckpt_migrate.recipes.optimizer_kinds import OWN_MODULE, call_of

__all__ = ["STEPS_WITHOUT_BIAS", "limits"]

# Steps after which 0.999 to their power is nothing beside 1: no bias is corrected.
STEPS_WITHOUT_BIAS = 1_000_000
_FLOAT32 = 2.0**-24
_TOO_FAR = 0.01  # of a step: a correction of bias is refused beyond
_ANY = float("inf")
_KEEP = "keep the optimizer of TF1 if most rows are rarely looked up"
# What TF1 must have had where several have slots of one name.
_TWINS = {"AdamWeightDecay": "no LAMB", "LAMB": "LAMB", "Nadam": "Nadam"}


def limits(known: Known, live: KerasSettings) -> Iterator[Verdict]:
    """Yield the verdicts that do not hang on one setting.

    Example:
      >>> from tf_ckpt_migrate.recipes.optimizer_kinds import KINDS
      >>> momentum = Known("Momentum", KINDS["Momentum"])
      >>> scheduled = KerasSettings("SGD", "keras_3", {"momentum": 0.9}, None)
      >>> [verdict.kind for verdict in limits(momentum, scheduled)]
      ['impossible', 'exact']
    """
    if known.kind.by_rate:
        yield from _momentum(known, live)
    if not known.kind.corrects_bias:
        yield from _without_bias(known, live)
    ends = {known.flavor, live.flavor}
    if known.kind.keras == "Nadam" and "legacy" in ends and len(ends) > 1:
        yield Verdict(
            known.name,
            "state",
            "impossible",
            "the momentum of legacy optimizers grows with 0.96 ** (0.004 * step), that "
            "of others with 0.96 ** step",
            "go on with an optimizer of the same kind, "
            "tf.keras.optimizers.legacy.Nadam for a legacy one",
        )
    if known.kind.keras == "Nadam" and live.flavor == "tf_keras":
        yield Verdict(
            known.name,
            "state",
            "approximate",
            "tf-keras saves no count of the products of its momenta, and after a "
            "restore multiplies them once for each variable",
            "set optimizer._u_product_counter = int(optimizer.iterations) + 1 after "
            "the restore",
            _ANY,
        )
    sparse = _sparse(known, live)
    if sparse is not None:
        yield sparse
    if known.kind.keras.startswith(OWN_MODULE) and known.name in _TWINS:
        twin = _TWINS[known.name]
        why = f"if it was {twin}; others have slots of the same names"
        yield Verdict(known.name, "class", "exact", why, assumes=twin)


def _momentum(known: Known, live: KerasSettings) -> Iterator[Verdict]:
    is_unknown = "momentum" in live.supposed and "momentum" not in live.values
    if not live.values.get("momentum") and not is_unknown:
        yield Verdict(
            known.name,
            "momentum",
            "impossible",
            "it has momentum=0.0 and no use for what TF1 accumulated",
            "set momentum as TF1 had it",
        )
    if live.learning_rate is None:
        yield Verdict(
            known.name,
            "momentum",
            "impossible",
            "under a schedule TF1 multiplies all that it accumulated by the rate of "
            "the step, Keras each gradient by the rate of its own: no state goes on",
            _as_tf1(known, live, "set a constant learning rate"),
        )


def _without_bias(known: Known, live: KerasSettings) -> Iterator[Verdict]:
    name, what = known.name, "iterations"
    why = f"{name} corrects no bias, {live.keras_class} does"
    beta_1, beta_2 = (float(live.values[beta]) for beta in ("beta_1", "beta_2"))
    if live.learning_rate is None:
        far = abs(_correction(beta_1, beta_2, known.steps + 1) - 1)
        instead = (
            "set a constant learning rate, and change it from outside: then "
            f"{STEPS_WITHOUT_BIAS:,} more iterations end that, by which a schedule "
            "would be over"
        )
        instead = _as_tf1(known, live, instead)
        if far > _TOO_FAR:
            why += f" by {far:.0%} after {known.steps:,} steps"
            yield Verdict(name, what, "impossible", why, instead)
        elif far > _FLOAT32:
            yield Verdict(name, what, "approximate", why, instead, far)
    elif beta_2**STEPS_WITHOUT_BIAS > _FLOAT32:
        why += (
            f", and for beta_2={beta_2!r} even after {STEPS_WITHOUT_BIAS:,} more "
            "iterations"
        )
        instead = _as_tf1(known, live, "keep the optimizer of TF1")
        yield Verdict(name, what, "impossible", why, instead)
    why = "if it was no LAMB, whose slots are called the same"
    yield Verdict(name, "class", "exact", why, assumes="no LAMB")


def _correction(beta_1: float, beta_2: float, step: int) -> float:
    return (1 - beta_2**step) ** 0.5 / (1 - beta_1**step)


def _as_tf1(known: Known, live: KerasSettings, other: str) -> str:
    """Return what to do instead: take the optimizer that steps as TF1, if there is."""
    if known.is_of_keras:
        return other
    had = {each: known.wanted(each, live) for each in known.kind.settings}
    values = {each: wanted.value for each, wanted in had.items() if wanted}
    call = call_of(known.name, "learning_rate", values)
    return f"go on with {call}, or {other}" if call else other


def _sparse(known: Known, live: KerasSettings) -> Verdict | None:
    """Return the verdict on gradients of embeddings: of rows that are looked up."""
    what, is_alike = "sparse gradients", _is_lazy_too(known, live)
    if known.kind.keras.startswith(OWN_MODULE):  # these do as TF1
        return None
    ends = {known.flavor or "legacy", live.flavor}
    squares_each = "keras_3" in ends and known.kind.keras != "SGD"
    squares_each = squares_each and not live.dense_gradients
    if known.flavor == live.flavor or not (known.kind.is_lazy or squares_each):
        return None
    if not known.is_sparse:
        return Verdict(known.name, what, "exact", "none, as you say")
    if is_alike:
        why = "rows that are not looked up stay as they are, as in TF1"
        return Verdict(known.name, what, "exact", why)
    if known.kind.is_lazy:
        why = "TF1 lets be rows that are not looked up and their slots, it does not"
        instead = _KEEP
        if not live.dense_gradients:
            instead = _as_tf1(known, live, _instead(known))
    else:
        other = "TF1" if known.flavor is None else "another Keras"
        why = (
            f"of a row looked up twice {other} squares the sum of gradients, Keras 3 "
            "each"
        )
        instead = "apply tf.convert_to_tensor(gradient), and say sparse=False"
    if known.embeddings:
        why += f": {', '.join(map(repr, known.embeddings))}"
        return Verdict(known.name, what, "approximate", why, instead, _ANY)
    why = f"if there are none: {why} (no layer here is an Embedding)"
    return Verdict(known.name, what, "exact", why, assumes="no sparse gradients")


def _is_lazy_too(known: Known, live: KerasSettings) -> bool:
    momentum = bool(live.values.get("momentum"))
    keras = known.kind.keras
    if known.is_of_keras and not momentum and keras in ("RMSprop", "SGD"):
        return True  # neither is
    if live.flavor != "legacy" or keras in ("Adam", "AdamW"):
        return False
    return keras != "RMSprop" or momentum


def _instead(known: Known) -> str:
    if known.kind.keras in ("Adam", "AdamW"):
        return _KEEP
    return f"go on with tf.keras.optimizers.legacy.{known.kind.keras}"
