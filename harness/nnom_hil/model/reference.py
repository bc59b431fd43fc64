"""Bit-exact execution of a quantised graph in NumPy: the right answer exists before any C runs.

Every formula is NNOM_COMPAT.md section 3's. compat=True gives NNoM 0.4.3's own int8 outputs,
compat=False the right ones; docs/numerics.md lists the differences.
"""

from typing import assert_never, cast

import numpy as np
import numpy.typing as npt

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
from nnom_hil.model.reference_rnn import look_up, run_rnn
from nnom_hil.model.reference_softmax import softmax, softmax_base_two
from nnom_hil.model.windows import depthwise_products, same_pad, window_products, windows

__all__ = ["layer_sums", "run_all_layers", "run_layer", "run_reference", "run_tail"]

Int64 = npt.NDArray[np.int64] | np.int64
_CHUNK = 128
_EXACT_IN_32 = 1 << 24  # beyond, float32 skips whole numbers; half of what int32 adds up


def run_reference(graph: QGraph, x: Int8, *, compat: bool = False) -> Int8:
    """Return the outputs (n, outputs) for inputs x (n, *input shape)."""
    chunk = max(len(x), 1) if graph.is_stateful else _CHUNK
    chunks = [
        run_all_layers(graph, x[i : i + chunk], compat=compat)[graph.output.name]
        for i in range(0, len(x), chunk)
    ]
    return np.concatenate([y.reshape(len(y), -1) for y in chunks])


def run_all_layers(graph: QGraph, x: Int8, *, compat: bool = False) -> dict[str, Int8]:
    """Return every layer's output (n, *layer shape), after its tail, by layer name.

    The n inputs are n consecutive runs: stateful layers carry their state from one to the next.
    """
    results: dict[str, Int8] = {}
    library_decs = graph.library_decs(compat=compat)
    for node in graph.nodes:
        if isinstance(node.op, QInput):
            results[node.name] = x.reshape(len(x), *node.shape)
            continue
        sources = [results[i] for i in node.inputs]
        decs = [library_decs[i] for i in node.inputs]
        results[node.name] = run_layer(node, sources, decs, compat=compat)
    return results


def run_layer(node: QNode, sources: list[Int8], decs: list[int], *, compat: bool) -> Int8:
    """Return one layer's output (n, *layer shape), after its tail.

    sources, decs: what its inputs hold, and their fraction bits as the library has them.
    """
    y = _run(node, sources, decs[0], compat=compat).reshape(len(sources[0]), *node.shape)
    return run_tail(node, y, decs, compat=compat)


def run_tail(node: QNode, y: Int8, decs: list[int], *, compat: bool) -> Int8:
    """Return what a layer's tail makes of y (n, *layer shape); decs as in run_layer."""
    if node.tail is None:
        return y
    # a tail that looks at the format leaves it as it is
    dec = _nnoms_dec(node, decs) if compat else node.dec
    return _activation(node.tail, y, dec, compat=compat)


def layer_sums(
    node: QNode, sources: list[Int8], *, compat: bool, pad: tuple[int, int] | None = None
) -> tuple[npt.NDArray[np.int64], Int64, Int64]:
    """Return what a layer that ends in a shift adds up: products (n, *shape), bias and shift.

    Its result, in front of the tail, is sat8((products + bias + round(shift)) >> shift); bias and
    shift broadcast over the channels. pad: rows and columns in front of the image, where they are
    not those of the layer's own padding. Raises TypeError for a layer that ends otherwise.
    """
    x, op = sources[0], node.op
    if isinstance(op, Merge):
        total = _merged(op, sources).reshape(len(x), *node.shape)
        return total, np.int64(0), np.int64(op.output_shift)
    if isinstance(op, QDense):
        flat = x.reshape(len(x), -1).astype(np.float64)
        products: npt.NDArray[np.floating] = flat @ op.weight.T.astype(np.float64)
    elif not isinstance(op, QConv):
        raise TypeError(f"{node.name} does not end in a shift")
    elif op.transposed:
        products = _transposed_products(op, _image(x), node.shape)
    else:
        products = _conv_products(op, _image(x), node.shape, pad, compat=compat)
    sums = products.astype(np.int64).reshape(len(x), *node.shape)
    return sums, _bias(op, compat=compat), np.array(op.output_shift, dtype=np.int64)


