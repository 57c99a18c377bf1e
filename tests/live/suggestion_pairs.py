"""Models of TF1 and their counterparts in Keras, with the true map between them.

Names and shapes of TF1 are those that the programs wrote (google-research/bert, slim,
tensor2tensor, the PTB tutorial, DCGAN-tensorflow, openai/gpt-2, canned Estimators),
widths scaled down where the model allows. The other side are live objects of Keras. The
map is written by hand, from names of TF1 to the variables themselves.
"""

from __future__ import annotations

import random
from typing import Any, NamedTuple

Shapes = dict[str, tuple[int, ...]]


class Case(NamedTuple):
    """A pair.

    Attributes:
      source: What TF1 saved: shapes by name.
      target: The objects of TF2.
      truth: Each variable, and the name in TF1 that it is made of.
    """

    source: Shapes
    target: Any
    truth: list[tuple[Any, str]]


def with_slots(shapes: Shapes, slots: list[str]) -> Shapes:
    """Return the weights with slots beside, and the step."""
    return {
        **shapes,
        **{f"{n}/{slot}": s for n, s in shapes.items() for slot in slots
           if "moving_" not in n},
        "global_step": (),
    }  # fmt: skip


def batch_norm(scope: str, width: int, *, scale: bool = True) -> Shapes:
    names = ["beta", "moving_mean", "moving_variance"] + (["gamma"] if scale else [])
    return {f"{scope}/{name}": (width,) for name in names}


def of_layer(layer: Any, scope: str, **names: str) -> list[tuple[Any, str]]:
    """Return the truth of one layer: attributes of Keras, names of TF1."""
    return [(getattr(layer, ours), f"{scope}/{tf1}") for ours, tf1 in names.items()]


def of_norm(layer: Any, scope: str) -> list[tuple[Any, str]]:
    names = ["beta", "moving_mean", "moving_variance"]
    names += ["gamma"] if layer.gamma is not None else []
    return of_layer(layer, scope, **{name: name for name in names})


def dense(shapes: Shapes, scope: str, rows: int, columns: int) -> None:
    shapes[f"{scope}/kernel"], shapes[f"{scope}/bias"] = (rows, columns), (columns,)


DENSE = {"kernel": "kernel", "bias": "bias"}
NORM = {"gamma": "gamma", "beta": "beta"}


