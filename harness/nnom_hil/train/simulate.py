"""A quantised graph as a TensorFlow function of its weights.

Forward it gives the reference's bytes (model/reference.py), whatever the weights; backward each
rounding is passed by. Recurrent cells and softmax are computed by the reference itself, and have
the gradients of their float twins. Tensors between layers are int8 codes in float32, (n, *shape).
"""

from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from typing import Any, assert_never

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from nnom_hil.errors import ModelError
from nnom_hil.model.graph import (
    ActivationKind,
    Cropping,
    Flatten,
    GlobalPool,
    Padding,
    Pool,
    PoolKind,
    Reshape,
    UpSample,
    ZeroPadding,
)
from nnom_hil.model.qgraph import (
    Concat,
    Copy,
    Int8,
    Merge,
    MergeKind,
    QActivation,
    QConv,
    QDense,
    QGraph,
    QInput,
    QNode,
    QOutput,
    QRnn,
    QSoftmax,
    shape3d,
)
from nnom_hil.model.reference import run_all_layers, run_layer
from nnom_hil.model.windows import same_pad
from nnom_hil.train.balance import balanced
from nnom_hil.train.cells import run_cell
from nnom_hil.train.rounding import exact_type, finished, rounded, with_gradient_of

__all__ = ["Simulation"]

Codes = npt.NDArray[np.float32]
_FULL_SCALE = 128.0  # a variable of 1 is a code beyond the last: variables of all formats are alike


class Simulation:
    """The graph with variables for the weights of the named layers; all others stay as they are.

    sample: codes (n, *input shape) that tell what layers read on average. Raises ModelError for
    what cannot be trained through.
    """

    def __init__(
        self,
        graph: QGraph,
        trained: Container[str],
        sample: Int8,
    ) -> None:
        self.graph = graph
        self._held: dict[str, dict[str, Any]] = {}
        self._means = _mean_inputs(graph, sample)
        for node in graph.nodes:
            _check(node)
            if isinstance(node.op, QConv | QDense | QRnn) and node.name in trained:
                self._held[node.name] = {
                    key: tf.Variable(
                        getattr(node.op, key).astype(np.float32) / _FULL_SCALE, name=key
                    )
                    for key in _arrays_of(node.op)
                }

    @property
    def variables(self) -> list[Any]:
        """Weights and biases as shares of their format's range, -1 to 1."""
        return [variable for held in self._held.values() for variable in held.values()]

    def run(self, x: Any, last: str | None = None) -> dict[str, Any]:
        """Return every layer's codes (n, *layer shape), after its tail, for codes x.

        last: a layer behind which nothing is wanted.
        """
        results: dict[str, Any] = {}
        for node in self.graph.nodes:
            if isinstance(node.op, QInput):
                results[node.name] = tf.reshape(x, (-1, *node.shape))
                continue
            sources = [results[name] for name in node.inputs]
            first = self.graph.by_name[node.inputs[0]]
            weights = self._weights(node)
            y = tf.reshape(_run(node, sources, first, weights), (-1, *node.shape))
            results[node.name] = y if node.tail is None else _activation(node.tail, y, node.dec)
            if node.name == last:
                break
        return results

    def _weights(self, node: QNode) -> dict[str, Any]:
        """Return the layer's codes.

        A bias makes up for what its layer's weights do to the mean of its sums: data is far from
        zero, where -128 stands for nothing, and a weight should not move all sums alike.
        """
        op, held = node.op, self._held.get(node.name)
        if held is None:
            return {key: tf.constant(getattr(op, key), tf.float32) for key in _arrays_of(op)}
        real = {key: variable * _FULL_SCALE for key, variable in held.items()}
        if not isinstance(op, QConv | QDense) or "bias" not in real:
            return {key: rounded(value) for key, value in real.items()}
        mean, steps = self._means[node.name], 2.0 ** np.array(op.bias_shift, np.float32)
        weight = _by_sum(op, real["weight"])
        moved = tf.reduce_sum((weight - _by_sum(op, op.weight.astype(np.float32))) * mean, axis=1)
        wanted = real["bias"] - moved / steps
        bias = rounded(wanted)
        codes = balanced(weight, mean, tf.stop_gradient((bias - wanted) * steps))
        return {"weight": _in_order(op, codes), "bias": bias}

    def quantised(self) -> QGraph:
        """Return the graph with the weights as they are now, rounded."""
        nodes = []
        for node in self.graph.nodes:
            if node.name in self._held:
                node = _with(node, {k: v.numpy() for k, v in self._weights(node).items()})  # noqa: PLW2901
            nodes.append(node)
        return QGraph(name=self.graph.name, nodes=tuple(nodes))


