"""The networks of ``tf1_networks.py`` in Keras, and how each got its tensors."""

from __future__ import annotations

from typing import Any, NamedTuple

import tf_ckpt_migrate as tcm
from tests.whole.going_on import Network, with_slots

__all__ = ["NETWORKS", "Case"]


class Case(NamedTuple):
    """How a network of TF1 goes on in Keras.

    Attributes:
      make: Returns the network, given TensorFlow, the data and a module of optimizers.
      rules: From the names of TF1.
      noise: Variables without a gradient, as softmax or a normalization takes out what
        they add: what TF1 and Keras make of them is rounding.
    """

    make: Any
    rules: list[Any]
    noise: str = "nothing"
    legacy_rules: list[Any] | None = None

    def rules_for(self, flavor: str) -> list[Any]:
        """Return the rules for an optimizer of that Keras."""
        return self.legacy_rules or self.rules if flavor == "legacy" else self.rules


def _network(tf: Any, model: Any, optimizer: Any, loss: Any, **more: Any) -> Network:
    weights = model.trainable_variables
    checkpoint = tf.train.Checkpoint(
        model=model, optimizer=with_slots(optimizer, weights), **more
    )
    return Network(checkpoint, loss, weights)


def _bert(tf: Any, data: Any, optimizers: Any) -> Network:
    keras, layers = tf.keras, tf.keras.layers

    def norm(name: str) -> Any:
        return layers.LayerNormalization(epsilon=1e-12, name=name)

    def gelu(x: Any) -> Any:
        return tf.nn.gelu(x, approximate=True)

    ids = keras.Input([5], dtype="int32")
    places = keras.Input([5], dtype="int32")
    value = layers.Embedding(11, 8, name="words")(ids)
    value = value + layers.Embedding(6, 8, name="places")(places)
    value = norm("norm")(value)
    for n in range(2):
        attention = layers.MultiHeadAttention(2, 4, name=f"layer_{n}_attention")
        value = norm(f"layer_{n}_attention_norm")(attention(value, value) + value)
        middle = layers.Dense(12, gelu, name=f"layer_{n}_intermediate")(value)
        out = layers.Dense(8, name=f"layer_{n}_output")(middle)
        value = norm(f"layer_{n}_norm")(out + value)
    pooled = layers.Dense(8, "tanh", name="pooler")(value[:, 0])
    model = keras.Model([ids, places], layers.Dense(2, name="classes")(pooled))
    optimizer = optimizers.AdamW(1e-3, weight_decay=0.01, epsilon=1e-6)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    inputs = [tf.constant(data["ids"], tf.int32), tf.tile([tf.range(5)], [4, 1])]

    def loss() -> Any:
        return tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(
                labels=data["labels"], logits=model(inputs)
            )
        )

    return _network(tf, model, optimizer, loss)


_BERT_RULES = [
    ("bert/embeddings/word_embeddings", "words/embeddings"),
    ("bert/embeddings/position_embeddings", "places/embeddings"),
    ("bert/embeddings/LayerNorm/", "norm/"),
    *(
        tcm.Recipe(
            "attention", f"bert/encoder/layer_{n}/attention/", f"layer_{n}_attention/"
        )
        for n in range(2)
    ),
    tcm.RenameRegex(
        r"bert/encoder/layer_(\d)/attention/output/LayerNorm/(gamma|beta)",
        r"layer_\1_attention_norm/\2",
    ),
    tcm.RenameRegex(
        r"bert/encoder/layer_(\d)/output/LayerNorm/(gamma|beta)", r"layer_\1_norm/\2"
    ),
    tcm.RenameRegex(
        r"bert/encoder/layer_(\d)/(intermediate|output)/dense/(kernel|bias)",
        r"layer_\1_\2/\3",
    ),
    ("bert/pooler/dense/", "pooler/"),
    tcm.Rename("output_weights", "classes/kernel", tcm.transforms.Transpose((1, 0))),
    ("output_bias", "classes/bias"),
    # Its gradients are made dense, as BERT did: see going_on.py.
    tcm.Recipe(
        "optimizer",
        "AdamWeightDecay",
        "optimizer",
        weight_decay_rate=0.01,
        sparse=False,
    ),
]


_EMA = {"use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": None}


