"""NNoM's small functions on arrays and layers, under their own names and signatures."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from nnom_hil.codegen.streams import interleave_dense, interleave_q7_q15
from nnom_hil.model.quantise.statistics import Divergence

__all__ = [
    "compare",
    "convert_q7_q15_weights",
    "convert_to_x4_q7_weights",
    "convert_to_x4_q15_weights",
    "f2q",
    "find_dec_bits_kld",
    "find_dec_bits_max_min",
    "find_dec_bits_max_min_axis",
    "find_offset",
    "fuse_bn_to_conv",
    "is_gru_layer",
    "is_lstm_layer",
    "is_rnn_layer",
    "is_shift_fixed",
    "is_shift_layer",
    "layer_name_from_tensor",
    "q2f",
    "quantize_data",
    "show_weights",
]

Array = npt.NDArray[Any]
_FIXED = {"softmax", "sigmoid", "tanh", "hard_sigmoid", "hard_tanh"}
_SHIFT = {"Conv1D", "Conv2D", "DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D",
          "SeparableConv2D", "Conv1DTranspose", "Conv2DTranspose", "Dense", "InputLayer", "Softmax",
          "Add", "Subtract", "Multiply", "Average"}  # fmt: skip


def find_offset(data: Array) -> float:
    """Return the mean of the data."""
    return float(np.average(data))


def find_dec_bits_max_min(data: Array, bit_width: int = 8, maximum_bit: int = 32) -> int:
    """Return the fraction bits that hold the extremes, with an allowance of 1/256 (5.4).

    All-zero data gets bit_width - 1.
    """
    largest = float(np.max(np.abs(np.asarray(data, dtype=np.float64)), initial=0.0))
    largest -= largest / 256
    if largest <= 0:
        return bit_width - 1
    return min(bit_width - 1 - math.ceil(math.log2(largest)), maximum_bit)


def find_dec_bits_max_min_axis(
    data: Array, axis: int = -1, bit_width: int = 8, maximum_bit: int = 32
) -> list[int]:
    """Return find_dec_bits_max_min of each slice along an axis."""
    rows = np.moveaxis(np.asarray(data), axis, 0)
    return [find_dec_bits_max_min(row, bit_width, maximum_bit) for row in rows]


def find_dec_bits_kld(
    data: Array, bit_width: int = 8, scan_times: int = 4, maximum_bit: int = 16
) -> int:
    """Return the fraction bits of the least Kullback-Leibler divergence (5.4).

    Raises ValueError for another width than eight bits.
    """
    if bit_width != 8:
        raise ValueError(f"bit_width {bit_width}: only 8 has a histogram")
    values = np.asarray(data, dtype=np.float32)
    largest = float(np.max(np.abs(values), initial=0.0))
    if largest == 0:
        return 7
    divergence = Divergence(largest, scans=scan_times)
    divergence.add(values)
    return min(divergence.dec(), maximum_bit)


def quantize_data(
    data: Array, dec_bits: Any, axis: int = -1, per_axis: bool = False, bitwith: int = 8
) -> Array:
    """Return round(data * 2^dec_bits), saturated to bitwith bits, as floats of whole numbers.

    per_axis: dec_bits has one entry for each slice along axis.
    """
    values = np.asarray(data, dtype=np.float64)
    scale = np.exp2(np.asarray(dec_bits, dtype=np.float64))
    if per_axis:
        shape = [1] * values.ndim
        shape[axis] = -1
        scale = scale.reshape(shape)
    limit = 2 ** (bitwith - 1)
    result: Array = np.clip(np.round(values * scale), -limit, limit - 1)
    return result


def f2q(d: Array, Q: int) -> Array:  # noqa: N803  # NNoM's name
    """Return float data as whole numbers of Q fraction bits."""
    result: Array = np.round(np.asarray(d) * 2.0**Q)
    return result


def q2f(d: Array, Q: int) -> Array:  # noqa: N803  # NNoM's name
    """Return whole numbers of Q fraction bits as floats."""
    result: Array = np.asarray(d) * 2.0**-Q
    return result


def convert_to_x4_q7_weights(weights: Array) -> Array:
    """Return weights [r, h, w, c] in the order of the interleaved int8 kernel, flat."""
    rows = np.asarray(weights).reshape(len(weights), -1)
    return interleave_dense(rows)


def convert_q7_q15_weights(weights: Array) -> Array:
    """Return weights [r, h, w, c] in the order of the int8 by int16 kernel, flat."""
    rows = np.asarray(weights).reshape(len(weights), -1)
    return interleave_q7_q15(rows)


def convert_to_x4_q15_weights(weights: Array) -> Array:
    """Return weights [r, h, w, c] in the order of the interleaved int16 kernel, flat (3.7)."""
    matrix = np.asarray(weights).reshape(len(weights), -1)
    units, inputs = matrix.shape
    rows, columns = units - units % 4, inputs - inputs % 2
    pairs = matrix[:rows, :columns].reshape(rows // 4, 4, columns // 2, 2)
    tiles = pairs.transpose(0, 2, 1, 3).reshape(rows // 4, 4 * columns)
    rest = matrix[:rows, columns:].reshape(rows // 4, 4 * (inputs - columns))
    grouped = np.concatenate([tiles, rest], axis=1)
    return np.concatenate([grouped.ravel(), matrix[rows:].ravel()])


def _kind(layer: Any) -> str:
    return type(layer).__name__


def _activation(layer: Any) -> str:
    return str(getattr(getattr(layer, "activation", None), "__name__", ""))


def is_lstm_layer(layer: Any) -> bool:
    """Whether the layer is an LSTM, or an RNN over an LSTM cell."""
    return "LSTM" in _kind(layer) or "LSTM" in _kind(getattr(layer, "cell", None))


def is_gru_layer(layer: Any) -> bool:
    """Whether the layer is a GRU, or an RNN over a GRU cell."""
    return "GRU" in _kind(layer) or "GRU" in _kind(getattr(layer, "cell", None))


def is_rnn_layer(layer: Any) -> bool:
    """Whether the layer is recurrent."""
    return is_lstm_layer(layer) or is_gru_layer(layer) or "RNN" in _kind(layer)


def is_shift_fixed(layer: Any) -> bool:
    """Whether the layer's output format is Q0.7 whatever its input's."""
    if is_rnn_layer(layer) or _kind(layer) == "Softmax":
        return True
    return _kind(layer) == "Activation" and _activation(layer) in _FIXED


def is_shift_layer(layer: Any) -> bool:
    """Whether the layer's output has a format of its own."""
    return _kind(layer) in _SHIFT or is_shift_fixed(layer)


