"""What each Keras layer class becomes in a float graph."""

from collections.abc import Callable, Mapping, Sequence
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
    Flatten,
    GlobalPool,
    Input,
    MergeKind,
    Padding,
    Pool,
    PoolKind,
    Reshape,
    Rnn,
    UpSample,
    ZeroPadding,
)
from nnom_hil.model.keras_import.quantised import dense_weights
from nnom_hil.model.keras_import.translate import HARD_SIGMOID_OF_KERAS_2, TRAINING_ONLY
from nnom_hil.model.translation.parts import (
    activate_named,
    affine,
    check_sizes,
    dense,
    floats,
    leaky,
    merge,
    reshape,
    slope_of,
    softmax_of,
    ungrouped,
)
from nnom_hil.model.translation.place import Place
from nnom_hil.model.translation.problems import UnsupportedLayerError

__all__ = [
    "SUPPORTED",
    "Call",
    "activate",
    "check_fixed",
    "concatenate",
    "convert",
    "permute",
]

FloatArray = npt.NDArray[np.float32]
_EPSILON = 1e-7  # Keras' least deviation of Normalization


@dataclass(frozen=True, kw_only=True)
class Call(Place):
    """One use of a layer.

    arguments, options: what it was called with, where it is a function; index: which of its results
    is meant. batch: size of the batch, None where it is open.
    """

    layer: Any
    batch: int | None
    arguments: tuple[Any, ...]
    options: Mapping[str, Any]
    index: int


def convert(call: Call) -> str:
    """Add the nodes of one layer and return the name of the one with its result.

    Raises UnsupportedLayerError with the reason.
    """
    if call.kind in TRAINING_ONLY:
        return call.sources[0]
    if call.kind not in _CONVERTERS:
        raise UnsupportedLayerError("NNoM has no such layer")
    if call.index != 0:
        raise UnsupportedLayerError("a state that it returns is used; NNoM has none")
    check_fixed(call)
    return _CONVERTERS[call.kind](call)


def check_fixed(call: Call) -> None:
    """Raise UnsupportedLayerError where a size is left open."""
    if any(d is None for shape in (*call.inputs, call.output) for d in shape):
        raise UnsupportedLayerError(
            f"its shape {call.output} is not fixed; give the model's Input every size"
        )


def _input(call: Call) -> str:
    if not 1 <= len(call.output) <= 3:
        raise UnsupportedLayerError(f"shape {call.output}: one to three axes are needed")
    return call.node(Input(shape=tuple(int(d) for d in call.output)))


# ---- activations ---------------------------------------------------------------------------------


def activate(call: Call, function: Any, source: str, shape: tuple[int, ...]) -> str:
    """Add what an `activation=` argument stands for: a function, its name, or a layer."""
    kind = type(function).__name__
    if kind in _ACTIVATION_LAYERS:
        inner = replace(call, layer=function, kind=kind, name=f"{call.name}_{kind.lower()}",
                        sources=(source,), inputs=(shape,))  # fmt: skip
        return _CONVERTERS[kind](inner)
    name = "linear" if function is None else getattr(function, "__name__", str(function))
    if name == HARD_SIGMOID_OF_KERAS_2:
        hard = Activation(kind=ActivationKind.HARD_SIGMOID)
        return call.node(hard, source, suffix=f"_{name}")
    return activate_named(call, name, source, shape)


def _activation_layer(call: Call) -> str:
    return activate(call, call.layer.activation, call.sources[0], call.inputs[0])


def _softmax(call: Call) -> str:
    return softmax_of(call, call.sources[0], call.inputs[0], call.layer.axis)


def _relu(call: Call) -> str:
    layer = call.layer
    slope = slope_of(layer.negative_slope)
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
    return leaky(call, call.layer.negative_slope)


def _prelu(call: Call) -> str:
    alpha = floats(call.layer.get_weights()[0])
    if alpha.min() != alpha.max():
        raise UnsupportedLayerError(
            "its alpha differs between elements; NNoM has one slope a layer, as LeakyReLU"
        )
    return leaky(call, alpha.flat[0])


# ---- convolutions and dense ----------------------------------------------------------------------


def _pair(value: Any) -> tuple[int, int]:
    values = tuple(int(v) for v in np.atleast_1d(value))
    return (1, values[0]) if len(values) == 1 else (values[0], values[1])


def _check_channels_last(call: Call) -> None:
    if getattr(call.layer, "data_format", "channels_last") != "channels_last":
        raise UnsupportedLayerError("data_format must be channels_last")