def bert(tf: Any, layers: int = 4, width: int = 8, heads: int = 2) -> Case:
    """google-research/bert with its optimizer; an encoder of Keras' own layers."""
    keras, shapes = tf.keras, {}
    base = "bert/embeddings"
    shapes[f"{base}/word_embeddings"] = (30, width)
    shapes[f"{base}/token_type_embeddings"] = (2, width)
    shapes[f"{base}/position_embeddings"] = (16, width)
    for scope in [base]:
        shapes |= {f"{scope}/LayerNorm/{n}": (width,) for n in NORM}
    for i in range(layers):
        at = f"bert/encoder/layer_{i}"
        for part in ("query", "key", "value"):
            dense(shapes, f"{at}/attention/self/{part}", width, width)
        dense(shapes, f"{at}/attention/output/dense", width, width)
        dense(shapes, f"{at}/intermediate/dense", width, 4 * width)
        dense(shapes, f"{at}/output/dense", 4 * width, width)
        for part in ("attention/output", "output"):
            shapes |= {f"{at}/{part}/LayerNorm/{n}": (width,) for n in NORM}
    dense(shapes, "bert/pooler/dense", width, width)
    shapes |= {"output_weights": (3, width), "output_bias": (3,)}

    tokens = keras.Input((16,), dtype="int32", name="tokens")
    types = keras.Input((16,), dtype="int32", name="types")
    word = keras.layers.Embedding(30, width, name="word_embeddings")
    kind = keras.layers.Embedding(2, width, name="type_embeddings")
    place = keras.layers.Embedding(16, width, name="position_embedding")
    norm = keras.layers.LayerNormalization(name="embeddings_layer_norm")
    x = norm(word(tokens) + kind(types) + place(tokens))
    truth = [
        (word.embeddings, f"{base}/word_embeddings"),
        (kind.embeddings, f"{base}/token_type_embeddings"),
        (place.embeddings, f"{base}/position_embeddings"),
        *of_layer(norm, f"{base}/LayerNorm", **NORM),
    ]
    for i in range(layers):
        at, own = f"bert/encoder/layer_{i}", f"transformer_layer_{i}"
        attention = keras.layers.MultiHeadAttention(
            heads, width // heads, name=f"{own}_self_attention"
        )
        first = keras.layers.LayerNormalization(name=f"{own}_self_attention_layer_norm")
        inner = keras.layers.Dense(4 * width, "gelu", name=f"{own}_intermediate")
        outer = keras.layers.Dense(width, name=f"{own}_output")
        last = keras.layers.LayerNormalization(name=f"{own}_output_layer_norm")
        x = first(x + attention(x, x))
        x = last(x + outer(inner(x)))
        for part in ("query", "key", "value"):
            made = getattr(attention, f"_{part}_dense")
            truth += of_layer(made, f"{at}/attention/self/{part}", **DENSE)
        made = attention._output_dense
        truth += of_layer(made, f"{at}/attention/output/dense", **DENSE)
        truth += of_layer(first, f"{at}/attention/output/LayerNorm", **NORM)
        truth += of_layer(inner, f"{at}/intermediate/dense", **DENSE)
        truth += of_layer(outer, f"{at}/output/dense", **DENSE)
        truth += of_layer(last, f"{at}/output/LayerNorm", **NORM)
    pooler = keras.layers.Dense(width, "tanh", name="pooler_transform")
    head = keras.layers.Dense(3, name="classifier")
    model = keras.Model([tokens, types], head(pooler(x[:, 0])))
    truth += of_layer(pooler, "bert/pooler/dense", **DENSE)
    truth += [(head.kernel, "output_weights"), (head.bias, "output_bias")]
    return Case(with_slots(shapes, ["adam_m", "adam_v"]), model, truth)


def resnet(tf: Any) -> Case:
    """slim's resnet_v1_50, with Momentum; `applications.ResNet50`."""
    net, shapes = "resnet_v1_50", {}
    model = tf.keras.applications.ResNet50(weights=None, input_shape=(32, 32, 3))
    truth = []

    def conv(scope: str, layer: str, *shape: int) -> None:
        shapes[f"{net}/{scope}/weights"] = shape
        shapes.update(batch_norm(f"{net}/{scope}/BatchNorm", shape[-1]))
        made = model.get_layer(f"{layer}_conv")
        truth.append((made.kernel, f"{net}/{scope}/weights"))
        norm = model.get_layer(f"{layer}_bn")
        truth.extend(of_norm(norm, f"{net}/{scope}/BatchNorm"))

    conv("conv1", "conv1", 7, 7, 3, 64)
    before = 64
    for block, (width, units) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)], 1):
        for unit in range(1, units + 1):
            at = f"block{block}/unit_{unit}/bottleneck_v1"
            own = f"conv{block + 1}_block{unit}"
            if unit == 1:
                conv(f"{at}/shortcut", f"{own}_0", 1, 1, before, 4 * width)
            conv(f"{at}/conv1", f"{own}_1", 1, 1, before, width)
            conv(f"{at}/conv2", f"{own}_2", 3, 3, width, width)
            conv(f"{at}/conv3", f"{own}_3", 1, 1, width, 4 * width)
            before = 4 * width
    shapes[f"{net}/logits/weights"] = (1, 1, 2048, 1000)
    shapes[f"{net}/logits/biases"] = (1000,)
    head = model.get_layer("predictions")
    truth += of_layer(head, f"{net}/logits", kernel="weights", bias="biases")
    return Case(with_slots(shapes, ["Momentum"]), model, truth)


