"""How a header is written: which API, which order of data, and what it demands of the library."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from nnom_hil.codegen.header_options import Api, DenseOrder, HeaderOptions, Layout
from nnom_hil.model.qgraph import QConv, QDense, QGraph, QNode

__all__ = ["Api", "DenseOrder", "HeaderOptions", "Layout", "channel_first", "stored_order"]


def stored_order(shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Return the h, w, c index of each element as channel-first memory has them."""
    index = np.arange(int(np.prod(shape))).reshape(shape)
    return np.moveaxis(index, -1, 0).ravel() if len(shape) > 1 else index


def channel_first(graph: QGraph) -> QGraph:
    """Return the graph with weights in the order that a channel-first build reads.

    Their order in memory is what matters, so the arrays keep their shapes and only pretend to
    have the old axes: such a graph is for writing, not for running.
    """

    def reordered(node: QNode) -> QNode:
        op = node.op
        if isinstance(op, QConv) and not op.depthwise:
            axes = (1, 2, 0, 3) if op.transposed else (1, 2, 3, 0)
            stream = np.ascontiguousarray(op.weight.transpose(axes)).reshape(op.weight.shape)
            return replace(node, op=replace(op, weight=stream))
        if isinstance(op, QDense):
            order = stored_order(graph.by_name[node.inputs[0]].shape)
            return replace(node, op=replace(op, weight=np.ascontiguousarray(op.weight[:, order])))
        return node

    return QGraph(name=graph.name, nodes=tuple(reordered(node) for node in graph.nodes))