def _bias(op: QConv | QDense, *, compat: bool) -> Int64:
    """Return what is added to a layer's products, by channel."""
    if op.bias is None:
        return np.int64(0)
    bias = op.bias.astype(np.int64)
    units = len(bias)
    if isinstance(op, QDense) and compat and units % 4 and not op.is_per_unit:
        # the rows left over after groups of four start again at bias[0]
        bias = np.concatenate([bias[: units - units % 4], bias[: units % 4]])
    return np.asarray(bias << np.array(op.bias_shift))


def _nnoms_dec(node: QNode, decs: list[int]) -> int:
    """Return the format in front of the tail as NNoM has it."""
    match node.op:
        case QConv() | QDense() as op:
            return decs[0] + op.weight_dec[0] - op.output_shift[0]
        case QSoftmax() | QRnn():
            return 7
        case (
            QInput() | QActivation() | Pool() | GlobalPool() | ZeroPadding() | Cropping()
            | UpSample() | Reshape() | Flatten() | Concat() | Merge() | Copy() | QOutput()
        ):  # fmt: skip
            return decs[0]
        case never:
            assert_never(never)


def _image(x: Int8) -> Int8:
    return x.reshape(len(x), *shape3d(x.shape[1:]))


def _sat8(value: Int64) -> Int8:
    return value.clip(-128, 127).astype(np.int8)


def _round(shift: int | Int64) -> Int64:
    return (np.int64(1) << np.asarray(shift, dtype=np.int64)) >> 1


def _run(node: QNode, sources: list[Int8], dec: int, *, compat: bool) -> Int8:
    x = sources[0]
    match node.op:
        case QConv() as op:
            if op.transposed:
                return _conv_transposed(op, _image(x), node.shape)
            return _conv(op, _image(x), node.shape, compat=compat)
        case QDense() as op:
            return _dense(op, x.reshape(len(x), -1), compat=compat)
        case QActivation() as op:
            return _activation(op, x, dec, compat=compat)
        case Pool() as op:
            return _pool(op, _image(x), node.shape, compat=compat)
        case GlobalPool() as op:
            image = _image(x)
            if op.kind is PoolKind.MAX:
                return np.asarray(image.max(axis=(1, 2)), dtype=np.int8)
            cells = np.int64(image.shape[1] * image.shape[2])
            sums = image.astype(np.int64).sum(axis=(1, 2))
            if op.kind is PoolKind.SUM:
                return _narrow_sums(sums)
            return _divide(sums, _divisor(cells, op.output_shift), compat=compat)
        case ZeroPadding() as op:
            top, bottom, left, right = op.border
            return np.pad(_image(x), ((0, 0), (top, bottom), (left, right), (0, 0)))
        case Cropping() as op:
            top, bottom, left, right = op.border
            image = _image(x)
            return image[:, top : image.shape[1] - bottom, left : image.shape[2] - right]
        case UpSample() as op:
            return _image(x).repeat(op.factor[0], axis=1).repeat(op.factor[1], axis=2)
        case QSoftmax() as op:
            values = x.reshape(len(x), -1)
            base_two = compat or op.base_two
            return _sat8(softmax_base_two(values) if base_two else softmax(values, dec))
        case Concat() as op:
            return np.concatenate(sources, axis=op.axis + 1)
        case Merge() as op:
            return _merge(op, sources)
        case QRnn() as op:
            return run_rnn(op, x.reshape(len(x), *x.shape[-2:]), dec, compat=compat)
        case Reshape() | Flatten() | Copy() | QInput() | QOutput():
            return x
        case never:
            assert_never(never)


def _finish(products: npt.NDArray[np.floating], bias: Int64, shift: int | Int64) -> Int8:
    start = np.asarray(bias + _round(shift))
    if products.dtype == np.float32 and np.abs(start).max(initial=0) < _EXACT_IN_32:
        sums = products.astype(np.int32)
        sums += start.astype(np.int32)
        sums >>= np.asarray(shift).astype(np.int32)
        return np.clip(sums, -128, 127, out=sums).astype(np.int8)
    return _sat8((products.astype(np.int64) + bias + _round(shift)) >> shift)


def _exact_type(taps: int) -> type[np.floating]:
    """Return the type in which sums of so many products of int8 are whole numbers without loss."""
    return np.float32 if taps * 128 * 128 < _EXACT_IN_32 else np.float64