# slim's convolutions, in the order in which Keras makes its own: scope, kernel size.
_STEM = ["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1"]
_STEM += ["Conv2d_4a_3x3"]
_BLOCK_5 = [
    "Branch_0/Conv2d_0a_1x1",
    *("Branch_1/Conv2d_0a_1x1", "Branch_1/Conv2d_0b_5x5"),
    *("Branch_2/Conv2d_0a_1x1", "Branch_2/Conv2d_0b_3x3", "Branch_2/Conv2d_0c_3x3"),
    "Branch_3/Conv2d_0b_1x1",
]
_BLOCK_5C = [
    "Branch_0/Conv2d_0a_1x1",
    *("Branch_1/Conv2d_0b_1x1", "Branch_1/Conv_1_0c_5x5"),
    *_BLOCK_5[3:],
]
_BLOCK_6A = ["Branch_0/Conv2d_1a_1x1", "Branch_1/Conv2d_0a_1x1"]
_BLOCK_6A += ["Branch_1/Conv2d_0b_3x3", "Branch_1/Conv2d_1a_1x1"]
_BLOCK_6 = [
    "Branch_0/Conv2d_0a_1x1",
    *("Branch_1/Conv2d_0a_1x1", "Branch_1/Conv2d_0b_1x7", "Branch_1/Conv2d_0c_7x1"),
    *("Branch_2/Conv2d_0a_1x1", "Branch_2/Conv2d_0b_7x1", "Branch_2/Conv2d_0c_1x7"),
    *("Branch_2/Conv2d_0d_7x1", "Branch_2/Conv2d_0e_1x7", "Branch_3/Conv2d_0b_1x1"),
]
_BLOCK_7A = ["Branch_0/Conv2d_0a_1x1", "Branch_0/Conv2d_1a_3x3"]
_BLOCK_7A += [f"Branch_1/Conv2d_{n}" for n in ("0a_1x1", "0b_1x7", "0c_7x1", "1a_3x3")]
_BLOCK_7B = [
    "Branch_0/Conv2d_0a_1x1",
    *("Branch_1/Conv2d_0a_1x1", "Branch_1/Conv2d_0b_1x3", "Branch_1/Conv2d_0b_3x1"),
    *("Branch_2/Conv2d_0a_1x1", "Branch_2/Conv2d_0b_3x3"),
    *("Branch_2/Conv2d_0c_1x3", "Branch_2/Conv2d_0d_3x1", "Branch_3/Conv2d_0b_1x1"),
]
_BLOCK_7C = [name.replace("Conv2d_0b_3x1", "Conv2d_0c_3x1") for name in _BLOCK_7B]
INCEPTION = [
    *_STEM,
    *(f"Mixed_5b/{name}" for name in _BLOCK_5),
    *(f"Mixed_5c/{name}" for name in _BLOCK_5C),
    *(f"Mixed_5d/{name}" for name in _BLOCK_5),
    *(f"Mixed_6a/{name}" for name in _BLOCK_6A),
    *(f"Mixed_6{each}/{name}" for each in "bcde" for name in _BLOCK_6),
    *(f"Mixed_7a/{name}" for name in _BLOCK_7A),
    *(f"Mixed_7b/{name}" for name in _BLOCK_7B),
    *(f"Mixed_7c/{name}" for name in _BLOCK_7C),
]


