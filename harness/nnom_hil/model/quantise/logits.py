"""Where logits stand in their format.

Softmax sees differences only, so the logits in front of it may be shifted to where a finer format
holds them; what falls off its lower end is what softmax makes nothing of.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from nnom_hil.model.graph import Conv, Dense, FloatGraph, Softmax
from nnom_hil.model.quantise.formats import readers_of
from nnom_hil.model.quantise.numbers import dec_bits, dec_bits_of, to_int8
from nnom_hil.model.quantise.statistics import Change, Observed

__all__ = ["centre_logits"]

Float64 = npt.NDArray[np.float64]
_MARGIN = 1.1  # for larger logits than the calibration data has
_FINER = 4  # bits beyond what holds all logits
_CENTRES = 9


def centre_logits(graph: FloatGraph, data: Observed) -> tuple[FloatGraph, dict[str, int], Observed]:
    """Return the graph with its logits shifted, their fraction bits by layer, and its data."""
    readers = readers_of(graph)
    nodes, decs, changes = [], {}, {}
    for node in graph.nodes:
        op = node.op
        only_softmax = [type(reader.op) for reader in readers[node.name]] == [Softmax]
        if isinstance(op, Conv | Dense) and only_softmax:
            found = data.found[node.name]
            values = data.values(node.name).reshape(len(data.picks), -1).astype(np.float64)
            bias = np.resize(op.bias.astype(np.float64), values.shape[1])
            centre, decs[node.name] = _least_error(values, bias, found.largest, found.high.max())
            op = replace(op, bias=(op.bias - centre).astype(np.float32))
            changes[node.name] = Change(offset=-centre)
        nodes.append(replace(node, op=op))
    return replace(graph, nodes=tuple(nodes)), decs, data.changed(changes)


def _least_error(z: Float64, bias: Float64, largest: float, high: float) -> tuple[float, int]:
    """Return what to subtract from logits z (n, classes), and the fraction bits then.

    A bias has eight bits too: the further it is moved, the coarser it gets.
    """
    exact = _softmax(z)
    tops = z.max(axis=1)
    coarsest = dec_bits_of(largest)

    def error(choice: tuple[float, int]) -> float:
        centre, dec = choice
        moved = bias - centre
        bias_dec = dec_bits(moved)
        shifted = z - centre + to_int8(moved, bias_dec) * 2.0**-bias_dec - moved
        quantised = to_int8(shifted, dec).astype(np.float64) * 2.0**-dec
        return float(np.mean((_softmax(quantised) - exact) ** 2))

    fitting = [
        (float(centre), dec)
        for dec in range(coarsest, coarsest + _FINER + 1)
        for centre in np.linspace(0, (tops.min() + tops.max()) / 2, _CENTRES)
        if max(high - centre, centre - tops.min()) * _MARGIN <= 127 * 2.0**-dec
    ]
    return min(fitting or [(0.0, coarsest)], key=error)


def _softmax(z: Float64) -> Float64:
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    result: Float64 = powers / powers.sum(axis=1, keepdims=True)
    return result
