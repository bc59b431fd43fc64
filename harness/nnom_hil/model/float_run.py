"""Executes a float graph in NumPy; the source of activation ranges for calibration."""

from typing import cast

import numpy as np
import numpy.typing as npt

from nnom_hil.errors import ModelError
from nnom_hil.model.graph import (
    Activation,
    ActivationKind,
    BatchNorm,
    Conv,
    Cropping,
    Dense,
    Flatten,
    FloatGraph,
    FloatOp,
    GlobalPool,
    Input,
    Pool,
    PoolKind,
    Reshape,
    Softmax,
    UpSample,
    ZeroPadding,
)
from nnom_hil.model.windows import output_length, same_pad, windows

__all__ = ["as_image", "run_float"]

FloatArray = npt.NDArray[np.float32]


def as_image(x: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Return x (n, ...) as (n, h, w, c); missing axes are one, as NNoM has it."""
    return x.reshape(len(x), *(1,) * (4 - x.ndim), *x.shape[1:])


def run_float(graph: FloatGraph, x: FloatArray) -> dict[str, FloatArray]:
    """Return every node's output for x (n, *input shape), by node name."""
    results: dict[str, FloatArray] = {}
    for node in graph.nodes:
        if isinstance(node.op, Input):
            results[node.name] = x.astype(np.float32, copy=False)
        else:
            results[node.name] = _run(node.op, results[node.inputs[0]], node.name)
    return results


def _run(op: FloatOp, x: FloatArray, name: str) -> FloatArray:
    match op:
        case Conv():
            y = _conv(op, cast(FloatArray, as_image(x)))
        case Dense():
            y = x.reshape(len(x), -1) @ op.kernel + op.bias
        case BatchNorm():
            y = x * op.scale + op.offset
        case Activation():
            y = _activation(op, x)
        case Pool():
            y = _pool(op, cast(FloatArray, as_image(x)))
        case GlobalPool():
            image = as_image(x)
            y = cast(
                FloatArray,
                image.max(axis=(1, 2)) if op.kind is PoolKind.MAX else image.mean(axis=(1, 2)),
            )
        case ZeroPadding():
            top, bottom, left, right = op.border
            y = np.pad(as_image(x), ((0, 0), (top, bottom), (left, right), (0, 0)))
        case Cropping():
            top, bottom, left, right = op.border
            image = cast(FloatArray, as_image(x))
            y = image[:, top : image.shape[1] - bottom, left : image.shape[2] - right]
        case UpSample():
            y = cast(FloatArray, as_image(x)).repeat(op.factor[0], 1).repeat(op.factor[1], 2)
        case Reshape():
            y = x.reshape(len(x), *op.shape)
        case Flatten():
            y = x.reshape(len(x), -1)
        case Softmax():
            e = np.exp(x - x.max(axis=-1, keepdims=True))
            y = e / e.sum(axis=-1, keepdims=True)
        case _:
            raise ModelError(f"{name}: {type(op).__name__} cannot be executed")
    return y.astype(np.float32, copy=False)


def _conv(op: Conv, x: FloatArray) -> FloatArray:
    kh, kw = op.kernel.shape[:2]
    out = (
        output_length(x.shape[1], kh, op.padding, op.stride[0], op.dilation[0]),
        output_length(x.shape[2], kw, op.padding, op.stride[1], op.dilation[1]),
    )
    pad = same_pad(x.shape[1:], (kh, kw), op.padding, op.stride, op.dilation)
    view = windows(x, (kh, kw), op.stride, op.dilation, pad, out)
    if op.depthwise:
        y = np.einsum("nijabc,abcm->nijcm", view, op.kernel, optimize=True)
        y = y.reshape(*y.shape[:3], -1)
    else:
        y = np.tensordot(view, op.kernel, axes=3)
    return cast(FloatArray, y + op.bias)


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
    return cast(FloatArray, sums / counts)


def _activation(op: Activation, x: FloatArray) -> FloatArray:
    match op.kind:
        case ActivationKind.RELU | ActivationKind.LEAKY_RELU | ActivationKind.ADV_RELU:
            y = np.where(x >= op.threshold, x, op.negative_slope * (x - op.threshold))
            return y if op.max_value is None else np.minimum(y, op.max_value)
        case ActivationKind.TANH:
            return cast(FloatArray, np.tanh(x))
        case ActivationKind.SIGMOID:
            return cast(FloatArray, 1.0 / (1.0 + np.exp(-x)))
        case ActivationKind.HARD_TANH:
            return cast(FloatArray, np.clip(x, -1.0, 1.0))
        case ActivationKind.HARD_SIGMOID:
            return cast(FloatArray, np.clip(0.2 * x + 0.5, 0.0, 1.0))
