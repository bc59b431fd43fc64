"""What TFLite's convolutions, pools and resizing become."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from nnom_hil.model.graph import Padding, PoolKind
from nnom_hil.model.tflite_import.node import Node, Spread, Value
from nnom_hil.model.translation.operations import each, sliced
from nnom_hil.model.translation.parts import activate_named, floats
from nnom_hil.model.translation.place import Place
from nnom_hil.model.translation.problems import UnsupportedLayerError
from nnom_hil.model.translation.spatial import (
    Window,
    convolution,
    pooled,
    repeated,
    transposed_convolution,
)
from nnom_hil.model.translation.tensors import Shape, Tensor
from nnom_hil.model.windows import output_length

__all__ = ["WINDOWED", "activated"]

_AXES: Final = (1, 2, 3)
_FUSED: Final = {0: "linear", 1: "relu", 2: "hard_tanh", 3: "relu6", 4: "tanh"}
_PADDINGS: Final = (Padding.SAME, Padding.VALID)
_NONE: Final = (0, 0)


def activated(node: Node, x: Tensor) -> Tensor:
    """Return the tensor behind the operator's own activation."""
    number = node.option("FusedActivationFunction", 0)
    if number not in _FUSED:
        raise UnsupportedLayerError(f"its activation {number} has no NNoM equivalent")

    def add(place: Place) -> str:
        return activate_named(place, _FUSED[number], place.sources[0], place.inputs[0])

    return each(node.step, x, add)


def _plane(x: Tensor) -> Shape:
    if len(x.shape) != 4:
        raise UnsupportedLayerError(f"its input has shape {x.shape}; four axes are needed")
    return x.shape[1:3]


