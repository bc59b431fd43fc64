"""Nodes that operations of several frameworks become."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nnom_hil.model.graph import (
    Activation,
    ActivationKind,
    Affine,
    Combine,
    Conv,
    Cropping,
    Dense,
    GlobalPool,
    MergeKind,
    Padding,
    Pool,
    PoolKind,
    Reshape,
    Softmax,
    UpSample,
    ZeroPadding,
)
from nnom_hil.model.translation.place import Place
from nnom_hil.model.translation.problems import UnsupportedLayerError

__all__ = [
    "absolute",
    "activate_named",
    "affine",
    "as_columns",
    "at_least",
    "at_most",
    "check_sizes",
    "clip",
    "cut",
    "dense",
    "floats",
    "hard_sigmoid",
    "leaky",
    "merge",
    "pad",
    "power",
    "reduce",
    "reshape",
    "shaped",
    "slope_of",
    "softmax_of",
    "ungrouped",
]

FloatArray = npt.NDArray[np.float32]
Shape = tuple[int, ...]
_MAX_CONFIG: Final = 127  # NNoM's configurations keep kernel, stride and dilation in eight bits
_MAX_INPUTS: Final = 8  # of one of NNoM's merge layers
_MAX_FACTORS: Final = 4  # whose product fits 32 bits
_MAX_UNITS: Final = 65535


def floats(value: Any) -> FloatArray:
    """Return numbers as the graph holds them."""
    return np.asarray(value, dtype=np.float32)


# ---- activations ---------------------------------------------------------------------------------

_PLAIN = {
    "relu": Activation(kind=ActivationKind.RELU),
    "relu6": Activation(kind=ActivationKind.ADV_RELU, max_value=6.0),
    "leaky_relu": Activation(kind=ActivationKind.LEAKY_RELU, negative_slope=0.2),
    "tanh": Activation(kind=ActivationKind.TANH),
    "hard_tanh": Activation(kind=ActivationKind.HARD_TANH),
    "sigmoid": Activation(kind=ActivationKind.SIGMOID),
}
_GATED = {"silu": "sigmoid", "swish": "sigmoid", "hard_silu": "hard_sigmoid",
          "hard_swish": "hard_sigmoid"}  # fmt: skip


def activate_named(place: Place, name: str, source: str, shape: Shape) -> str:
    """Add an activation by Keras 3's name for it; raises UnsupportedLayerError."""
    if name == "linear":
        return source
    if name == "softmax":
        return softmax_of(place, source, shape)
    if name == "hard_sigmoid":
        return hard_sigmoid(place, source, 1 / 6, 0.5)
    if name in _GATED:
        gate = activate_named(place, _GATED[name], source, shape)
        return place.node(Combine(kind=MergeKind.MULT), source, gate, suffix=f"_{name}")
    if name not in _PLAIN:
        raise UnsupportedLayerError(f"activation {name!r} has no NNoM equivalent")
    return place.node(_PLAIN[name], source, suffix=f"_{name}")


def hard_sigmoid(place: Place, source: str, slope: float, middle: float) -> str:
    """Add clip(slope * x + middle, 0, 1); NNoM's is that of 0.2 x + 0.5."""
    hard = Activation(kind=ActivationKind.HARD_SIGMOID)
    scale, offset = floats([slope / 0.2]), floats([(middle - 0.5) / 0.2])
    if scale[0] != 1 or offset[0] != 0:
        narrow = Affine(scale=scale, offset=offset)
        source = place.node(narrow, source, suffix="_scale")
    return place.node(hard, source, suffix="_hard_sigmoid")


def softmax_of(place: Place, source: str, shape: tuple[int, ...], axis: Any = -1) -> str:
    """Add a softmax over the given axes, counted with the batch."""
    axes = {int(a) % (len(shape) + 1) for a in np.atleast_1d(axis)}
    if 0 in axes or any(d != 1 and i + 1 not in axes for i, d in enumerate(shape)):
        raise UnsupportedLayerError(
            f"softmax of shape {shape} over axis {axis}: NNoM's runs over all values at once, so "
            "all other axes must be 1"
        )
    name = "" if place.kind == "Softmax" else "_softmax"
    if int(np.prod(shape[:-1])) == 1:
        return place.node(Softmax(), source, suffix=name)
    flat = place.node(Reshape(shape=(int(np.prod(shape)),)), source, suffix="_flat")
    return place.node(
        Reshape(shape=shape), place.node(Softmax(), flat, suffix=name), suffix="_shape"
    )


def slope_of(value: Any) -> float:
    """Return a slope below zero that NNoM can hold; raises UnsupportedLayerError for others."""
    slope = float(np.asarray(value))
    if not -1.0 < slope < 1.0:
        raise UnsupportedLayerError(f"negative slope {slope:g}: must lie between -1 and 1")
    return slope


def leaky(place: Place, negative_slope: Any) -> str:
    """Add a ReLU with that slope below zero."""
    slope = slope_of(negative_slope)
    return place.node(Activation(kind=ActivationKind.LEAKY_RELU, negative_slope=slope))