def inception(tf: Any) -> Case:
    """slim's inception_v3 with RMSProp and averages; `applications.InceptionV3`."""
    net, shapes, truth = "InceptionV3", {}, []
    model = tf.keras.applications.InceptionV3(weights=None, input_shape=(75, 75, 3))
    convs = made(model.layers, "Conv2D")
    norms = made(model.layers, "BatchNormalization")
    for scope, conv, norm in zip(INCEPTION, convs, norms, strict=True):
        shapes[f"{net}/{scope}/weights"] = tuple(conv.kernel.shape)
        at = f"{net}/{scope}/BatchNorm"
        shapes |= batch_norm(at, int(conv.kernel.shape[-1]), scale=False)
        truth += [(conv.kernel, f"{net}/{scope}/weights"), *of_norm(norm, at)]
    shapes[f"{net}/Logits/Conv2d_1c_1x1/weights"] = (1, 1, 2048, 1000)
    shapes[f"{net}/Logits/Conv2d_1c_1x1/biases"] = (1000,)
    head = model.get_layer("predictions")
    names = {"kernel": "weights", "bias": "biases"}
    truth += of_layer(head, f"{net}/Logits/Conv2d_1c_1x1", **names)
    shapes |= {"InceptionV3/AuxLogits/Conv2d_1b_1x1/weights": (1, 1, 768, 128)}
    shapes |= batch_norm(
        "InceptionV3/AuxLogits/Conv2d_1b_1x1/BatchNorm", 128, scale=False
    )
    shapes["InceptionV3/AuxLogits/Conv2d_2b_1x1/weights"] = (1, 1, 768, 1000)
    shapes["InceptionV3/AuxLogits/Conv2d_2b_1x1/biases"] = (1000,)
    slots = ["RMSProp", "RMSProp_1", "ExponentialMovingAverage"]
    return Case(with_slots(shapes, slots), model, truth)


def made(layers: Any, kind: str) -> list[Any]:
    """Return the layers of a class in the order in which they were made."""
    found = [layer for layer in layers if type(layer).__name__ == kind]

    def number(layer: Any) -> int:
        end = layer.name.rpartition("_")[2]
        return int(end) if end.isdecimal() else 0

    return sorted(found, key=number)


def language_model(tf: Any) -> Case:
    """The PTB tutorial's LSTM; a Sequential of Embedding, two LSTM and Dense."""
    keras, shapes = tf.keras, {}
    shapes["Model/embedding"] = (40, 12)
    truth = []
    layers = [keras.layers.LSTM(12, return_sequences=True) for _ in range(2)]
    embedding, head = keras.layers.Embedding(40, 12), keras.layers.Dense(40)
    model = keras.Sequential([embedding, *layers, head])
    model(tf.zeros((1, 3), tf.int32))
    for i, layer in enumerate(layers):
        scope = f"Model/RNN/multi_rnn_cell/cell_{i}/basic_lstm_cell"
        shapes |= {f"{scope}/kernel": (24, 48), f"{scope}/bias": (48,)}
        cell = layer.cell
        truth += of_layer(cell, scope, kernel="kernel", recurrent_kernel="kernel")
        truth += of_layer(cell, scope, bias="bias")
    shapes |= {"Model/softmax_w": (12, 40), "Model/softmax_b": (40,)}
    truth += [(embedding.embeddings, "Model/embedding")]
    truth += [(head.kernel, "Model/softmax_w"), (head.bias, "Model/softmax_b")]
    return Case({**shapes, "Train/Model/global_step": ()}, model, truth)


