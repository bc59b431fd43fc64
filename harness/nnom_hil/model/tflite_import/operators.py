"""What each TFLite operator becomes in a float graph."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from nnom_hil.model.graph import ActivationKind, CellKind, MergeKind, PoolKind, Rnn
from nnom_hil.model.tflite_import.node import Array, Node, Spread, Value, parts_of_slice
from nnom_hil.model.tflite_import.windows import WINDOWED, activated
from nnom_hil.model.translation.operations import (
    concatenated,
    each,
    fully_connected,
    merged,
    padded,
    prelu,
    recurrent,
    reduced,
    reshaped,
    reversed_along,
    scaled,
    sliced,
    softmax,
    tiled,
    transposed,
)
from nnom_hil.model.translation.parts import (
    absolute,
    activate_named,
    at_least,
    at_most,
    floats,
    leaky,
    power,
)
from nnom_hil.model.translation.place import Place
from nnom_hil.model.translation.problems import UnsupportedLayerError
from nnom_hil.model.translation.tensors import Tensor, canonical

__all__ = ["OPERATORS", "remedy_for"]

Converter = Callable[[Node], Sequence[Value]]

_TENSORFLOW_CLIP: Final = 10.0  # which Keras does not have: no trained cell gets there
_TANH: Final = 4  # of ActivationFunctionType
_EXTRAS: Final = {9, 10, 11, 16, 17, 20, 21, 22, 23}  # of an LSTM: peepholes and what comes later

_LEAVE_OUT: Final = "leave it out of the model: the largest output stays the largest"
_QUANTISED: Final = "this file is quantised already; give the float model"
_REMEDIES: Final = {
    "ARG_MAX": _LEAVE_OUT,
    "LOG_SOFTMAX": _LEAVE_OUT,
    "TOPK_V2": _LEAVE_OUT,
    "DEQUANTIZE": _QUANTISED,
    "QUANTIZE": _QUANTISED,
    "GELU": "NNoM has no such activation; train with ReLU, SiLU, tanh or sigmoid",
    "ELU": "NNoM has no such activation; train with ReLU, SiLU, tanh or sigmoid",
    "MIRROR_PAD": "it mirrors data at its edges; NNoM pads with zeros",
    "RESIZE_BILINEAR": "NNoM only repeats cells; use nearest",
    "WHILE": "a loop, which is how TensorFlow writes GRU, SimpleRNN and Keras 3's LSTM; give the "
    ".keras model instead",
}


def remedy_for(kind: str) -> str:
    """Return why an operator is none that can be converted, and what to do."""
    if kind.startswith("Flex"):
        return "an operator of TensorFlow's, which TFLite only hands on; use Keras' layers"
    return _REMEDIES.get(kind, "NNoM has no such operation")


# ---- element-wise --------------------------------------------------------------------------------


def _named(name: str) -> Converter:
    def convert(node: Node) -> Sequence[Value]:
        def add(place: Place) -> str:
            return activate_named(place, name, place.sources[0], place.inputs[0])

        return [each(node.step, node.tensor(), add)]

    return convert


def _leaky_relu(node: Node) -> Sequence[Value]:
    slope = node.option("Alpha", 0.0)
    return [each(node.step, node.tensor(), lambda place: leaky(place, slope))]


def _prelu(node: Node) -> Sequence[Value]:
    return [prelu(node.step, node.tensor(), node.needed(1))]


def _arithmetic(kind: MergeKind) -> Converter:
    def convert(node: Node) -> Sequence[Value]:
        a, b = node.inputs
        if isinstance(a, Tensor) and isinstance(b, Tensor):
            y = merged(node.step, kind, [a, b])
        else:
            y = _with_constant(node, kind, a, b)
        return [activated(node, y)]

    return convert


def _with_constant(node: Node, kind: MergeKind, a: Value, b: Value) -> Tensor:
    x = node.tensor(0 if isinstance(a, Tensor) else 1)
    number = node.constant(1 if x is a else 0)
    if number is None or number.dtype.kind != "f":
        raise UnsupportedLayerError("its constant is no float")
    value = floats(number)
    if kind is MergeKind.MULT:
        return scaled(node.step, x, value, 0.0)
    if kind is MergeKind.ADD:
        return scaled(node.step, x, 1.0, value)
    return scaled(node.step, x, 1.0, -value) if x is a else scaled(node.step, x, -1.0, value)


def _divide(node: Node) -> Sequence[Value]:
    divisor = node.given(1)
    if not isinstance(divisor, np.ndarray) or not divisor.all():
        raise UnsupportedLayerError("NNoM divides by constants only, none of them zero")
    factor = 1 / np.asarray(divisor, np.float64)
    return [activated(node, scaled(node.step, node.tensor(), factor, 0.0))]


def _extreme(node: Node) -> Sequence[Value]:
    numbers = [v for v in node.inputs if isinstance(v, np.ndarray)]
    if len(node.inputs) != 2 or len(numbers) != 1 or numbers[0].size != 1:
        raise UnsupportedLayerError("of several tensors; NNoM limits one by a number")
    x, limit = node.tensor(0 if isinstance(node.inputs[0], Tensor) else 1), float(numbers[0].item())
    add = at_least if node.step.kind == "MAXIMUM" else at_most
    return [each(node.step, x, lambda place: add(place, place.sources[0], limit))]


def _power(node: Node) -> Sequence[Value]:
    exponent = np.asarray(2.0) if node.step.kind == "SQUARE" else node.needed(1)
    if exponent.size != 1:
        raise UnsupportedLayerError("an exponent for each element; one number is needed")
    return [each(node.step, node.tensor(), lambda place: power(place, float(exponent.item())))]


def _negative(node: Node) -> Sequence[Value]:
    return [scaled(node.step, node.tensor(), -1.0, 0.0)]


def _absolute(node: Node) -> Sequence[Value]:
    return [each(node.step, node.tensor(), absolute)]


def _same(node: Node) -> Sequence[Value]:
    info = node.infos[0]
    if info is not None and info.kind != "FLOAT32":
        raise UnsupportedLayerError(f"it makes floats of {info.kind.lower()}")
    return [node.tensor()]


def _softmax(node: Node) -> Sequence[Value]:
    x = node.tensor()
    return [softmax(node.step, x, len(x.shape) - 1)]


# ---- dense and recurrent -------------------------------------------------------------------------


def _fully_connected(node: Node) -> Sequence[Value]:
    x, weights, bias = node.tensor(), node.weights(1), node.weights(2)
    if weights is None or weights.ndim != 2:
        raise UnsupportedLayerError("its weights are no matrix")
    if node.option("WeightsFormat", 0):
        raise UnsupportedLayerError("weights in an order of their own; convert the model again")
    inputs = weights.shape[1]
    if not node.option("KeepNumDims", 0):
        x = reshaped(x, (x.size // inputs, inputs))
    return [activated(node, fully_connected(node.step, x, floats(weights).T, bias))]


def _lstm(node: Node) -> Sequence[Value]:
    x, count = node.tensor(), len(node.inputs)
    extras = [
        i for i in (9, 10, 11, 16, 17, 20, 21, 22, 23) if i < count and node.operator.inputs[i] >= 0
    ]
    clip = node.option("CellClip", 0.0)
    if extras or 0 < clip < _TENSORFLOW_CLIP or node.option("ProjClip", 0.0):
        raise UnsupportedLayerError(
            "peepholes, a projection, clipping or normalisation, which NNoM's cell does not have"
        )
    if node.option("FusedActivationFunction", 0) != _TANH:
        raise UnsupportedLayerError("NNoM's cell has tanh")
    kernels = [node.weights(i) for i in range(1, 5)]
    inner = [node.weights(i) for i in range(5, 9)]
    biases = [node.weights(i) for i in range(12, 16)]
    parts = [_stacked(group) for group in (kernels, inner, biases)]
    cell = Rnn(
        kind=CellKind.LSTM,
        kernel=np.ascontiguousarray(parts[0].T),
        recurrent=np.ascontiguousarray(parts[1].T),
        bias=parts[2],
        return_sequence=True,
    )
    return [_sequence(node, x, cell)]


def _stacked(group: Sequence[Array | None]) -> Array:
    """Return the gates in TFLite's order, which is Keras': i, f, c, o."""
    if any(part is None for part in group):
        raise UnsupportedLayerError("a gate left out, which NNoM's cell has")
    return np.concatenate([floats(part) for part in group])


def _simple_rnn(node: Node) -> Sequence[Value]:
    x, kernel, inner, bias = node.tensor(), node.weights(1), node.weights(2), node.weights(3)
    if kernel is None or inner is None or node.option("FusedActivationFunction", 0) != _TANH:
        raise UnsupportedLayerError("NNoM's cell has tanh")
    cell = Rnn(
        kind=CellKind.SIMPLE,
        kernel=np.ascontiguousarray(floats(kernel).T),
        recurrent=np.ascontiguousarray(floats(inner).T),
        bias=None if bias is None else floats(bias),
        activation=ActivationKind.TANH,
        return_sequence=True,
    )
    return [_sequence(node, x, cell)]


def _sequence(node: Node, x: Tensor, cell: Rnn) -> Tensor:
    """Add a layer that gives all its outputs; backward where its input was turned round."""
    time = 0 if node.option("TimeMajor", False) else 1
    if len(x.shape) != 3 or x.shape[1 - time] != 1 or x.shape[2] != len(cell.kernel):
        raise UnsupportedLayerError(f"its input has shape {x.shape}; a batch of 1 is needed")
    axes, shape = (time, 2), (*x.shape[:2], cell.units)
    turned = reversed_along(x, time)
    order = canonical(shape, axes)
    if _stands(turned, axes) and not _stands(x, axes):
        backward = replace(cell, go_backwards=True, time_order=True)
        (name,) = recurrent(node.step, turned, axes, None, backward)
        return reversed_along(Tensor(node=name, shape=shape, order=order), time)
    (name,) = recurrent(node.step, x, axes, cell, None)
    return Tensor(node=name, shape=shape, order=order)


def _stands(x: Tensor, axes: tuple[int, int]) -> bool:
    return np.array_equal(x.order.reshape(-1), canonical(x.shape, axes).reshape(-1))


# ---- moving data ---------------------------------------------------------------------------------


def _reshape(node: Node) -> Sequence[Value]:
    x = node.given(0)
    if isinstance(x, Spread):
        return [x.sunk()]
    tensor = node.tensor()
    given = node.constant(1)
    if given is None:
        options = node.options()
        given = np.zeros(0) if options is None else np.asarray(options.NewShapeAsNumpy())
    shape = [int(n) for n in given.ravel()]
    if shape.count(-1) == 1:
        rest = int(np.prod([n for n in shape if n != -1]))
        shape[shape.index(-1)] = tensor.size // rest if rest > 0 else 0
    return [reshaped(tensor, shape)]


def _expand_dims(node: Node) -> Sequence[Value]:
    x, axis = node.given(0), int(node.needed(1).item())
    if isinstance(x, Spread):
        return [x.lifted_at(axis)]
    shape = list(node.tensor().shape)
    shape.insert(axis + len(shape) + 1 if axis < 0 else axis, 1)
    return [reshaped(node.tensor(), shape)]


def _squeeze(node: Node) -> Sequence[Value]:
    x = node.given(0)
    if isinstance(x, Spread):
        return [x.sunk()]
    tensor = node.tensor()
    options = node.options()
    count = 0 if options is None else min(options.SqueezeDimsLength(), 8)
    axes = {options.SqueezeDims(i) % len(tensor.shape) for i in range(count)}
    axes = axes or {i for i, n in enumerate(tensor.shape) if n == 1}
    return [reshaped(tensor, [n for i, n in enumerate(tensor.shape) if i not in axes])]


def _transpose(node: Node) -> Sequence[Value]:
    x, order = node.tensor(), node.numbers(1)
    if sorted(order) != list(range(len(x.shape))):
        raise UnsupportedLayerError(f"perm {order} of {len(x.shape)} axes")
    return [transposed(x, order)]


def _reverse(node: Node) -> Sequence[Value]:
    x = node.tensor()
    for axis in node.numbers(1):
        x = reversed_along(x, axis % len(x.shape))
    return [x]


def _concatenation(node: Node) -> Sequence[Value]:
    tensors = [node.tensor(i) for i in range(len(node.inputs))]
    return [activated(node, concatenated(node.step, tensors, node.option("Axis", 0)))]


def _pack(node: Node) -> Sequence[Value]:
    tensors = [node.tensor(i) for i in range(len(node.inputs))]
    axis = node.option("Axis", 0) % (len(tensors[0].shape) + 1)
    layers = [reshaped(t, (*t.shape[:axis], 1, *t.shape[axis:])) for t in tensors]
    return [concatenated(node.step, layers, axis)]


def _without(x: Tensor, axes: set[int]) -> Tensor:
    return reshaped(x, [n for i, n in enumerate(x.shape) if i not in axes])


def _unpack(node: Node) -> Sequence[Value]:
    x = node.tensor()
    axis = node.option("Axis", 0) % len(x.shape)
    cells = range(min(x.shape[axis], len(node.operator.outputs)))
    return [_without(sliced(node.step, x, axis, slice(i, i + 1)), {axis}) for i in cells]


def _split(node: Node) -> Sequence[Value]:
    first = node.step.kind == "SPLIT"
    x, along = node.tensor(1 if first else 0), node.needed(0 if first else 2)
    axis = int(along.item()) % len(x.shape)
    count = len(node.operator.outputs)
    sizes = [x.shape[axis] // count] * count if first else node.numbers(1)
    if sizes.count(-1) == 1:
        sizes[sizes.index(-1)] = x.shape[axis] - sum(sizes) - 1
    if sum(sizes) != x.shape[axis] or min(sizes) < 1:
        raise UnsupportedLayerError(f"parts {sizes} of {x.shape[axis]}")
    edges = np.cumsum([0, *sizes])
    return [
        sliced(node.step, x, axis, slice(int(a), int(a) + size))
        for a, size in zip(edges, sizes, strict=False)
    ]


def _strided_slice(node: Node) -> Sequence[Value]:
    x = node.tensor()
    parts = parts_of_slice(node, x.shape, *(node.needed(i) for i in (1, 2, 3)))
    gone = {axis for axis, part in enumerate(parts) if isinstance(part, int)}
    for axis, part in enumerate(parts):
        cells = slice(part, part + 1) if isinstance(part, int) else part
        if (cells.step or 1) < 1:
            raise UnsupportedLayerError("a negative step, which NNoM cannot do")
        x = sliced(node.step, x, axis, cells)
    return [_without(x, gone)]


def _slice(node: Node) -> Sequence[Value]:
    x, begins, sizes = node.tensor(), node.numbers(1), node.numbers(2)
    for axis, (begin, size) in enumerate(zip(begins, sizes, strict=True)):
        end = x.shape[axis] if size == -1 else begin + size
        x = sliced(node.step, x, axis, slice(begin, end))
    return [x]


def _gather(node: Node) -> Sequence[Value]:
    x, where = node.tensor(), node.needed(1)
    axis = node.option("Axis", 0) % len(x.shape)
    if where.size != 1 or where.ndim > 1:
        raise UnsupportedLayerError("indices that are no slice; NNoM takes slices and numbers")
    at = int(where.item()) % x.shape[axis]
    y = sliced(node.step, x, axis, slice(at, at + 1))
    return [y if where.ndim else _without(y, {axis})]


def _pad(node: Node) -> Sequence[Value]:
    x, widths = node.tensor(), node.needed(1).reshape(-1, 2).tolist()
    if len(node.inputs) > 2 and node.needed(2).any():
        raise UnsupportedLayerError("NNoM pads with zeros only")
    if len(widths) != len(x.shape):
        raise UnsupportedLayerError(f"{len(widths)} paddings of {len(x.shape)} axes")
    return [padded(node.step, x, [(int(a), int(b)) for a, b in widths])]


def _tile(node: Node) -> Sequence[Value]:
    x = node.tensor()
    for axis, times in enumerate(node.numbers(1)):
        x = tiled(node.step, x, axis, times)
    return [x]


def _shape(node: Node) -> Sequence[Value]:
    return [np.asarray(node.tensor().shape, np.int64)]


def _reduce(kind: PoolKind, *, total: bool = False) -> Converter:
    def convert(node: Node) -> Sequence[Value]:
        x, keep = node.tensor(), bool(node.option("KeepDims", False))
        return [reduced(node.step, kind, x, node.numbers(1), keep=keep, total=total)]

    return convert


OPERATORS: Mapping[str, Converter] = {
    **WINDOWED,
    "ABS": _absolute,
    "ADD": _arithmetic(MergeKind.ADD),
    "CAST": _same,
    "CONCATENATION": _concatenation,
    "DIV": _divide,
    "EXPAND_DIMS": _expand_dims,
    "FULLY_CONNECTED": _fully_connected,
    "GATHER": _gather,
    "HARD_SWISH": _named("hard_silu"),
    "LEAKY_RELU": _leaky_relu,
    "LOGISTIC": _named("sigmoid"),
    "MAXIMUM": _extreme,
    "MEAN": _reduce(PoolKind.AVERAGE),
    "MINIMUM": _extreme,
    "MUL": _arithmetic(MergeKind.MULT),
    "NEG": _negative,
    "PACK": _pack,
    "PAD": _pad,
    "PADV2": _pad,
    "POW": _power,
    "PRELU": _prelu,
    "REDUCE_MAX": _reduce(PoolKind.MAX),
    "RELU": _named("relu"),
    "RELU6": _named("relu6"),
    "RELU_N1_TO_1": _named("hard_tanh"),
    "RESHAPE": _reshape,
    "REVERSE_V2": _reverse,
    "SHAPE": _shape,
    "SLICE": _slice,
    "SOFTMAX": _softmax,
    "SPLIT": _split,
    "SPLIT_V": _split,
    "SQUARE": _power,
    "SQUEEZE": _squeeze,
    "STRIDED_SLICE": _strided_slice,
    "SUB": _arithmetic(MergeKind.SUB),
    "SUM": _reduce(PoolKind.AVERAGE, total=True),
    "TANH": _named("tanh"),
    "TILE": _tile,
    "TRANSPOSE": _transpose,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm,
    "UNIDIRECTIONAL_SEQUENCE_RNN": _simple_rnn,
    "UNPACK": _unpack,
}
"""What adds each operator that can be converted, by its name in TFLite's schema."""
