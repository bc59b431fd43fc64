"""What each ONNX operator becomes in a float graph."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from nnom_hil.model.graph import MergeKind, PoolKind
from nnom_hil.model.onnx_import.node import Node, Value
from nnom_hil.model.onnx_import.recurrent import RECURRENT
from nnom_hil.model.onnx_import.windows import WINDOWED
from nnom_hil.model.translation.operations import (
    concatenated,
    each,
    fully_connected,
    merged,
    padded,
    prelu,
    reduced,
    reshaped,
    scaled,
    sliced,
    softmax,
    transposed,
)
from nnom_hil.model.translation.parts import (
    absolute,
    activate_named,
    at_least,
    at_most,
    clip,
    floats,
    hard_sigmoid,
    leaky,
    power,
)
from nnom_hil.model.translation.place import Place
from nnom_hil.model.translation.problems import UnsupportedLayerError
from nnom_hil.model.translation.tensors import Tensor

__all__ = ["OPERATORS", "Node", "remedy_for"]

Converter = Callable[[Node], Sequence[Value]]

_LEAVE_OUT: Final = "leave it out of the exported model: the largest output stays the largest"
_REMEDIES: Final = {
    "ArgMax": _LEAVE_OUT,
    "LogSoftmax": _LEAVE_OUT,
    "TopK": _LEAVE_OUT,
    "DequantizeLinear": "this model is quantised already; export the float model",
    "QLinearConv": "this model is quantised already; export the float model",
    "QuantizeLinear": "this model is quantised already; export the float model",
    "Gelu": "NNoM has no such activation; train with ReLU, SiLU, tanh or sigmoid",
    "Elu": "NNoM has no such activation; train with ReLU, SiLU, tanh or sigmoid",
    "Erf": "NNoM has no such activation (GELU is made of it); train with ReLU or SiLU",
    "If": "a branch that data decides; export with torch.onnx.export(..., dynamo=True)",
    "Loop": "a loop; export a model whose lengths are fixed",
    "Scan": "a loop; export a model whose lengths are fixed",
    "InstanceNormalization": "it normalises by the data itself; train with batch normalisation",
    "LayerNormalization": "it normalises by the data itself; train with batch normalisation",
    "GroupNormalization": "it normalises by the data itself; train with batch normalisation",
}


def remedy_for(kind: str) -> str:
    """Return why an operator is none that can be converted, and what to do."""
    return _REMEDIES.get(kind, "NNoM has no such operation")


# ---- element-wise --------------------------------------------------------------------------------


def _named(name: str) -> Converter:
    def convert(node: Node) -> Sequence[Value]:
        def add(place: Place) -> str:
            return activate_named(place, name, place.sources[0], place.inputs[0])

        return [each(node.step, node.tensor(), add)]

    return convert


def _leaky_relu(node: Node) -> Sequence[Value]:
    slope = node.attribute("alpha", 0.01)
    return [each(node.step, node.tensor(), lambda place: leaky(place, slope))]


def _prelu(node: Node) -> Sequence[Value]:
    return [prelu(node.step, node.tensor(), node.needed(1))]


def _hard_sigmoid(node: Node) -> Sequence[Value]:
    slope, middle = node.attribute("alpha", 0.2), node.attribute("beta", 0.5)
    return [each(node.step, node.tensor(), lambda p: hard_sigmoid(p, p.sources[0], slope, middle))]


def _silu(node: Node) -> Sequence[Value]:
    if node.attribute("alpha", 1.0) != 1.0:
        raise UnsupportedLayerError("alpha must be 1")
    return _named("silu")(node)


def _limit(node: Node, i: int, attribute: str) -> float | None:
    value: Any = node.constant(i)
    if value is None:
        value = node.attribute(attribute, None)
    if value is None:
        return None
    value = np.asarray(value)
    if value.size != 1:
        raise UnsupportedLayerError("a limit for each element; one number is needed")
    number = float(value.item())
    return number if abs(number) < np.finfo(np.float32).max else None


def _clip(node: Node) -> Sequence[Value]:
    low, high = _limit(node, 1, "min"), _limit(node, 2, "max")
    return [_between(node, node.tensor(), low, high)]


def _between(node: Node, x: Tensor, low: float | None, high: float | None) -> Tensor:
    if low is None and high is None:
        return x
    if low is not None and high is not None:
        if low >= high:
            raise UnsupportedLayerError(f"its limits {low:g} and {high:g} leave nothing between")
        return each(node.step, x, lambda place: clip(place, place.sources[0], low, high))
    if low is not None:
        return each(node.step, x, lambda place: at_least(place, place.sources[0], low))
    assert high is not None
    return each(node.step, x, lambda place: at_most(place, place.sources[0], high))


def _extreme(node: Node) -> Sequence[Value]:
    numbers = [v for v in node.inputs if isinstance(v, np.ndarray)]
    if len(node.inputs) != 2 or len(numbers) != 1 or numbers[0].size != 1:
        raise UnsupportedLayerError("of several tensors; NNoM limits one by a number")
    x = node.tensor(0 if isinstance(node.inputs[0], Tensor) else 1)
    number = float(numbers[0].item())
    low, high = (number, None) if node.step.kind == "Max" else (None, number)
    return [_between(node, x, low, high)]


def _arithmetic(kind: MergeKind) -> Converter:
    def convert(node: Node) -> Sequence[Value]:
        a, b = node.inputs
        if isinstance(a, Tensor) and isinstance(b, Tensor):
            return [merged(node.step, kind, [a, b])]
        x, number = (a, b) if isinstance(a, Tensor) else (b, a)
        assert isinstance(x, Tensor)
        value = floats(number)
        if kind is MergeKind.MULT:
            return [scaled(node.step, x, value, 0.0)]
        if kind is MergeKind.ADD:
            return [scaled(node.step, x, 1.0, value)]
        return [scaled(node.step, x, 1.0, -value) if x is a else scaled(node.step, x, -1.0, value)]

    return convert


def _divide(node: Node) -> Sequence[Value]:
    divisor = node.given(1)
    if not isinstance(divisor, np.ndarray) or not divisor.all():
        raise UnsupportedLayerError("NNoM divides by constants only, none of them zero")
    return [scaled(node.step, node.tensor(), 1 / np.asarray(divisor, np.float64), 0.0)]


def _several(kind: str) -> Converter:
    def convert(node: Node) -> Sequence[Value]:
        tensors = [node.tensor(i) for i in range(len(node.inputs))]
        y = merged(node.step, MergeKind.ADD, tensors) if len(tensors) > 1 else tensors[0]
        return [scaled(node.step, y, 1 / len(tensors), 0.0) if kind == "Mean" else y]

    return convert


def _pow(node: Node) -> Sequence[Value]:
    exponent = node.needed(1)
    if exponent.size != 1:
        raise UnsupportedLayerError("an exponent for each element; one number is needed")
    return [each(node.step, node.tensor(), lambda place: power(place, float(exponent.item())))]


def _negative(node: Node) -> Sequence[Value]:
    return [scaled(node.step, node.tensor(), -1.0, 0.0)]


def _batch_norm(node: Node) -> Sequence[Value]:
    if node.attribute("training_mode", 0):
        raise UnsupportedLayerError("it is in training mode; call model.eval() before the export")
    x = node.tensor()
    gamma, beta, mean, variance = (np.asarray(node.needed(i), np.float64) for i in range(1, 5))
    scale = gamma / np.sqrt(variance + node.attribute("epsilon", 1e-5))
    along = (-1, *(1,) * (len(x.shape) - 2))  # the channels stand behind the batch
    offset = beta - mean * scale
    return [scaled(node.step, x, scale.reshape(along), offset.reshape(along))]


def _same(node: Node) -> Sequence[Value]:
    return [node.tensor()]


def _dropout(node: Node) -> Sequence[Value]:
    training = node.constant(2)
    if training is not None and training.any():
        raise UnsupportedLayerError("it is in training mode; call model.eval() before the export")
    return [node.tensor()]


def _cast(node: Node) -> Sequence[Value]:
    from onnx import TensorProto

    if node.attribute("to", 0) not in {TensorProto.FLOAT, TensorProto.DOUBLE}:
        raise UnsupportedLayerError("a cast to other than 32-bit floats; export in float32")
    return [node.tensor()]


# ---- dense ---------------------------------------------------------------------------------------


def _gemm(node: Node) -> Sequence[Value]:
    x, kernel = node.tensor(), floats(node.needed(1))
    if kernel.ndim != 2 or len(x.shape) != 2:
        raise UnsupportedLayerError(
            f"shapes {x.shape} and {kernel.shape}: two axes each are needed"
        )
    if node.attribute("transA", 0):
        x = transposed(x, (1, 0))
    if node.attribute("transB", 0):
        kernel = kernel.T
    bias = node.constant(2)
    if bias is not None:
        bias = floats(bias) * np.float32(node.attribute("beta", 1.0))
        if bias.size not in (1, kernel.shape[1]):
            raise UnsupportedLayerError(f"a bias of shape {bias.shape} for each row")
    return [fully_connected(node.step, x, kernel * np.float32(node.attribute("alpha", 1.0)), bias)]


def _matmul(node: Node) -> Sequence[Value]:
    if not isinstance(node.given(1), np.ndarray) or not isinstance(node.given(0), Tensor):
        raise UnsupportedLayerError(
            "NNoM multiplies data by constant matrices only, from the right"
        )
    kernel = floats(node.needed(1))
    if kernel.ndim != 2:
        raise UnsupportedLayerError(f"a constant of shape {kernel.shape}; a matrix is needed")
    return [fully_connected(node.step, node.tensor(), kernel, None)]


def _softmax(node: Node) -> Sequence[Value]:
    x = node.tensor()
    axis = node.attribute("axis", -1 if node.opset >= 13 else 1) % len(x.shape)
    if node.opset < 13:  # over all axes from there on
        rows = [int(np.prod(x.shape[:axis])), int(np.prod(x.shape[axis:]))]
        return [reshaped(softmax(node.step, reshaped(x, rows), 1), x.shape)]
    return [softmax(node.step, x, axis)]


# ---- moving data ---------------------------------------------------------------------------------


def _reshape(node: Node) -> Sequence[Value]:
    x, shape = node.tensor(), [int(n) for n in node.needed(1).ravel()]
    if not node.attribute("allowzero", 0):
        shape = [x.shape[i] if n == 0 else n for i, n in enumerate(shape)]
    if shape.count(-1) == 1:
        rest = int(np.prod([n for n in shape if n != -1]))
        shape[shape.index(-1)] = x.size // rest if rest > 0 else 0
    return [reshaped(x, shape)]


def _flatten(node: Node) -> Sequence[Value]:
    x = node.tensor()
    axis = node.attribute("axis", 1)
    axis += len(x.shape) if axis < 0 else 0
    return [reshaped(x, [int(np.prod(x.shape[:axis])), int(np.prod(x.shape[axis:]))])]


def _squeeze(node: Node) -> Sequence[Value]:
    x, axes = node.tensor(), node.numbers(1, "axes")
    drop = {a % len(x.shape) for a in axes or [i for i, n in enumerate(x.shape) if n == 1]}
    return [reshaped(x, [n for i, n in enumerate(x.shape) if i not in drop])]


def _unsqueeze(node: Node) -> Sequence[Value]:
    x, axes = node.tensor(), node.numbers(1, "axes") or []
    rank = len(x.shape) + len(axes)
    new, lengths = {a % rank for a in axes}, list(x.shape)
    return [reshaped(x, [1 if i in new else lengths.pop(0) for i in range(rank)])]


def _transpose(node: Node) -> Sequence[Value]:
    x = node.tensor()
    order = node.attribute("perm", list(range(len(x.shape)))[::-1])
    if sorted(order) != list(range(len(x.shape))):
        raise UnsupportedLayerError(f"perm {order} of {len(x.shape)} axes")
    return [transposed(x, order)]


def _concat(node: Node) -> Sequence[Value]:
    tensors = [node.tensor(i) for i in range(len(node.inputs))]
    return [concatenated(node.step, tensors, node.attribute("axis", 0))]


def _slice(node: Node) -> Sequence[Value]:
    x = node.tensor()
    starts, ends = node.needed(1).ravel(), node.needed(2).ravel()
    axes, steps = node.constant(3), node.constant(4)
    along = range(len(starts)) if axes is None else [int(a) for a in axes.ravel()]
    by = [1] * len(starts) if steps is None else [int(s) for s in steps.ravel()]
    for axis, start, end, step in zip(along, starts, ends, by, strict=True):
        if step < 1:
            raise UnsupportedLayerError("a negative step, which NNoM cannot do")
        x = sliced(node.step, x, axis, slice(int(start), int(end), step))
    return [x]


def _gather(node: Node) -> Sequence[Value]:
    x, where = node.tensor(), node.needed(1)
    axis = node.attribute("axis", 0) % len(x.shape)
    chosen = [int(i) % x.shape[axis] for i in where.ravel()]
    steps = {b - a for a, b in itertools.pairwise(chosen)}
    if not chosen or len(steps) > 1 or min(steps, default=1) < 1 or where.ndim > 1:
        raise UnsupportedLayerError("indices that are no slice; NNoM takes slices and numbers")
    part = slice(chosen[0], chosen[-1] + 1, min(steps, default=1))
    y = sliced(node.step, x, axis, part)
    return [reshaped(y, [n for i, n in enumerate(y.shape) if i != axis]) if where.ndim == 0 else y]


def _split(node: Node) -> Sequence[Value]:
    x, sizes = node.tensor(), node.numbers(1, "split")
    axis = node.attribute("axis", 0) % len(x.shape)
    if sizes is None:
        count = node.attribute("num_outputs", len(node.proto.output))
        size = -(-x.shape[axis] // count)
        sizes = [min(size, x.shape[axis] - i * size) for i in range(count)]
    edges = np.cumsum([0, *sizes])
    return [sliced(node.step, x, axis, slice(int(a), int(b))) for a, b in itertools.pairwise(edges)]


def _pad(node: Node) -> Sequence[Value]:
    x = node.tensor()
    if (mode := node.attribute("mode", "constant")) != "constant":
        raise UnsupportedLayerError(f"mode {mode!r}: NNoM pads with zeros only")
    value = node.constant(2)
    if value is not None and value.any():
        raise UnsupportedLayerError("NNoM pads with zeros only")
    widths, axes = node.numbers(1, "pads") or [], node.constant(3)
    along = range(len(x.shape)) if axes is None else [int(a) % len(x.shape) for a in axes]
    half = len(widths) // 2
    pairs = dict(zip(along, zip(widths[:half], widths[half:], strict=True), strict=True))
    return [padded(node.step, x, [pairs.get(a, (0, 0)) for a in range(len(x.shape))])]


def _expand(node: Node) -> Sequence[Value]:
    x, shape = node.tensor(), tuple(int(n) for n in node.needed(1).ravel())
    if np.broadcast_shapes(x.shape, shape) != x.shape:
        raise UnsupportedLayerError(
            f"it repeats {x.shape} to {shape}; NNoM does in sums and products"
        )
    return [x]


def _shape(node: Node) -> Sequence[Value]:
    lengths = np.asarray(node.tensor().shape, np.int64)
    end = node.attribute("end", None)
    return [lengths[slice(node.attribute("start", 0), end)]]


def _size(node: Node) -> Sequence[Value]:
    return [np.asarray(node.tensor().size, np.int64)]


def _reduce(kind: PoolKind, *, total: bool = False) -> Converter:
    def convert(node: Node) -> Sequence[Value]:
        x, axes = node.tensor(), node.numbers(1, "axes")
        if not axes:
            if node.attribute("noop_with_empty_axes", 0):
                return [x]
            axes = list(range(len(x.shape)))
        keep = bool(node.attribute("keepdims", 1))
        return [reduced(node.step, kind, x, axes, keep=keep, total=total)]

    return convert


def _global_pool(kind: PoolKind) -> Converter:
    def convert(node: Node) -> Sequence[Value]:
        x = node.tensor()
        return [reduced(node.step, kind, x, range(2, len(x.shape)), keep=True)]

    return convert


def _abs(node: Node) -> Sequence[Value]:
    return [each(node.step, node.tensor(), absolute)]


OPERATORS: Mapping[str, Converter] = {
    **RECURRENT,
    **WINDOWED,
    "Abs": _abs,
    "Add": _arithmetic(MergeKind.ADD),
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "Div": _divide,
    "Dropout": _dropout,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_pool(PoolKind.AVERAGE),
    "GlobalMaxPool": _global_pool(PoolKind.MAX),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _named("hard_silu"),
    "Identity": _same,
    "LeakyRelu": _leaky_relu,
    "MatMul": _matmul,
    "Max": _extreme,
    "Mean": _several("Mean"),
    "Min": _extreme,
    "Mul": _arithmetic(MergeKind.MULT),
    "Neg": _negative,
    "PRelu": _prelu,
    "Pad": _pad,
    "Pow": _pow,
    "ReduceMax": _reduce(PoolKind.MAX),
    "ReduceMean": _reduce(PoolKind.AVERAGE),
    "ReduceSum": _reduce(PoolKind.AVERAGE, total=True),
    "Relu": _named("relu"),
    "Reshape": _reshape,
    "Shape": _shape,
    "Sigmoid": _named("sigmoid"),
    "Size": _size,
    "Slice": _slice,
    "Softmax": _softmax,
    "Split": _split,
    "Squeeze": _squeeze,
    "Sub": _arithmetic(MergeKind.SUB),
    "Sum": _several("Sum"),
    "Swish": _silu,
    "Tanh": _named("tanh"),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
"""What adds each operator that can be converted, by its type."""
