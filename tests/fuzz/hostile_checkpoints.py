"""Gives hostile checkpoints to every public function, with little memory and time.

A program of its own, since it takes memory away from itself. It prints what is wrong,
a line each: an error that is not of the package, or more than a few seconds.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np

import tf_ckpt_migrate as tcm
from tests.bundle.files import write_checkpoint
from tf_ckpt_migrate.bundle.object_graph import OBJECT_GRAPH_KEY
from tf_ckpt_migrate.bundle.proto import TrackableObjectGraph

__all__ = ["CALLS", "CHECKPOINTS"]

MEMORY = 1 << 30  # of address space
SECONDS = 15  # of computing; most calls take less than one
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
W = np.float32([1, 2])

Tensors = dict[str, Any]


def text(*elements: bytes) -> Any:
    """Return a vector of strings."""
    array = np.empty(len(elements), object)
    array[:] = elements
    return array


def scalar(element: bytes) -> Any:
    """Return a scalar string."""
    array = np.empty((), object)
    array[()] = element
    return array


def graph(nodes: list[tuple[dict[str, int], str]], full_name: str = "net/w") -> Any:
    """Return an object graph of (children, the key of its value) for each node."""
    message = TrackableObjectGraph()
    for children, key in nodes:
        node = message.nodes.add()
        for name, number in children.items():
            node.children.add(local_name=name, node_id=number)
        if key:
            node.attributes.add(
                name="VARIABLE_VALUE", full_name=full_name, checkpoint_key=key
            )
    return scalar(message.SerializeToString())


def chain(length: int, leaves: int = 0) -> Any:
    """Return a graph as deep as ``length``, with as many leaves at its end."""
    nodes = [({"next": number + 1}, "") for number in range(length)]
    nodes.append(({f"w{n}": length + 1 + n for n in range(leaves + 1)}, ""))
    nodes += [({}, f"w{VALUE}" if n == leaves else "") for n in range(leaves + 1)]
    return graph(nodes)


def named(*names: str) -> Tensors:
    return {**dict.fromkeys(names, W), "w": W}


# Names that are long in one way or another; no file has 1 MB.
NAMES = {
    "slashes": "/" * 100_000 + "w",
    "scopes": "a/" * 40_000 + "w",
    "object_path": "a/" * 20_000 + "w" + VALUE,
    "numbers": "_1" * 40_000,
    "digits": "9" * 100_000,
    "numbered_slot": "w/Adam_" + "1" * 90_000,
    "numbered_part": "a/part_" + "1" * 90_000,
    "numbered_cell": "rnn/multi_rnn_cell/cell_" + "1" * 90_000 + "/lstm_cell/kernel",
    "digits_in_a_cell": "rnn/lstm_cell/" + "1" * 90_000 + "x/kernel",
    "iterators": "Iterator" * 12_000 + " :1-state",
    "capitals": "aB" * 40_000,
    "dots": "." * 100_000,
    "attributes": "/.ATTRIBUTES" * 8_000,
    "slots": "w/.OPTIMIZER_SLOT/" * 5_000 + "m" + VALUE,
    "slot_words": "w_slot_" * 12_000,
    "parts": "a/part_0/" * 10_000 + "part_0",
    "averages": "w" + "/ExponentialMovingAverage" * 4_000,
    "line_feeds": "\n" * 100_000,
    "quotes": "'" * 50_000 + '"' * 50_000,
    "yaml": "- " * 40_000 + ": " * 10_000,
}
WEIGHT = {f"w{VALUE}": W}
CHECKPOINTS: dict[str, Tensors] = {
    **{name: named(each) for name, each in NAMES.items()},
    "graph_of_numbers": {OBJECT_GRAPH_KEY: W, **WEIGHT},
    "graph_of_two_texts": {OBJECT_GRAPH_KEY: text(b"", b""), **WEIGHT},
    "graph_of_no_text": {OBJECT_GRAPH_KEY: text(), **WEIGHT},
    "deep_graph": {OBJECT_GRAPH_KEY: chain(20_000), **WEIGHT},
    "deep_and_wide_graph": {OBJECT_GRAPH_KEY: chain(300, 10_000), **WEIGHT},
    "long_full_name": {
        OBJECT_GRAPH_KEY: graph([({"w": 1}, ""), ({}, f"w{VALUE}")], "s/" * 40_000),
        **WEIGHT,
    },
    "attributes_of_one_key": {
        OBJECT_GRAPH_KEY: graph([({}, "a")] * 3_000),
        **{f"a{number}": W for number in range(3_000)},
    },
    "deep_scopes": named(*("a/" * 300 + f"{number}/w" for number in range(400))),
    **{
        f"{name.replace('/', '_')}_of_{kind}": {name: value, "w": W, "w/Adam": W}
        for name in ("global_step", "beta1_power", "save_counter" + VALUE,
                     "optimizer/iter" + VALUE, "w/Adam_1", "optimizer/learning_rate"
                     + VALUE, "w/ExponentialMovingAverage", "current_loss_scale")
        for kind, value in (("text", scalar(b"x")), ("texts", text(b"a", b"b")),
                            ("nothing", np.zeros(0, np.int64)),
                            ("floats", np.float32([[np.nan]])))
    },
}  # fmt: skip

Call = Callable[[str, str], object]
CALLS: dict[str, Call] = {
    "list": lambda m, out: tcm.list_variables(m),
    "inspect": lambda m, out: str(tcm.inspect_checkpoint(m, names=True, values=True)),
    "verify": lambda m, out: str(tcm.verify_checkpoint(m)),
    "read": lambda m, out: dict(tcm.load_checkpoint(m)),
    "plan": lambda m, out: tcm.plan_migration(m, unused="keep").to_yaml(),
    "plan_for_itself": lambda m, out: str(tcm.plan_migration(m, m)),
    "convert": lambda m, out: tcm.convert(tcm.plan_migration(m, m), out).to_json(),
    "to_tf1": tcm.convert_tf2_to_tf1,
    "to_tf1_by_key": lambda m, out: tcm.convert_tf2_to_tf1(m, out, names="key"),
    "to_tf2": tcm.convert_tf1_to_tf2,
    "compact": tcm.compact,
    "prune": tcm.prune,
    "merge": lambda m, out: tcm.merge([m], out),
    "add_name_keys": lambda m, out: tcm.add_name_keys(m),
    "add_object_keys": lambda m, out: tcm.add_object_keys(m),
    "remove_name_keys": lambda m, out: tcm.remove_name_keys(m),
    "diff": lambda m, out: tcm.diff_checkpoints(m, m).to_json(),
    "suggest": lambda m, out: tcm.suggest_assignment_map(m, m).to_yaml(),
    "report": lambda m, out: tcm.make_report(m, m, values="all").to_html(),
    "proof": lambda m, out: str(tcm.verify_conversion(m, m)),
    "convert_all": lambda m, out: str(tcm.convert_all(m, f"{out}s", to="tf1")),
}


class TookLongError(Exception):
    """Raised when a call has computed for too long."""


def _give_up(*_: object) -> None:
    raise TookLongError


def wrong(call: Call, tensors: Tensors) -> str:
    """Return what a call does that it must not; "" if nothing."""
    with tempfile.TemporaryDirectory() as folder:
        prefix = os.path.join(folder, "m")
        write_checkpoint(prefix, dict(sorted(tensors.items())))
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            call(prefix, os.path.join(folder, "out"))
        except tcm.errors.CheckpointError:
            return ""
        except Exception as error:  # noqa: BLE001 that is what is looked for
            return f"{type(error).__name__}: {str(error)[:200]}"
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    return ""


def main() -> None:
    """Call everything with everything."""
    import scipy.optimize  # noqa: F401 - a suggestion may need it, and it is large

    chosen = sys.argv[1:] or [*CHECKPOINTS]
    for call in CALLS.values():
        wrong(call, named("scope/w"))  # loads what it needs
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGPROF, _give_up)
    found: dict[str, str] = {}
    for name in chosen:
        for kind, call in CALLS.items():
            if what := wrong(call, CHECKPOINTS[name]):
                found[f"{kind} of {name}"] = what
    print(json.dumps(found, indent=1))  # noqa: T201 its output


if __name__ == "__main__":
    main()
