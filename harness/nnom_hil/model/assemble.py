"""Builds a quantised graph of layers, with shapes and formats by NNoM's rules."""

from collections.abc import Iterable
from typing import assert_never

import numpy as np

from nnom_hil.errors import ModelError
from nnom_hil.model.graph import (
    CellKind,
    Cropping,
    Flatten,
    GlobalPool,
    MergeKind,
    Pool,
    PoolKind,
    Reshape,
    UpSample,
    ZeroPadding,
)
from nnom_hil.model.qgraph import (
    Concat,
    Copy,
    Merge,
    QActivation,
    QConv,
    QDense,
    QGraph,
    QInput,
    QNode,
    QOp,
    QOutput,
    QRnn,
    QSoftmax,
    shape3d,
)
from nnom_hil.model.windows import output_length, transposed_length

__all__ = ["make_qgraph"]


def make_qgraph(
    name: str,
    layers: Iterable[tuple[str, QOp, tuple[str, ...], QActivation | None, str]],
) -> QGraph:
    """Build a graph from (name, op, inputs, tail, tail name), working out shapes and decs.

    Raises ModelError when a layer does not fit its inputs or a shift is out of range.
    """
    nodes: dict[str, QNode] = {}
    for layer, op, inputs, tail, tail_name in layers:
        try:
            sources = [nodes[i] for i in inputs]
        except KeyError as exc:
            raise ModelError(f"{layer}: reads {exc.args[0]!r}, which comes later or not") from exc
        shape, dec = _infer(layer, op, sources)
        if tail is not None and tail.fixed_dec is not None:
            dec = tail.fixed_dec
        if min(shape, default=0) <= 0 or max(shape) > 65535:
            raise ModelError(f"{layer}: output shape {shape} is outside 1 to 65535")
        nodes[layer] = QNode(
            name=layer, op=op, inputs=inputs, shape=shape, dec=dec, tail=tail, tail_name=tail_name
        )
    return QGraph(name=name, nodes=tuple(nodes.values()))


def _infer(layer: str, op: QOp, sources: list[QNode]) -> tuple[tuple[int, ...], int]:
    """Return output shape and dec before the tail, by NNoM's rules (NNOM_COMPAT.md 2.4)."""
    if isinstance(op, QInput):
        return shape3d(op.shape), op.dec
    source = sources[0]
    dec = source.dec
    match op:
        case QConv() | QDense() | QRnn():
            return _infer_weighted(layer, op, source)
        case Pool() | GlobalPool():
            return _moved(op, source), dec + _pool_shift(op)
        case ZeroPadding() | Cropping() | UpSample():
            return _moved(op, source), dec
        case QActivation():
            return source.shape, dec if op.fixed_dec is None else op.fixed_dec
        case Reshape():
            if int(np.prod(op.shape)) != source.size:
                raise ModelError(f"{layer}: {source.size} values do not fill {op.shape}")
            return op.shape, dec
        case Flatten():
            return (source.size,), dec
        case QSoftmax():
            return source.shape, 7
        case Concat():
            joined = list(source.shape)
            joined[op.axis] = sum(s.shape[op.axis] for s in sources)
            return tuple(joined), dec
        case Merge():
            _check_merge(layer, op, sources)
            total = sum(s.dec for s in sources) if op.kind is MergeKind.MULT else dec
            return source.shape, total - op.output_shift + op.halvings
        case Copy() | QOutput():
            return source.shape, dec
        case never:
            assert_never(never)


def _infer_weighted(
    layer: str, op: QConv | QDense | QRnn, source: QNode
) -> tuple[tuple[int, ...], int]:
    """Return output shape and dec of a layer with weights."""
    if isinstance(op, QRnn):
        _check_rnn(layer, op, source)
        return ((source.shape[-2], op.units) if op.return_sequence else (op.units,)), 7
    dec = source.dec + op.weight_dec[0] - op.output_shift[0]
    if isinstance(op, QDense):
        units, inputs = op.weight.shape
        if inputs != source.size:
            raise ModelError(f"{layer}: weights for {inputs} inputs, but gets {source.size}")
        _check_shifts(layer, op.output_shift + op.bias_shift)
        return ((1, units) if len(source.shape) == 3 else (units,)), dec
    h, w, c = shape3d(source.shape)
    _check_conv(layer, op, c)
    length = transposed_length if op.transposed else output_length
    oh = length(h, op.kernel[0], op.padding, op.stride[0], op.dilation[0])
    ow = length(w, op.kernel[1], op.padding, op.stride[1], op.dilation[1])
    return (oh, ow, op.channels_out), dec


def _moved(
    op: Pool | GlobalPool | ZeroPadding | Cropping | UpSample, source: QNode
) -> tuple[int, ...]:
    """Return the output shape of a layer that changes height and width alone."""
    h, w, c = shape3d(source.shape)
    match op:
        case Pool():
            oh = output_length(h, op.size[0], op.padding, op.stride[0], 1)
            ow = output_length(w, op.size[1], op.padding, op.stride[1], 1)
            return oh, ow, c
        case GlobalPool():
            return (c,)
        case ZeroPadding():
            top, bottom, left, right = op.border
            return h + top + bottom, w + left + right, c
        case Cropping():
            top, bottom, left, right = op.border
            return h - top - bottom, w - left - right, c
        case UpSample():
            return h * op.factor[0], w * op.factor[1], c
        case never:
            assert_never(never)


def _pool_shift(op: Pool | GlobalPool) -> int:
    """Return the fraction bits that an average gains by dividing by fewer cells."""
    return op.output_shift if op.kind is PoolKind.AVERAGE else 0


def _check_conv(layer: str, op: QConv, channels: int) -> None:
    expected = op.weight.shape[2] if op.depthwise else op.weight.shape[3]
    if expected != channels:
        raise ModelError(f"{layer}: weights for {expected} channels, but gets {channels}")
    _check_shifts(layer, op.output_shift + op.bias_shift)


def _check_merge(layer: str, op: Merge, sources: list[QNode]) -> None:
    shapes = {s.shape for s in sources}
    if len(shapes) > 1:
        raise ModelError(f"{layer}: its inputs differ in shape: {sorted(shapes)}")
    _check_shifts(layer, (op.output_shift,))


def _check_rnn(layer: str, op: QRnn, source: QNode) -> None:
    if len(source.shape) < 2 or (len(source.shape) == 3 and source.shape[0] != 1):
        raise ModelError(f"{layer}: its input {source.shape} is no sequence (steps, features)")
    if op.weight.shape[1] != source.shape[-1]:
        raise ModelError(
            f"{layer}: weights for {op.weight.shape[1]} features, but gets {source.shape[-1]}"
        )
    _check_shifts(layer, op.shifts(source.dec))
    if op.kind is CellKind.LSTM:
        _check_shifts(layer, (22 - op.c_dec,))


def _check_shifts(layer: str, shifts: tuple[int, ...]) -> None:
    for shift in shifts:
        if not 0 <= shift <= 30:
            raise ModelError(f"{layer}: shift {shift} is outside 0 to 30")
