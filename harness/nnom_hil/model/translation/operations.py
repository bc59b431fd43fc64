"""What operations on tensors become, for formats that have tensors instead of layers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nnom_hil.model.graph import (
    Affine,
    Concatenate,
    Input,
    MergeKind,
    PoolKind,
    Reshape,
    Rnn,
    Softmax,
    UpSample,
)
from nnom_hil.model.translation.parts import (
    affine,
    cut,
    dense,
    floats,
    leaky,
    merge,
    pad,
    reduce,
)
from nnom_hil.model.translation.place import NodeList, Place, check_size
from nnom_hil.model.translation.problems import UnsupportedLayerError
from nnom_hil.model.translation.tensors import (
    Shape,
    Tensor,
    axes_of,
    canonical,
    flat,
    laid_out,
    viewed,
)

__all__ = [
    "Step",
    "add_input",
    "add_unknown",
    "concatenated",
    "each",
    "fully_connected",
    "merged",
    "padded",
    "prelu",
    "recurrent",
    "reduced",
    "reshaped",
    "reversed_along",
    "scaled",
    "sliced",
    "softmax",
    "tiled",
    "transposed",
]

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One operator of the model. kind: what its format calls it; nodes: where it adds to."""

    kind: str
    name: str
    nodes: NodeList

    def at(self, *sources: tuple[str, Shape], output: Shape = ()) -> Place:
        """Return the place for nodes that read `sources`: names and shapes of their data."""
        return Place(
            kind=self.kind,
            name=self.name,
            sources=tuple(name for name, _ in sources),
            inputs=tuple(shape for _, shape in sources),
            output=output,
            add=self.nodes.add,
        )

    def on(self, x: Tensor) -> Place:
        """Return the place for nodes that read a tensor as its node has it and keep its shape."""
        return self.at((x.node, x.order.shape), output=x.order.shape)

    def viewed(self, x: Tensor, axes: Shape) -> tuple[Place, Shape]:
        """Return the place for nodes that read these axes of a tensor, and their lengths."""
        node, shape = viewed(self.on(x), x, axes)
        return self.at((node, shape), output=shape), shape


def each(step: Step, x: Tensor, add: Callable[[Place], str]) -> Tensor:
    """Return what an operation on each element gives; add: adds its nodes."""
    return replace(x, node=add(step.on(x)))


def prelu(step: Step, x: Tensor, slope: Array) -> Tensor:
    """Return a ReLU with a learned slope, which must be one number."""
    if slope.size == 0 or slope.min() != slope.max():
        raise UnsupportedLayerError(
            "its slope differs between elements; NNoM has one slope a layer, as LeakyReLU"
        )
    return each(step, x, lambda place: leaky(place, slope.flat[0]))


def _spread(x: Tensor, values: Array) -> tuple[Tensor, Array]:
    """Return numbers as they meet the elements of x's node: one, one a channel, or one each."""
    rank = max(len(x.shape), values.ndim)
    x = replace(x, shape=(1,) * (rank - len(x.shape)) + x.shape)
    if np.broadcast_shapes(x.shape, values.shape) != x.shape:
        raise UnsupportedLayerError(
            f"shapes {x.shape} and {values.shape} of a constant: NNoM repeats no data for it"
        )
    if values.size == 1:
        return x, values.reshape(1)
    placed = np.broadcast_to(values, x.shape).reshape(-1)[x.order]
    rows = placed.reshape(-1, placed.shape[-1])
    return x, rows[0] if (rows == rows[0]).all() else placed.reshape(-1)