def _window(node: Node, x: Tensor, size: Shape, dilation: Shape = (1, 1)) -> Window:
    lengths = _plane(x)
    stride = (int(node.option("StrideH", 1)), int(node.option("StrideW", 1)))
    window = Window(size=size, stride=stride, dilation=dilation, before=_NONE, after=_NONE)
    window.checked(lengths)
    if _PADDINGS[node.option("Padding", 0)] is Padding.VALID:
        return window
    totals = [
        max((output_length(n, k, Padding.SAME, s, d) - 1) * s + (k - 1) * d + 1 - n, 0)
        for n, k, s, d in zip(lengths, size, stride, dilation, strict=True)
    ]
    before = tuple(total // 2 for total in totals)
    after = tuple(total - b for total, b in zip(totals, before, strict=True))
    return replace(window, before=before, after=after)


def _conv(node: Node) -> Sequence[Value]:
    x, weights, bias = node.given(0), node.weights(1), node.weights(2)
    if weights is None or weights.ndim != 4:
        raise UnsupportedLayerError("its weights have not four axes")
    depthwise = node.step.kind == "DEPTHWISE_CONV_2D"
    kernel = floats(weights)
    kernel = np.moveaxis(kernel, 0, 2 if depthwise else 3)  # (h, w, channels, filters)
    size = kernel.shape[:2]
    dilation = (int(node.option("DilationHFactor", 1)), int(node.option("DilationWFactor", 1)))
    given = None if bias is None else floats(bias)

    def convolve(tensor: Tensor, window: Window) -> Tensor:
        channels = tensor.shape[3]
        groups = channels if depthwise else channels // max(kernel.shape[2], 1)
        y = convolution(node.step, tensor, _AXES, window, kernel, given, max(groups, 1))
        return activated(node, y)

    if not isinstance(x, Spread):
        return [convolve(node.tensor(), _window(node, node.tensor(), size, dilation))]
    plain = _PADDINGS[node.option("Padding", 0)] is Padding.VALID and dilation == (1, 1)
    if not plain or (node.option("StrideH", 1), node.option("StrideW", 1)) != (1, 1):
        raise UnsupportedLayerError("a stride or padding inside a batch that is spread")
    whole = x
    _plane(whole.x)

    def finish(before: Shape, after: Shape) -> Tensor:
        window = Window(size=size, stride=(1, 1), dilation=whole.block, before=before, after=after)
        return convolve(whole.x, window)

    return [replace(x, finish=finish)]


def _space_to_batch(node: Node) -> Sequence[Value]:
    x, block = node.tensor(), tuple(node.numbers(1))
    pads = node.needed(2).reshape(-1, 2)
    if len(block) != len(x.shape) - 2 or len(pads) != len(block) or min(block) < 1:
        raise UnsupportedLayerError(f"blocks {block} of {x.shape}")
    before, after = (tuple(int(n) for n in pads[:, i]) for i in (0, 1))
    return [Spread(x=x, block=block, before=before, after=after)]


def _batch_to_space(node: Node) -> Sequence[Value]:
    x = node.given(0)
    crops = node.needed(2).reshape(-1, 2)
    if (
        not isinstance(x, Spread)
        or x.finish is None
        or list(x.block[-len(crops) :]) != node.numbers(1)
    ):
        raise UnsupportedLayerError(
            "it gathers a batch that no dilated convolution has spread before"
        )
    extra = len(x.block) - len(crops)
    first, last = ((0,) * extra + tuple(int(n) for n in crops[:, i]) for i in (0, 1))
    # cells that are cut away behind need no padding
    spared = tuple(min(a, c) for a, c in zip(x.after, last, strict=True))
    after = tuple(a - s for a, s in zip(x.after, spared, strict=True))
    y = x.finish(x.before, after)
    for axis, (start, end, less) in enumerate(zip(first, last, spared, strict=True)):
        n = y.shape[axis + 1]
        y = sliced(node.step, y, axis + 1, slice(start, n - (end - less)))
    return [x.result(y)]


def _transpose_conv(node: Node) -> Sequence[Value]:
    wanted, weights, x, bias = node.numbers(0), node.weights(1), node.tensor(2), node.weights(3)
    if weights is None or weights.ndim != 4 or len(wanted) != 4:
        raise UnsupportedLayerError("its weights or its result have not four axes")
    given, size = _plane(x), weights.shape[1:3]
    stride = (int(node.option("StrideH", 1)), int(node.option("StrideW", 1)))
    lengths = (wanted[1], wanted[2])
    before: Shape = _NONE
    if _PADDINGS[node.option("Padding", 0)] is Padding.SAME:
        before = tuple(
            max((n - 1) * s + k - out, 0) // 2
            for n, s, k, out in zip(given, stride, size, lengths, strict=True)
        )
    window = Window(size=size, stride=stride, dilation=(1, 1), before=before, after=_NONE)
    kernel = np.moveaxis(floats(weights), 0, 3)
    offset = None if bias is None else floats(bias)
    y = transposed_convolution(node.step, x, _AXES, window, lengths, kernel, offset, 1)
    return [activated(node, y)]


def _pool(kind: PoolKind) -> Callable[[Node], Sequence[Value]]:
    def convert(node: Node) -> Sequence[Value]:
        x = node.tensor()
        size = (int(node.option("FilterHeight", 0)), int(node.option("FilterWidth", 0)))
        y = pooled(node.step, x, _AXES, kind, _window(node, x, size))
        return [activated(node, y)]

    return convert


def _resize(node: Node) -> Sequence[Value]:
    x, sizes = node.tensor(), node.numbers(1)
    lengths = _plane(x)
    factors = [n // length for n, length in zip(sizes, lengths, strict=True)]
    if any(f < 1 or n % length for f, n, length in zip(factors, sizes, lengths, strict=True)):
        raise UnsupportedLayerError(
            f"resizes {lengths} to {tuple(sizes)}: NNoM repeats each cell equally often"
        )
    if node.option("AlignCorners", False) and any(f > 1 for f in factors):
        raise UnsupportedLayerError("align_corners, which does not repeat each cell equally often")
    # half_pixel_centers or not: whole factors repeat each cell
    return [repeated(node.step, x, _AXES, tuple(factors))]


WINDOWED: Mapping[str, Callable[[Node], Sequence[Value]]] = {
    "AVERAGE_POOL_2D": _pool(PoolKind.AVERAGE),
    "BATCH_TO_SPACE_ND": _batch_to_space,
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _conv,
    "MAX_POOL_2D": _pool(PoolKind.MAX),
    "RESIZE_NEAREST_NEIGHBOR": _resize,
    "SPACE_TO_BATCH_ND": _space_to_batch,
    "TRANSPOSE_CONV": _transpose_conv,
}
