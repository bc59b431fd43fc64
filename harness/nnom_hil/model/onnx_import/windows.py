"""What ONNX' convolutions, pools and resizing become: the padding worked out cell by cell."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from nnom_hil.model.graph import PoolKind
from nnom_hil.model.onnx_import.node import Node, Value
from nnom_hil.model.translation.parts import floats
from nnom_hil.model.translation.problems import UnsupportedLayerError
from nnom_hil.model.translation.spatial import (
    Window,
    convolution,
    pooled,
    repeated,
    transposed_convolution,
)
from nnom_hil.model.translation.tensors import Shape, Tensor

__all__ = ["WINDOWED"]


def _axes(x: Tensor) -> Shape:
    """Return the axes of channels-first data with the channels last."""
    if not 3 <= len(x.shape) <= 4:
        raise UnsupportedLayerError(
            f"its input has shape {x.shape}; NNoM has one or two spatial axes"
        )
    return (*range(2, len(x.shape)), 1)


def _whole(values: Any, count: int, default: int) -> Shape:
    return (default,) * count if values is None else tuple(int(v) for v in values)


def _window(node: Node, x: Tensor, size: Sequence[int]) -> Window:
    """Return the window, its padding by `pads` or auto_pad."""
    lengths = x.shape[2:]
    count = len(lengths)
    size = tuple(int(k) for k in size)
    stride = _whole(node.attribute("strides", None), count, 1)
    dilation = _whole(node.attribute("dilations", None), count, 1)
    auto = node.attribute("auto_pad", "NOTSET")
    before = after = (0,) * count
    if auto == "NOTSET":
        pads = _whole(node.attribute("pads", None), 2 * count, 0)
        before, after = pads[:count], pads[count:]
    elif auto in {"SAME_UPPER", "SAME_LOWER"}:
        totals = [
            max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
            for n, s, k, d in zip(lengths, stride, size, dilation, strict=True)
        ]
        small, large = tuple(t // 2 for t in totals), tuple(t - t // 2 for t in totals)
        before, after = (small, large) if auto == "SAME_UPPER" else (large, small)
    elif auto != "VALID":
        raise UnsupportedLayerError(f"auto_pad {auto!r}")
    return Window(size=size, stride=stride, dilation=dilation, before=before, after=after)


def _conv(node: Node) -> Sequence[Value]:
    x, weights, bias = node.tensor(), floats(node.needed(1)), node.constant(2)
    axes = _axes(x)
    if weights.ndim != len(x.shape):
        raise UnsupportedLayerError(f"weights of shape {weights.shape} for data of {x.shape}")
    kernel = np.moveaxis(weights, (0, 1), (-1, -2))
    window = _window(node, x, kernel.shape[:-2])
    groups = int(node.attribute("group", 1))
    given = None if bias is None else floats(bias)
    if groups < 1:
        raise UnsupportedLayerError(f"{groups} groups")
    return [convolution(node.step, x, axes, window, kernel, given, groups)]


def _conv_transpose(node: Node) -> Sequence[Value]:
    x, weights, bias = node.tensor(), floats(node.needed(1)), node.constant(2)
    axes = _axes(x)
    if weights.ndim != len(x.shape):
        raise UnsupportedLayerError(f"weights of shape {weights.shape} for data of {x.shape}")
    if node.attribute("auto_pad", "NOTSET") != "NOTSET" or node.attribute("output_shape", None):
        raise UnsupportedLayerError("auto_pad or output_shape; export it with pads")
    kernel = np.moveaxis(weights, (0, 1), (-2, -1))
    window = _window(node, x, kernel.shape[:-2])
    more = _whole(node.attribute("output_padding", None), len(axes) - 1, 0)
    full = [
        (n - 1) * s + (k - 1) * d + 1
        for n, s, k, d in zip(x.shape[2:], window.stride, window.size, window.dilation, strict=True)
    ]
    lengths = tuple(
        n - b - a + o for n, b, a, o in zip(full, window.before, window.after, more, strict=True)
    )
    groups = int(node.attribute("group", 1))
    given = None if bias is None else floats(bias)
    if groups < 1 or min(lengths) < 1:
        raise UnsupportedLayerError(f"{groups} groups, a result of {lengths}")
    return [transposed_convolution(node.step, x, axes, window, lengths, kernel, given, groups)]


def _pool(kind: PoolKind) -> Callable[[Node], Sequence[Value]]:
    def convert(node: Node) -> Sequence[Value]:
        x = node.tensor()
        axes = _axes(x)
        if len(node.proto.output) > 1 and node.proto.output[1]:
            raise UnsupportedLayerError("its indices are used; NNoM gives none")
        window = _window(node, x, node.attribute("kernel_shape", ()))
        lengths = None
        if node.attribute("ceil_mode", 0):
            # a window that begins in the padding behind is none (PyTorch, MaxPool2d)
            up = [
                -(-(n + b + a - k) // s) + 1
                for n, b, a, k, s in zip(
                    x.shape[2:], window.before, window.after, window.size, window.stride,
                    strict=True,
                )
            ]  # fmt: skip
            lengths = tuple(
                out - ((out - 1) * s >= n + b)
                for out, s, n, b in zip(up, window.stride, x.shape[2:], window.before, strict=True)
            )
        counts = bool(node.attribute("count_include_pad", 0))
        return [pooled(node.step, x, axes, kind, window, lengths, counts_padding=counts)]

    return convert


def _resize(node: Node) -> Sequence[Value]:
    x = node.tensor()
    axes = _axes(x)
    if (mode := node.attribute("mode", "nearest")) != "nearest":
        raise UnsupportedLayerError(f"mode {mode!r}: NNoM only repeats cells; use nearest")
    scales, sizes = node.constant(2), node.constant(3)
    along = node.attribute("axes", None) or list(range(len(x.shape)))
    if sizes is not None and sizes.size:
        given = [int(n) for n in sizes]
        ratios = [n / x.shape[a] for n, a in zip(given, along, strict=True)]
    elif scales is not None and scales.size:
        ratios = [float(s) for s in scales.ravel()]
    else:
        raise UnsupportedLayerError("neither scales nor sizes")
    by_axis = dict(zip(along, ratios, strict=True))
    factors = [by_axis.get(a, 1.0) for a in range(len(x.shape))]
    if factors[:2] != [1.0, 1.0] or any(f != int(f) or f < 1 for f in factors):
        raise UnsupportedLayerError(
            f"by {factors}: NNoM repeats each row and column equally often, whole numbers of times"
        )
    _check_repeats(node, x.shape[2:], [int(f) for f in factors[2:]])
    return [repeated(node.step, x, axes, tuple(int(f) for f in factors[2:]))]


def _check_repeats(node: Node, lengths: Shape, factors: Sequence[int]) -> None:
    """Refuse a way of rounding that does not repeat each cell (ONNX, Resize)."""
    how = node.attribute("coordinate_transformation_mode", "half_pixel")
    rounding = node.attribute("nearest_mode", "round_prefer_floor")
    for n, f in zip(lengths, factors, strict=True):
        i = np.arange(n * f, dtype=np.float64)
        places = {
            "half_pixel": (i + 0.5) / f - 0.5,
            "pytorch_half_pixel": (i + 0.5) / f - 0.5 if n * f > 1 else i * 0,
            "asymmetric": i / f,
            "align_corners": i * (n - 1) / (n * f - 1) if n * f > 1 else i * 0,
        }.get(how)
        if places is None:
            raise UnsupportedLayerError(f"coordinate_transformation_mode {how!r}")
        rounded = {
            "round_prefer_floor": np.ceil(places - 0.5),
            "round_prefer_ceil": np.floor(places + 0.5),
            "floor": np.floor(places),
            "ceil": np.ceil(places),
        }.get(rounding)
        if rounded is None or not np.array_equal(np.clip(rounded, 0, n - 1), i // f):
            raise UnsupportedLayerError(
                f"{how} with {rounding} by {f} does not repeat each cell equally often"
            )


WINDOWED: Mapping[str, Callable[[Node], Sequence[Value]]] = {
    "AveragePool": _pool(PoolKind.AVERAGE),
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "MaxPool": _pool(PoolKind.MAX),
    "Resize": _resize,
}
