"""From a float graph with formats to the quantised graph: integer weights, biases and shifts."""

from dataclasses import dataclass, replace
from typing import assert_never

import numpy as np
import numpy.typing as npt

from nnom_hil.errors import ModelError
from nnom_hil.model.assemble import make_qgraph
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
    FloatGraph,
    FloatNode,
    GlobalPool,
    Input,
    MergeKind,
    Padding,
    Pool,
    Requantise,
    Reshape,
    Rnn,
    Softmax,
    UpSample,
    ZeroPadding,
    unused_name,
)
from nnom_hil.model.qgraph import (
    Concat,
    Copy,
    Int8,
    Merge,
    QActivation,
    QConv,
    QDense,
    QGraph,
    QInput,
    QNode,
    QOp,
    QOutput,
    QRnn,
    QSoftmax,
    in_run_order,
)
from nnom_hil.model.quantise.formats import readers_of, tail_of
from nnom_hil.model.quantise.numbers import (
    dec_bits,
    dec_bits_of,
    mse_dec_bits,
    quantise_biases,
    to_int8,
)
from nnom_hil.model.quantise.options import QuantiseOptions
from nnom_hil.model.quantise.statistics import Extremes
from nnom_hil.model.simplify import narrowed

__all__ = ["WeightDecs", "lower", "weight_decs"]

FloatArray = npt.NDArray[np.float32]
WeightDecs = dict[str, tuple[int, ...]]
_MAX_LEFT_SHIFT = 22  # |bias| << 22 leaves room for the products in 32 bits
_MAX_RNN_LEFT_SHIFT = 14  # the cells shift by eight more


def weight_decs(graph: FloatGraph, options: QuantiseOptions) -> WeightDecs:
    """Return the fraction bits of every convolution's and dense layer's weights.

    One entry, or one per output channel. Weights so small beside their bias that 32 bits cannot
    hold both in one sum get fewer.
    """
    choose = mse_dec_bits if options.rescales else dec_bits
    result: WeightDecs = {}
    for node in graph.nodes:
        op = node.op
        if isinstance(op, Conv | Dense):
            columns = op.kernel.reshape(-1, op.bias.size)  # depthwise kernels too
            # NNoM's own methods make what its own library has
            ours = isinstance(op, Conv) or (options.rescales and not options.nnom_only)
            parts = columns.T if options.per_channel and ours else [op.kernel]
            result[node.name] = tuple(choose(part) for part in parts)
    return result


@dataclass(frozen=True, slots=True)
class _Layer:
    name: str
    op: QOp
    inputs: tuple[str, ...]
    tail: QActivation | None = None
    tail_name: str = ""


def lower(
    graph: FloatGraph,
    decs: dict[str, int],
    weights: WeightDecs,
    found: dict[str, Extremes],
    options: QuantiseOptions,
) -> QGraph:
    """Return the quantised graph, its weights rounded each to its nearest.

    decs: every node's output format, found: its extremes.
    """
    readers = readers_of(graph)
    layers: list[_Layer] = []
    produced: dict[str, str] = {}  # float node -> the quantised layer with its values
    names = {node.name for node in graph.nodes}
    widened: dict[tuple[str, int], str] = {}

    def shapes() -> QGraph:
        return make_qgraph(graph.name, [_row(layer) for layer in layers])

    for node in graph.nodes:
        if node.name in produced:  # the tail of the layer before it
            continue
        sources = tuple(produced[name] for name in node.inputs)
        in_decs = [decs[name] for name in node.inputs]
        if len(sources) > 1:
            sources = _of_one_rank(layers, sources, shapes(), names, widened)
        op: QOp
        if isinstance(node.op, Requantise):
            channels = shapes().by_name[sources[0]].shape[-1]
            op = _requantise(channels, in_decs[0], decs[node.name])
        elif isinstance(node.op, Concatenate):
            # counted from the end, because NNoM's layers differ in whether they keep axes of 1
            op = Concat(axis=len(shapes().by_name[sources[0]].shape) + node.op.axis)
        else:
            op = _operation(node, in_decs, decs[node.name], weights, found, options)
        tail = tail_of(node, readers)
        if tail is not None and _takes_tail(op):
            assert isinstance(tail.op, Activation)
            act = _tail(tail.name, tail.op, decs[node.name])
            layers.append(_Layer(node.name, op, sources, act, tail.name))
            produced[tail.name] = node.name
        else:
            layers.append(_Layer(node.name, op, sources))
        produced[node.name] = node.name
    last = produced[graph.nodes[-1].name]
    layers.append(_Layer(unused_name("output0", names), QOutput(), (last,)))
    return in_run_order(shapes())