def _convnet(tf: Any, data: Any, optimizers: Any) -> Network:
    keras, layers = tf.keras, tf.keras.layers
    inputs = keras.Input([6, 6, 2])
    value = inputs
    for n, filters in enumerate((3, 4)):
        value = layers.Conv2D(filters, 3, padding="same", name=f"conv_{n}")(value)
        value = layers.BatchNormalization(momentum=0.9, name=f"norm_{n}")(value)
        value = layers.ReLU()(value)
    value = layers.GlobalAveragePooling2D()(value)
    model = keras.Model(inputs, layers.Dense(3, name="logits")(value))
    ema = {} if hasattr(optimizers.RMSprop, "get_slot") else _EMA
    optimizer = optimizers.RMSprop(0.01, rho=0.9, momentum=0.9, epsilon=1e-3, **ema)

    def loss() -> Any:
        logits = model(data["x"], training=True)
        return tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(
                labels=data["labels"], logits=logits
            )
        )

    return _network(tf, model, optimizer, loss)


def _convnet_rules(use: str) -> list[Any]:
    scopes = {
        "conv2d/": "conv_0/",
        "conv2d_1/": "conv_1/",
        "batch_normalization/": "norm_0/",
        "batch_normalization_1/": "norm_1/",
        "logits/": "logits/",
    }
    return [
        *(tcm.Recipe("averages", *pair, use=use) for pair in scopes.items()),
        # Keras averages what is trained, so no statistics of a batch normalization.
        tcm.Drop(role="average"),
        tcm.Recipe("optimizer", "RMSProp", "optimizer", epsilon=1e-3, ema_momentum=0.9),
    ]


def _bidirectional(tf: Any, data: Any, optimizers: Any) -> Network:
    keras, layers = tf.keras, tf.keras.layers
    inputs = keras.Input([5, 4])
    value = inputs
    for n, units in enumerate((3, 2)):
        lstm = layers.LSTM(units, return_sequences=True, name="lstm")
        value = layers.Bidirectional(lstm, name=f"layer_{n}")(value)
    model = keras.Model(inputs, layers.Dense(2, name="head")(value[:, -1]))
    optimizer = optimizers.Adam(0.01, epsilon=1e-8)

    def loss() -> Any:
        return tf.reduce_mean(tf.square(model(data["x"]) - data["y"]))

    return _network(tf, model, optimizer, loss)


_BIDIRECTIONAL_RULES = [
    tcm.Recipe("lstm", "stack_bidirectional_rnn/", "/"),
    tcm.Recipe("optimizer", "Adam", "optimizer"),
]


def _dnn(tf: Any, data: Any, optimizers: Any) -> Network:
    keras, layers = tf.keras, tf.keras.layers
    x, word = keras.Input([2]), keras.Input([], dtype="int32")
    embedded = layers.Embedding(3, 2, name="word_embedding")(word)
    # The columns of the Estimator are in the order of their names.
    value = layers.Concatenate()([embedded, x])
    for n, units in enumerate((4, 3)):
        value = layers.Dense(units, "relu", name=f"hidden_{n}")(value)
    model = keras.Model([x, word], layers.Dense(1, name="logits")(value))
    optimizer = optimizers.Adagrad(0.05, epsilon=1e-30)
    ids = tf.constant(["abc".index(each) for each in data["word"]])

    def loss() -> Any:
        labels = tf.cast(data["labels"], tf.float32)[:, None]
        logits = model([tf.constant(data["x"]), ids])
        return tf.reduce_sum(
            tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
        )

    return _network(tf, model, optimizer, loss)


_DNN_RULES = [
    (
        "dnn/input_from_feature_columns/input_layer/word_embedding/embedding_weights",
        "word_embedding/embeddings",
    ),
    tcm.RenameRegex(r"dnn/hiddenlayer_(\d)/(kernel|bias)", r"hidden_\1/\2"),
    tcm.RenameRegex(r"dnn/logits/(kernel|bias)", r"logits/\1"),
    tcm.Recipe("optimizer", "Adagrad", "optimizer", sparse=False),
]

NETWORKS = {
    "bert": Case(_bert, _BERT_RULES, ".*/self/key/bias.*"),
    "convnet": Case(
        _convnet, _convnet_rules("both"), "conv2d.*/bias.*", _convnet_rules("raw")
    ),
    "bidirectional": Case(_bidirectional, _BIDIRECTIONAL_RULES),
    "dnn": Case(_dnn, _DNN_RULES),
}
