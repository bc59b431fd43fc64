"""Integer weights and biases fitted to the data that the layers will meet.

Layer after layer, in the order of execution, on what the quantised layers before really give:

1. Weights and bias move to where the layer comes closest to its float output, by least squares that
   hold on to the float weights. This makes up for errors made before.
2. They are rounded one after another, the bias first, and what one rounding does to the layer's
   sums those still left undo as far as inputs go together (Frantar et al. 2023, GPTQ, algorithm 1).
   A bias of eight bits is the coarsest of all these numbers.
3. The bias takes up what mean error is left behind the activation (Nagel et al. 2019, 4.2).
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nnom_hil.model.float_rnn import trace_rnn
from nnom_hil.model.float_run import activate, as_image
from nnom_hil.model.graph import Activation, ActivationKind, Conv, Dense, FloatGraph, Rnn
from nnom_hil.model.qgraph import Int8, QConv, QDense, QGraph, QInput, QNode, QRnn
from nnom_hil.model.quantise.numbers import quantise_biases, to_int8
from nnom_hil.model.quantise.statistics import Observed
from nnom_hil.model.reference import run_layer
from nnom_hil.model.windows import output_length, same_pad, windows

__all__ = ["fit_weights", "round_to_data"]

FloatArray = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
_ROWS = 8192  # positions of a layer's input that are looked at; second moments settle early
_DAMPING = 0.01  # of the mean second moment: inputs that never vary decide nothing
_HOLD = 0.3  # of the mean second moment: how much least squares hold on to the float weights
_MOST_INPUTS = 2048  # beyond, the moments of a layer's inputs take too long
_RELUS = {ActivationKind.RELU, ActivationKind.ADV_RELU}


def fit_weights(graph: FloatGraph, quantised: QGraph, data: Observed) -> QGraph:
    """Return the quantised graph with fitted weights and biases; formats of weights stay.

    graph: the float graph that was quantised; data: what it does on calibration inputs.
    """
    floats = {node.name: node.op for node in graph.nodes}
    decs = quantised.library_decs(compat=False)
    results: dict[str, Int8] = {}
    nodes = []
    for node in quantised.nodes:
        if isinstance(node.op, QInput):
            results[node.name] = to_int8(data.values(node.name), node.dec).reshape(-1, *node.shape)
            nodes.append(node)
            continue
        sources = [results[name] for name in node.inputs]
        in_decs = [decs[name] for name in node.inputs]
        op, old = floats.get(node.name), node.op
        in_dec = quantised.by_name[node.inputs[0]].dec
        given = (sources[0] * 2.0**-in_dec).astype(np.float32)
        if isinstance(op, Rnn) and isinstance(old, QRnn):
            node = replace(node, op=_rounded_cell(op, old, given))  # noqa: PLW2901
        elif isinstance(op, Conv | Dense) and isinstance(old, QConv | QDense):
            tail = floats[node.tail_name] if node.tail_name else None
            layer = _layer(op, given, data, node, tail if isinstance(tail, Activation) else None)
            if layer is not None:
                fitted = _fitted(layer, op, old, in_dec)
            else:
                got = run_layer(node, sources, in_decs, compat=False)
                fitted = _without_mean_error(node, old, op, got, data)
            node = replace(node, op=fitted)  # noqa: PLW2901
        results[node.name] = run_layer(node, sources, in_decs, compat=False)
        nodes.append(node)
    return QGraph(name=quantised.name, nodes=tuple(nodes))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    """A layer as sums of products, in groups that share their inputs: one, or one a channel.

    inputs: (groups, rows, 1 + taps), the first column ones, for the bias. weights: (groups, sums,
    1 + taps). target, behind: (groups, sums, rows), the float layer's output before and behind its
    tail. dec: fraction bits of the result.
    """

    inputs: Float64
    weights: Float64
    target: Float64
    behind: Float64
    tail: Activation | None
    dec: int


def _layer(
    op: Conv | Dense, given: FloatArray, data: Observed, node: QNode, tail: Activation | None
) -> _Layer | None:
    """Return the layer on what it is given (n, *shape); None for those that are not fitted."""
    units = op.bias.size
    picked: slice | npt.NDArray[np.intp] = slice(None)
    if isinstance(op, Dense):
        rows = given.reshape(1, len(given), -1)
        weights = op.kernel.T[np.newaxis]
    elif op.transposed:
        return None
    else:
        view, picked = _windows_of(op, np.asarray(as_image(given), np.float32))
        taps, channels = op.kernel.shape[0] * op.kernel.shape[1], op.kernel.shape[2]
        if op.depthwise:
            rows = view.reshape(len(picked), taps, channels).transpose(2, 0, 1)
            weights = op.kernel.reshape(taps, channels, -1).transpose(1, 2, 0)
        else:
            rows = view.reshape(1, len(picked), -1)
            weights = op.kernel.reshape(-1, units).T[np.newaxis]
    groups = len(weights)
    if rows.shape[-1] > _MOST_INPUTS:
        return None

    def grouped(values: FloatArray) -> Float64:
        return values.reshape(len(values), groups, -1).transpose(1, 2, 0).astype(np.float64)

    bias = op.bias.reshape(groups, -1, 1)
    ones = np.ones((*rows.shape[:2], 1), np.float32)
    return _Layer(
        inputs=np.concatenate([ones, rows], axis=2).astype(np.float64),
        weights=np.concatenate([bias, weights], axis=2).astype(np.float64),
        target=grouped(data.channels(node.name, picked)),
        behind=grouped(data.channels(node.tail_name or node.name, picked)),
        tail=tail,
        dec=node.dec if node.tail is None else node.tail.dec,  # a table's result has others
    )


def _windows_of(op: Conv, image: FloatArray) -> tuple[FloatArray, npt.NDArray[np.intp]]:
    """Return some of the windows that a kernel sees (rows, kh, kw, channels), and which."""
    kernel = (op.kernel.shape[0], op.kernel.shape[1])
    rows, columns = (
        output_length(image.shape[1 + i], kernel[i], op.padding, op.stride[i], op.dilation[i])
        for i in (0, 1)
    )
    pad = same_pad(image.shape[1:], kernel, op.padding, op.stride, op.dilation)
    view = windows(image, kernel, op.stride, op.dilation, pad, (rows, columns), fill=op.pad)
    total = len(image) * rows * columns
    picked = np.arange(total)
    if total > _ROWS:  # not every nth, which could be one column of the image
        picked = np.sort(np.random.default_rng(0).choice(total, _ROWS, replace=False))
    # only those taken are copied: all of them would be many times the image
    return view[picked // (rows * columns), picked // columns % rows, picked % columns], picked


def _fitted(layer: _Layer, op: Conv | Dense, old: QConv | QDense, in_dec: int) -> QConv | QDense:
    rows = layer.inputs.shape[1]
    moments = np.stack([x.T @ x for x in layer.inputs]) / rows
    power = np.einsum("gii->gi", moments)[:, 1:]
    hold = power.mean(axis=1)[:, np.newaxis]
    wanted = _least_squares(layer, moments, hold)
    groups, sums = wanted.shape[:2]
    decs = np.resize(np.array(old.weight_dec), groups * sums).reshape(groups, sums)
    product_decs = tuple(in_dec + dec for dec in old.weight_dec)
    bias, bias_dec, _ = quantise_biases(wanted[..., 0].ravel(), product_decs)
    start = bias.astype(np.float64) * np.exp2(-np.array(bias_dec, np.float64))
    start = start.reshape(groups, sums)
    codes = np.stack(
        [
            _round_in_order(
                wanted[g], start[g], np.exp2(decs[g].astype(float)), moments[g], hold[g]
            )
            for g in range(groups)
        ]
    )
    weights = codes * np.exp2(-decs.astype(np.float64))[..., np.newaxis]
    mean = _mean_error(layer, weights, start)
    values, bias_dec, bias_shift = quantise_biases((start + mean).ravel(), product_decs)
    return replace(
        old,
        weight=_as_weight(codes.astype(np.int8), op),
        bias=values,
        bias_dec=bias_dec,
        bias_shift=bias_shift,
    )


def _least_squares(layer: _Layer, moments: Float64, hold: Float64) -> Float64:
    """Return the weights that come closest to the target, near the float ones."""
    got = layer.weights @ layer.inputs.transpose(0, 2, 1)
    error = layer.target - got
    if layer.tail is not None and layer.tail.kind in _RELUS and not layer.tail.negative_slope:
        floor = layer.tail.floor
        error[(layer.target < floor) & (got < floor)] = 0  # a ReLU cuts both off
    ends = np.array([-128, 127]) * 2.0**-layer.dec
    error[(layer.target > ends[1]) & (got > ends[1])] = 0  # so does the format
    error[(layer.target < ends[0]) & (got < ends[0])] = 0
    slope = error @ layer.inputs / layer.inputs.shape[1]
    held = np.concatenate([1e-9 + 0 * hold, np.repeat(_HOLD * hold, moments.shape[1] - 1, 1)], 1)
    held = held[..., np.newaxis] * np.eye(moments.shape[1]) + 1e-12 * np.eye(moments.shape[1])
    step: Float64 = np.linalg.solve(moments + held, slope.transpose(0, 2, 1)).transpose(0, 2, 1)
    return layer.weights + step


def _round_in_order(
    wanted: Float64, bias: Float64, scale: Float64, moments: Float64, hold: Float64
) -> Float64:
    """Return a group's weights (sums, taps) as whole numbers, for a bias that is decided.

    wanted: (sums, 1 + taps); scale: of each sum's weights; moments: (1 + taps, 1 + taps).
    """
    order = np.concatenate([[0], 1 + np.argsort(-np.diag(moments)[1:], kind="stable")])
    damped = moments + np.diag(np.concatenate([[0.0], np.repeat(_DAMPING * hold, len(order) - 1)]))
    upper = _makes_up(damped[np.ix_(order, order)])
    left = wanted[:, order].copy()
    codes = np.empty_like(left)
    for i, makes_up in enumerate(upper):
        if i == 0:
            decided = bias
        else:
            codes[:, i] = np.clip(np.round(left[:, i] * scale), -128, 127)
            decided = codes[:, i] / scale
        error = (left[:, i] - decided) / makes_up[i]
        left[:, i + 1 :] -= np.outer(error, makes_up[i + 1 :])
    result = np.empty_like(codes)
    result[:, order] = codes
    return result[:, 1:]


def _makes_up(moments: Float64) -> Float64:
    """Return (inputs, inputs): row i tells how much later weights make up for one in i."""
    inverse = np.linalg.inv(moments + 1e-9 * np.eye(len(moments)))
    upper: Float64 = np.linalg.cholesky(inverse).T
    return upper


def _mean_error(layer: _Layer, weights: Float64, bias: Float64) -> Float64:
    """Return what the sums lack on average, (groups, sums), measured behind the tail."""
    got = weights @ layer.inputs[..., 1:].transpose(0, 2, 1) + bias[..., np.newaxis]
    step = 2.0**-layer.dec
    got = np.clip(np.floor(got / step + 0.5), -128, 127) * step
    exact = np.clip(layer.behind, -128 * step, 127 * step)
    if layer.tail is not None:
        got = np.asarray(activate(layer.tail, got.astype(np.float32)), np.float64)
        if layer.tail.kind not in _RELUS:
            exact = layer.behind
    mean: Float64 = np.mean(exact - got, axis=2)
    return mean


def _as_weight(codes: Int8, op: Conv | Dense) -> Int8:
    """Return codes (groups, sums, taps) in the order of the quantised layer's weights."""
    first: Int8 = codes[0]
    if isinstance(op, Dense):
        return first
    if op.depthwise:
        return np.ascontiguousarray(codes.transpose(2, 0, 1)).reshape(op.kernel.shape)
    return first.reshape(op.channels_out, *op.kernel.shape[:3])