def _takes_tail(op: QOp) -> bool:
    """Whether NNoM runs an activation as part of the layer."""
    match op:
        case (
            QConv() | QDense() | Merge() | QRnn() | Pool() | GlobalPool() | ZeroPadding()
            | UpSample()
        ):  # fmt: skip
            return True
        case (
            QInput() | QActivation() | Cropping() | Reshape() | Flatten() | QSoftmax() | Concat()
            | Copy() | QOutput()
        ):  # fmt: skip
            return False
        case never:
            assert_never(never)


def _row(layer: _Layer) -> tuple[str, QOp, tuple[str, ...], QActivation | None, str]:
    return layer.name, layer.op, layer.inputs, layer.tail, layer.tail_name


def _of_one_rank(
    layers: list[_Layer],
    sources: tuple[str, ...],
    known: QGraph,
    names: set[str],
    widened: dict[tuple[str, int], str],
) -> tuple[str, ...]:
    """Give merged data one number of axes: NNoM's layers differ in whether they keep axes of 1.

    widened: the reshapes made so far, by what they read and their axes.
    """
    nodes: list[QNode] = [known.by_name[name] for name in sources]
    rank = max(len(node.shape) for node in nodes)
    for node in nodes:
        if len(node.shape) < rank and (node.name, rank) not in widened:
            name = widened[node.name, rank] = unused_name(f"{node.name}_axes", names)
            names.add(name)
            shape = (1,) * (rank - len(node.shape)) + node.shape
            layers.append(_Layer(name, Reshape(shape=shape), (node.name,)))
    return tuple(n.name if len(n.shape) == rank else widened[n.name, rank] for n in nodes)


def _operation(
    node: FloatNode,
    in_decs: list[int],
    out_dec: int,
    weights: WeightDecs,
    found: dict[str, Extremes],
    options: QuantiseOptions,
) -> QOp:
    match node.op:
        case Input() as op:
            return _input(op, out_dec)
        case Conv() as op:
            return _conv(op, in_decs[0], out_dec, weights[node.name])
        case Dense() as op:
            return _dense(op, in_decs[0], out_dec, weights[node.name])
        case Activation() as op:
            return _activation(node.name, op, in_decs[0])
        case Softmax():
            return QSoftmax(base_two=options.portable)
        case Combine() as op:
            total = sum(in_decs) if op.kind is MergeKind.MULT else in_decs[0]
            shift = total - out_dec + op.halvings
            return Merge(kind=op.kind, output_shift=shift, halvings=op.halvings)
        case Rnn() as op:
            return _rnn(op, in_decs[0], found[node.name].inside, options)
        case Pool() | GlobalPool() as op:
            return replace(op, output_shift=out_dec - in_decs[0], gain=1.0)
        case Affine() | Requantise() | Concatenate():
            raise AssertionError(f"{node.name}: simplify() leaves none, lower() has the others")
        case ZeroPadding() | Cropping() | UpSample() | Reshape() | Flatten() as op:
            return op
        case never:
            assert_never(never)


def _input(op: Input, dec: int) -> QInput:
    if op.scale is None or op.offset is None:
        return QInput(shape=op.shape, dec=dec, scale=(2.0**dec,))
    scale, offset = narrowed(*(np.broadcast_to(v, op.shape) for v in (op.scale, op.offset)))
    return QInput(
        shape=op.shape,
        dec=dec,
        centre=_float32s(-offset / scale),
        scale=_float32s(scale * 2.0**dec),
    )