def transformer(tf: Any, layers: int = 3, width: int = 8, heads: int = 2) -> Case:
    """tensor2tensor's; encoder and decoder of Keras' layers."""
    keras, shapes, truth = tf.keras, {}, []
    net = "transformer"
    shapes[f"{net}/symbol_modality_50_{width}/shared/weights_0"] = (50, width)
    embedding = keras.layers.Embedding(50, width, name="shared_embedding")

    def norm(at: str, name: str) -> Any:
        shapes[f"{at}/layer_norm_scale"] = shapes[f"{at}/layer_norm_bias"] = (width,)
        layer = keras.layers.LayerNormalization(name=name)
        pending.append(
            (layer, at, {"gamma": "layer_norm_scale", "beta": "layer_norm_bias"})
        )
        return layer

    def attention(at: str, name: str) -> Any:
        layer = keras.layers.MultiHeadAttention(
            heads, width // heads, use_bias=False, name=name
        )
        for part, own in {"q": "query", "k": "key", "v": "value"}.items():
            shapes[f"{at}/{part}/kernel"] = (width, width)
            parts.append((layer, f"_{own}_dense", f"{at}/{part}/kernel"))
        shapes[f"{at}/output_transform/kernel"] = (width, width)
        parts.append((layer, "_output_dense", f"{at}/output_transform/kernel"))
        return layer

    def feed_forward(at: str, name: str) -> list[Any]:
        dense(shapes, f"{at}/conv1", width, 32)
        dense(shapes, f"{at}/conv2", 32, width)
        first = keras.layers.Dense(32, "relu", name=f"{name}_inner")
        second = keras.layers.Dense(width, name=f"{name}_outer")
        pending.extend([(first, f"{at}/conv1", DENSE), (second, f"{at}/conv2", DENSE)])
        return [first, second]

    shared = f"{net}/symbol_modality_50_{width}/shared"
    pending = [(embedding, shared, {"embeddings": "weights_0"})]
    parts: list[tuple[Any, str, str]] = []
    sides: dict[str, Any] = {}
    memory = None
    for side in ("encoder", "decoder"):
        tokens = keras.Input((None,), dtype="int32", name=f"{side}_tokens")
        x = embedding(tokens)
        for i in range(layers):
            at, own = f"{net}/body/{side}/layer_{i}", f"{side}_{i}"
            h = norm(
                f"{at}/self_attention/layer_prepostprocess/layer_norm",
                f"{own}_self_attention_norm",
            )(x)
            x = x + attention(
                f"{at}/self_attention/multihead_attention", f"{own}_self_attention"
            )(h, h)
            if side == "decoder":
                h = norm(
                    f"{at}/encdec_attention/layer_prepostprocess/layer_norm",
                    f"{own}_cross_attention_norm",
                )(x)
                x = x + attention(
                    f"{at}/encdec_attention/multihead_attention",
                    f"{own}_cross_attention",
                )(h, memory)
            h = norm(f"{at}/ffn/layer_prepostprocess/layer_norm", f"{own}_ffn_norm")(x)
            for layer in feed_forward(f"{at}/ffn/conv_hidden_relu", f"{own}_ffn"):
                h = layer(h)
            x = x + h
        memory = norm(
            f"{net}/body/{side}/layer_prepostprocess/layer_norm", f"{side}_final_norm"
        )(x)
        sides[side] = tokens
    head = keras.layers.Dense(50, use_bias=False, name="softmax")
    model = keras.Model(list(sides.values()), head(memory))
    shapes[f"{net}/symbol_modality_50_{width}/softmax/weights_0"] = (50, width)
    truth.append((head.kernel, f"{net}/symbol_modality_50_{width}/softmax/weights_0"))
    for layer, at, names in pending:
        truth += of_layer(layer, at, **names)
    truth += [(getattr(layer, part).kernel, name) for layer, part, name in parts]
    return Case({**shapes, "global_step": ()}, model, truth)


def dcgan(tf: Any) -> Case:
    """carpedm20's DCGAN with its two Adams; a Checkpoint of two models, two Adams."""
    keras, shapes, truth = tf.keras, {}, []
    layers = keras.layers

    def add(layer: Any, scope: str, **names: str) -> Any:
        pending.append((layer, scope, names))
        return layer

    pending: list[tuple[Any, str, dict[str, str]]] = []
    norm_names = {n: n for n in ("gamma", "beta", "moving_mean", "moving_variance")}
    generator = [
        add(
            layers.Dense(4 * 4 * 32, name="g_dense"),
            "generator/g_h0_lin",
            kernel="Matrix",
            bias="bias",
        )
    ]
    generator += [layers.Reshape((4, 4, 32))]
    generator += [add(layers.BatchNormalization(), "generator/g_bn0", **norm_names)]
    for i, width in enumerate((16, 8, 3), 1):
        layer = layers.Conv2DTranspose(width, 5, strides=2, padding="same")
        generator.append(add(layer, f"generator/g_h{i}", kernel="w", bias="biases"))
        if i < 3:
            generator.append(
                add(layers.BatchNormalization(), f"generator/g_bn{i}", **norm_names)
            )
    discriminator = []
    for i, width in enumerate((8, 16, 32)):
        layer = layers.Conv2D(width, 5, strides=2, padding="same")
        discriminator.append(
            add(layer, f"discriminator/d_h{i}_conv", kernel="w", bias="biases")
        )
        if i:
            discriminator.append(
                add(layers.BatchNormalization(), f"discriminator/d_bn{i}", **norm_names)
            )
    discriminator += [
        layers.Flatten(),
        add(layers.Dense(1), "discriminator/d_h3_lin", kernel="Matrix", bias="bias"),
    ]
    models = [
        keras.Sequential(generator, name="generator"),
        keras.Sequential(discriminator, name="discriminator"),
    ]
    models[0](tf.zeros((1, 10)))
    models[1](tf.zeros((1, 32, 32, 3)))
    optimizers = [keras.optimizers.Adam(1e-4) for _ in models]
    for optimizer, model in zip(optimizers, models, strict=True):
        optimizer.build(model.trainable_variables)
    for layer, scope, names in pending:
        for own, tf1 in names.items():
            variable = getattr(layer, own)
            shapes[f"{scope}/{tf1}"] = tuple(variable.shape)
            truth.append((variable, f"{scope}/{tf1}"))
    shapes = with_slots(shapes, ["Adam", "Adam_1"])
    shapes |= dict.fromkeys(
        ("beta1_power", "beta2_power", "beta1_power_1", "beta2_power_1"), ()
    )
    del shapes["global_step"]
    target = tf.train.Checkpoint(
        generator=models[0], discriminator=models[1],
        generator_optimizer=optimizers[0], discriminator_optimizer=optimizers[1],
    )  # fmt: skip
    return Case(shapes, target, truth)