def _weights(layer: Any) -> list[FloatArray]:
    return [floats(w) for w in layer.get_weights()]


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
    check_sizes((conv.kernel.shape[0], conv.kernel.shape[1]), stride, dilation)
    return call.node(conv, source, suffix=suffix)


def _conv(call: Call) -> str:
    _check_channels_last(call)
    kernel, *bias = _weights(call.layer)
    depthwise = "Depthwise" in call.kind
    if (groups := getattr(call.layer, "groups", 1)) > 1:
        kernel, depthwise = ungrouped(kernel, groups)
    y = _conv_node(call, kernel, bias[0] if bias else None, depthwise=depthwise)
    return activate(call, call.layer.activation, y, call.output)


def _separable_conv(call: Call) -> str:
    _check_channels_last(call)
    depthwise, pointwise, *bias = _weights(call.layer)
    y = _conv_node(call, depthwise, None, depthwise=True, suffix="_depthwise")
    y = _conv_node(call, pointwise, bias[0] if bias else None, pointwise=True, source=y)
    return activate(call, call.layer.activation, y, call.output)


def _conv_transposed(call: Call) -> str:
    _check_channels_last(call)
    _check_output_padding(call)
    kernel, *bias = _weights(call.layer)
    kernel = np.ascontiguousarray(np.swapaxes(kernel, -1, -2))
    y = _conv_node(call, kernel, bias[0] if bias else None, transposed=True)
    return activate(call, call.layer.activation, y, call.output)


def _check_output_padding(call: Call) -> None:
    """Refuse an output_padding unless Keras computes the same without it."""
    layer = call.layer
    if getattr(layer, "output_padding", None) is None:
        return
    plain = type(layer).from_config({**layer.get_config(), "output_padding": None})
    x = np.random.default_rng(0).normal(size=(1, *call.inputs[0])).astype(np.float32)
    plain.build(x.shape)
    plain.set_weights(layer.get_weights())
    expected, got = np.asarray(layer(x)), np.asarray(plain(x))
    if expected.shape != got.shape or not np.array_equal(expected, got):
        raise UnsupportedLayerError(
            f"output_padding {layer.output_padding}: only what Keras does without it can be "
            "converted"
        )


def _dense(call: Call) -> str:
    kernel, *biases = dense_weights(call.layer)
    bias = biases[0] if biases else np.zeros(kernel.shape[1], np.float32)
    y = dense(call, kernel, bias, call.inputs[0])
    return activate(call, call.layer.activation, y, call.output)


# ---- per-channel scale and offset ----------------------------------------------------------------


def _check_last_axis(call: Call, axis: Any) -> None:
    axes = [axis] if isinstance(axis, int) else list(axis)
    if len(axes) != 1 or axes[0] not in (-1, len(call.inputs[0])):
        raise UnsupportedLayerError(f"axis {axis}: only the last one can be converted")


def _batch_norm(call: Call) -> str:
    layer = call.layer
    _check_last_axis(call, layer.axis)
    scale = 1.0 / np.sqrt(floats(layer.moving_variance) + layer.epsilon)
    if layer.scale:
        scale = scale * floats(layer.gamma)
    offset = -floats(layer.moving_mean) * scale
    if layer.center:
        offset = offset + floats(layer.beta)
    return affine(call, scale, offset)


def _rescaling(call: Call) -> str:
    return affine(call, call.layer.scale, call.layer.offset)


def _normalization(call: Call) -> str:
    layer = call.layer
    mean, variance = np.asarray(layer.mean), np.asarray(layer.variance)
    if any(d != 1 for value in (mean, variance) for d in value.shape[:-1]):
        raise UnsupportedLayerError("its axis must be the last one")
    deviation = np.maximum(np.sqrt(variance), np.float32(_EPSILON))
    if getattr(layer, "invert", False):
        return affine(call, deviation, mean)
    scale = np.float32(1) / deviation
    # in single precision: where a channel never varies, its mean must give zero
    return affine(call, scale, -mean * scale)


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
        check_sizes(op.size, op.stride)
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


