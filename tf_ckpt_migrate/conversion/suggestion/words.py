"""Names as words: split at separators and capitals, and said as they are today.

What TF1, slim, Sonnet, Keras and well-known programs call the same thing is one word
here, so that ``BatchNorm/moving_mean`` and ``bn/running_mean`` share theirs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

__all__ = ["KINDS", "kind_of", "words_of"]

_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"\d+x\d+|[^\W\d_]+|\d+")

# Phrases that are one word, in names already in lower case and parted by "_".
_PHRASES = (
    # GPT-2: of a block's two norms, one is before attention, one before the rest.
    (re.compile(r"\bln_1\b"), "norm_layer_attention"),
    (re.compile(r"\bln_2\b"), "norm_layer_ffn"),
    (re.compile(r"\bwte\b"), "token_embedding"),
    (re.compile(r"\bwpe\b"), "position_embedding"),
    (re.compile(r"batch_?norm(?:alization)?|(?<![a-z])bn(?![a-z])"), "norm_batch"),
    (re.compile(r"layer_?norm(?:alization)?|(?<![a-z])ln(?![a-z])"), "norm_layer"),
    (re.compile(r"depth_?wise_?conv(?:2_?d)?"), "depthwise_conv"),
    (re.compile(r"conv(?:2_?d)?_?transpose|deconv(?:2_?d)?"), "deconv"),
    (re.compile(r"conv(?:olution)?[123]_?d"), "conv"),
    (re.compile(r"hiddenlayer"), "hidden_layer"),
    (re.compile(r"lstmcell"), "lstm_cell"),
    (re.compile(r"(?:running|pop)_(?=mean|var)"), "moving_"),
)
_TODAY: dict[str, str] = {
    **dict.fromkeys(("weights", "weight", "matrix", "filter", "filters"), "kernel"),
    **dict.fromkeys(("biases",), "bias"),
    **dict.fromkeys(("scale",), "gamma"),
    **dict.fromkeys(("offset",), "beta"),
    **dict.fromkeys(("var",), "variance"),
    **dict.fromkeys(("emb", "embed", "embeddings"), "embedding"),
    **dict.fromkeys(("fc", "linear", "lin"), "dense"),
    **dict.fromkeys(
        ("logits", "prediction", "predictions", "softmax", "classifier"), "head"
    ),
    **dict.fromkeys(("attn", "att", "mha", "multihead"), "attention"),
    **dict.fromkeys(("mlp", "ffw", "feedforward", "intermediate"), "ffn"),
    **dict.fromkeys(("pos", "positions", "positional"), "position"),
    **dict.fromkeys(("proj",), "projection"),
    **dict.fromkeys(("encdec",), "cross"),
    **dict.fromkeys(("pooled", "pool"), "pooler"),
    **dict.fromkeys(("enc",), "encoder"),
    **dict.fromkeys(("dec",), "decoder"),
    **dict.fromkeys(("fw", "fwd"), "forward"),
    **dict.fromkeys(("bw", "bwd"), "backward"),
    **dict.fromkeys(("gen",), "generator"),
    **dict.fromkeys(("disc", "discrim"), "discriminator"),
    **dict.fromkeys(("dw",), "depthwise"),
    **dict.fromkeys(("pw",), "pointwise"),
}
# One letter means this only where it is a whole component, or ends the name.
_LETTERS = {"q": "query", "k": "key", "v": "value"}
_LAST_LETTERS = {"w": "kernel", "b": "bias", "g": "gamma"}
_FIRST_LETTERS = {"d": "discriminator", "g": "generator"}

# What a tensor is to its layer.
KINDS = frozenset(["kernel", "bias", "gamma", "beta", "mean", "variance", "embedding"])


@lru_cache(maxsize=100_000)
def words_of(name: str) -> tuple[str, ...]:
    """Return the words and numbers of a name, in order.

    Example:
      >>> words_of("net/Conv2d_1a_3x3/BatchNorm/moving_mean")
      ('net', 'conv', '1', 'a', '3x3', 'norm', 'batch', 'moving', 'mean')
      >>> words_of("d_h0_conv/w")
      ('discriminator', 'h', '0', 'conv', 'kernel')
    """
    found: list[str] = []
    components = name.split("/")
    for component in components:
        words = _words(component)
        if len(words) == 1:
            words = [_LETTERS.get(words[0], words[0])]
        found += words
    if found and components[-1]:
        found[-1] = _LAST_LETTERS.get(found[-1], found[-1])
        found[0] = _FIRST_LETTERS.get(found[0], found[0]) if found[1:] else found[0]
    return tuple(found)


def _words(component: str) -> list[str]:
    text = _CAPITAL.sub("_", component).lower()
    for phrase, word in _PHRASES:
        text = phrase.sub(word, text)
    found: list[str] = _WORD.findall(text)
    return [_TODAY.get(word, word) for word in found]


def kind_of(words: Sequence[str]) -> str:
    """Return what a tensor is to its layer, as the end of its name says; "" if not.

    Example:
      >>> kind_of(words_of("norm/moving_variance")), kind_of(words_of("block/w_0"))
      ('variance', 'kernel')
      >>> kind_of(words_of("net/thing"))
      ''
    """
    ending = list(reversed(words))[:5]
    kind = next((word for word in ending[:3] if word in KINDS), "")
    if not kind:
        return next((_LAST_LETTERS[w] for w in ending[:3] if w in _LAST_LETTERS), "")
    # The bias of a normalization is what Keras calls its beta.
    return "beta" if kind == "bias" and "norm" in ending else kind
