"""The object graphs that are made of keys."""

import pytest

from tf_ckpt_migrate.conversion.graph_build import built_graph, guide_graph
from tf_ckpt_migrate.conversion.layout import guide_key
from tf_ckpt_migrate.naming.keys import SAVE_COUNTER_KEY, parse_object_key


@pytest.mark.parametrize(
    "names",
    [["w"], ["net/w", "net/v1.Small", "é" * 700], [f"v{i}" for i in range(300)]],
    ids=["one", "escaped", "many"],
)
def test_the_quick_way_gives_the_same_graph(names):
    named = [(guide_key(name), name) for name in names]
    whole = [*named, (SAVE_COUNTER_KEY, "save_counter")]
    slow = built_graph((key, parse_object_key(key), name) for key, name in whole)
    assert guide_graph(named) == slow
