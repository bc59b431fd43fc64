"""Convolution, pooling and resizing of tensors, whose padding is given cell by cell."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nnom_hil.model.graph import (
    Activation,
    ActivationKind,
    Combine,
    Concatenate,
    Conv,
    Cropping,
    FloatNode,
    MergeKind,
    Padding,
    Pool,
    PoolKind,
    Reshape,
    Softmax,
    UpSample,
    ZeroPadding,
)
from nnom_hil.model.translation.operations import Step
from nnom_hil.model.translation.parts import check_sizes, cut, floats, ungrouped
from nnom_hil.model.translation.place import NodeList, Place, check_size
from nnom_hil.model.translation.problems import UnsupportedLayerError
from nnom_hil.model.translation.tensors import Shape, Tensor, laid_out
from nnom_hil.model.windows import output_length, pad_before, transposed_length

__all__ = ["Window", "convolution", "pooled", "repeated", "transposed_convolution"]

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Window:
    """A sliding window: one number for each spatial axis.

    before, after: cells of padding around the data.
    """

    size: Shape
    stride: Shape
    dilation: Shape
    before: Shape
    after: Shape

    def checked(self, lengths: Shape) -> "Window":
        """Return the window; raises UnsupportedLayerError for one that NNoM does not hold."""
        parts = (self.size, self.stride, self.dilation, self.before, self.after)
        if any(len(part) != len(lengths) for part in parts):
            raise UnsupportedLayerError(f"{len(self.size)} numbers for {len(lengths)} axes")
        if not 1 <= len(lengths) <= 2:
            raise UnsupportedLayerError(f"{len(lengths)} spatial axes; NNoM has one or two")
        if min(*self.size, *self.stride, *self.dilation) < 1:
            raise UnsupportedLayerError("a kernel, stride or dilation below 1")
        if min(*self.before, *self.after) < 0:
            raise UnsupportedLayerError("a negative padding; use a slice")
        check_sizes(_pair(self.size), _pair(self.stride), _pair(self.dilation))
        return self

    def lengths(self, lengths: Shape) -> Shape:
        """Return the lengths of the result: as many windows as fit."""
        result = tuple(
            (n + b + a - (k - 1) * d - 1) // s + 1
            for n, b, a, k, d, s in zip(
                lengths, self.before, self.after, self.size, self.dilation, self.stride, strict=True
            )
        )
        if min(result) < 1:
            raise UnsupportedLayerError(f"its window {self.size} is larger than its input")
        return result

    def reaching(self, lengths: Shape, results: Shape) -> "Window":
        """Return the window with as much padding behind as results of these lengths need."""
        after = tuple(
            max((out - 1) * s + (k - 1) * d + 1 - n - b, 0)
            for out, s, k, d, n, b in zip(
                results, self.stride, self.size, self.dilation, lengths, self.before, strict=True
            )
        )
        return replace(self, after=after)

    def padding(self, lengths: Shape) -> Padding | None:
        """Return the one of Keras' paddings that gives the same, None if none does."""
        if not any(self.before + self.after):
            return Padding.VALID
        result = self.lengths(lengths)
        for i, n in enumerate(lengths):
            k, s, d = self.size[i], self.stride[i], self.dilation[i]
            same = pad_before(n, k, Padding.SAME, s, d, compat=False)
            if result[i] != output_length(n, k, Padding.SAME, s, d) or same != self.before[i]:
                return None
        return Padding.SAME


def _pair(values: Sequence[int]) -> tuple[int, int]:
    first, second = (1, *values)[-2:]
    return first, second


def _result(x: Tensor, axes: Shape, lengths: Shape, node: str) -> Tensor:
    shape = list(x.shape)
    for axis, length in zip(axes, lengths, strict=True):
        shape[axis] = length
    return laid_out(node, tuple(shape), axes)


def _border(place: Place, source: str, before: Shape, after: Shape) -> str:
    """Add cells of zero around data, one number for each spatial axis."""
    if not any(before + after):
        return source
    (top, left), (bottom, right) = ((0, *before)[-2:], (0, *after)[-2:])
    return place.node(ZeroPadding(border=(top, bottom, left, right)), source, suffix="_pad")


