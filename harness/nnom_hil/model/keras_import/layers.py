"""What each Keras layer class becomes in a float graph."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nnom_hil.model.graph import (
    Activation,
    ActivationKind,
    Affine,
    CellKind,
    Combine,
    Concatenate,
    Conv,
    Cropping,
    Dense,
    Flatten,
    FloatOp,
    GlobalPool,
    Input,
    MergeKind,
    Padding,
    Pool,
    PoolKind,
    Reshape,
    Rnn,
    Softmax,
    UpSample,
    ZeroPadding,
)

__all__ = ["SUPPORTED", "Call", "UnsupportedLayerError", "convert"]

FloatArray = npt.NDArray[np.float32]
_MAX_CONFIG = 127  # NNoM's configurations keep kernel, stride and dilation in eight bits
_MAX_INPUTS = 8  # of one of NNoM's merge layers
_MAX_FACTORS = 4  # whose product fits 32 bits


class UnsupportedLayerError(Exception):
    """Why one layer cannot be expressed."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One use of a layer. Shapes are without the batch axis.

    sources: nodes that it reads. arguments: what it was called with, where it is a function.
    add(name, op, inputs) adds a node and returns its name.
    """

    layer: Any
    kind: str
    name: str
    sources: tuple[str, ...]
    inputs: tuple[tuple[int, ...], ...]
    output: tuple[int, ...]
    batch: int | None
    arguments: tuple[Any, ...]
    add: Callable[[str, FloatOp, tuple[str, ...]], str]

    def node(self, op: FloatOp, *inputs: str, suffix: str = "") -> str:
        """Add a node that reads `inputs`, or what the layer reads."""
        return self.add(self.name + suffix, op, inputs or self.sources)


def convert(call: Call) -> str:
    """Add the nodes of one layer and return the name of the one with its result.

    Raises UnsupportedLayerError with the reason.
    """
    if call.kind in _DROPPED:
        return call.sources[0]
    if call.kind not in _CONVERTERS:
        raise UnsupportedLayerError("NNoM has no such layer")
    if any(d is None for shape in (*call.inputs, call.output) for d in shape):
        raise UnsupportedLayerError(
            f"its shape {call.output} is not fixed; give the model's Input every size"
        )
    return _CONVERTERS[call.kind](call)


def _array(value: Any) -> FloatArray:
    return np.asarray(value, dtype=np.float32)


def _input(call: Call) -> str:
    if not 1 <= len(call.output) <= 3:
        raise UnsupportedLayerError(f"shape {call.output}: one to three axes are needed")
    return call.node(Input(shape=tuple(int(d) for d in call.output)))


# ---- activations ---------------------------------------------------------------------------------

_PLAIN = {
    "relu": Activation(kind=ActivationKind.RELU),
    "relu6": Activation(kind=ActivationKind.ADV_RELU, max_value=6.0),
    "leaky_relu": Activation(kind=ActivationKind.LEAKY_RELU, negative_slope=0.2),
    "tanh": Activation(kind=ActivationKind.TANH),
    "hard_tanh": Activation(kind=ActivationKind.HARD_TANH),
    "sigmoid": Activation(kind=ActivationKind.SIGMOID),
    "hard_sigmoid_of_keras_2": Activation(kind=ActivationKind.HARD_SIGMOID),
}
_GATED = {"silu": "sigmoid", "swish": "sigmoid", "hard_silu": "hard_sigmoid",
          "hard_swish": "hard_sigmoid"}  # fmt: skip


def _activate(call: Call, function: Any, source: str, shape: tuple[int, ...]) -> str:
    """Add what an `activation=` argument stands for."""
    name = getattr(function, "__name__", str(function))
    if name == "linear" or function is None:
        return source
    if name == "softmax":
        return _softmax_of(call, source, shape)
    if name == "hard_sigmoid":
        # Keras 3 has x / 6 + 0.5, NNoM 0.2 x + 0.5
        narrow = Affine(scale=_array([5 / 6]), offset=_array([0.0]))
        scaled = call.node(narrow, source, suffix="_scale")
        hard = Activation(kind=ActivationKind.HARD_SIGMOID)
        return call.node(hard, scaled, suffix="_hard_sigmoid")
    if name in _GATED:
        gate = _activate(call, _GATED[name], source, shape)
        return call.node(Combine(kind=MergeKind.MULT), source, gate, suffix=f"_{name}")
    if name not in _PLAIN:
        raise UnsupportedLayerError(f"activation {name!r} has no NNoM equivalent")
    return call.node(_PLAIN[name], source, suffix=f"_{name}")


def _softmax_of(call: Call, source: str, shape: tuple[int, ...]) -> str:
    if int(np.prod(shape[:-1])) != 1:
        raise UnsupportedLayerError(
            f"softmax of shape {shape}: NNoM's runs over all values at once, so all axes but the "
            "last must be 1"
        )
    return call.node(Softmax(), source, suffix="" if call.kind == "Softmax" else "_softmax")


def _activation_layer(call: Call) -> str:
    return _activate(call, call.layer.activation, call.sources[0], call.inputs[0])


def _softmax(call: Call) -> str:
    if call.layer.axis not in (-1, len(call.inputs[0])):
        raise UnsupportedLayerError(f"axis {call.layer.axis}: only the last one can be converted")
    return _softmax_of(call, call.sources[0], call.inputs[0])


def _slope(value: Any) -> float:
    slope = float(np.asarray(value))
    if not -1.0 < slope < 1.0:
        raise UnsupportedLayerError(f"negative slope {slope:g}: must lie between -1 and 1")
    return slope


def _relu(call: Call) -> str:
    layer = call.layer
    slope = _slope(layer.negative_slope)
    threshold = float(np.asarray(layer.threshold))
    max_value = None if layer.max_value is None else float(np.asarray(layer.max_value))
    if max_value is None and threshold == 0.0:
        kind = ActivationKind.LEAKY_RELU if slope else ActivationKind.RELU
    else:
        kind = ActivationKind.ADV_RELU
    return call.node(
        Activation(kind=kind, negative_slope=slope, max_value=max_value, threshold=threshold)
    )


def _leaky_relu(call: Call) -> str:
    slope = _slope(call.layer.negative_slope)
    return call.node(Activation(kind=ActivationKind.LEAKY_RELU, negative_slope=slope))


def _prelu(call: Call) -> str:
    alpha = _array(call.layer.get_weights()[0])
    if alpha.min() != alpha.max():
        raise UnsupportedLayerError(
            "its alpha differs between elements; NNoM has one slope a layer, as LeakyReLU"
        )
    slope = _slope(alpha.flat[0])
    return call.node(Activation(kind=ActivationKind.LEAKY_RELU, negative_slope=slope))


# ---- convolutions and dense ----------------------------------------------------------------------


def _pair(value: Any) -> tuple[int, int]:
    values = tuple(int(v) for v in np.atleast_1d(value))
    return (1, values[0]) if len(values) == 1 else (values[0], values[1])


def _check_channels_last(call: Call) -> None:
    if getattr(call.layer, "data_format", "channels_last") != "channels_last":
        raise UnsupportedLayerError("data_format must be channels_last")


def _check_sizes(*sizes: tuple[int, int]) -> None:
    if max(v for size in sizes for v in size) > _MAX_CONFIG:
        raise UnsupportedLayerError(f"kernel, stride or dilation above {_MAX_CONFIG}")


def _weights(layer: Any) -> list[FloatArray]:
    return [_array(w) for w in layer.get_weights()]


def _conv_node(
    call: Call,
    kernel: FloatArray,
    bias: FloatArray | None,
    *,
    depthwise: bool = False,
    transposed: bool = False,
    pointwise: bool = False,
    source: str | None = None,
    suffix: str = "",
) -> str:
    """Add a convolution with the layer's geometry; pointwise: with none."""
    layer, dims = call.layer, kernel.ndim - 2
    channels = int(np.prod(kernel.shape[-2:])) if depthwise else kernel.shape[-1]
    stride = (1, 1) if pointwise else _pair(layer.strides)
    dilation = (1, 1) if pointwise else _pair(layer.dilation_rate)
    padding = "valid" if pointwise else str(layer.padding)
    source = source or call.sources[0]
    if padding == "causal":
        before = (kernel.shape[0] - 1) * dilation[1]
        pad = ZeroPadding(border=(0, 0, before, 0))
        source, padding = call.node(pad, source, suffix=f"{suffix}_causal"), "valid"
    conv = Conv(
        kernel=kernel if dims == 2 else kernel[np.newaxis],
        bias=np.zeros(channels, np.float32) if bias is None else bias,
        stride=stride,
        dilation=dilation,
        padding=Padding(padding),
        depthwise=depthwise,
        dims=dims,
        transposed=transposed,
    )
    _check_sizes((conv.kernel.shape[0], conv.kernel.shape[1]), stride, dilation)
    return call.node(conv, source, suffix=suffix)