def canned_estimator(tf: Any) -> Case:
    """A canned DNNClassifier with Adagrad; a Functional of Dense."""
    keras, shapes, truth = tf.keras, {}, []
    x = inputs = keras.Input((5,), name="features")
    for i, units in enumerate((16, 16, 8)):
        dense(shapes, f"dnn/hiddenlayer_{i}", int(x.shape[-1]), units)
        layer = keras.layers.Dense(units, "relu")
        x = layer(x)
        truth += of_layer(layer, f"dnn/hiddenlayer_{i}", **DENSE)
    head = keras.layers.Dense(3)
    model = keras.Model(inputs, head(x))
    dense(shapes, "dnn/logits", 8, 3)
    truth += of_layer(head, "dnn/logits", **DENSE)
    slots = {f"{name}/t_0/Adagrad": shape for name, shape in shapes.items()}
    return Case({**shapes, **slots, "global_step": ()}, model, truth)


def shuffled(tf: Any) -> Case:
    """A net whose scopes have random names: structure is all that is left.

    Two of its layers are alike in everything, and nobody can tell them apart.
    """
    keras, shapes, truth = tf.keras, {}, []
    chance = random.Random(7)

    def name() -> str:
        return "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=8))

    x = inputs = keras.Input((24, 24, 3))
    widths = [8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60, 64, 64, 64]
    for width in widths:
        conv, norm = (
            keras.layers.Conv2D(width, 3, padding="same"),
            keras.layers.BatchNormalization(),
        )
        before, x = int(x.shape[-1]), norm(conv(x))
        scope = name()
        at = f"{scope}/{name()}"
        shapes |= {f"{at}/weights": (3, 3, before, width), f"{at}/biases": (width,)}
        truth += of_layer(conv, at, kernel="weights", bias="biases")
        at = f"{scope}/{name()}"
        shapes |= batch_norm(at, width)
        truth += of_norm(norm, at)
    return Case(shapes, keras.Model(inputs, x), truth)


