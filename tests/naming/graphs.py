"""Object graphs, written by hand, for tests of names and identities."""

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.object_graph import ObjectGraph
from tf_ckpt_migrate.bundle.proto import TrackableObjectGraph
from tf_ckpt_migrate.naming.catalog import TensorCatalog

END = "/.ATTRIBUTES/VARIABLE_VALUE"
SPEC = TensorSpec(DType.float32, (2,))


def graph_of(edges, variables, slots=()):
    """Return a graph of {node: {edge: node}} and variables, {node: (key, name)}."""
    message = TrackableObjectGraph()
    ends = [each for children in edges.values() for each in children.values()]
    count = 1 + max([*edges, *variables, *ends])
    nodes = [message.nodes.add() for _ in range(count)]
    for node, children in edges.items():
        for name, child in children.items():
            nodes[node].children.add(node_id=child, local_name=name)
    for node, (key, name) in variables.items():
        nodes[node].attributes.add(
            name="VARIABLE_VALUE", full_name=name, checkpoint_key=key + END
        )
    for optimizer, variable, name, slot in slots:
        nodes[optimizer].slot_variables.add(
            original_variable_node_id=variable,
            slot_name=name,
            slot_variable_node_id=slot,
        )
    return ObjectGraph(message.SerializeToString(), "example")


def catalog(edges, variables, slots=()):
    """Return the catalog of such a graph, whose variables have one spec."""
    specs = {key + END: SPEC for key, _ in variables.values()}
    return TensorCatalog(specs, graph_of(edges, variables, slots))
