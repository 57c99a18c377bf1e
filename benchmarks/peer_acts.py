"""Runs one peer and ours in turn, in an environment that has the peer.

::

    python -m benchmarks.peer_acts tf_slim|... FOLDER NBYTES TENSORS REPEATS

Prints JSON: what was done, the goal, and the seconds of both.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import tensorflow as tf

import tf_ckpt_migrate as tcm
from benchmarks import inputs
from benchmarks.timing import in_turn

__all__ = ["main"]

_MAP = {"network/": "model/"}


def main(which: str, folder: str, nbytes: str, tensors: str, repeats: str) -> None:
    """Measure, and print what was found."""
    act = {"tf_slim": tf_slim, "keras_bert": keras_bert, "models": models}[which]
    print(json.dumps(act(folder, int(nbytes), int(tensors), int(repeats))))


def tf_slim(folder: str, nbytes: int, tensors: int, repeats: int) -> dict[str, Any]:
    """Restore into the variables of a session, renamed; each time in a new graph."""
    import tf_slim as slim

    source = inputs.saved(f"{folder}/slim", tensors, nbytes)
    names = inputs.names(tensors)
    now: dict[str, Any] = {}

    def new_graph() -> None:
        now["graph"] = tf.Graph()
        with now["graph"].as_default():
            now["variables"] = {
                name.replace("network/", "model/", 1): tf.compat.v1.get_variable(
                    name.replace("network/", "model/", 1), [nbytes // tensors // 4]
                )
                for name in names
            }
            now["session"] = tf.compat.v1.Session()

    def theirs() -> None:
        with now["graph"].as_default(), now["session"] as session:
            pairs = dict(zip(names, now["variables"].values(), strict=True))
            session.run(*slim.assign_from_checkpoint(source, pairs))

    def ours() -> None:
        with now["graph"].as_default(), now["session"] as session:
            tcm.restore(source, now["variables"], _MAP, session=session)

    seconds = in_turn(theirs, ours, prepare=new_graph, repeats=repeats)
    what = f"restore {nbytes / 1e9:g} GB in a session, through a map"
    return _found(what, 1, seconds)


def models(folder: str, nbytes: int, tensors: int, repeats: int) -> dict[str, Any]:
    """Rename the tensors of a checkpoint."""
    from official.nlp.tools import tf1_bert_checkpoint_converter_lib as lib

    nbytes //= 4  # it makes constants of a graph, which has 2 GB at most
    source, out = inputs.saved(f"{folder}/models", tensors, nbytes), f"{folder}/out"

    def theirs() -> None:
        lib.convert(source, out, 0, [("network/", "model/")], ())
        inputs.settled(out)

    def ours() -> None:
        tcm.convert(tcm.plan_migration(source, None, _MAP), out)

    prepare = partial(inputs.removed, out)
    seconds = in_turn(theirs, ours, prepare=prepare, repeats=repeats)
    return _found(f"rename all of {nbytes / 1e9:g} GB, {tensors} tensors", 10, seconds)


def keras_bert(folder: str, nbytes: int, tensors: int, repeats: int) -> dict[str, Any]:
    """Load a checkpoint of TF1's BERT into its Keras model."""
    del tensors
    import keras_bert as peer

    large = nbytes > 1e8
    config = {
        "vocab_size": 30522 if large else 50,
        "hidden_size": 768 if large else 8,
        "num_hidden_layers": 12 if large else 2,
        "num_attention_heads": 12 if large else 2,
        "intermediate_size": 3072 if large else 16,
        "max_position_embeddings": 512 if large else 16,
        "hidden_act": "gelu",
    }
    file = Path(folder, "bert.json")
    file.write_text(json.dumps(config))
    model, _ = peer.build_model_from_config(str(file))
    variables = bert_variables(model, config["num_hidden_layers"])
    source = f"{folder}/bert.ckpt"
    tf.raw_ops.SaveV2(
        prefix=source,
        tensor_names=[*variables],
        shape_and_slices=[""] * len(variables),
        tensors=[tf.convert_to_tensor(each) for each in variables.values()],
    )
    theirs = partial(peer.load_model_weights_from_checkpoint, model, config, source)
    ours = partial(tcm.restore, source, variables)
    seconds = in_turn(theirs, ours, prepare=bool, repeats=repeats)
    return _found(f"BERT of {len(variables)} tensors into Keras", 1, seconds)


def bert_variables(model: Any, layers: int) -> dict[str, Any]:
    """Return the weights of keras-bert's model by the names of TF1's BERT."""
    scopes: dict[str, list[str]] = {
        "Embedding-Token": ["embeddings/word_embeddings"],
        "Embedding-Position": ["embeddings/position_embeddings"],
        "Embedding-Segment": ["embeddings/token_type_embeddings"],
        "Embedding-Norm": _norm("embeddings"),
    }
    for i in range(layers):
        layer, ours = f"encoder/layer_{i}", f"Encoder-{i + 1}"
        parts = [f"self/{name}" for name in ("query", "key", "value")]
        attention = [
            f"{layer}/attention/{part}/{kind}"
            for part in (*parts, "output/dense")
            for kind in ("kernel", "bias")
        ]
        forward = [
            f"{layer}/{part}/dense/{kind}"
            for part in ("intermediate", "output")
            for kind in ("kernel", "bias")
        ]
        scopes |= {
            f"{ours}-MultiHeadSelfAttention": attention,
            f"{ours}-MultiHeadSelfAttention-Norm": _norm(f"{layer}/attention/output"),
            f"{ours}-FeedForward": forward,
            f"{ours}-FeedForward-Norm": _norm(f"{layer}/output"),
        }
    return {
        f"bert/{name}": weight
        for layer, names in scopes.items()
        for name, weight in zip(names, model.get_layer(layer).weights, strict=True)
    }


def _norm(scope: str) -> list[str]:
    return [f"{scope}/LayerNorm/gamma", f"{scope}/LayerNorm/beta"]


def _found(what: str, goal: float, seconds: list[list[float]]) -> dict[str, Any]:
    theirs, ours = seconds
    return {"what": what, "goal": goal, "theirs": theirs, "ours": ours}


if __name__ == "__main__":
    main(*sys.argv[1:])
