"""Repairs by measurement: logits centred in their format, and biases that undo the mean error."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from nnom_hil.model.float_run import run_float
from nnom_hil.model.graph import Conv, Dense, FloatGraph, Softmax
from nnom_hil.model.qgraph import Int8, QConv, QDense, QGraph, QInput, QOp
from nnom_hil.model.quantise.formats import readers_of
from nnom_hil.model.quantise.lower import quantise_bias
from nnom_hil.model.quantise.numbers import dec_bits_of, to_int8
from nnom_hil.model.quantise.statistics import chunks, spread
from nnom_hil.model.reference import run_layer

__all__ = ["centre_logits", "correct_biases", "logit_decs"]

FloatArray = npt.NDArray[np.float32]
_MARGIN = 1.1
_STEPS = 8  # softmax looks at so many steps below the largest value
_SAMPLES = 128  # mean errors settle early


def centre_logits(graph: FloatGraph, x: FloatArray) -> tuple[FloatGraph, dict[str, float]]:
    """Shift what goes into softmax so that the largest values lie around zero.

    Softmax sees differences only, and of those only the last few steps below the largest, so the
    format has to hold the largest logit of every input and nothing else. Return the graph and, by
    layer, the magnitude that must fit.
    """
    readers = readers_of(graph)
    names = [
        node.name
        for node in graph.nodes
        if isinstance(node.op, Conv | Dense)
        and [type(reader.op) for reader in readers[node.name]] == [Softmax]
    ]
    low, high = dict.fromkeys(names, np.inf), dict.fromkeys(names, -np.inf)
    for chunk in chunks(graph, x) if names else ():
        values = run_float(graph, chunk)
        for name in names:
            top = values[name].reshape(len(chunk), -1).max(axis=1)
            low[name], high[name] = min(low[name], top.min()), max(high[name], top.max())
    nodes, magnitudes = [], {}
    for node in graph.nodes:
        op = node.op
        if node.name in names and isinstance(op, Conv | Dense):
            centre, reach = _best_centre(op.bias, low[node.name], high[node.name])
            op = replace(op, bias=(op.bias - centre).astype(np.float32))
            magnitudes[node.name] = reach
        nodes.append(replace(node, op=op))
    return replace(graph, nodes=tuple(nodes)), magnitudes


def _best_centre(bias: FloatArray, low: float, high: float) -> tuple[float, float]:
    """Return what to subtract and the magnitude that must fit then.

    A bias has eight bits too: the further it is moved, the coarser it gets.
    """

    def reach(centre: float) -> float:
        return max(high - centre, centre - low) * _MARGIN * 128 / (127 - _STEPS)

    def error(centre: float) -> float:
        step = 2.0 ** -dec_bits_of(reach(centre))
        bias_step = 2.0 ** -dec_bits_of(float(np.abs(bias - centre).max()))
        return float(step**2 + bias_step**2)

    centre = min(np.linspace(0, (low + high) / 2, 9), key=error)
    return float(centre), float(reach(centre))


def logit_decs(magnitudes: dict[str, float], largest: dict[str, float]) -> dict[str, int]:
    """Return formats for centred logits, at most four bits finer than their range asks for."""
    return {
        name: min(dec_bits_of(m), dec_bits_of(largest[name]) + 4) for name, m in magnitudes.items()
    }


def correct_biases(graph: FloatGraph, quantised: QGraph, x: FloatArray) -> QGraph:
    """Return the quantised graph with biases that undo each channel's mean error on x.

    Layer after layer, with those before it already corrected (Nagel et al. 2019, section 4.2).
    """
    x = x[spread(graph, len(x), _SAMPLES)]
    exact = run_float(graph, x)
    by_name = {node.name: node for node in graph.nodes}
    decs = quantised.library_decs(compat=False)
    results: dict[str, Int8] = {}
    nodes = []
    for node in quantised.nodes:
        if isinstance(node.op, QInput):
            results[node.name] = to_int8(x, node.dec).reshape(len(x), *node.shape)
            nodes.append(node)
            continue
        sources, in_decs = [results[i] for i in node.inputs], [decs[i] for i in node.inputs]
        source = by_name.get(node.name)
        if source is not None and isinstance(source.op, Conv | Dense):
            got = run_layer(node, sources, in_decs, compat=False)
            # behind its tail, where what a ReLU or the format cuts off counts no more
            behind = exact[node.tail_name or node.name].reshape(-1, got.shape[-1])
            step = 2.0**-node.dec
            behind = np.clip(behind, -128 * step, 127 * step)
            error = np.mean(behind - got.reshape(-1, got.shape[-1]) * step, axis=0)
            node = replace(node, op=_with_bias(node.op, source.op.bias + error))  # noqa: PLW2901
        results[node.name] = run_layer(node, sources, in_decs, compat=False)
        nodes.append(node)
    return QGraph(name=quantised.name, nodes=tuple(nodes))


def _with_bias(op: QOp, bias: FloatArray) -> QConv | QDense:
    """Return the layer with another bias, in a format of its own: it may have been zero before."""
    if isinstance(op, QDense):
        values, dec, shift = quantise_bias(bias, op.bias_dec + op.bias_shift)
        return replace(op, bias=values, bias_dec=dec, bias_shift=shift)
    assert isinstance(op, QConv)
    one = len(op.bias_dec) == 1
    biases = [
        quantise_bias(bias if one else bias[c : c + 1], dec + shift)
        for c, (dec, shift) in enumerate(zip(op.bias_dec, op.bias_shift, strict=True))
    ]
    return replace(
        op,
        bias=np.concatenate([b[0] for b in biases]),
        bias_dec=tuple(b[1] for b in biases),
        bias_shift=tuple(b[2] for b in biases),
    )