def _float32s(values: npt.NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(v) for v in values.astype(np.float32).ravel())


def _tail(name: str, op: Activation, dec: int) -> QActivation | None:
    """Return the activation of a layer's result; None where saturation is all there is to do."""
    if not op.floor:
        return _activation(name, op, dec)
    if op.floor != -(2.0 ** (7 - dec)):
        raise ModelError(f"{name} (ReLU): {dec} fraction bits do not end at {op.floor:g}")
    return None


def _activation(name: str, op: Activation, dec: int) -> QActivation:
    """Return the integer activation; raises ModelError where its result would overflow."""
    # (x - threshold) slope / 128 is cut to eight bits, in NNoM and here
    reach = 128 + min(op.threshold * 2.0**dec, 127)
    if op.kind is ActivationKind.ADV_RELU and reach * abs(op.negative_slope) > 128:
        raise ModelError(
            f"{name} (ReLU): below threshold {op.threshold:g} a slope of {op.negative_slope:g} "
            "overflows eight bits; use a smaller threshold or slope"
        )
    kind = op.kind
    plain = kind is ActivationKind.ADV_RELU and op.threshold == op.negative_slope == 0
    if plain and op.max_value is not None and op.max_value * 2.0**dec >= 127:
        return QActivation(kind=ActivationKind.RELU, dec=dec)  # the format's end is the limit
    return QActivation(
        kind=kind,
        dec=dec,
        negative_slope=op.negative_slope,
        max_value=op.max_value,
        threshold=op.threshold,
    )


def _fitting(op: Conv | Dense, decs: tuple[int, ...], in_dec: int, out_dec: int) -> tuple[int, ...]:
    """Return weight decs that keep both shifts where 32 bits hold the sums."""
    one = len(decs) == 1
    result = []
    for c, dec in enumerate(decs):
        bias = op.bias if one else op.bias[c : c + 1]
        limit = out_dec - in_dec + _MAX_LEFT_SHIFT
        if bias.any():
            limit = min(limit, dec_bits(bias) - in_dec + _MAX_LEFT_SHIFT)
        # not coarser than the result: that would be a left shift, which there is not
        result.append(max(min(dec, limit), out_dec - in_dec))
    return tuple(result)


def _conv(op: Conv, in_dec: int, out_dec: int, chosen: tuple[int, ...]) -> QConv:
    decs = _fitting(op, chosen, in_dec, out_dec)
    bias, bias_dec, bias_shift = quantise_biases(op.bias, tuple(in_dec + dec for dec in decs))
    columns = op.kernel.reshape(-1, op.channels_out)  # depthwise kernels too
    codes = to_int8(columns, np.array(decs))
    if op.depthwise:
        weight = codes.reshape(op.kernel.shape)
    else:
        weight = np.ascontiguousarray(codes.T).reshape(op.channels_out, *op.kernel.shape[:3])
    return QConv(
        weight=weight,
        bias=bias,
        weight_dec=decs,
        bias_dec=bias_dec,
        output_shift=tuple(in_dec + dec - out_dec for dec in decs),
        bias_shift=bias_shift,
        stride=op.stride,
        dilation=op.dilation,
        padding=op.padding,
        depthwise=op.depthwise,
        dims=op.dims,
        transposed=op.transposed,
        pad_value=int(to_int8(np.array(op.pad), in_dec)),
    )


def _dense(op: Dense, in_dec: int, out_dec: int, chosen: tuple[int, ...]) -> QDense:
    decs = _fitting(op, chosen, in_dec, out_dec)
    bias, bias_dec, bias_shift = quantise_biases(op.bias, tuple(in_dec + dec for dec in decs))
    return QDense(
        weight=np.ascontiguousarray(to_int8(op.kernel, np.array(decs)).T),
        bias=bias,
        weight_dec=decs,
        bias_dec=bias_dec,
        output_shift=tuple(in_dec + dec - out_dec for dec in decs),
        bias_shift=bias_shift,
    )