def gpt2(tf: Any, layers: int = 3, width: int = 8, heads: int = 2) -> Case:
    """openai/gpt-2, whose query, key and value are one kernel; layers of Keras."""
    keras, shapes, truth = tf.keras, {}, []
    shapes |= {"model/wte": (50, width), "model/wpe": (16, width)}
    tokens = keras.Input((16,), dtype="int32")
    word = keras.layers.Embedding(50, width, name="token_embedding")
    place = keras.layers.Embedding(16, width, name="position_embedding")
    x = word(tokens) + place(tokens)
    truth += [(word.embeddings, "model/wte"), (place.embeddings, "model/wpe")]
    for i in range(layers):
        at = f"model/h{i}"
        for part, size in {"attn/c_attn": 3, "attn/c_proj": 1, "mlp/c_fc": 4}.items():
            shapes |= {
                f"{at}/{part}/w": (1, width, size * width),
                f"{at}/{part}/b": (size * width,),
            }
        shapes |= {
            f"{at}/mlp/c_proj/w": (1, 4 * width, width),
            f"{at}/mlp/c_proj/b": (width,),
        }
        for part in ("ln_1", "ln_2"):
            shapes |= {f"{at}/{part}/{n}": (width,) for n in "gb"}
        first = keras.layers.LayerNormalization(name=f"layer_{i}_attention_norm")
        attention = keras.layers.MultiHeadAttention(
            heads, width // heads, name=f"layer_{i}_attention"
        )
        second = keras.layers.LayerNormalization(name=f"layer_{i}_mlp_norm")
        inner = keras.layers.Dense(4 * width, name=f"layer_{i}_mlp_fc")
        outer = keras.layers.Dense(width, name=f"layer_{i}_mlp_proj")
        h = first(x)
        x = x + attention(h, h)
        x = x + outer(inner(second(x)))
        for part in ("query", "key", "value"):
            made = getattr(attention, f"_{part}_dense")
            truth += of_layer(made, f"{at}/attn/c_attn", kernel="w", bias="b")
        made = attention._output_dense
        truth += of_layer(made, f"{at}/attn/c_proj", kernel="w", bias="b")
        truth += of_layer(inner, f"{at}/mlp/c_fc", kernel="w", bias="b")
        truth += of_layer(outer, f"{at}/mlp/c_proj", kernel="w", bias="b")
        for part, norm in {"ln_1": first, "ln_2": second}.items():
            truth += of_layer(norm, f"{at}/{part}", gamma="g", beta="b")
    norm = keras.layers.LayerNormalization(name="final_norm")
    shapes |= {f"model/ln_f/{n}": (width,) for n in "gb"}
    model = keras.Model(tokens, norm(x))
    truth += of_layer(norm, "model/ln_f", gamma="g", beta="b")
    return Case(shapes, model, truth)


def mobilenet(tf: Any) -> Case:
    """slim's MobilenetV1 (width 0.25) with RMSProp; `applications.MobileNet`."""
    net, shapes, truth = "MobilenetV1/MobilenetV1", {}, []
    model = tf.keras.applications.MobileNet(
        weights=None, alpha=0.25, input_shape=(32, 32, 3), classes=11
    )

    def conv(scope: str, layer: str, kernel: str) -> None:
        found = model.get_layer(layer)
        variable = getattr(found, "depthwise_kernel", None)
        variable = found.kernel if variable is None else variable
        shapes[f"{net}/{scope}/{kernel}"] = tuple(variable.shape)
        norm = model.get_layer(f"{layer}_bn")
        shapes.update(batch_norm(f"{net}/{scope}/BatchNorm", norm.gamma.shape[0]))
        truth.append((variable, f"{net}/{scope}/{kernel}"))
        truth.extend(of_norm(norm, f"{net}/{scope}/BatchNorm"))

    conv("Conv2d_0", "conv1", "weights")
    for i in range(1, 14):
        conv(f"Conv2d_{i}_depthwise", f"conv_dw_{i}", "depthwise_weights")
        conv(f"Conv2d_{i}_pointwise", f"conv_pw_{i}", "weights")
    scope = "MobilenetV1/Logits/Conv2d_1c_1x1"
    head = model.get_layer("conv_preds")
    shapes |= {f"{scope}/weights": (1, 1, 256, 11), f"{scope}/biases": (11,)}
    truth += of_layer(head, scope, kernel="weights", bias="biases")
    return Case(with_slots(shapes, ["RMSProp", "RMSProp_1"]), model, truth)


PAIRS = (
    *(bert, resnet, inception, language_model, transformer),
    *(dcgan, canned_estimator, shuffled, gpt2, mobilenet),
)