def layer_name_from_tensor(t: Any) -> str:
    """Return the name of the layer that a Keras tensor comes from."""
    history = getattr(t, "_keras_history", None)
    return str(history[0].name) if history is not None else str(t.name).split("/")[0]


def fuse_bn_to_conv(layer: Any) -> None:
    """Put the BatchNormalization that follows a convolution into its weights, in place.

    The layer needs a bias; the normalisation is set to do nothing. Nothing is done where none
    follows.
    """
    for node in layer._outbound_nodes:
        norm = node.operation
        if _kind(norm) != "BatchNormalization":
            continue
        kernel, *bias = layer.get_weights()
        if not bias:
            raise ValueError(f"{layer.name} has no bias to put the offset into")
        mean, variance = np.asarray(norm.moving_mean), np.asarray(norm.moving_variance)
        scale = 1 / np.sqrt(variance + norm.epsilon)
        scale = scale * np.asarray(norm.gamma) if norm.scale else scale
        beta = np.asarray(norm.beta) if norm.center else 0.0
        per_filter = scale
        if "Depthwise" in _kind(layer):
            per_filter = scale.reshape(kernel.shape[-2:])
        layer.set_weights([kernel * per_filter, (bias[0] - mean) * scale + beta])
        identity = {"gamma": 1.0, "beta": 0.0, "moving_mean": 0.0}
        for name, value in identity.items():
            weight = getattr(norm, name, None)
            if weight is not None:
                weight.assign(np.full(weight.shape, value, np.float32))
        norm.moving_variance.assign(np.full(mean.shape, 1 - norm.epsilon, np.float32))


def show_weights(w: Array, name: str) -> None:
    """Print how a tensor's values are spread."""
    values = np.ravel(w)
    print(f"{name}: {values.size} values, min {values.min():g}, max {values.max():g}, "
          f"mean {values.mean():g}, std {values.std():g}")  # fmt: skip


def compare(a: Array, b: Array, name: str) -> None:
    """Print how far two tensors are apart."""
    difference = np.ravel(a) - np.ravel(b)
    print(f"{name}: largest difference {np.abs(difference).max():g}, "
          f"mean square {np.mean(difference**2):g}")  # fmt: skip
