"""Weights on their grid: a quantised graph's codes as a float network's weights, and back.

Conversion scales and shifts data on its way through the network (quantise/equalise.py and others),
so that a code times 2^-dec is a weight of the rewritten network. Change tells what was done to a
node's values, value * scale + offset; here the same is undone, so that the weights fit the network
as it was. float32 holds them closely enough to tell each code again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nnom_hil.errors import ModelError
from nnom_hil.model.graph import Conv, Dense, FloatGraph, Rnn
from nnom_hil.model.qgraph import Int8, QConv, QDense, QGraph, QRnn
from nnom_hil.model.quantise.statistics import Change

__all__ = ["Rescaled", "biases_on_grid", "rescaled_layers", "weight_codes", "with_weights_of"]

Float64 = npt.NDArray[np.float64]
_NEAR = 0.02  # of a step; what float32 leaves of a code is nearer
_BIAS_NEAR = 1e-4  # of a bias and its parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescaled:
    """What conversion did to the data around a layer with weights: before it, and behind."""

    before: Change
    behind: Change


def rescaled_layers(graph: FloatGraph, changes: Mapping[str, Change]) -> dict[str, Rescaled]:
    """Return what was done around each layer with weights, by name."""
    return {
        node.name: Rescaled(
            before=changes.get(node.inputs[0], Change()), behind=changes.get(node.name, Change())
        )
        for node in graph.nodes
        if isinstance(node.op, Conv | Dense | Rnn)
    }


def with_weights_of(
    graph: FloatGraph, quantised: QGraph, rescaled: Mapping[str, Rescaled]
) -> FloatGraph:
    """Return the float graph with the weights that the quantised one's codes stand for."""
    nodes = []
    for node in graph.nodes:
        change = rescaled.get(node.name)
        if change is not None:
            op, codes = node.op, quantised.by_name[node.name].op
            if isinstance(op, Rnn) and isinstance(codes, QRnn):
                op = _cell(op, codes, change)
            elif isinstance(op, Conv | Dense) and isinstance(codes, QConv | QDense):
                op = _layer(op, codes, change)
            node = replace(node, op=op)  # noqa: PLW2901
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes))


def _columns(op: Conv | Dense | Rnn) -> tuple[int, int]:
    """Return channels in and channels out of a layer's kernel."""
    shape = op.kernel.shape
    if isinstance(op, Conv):
        return shape[2], op.channels_out
    return shape[0], shape[1]


def _wide(value: Float64 | float, size: int) -> Float64:
    """Return one number a channel; of data that was flattened, channels repeat."""
    return np.resize(np.asarray(value, np.float64), size)


def _kernel_scale(op: Conv | Dense, change: Rescaled) -> Float64:
    """Return what a weight of the rewritten network is times, to be one of the network's own."""
    inputs, outputs = _columns(op)
    before, behind = _wide(change.before.scale, inputs), _wide(change.behind.scale, outputs)
    if isinstance(op, Conv) and op.depthwise:
        return before[:, np.newaxis] / behind.reshape(inputs, -1)
    return before[:, np.newaxis] / behind