def _resizing(call: Call) -> str:
    """Resizing, and what RandomCrop does outside training."""
    _check_channels_last(call)
    (height, width, _), (rows, columns, _) = call.inputs[0], call.output
    if (height, width) == (rows, columns):
        return call.sources[0]
    layer = call.layer
    plain = not any(
        getattr(layer, flag, False) for flag in ("crop_to_aspect_ratio", "pad_to_aspect_ratio")
    )
    if getattr(layer, "interpolation", "") != "nearest" or not plain:
        how = getattr(layer, "interpolation", "bilinear")
        raise UnsupportedLayerError(
            f"resizes {(height, width)} to {(rows, columns)}, {how}; NNoM only repeats cells"
        )
    if rows % height or columns % width:
        raise UnsupportedLayerError(
            f"resizes {(height, width)} to {(rows, columns)}: NNoM repeats each cell equally often"
        )
    return call.node(UpSample(factor=(rows // height, columns // width)))


def _center_crop(call: Call) -> str:
    _check_channels_last(call)
    (height, width, _), (rows, columns, _) = call.inputs[0], call.output
    if height < rows or width < columns:
        raise UnsupportedLayerError(f"resizes {(height, width)}, which is smaller than its result")
    top, left = (height - rows) // 2, (width - columns) // 2
    border = (top, height - rows - top, left, width - columns - left)
    return call.node(Cropping(border=border))


def _repeat_vector(call: Call) -> str:
    row = call.node(Reshape(shape=(1, call.output[-1])), suffix="_row")
    return call.node(UpSample(factor=(1, call.output[0])), row)


def _flatten(call: Call) -> str:
    _check_channels_last(call)
    return call.node(Flatten())


def permute(call: Call, order: Sequence[int]) -> str:
    """Add a change of the axes' order, which counts from 1: 0 is the batch."""
    shape = call.inputs[0]
    long_axes = [axis for axis in order if shape[axis - 1] > 1]
    if long_axes != sorted(long_axes):
        raise UnsupportedLayerError(
            f"dims {tuple(order)} of {shape} moves data; NNoM can only rename axes of 1"
        )
    return reshape(call)


def _permute(call: Call) -> str:
    return permute(call, call.layer.dims)


# ---- merges --------------------------------------------------------------------------------------


def concatenate(call: Call) -> str:
    """Add the joining of its inputs along the layer's axis."""
    rank = len(call.inputs[0]) + 1
    axis = call.layer.axis
    axis = axis - rank if axis >= 0 else axis
    if not -rank < axis < 0:
        raise UnsupportedLayerError(f"axis {call.layer.axis}: the batch cannot be joined")
    return call.node(Concatenate(axis=axis))


def _average(call: Call) -> str:
    total = merge(MergeKind.ADD)(call)
    return affine(call, 1 / len(call.sources), 0.0, total)


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
        y = call.node(Affine(scale=floats([0.5]), offset=floats([0])), y, suffix="_mean")
    return y


def _time_distributed(call: Call) -> str:
    inner = call.layer.layer
    kind = type(inner).__name__
    if kind in TRAINING_ONLY:
        return call.sources[0]
    if kind not in _PER_POSITION:
        raise UnsupportedLayerError(f"TimeDistributed({kind}): only Dense and element-wise layers")
    return _CONVERTERS[kind](replace(call, layer=inner, kind=kind))


_ACTIVATION_LAYERS = {"LeakyReLU", "ReLU", "Softmax"}
_PER_POSITION = {"Activation", "BatchNormalization", "Dense", "LeakyReLU", "ReLU", "Rescaling"}
_CONVERTERS: Mapping[str, Callable[[Call], str]] = {
    "Activation": _activation_layer,
    "Add": merge(MergeKind.ADD),
    "Average": _average,
    "AveragePooling1D": _pool(PoolKind.AVERAGE),
    "AveragePooling2D": _pool(PoolKind.AVERAGE),
    "BatchNormalization": _batch_norm,
    "Bidirectional": _bidirectional,
    "CenterCrop": _center_crop,
    "Concatenate": concatenate,
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
    "Multiply": merge(MergeKind.MULT),
    "Normalization": _normalization,
    "PReLU": _prelu,
    "Permute": _permute,
    "RNN": _rnn,
    "RandomCrop": _resizing,
    "ReLU": _relu,
    "RepeatVector": _repeat_vector,
    "Rescaling": _rescaling,
    "Reshape": reshape,
    "Resizing": _resizing,
    "SeparableConv1D": _separable_conv,
    "SeparableConv2D": _separable_conv,
    "SimpleRNN": _rnn,
    "Softmax": _softmax,
    "Subtract": merge(MergeKind.SUB),
    "TimeDistributed": _time_distributed,
    "UpSampling1D": _up_sampling,
    "UpSampling2D": _up_sampling,
    "ZeroPadding1D": _zero_padding,
    "ZeroPadding2D": _zero_padding,
}
SUPPORTED = frozenset(_CONVERTERS) | TRAINING_ONLY
"""Names of the layer classes that can be converted."""
