"""A text classifier gets another vocabulary: every word takes its row with it.

::

    python -m examples.vocabulary [FOLDER]

Rows of an embedding are words by their places in a file only. With a new file, restored
as it was, each row would stand for another word, and nothing would tell.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

import tf_ckpt_migrate as tcm
from examples.story import apart, check, run, tell

__all__ = ["main"]

v1 = tf.compat.v1
OLD = ["good", "bad", "fine", "awful", "film", "play", "the"]
NEW = ["the", "film", "play", "good", "great", "fine", "bad", "awful", "dull", "actor"]
TEXTS = {
    "the film good": 1.0,
    "the play fine": 1.0,
    "fine film the": 1.0,
    "the film bad": 0.0,
    "awful play the": 0.0,
    "the play bad": 0.0,
}
LATER = {"great film the": 1.0, "the actor great": 1.0, "dull play the": 0.0}


class Program:
    """The TF1 program, for a vocabulary: a graph, a session, a saver."""

    def __init__(self, words: list[str]) -> None:
        """Build the graph."""
        self.words = words
        graph = tf.Graph()
        with graph.as_default():
            v1.set_random_seed(0)
            self.ids = v1.placeholder(tf.int32, [None, 3])
            self.labels = v1.placeholder(tf.float32, [None])
            table = v1.get_variable("words/table", [len(words), 8])
            w = v1.get_variable("out/w", [8, 1])
            logits = tf.reduce_mean(tf.nn.embedding_lookup(table, self.ids), 1) @ w
            self.found = tf.sigmoid(logits[:, 0])
            losses = v1.losses.sigmoid_cross_entropy(self.labels, logits[:, 0])
            self.loss = tf.reduce_mean(losses)
            self.minimize = v1.train.AdagradOptimizer(0.5).minimize(self.loss)
            self.saver = v1.train.Saver()
            self.session = v1.Session()
            self.session.run(v1.global_variables_initializer())

    def feed(self, texts: dict[str, float]) -> dict[Any, Any]:
        """Return texts and labels as the graph takes them."""
        ids = [[self.words.index(word) for word in text.split()] for text in texts]
        return {self.ids: ids, self.labels: list(texts.values())}

    def predict(self, texts: dict[str, float]) -> Any:
        """Return how good it finds the texts."""
        return self.session.run(self.found, self.feed(texts))

    def save(self, prefix: str) -> None:
        """Save, as ever."""
        with self.session.graph.as_default():
            self.saver.save(self.session, prefix, write_meta_graph=False)

    def train(self, texts: dict[str, float], steps: int) -> None:
        """Take steps."""
        for _ in range(steps):
            self.session.run(self.minimize, self.feed(texts))


def main(folder: str) -> None:
    """Train with the old words, go over to the new ones, and train on."""
    prefix, more = os.path.join(folder, "old.ckpt"), os.path.join(folder, "new.ckpt")
    old_file, new_file = Path(folder, "old.txt"), Path(folder, "new.txt")
    old_file.write_text("\n".join(OLD) + "\n")
    new_file.write_text("\n".join(NEW) + "\n")
    old = Program(OLD)
    old.train(TEXTS, 50)
    old.save(prefix)
    expected = old.predict(TEXTS)
    tell(f"TF1 trains with {len(OLD)} words: {np.round(expected, 2)}")

    rule = tcm.Recipe(
        "vocabulary",
        "words/table",
        "words/table",
        old_vocab=str(old_file),
        new_vocab=str(new_file),
        initializer="mean",
    )
    plan = tcm.plan_migration(prefix, None, [rule, tcm.Keep("out/")])
    tell(f"To {len(NEW)} words, slots of Adagrad too:", tcm.convert(plan, more))

    new = Program(NEW)
    with new.session.graph.as_default():
        new.saver.restore(new.session, more)
    off = apart(new.predict(TEXTS), expected)
    check(off < 1e-6, f"known texts: predictions differ by up to {off:.1e}")
    found = np.round(new.predict(LATER), 2)
    tell(f"Texts with new words, which begin as the mean of the old ones: {found}")
    new.train(TEXTS | LATER, 50)
    found = np.round(new.predict(LATER), 2)
    tell(f"TF1 trains on, with these texts too: {found}")
    check(np.all(np.round(found) == list(LATER.values())), "it has learned them")


if __name__ == "__main__":
    run(main)