def _mean_inputs(graph: QGraph, sample: Int8) -> dict[str, Codes]:
    """Return what each weight of a layer is multiplied with on average, as _by_sum() has them."""
    results = run_all_layers(graph, sample)
    means = {}
    for node in graph.nodes:
        op = node.op
        if not isinstance(op, QConv | QDense):
            continue
        codes = results[node.inputs[0]].reshape(len(sample), -1)
        if isinstance(op, QConv):
            codes = codes.reshape(-1, graph.by_name[node.inputs[0]].shape[-1])
        mean = codes.mean(axis=0, dtype=np.float64).astype(np.float32)
        if isinstance(op, QConv) and op.depthwise:
            mean = mean[:, np.newaxis]
        every = np.broadcast_to(mean, op.weight.shape)
        means[node.name] = np.asarray(_by_sum(op, np.ascontiguousarray(every)))
    return means


def _by_sum(op: QConv | QDense, weight: Any) -> Any:
    """Return a layer's weights as (sums, taps)."""
    if isinstance(op, QConv) and op.depthwise:
        weight = tf.transpose(weight, (2, 3, 0, 1))
    sums = op.channels_out if isinstance(op, QConv) else len(op.weight)
    return tf.reshape(weight, (sums, -1))


def _in_order(op: QConv | QDense, codes: Any) -> Any:
    """Return weights (sums, taps) in the layer's own order."""
    if isinstance(op, QConv) and op.depthwise:
        kh, kw, channels, multiplier = op.weight.shape
        apart = tf.reshape(codes, (channels, multiplier, kh, kw))
        return tf.transpose(apart, (2, 3, 0, 1))
    return tf.reshape(codes, op.weight.shape)


def _with(node: QNode, weights: Mapping[str, Codes]) -> QNode:
    """Return the layer with these weights, by its fields."""
    fields: dict[str, Any] = {key: codes.astype(np.int8) for key, codes in weights.items()}
    return replace(node, op=replace(node.op, **fields))


def _arrays_of(op: Any) -> list[str]:
    keys = ("weight", "recurrent", "bias")
    return [key for key in keys if getattr(op, key, None) is not None]


def _check(node: QNode) -> None:
    op = node.op
    if isinstance(op, Pool | GlobalPool) and op.kind is PoolKind.SUM:
        raise ModelError(f"{node.name}: a sum pool's format depends on its data; not fine-tuned")
    if isinstance(op, QRnn) and op.stateful:
        raise ModelError(
            f"{node.name}: keeps its state from one input to the next, but training shuffles "
            "inputs; make it stateful=False"
        )


def _image(x: Any, shape: tuple[int, ...]) -> Any:
    return tf.reshape(x, (-1, *shape3d(shape)))