def _conv(op: QConv, x: Int8, shape: tuple[int, ...], *, compat: bool) -> Int8:
    sums = _conv_products(op, x, shape, compat=compat)
    return _finish(sums, _bias(op, compat=compat), np.array(op.output_shift, dtype=np.int64))


def _conv_products(
    op: QConv,
    x: Int8,
    shape: tuple[int, ...],
    pad: tuple[int, int] | None = None,
    *,
    compat: bool,
) -> npt.NDArray[np.floating]:
    if pad is None:
        pad = same_pad(x.shape[1:], op.kernel, op.padding, op.stride, op.dilation, compat=compat)
    kh, kw = op.kernel
    exact = _exact_type(kh * kw * (1 if op.depthwise else x.shape[-1]))
    view = windows(
        x.astype(exact),
        op.kernel,
        op.stride,
        op.dilation,
        pad,
        (shape[0], shape[1]),
        fill=op.pad_value,
    )
    weight = op.weight.astype(exact)
    if op.depthwise:
        return depthwise_products(view, weight)
    return window_products(view, np.ascontiguousarray(np.moveaxis(weight, 0, -1)))


def _conv_transposed(op: QConv, x: Int8, shape: tuple[int, ...]) -> Int8:
    products = _transposed_products(op, x, shape)
    return _finish(products, _bias(op, compat=False), np.array(op.output_shift, dtype=np.int64))


