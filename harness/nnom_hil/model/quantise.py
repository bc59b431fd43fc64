"""Quantisation: a pure function of float graph, calibration data and options.

Formats and shifts follow NNOM_COMPAT.md 5.4 and 5.5 (max-min), without the faults marked there.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nnom_hil.errors import DataError, ModelError
from nnom_hil.model.float_run import run_float
from nnom_hil.model.graph import (
    Activation,
    BatchNorm,
    Conv,
    Dense,
    FloatGraph,
    FloatNode,
    Input,
    Softmax,
)
from nnom_hil.model.qgraph import (
    Int8,
    QActivation,
    QConv,
    QDense,
    QGraph,
    QInput,
    QOp,
    QOutput,
    make_qgraph,
)

__all__ = ["QuantiseOptions", "dec_bits", "fold_batch_norm", "quantise", "to_int8"]

FloatArray = npt.NDArray[np.float32]
_MAX_BIAS_SHIFT = 24  # |bias| << 24 stays below 2^31


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantiseOptions:
    """per_channel: one weight format per output channel of a convolution, else one per layer."""

    per_channel: bool = False


def dec_bits(data: npt.NDArray[np.floating]) -> int:
    """Return the fraction bits that hold the data's extremes, by NNoM's max-min rule.

    The largest magnitude may exceed the range by 1/256 of itself. All-zero data gets 7.
    """
    largest = float(np.max(np.abs(data), initial=0.0))
    largest -= largest / 256.0
    if largest == 0.0:
        return 7
    return min(7 - math.ceil(math.log2(largest)), 32)


def to_int8(data: npt.NDArray[np.floating], dec: int | npt.NDArray[np.int64]) -> Int8:
    """Return round-half-even(data * 2^dec), saturated."""
    scaled = np.asarray(data, dtype=np.float64) * np.exp2(np.asarray(dec, dtype=np.float64))
    return np.clip(np.round(scaled), -128, 127).astype(np.int8)


def fold_batch_norm(graph: FloatGraph) -> FloatGraph:
    """Return the graph with each BatchNorm folded into the Conv or Dense it follows.

    w' = w * scale, b' = b * scale + offset, per output channel. Raises ModelError when it follows
    anything else.
    """
    nodes: list[FloatNode] = []
    renamed: dict[str, str] = {}
    for node in graph.nodes:
        inputs = tuple(renamed.get(i, i) for i in node.inputs)
        if not isinstance(node.op, BatchNorm):
            nodes.append(replace(node, inputs=inputs))
            continue
        before = nodes[-1]
        op, norm = before.op, node.op
        if not isinstance(op, Conv | Dense) or inputs != (before.name,):
            raise ModelError(
                f"{node.name} (BatchNormalization): follows {before.name} "
                f"({type(op).__name__}); it can be folded into a convolution or dense layer only"
            )
        scale = norm.scale
        if isinstance(op, Conv) and op.depthwise:
            scale = scale.reshape(op.kernel.shape[2:])
        folded = replace(op, kernel=op.kernel * scale, bias=op.bias * norm.scale + norm.offset)
        nodes[-1] = replace(before, op=folded)
        renamed[node.name] = before.name
    return replace(graph, nodes=tuple(nodes))


def quantise(
    graph: FloatGraph, calibration: FloatArray, options: QuantiseOptions | None = None
) -> QGraph:
    """Return the quantised graph.

    calibration: (n, *input shape), representative inputs. Raises DataError when it is empty, has
    the wrong shape or is not finite, ModelError when a layer cannot be quantised.
    """
    options = options or QuantiseOptions()
    expected = graph.input.shape
    if calibration.shape[1:] != expected or len(calibration) == 0:
        raise DataError(
            f"calibration data has shape {calibration.shape}, the model takes (n, *{expected}) "
            "with n >= 1"
        )
    if not np.isfinite(calibration).all():
        raise DataError("calibration data holds NaN or infinity")
    graph = fold_batch_norm(graph)
    ranges = run_float(graph, calibration)
    layers: list[tuple[str, QOp, tuple[str, ...], QActivation | None, str]] = []
    produced: dict[str, tuple[str, int]] = {}  # float node -> quantised node and its dec
    for node in graph.nodes:
        if isinstance(node.op, Input):
            dec = dec_bits(calibration)
            layers.append((node.name, QInput(shape=node.op.shape, dec=dec), (), None, ""))
            produced[node.name] = (node.name, dec)
            continue
        source, dec = produced[node.inputs[0]]
        if isinstance(node.op, Activation):
            act = _activation(node.op, dec)
            name, op, inputs, tail, _ = layers[-1]
            dec = dec if act.fixed_dec is None else act.fixed_dec
            if name == source and tail is None and not isinstance(op, QInput | QActivation):
                layers[-1] = (name, op, inputs, act, node.name)
                produced[node.name] = (name, dec)
            else:
                layers.append((node.name, act, (source,), None, ""))
                produced[node.name] = (node.name, dec)
            continue
        op, dec = _quantise_op(node, dec, ranges[node.name], options)
        layers.append((node.name, op, (source,), None, ""))
        produced[node.name] = (node.name, dec)
    layers.append(("output0", QOutput(), (produced[graph.nodes[-1].name][0],), None, ""))
    return make_qgraph(graph.name, layers)


def _quantise_op(
    node: FloatNode, in_dec: int, values: FloatArray, options: QuantiseOptions
) -> tuple[QOp, int]:
    match node.op:
        case Conv() as op:
            return _conv(op, in_dec, dec_bits(values), options)
        case Dense() as op:
            return _dense(op, in_dec, dec_bits(values))
        case Softmax() as op:
            if values.ndim != 2:
                raise ModelError(
                    f"{node.name} (Softmax): its input has {values.ndim - 1} axes; NNoM's softmax "
                    "runs over all values at once, so put Flatten before it"
                )
            return op, 7
        case BatchNorm() | Input() | Activation():
            raise AssertionError(f"{node.name}: handled before")
        case op:
            return op, in_dec


def _bias(bias: FloatArray, product_dec: int) -> tuple[Int8, int, int]:
    """Return values, dec and left shift for a bias added to products of product_dec bits."""
    dec = min(dec_bits(bias) if bias.any() else product_dec, product_dec)
    dec = max(dec, product_dec - _MAX_BIAS_SHIFT)
    return to_int8(bias, dec), dec, product_dec - dec


def _conv(op: Conv, in_dec: int, out_dec: int, options: QuantiseOptions) -> tuple[QConv, int]:
    kernel = op.kernel
    channels = op.bias.size
    flat = (
        kernel.reshape(*kernel.shape[:2], -1, channels)
        if not op.depthwise
        else kernel.reshape(*kernel.shape[:2], 1, channels)
    )
    if options.per_channel:
        weight_dec = tuple(dec_bits(flat[..., c]) for c in range(channels))
    else:
        weight_dec = (dec_bits(kernel),)
    # The output cannot be finer than the products are.
    out_dec = min(out_dec, in_dec + min(weight_dec))
    weight = to_int8(flat, np.array(weight_dec)).reshape(kernel.shape)
    if not op.depthwise:
        weight = np.ascontiguousarray(weight.transpose(3, 0, 1, 2))
    biases = [
        _bias(op.bias[c : c + 1] if options.per_channel else op.bias, in_dec + d)
        for c, d in enumerate(weight_dec)
    ]
    quantised = QConv(
        weight=weight,
        bias=np.concatenate([b[0] for b in biases]),
        weight_dec=weight_dec,
        bias_dec=tuple(b[1] for b in biases),
        output_shift=tuple(in_dec + d - out_dec for d in weight_dec),
        bias_shift=tuple(b[2] for b in biases),
        stride=op.stride,
        dilation=op.dilation,
        padding=op.padding,
        depthwise=op.depthwise,
        dims=op.dims,
    )
    return quantised, out_dec


def _dense(op: Dense, in_dec: int, out_dec: int) -> tuple[QDense, int]:
    weight_dec = dec_bits(op.kernel)
    out_dec = min(out_dec, in_dec + weight_dec)
    bias, bias_dec, bias_shift = _bias(op.bias, in_dec + weight_dec)
    quantised = QDense(
        weight=np.ascontiguousarray(to_int8(op.kernel, weight_dec).T),
        bias=bias,
        weight_dec=weight_dec,
        bias_dec=bias_dec,
        output_shift=in_dec + weight_dec - out_dec,
        bias_shift=bias_shift,
    )
    return quantised, out_dec


def _activation(op: Activation, dec: int) -> QActivation:
    return QActivation(
        kind=op.kind,
        dec=dec,
        negative_slope=op.negative_slope,
        max_value=op.max_value,
        threshold=op.threshold,
    )
