"""What indexing, arithmetic and keras.ops in a functional model become in a float graph."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nnom_hil.model.graph import (
    Concatenate,
    MergeKind,
    Padding,
    Pool,
    PoolKind,
    Reshape,
    UpSample,
)
from nnom_hil.model.keras_import.layers import (
    Call,
    activate,
    check_fixed,
    concatenate,
    permute,
)
from nnom_hil.model.translation.parts import (
    absolute,
    affine,
    as_columns,
    at_least,
    at_most,
    clip,
    cut,
    dense,
    leaky,
    merge,
    pad,
    power,
    reduce,
    reshape,
    shaped,
    softmax_of,
)
from nnom_hil.model.translation.problems import UnsupportedLayerError

__all__ = ["OPERATIONS", "convert_operation", "is_operation", "spelled"]

Shape = tuple[int, ...]
_MAX_POOL = 127


def is_operation(operation: Any) -> bool:
    """Tell whether a node is one of keras.ops instead of a layer."""
    return type(operation).__module__.startswith("keras.src.ops.")


def spelled(kind: str) -> str:
    """Return an operation's name as users write it."""
    return "ops." + re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind).lower()


def convert_operation(call: Call) -> str:
    """Add the nodes of one operation and return the name of the one with its result.

    Raises UnsupportedLayerError with the reason.
    """
    if call.kind not in OPERATIONS:
        raise UnsupportedLayerError(f"{spelled(call.kind)} has no NNoM equivalent")
    check_fixed(call)
    return OPERATIONS[call.kind](call)


def _constants(call: Call) -> list[Any]:
    """Return the operands that are no tensors of the model."""
    return [a for a in (*call.arguments, *call.options.values()) if not _is_tensor(a)]


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "_keras_history")


def _axes(value: Any, rank: int, *, new: int = 0) -> tuple[int, ...]:
    """Return axes counted without the batch, in order; new: how many the result gains."""
    axes = sorted({int(a) % (rank + 1 + new) for a in np.atleast_1d(value)})
    if axes and axes[0] == 0:
        raise UnsupportedLayerError("it works across the batch")
    return tuple(a - 1 for a in axes)


# ---- element-wise --------------------------------------------------------------------------------


def _named(name: str) -> Callable[[Call], str]:
    return lambda call: activate(call, name, call.sources[0], call.inputs[0])


def _constant(call: Call) -> Any:
    """Return the one operand that is a constant: a number, or one for each channel."""
    constants = _constants(call)
    if len(constants) != 1 or np.asarray(constants[0]).dtype.kind not in "fiub":
        raise UnsupportedLayerError("its operands cannot be told apart; use a layer")
    value = np.asarray(constants[0], np.float32)
    if call.output != call.inputs[0] or any(d != 1 for d in value.shape[:-1]):
        raise UnsupportedLayerError(
            f"a constant of shape {value.shape}: one number, or one for each channel, is needed"
        )
    return value


def _arithmetic(kind: MergeKind) -> Callable[[Call], str]:
    combine = merge(kind)

    def add(call: Call) -> str:
        if len(call.sources) > 1:
            return combine(call)
        value, first = _constant(call), _is_tensor(call.arguments[0])
        match kind:
            case MergeKind.ADD:
                return affine(call, 1.0, value)
            case MergeKind.SUB:
                return affine(call, 1.0, -value) if first else affine(call, -1.0, value)
            case MergeKind.MULT:
                return affine(call, value, 0.0)

    return add


def _divide(call: Call) -> str:
    if len(call.sources) > 1 or not _is_tensor(call.arguments[0]):
        raise UnsupportedLayerError("NNoM divides by constants only")
    return affine(call, 1 / _constant(call), 0.0)


def _power(call: Call) -> str:
    return power(call, 2.0 if call.kind == "Square" else float(_constant(call)))


def _limit(call: Call) -> str:
    if len(call.sources) > 1:
        raise UnsupportedLayerError(f"{spelled(call.kind)} of two tensors has no NNoM equivalent")
    value = _constant(call)
    if value.size != 1:
        raise UnsupportedLayerError("a limit for each channel; one number is needed")
    add = at_least if call.kind == "Maximum" else at_most
    return add(call, call.sources[0], float(value.item()))