def check_sizes(*sizes: tuple[int, int]) -> None:
    """Raise UnsupportedLayerError for a kernel, stride or dilation that is too large."""
    if max(v for size in sizes for v in size) > _MAX_CONFIG:
        raise UnsupportedLayerError(f"kernel, stride or dilation above {_MAX_CONFIG}")


def ungrouped(kernel: FloatArray, groups: int) -> tuple[FloatArray, bool]:
    """Return the kernel of one group that computes the same, and whether it is depthwise."""
    *size, per_group, filters = kernel.shape
    if per_group == 1:
        return kernel.reshape(*size, groups, filters // groups), True
    full = np.zeros((*size, per_group * groups, filters), np.float32)
    each = filters // groups
    for g in range(groups):
        outputs = slice(g * each, (g + 1) * each)
        full[..., g * per_group : (g + 1) * per_group, outputs] = kernel[..., outputs]
    return full, False


def affine(place: Place, scale: Any, offset: Any, source: str | None = None) -> str:
    """Add y = x * scale + offset, one number or one per channel."""
    scale, offset = np.broadcast_arrays(np.ravel(floats(scale)), np.ravel(floats(offset)))
    if scale.size not in (1, place.inputs[0][-1]):
        raise UnsupportedLayerError("its scale differs along other axes than the last")
    return place.node(Affine(scale=scale.copy(), offset=offset.copy()), source or place.sources[0])


def reshape(place: Place) -> str:
    """Add the same data in the result's shape."""
    if len(place.output) > 3:
        raise UnsupportedLayerError(f"its result {place.output} has more than three axes")
    if int(np.prod(place.output)) != int(np.prod(place.inputs[0])):
        raise UnsupportedLayerError(f"it makes {place.output} of several inputs of the batch")
    return place.node(Reshape(shape=place.output))


def same_shape(place: Place) -> list[str]:
    """Return the inputs, those of one row or column repeated to the result's size."""
    sources = []
    for source, shape in zip(place.sources, place.inputs, strict=True):
        if shape == place.output:
            sources.append(source)
            continue
        if len(shape) != len(place.output) or shape[-1] != place.output[-1]:
            raise UnsupportedLayerError(
                f"shapes {place.inputs}: NNoM merges equal shapes, or repeats rows and columns"
            )
        pairs = list(zip(shape[:-1], place.output[:-1], strict=True))
        rows, columns = ([1, 1] + [b if a == 1 else 1 for a, b in pairs])[-2:]
        factor = UpSample(factor=(rows, columns))
        sources.append(place.node(factor, source, suffix="_repeat"))
    return sources


def merge(kind: MergeKind) -> Callable[[Place], str]:
    """Return what adds an element-wise operation on several tensors."""
    limit = _MAX_FACTORS if kind is MergeKind.MULT else _MAX_INPUTS

    def add(place: Place) -> str:
        first, *others = same_shape(place)
        while others:  # NNoM's layers take so many inputs, so the result goes through several
            group, others = others[: limit - 1], others[limit - 1 :]
            first = place.node(Combine(kind=kind), first, *group, suffix="_part" if others else "")
        return first

    return add


def as_columns(place: Place, source: str, shape: Shape, axis: int) -> str:
    """Add a view of data as an image whose columns are one axis."""
    before, after = int(np.prod(shape[:axis])), int(np.prod(shape[axis + 1 :]))
    view = (before, shape[axis], after)
    return source if view == shape else place.node(Reshape(shape=view), source, suffix="_view")


def shaped(place: Place, source: str, shape: Shape) -> str:
    """Add the result's shape to data that has another one."""
    if shape == place.output:
        return source
    if not 1 <= len(place.output) <= 3:
        raise UnsupportedLayerError(f"its result has shape {place.output}: one to three axes only")
    return place.node(Reshape(shape=place.output), source, suffix="_shape")


def absolute(place: Place) -> str:
    """Add abs(x) = relu(x) + relu(-x)."""
    relu = Activation(kind=ActivationKind.RELU)
    above = place.node(relu, suffix="_above")
    below = place.node(relu, affine(place, -1.0, 0.0), suffix="_below")
    return place.node(Combine(kind=MergeKind.ADD), above, below, suffix="_sum")


def at_least(place: Place, source: str, limit: float) -> str:
    """Add max(x, limit) = relu(x - limit) + limit."""
    relu = Activation(kind=ActivationKind.RELU)
    if limit == 0:
        return place.node(relu, source, suffix="_relu")
    moved = affine(place, 1.0, -limit, source)
    return affine(place, 1.0, limit, place.node(relu, moved, suffix="_relu"))


def at_most(place: Place, source: str, limit: float) -> str:
    """Add min(x, limit) = limit - relu(limit - x)."""
    relu = Activation(kind=ActivationKind.RELU)
    below = place.node(relu, affine(place, -1.0, limit, source), suffix="_relu")
    return affine(place, -1.0, limit, below)


def cut(place: Place, source: str, shape: Shape, axis: int, part: slice) -> tuple[str, Shape]:
    """Add what takes a part of one axis."""
    start, stop, step = part.indices(shape[axis])
    if step < 1:
        raise UnsupportedLayerError("a negative step, which NNoM cannot do")
    length = len(range(start, stop, step))
    if length == 0:
        raise UnsupportedLayerError("its result is empty")
    if (start, length, step) == (0, shape[axis], 1):
        return source, shape
    last = start + (length - 1) * step + 1
    result = (*shape[:axis], length, *shape[axis + 1 :])
    rows = len(shape) == 3 and axis == 0
    direct = len(shape) > 1 and axis < len(shape) - 1
    y = source if direct else as_columns(place, source, shape, axis)
    ends = (start, shape[axis] - last)
    if any(ends):
        y = place.node(Cropping(border=(*ends, 0, 0) if rows else (0, 0, *ends)), y)
    if step > 1:
        stride = (step, 1) if rows else (1, step)
        dims = len(shape) - 1 if direct else 2
        one = Pool(kind=PoolKind.MAX, size=(1, 1), stride=stride, padding=Padding.VALID, dims=dims)
        y = place.node(one, y, suffix="_step")
    if not direct:
        y = place.node(Reshape(shape=result), y, suffix="_shape")
    return y, result


def clip(place: Place, source: str, bottom: float, top: float) -> str:
    """Add clip(x, bottom, top), of two finite numbers."""
    if (bottom, top) == (-1.0, 1.0):
        return place.node(Activation(kind=ActivationKind.HARD_TANH), source)
    if bottom:
        source = affine(place, 1.0, -bottom, source)
    span = Activation(kind=ActivationKind.ADV_RELU, max_value=top - bottom)
    y = place.node(span, source, suffix="_clip")
    return y if bottom == 0 else affine(place, 1.0, bottom, y)


def power(place: Place, exponent: float) -> str:
    """Add x to a whole power, a product."""
    if exponent != int(exponent) or not 1 <= exponent <= _MAX_FACTORS:
        raise UnsupportedLayerError(
            f"power {exponent:g}: only 1 to {_MAX_FACTORS} can be converted"
        )
    source = place.sources[0]
    if exponent == 1:
        return source
    return place.node(Combine(kind=MergeKind.MULT), *[source] * int(exponent))


def dense(place: Place, kernel: FloatArray, bias: FloatArray, shape: Shape) -> str:
    """Add a fully connected layer over the last axis of data of that shape.

    kernel: (inputs, units). On data of several positions it is a convolution of one cell.
    """
    if max(kernel.shape) > _MAX_UNITS:
        raise UnsupportedLayerError(f"more than {_MAX_UNITS} inputs or units")
    if len(shape) == 1:
        return place.node(Dense(kernel=kernel, bias=bias))
    if len(shape) > 3:
        raise UnsupportedLayerError(f"its input has shape {shape}: too many axes")
    return place.node(
        Conv(kernel=kernel[np.newaxis, np.newaxis], bias=bias, stride=(1, 1), dilation=(1, 1),
             padding=Padding.VALID, depthwise=False, dims=len(shape) - 1)
    )  # fmt: skip


def pad(place: Place, widths: Sequence[tuple[int, int]]) -> str:
    """Add cells of zero before and after, for each axis."""
    shape, source = place.inputs[0], place.sources[0]
    if len(shape) == 3 and not any(widths[2]):
        return place.node(ZeroPadding(border=(*widths[0], *widths[1])))
    if len(shape) == 2 and not any(widths[1]):
        return place.node(ZeroPadding(border=(0, 0, *widths[0])))
    for axis, (before, after) in enumerate(widths):
        if before or after:
            view = as_columns(place, source, shape, axis)
            source = place.node(ZeroPadding(border=(0, 0, before, after)), view)
            longer = shape[axis] + before + after
            view_shape = (int(np.prod(shape[:axis])), longer, int(np.prod(shape[axis + 1 :])))
            shape = (*shape[:axis], longer, *shape[axis + 1 :])
            if view_shape != shape:
                source = place.node(Reshape(shape=shape), source, suffix="_shape")
    return source


def reduce(kind: PoolKind, place: Place, source: str, axes: Sequence[int]) -> str:
    """Add the largest or mean value over axes of the input that stand side by side."""
    shape = place.inputs[0]
    if list(axes) != list(range(axes[0], axes[-1] + 1)):
        raise UnsupportedLayerError(f"axes {tuple(axes)}, which do not stand side by side")
    before = int(np.prod(shape[: axes[0]]))
    cells = int(np.prod([shape[a] for a in axes]))
    after = int(np.prod(shape[axes[-1] + 1 :]))
    if before == 1:
        if shape[len(axes) :] != (after,):
            source = place.node(Reshape(shape=(1, cells, after)), source, suffix="_view")
        return shaped(place, place.node(GlobalPool(kind=kind), source), (after,))
    if cells > _MAX_CONFIG:
        raise UnsupportedLayerError(f"over {cells} values; pooling takes {_MAX_CONFIG} at most")
    if shape != (before, cells, after):
        source = place.node(Reshape(shape=(before, cells, after)), source, suffix="_view")
    window = (1, cells)
    pool = Pool(kind=kind, size=window, stride=window, padding=Padding.VALID, dims=2)
    return shaped(place, place.node(pool, source), (before, 1, after))
