"""Executes a float graph in NumPy; the source of activation ranges for calibration."""

from typing import assert_never, cast

import numpy as np
import numpy.typing as npt

from nnom_hil.model.float_rnn import run_float_rnn
from nnom_hil.model.graph import (
    Activation,
    ActivationKind,
    Affine,
    Combine,
    Concatenate,
    Conv,
    Cropping,
    Dense,
    Flatten,
    FloatGraph,
    FloatOp,
    GlobalPool,
    Input,
    MergeKind,
    Padding,
    Pool,
    PoolKind,
    Requantise,
    Reshape,
    Rnn,
    Softmax,
    UpSample,
    ZeroPadding,
)
from nnom_hil.model.windows import (
    depthwise_products,
    output_length,
    same_pad,
    transposed_length,
    window_products,
    windows,
)

__all__ = ["activate", "as_image", "run_float"]

FloatArray = npt.NDArray[np.float32]


def as_image(x: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Return x (n, ...) as (n, h, w, c); missing axes are one, as NNoM has it."""
    return x.reshape(len(x), *(1,) * (4 - x.ndim), *x.shape[1:])


def run_float(graph: FloatGraph, x: FloatArray) -> dict[str, FloatArray]:
    """Return every node's output (n, *the layer's shape in Keras) for x (n, *input shape)."""
    results: dict[str, FloatArray] = {}
    # what overflows becomes infinite, and is for the caller to see
    with np.errstate(over="ignore", invalid="ignore"):
        for node in graph.nodes:
            if isinstance(node.op, Input):
                results[node.name] = _placed(node.op, x)
                continue
            y = _run(node.op, [results[name] for name in node.inputs])
            results[node.name] = y.astype(np.float32, copy=False)
    return results


def _placed(op: Input, x: FloatArray) -> FloatArray:
    if op.scale is None or op.offset is None:
        return x.astype(np.float32, copy=False)
    return (x * op.scale + op.offset).astype(np.float32)


def _run(op: FloatOp, sources: list[FloatArray]) -> FloatArray:
    x = sources[0]
    match op:
        case Dense():
            return x.reshape(len(x), -1) @ op.kernel + op.bias
        case Affine():
            return x * op.scale + op.offset
        case Activation():
            return activate(op, x)
        case GlobalPool():
            image = as_image(x)
            if op.kind is PoolKind.MAX:
                return np.asarray(image.max(axis=(1, 2)), dtype=np.float32)
            mean = np.asarray(image.mean(axis=(1, 2)), dtype=np.float32)
            return mean * np.float32(op.gain)
        case Reshape():
            return x.reshape(len(x), *op.shape)
        case Flatten():
            return x.reshape(len(x), -1)
        case Softmax():
            e = np.exp(x - x.max(axis=-1, keepdims=True))
            return cast(FloatArray, e / e.sum(axis=-1, keepdims=True))
        case Concatenate():
            return np.concatenate(sources, axis=op.axis)
        case Combine():
            return _combine(op, sources)
        case Requantise():
            return x
        case Rnn():
            return run_float_rnn(op, x)
        case Conv() | Pool() | ZeroPadding() | Cropping() | UpSample():
            y = _run_on_image(op, cast(FloatArray, as_image(x)))
            # data of fewer axes, (n, steps, channels), stays that
            return y.reshape(len(x), *y.shape[5 - x.ndim :])
        case Input():
            raise AssertionError("run_float() has the input")
        case never:
            assert_never(never)


def _run_on_image(op: Conv | Pool | ZeroPadding | Cropping | UpSample, x: FloatArray) -> FloatArray:
    """Run a spatial layer on x (n, h, w, c)."""
    match op:
        case Conv():
            return _conv_transposed(op, x) if op.transposed else _conv(op, x)
        case Pool():
            return _pool(op, x)
        case ZeroPadding():
            top, bottom, left, right = op.border
            return np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
        case Cropping():
            top, bottom, left, right = op.border
            return x[:, top : x.shape[1] - bottom, left : x.shape[2] - right]
        case UpSample():
            return x.repeat(op.factor[0], 1).repeat(op.factor[1], 2)
        case never:
            assert_never(never)


def _combine(op: Combine, sources: list[FloatArray]) -> FloatArray:
    total = sources[0]
    for other in sources[1:]:
        match op.kind:
            case MergeKind.ADD:
                total = total + other
            case MergeKind.SUB:
                total = total - other
            case MergeKind.MULT:
                total = total * other
            case never:
                assert_never(never)
    return cast(FloatArray, total / 2**op.halvings)


def _conv(op: Conv, x: FloatArray) -> FloatArray:
    kh, kw = op.kernel.shape[:2]
    out = (
        output_length(x.shape[1], kh, op.padding, op.stride[0], op.dilation[0]),
        output_length(x.shape[2], kw, op.padding, op.stride[1], op.dilation[1]),
    )
    pad = same_pad(x.shape[1:], (kh, kw), op.padding, op.stride, op.dilation)
    view = windows(x, (kh, kw), op.stride, op.dilation, pad, out, fill=op.pad)
    products = depthwise_products if op.depthwise else window_products
    y = products(view, op.kernel)
    return cast(FloatArray, y + op.bias)


def _conv_transposed(op: Conv, x: FloatArray) -> FloatArray:
    """Keras' transposed convolution: each cell adds its multiple of the kernel; SAME cuts."""
    (kh, kw), (sh, sw), (dh, dw) = op.kernel.shape[:2], op.stride, op.dilation
    n, h, w, _ = x.shape
    oh = transposed_length(h, kh, op.padding, sh, dh)
    ow = transposed_length(w, kw, op.padding, sw, dw)
    pads = (0, 0)
    if op.padding is Padding.SAME:
        pads = (max((kh - 1) * dh + 1 - sh, 0) // 2, max((kw - 1) * dw + 1 - sw, 0) // 2)
    rows = max((h - 1) * sh + (kh - 1) * dh + 1, oh + pads[0])
    columns = max((w - 1) * sw + (kw - 1) * dw + 1, ow + pads[1])
    full = np.zeros((n, rows, columns, op.channels_out), dtype=np.float32)
    for i in range(kh):
        for j in range(kw):
            part = full[:, i * dh : i * dh + (h - 1) * sh + 1 : sh]
            part[:, :, j * dw : j * dw + (w - 1) * sw + 1 : sw] += x @ op.kernel[i, j]
    return cast(FloatArray, full[:, pads[0] : pads[0] + oh, pads[1] : pads[1] + ow] + op.bias)


def _pool(op: Pool, x: FloatArray) -> FloatArray:
    out = (
        output_length(x.shape[1], op.size[0], op.padding, op.stride[0], 1),
        output_length(x.shape[2], op.size[1], op.padding, op.stride[1], 1),
    )
    pad = same_pad(x.shape[1:], op.size, op.padding, op.stride)
    if op.kind is PoolKind.MAX:
        view = windows(x, op.size, op.stride, (1, 1), pad, out, fill=-np.inf)
        return cast(FloatArray, view.max(axis=(3, 4)))
    ones = np.ones((1, *x.shape[1:3], 1), dtype=np.float32)
    sums = windows(x, op.size, op.stride, (1, 1), pad, out).sum(axis=(3, 4))
    counts = windows(ones, op.size, op.stride, (1, 1), pad, out).sum(axis=(3, 4))
    return cast(FloatArray, sums / counts * op.gain)


def activate(op: Activation, x: FloatArray) -> FloatArray:
    """Return the activation of every element."""
    match op.kind:
        case ActivationKind.RELU:
            return np.maximum(x, np.float32(op.floor))
        case ActivationKind.LEAKY_RELU | ActivationKind.ADV_RELU:
            y = np.where(x > op.threshold, x, op.negative_slope * (x - op.threshold))
            return y if op.max_value is None else np.minimum(y, op.max_value)
        case ActivationKind.TANH:
            return np.asarray(np.tanh(x), dtype=np.float32)
        case ActivationKind.SIGMOID:
            with np.errstate(over="ignore"):  # what is infinite gives 0
                return cast(FloatArray, 1.0 / (1.0 + np.exp(-x)))
        case ActivationKind.HARD_TANH:
            return x.clip(-1.0, 1.0)
        case ActivationKind.HARD_SIGMOID:
            return cast(FloatArray, np.clip(0.2 * x + 0.5, 0.0, 1.0))