def _run(node: QNode, sources: list[Any], first: QNode, weights: dict[str, Any]) -> Any:
    x, dec = sources[0], first.dec
    match node.op:
        case QConv() as op:
            return _conv(op, _image(x, first.shape), shape3d(first.shape), node.shape, weights)
        case QDense() as op:
            flat = tf.reshape(x, (-1, op.weight.shape[1]))
            kind = exact_type(_largest(op, op.weight.shape[1]))
            sums = tf.matmul(
                tf.cast(flat, kind), tf.cast(weights["weight"], kind), transpose_b=True
            )
            return _summed(op, sums, weights.get("bias"))
        case QActivation() as op:
            return _activation(op, x, dec)
        case Pool() as op:
            return _pool(op, _image(x, first.shape), shape3d(first.shape), node.shape)
        case GlobalPool() as op:
            return _global_pool(op, _image(x, first.shape), shape3d(first.shape))
        case ZeroPadding() as op:
            top, bottom, left, right = op.border
            return tf.pad(_image(x, first.shape), ((0, 0), (top, bottom), (left, right), (0, 0)))
        case Cropping() as op:
            top, bottom, left, right = op.border
            h, w, _ = shape3d(first.shape)
            return _image(x, first.shape)[:, top : h - bottom, left : w - right]
        case UpSample() as op:
            rows = tf.repeat(_image(x, first.shape), op.factor[0], axis=1)
            return tf.repeat(rows, op.factor[1], axis=2)
        case QSoftmax():
            flat = tf.reshape(x, (-1, first.size))
            smooth = tf.nn.softmax(flat * 2.0**-dec) * _FULL_SCALE
            return _by_reference(node, flat, dec, {}, smooth)
        case Concat() as op:
            return tf.concat(sources, axis=op.axis + 1)
        case Merge() as op:
            return _merge(op, sources)
        case QRnn() as op:
            steps = tf.reshape(x, (-1, *first.shape[-2:]))
            smooth = run_cell(op, steps * 2.0**-dec, first.shape[-2], weights) * _FULL_SCALE
            return _by_reference(node, steps, dec, weights, smooth)
        case Reshape() | Flatten() | Copy() | QInput() | QOutput():
            return x
        case never:
            assert_never(never)


def _by_reference(node: QNode, x: Any, dec: int, weights: dict[str, Any], smooth: Any) -> Any:
    """Return what the reference makes of codes and weights, with the gradient of `smooth`."""

    def run(codes: Codes, *arrays: Codes) -> Codes:
        now = _with(replace(node, tail=None), dict(zip(weights, arrays, strict=True)))
        y = run_layer(now, [codes.astype(np.int8)], [dec], compat=False)
        return y.astype(np.float32).reshape(len(codes), -1)

    exact = tf.numpy_function(run, [x, *weights.values()], tf.float32)
    flat = tf.reshape(smooth, (-1, node.size))
    return with_gradient_of(tf.reshape(exact, tf.shape(flat)), flat)


# ---- sums of products ----------------------------------------------------------------------------


def _largest(op: QConv | QDense, taps: int) -> int:
    """Return what the layer's sums cannot exceed, whatever its weights."""
    return taps * 128 * 128 + (128 << max(op.bias_shift)) + (1 << max(op.output_shift))


def _summed(op: QConv | QDense, sums: Any, bias: Any) -> Any:
    total = sums
    if bias is not None:
        total = total + tf.cast(bias, sums.dtype) * 2.0 ** np.array(op.bias_shift, np.float64)
    return finished(total, np.array(op.output_shift, np.float64))


def _conv(
    op: QConv,
    image: Any,
    shape: tuple[int, int, int],
    out: tuple[int, ...],
    weights: dict[str, Any],
) -> Any:
    kh, kw = op.kernel
    taps = kh * kw * (1 if op.depthwise else shape[2])
    kind = exact_type(_largest(op, taps))
    image, weight = tf.cast(image, kind), tf.cast(weights["weight"], kind)
    if op.transposed:
        kernel = tf.transpose(weight, (1, 2, 0, 3))  # rows, columns, filters, channels in
        sums = _transposed_sums(op, image, kernel, shape, out)
        return _summed(op, sums, weights.get("bias"))
    pad = same_pad(shape, op.kernel, op.padding, op.stride, op.dilation)
    padded, _ = _padded(image, shape, op.kernel, op.stride, op.dilation, pad, out, op.pad_value)
    kernel = weight if op.depthwise else tf.transpose(weight, (1, 2, 3, 0))
    if op.dilation == (1, 1) and not op.depthwise:
        sums = tf.nn.conv2d(padded, kernel, strides=op.stride, padding="VALID")
    else:
        sums = _tap_by_tap(op, padded, kernel, out)
    # a GPU's convolutions may be off by less than a half (Winograd's); whole numbers they are
    sums = with_gradient_of(tf.round(sums), sums)
    return _summed(op, sums, weights.get("bias"))


