"""Which tensors of a graph are alive while each of its layers runs, in the order of its nodes."""

import math

from nnom_hil.model.qgraph import QGraph, QNode

__all__ = ["alive_bytes", "held_bytes"]

_ALIGNED = 4


def alive_bytes(graph: QGraph) -> list[int]:
    """Return the bytes of all tensors that are alive while each layer runs, its own included."""
    return [sum(map(_room, nodes)) for nodes in _alive(graph)]


def held_bytes(graph: QGraph) -> list[int]:
    """Return the bytes that are alive while each layer runs and are neither its inputs nor its
    output: a later layer reads them.
    """
    return [
        sum(_room(n) for n in alive if n is not node and n.name not in node.inputs)
        for node, alive in zip(graph.nodes, _alive(graph), strict=True)
    ]


def _alive(graph: QGraph) -> list[list[QNode]]:
    last = {node.name: i for i, node in enumerate(graph.nodes)}
    for i, node in enumerate(graph.nodes):
        for name in node.inputs:
            last[name] = i
    return [
        [n for j, n in enumerate(graph.nodes) if j <= i <= last[n.name]]
        for i in range(len(graph.nodes))
    ]


def _room(node: QNode) -> int:
    """A tensor's bytes, as the library aligns them."""
    return math.ceil(node.size / _ALIGNED) * _ALIGNED
