"""What formats of tensors write one by one, where NNoM has one layer for several."""

from collections import Counter
from dataclasses import replace

from nnom_hil.model.graph import (
    Cropping,
    FloatGraph,
    FloatNode,
    FloatOp,
    Reshape,
    Rnn,
    ZeroPadding,
)
from nnom_hil.model.shapes import Shape, float_shapes

__all__ = ["tidied"]

Border = tuple[int, int, int, int]


def tidied(graph: FloatGraph) -> FloatGraph:
    """Return a graph that computes the same with fewer layers, or fewer data between them.

    Crops, and paddings, of rows and of columns become one; a recurrent layer of which the last
    output alone is read gives no others.
    """
    shapes = float_shapes(graph)
    readers = Counter(name for node in graph.nodes for name in node.inputs)
    kept: dict[str, FloatNode] = {}
    for node in graph.nodes:
        kept[node.name] = node
        source = kept.get(node.inputs[0]) if len(node.inputs) == 1 else None
        if source is None or readers[source.name] != 1:
            continue
        op = _both(source.op, node.op)
        if op is not None:
            kept[node.name] = replace(node, op=op, inputs=source.inputs)
            del kept[source.name]
        elif isinstance(rnn := source.op, Rnn) and _takes_last(rnn, node.op, shapes[source.name]):
            last = replace(rnn, return_sequence=False, time_order=False)
            kept[source.name] = replace(source, op=last)
            kept[node.name] = replace(node, op=Reshape(shape=(1, rnn.units)))
    return replace(graph, nodes=tuple(kept.values()))


def _both(first: FloatOp, second: FloatOp) -> FloatOp | None:
    """Return the operation that does what two do; None where there is none."""
    for kind in (Cropping, ZeroPadding):
        if isinstance(first, kind) and isinstance(second, kind):
            return replace(second, border=_sum(first.border, second.border))
    return None


def _takes_last(rnn: Rnn, op: FloatOp, shape: Shape) -> bool:
    """Tell whether an operation cuts out the output that the layer computes last."""
    if not isinstance(op, Cropping) or not rnn.return_sequence:
        return False
    before = shape[0] - 1
    return op.border == ((0, 0, 0, before) if rnn.go_backwards else (0, 0, before, 0))


def _sum(a: Border, b: Border) -> Border:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]