def _transposed_products(op: QConv, x: Int8, shape: tuple[int, ...]) -> npt.NDArray[np.floating]:
    """Keras' Conv2DTranspose: each cell adds its multiple of the kernel; SAME cuts the rim."""
    (kh, kw), (sh, sw), (dh, dw) = op.kernel, op.stride, op.dilation
    n, h, w, _ = x.shape
    pads = [0, 0]
    if op.padding is Padding.SAME:
        reach = ((kh - 1) * dh + 1 - sh, (kw - 1) * dw + 1 - sw)
        pads = [max(r, 0) // 2 for r in reach]
    rows = max((h - 1) * sh + (kh - 1) * dh + 1, shape[0] + pads[0])
    columns = max((w - 1) * sw + (kw - 1) * dw + 1, shape[1] + pads[1])
    full = np.zeros((n, rows, columns, len(op.weight)), dtype=np.float64)
    cells, weight = x.astype(np.float64), op.weight.astype(np.float64)
    for i in range(kh):
        for j in range(kw):
            part = full[:, i * dh : i * dh + (h - 1) * sh + 1 : sh]
            part[:, :, j * dw : j * dw + (w - 1) * sw + 1 : sw] += cells @ weight[:, i, j].T
    return full[:, pads[0] : pads[0] + shape[0], pads[1] : pads[1] + shape[1]]


def _dense(op: QDense, x: Int8, *, compat: bool) -> Int8:
    exact = _exact_type(x.shape[1])
    products = x.astype(exact) @ op.weight.T.astype(exact)
    return _finish(products, _bias(op, compat=compat), np.array(op.output_shift, dtype=np.int64))


def _divisor(cells: Int64, shift: int) -> Int64:
    """Return what an average divides by; a shift that leaves nothing leaves the sum."""
    return np.maximum(cells >> min(shift, 31), 1)


def _divide(total: Int64, count: Int64, *, compat: bool) -> Int8:
    """Divide toward zero, as C does; NNoM cuts the result to eight bits, which wraps."""
    quotient = np.sign(total) * (np.abs(total) // count)
    return cast(Int8, quotient.astype(np.int8)) if compat else _sat8(quotient)


def _narrow_sums(sums: npt.NDArray[np.int64]) -> Int8:
    """Shift each run's sums right by the smallest s with 127 (1 + s) >= the largest magnitude."""
    largest = np.abs(sums).reshape(len(sums), -1).max(axis=1)
    shift = np.maximum(-(-largest // 127) - 1, 0).reshape(-1, *(1,) * (sums.ndim - 1))
    return _sat8(sums >> np.minimum(shift, 31))


def _pool(op: Pool, x: Int8, shape: tuple[int, ...], *, compat: bool) -> Int8:
    pad = same_pad(x.shape[1:], op.size, op.padding, op.stride, compat=compat)
    out = (shape[0], shape[1])
    if op.kind is PoolKind.MAX:
        view = windows(x, op.size, op.stride, (1, 1), pad, out, fill=-128)
        return cast(Int8, view.max(axis=(3, 4)))
    ones = np.ones((1, *x.shape[1:3], 1), dtype=np.int64)
    sums = windows(x.astype(np.int64), op.size, op.stride, (1, 1), pad, out).sum(axis=(3, 4))
    if op.kind is PoolKind.SUM:
        return _narrow_sums(sums)
    counts = windows(ones, op.size, op.stride, (1, 1), pad, out).sum(axis=(3, 4))
    return _divide(sums, _divisor(counts, op.output_shift), compat=compat)


def _merge(op: Merge, sources: list[Int8]) -> Int8:
    return _sat8((_merged(op, sources) + _round(op.output_shift)) >> op.output_shift)


def _merged(op: Merge, sources: list[Int8]) -> npt.NDArray[np.int64]:
    total = sources[0].astype(np.int64)
    for source in sources[1:]:
        other = source.astype(np.int64)
        match op.kind:
            case MergeKind.ADD:
                total = total + other
            case MergeKind.SUB:
                total = total - other
            case MergeKind.MULT:
                total = (total * other).astype(np.int32).astype(np.int64)  # 32 bits, wrapping
            case never:
                assert_never(never)
    return total


def _activation(op: QActivation, x: Int8, dec: int, *, compat: bool) -> Int8:
    match op.kind:
        case ActivationKind.RELU:
            return np.maximum(x, 0)
        case ActivationKind.LEAKY_RELU:
            scaled = _times_slope(x.astype(np.int64), _q7(op.negative_slope, 7))
            return np.where(x < 0, scaled, x)
        case ActivationKind.ADV_RELU:
            return _adv_relu(op, x, dec, compat=compat)
        case ActivationKind.TANH | ActivationKind.SIGMOID:
            dec = op.dec & 0xFF if compat else op.dec  # kept in a byte
            return look_up(op.kind, x, (7 - dec) & 0xFF if compat else 7 - dec, compat=compat)
        case ActivationKind.HARD_TANH:
            return _hard_tanh(x, _hard_dec(op.dec, compat=compat))
        case ActivationKind.HARD_SIGMOID:
            return _hard_sigmoid(x, _hard_dec(op.dec, compat=compat))


def _q7(value: float, dec: int) -> int:
    """Return value * 2^dec as the C library stores it: float32, toward zero, saturated."""
    return int(np.clip(np.trunc(np.float32(value) * np.float32(2.0) ** dec), -128, 127))


def _times_slope(x: Int64, slope: int) -> Int8:
    product = x * slope
    return cast(Int8, (np.sign(product) * (np.abs(product) // 128)).astype(np.int8))


def _adv_relu(op: QActivation, x: Int8, dec: int, *, compat: bool) -> Int8:
    scale = 7 - dec if compat else dec  # NNoM scales by the integer bits
    limit = 127 if op.max_value is None else _q7(op.max_value, scale)
    threshold = _q7(op.threshold, scale)
    clipped = np.minimum(x, limit).astype(np.int64)
    slope = _q7(op.negative_slope, 7)
    if compat:  # at its threshold a value stays, and the maximum applies below it too
        below = _times_slope(clipped - threshold, slope)
        return np.where(clipped < threshold, below, clipped).astype(np.int8)
    below = _times_slope(x.astype(np.int64) - threshold, slope)
    return np.where(x <= threshold, below, clipped).astype(np.int8)


def _hard_dec(dec: int, *, compat: bool) -> int:
    """Return the fraction bits the library works with: NNoM keeps them in an unsigned byte."""
    return dec & 0xFF if compat else max(dec, 0)


def _hard_sigmoid(x: Int8, dec: int) -> Int8:
    limit = 256 if dec > 7 else int(2.5 * (1 << dec) - 1)
    value = x.astype(np.int64)
    middle = ((value * 26) >> min(dec, 15)) + 64
    return np.where(value <= -limit, 0, np.where(value >= limit, 127, middle)).astype(np.int8)


def _hard_tanh(x: Int8, dec: int) -> Int8:
    if dec == 7:
        return x
    limit = 256 if dec > 7 else 1 << dec
    value = x.astype(np.int64)
    middle = value << (7 - dec) if dec < 7 else value >> min(dec - 7, 7)
    return np.where(value <= -limit, -128, np.where(value >= limit, 127, middle)).astype(np.int8)