def _padded(
    image: Any,
    shape: tuple[int, int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    pad: tuple[int, int],
    out: tuple[int, ...],
    fill: float,
) -> tuple[Any, list[tuple[slice, slice]]]:
    """Return the image with what windows need around it, and where each tap sees it."""
    need = [(out[i] - 1) * stride[i] + (kernel[i] - 1) * dilation[i] + 1 for i in (0, 1)]
    after = [need[i] - shape[i] - pad[i] for i in (0, 1)]
    border = [(pad[i], max(after[i], 0)) for i in (0, 1)]
    padded = tf.pad(image, ((0, 0), *border, (0, 0)), constant_values=fill)
    padded = padded[:, : need[0], : need[1]]
    taps = [
        (
            slice(i * dilation[0], i * dilation[0] + (out[0] - 1) * stride[0] + 1, stride[0]),
            slice(j * dilation[1], j * dilation[1] + (out[1] - 1) * stride[1] + 1, stride[1]),
        )
        for i in range(kernel[0])
        for j in range(kernel[1])
    ]
    return padded, taps


def _tap_by_tap(op: QConv, padded: Any, kernel: Any, out: tuple[int, ...]) -> Any:
    """Return sums of products as tap times weight: every stride and dilation has gradients so."""
    total: Any = 0.0
    for i in range(op.kernel[0]):
        for j in range(op.kernel[1]):
            top, left = i * op.dilation[0], j * op.dilation[1]
            part = padded[
                :,
                top : top + (out[0] - 1) * op.stride[0] + 1 : op.stride[0],
                left : left + (out[1] - 1) * op.stride[1] + 1 : op.stride[1],
            ]
            if op.depthwise:
                total += part[..., tf.newaxis] * kernel[i, j]
            else:
                # two axes each: TensorFlow's products of batches write past their memory on some
                # CPUs (2.20 and 2.21 with oneDNN)
                total += tf.tensordot(part, kernel[i, j], 1)
    return tf.reshape(total, (-1, *out)) if op.depthwise else total


def _transposed_sums(
    op: QConv, image: Any, kernel: Any, shape: tuple[int, int, int], out: tuple[int, ...]
) -> Any:
    """Return Keras' transposed convolution: each cell adds its multiple of the kernel; SAME cuts.

    As an ordinary one over the image with zeros between its cells, the kernel turned around.
    """
    (kh, kw), stride, dilation = op.kernel, op.stride, op.dilation
    reach = [(k - 1) * d for k, d in zip((kh, kw), dilation, strict=True)]
    cut = [0, 0]
    if op.padding is Padding.SAME:
        cut = [max(r + 1 - s, 0) // 2 for r, s in zip(reach, stride, strict=True)]
    spread = _spread(image, shape, stride)
    size = [(shape[i] - 1) * stride[i] + 1 for i in (0, 1)]
    before = [reach[i] - cut[i] for i in (0, 1)]
    after = [out[i] + reach[i] - size[i] - before[i] for i in (0, 1)]
    border = [(max(before[i], 0), max(after[i], 0)) for i in (0, 1)]
    padded = tf.pad(spread, ((0, 0), *border, (0, 0)))
    top, left = (max(-before[i], 0) for i in (0, 1))
    padded = padded[:, top : top + out[0] + reach[0], left : left + out[1] + reach[1]]
    turned = tf.transpose(kernel[::-1, ::-1], (0, 1, 3, 2))
    plain = replace(op, stride=(1, 1), transposed=False, depthwise=False)
    return _tap_by_tap(plain, padded, turned, out)


def _spread(image: Any, shape: tuple[int, int, int], stride: tuple[int, int]) -> Any:
    """Return the image with stride - 1 zeros between its cells."""
    h, w, c = shape
    cells = tf.reshape(image, (-1, h, 1, w, 1, c))
    border = ((0, 0), (0, 0), (0, stride[0] - 1), (0, 0), (0, stride[1] - 1), (0, 0))
    wide = tf.reshape(tf.pad(cells, border), (-1, h * stride[0], w * stride[1], c))
    return wide[:, : (h - 1) * stride[0] + 1, : (w - 1) * stride[1] + 1]


# ---- everything else -----------------------------------------------------------------------------


def _pool(op: Pool, image: Any, shape: tuple[int, int, int], out: tuple[int, ...]) -> Any:
    pad = same_pad(shape, op.size, op.padding, op.stride)
    is_max = op.kind is PoolKind.MAX

    def combined(of: Any, fill: float, join: Callable[[Any, Any], Any]) -> Any:
        padded, taps = _padded(of, shape, op.size, op.stride, (1, 1), pad, out, fill)
        total = None
        for rows, columns in taps:
            part = padded[:, rows, columns]
            total = part if total is None else join(total, part)
        return total

    if is_max:
        return combined(image, -128.0, tf.maximum)
    cells = combined(tf.ones((1, *shape), tf.float64), 0.0, tf.add)
    return _divided(combined(image, 0.0, tf.add), cells, op.output_shift)


def _global_pool(op: GlobalPool, image: Any, shape: tuple[int, int, int]) -> Any:
    if op.kind is PoolKind.MAX:
        return tf.reduce_max(image, axis=(1, 2))
    sums = tf.reduce_sum(tf.cast(image, tf.float64), axis=(1, 2))
    return _divided(sums, tf.constant(shape[0] * shape[1], tf.float64), op.output_shift)


def _divided(sums: Any, cells: Any, shift: int) -> Any:
    """Return sums over the cells, toward zero, saturated."""
    divisor = tf.maximum(tf.floor(cells * 2.0 ** -min(shift, 31)), 1.0)
    value = tf.cast(sums, tf.float64) / divisor
    toward_zero = tf.sign(value) * tf.floor(tf.abs(value))
    inside = tf.clip_by_value(with_gradient_of(toward_zero, value), -128.0, 127.0)
    return tf.cast(inside, tf.float32)


def _merge(op: Merge, sources: list[Any]) -> Any:
    values = [tf.cast(source, tf.float64) for source in sources]
    total = values[0]
    for other in values[1:]:
        match op.kind:
            case MergeKind.ADD:
                total = total + other
            case MergeKind.SUB:
                total = total - other
            case MergeKind.MULT:
                total = total * other
            case never:
                assert_never(never)
    return finished(total, float(op.output_shift))


def _activation(op: QActivation, x: Any, dec: int) -> Any:
    """Return the activation of every code, looked up among those of all 256.

    dec: what the layer holds at run time, which run_layer() is told too.
    """
    node = QNode(name="table", op=op, inputs=(), shape=(1,), dec=dec)
    every: Int8 = np.arange(-128, 128, dtype=np.int8)[:, np.newaxis]
    table = run_layer(node, [every], [dec], compat=False).astype(np.float32).ravel()
    exact = tf.gather(tf.constant(table), tf.cast(x, tf.int32) + 128)
    step = 2.0**-op.dec
    out = step if op.fixed_dec is None else 2.0**-op.fixed_dec
    return with_gradient_of(exact, _smooth(op, x * step) / out)


def _smooth(op: QActivation, x: Any) -> Any:
    """Return the activation of real values."""
    match op.kind:
        case ActivationKind.RELU:
            return tf.nn.relu(x)
        case ActivationKind.LEAKY_RELU | ActivationKind.ADV_RELU:
            y = tf.where(x > op.threshold, x, op.negative_slope * (x - op.threshold))
            return y if op.max_value is None else tf.minimum(y, op.max_value)
        case ActivationKind.TANH:
            return tf.tanh(x)
        case ActivationKind.SIGMOID:
            return tf.sigmoid(x)
        case ActivationKind.HARD_TANH:
            return tf.clip_by_value(x, -1.0, 1.0)
        case ActivationKind.HARD_SIGMOID:
            return tf.clip_by_value(0.2 * x + 0.5, 0.0, 1.0)
        case never:
            assert_never(never)