def _ungrouped(kernel: FloatArray, groups: int) -> tuple[FloatArray, bool]:
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


def _conv(call: Call) -> str:
    _check_channels_last(call)
    kernel, *bias = _weights(call.layer)
    depthwise = "Depthwise" in call.kind
    if (groups := getattr(call.layer, "groups", 1)) > 1:
        kernel, depthwise = _ungrouped(kernel, groups)
    y = _conv_node(call, kernel, bias[0] if bias else None, depthwise=depthwise)
    return _activate(call, call.layer.activation, y, call.output)


def _separable_conv(call: Call) -> str:
    _check_channels_last(call)
    depthwise, pointwise, *bias = _weights(call.layer)
    y = _conv_node(call, depthwise, None, depthwise=True, suffix="_depthwise")
    y = _conv_node(call, pointwise, bias[0] if bias else None, pointwise=True, source=y)
    return _activate(call, call.layer.activation, y, call.output)


def _conv_transposed(call: Call) -> str:
    _check_channels_last(call)
    if getattr(call.layer, "output_padding", None) is not None:
        raise UnsupportedLayerError("output_padding has no NNoM equivalent")
    kernel, *bias = _weights(call.layer)
    kernel = np.ascontiguousarray(np.swapaxes(kernel, -1, -2))
    y = _conv_node(call, kernel, bias[0] if bias else None, transposed=True)
    return _activate(call, call.layer.activation, y, call.output)