def _clip(call: Call) -> str:
    low, high = (np.asarray(v, np.float64) for v in (call.layer.x_min, call.layer.x_max))
    if low.size != 1 or high.size != 1 or not np.isfinite([low.item(), high.item()]).all():
        raise UnsupportedLayerError("its limits must be two finite numbers")
    return clip(call, call.sources[0], low.item(), high.item())


# ---- shapes --------------------------------------------------------------------------------------


def _same(call: Call) -> str:
    return call.sources[0]


def _cast(call: Call) -> str:
    if not str(call.layer.dtype).startswith(("float", "bfloat")):
        raise UnsupportedLayerError(f"a cast to {call.layer.dtype}; the network is of fractions")
    return call.sources[0]


def _transpose(call: Call) -> str:
    rank = len(call.inputs[0]) + 1
    order = list(range(rank))
    if call.kind == "Transpose":
        axes = call.layer.axes
        order = list(reversed(order)) if axes is None else [int(a) % rank for a in axes]
    else:
        a, b = int(call.layer.axis1) % rank, int(call.layer.axis2) % rank
        order[a], order[b] = order[b], order[a]
    if order[0] != 0:
        raise UnsupportedLayerError("it moves the batch")
    return permute(call, order[1:])


def _stack(call: Call) -> str:
    (axis,) = _axes(call.layer.axis, len(call.inputs[0]), new=1)
    rank = len(call.output)
    shape = tuple(1 if i == axis else d for i, d in enumerate(call.output))
    if rank > 3:
        raise UnsupportedLayerError(f"its result {call.output} has more than three axes")
    layers = [call.node(Reshape(shape=shape), s, suffix="_layer") for s in call.sources]
    return call.node(Concatenate(axis=axis - rank), *layers)


def _pad(call: Call) -> str:
    value = next((v for v in _constants(call) if v is not None), 0)
    layer, shape = call.layer, call.inputs[0]
    if layer.mode != "constant" or np.any(np.asarray(value) != 0):
        raise UnsupportedLayerError("NNoM pads with zeros only")
    widths = np.broadcast_to(np.asarray(layer.pad_width), (len(shape) + 1, 2)).tolist()
    if any(widths.pop(0)):
        raise UnsupportedLayerError("it works across the batch")
    return pad(call, widths)


def _repeat(call: Call) -> str:
    times = np.asarray(call.layer.repeats)
    if times.size != 1 or call.layer.axis is None:
        raise UnsupportedLayerError("one number of repeats along one axis is needed")
    (axis,) = _axes(call.layer.axis, len(call.inputs[0]))
    view = as_columns(call, call.sources[0], call.inputs[0], axis)
    y = call.node(UpSample(factor=(1, int(times.item()))), view)
    return shaped(call, y, ())


# ---- indexing ------------------------------------------------------------------------------------


def _parts(index: Any, rank: int) -> list[slice | int]:
    """Return what an index takes of each axis, without the batch; None adds no axis here."""
    index = tuple(index) if isinstance(index, tuple | list) else (index,)
    if any(not (i is None or i is Ellipsis or isinstance(i, int | slice)) for i in index):
        raise UnsupportedLayerError("an index of arrays; NNoM takes slices and numbers")
    given: list[Any] = [i for i in index if i is not None]
    if Ellipsis in given:
        at = given.index(Ellipsis)
        rest = len(given) - at - 1
        given[at : at + 1] = [slice(None)] * (rank + 1 - at - rest)
    given += [slice(None)] * (rank + 1 - len(given))
    if given[0] != slice(None):
        raise UnsupportedLayerError("it picks inputs of the batch")
    return given[1:]


def _get_item(call: Call) -> str:
    shape, source = call.inputs[0], call.sources[0]
    (index,) = _constants(call)
    for axis, part in enumerate(_parts(index, len(shape))):
        if isinstance(part, int):
            at = part % shape[axis]
            part = slice(at, at + 1)  # noqa: PLW2901
        source, shape = cut(call, source, shape, axis, part)
    return shaped(call, source, shape)