def _without_mean_error(
    node: QNode, old: QConv | QDense, op: Conv | Dense, got: Int8, data: Observed
) -> QConv | QDense:
    """Return a layer that was rounded as it was, its bias corrected by what came out of it."""
    step = 2.0**-node.dec
    exact = data.channels(node.tail_name or node.name)
    codes = got.reshape(-1, op.bias.size)
    error = np.mean(np.clip(exact, -128 * step, 127 * step) - codes * step, axis=0)
    product_decs = tuple(b + s for b, s in zip(old.bias_dec, old.bias_shift, strict=True))
    bias, bias_dec, bias_shift = quantise_biases(op.bias + error, product_decs)
    return replace(old, bias=bias, bias_dec=bias_dec, bias_shift=bias_shift)


def _rounded_cell(op: Rnn, old: QRnn, given: FloatArray) -> QRnn:
    """Return a recurrent layer whose weights are rounded for its inputs (n, steps, features)."""
    given = given.reshape(len(given), *given.shape[-2:])
    pairs = (
        (op.kernel, old.weight_dec, given.reshape(-1, given.shape[-1])),
        (op.recurrent, old.recurrent_dec, trace_rnn(op, given).state),
    )
    weight, recurrent = (
        round_to_data(kernel.T * 2.0**dec, rows[:: max(1, len(rows) // _ROWS)])
        for kernel, dec, rows in pairs
    )
    return replace(old, weight=weight, recurrent=recurrent)


def round_to_data(weight: npt.NDArray[np.floating], inputs: npt.NDArray[np.floating]) -> Int8:
    """Return weights (rows, inputs), already scaled to whole numbers, rounded and saturated.

    inputs: (n, inputs), what every row is multiplied with.
    """
    if inputs.shape[1] > _MOST_INPUTS:
        return to_int8(weight, 0)
    values = inputs.astype(np.float64)
    with_bias = np.concatenate([np.zeros((len(weight), 1)), weight], axis=1)
    moments = np.zeros((1 + values.shape[1],) * 2)
    moments[0, 0] = 1.0
    moments[1:, 1:] = values.T @ values / len(values)
    hold = np.atleast_1d(np.diag(moments)[1:].mean())
    nothing, one = np.zeros(len(weight)), np.ones(len(weight))
    return _round_in_order(with_bias, nothing, one, moments, hold).astype(np.int8)