def _dense(call: Call) -> str:
    kernel, *biases = _weights(call.layer)
    bias = biases[0] if biases else np.zeros(kernel.shape[1], np.float32)
    if max(kernel.shape) > 65535:
        raise UnsupportedLayerError("more than 65535 inputs or units")
    if len(call.inputs[0]) == 1:
        y = call.node(Dense(kernel=kernel, bias=bias))
    else:  # on every position alike: a convolution of one cell
        dims = len(call.inputs[0]) - 1
        if dims > 2:
            raise UnsupportedLayerError(f"its input has shape {call.inputs[0]}: too many axes")
        y = _conv_node(call, kernel.reshape((1,) * dims + kernel.shape), bias, pointwise=True)
    return _activate(call, call.layer.activation, y, call.output)


# ---- per-channel scale and offset ----------------------------------------------------------------


def _affine(call: Call, scale: Any, offset: Any) -> str:
    scale, offset = np.broadcast_arrays(np.ravel(_array(scale)), np.ravel(_array(offset)))
    if scale.size not in (1, call.inputs[0][-1]):
        raise UnsupportedLayerError("its scale differs along other axes than the last")
    return call.node(Affine(scale=scale.copy(), offset=offset.copy()))


def _check_last_axis(call: Call, axis: Any) -> None:
    axes = [axis] if isinstance(axis, int) else list(axis)
    if len(axes) != 1 or axes[0] not in (-1, len(call.inputs[0])):
        raise UnsupportedLayerError(f"axis {axis}: only the last one can be converted")


def _batch_norm(call: Call) -> str:
    layer = call.layer
    _check_last_axis(call, layer.axis)
    scale = 1.0 / np.sqrt(_array(layer.moving_variance) + layer.epsilon)
    if layer.scale:
        scale = scale * _array(layer.gamma)
    offset = -_array(layer.moving_mean) * scale
    if layer.center:
        offset = offset + _array(layer.beta)
    return _affine(call, scale, offset)