def convolution(
    step: Step,
    x: Tensor,
    axes: Shape,
    window: Window,
    kernel: FloatArray,
    bias: FloatArray | None,
    groups: int,
) -> Tensor:
    """Return a convolution over the spatial axes, the channels last among `axes`.

    kernel: (*size, channels of a group, filters).
    """
    place, lengths = step.viewed(x, axes)
    window.checked(lengths[:-1])
    per_group, filters = kernel.shape[-2:]
    if per_group * groups != lengths[-1] or filters % groups:
        raise UnsupportedLayerError(
            f"weights {kernel.shape} in {groups} groups do not fit {lengths[-1]} channels"
        )
    result = (*window.lengths(lengths[:-1]), filters)
    window = window.reaching(lengths[:-1], result[:-1])
    check_size(result)
    depthwise = False
    if groups > 1:
        check_size((*kernel.shape[:-1], filters, groups))
        kernel, depthwise = ungrouped(kernel, groups)
    padding, source = window.padding(lengths[:-1]), place.sources[0]
    if padding is None:
        source = _border(place, source, window.before, window.after)
    y = place.node(
        Conv(
            kernel=np.ascontiguousarray(kernel if kernel.ndim == 4 else kernel[np.newaxis]),
            bias=_bias(bias, filters),
            stride=_pair(window.stride),
            dilation=_pair(window.dilation),
            padding=padding or Padding.VALID,
            depthwise=depthwise,
            dims=len(lengths) - 1,
        ),
        source,
    )
    return _result(x, axes, result, y)


def _bias(bias: Any, filters: int) -> FloatArray:
    values = np.zeros(filters, np.float32) if bias is None else np.ravel(floats(bias))
    if values.size != filters:
        raise UnsupportedLayerError(f"{values.size} biases for {filters} filters")
    return values


def transposed_convolution(
    step: Step,
    x: Tensor,
    axes: Shape,
    window: Window,
    lengths: Shape,
    kernel: FloatArray,
    bias: FloatArray | None,
    groups: int,
) -> Tensor:
    """Return a transposed convolution whose result has these lengths.

    window: its `before` is what is cut away in front. kernel: (*size, channels, filters of a
    group).
    """
    place, given = step.viewed(x, axes)
    window.checked(given[:-1])
    filters = kernel.shape[-1] * groups
    if kernel.shape[-2] != given[-1] or given[-1] % groups:
        raise UnsupportedLayerError(f"weights {kernel.shape} do not fit {given[-1]} channels")
    check_size((*lengths, filters))
    if groups > 1:
        kernel = _block_diagonal(kernel, groups)
    padding, crop = _transposed_padding(window, given[:-1], lengths)
    y = place.node(
        Conv(
            kernel=np.ascontiguousarray(kernel if kernel.ndim == 4 else kernel[np.newaxis]),
            bias=_bias(bias, filters),
            stride=_pair(window.stride),
            dilation=_pair(window.dilation),
            padding=padding,
            depthwise=False,
            dims=len(given) - 1,
            transposed=True,
        )
    )
    if any(crop):
        y = place.node(Cropping(border=crop), y, suffix="_crop")
    return _result(x, axes, (*lengths, filters), y)