def _in_order(op: Conv | Dense, weight: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Return a quantised layer's weights in the order of the float layer's kernel."""
    if isinstance(op, Dense):
        return weight.T
    return weight if op.depthwise else np.moveaxis(weight, 0, -1)


def _real_weights(op: Conv | Dense, codes: QConv | QDense) -> Float64:
    """Return the rewritten network's weights, in the order of the float layer's kernel."""
    outputs = _columns(op)[1]
    steps = np.exp2(-_wide(np.array(codes.weight_dec, np.float64), outputs))
    depthwise = isinstance(op, Conv) and op.depthwise
    steps = steps.reshape(op.kernel.shape[2:]) if depthwise else steps
    real: Float64 = _in_order(op, codes.weight).astype(np.float64) * steps
    return real


def _of_offset(op: Conv | Dense, real: Float64, change: Rescaled) -> Float64:
    """Return what the offset of its inputs adds to each of the layer's sums."""
    inputs, outputs = _columns(op)
    offset = _wide(change.before.offset, inputs)
    if isinstance(op, Dense):
        return offset @ real
    pattern = "hwcm,c->cm" if op.depthwise else "hwcf,c->f"
    sums: Float64 = np.einsum(pattern, real, offset).reshape(outputs)
    return sums


def _layer(op: Conv | Dense, codes: QConv | QDense, change: Rescaled) -> Conv | Dense:
    real = _real_weights(op, codes)
    outputs = _columns(op)[1]
    bias = _of_offset(op, real, change) - _wide(change.behind.offset, outputs)
    if codes.bias is not None:
        bias = bias + codes.bias * np.exp2(-_wide(np.array(codes.bias_dec, np.float64), outputs))
    return replace(
        op,
        kernel=(real * _kernel_scale(op, change)).astype(np.float32),
        bias=(bias / _wide(change.behind.scale, outputs)).astype(np.float32),
    )


def _cell(op: Rnn, codes: QRnn, change: Rescaled) -> Rnn:
    inputs = op.kernel.shape[0]
    scale, offset = (_wide(v, inputs) for v in (change.before.scale, change.before.offset))
    real = codes.weight.T * 2.0**-codes.weight_dec
    bias = None
    if codes.bias is not None:
        values = codes.bias * 2.0**-codes.bias_dec
        constant = offset @ real
        bias = values + (constant if values.ndim == 1 else np.stack([constant, 0 * constant]))
    return replace(
        op,
        kernel=(real * scale[:, np.newaxis]).astype(np.float32),
        recurrent=(codes.recurrent.T * 2.0**-codes.recurrent_dec).astype(np.float32),
        bias=None if bias is None else bias.astype(np.float32),
    )


# ---- and back ------------------------------------------------------------------------------------


def weight_codes(
    name: str, op: Conv | Dense | Rnn, formats: QConv | QDense | QRnn, change: Rescaled
) -> dict[str, Int8]:
    """Return the codes of a layer's weights, biases aside, by the quantised layer's fields.

    formats: the quantised layer, whose own weights do not matter. Raises ModelError where the
    weights are not on the grid of its formats.
    """
    inputs, outputs = _columns(op)
    if isinstance(op, Rnn) and isinstance(formats, QRnn):
        scale = _wide(change.before.scale, inputs)
        kernel = op.kernel / scale[:, np.newaxis] * 2.0**formats.weight_dec
        return {
            "weight": _whole(name, kernel.T),
            "recurrent": _whole(name, op.recurrent.T * 2.0**formats.recurrent_dec),
        }
    assert isinstance(op, Conv | Dense)
    assert isinstance(formats, QConv | QDense)
    steps = np.exp2(_wide(np.array(formats.weight_dec, np.float64), outputs))
    depthwise = isinstance(op, Conv) and op.depthwise
    steps = steps.reshape(op.kernel.shape[2:]) if depthwise else steps
    codes = op.kernel.astype(np.float64) / _kernel_scale(op, change) * steps
    if isinstance(op, Dense):
        codes = codes.T
    elif not op.depthwise:
        codes = np.moveaxis(codes, -1, 0)
    return {"weight": _whole(name, codes)}


def _whole(name: str, values: npt.NDArray[np.floating]) -> Int8:
    codes = np.round(values)
    # negated, so that NaN is no whole number either
    if not (np.abs(values - codes) <= _NEAR).all() or codes.min() < -128 or codes.max() > 127:
        raise ModelError(f"layer {name}: its weights are not on the grid of its formats")
    return np.ascontiguousarray(codes.astype(np.int8))


def biases_on_grid(op: Conv | Dense | Rnn, codes: QConv | QDense | QRnn, change: Rescaled) -> bool:
    """Whether a layer's bias is what the quantised layer's codes stand for, within rounding."""
    if isinstance(op, Rnn) and isinstance(codes, QRnn):
        expected = _cell(op, codes, change).bias
    else:
        assert isinstance(op, Conv | Dense)
        assert isinstance(codes, QConv | QDense)
        expected = _layer(op, codes, change).bias
    if expected is None or op.bias is None:
        return expected is None and op.bias is None
    if expected.shape != op.bias.shape:
        return False
    largest = float(np.abs(expected).max(initial=0.0))
    return bool(np.all(np.abs(expected - op.bias) <= _BIAS_NEAR * max(largest, 1e-6)))