def _rescaling(call: Call) -> str:
    return _affine(call, call.layer.scale, call.layer.offset)


def _normalization(call: Call) -> str:
    layer = call.layer
    if getattr(layer, "invert", False):
        raise UnsupportedLayerError("invert=True cannot be converted")
    # what the layer computes for 0 and for 1, whatever form it keeps its statistics in
    values = [np.asarray(layer(np.full((1, *call.inputs[0]), v, np.float32))) for v in (0, 1)]
    if any(np.ptp(v.reshape(-1, v.shape[-1]), axis=0).any() for v in values):
        raise UnsupportedLayerError("its axis must be the last one")
    zero, one = (v.reshape(-1, v.shape[-1])[0] for v in values)
    return _affine(call, one - zero, zero)


# ---- pooling and moving data ---------------------------------------------------------------------


def _pool(kind: PoolKind) -> Callable[[Call], str]:
    def add(call: Call) -> str:
        layer = call.layer
        _check_channels_last(call)
        op = Pool(
            kind=kind,
            size=_pair(layer.pool_size),
            stride=_pair(layer.strides),
            padding=Padding(layer.padding),
            dims=len(call.inputs[0]) - 1,
        )
        _check_sizes(op.size, op.stride)
        return call.node(op)

    return add


def _global_pool(kind: PoolKind) -> Callable[[Call], str]:
    def add(call: Call) -> str:
        _check_channels_last(call)
        y = call.node(GlobalPool(kind=kind))
        if call.layer.keepdims:
            y = call.node(Reshape(shape=call.output), y, suffix="_keepdims")
        return y

    return add


def _border(value: Any) -> tuple[int, int, int, int]:
    values = [int(v) for v in np.ravel(value)]
    before = [0, 0] if len(values) == 2 else []
    top, bottom, left, right = before + values
    return top, bottom, left, right


def _zero_padding(call: Call) -> str:
    _check_channels_last(call)
    return call.node(ZeroPadding(border=_border(call.layer.padding)))


def _cropping(call: Call) -> str:
    _check_channels_last(call)
    return call.node(Cropping(border=_border(call.layer.cropping)))


def _up_sampling(call: Call) -> str:
    _check_channels_last(call)
    if (how := getattr(call.layer, "interpolation", "nearest")) != "nearest":
        raise UnsupportedLayerError(f"interpolation {how!r}: only 'nearest' can be converted")
    return call.node(UpSample(factor=_pair(call.layer.size)))


def _flatten(call: Call) -> str:
    _check_channels_last(call)
    return call.node(Flatten())


def _reshape(call: Call) -> str:
    if len(call.output) > 3:
        raise UnsupportedLayerError(f"its result {call.output} has more than three axes")
    return call.node(Reshape(shape=call.output))


def _permute(call: Call) -> str:
    shape = call.inputs[0]
    long_axes = [axis for axis in call.layer.dims if shape[axis - 1] > 1]
    if long_axes != sorted(long_axes):
        raise UnsupportedLayerError(
            f"dims {tuple(call.layer.dims)} of {shape} moves data; NNoM can only rename axes of 1"
        )
    return _reshape(call)


# ---- merges --------------------------------------------------------------------------------------


def _concatenate(call: Call) -> str:
    rank = len(call.inputs[0]) + 1
    axis = call.layer.axis
    axis = axis - rank if axis >= 0 else axis
    if not -rank < axis < 0:
        raise UnsupportedLayerError(f"axis {call.layer.axis}: the batch cannot be joined")
    return call.node(Concatenate(axis=axis))


def _same_shape(call: Call) -> list[str]:
    """Return the inputs, those of one row or column repeated to the result's size."""
    sources = []
    for source, shape in zip(call.sources, call.inputs, strict=True):
        if shape == call.output:
            sources.append(source)
            continue
        if len(shape) != len(call.output) or shape[-1] != call.output[-1]:
            raise UnsupportedLayerError(
                f"shapes {call.inputs}: NNoM merges equal shapes, or repeats rows and columns"
            )
        pairs = list(zip(shape[:-1], call.output[:-1], strict=True))
        rows, columns = ([1, 1] + [b if a == 1 else 1 for a, b in pairs])[-2:]
        factor = UpSample(factor=(rows, columns))
        sources.append(call.node(factor, source, suffix="_repeat"))
    return sources


