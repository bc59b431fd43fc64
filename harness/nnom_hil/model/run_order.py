"""The order in which NNoM runs a graph: each branch as far as it goes (NNOM_COMPAT.md 2.5)."""

from nnom_hil.model.qgraph import QGraph, QNode

__all__ = ["in_run_order"]


def in_run_order(graph: QGraph) -> QGraph:
    """Return the graph with its nodes in the order in which the C library runs them.

    Layers are hooked in the nodes' order; a branch runs until it meets a layer that still misses
    an input. What is measured and printed layer by layer is then the nodes', one by one.
    """
    readers: dict[str, list[QNode]] = {node.name: [] for node in graph.nodes}
    for node in graph.nodes:
        for name in dict.fromkeys(node.inputs):
            readers[name].append(node)
    done: dict[str, QNode] = {}
    waiting = [graph.input]
    while waiting:
        node = waiting.pop()
        if node.name not in done and all(name in done for name in node.inputs):
            done[node.name] = node
            waiting += reversed(readers[node.name])
    return QGraph(name=graph.name, nodes=tuple(done.values()))
