"""Pairs whose true map is known, and how many tensors a suggestion places right."""

import json
import random
from pathlib import Path
from typing import NamedTuple

import tf_ckpt_migrate as tcm
from tf_ckpt_migrate.names.rules import Recipe

_LAYOUTS = Path(__file__).parent / "encoder_layouts.json"
_SIZES = {"V": 40, "T": 2, "P": 16, "W": 12, "I": 48, "H": 3, "D": 4, "E": 6}
PAGE = Path(__file__).parents[3] / "docs" / "suggest.md"


class Truth(NamedTuple):
    """Shapes of both sides, and the source of each target."""

    source: dict[str, tuple[int, ...]]
    target: dict[str, tuple[int, ...]]
    pairs: dict[str, str]


class Counts(NamedTuple):
    """How many tensors of the target are filled rightly, wrongly, and not at all."""

    certain: int
    likely: int
    wrong_certain: int
    wrong_likely: int
    open: int

    def row(self, name):
        """Return the line of the documentation's table."""
        total = sum(self)
        return f"| {name} | {total} | {' | '.join(map(str, self))} |"


def counts(suggestion, prefix, target, pairs, names_of=lambda key: (key,)):
    """Count what the map of a suggestion fills, by its confidence.

    ``pairs`` are the true sources by key of the target, ``names_of`` gives its names.
    """
    is_optimizer = [r for r in suggestion.assignment_map
                    if isinstance(r, Recipe) and r.kind == "optimizer"]  # fmt: skip
    rules = [r for r in suggestion.assignment_map if r not in is_optimizer]
    plan = tcm.plan_migration(prefix, target, rules, unused="drop", missing="keep")
    found = dict.fromkeys(["certain", "likely", "wrong_certain", "wrong_likely"], 0)
    for move in plan.moves:
        if move.target in pairs or move.sources[0] in pairs.values():
            wrong = "" if pairs.get(move.target) == move.sources[0] else "wrong_"
            found[wrong + _confidence(suggestion, names_of(move.target))] += 1
    return Counts(**found, open=len(pairs.keys() - {m.target for m in plan.moves}))


def _confidence(suggestion, names):
    return next(
        match.confidence
        for match in suggestion.matches
        for name in names
        if name == match.target
        or (match.target.endswith("/") and name.startswith(match.target))
    )


def encoder(source, target, depth):
    """Return two layouts of an encoder with ``depth`` layers."""
    layouts = json.loads(_LAYOUTS.read_text())
    sides = [_variables(layouts[name], depth) for name in (source, target)]
    shapes = [dict(side.values()) for side in sides]
    pairs = {sides[1][part][0]: sides[0][part][0] for part in sides[1]}
    return Truth(*shapes, pairs)


def _variables(layout, depth):
    """Return name and shape by part, layer and tensor."""
    found = {}
    for part, (text, lengths) in layout.items():
        shape = tuple(_SIZES[each] for each in lengths)
        stem, *others = text.split()
        names = [stem, *(f"{stem.rpartition('/')[0]}/{end}" for end in others)]
        for n in range(depth) if "{n}" in stem else [0]:
            for at, name in enumerate(names):
                own = shape if at == 0 or len(shape) == 1 else _bias(lengths)
                found[part, n, at] = name.format(n=n), own
    return found


def _bias(lengths):
    kept = lengths[1:] if lengths[0] == "W" and len(lengths) == 3 else lengths[-1:]
    return tuple(_SIZES[each] for each in kept)


def sonnet():
    """Return a network of Sonnet 1, and the same of Sonnet 2."""
    source, target, pairs = {}, {}, {}

    def add(old, new, shapes, names):
        for (was, now), shape in zip(names.items(), shapes, strict=True):
            source[f"{old}/{was}"], target[f"{new}/{now}"] = shape, shape
            pairs[f"{new}/{now}"] = f"{old}/{was}"

    for n in range(3):
        add(f"net/conv_net_2d/conv_2d_{n}", f"net/convolutions/conv2_d_{n}",
            [(3, 3, 8, 8), (8,)], {"w": "w", "b": "b"})  # fmt: skip
        add(f"net/conv_net_2d/batch_norm_{n}", f"net/norms/batch_norm_{n}",
            [(8,), (8,)], {"beta": "offset", "gamma": "scale"})  # fmt: skip
    for n in range(2):
        add(f"net/mlp/linear_{n}", f"net/mlp/linear_{n}_", [(10, 10), (10,)],
            {"w": "w", "b": "b"})  # fmt: skip
    return Truth(source, target, pairs)


def recurrent(era):
    """Return an LSTM and a dense layer of one era of TF1, and of Keras."""
    kernel, bias = era
    source = {kernel: (7, 16), bias: (16,), "out/w": (4, 2), "out/b": (2,)}
    cell = "lstm/lstm_cell"
    target = {f"{cell}/kernel": (3, 16), f"{cell}/recurrent_kernel": (4, 16)}
    target |= {f"{cell}/bias": (16,), "dense/kernel": (4, 2), "dense/bias": (2,)}
    pairs = {"dense/kernel": "out/w", "dense/bias": "out/b", f"{cell}/bias": bias}
    pairs |= dict.fromkeys([f"{cell}/kernel", f"{cell}/recurrent_kernel"], kernel)
    return Truth(source, target, pairs)


def scrambled(depth=12):
    """Return equal layers in scopes of random words, and a head of its own shape."""
    chosen, pairs = random.Random(0), {}
    source, target = {"head/kernel": (6, 3)}, {"logits/kernel": (6, 3)}
    pairs["logits/kernel"] = "head/kernel"
    for _ in range(depth):
        old, new = ("".join(chosen.choices("bdfgklmnprstz", k=6)) for _ in range(2))
        for name, shape in {"kernel": (6, 6), "bias": (6,)}.items():
            source[f"{old}/{name}"] = target[f"{new}/{name}"] = shape
            pairs[f"{new}/{name}"] = f"{old}/{name}"
    return Truth(source, target, pairs)


_ENCODERS = (
    "Model Garden BertEncoder",
    "keras-hub BertBackbone",
    "Hugging Face TFBertModel",
)
_ALBERT = ("ALBERT of TF1", "Model Garden AlbertEncoder")

PAIRS = {
    **{
        f"BERT, {depth} layers, to {layout}": encoder("bert of TF1", layout, depth)
        for layout in _ENCODERS
        for depth in (2, 12, 24)
    },
    "ALBERT to Model Garden AlbertEncoder": encoder(*_ALBERT, 1),
    "Sonnet 1 to Sonnet 2": sonnet(),
    "LSTM of TF 0.12 to Keras": recurrent(
        ("RNN/BasicLSTMCell/Linear/Matrix", "RNN/BasicLSTMCell/Linear/Bias")
    ),
    "LSTM of TF 1.1 to Keras": recurrent(
        ("rnn/basic_lstm_cell/weights", "rnn/basic_lstm_cell/biases")
    ),
    "12 equal layers in scopes of random words": scrambled(),
}