def _merge(kind: MergeKind, limit: int) -> Callable[[Call], str]:
    def add(call: Call) -> str:
        first, *others = _same_shape(call)
        while others:  # NNoM's layers take so many inputs, so the result goes through several
            group, others = others[: limit - 1], others[limit - 1 :]
            first = call.node(Combine(kind=kind), first, *group, suffix="_part" if others else "")
        return first

    return add


def _average(call: Call) -> str:
    total = _merge(MergeKind.ADD, _MAX_INPUTS)(call)
    share = _array([1 / len(call.sources)])
    return call.node(Affine(scale=share, offset=_array([0])), total, suffix="_mean")


# ---- recurrent -----------------------------------------------------------------------------------

_CELLS = {
    "SimpleRNN": CellKind.SIMPLE, "SimpleRNNCell": CellKind.SIMPLE,
    "GRU": CellKind.GRU, "GRUCell": CellKind.GRU,
    "LSTM": CellKind.LSTM, "LSTMCell": CellKind.LSTM,
}  # fmt: skip


def _rnn_op(layer: Any, batch: int | None) -> Rnn:
    cell = getattr(layer, "cell", layer)
    kind = _CELLS.get(type(cell).__name__)
    if kind is None:
        raise UnsupportedLayerError(f"its cell {type(cell).__name__} is none that NNoM has")
    activation = getattr(cell.activation, "__name__", "?")
    if kind is CellKind.SIMPLE and activation not in {"tanh", "sigmoid"}:
        raise UnsupportedLayerError(f"activation {activation!r}: NNoM's cell has tanh and sigmoid")
    if kind is not CellKind.SIMPLE:
        gates = getattr(cell.recurrent_activation, "__name__", "?")
        if (activation, gates) != ("tanh", "sigmoid"):
            raise UnsupportedLayerError(
                f"activation {activation!r}, recurrent_activation {gates!r}: NNoM's cell has tanh "
                "and sigmoid"
            )
    if layer.stateful and batch != 1:
        raise UnsupportedLayerError(
            f"stateful with batches of {batch}: the target runs one sequence at a time; build the "
            "model with batch_size=1"
        )
    kernel, recurrent, *bias = _weights(layer)
    return Rnn(
        kind=kind,
        kernel=kernel,
        recurrent=recurrent,
        bias=bias[0] if bias else None,
        activation=ActivationKind(activation),
        reset_after=bool(getattr(cell, "reset_after", True)),
        return_sequence=bool(layer.return_sequences),
        stateful=bool(layer.stateful),
        go_backwards=bool(layer.go_backwards),
    )


def _rnn(call: Call) -> str:
    if len(call.sources) != 1:
        raise UnsupportedLayerError("an initial state of its own; NNoM's starts from zero")
    return call.node(_rnn_op(call.layer, call.batch))


def _bidirectional(call: Call) -> str:
    layer = call.layer
    if len(call.sources) != 1:
        raise UnsupportedLayerError("an initial state of its own; NNoM's starts from zero")
    forward = call.node(_rnn_op(layer.forward_layer, call.batch), suffix="_forward")
    op = replace(_rnn_op(layer.backward_layer, call.batch), time_order=True)
    if not op.go_backwards:
        raise UnsupportedLayerError("its backward layer runs forward")
    backward = call.node(op, suffix="_backward")
    merges = {"sum": MergeKind.ADD, "ave": MergeKind.ADD, "mul": MergeKind.MULT}
    mode = layer.merge_mode
    if mode == "concat":
        return call.node(Concatenate(axis=-1), forward, backward)
    if mode not in merges:
        raise UnsupportedLayerError(f"merge_mode {mode!r} gives two results")
    y = call.node(Combine(kind=merges[mode]), forward, backward)
    if mode == "ave":
        y = call.node(Affine(scale=_array([0.5]), offset=_array([0])), y, suffix="_mean")
    return y