def _block_diagonal(kernel: FloatArray, groups: int) -> FloatArray:
    *size, channels, filters = kernel.shape
    check_size((*size, channels, filters * groups))
    full = np.zeros((*size, channels, filters * groups), np.float32)
    for g in range(groups):
        rows = slice(g * channels // groups, (g + 1) * channels // groups)
        full[..., rows, g * filters : (g + 1) * filters] = kernel[..., rows, :]
    return full


def _transposed_padding(
    window: Window, given: Shape, lengths: Shape
) -> tuple[Padding, tuple[int, int, int, int]]:
    """Return Keras' padding, and what is left to be cut away: (top, bottom, left, right)."""
    cuts = []
    same = True
    for i, n in enumerate(given):
        k, s, d = window.size[i], window.stride[i], window.dilation[i]
        full = transposed_length(n, k, Padding.VALID, s, d)
        after = full - window.before[i] - lengths[i]
        if after < 0:
            raise UnsupportedLayerError(
                f"its result of {lengths[i]} is longer than what its cells reach "
                f"({full - window.before[i]}); leave output_padding out"
            )
        cuts.append((window.before[i], after))
        cut_by_same = max((k - 1) * d + 1 - s, 0) // 2
        same &= lengths[i] == n * s and window.before[i] == cut_by_same
    if same:
        return Padding.SAME, (0, 0, 0, 0)
    (top, bottom), (left, right) = ((0, 0), *cuts)[-2:]
    return Padding.VALID, (top, bottom, left, right)


def pooled(
    step: Step,
    x: Tensor,
    axes: Shape,
    kind: PoolKind,
    window: Window,
    lengths: Shape | None = None,
    *,
    counts_padding: bool = False,
) -> Tensor:
    """Return pooling over the spatial axes, the channels last among `axes`.

    lengths: of the result, where windows may reach beyond the padding. counts_padding: whether an
    average counts cells of padding.
    """
    place, given = step.viewed(x, axes)
    window.checked(given[:-1])
    if any(d != 1 for d in window.dilation):
        raise UnsupportedLayerError("a dilated window; NNoM pools cells that stand side by side")
    if any(b >= k for b, k in zip(window.before, window.size, strict=True)):
        raise UnsupportedLayerError("its padding is as large as its window")
    source = place.sources[0]
    plain = window.lengths(given[:-1])
    if lengths is not None and lengths != plain and counts_padding:
        if any(window.before + window.after):
            raise UnsupportedLayerError("ceil_mode of an average that counts padding; leave it out")
        counts_padding = False  # cells beyond the padding are never counted
    window = window.reaching(given[:-1], lengths or plain)
    padding = window.padding(given[:-1])
    if padding is Padding.SAME and counts_padding and kind is PoolKind.AVERAGE:
        padding = None
    if padding is None:
        source = _surrounded(step, place, given, window, kind, counts_padding=counts_padding)
        padding = Padding.VALID
    result = window.lengths(given[:-1])
    pool = Pool(
        kind=kind,
        size=_pair(window.size),
        stride=_pair(window.stride),
        padding=padding,
        dims=len(given) - 1,
    )
    return _result(x, axes, (*result, given[-1]), place.node(pool, source))


def _surrounded(
    step: Step, place: Place, given: Shape, window: Window, kind: PoolKind, *, counts_padding: bool
) -> str:
    """Add the padding of a pool that none of Keras' paddings is."""
    source = place.sources[0]
    if kind is PoolKind.AVERAGE:
        if not counts_padding:
            raise UnsupportedLayerError(
                f"padding {window.before} and {window.after} that is not counted: NNoM pads an "
                "average as TensorFlow's SAME does; use count_include_pad=True, or none"
            )
        return _border(place, source, window.before, window.after)
    if _never_negative(step.nodes, source):  # zeros do not change what is largest
        return _border(place, source, window.before, window.after)
    shape = given
    for axis, (before, after) in enumerate(zip(window.before, window.after, strict=True)):
        if before or after:
            source = _edges_repeated(place, source, shape, axis, before, after)
            longer = shape[axis] + before + after
            shape = (*shape[:axis], longer, *shape[axis + 1 :])
    return source


def _edges_repeated(
    place: Place, source: str, shape: Shape, axis: int, before: int, after: int
) -> str:
    """Add data with its first and last cells repeated, which no maximum over windows notices."""
    parts = [source]
    if before:
        first, _ = cut(place, source, shape, axis, slice(0, 1))
        parts = [first] * before + parts
    if after:
        last, _ = cut(place, source, shape, axis, slice(shape[axis] - 1, shape[axis]))
        parts += [last] * after
    return place.node(Concatenate(axis=axis - len(shape)), *parts, suffix="_edges")


def _never_negative(nodes: NodeList, name: str) -> bool:
    """Tell whether a node's data is known to be at least zero."""
    by_name = {node.name: node for node in nodes.nodes}
    pending, seen = [name], set()
    while pending:
        node = by_name[pending.pop()]
        if node.name in seen:
            continue
        seen.add(node.name)
        if not _is_positive(node):
            if not _keeps_sign(node):
                return False
            pending += node.inputs
    return True


def _is_positive(node: FloatNode) -> bool:
    op = node.op
    if isinstance(op, Activation):
        plain = {ActivationKind.RELU, ActivationKind.SIGMOID, ActivationKind.HARD_SIGMOID}
        limited = op.kind is ActivationKind.ADV_RELU and not op.negative_slope and not op.threshold
        return op.kind in plain or limited
    return isinstance(op, Softmax)


def _keeps_sign(node: FloatNode) -> bool:
    op = node.op
    if isinstance(op, Combine):
        return op.kind is not MergeKind.SUB
    return isinstance(op, Pool | Reshape | UpSample | Cropping | ZeroPadding | Concatenate)


def repeated(step: Step, x: Tensor, axes: Shape, factors: Shape) -> Tensor:
    """Return the tensor with each cell repeated; factors: one for each spatial axis."""
    place, lengths = step.viewed(x, axes)
    if not 1 <= len(factors) <= 2:
        raise UnsupportedLayerError(f"{len(factors)} spatial axes; NNoM has one or two")
    result = tuple(n * f for n, f in zip(lengths, (*factors, 1), strict=True))
    check_size(result)
    if all(factor == 1 for factor in factors):
        return x
    return _result(x, axes, result, place.node(UpSample(factor=_pair(factors))))
