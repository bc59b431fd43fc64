"""The eighth bit of what a ReLU leaves.

Nothing behind a ReLU is negative, so half of int8 would stay empty. Where only layers with weights
read it, the result is doubled and shifted to the lower end of the format: saturation there is the
ReLU, and the readers' weights and biases undo the rest. Cells around an image then hold the end.
"""

from dataclasses import replace

import numpy as np

from nnom_hil.model.graph import (
    Activation,
    ActivationKind,
    Affine,
    Conv,
    Cropping,
    Dense,
    Flatten,
    FloatGraph,
    FloatNode,
    FloatOp,
    GlobalPool,
    Pool,
    PoolKind,
    Reshape,
    Rnn,
    UpSample,
)
from nnom_hil.model.quantise.formats import readers_of, tail_of
from nnom_hil.model.quantise.statistics import Change, Observed
from nnom_hil.model.simplify import absorb

__all__ = ["shift_outputs"]


def shift_outputs(
    graph: FloatGraph, data: Observed, decs: dict[str, int], spare: dict[str, int], *, pads: bool
) -> tuple[FloatGraph, Observed, list[str]]:
    """Return the graph with shifted outputs, its data, and the layers that it was done to.

    decs: every node's fraction bits, which must not change afterwards. spare: bits by which a
    layer's products are finer than its result. pads: whether cells around an image may hold
    something else than zero.
    """
    shifted: list[str] = []
    for node in graph.nodes:
        tail = tail_of(node, readers_of(graph))
        op = node.op
        if not isinstance(op, Conv | Dense) or tail is None or spare[node.name] < 1:
            continue
        end = -(2.0 ** (7 - decs[node.name]))
        if not _ends_with_format(tail.op, -127 / 128 * end):
            continue
        rewritten = _rewritten(graph, node.name, tail, end, pads=pads)
        if rewritten is not None:
            graph, changed = rewritten
            data = data.changed({name: Change(scale=2.0, offset=end) for name in changed})
            shifted.append(node.name)
    return graph, data, shifted


def _ends_with_format(op: FloatOp, largest: float) -> bool:
    """Whether the layer is a ReLU whose limit, if there is one, the format's largest value is."""
    if not isinstance(op, Activation) or op.floor:
        return False
    if op.kind is ActivationKind.RELU:
        return True
    plain = op.kind is ActivationKind.ADV_RELU and op.threshold == op.negative_slope == 0
    return plain and op.max_value is not None and op.max_value >= largest


def _rewritten(
    graph: FloatGraph, name: str, tail: FloatNode, end: float, *, pads: bool
) -> tuple[FloatGraph, list[str]] | None:
    """Return the graph and the nodes whose values are doubled and shifted by `end`.

    None where something else than layers with weights reads them, or a layer cannot undo it.
    """
    readers = readers_of(graph)
    ops: dict[str, FloatOp] = {}
    changed, waiting = [name, tail.name], [tail.name]
    while waiting:
        source = waiting.pop()
        if not readers[source]:
            return None  # the model's result
        for node in readers[source]:
            if _moves_only(node.op):
                changed.append(node.name)
                waiting.append(node.name)
                continue
            if not isinstance(node.op, Conv | Dense | Rnn):
                return None
            kernel = node.op.kernel
            channels = kernel.shape[2 if isinstance(node.op, Conv) else 0]
            undo = Affine(scale=np.full(channels, 0.5), offset=np.full(channels, -end / 2))
            absorbed = absorb(node.op, undo, pads=pads)
            if absorbed is None:
                return None
            ops[node.name] = absorbed
    for node in graph.nodes:
        if node.name == name:
            assert isinstance(node.op, Conv | Dense)
            bias = (2 * node.op.bias + end).astype(np.float32)
            ops[name] = replace(node.op, kernel=2 * node.op.kernel, bias=bias)
    ops[tail.name] = Activation(kind=ActivationKind.RELU, floor=end)
    return (
        replace(graph, nodes=tuple(replace(n, op=ops.get(n.name, n.op)) for n in graph.nodes)),
        changed,
    )


def _moves_only(op: FloatOp) -> bool:
    """Whether a layer gives out values that it reads, and no others."""
    if isinstance(op, Pool | GlobalPool):
        return op.kind is PoolKind.MAX
    return isinstance(op, Flatten | Reshape | Cropping | UpSample)