def _time_distributed(call: Call) -> str:
    inner = call.layer.layer
    kind = type(inner).__name__
    if kind in _DROPPED:
        return call.sources[0]
    if kind not in _PER_POSITION:
        raise UnsupportedLayerError(f"TimeDistributed({kind}): only Dense and element-wise layers")
    return _CONVERTERS[kind](replace(call, layer=inner, kind=kind))


# ---- operators on tensors, such as x + y ---------------------------------------------------------


def _operator(kind: MergeKind) -> Callable[[Call], str]:
    merge = _merge(kind, _MAX_FACTORS if kind is MergeKind.MULT else _MAX_INPUTS)

    def add(call: Call) -> str:
        if len(call.sources) > 1:
            return merge(call)
        constants = [np.asarray(a) for a in call.arguments if not hasattr(a, "_keras_history")]
        if len(constants) != 1 or constants[0].dtype.kind not in "fiu":
            raise UnsupportedLayerError("its operands cannot be told apart; use a layer")
        value, first = constants[0], hasattr(call.arguments[0], "_keras_history")
        match kind:
            case MergeKind.ADD:
                return _affine(call, 1.0, value)
            case MergeKind.SUB:
                return _affine(call, 1.0, -value) if first else _affine(call, -1.0, value)
            case MergeKind.MULT:
                return _affine(call, value, 0.0)

    return add


_DROPPED = {
    "ActivityRegularization", "AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise",
    "Identity", "SpatialDropout1D", "SpatialDropout2D",
}  # fmt: skip
_PER_POSITION = {"Activation", "BatchNormalization", "Dense", "LeakyReLU", "ReLU", "Rescaling"}
_CONVERTERS: Mapping[str, Callable[[Call], str]] = {
    "Activation": _activation_layer,
    "Add": _operator(MergeKind.ADD),
    "Average": _average,
    "AveragePooling1D": _pool(PoolKind.AVERAGE),
    "AveragePooling2D": _pool(PoolKind.AVERAGE),
    "BatchNormalization": _batch_norm,
    "Bidirectional": _bidirectional,
    "Concatenate": _concatenate,
    "Conv1D": _conv,
    "Conv1DTranspose": _conv_transposed,
    "Conv2D": _conv,
    "Conv2DTranspose": _conv_transposed,
    "Cropping1D": _cropping,
    "Cropping2D": _cropping,
    "Dense": _dense,
    "DepthwiseConv1D": _conv,
    "DepthwiseConv2D": _conv,
    "Flatten": _flatten,
    "GRU": _rnn,
    "GlobalAveragePooling1D": _global_pool(PoolKind.AVERAGE),
    "GlobalAveragePooling2D": _global_pool(PoolKind.AVERAGE),
    "GlobalMaxPooling1D": _global_pool(PoolKind.MAX),
    "GlobalMaxPooling2D": _global_pool(PoolKind.MAX),
    "InputLayer": _input,
    "LSTM": _rnn,
    "LeakyReLU": _leaky_relu,
    "MaxPooling1D": _pool(PoolKind.MAX),
    "MaxPooling2D": _pool(PoolKind.MAX),
    "Multiply": _operator(MergeKind.MULT),
    "Normalization": _normalization,
    "PReLU": _prelu,
    "Permute": _permute,
    "RNN": _rnn,
    "ReLU": _relu,
    "Rescaling": _rescaling,
    "Reshape": _reshape,
    "SeparableConv1D": _separable_conv,
    "SeparableConv2D": _separable_conv,
    "SimpleRNN": _rnn,
    "Softmax": _softmax,
    "Subtract": _operator(MergeKind.SUB),
    "TimeDistributed": _time_distributed,
    "UpSampling1D": _up_sampling,
    "UpSampling2D": _up_sampling,
    "ZeroPadding1D": _zero_padding,
    "ZeroPadding2D": _zero_padding,
}
SUPPORTED = frozenset(_CONVERTERS) | _DROPPED
"""Names of the layer classes that can be converted."""