def _split(call: Call) -> str:
    shape = call.inputs[0]
    (axis,) = _axes(call.layer.axis, len(shape))
    where = call.layer.indices_or_sections
    if isinstance(where, int):
        where = [shape[axis] // where * i for i in range(1, where)]
    edges = [0, *(int(w) for w in where), shape[axis]]
    part = slice(edges[call.index], edges[call.index + 1])
    return cut(call, call.sources[0], shape, axis, part)[0]


# ---- over axes, and products ---------------------------------------------------------------------


def _reduce(kind: PoolKind, call: Call, source: str) -> str:
    """Add the largest or mean value over the axes that the operation names."""
    if call.layer.axis is None:
        raise UnsupportedLayerError("it works across the batch; name the axes")
    return reduce(kind, call, source, _axes(call.layer.axis, len(call.inputs[0])))


def _over_axes(call: Call) -> str:
    source = call.sources[0]
    match call.kind:
        case "Max":
            if getattr(call.layer, "initial", None) is not None:
                raise UnsupportedLayerError("an initial value has no NNoM equivalent")
            return _reduce(PoolKind.MAX, call, source)
        case "Mean":
            return _reduce(PoolKind.AVERAGE, call, source)
    y = _reduce(PoolKind.AVERAGE, call, source)
    cells = int(np.prod(call.inputs[0])) // int(np.prod(call.output))
    return affine(call, float(cells), 0.0, y)


def _pool(call: Call) -> str:
    layer, dims = call.layer, len(call.inputs[0]) - 1
    size = np.broadcast_to(np.asarray(layer.pool_size), dims).tolist()
    stride = np.broadcast_to(np.asarray(layer.strides or size), dims).tolist()
    if layer.data_format not in {None, "channels_last"}:
        raise UnsupportedLayerError("data_format must be channels_last")
    if max(size + stride) > _MAX_POOL:
        raise UnsupportedLayerError(f"its window or stride is above {_MAX_POOL}")
    op = Pool(
        kind=PoolKind.MAX if call.kind == "MaxPool" else PoolKind.AVERAGE,
        size=(1, *size)[-2:],
        stride=(1, *stride)[-2:],
        padding=Padding(layer.padding),
        dims=dims,
    )
    return call.node(op)


def _matmul(call: Call) -> str:
    constants = _constants(call)
    if len(call.sources) != 1 or not constants or not _is_tensor(call.arguments[0]):
        raise UnsupportedLayerError("NNoM multiplies data by constant matrices only")
    kernel = np.asarray(constants[0], np.float32)
    shape = call.inputs[0]
    if kernel.ndim != 2 or len(shape) > 3:
        raise UnsupportedLayerError(f"shapes {shape} and {kernel.shape} have no NNoM equivalent")
    return dense(call, kernel, np.zeros(kernel.shape[1], np.float32), shape)


def _softmax(call: Call) -> str:
    axis = call.layer.axis
    if axis is None:
        raise UnsupportedLayerError("it works across the batch; name the axes")
    return softmax_of(call, call.sources[0], call.inputs[0], axis)


def _leaky_relu(call: Call) -> str:
    return leaky(call, call.layer.negative_slope)


OPERATIONS: Mapping[str, Callable[[Call], str]] = {
    "Absolute": absolute,
    "Add": _arithmetic(MergeKind.ADD),
    "AveragePool": _pool,
    "Cast": _cast,
    "Clip": _clip,
    "Concatenate": concatenate,
    "Divide": _divide,
    "Dot": _matmul,
    "ExpandDims": reshape,
    "GetItem": _get_item,
    "HardSigmoid": _named("hard_sigmoid"),
    "HardSilu": _named("hard_silu"),
    "HardTanh": _named("hard_tanh"),
    "LeakyRelu": _leaky_relu,
    "Matmul": _matmul,
    "Max": _over_axes,
    "MaxPool": _pool,
    "Maximum": _limit,
    "Mean": _over_axes,
    "Minimum": _limit,
    "Multiply": _arithmetic(MergeKind.MULT),
    "Negative": lambda call: affine(call, -1.0, 0.0),
    "Pad": _pad,
    "Power": _power,
    "Relu": _named("relu"),
    "Relu6": _named("relu6"),
    "Repeat": _repeat,
    "Reshape": reshape,
    "Sigmoid": _named("sigmoid"),
    "Silu": _named("silu"),
    "Softmax": _softmax,
    "Split": _split,
    "Square": _power,
    "Squeeze": reshape,
    "Stack": _stack,
    "StopGradient": _same,
    "Subtract": _arithmetic(MergeKind.SUB),
    "Sum": _over_axes,
    "Swapaxes": _transpose,
    "Tanh": _named("tanh"),
    "Transpose": _transpose,
    "TrueDivide": _divide,
}
"""What adds each operation that can be converted, by its class."""
