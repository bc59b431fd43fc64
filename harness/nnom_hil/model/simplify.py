"""Rewrites a float graph into one that computes the same with the layers NNoM has.

Scales and offsets (batch normalisation, rescaling) go into the weights before them, else into
those after them, else they become a depthwise convolution of one cell.
"""

from dataclasses import replace
from typing import assert_never

import numpy as np
import numpy.typing as npt

from nnom_hil.model.graph import (
    Activation,
    Affine,
    CellKind,
    Combine,
    Concatenate,
    Conv,
    Cropping,
    Dense,
    Flatten,
    FloatGraph,
    FloatNode,
    FloatOp,
    GlobalPool,
    Input,
    MergeKind,
    Padding,
    Pool,
    Requantise,
    Reshape,
    Rnn,
    Softmax,
    UpSample,
    ZeroPadding,
)
from nnom_hil.model.shapes import float_shapes

__all__ = ["simplify"]

FloatArray = npt.NDArray[np.float32]


def simplify(graph: FloatGraph) -> FloatGraph:
    """Return an equivalent graph without Affine nodes."""
    nodes = {node.name: node for node in graph.nodes}
    shapes = float_shapes(graph)
    for name in [n.name for n in graph.nodes if isinstance(n.op, Affine)]:
        node = nodes[name]
        assert isinstance(node.op, Affine)
        affine = _wide(node.op, shapes[name][-1])
        source = nodes[node.inputs[0]]
        if _readers(nodes, source.name) == [name] and (op := _after(source.op, affine)) is not None:
            nodes[source.name] = replace(source, op=op)
            _bypass(nodes, name)
        elif (reader := _only_reader(nodes, name)) is not None and _fold_before(
            nodes, reader, affine
        ):
            _bypass(nodes, name)
        else:
            nodes[name] = replace(node, op=_depthwise(affine))
    return replace(graph, nodes=tuple(nodes.values()))


def _wide(op: Affine, channels: int) -> Affine:
    """Return the operation with one pair of numbers a channel."""
    return Affine(
        scale=np.broadcast_to(op.scale, (channels,)), offset=np.broadcast_to(op.offset, (channels,))
    )


def _readers(nodes: dict[str, FloatNode], name: str) -> list[str]:
    return [node.name for node in nodes.values() for source in node.inputs if source == name]


def _only_reader(nodes: dict[str, FloatNode], name: str) -> FloatNode | None:
    readers = _readers(nodes, name)
    return nodes[readers[0]] if len(readers) == 1 else None


def _bypass(nodes: dict[str, FloatNode], name: str) -> None:
    """Remove a node; its readers read what it read."""
    source = nodes.pop(name).inputs[0]
    for reader in nodes.values():
        if name in reader.inputs:
            inputs = tuple(source if i == name else i for i in reader.inputs)
            nodes[reader.name] = replace(reader, inputs=inputs)


def _after(op: FloatOp, affine: Affine) -> FloatOp | None:
    """Return the layer with the affine that follows it inside, None where it cannot be."""
    scale, offset = affine.scale, affine.offset
    match op:
        case Conv():
            per_filter = scale.reshape(op.kernel.shape[2:]) if op.depthwise else scale
            return replace(op, kernel=op.kernel * per_filter, bias=op.bias * scale + offset)
        case Dense():
            return replace(op, kernel=op.kernel * scale, bias=op.bias * scale + offset)
        case Combine(kind=MergeKind.ADD) if not offset.any() and (scale == scale[0]).all():
            halvings = -np.log2(scale[0]) if scale[0] > 0 else -1.0
            if halvings >= 0 and halvings == int(halvings):
                return replace(op, halvings=op.halvings + int(halvings))
        case (
            Input() | Affine() | Activation() | Pool() | GlobalPool() | ZeroPadding() | Cropping()
            | UpSample() | Reshape() | Flatten() | Softmax() | Concatenate() | Combine()
            | Requantise() | Rnn()
        ):  # fmt: skip
            pass
        case never:
            assert_never(never)
    return None


def _fold_before(nodes: dict[str, FloatNode], reader: FloatNode, affine: Affine) -> bool:
    """Put the affine into the only layer that reads it; False where it cannot be."""
    if isinstance(reader.op, Flatten):  # the dense layer behind it sees each channel many times
        dense = _only_reader(nodes, reader.name)
        if dense is None or not isinstance(dense.op, Dense):
            return False
        times = len(dense.op.kernel) // affine.scale.size
        affine = Affine(scale=np.tile(affine.scale, times), offset=np.tile(affine.offset, times))
        reader = dense
    op = _before(reader.op, affine)
    if op is not None:
        nodes[reader.name] = replace(reader, op=op)
    return op is not None


def _before(op: FloatOp, affine: Affine) -> FloatOp | None:
    """Return the layer with the affine in front of it inside, None where it cannot be."""
    scale, offset = affine.scale, affine.offset
    match op:
        case Conv():
            # cells of zero around the image, and cells that not every tap reaches, get no offset
            if offset.any() and (op.padding is not Padding.VALID or op.transposed):
                return None
            constant = np.einsum("hwcm,c->cm" if op.depthwise else "hwcf,c->f", op.kernel, offset)
            return replace(
                op, kernel=op.kernel * scale[:, np.newaxis], bias=op.bias + constant.ravel()
            )
        case Dense():
            return replace(
                op, kernel=op.kernel * scale[:, np.newaxis], bias=op.bias + offset @ op.kernel
            )
        case Rnn():
            constant = offset @ op.kernel
            bias = op.bias
            if bias is None and constant.any():
                both = op.kind is CellKind.GRU and op.reset_after
                bias = np.zeros((2, constant.size) if both else constant.size, np.float32)
            if bias is not None:
                bias = bias + (constant if bias.ndim == 1 else np.stack([constant, 0 * constant]))
            return replace(op, kernel=op.kernel * scale[:, np.newaxis], bias=bias)
        case (
            Input() | Affine() | Activation() | Pool() | GlobalPool() | ZeroPadding() | Cropping()
            | UpSample() | Reshape() | Flatten() | Softmax() | Concatenate() | Combine()
            | Requantise()
        ):  # fmt: skip
            pass
        case never:
            assert_never(never)
    return None


def _depthwise(affine: Affine) -> Conv:
    return Conv(
        kernel=np.asarray(affine.scale, np.float32).reshape(1, 1, -1, 1),
        bias=np.asarray(affine.offset, np.float32),
        stride=(1, 1),
        dilation=(1, 1),
        padding=Padding.VALID,
        depthwise=True,
        dims=2,
    )