def _requantise(channels: int, in_dec: int, out_dec: int) -> QConv:
    """Return a depthwise convolution by 1 that changes the format."""
    return QConv(
        weight=np.ones((1, 1, channels, 1), np.int8),
        bias=np.zeros(channels, np.int8),
        weight_dec=(0,),
        bias_dec=(in_dec,),
        output_shift=(in_dec - out_dec,),
        bias_shift=(0,),
        stride=(1, 1),
        dilation=(1, 1),
        padding=Padding.VALID,
        depthwise=True,
        dims=2,
    )


def _rnn(
    op: Rnn,
    in_dec: int,
    inside: dict[str, float],
    options: QuantiseOptions,
) -> QRnn:
    weight_dec, recurrent_dec = dec_bits(op.kernel), dec_bits(op.recurrent)
    if options.portable and op.kind is CellKind.GRU:
        # NNoM shifts both biases alike, so both products get one format
        common = min(in_dec + weight_dec, 7 + recurrent_dec)
        weight_dec, recurrent_dec = common - in_dec, common - 7
    products, state_products = in_dec + weight_dec, 7 + recurrent_dec
    x_dec, h_dec = dec_bits_of(inside["from_x"]), dec_bits_of(inside["from_h"])
    finest = min(products, state_products)
    z_dec, c_dec, sums = 0, 0, 0
    if op.kind is CellKind.SIMPLE:
        widest = max(dec_bits_of(inside["sums"]), 4)  # beyond 8 the tables end
        x_dec, h_dec = min(x_dec, products, widest), min(h_dec, state_products)
        if options.portable:
            x_dec, h_dec = (min(max(d, 4), 7) for d in (x_dec, h_dec))
        sums = min(x_dec, h_dec)
    else:
        # the sum is clamped by the tables at 8, but its parts must not saturate before
        z_dec = min(x_dec, h_dec, max(dec_bits_of(inside["sums"]), 4), 7)
        z_dec = min(max(z_dec, 4 if options.portable else 0), finest)
        sums = z_dec
    if op.kind is CellKind.LSTM:
        c_dec = min(max(dec_bits_of(inside["cell"]), 4 if options.portable else 0), 7)
    if not finest - sums >= 0 or max(products, state_products) - sums > 30:
        raise ModelError(
            f"recurrent layer: products of {products} and {state_products} fraction bits cannot be "
            f"added in {sums}; scale its input"
        )
    bias_dec = products
    if op.bias is not None:
        least = max(products, state_products if op.bias.ndim == 2 else 0) - _MAX_RNN_LEFT_SHIFT
        bias_dec = max(min(dec_bits(op.bias), products), least)
    return QRnn(
        kind=op.kind,
        weight=to_int8(op.kernel.T, weight_dec),
        recurrent=to_int8(op.recurrent.T, recurrent_dec),
        bias=_rnn_bias(op, bias_dec),
        weight_dec=weight_dec,
        recurrent_dec=recurrent_dec,
        bias_dec=bias_dec,
        h_dec=7,
        z_dec=z_dec,
        c_dec=c_dec,
        input_product_dec=x_dec if op.kind is CellKind.SIMPLE else 0,
        state_product_dec=h_dec if op.kind is CellKind.SIMPLE else 0,
        activation=op.activation,
        return_sequence=op.return_sequence,
        stateful=op.stateful,
        go_backwards=op.go_backwards,
        time_order=op.time_order,
    )


def _rnn_bias(op: Rnn, dec: int) -> Int8 | None:
    if op.bias is not None:
        return to_int8(op.bias, dec)
    if op.kind is CellKind.GRU and not op.reset_after:
        # without a bias NNoM's cell is the other form
        return np.zeros(op.kernel.shape[1], np.int8)
    return None