def scaled(step: Step, x: Tensor, scale: Any, offset: Any) -> Tensor:
    """Return x * scale + offset; numbers of any shape that broadcasts to that of x."""
    x, factors = _spread(x, floats(scale))
    x, terms = _spread(x, floats(offset))
    if (factors == 1).all() and (terms == 0).all():
        return x
    channels = x.order.shape[-1]
    if max(factors.size, terms.size) <= channels:
        return each(step, x, lambda place: affine(place, factors, terms))
    factors, terms = (
        v if v.size in (1, x.size) else np.tile(v, x.size // channels) for v in (factors, terms)
    )
    node, order = flat(step.on(x), x)
    values = (np.array(np.broadcast_to(v, (x.size,)), np.float32) for v in (factors, terms))
    op = Affine(**dict(zip(("scale", "offset"), values, strict=True)))
    return replace(x, node=step.nodes.add(step.name, op, (node,)), order=order)


def merged(step: Step, kind: MergeKind, tensors: Sequence[Tensor]) -> Tensor:
    """Return an element-wise operation on several tensors."""
    rank = max(len(t.shape) for t in tensors)
    given = [replace(t, shape=(1,) * (rank - len(t.shape)) + t.shape) for t in tensors]
    shape = np.broadcast_shapes(*(t.shape for t in given))
    big = next((t for t in given if t.shape == shape), None)
    if big is None:
        raise UnsupportedLayerError(
            f"shapes {[t.shape for t in tensors]}: NNoM merges equal shapes, or repeats rows and "
            "columns"
        )
    if all(t.shape == shape and np.array_equal(t.order, big.order) for t in given):
        sources, order = [(t.node, t.order.shape) for t in given], big.order
    elif all(t.shape == shape for t in given) and _alike(given):
        nodes = [flat(step.on(t), t)[0] for t in given]
        sources, order = [(node, (big.size,)) for node in nodes], big.order.reshape(-1)
    else:
        axes = axes_of(big)
        sources = [viewed(step.on(t), t, axes) for t in _fitting(given, axes)]
        order = canonical(shape, axes)
    place = step.at(*sources, output=order.shape)
    return Tensor(node=merge(kind)(place), shape=shape, order=order)


def _alike(tensors: Sequence[Tensor]) -> bool:
    first = tensors[0].order.reshape(-1)
    return all(np.array_equal(t.order.reshape(-1), first) for t in tensors)


def _fitting(tensors: Sequence[Tensor], axes: Shape) -> Sequence[Tensor]:
    for t in tensors:
        if any(length != 1 for a, length in enumerate(t.shape) if a not in axes):
            raise UnsupportedLayerError(f"shapes {[t.shape for t in tensors]} cannot be merged")
    return tensors


def fully_connected(step: Step, x: Tensor, kernel: FloatArray, bias: Array | None) -> Tensor:
    """Return x times a matrix over its last axis. kernel: (inputs, units); bias: (units,)."""
    units = kernel.shape[1]
    if not x.shape or x.shape[-1] != len(kernel):
        raise UnsupportedLayerError(f"shapes {x.shape} and {kernel.shape} cannot be multiplied")
    offset = np.zeros(units, np.float32) if bias is None else np.ravel(floats(bias))
    offset = np.array(np.broadcast_to(offset, (units,)))
    shape = (*x.shape[:-1], units)
    check_size(shape)
    if x.size == x.shape[-1]:  # its rows are put in the order of the data
        node, order = flat(step.on(x), x)
        place = step.at((node, (x.size,)))
        y = dense(place, np.ascontiguousarray(kernel[order]), offset, (x.size,))
        return Tensor(node=y, shape=shape, order=np.arange(units, dtype=np.int32))
    last = len(x.shape) - 1
    axes = (*(a for a in range(last) if x.shape[a] != 1), last)
    place, lengths = step.viewed(x, axes)
    y = dense(place, np.ascontiguousarray(kernel), offset, lengths)
    return laid_out(y, shape, axes)


def softmax(step: Step, x: Tensor, axis: int) -> Tensor:
    """Return the softmax over one axis, which must hold all values."""
    if x.shape[axis] != x.size:
        raise UnsupportedLayerError(
            f"softmax of shape {x.shape} over axis {axis}: NNoM's runs over all values at once, so "
            "all other axes must be 1"
        )
    if x.order.shape[-1] == x.size:
        return each(step, x, lambda place: place.node(Softmax()))
    node, order = flat(step.on(x), x)
    return replace(x, node=step.nodes.add(step.name, Softmax(), (node,)), order=order)


def reshaped(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the tensor under another shape; its elements stay where they are."""
    shape = tuple(int(length) for length in shape)
    if int(np.prod(shape)) != x.size:
        raise UnsupportedLayerError(
            f"it makes {shape} of {x.shape}: other shapes hold as many elements; a batch is one"
        )
    return replace(x, shape=shape)


def transposed(x: Tensor, order: Sequence[int]) -> Tensor:
    """Return the tensor with its axes in another order; its elements stay where they are."""
    order = [int(a) % len(x.shape) for a in order]
    shape = tuple(x.shape[a] for a in order)
    place_of = np.empty(x.size, np.int32)
    old = np.arange(x.size, dtype=np.int32).reshape(x.shape).transpose(order).reshape(-1)
    place_of[old] = np.arange(x.size, dtype=np.int32)
    return replace(x, shape=shape, order=place_of[x.order])


def reversed_along(x: Tensor, axis: int) -> Tensor:
    """Return the tensor with one axis turned round; its elements stay where they are."""
    places = np.flip(np.arange(x.size, dtype=np.int32).reshape(x.shape), axis).reshape(-1)
    return replace(x, order=places[x.order])


def concatenated(step: Step, tensors: Sequence[Tensor], axis: int) -> Tensor:
    """Return tensors joined along an axis."""
    first = tensors[0].shape
    axis %= len(first)
    around = [t.shape[:axis] + t.shape[axis + 1 :] for t in tensors]
    if any(len(t.shape) != len(first) for t in tensors) or len(set(around)) > 1:
        raise UnsupportedLayerError(f"shapes {[t.shape for t in tensors]} cannot be joined")
    lengths = [t.shape[axis] for t in tensors]
    shape = (*first[:axis], sum(lengths), *first[axis + 1 :])
    check_size(shape)
    if len(tensors) == 1:
        return tensors[0]
    if int(np.prod(first[:axis])) == 1 and (axis == len(first) - 1 or _stands_apart(tensors, axis)):
        parts = [flat(step.on(t), t) for t in tensors]
        starts = np.cumsum([0, *(t.size for t in tensors[:-1])])
        order = np.concatenate([part[1] + n for part, n in zip(parts, starts, strict=True)])
        node = step.nodes.add(step.name, Concatenate(axis=-1), tuple(part[0] for part in parts))
        return Tensor(node=node, shape=shape, order=order.astype(np.int32))
    # an axis of 1 in the first may be long in the result
    axes = axes_of(_longest(tensors))
    if axis not in axes:
        axes = _with_axis(axes, axis)
    sources = [viewed(step.on(t), t, axes)[0] for t in tensors]
    op = Concatenate(axis=axes.index(axis) - len(axes))
    return laid_out(step.nodes.add(step.name, op, tuple(sources)), shape, axes)


def _longest(tensors: Sequence[Tensor]) -> Tensor:
    return max(tensors, key=lambda t: t.size)


def _stands_apart(tensors: Sequence[Tensor], axis: int) -> bool:
    """Tell whether no common order of axes holds the tensors."""
    try:
        axes = axes_of(_longest(tensors))
    except UnsupportedLayerError:
        return True
    return axis not in axes and len(axes) == 3


def _with_axis(axes: Shape, axis: int) -> Shape:
    if len(axes) >= 3:
        raise UnsupportedLayerError("its result has more than three axes")
    return tuple(sorted((*axes, axis)))


def sliced(step: Step, x: Tensor, axis: int, part: slice) -> Tensor:
    """Return a part of one axis."""
    axis %= len(x.shape)
    length = len(range(*part.indices(x.shape[axis])))
    shape = (*x.shape[:axis], length, *x.shape[axis + 1 :])
    if length == x.shape[axis] and (part.step or 1) > 0:
        return x
    try:
        axes = axes_of(x)
    except UnsupportedLayerError:  # what a backward layer gives stands in the order of time
        axes = axes_of(reversed_along(x, axis))
        chosen = range(x.shape[axis])[::-1][part]
        if len(chosen) != 1:
            raise
        x, part = reversed_along(x, axis), slice(chosen[0], chosen[0] + 1)
    place, lengths = step.viewed(x, axes)
    node, _ = cut(place, place.sources[0], lengths, axes.index(axis), part)
    return laid_out(node, shape, axes)


def tiled(step: Step, x: Tensor, axis: int, times: int) -> Tensor:
    """Return the tensor so many times along an axis of 1: cells before it are repeated."""
    if times == 1:
        return x
    shape = (*x.shape[:axis], times, *x.shape[axis + 1 :])
    before = int(np.prod(x.shape[:axis]))
    data = x.order.shape
    # rows, or columns, of which the new axis is the next: each is repeated as UpSample does
    factors = {data[0]: (times, 1), int(np.prod(data[:2])): (1, times)} if len(data) == 3 else {}
    if len(data) == 2:
        factors = {data[0]: (1, times)}
    plain = np.array_equal(x.order.reshape(-1), np.arange(x.size))
    if x.shape[axis] != 1 or before not in factors or not plain or times < 1:
        raise UnsupportedLayerError(f"{times} times axis {axis} of {x.shape}; NNoM repeats cells")
    check_size(shape)
    node = step.nodes.add(step.name, UpSample(factor=factors[before]), (x.node,))
    rows, columns = factors[before]
    longer = [data[0] * rows, data[1] * columns] if len(data) == 3 else [data[0] * columns]
    order = np.arange(x.size * times, dtype=np.int32).reshape(*longer, data[-1])
    return Tensor(node=node, shape=shape, order=order)


def padded(step: Step, x: Tensor, widths: Sequence[tuple[int, int]]) -> Tensor:
    """Return the tensor with zeros before and after, for each axis."""
    if min(min(pair) for pair in widths) < 0:
        raise UnsupportedLayerError("a negative padding; use a slice")
    if not any(map(any, widths)):
        return x
    shape = tuple(n + sum(pair) for n, pair in zip(x.shape, widths, strict=True))
    check_size(shape)
    axes = axes_of(x)
    if any(any(pair) for a, pair in enumerate(widths) if a not in axes):
        raise UnsupportedLayerError("it pads the batch, or an axis that NNoM has no room for")
    place, _ = step.viewed(x, axes)
    return laid_out(pad(place, [widths[a] for a in axes]), shape, axes)


def reduced(
    step: Step, kind: PoolKind, x: Tensor, over: Sequence[int], *, keep: bool, total: bool = False
) -> Tensor:
    """Return the largest or mean value over axes; total: their sum. keep: as axes of 1."""
    over = sorted({int(a) % len(x.shape) for a in over})
    kept = tuple(1 if a in over else n for a, n in enumerate(x.shape))
    cells = x.size // int(np.prod(kept))
    y = replace(x, shape=kept)
    if cells > 1:
        axes = axes_of(x)
        place, lengths = step.viewed(x, axes)
        inner = [i for i, a in enumerate(axes) if a in over]
        output = tuple(n for i, n in enumerate(lengths) if i not in inner) or (1,)
        node = reduce(kind, replace(place, output=output), place.sources[0], inner)
        y = Tensor(node=node, shape=kept, order=canonical(kept, axes).reshape(output))
    if total:
        y = scaled(step, y, float(cells), 0.0)
    return y if keep else reshaped(y, [n for a, n in enumerate(x.shape) if a not in over])


def recurrent(
    step: Step, x: Tensor, axes: Shape, forward: Rnn | None, backward: Rnn | None
) -> tuple[str, ...]:
    """Add recurrent layers over (time, features), given as axes of x; return their nodes.

    A backward layer's outputs stand at their own time steps.
    """
    place, _ = step.viewed(x, axes)
    both = forward is not None and backward is not None
    named = ((forward, "_forward" if both else ""), (backward, "_backward" if both else ""))
    return tuple(place.node(op, suffix=suffix) for op, suffix in named if op is not None)


def add_input(step: Step, shape: Shape, axes: Shape) -> Tensor:
    """Add the input: a tensor whose data has these axes."""
    node = step.nodes.add(step.name, Input(shape=tuple(shape[a] for a in axes)), ())
    return laid_out(node, shape, axes)


def add_unknown(step: Step, shape: Shape) -> Tensor:
    """Add what stands for a result that cannot be converted, so that others can be looked at."""
    node = step.nodes.add(step.name, Reshape(shape=shape), ())
    return laid_out(node, shape, tuple(range(len(shape))))
