"""Rewrites a float graph into one that computes the same with the layers NNoM has.

Scales and offsets (batch normalisation, rescaling) of the input itself become part of how data is
put in. Others go into the weights before them, else into those after them, else they become a
depthwise convolution of one cell.
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

__all__ = ["absorb", "narrowed", "simplify"]

FloatArray = npt.NDArray[np.float32]


def simplify(graph: FloatGraph, *, raw_input: bool = False) -> FloatGraph:
    """Return an equivalent graph without Affine nodes.

    raw_input: data goes in as it is, so that scales and offsets of the input stay in the network.
    """
    nodes = {node.name: node for node in graph.nodes}
    shapes = float_shapes(graph)
    while not raw_input and _fold_into_input(nodes, shapes):
        pass
    for name in [n.name for n in nodes.values() if isinstance(n.op, Affine)]:
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


def _fold_into_input(nodes: dict[str, FloatNode], shapes: dict[str, tuple[int, ...]]) -> bool:
    """Move what is all that reads the input, through changes of shape, into it: an Affine."""
    first = source = next(iter(nodes.values()))
    op = first.op
    assert isinstance(op, Input)
    reader = _only_reader(nodes, source.name)
    while reader is not None and isinstance(reader.op, Reshape | Flatten):
        source, reader = reader, _only_reader(nodes, reader.name)
    if reader is None or not isinstance(reader.op, Affine) or not reader.op.scale.all():
        return False
    if not _readers(nodes, reader.name):  # the model is nothing else
        return False
    shape = shapes[source.name]
    scale, offset = (
        np.broadcast_to(v.astype(np.float64), shape).reshape(op.shape)
        for v in (reader.op.scale, reader.op.offset)
    )
    if op.scale is not None and op.offset is not None:
        scale, offset = op.scale * scale, op.offset * scale + offset
    scale, offset = narrowed(scale, offset)
    nodes[first.name] = replace(first, op=replace(op, scale=scale, offset=offset))
    _bypass(nodes, reader.name)
    return True


def narrowed(
    scale: npt.NDArray[np.float64], offset: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return both, of the input's shape, with one entry, or one a channel, where that says all."""
    for some in (slice(0, 1), slice(None)):
        first = tuple(v.reshape(-1, v.shape[-1])[0][some] for v in (scale, offset))
        if (scale == first[0]).all() and (offset == first[1]).all():
            return first[0], first[1]
    return scale, offset


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
    op = absorb(reader.op, affine)
    if op is not None:
        nodes[reader.name] = replace(reader, op=op)
    return op is not None


def absorb(op: FloatOp, affine: Affine, *, pads: bool = False) -> FloatOp | None:
    """Return the layer with the affine in front of it inside, None where it cannot be.

    affine: with an entry for each channel that the layer reads. pads: whether cells around the
    image may hold something else than zero.
    """
    scale, offset = affine.scale, affine.offset
    match op:
        case Conv():
            pad = op.pad
            if offset.any() and op.transposed:  # not every tap reaches every cell
                return None
            if (offset.any() or op.pad) and op.padding is not Padding.VALID:
                if not pads or np.ptp(scale) or np.ptp(offset):
                    return None
                pad = float((op.pad - offset[0]) / scale[0])
            constant = np.einsum("hwcm,c->cm" if op.depthwise else "hwcf,c->f", op.kernel, offset)
            kernel, bias = op.kernel * scale[:, np.newaxis], op.bias + constant.ravel()
            return replace(op, kernel=_float32(kernel), bias=_float32(bias), pad=pad)
        case Dense():
            kernel, bias = op.kernel * scale[:, np.newaxis], op.bias + offset @ op.kernel
            return replace(op, kernel=_float32(kernel), bias=_float32(bias))
        case Rnn():
            constant = offset @ op.kernel
            bias = op.bias
            if bias is None and constant.any():
                both = op.kind is CellKind.GRU and op.reset_after
                bias = np.zeros((2, constant.size) if both else constant.size, np.float32)
            if bias is not None:
                bias = bias + (constant if bias.ndim == 1 else np.stack([constant, 0 * constant]))
                bias = _float32(bias)
            return replace(op, kernel=_float32(op.kernel * scale[:, np.newaxis]), bias=bias)
        case (
            Input() | Affine() | Activation() | Pool() | GlobalPool() | ZeroPadding() | Cropping()
            | UpSample() | Reshape() | Flatten() | Softmax() | Concatenate() | Combine()
            | Requantise()
        ):  # fmt: skip
            pass
        case never:
            assert_never(never)
    return None


def _float32(values: npt.NDArray[np.floating]) -> FloatArray:
    return np.asarray(values, np.float32)


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
