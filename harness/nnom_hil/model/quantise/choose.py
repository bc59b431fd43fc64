"""What format each chain of a float graph asks for, by the user's method."""

from typing import assert_never

import numpy as np
import numpy.typing as npt

from nnom_hil.model.float_run import activate
from nnom_hil.model.graph import (
    Activation,
    ActivationKind,
    Combine,
    Conv,
    Dense,
    FloatGraph,
    FloatNode,
    Input,
)
from nnom_hil.model.quantise.formats import Shifts, chain_of, readers_of, tail_of
from nnom_hil.model.quantise.numbers import dec_bits_of
from nnom_hil.model.quantise.options import Method, QuantiseOptions
from nnom_hil.model.quantise.statistics import (
    Function,
    Observed,
    histograms,
    kld_dec_bits,
    mse_candidates,
    percentile_dec_bits,
)

__all__ = ["wanted_formats"]

FloatArray = npt.NDArray[np.float32]
_TABLES = {ActivationKind.TANH, ActivationKind.SIGMOID}
_TABLE_DECS = (4, 7)  # the range in which NNoM's own tables work


def wanted_formats(
    graph: FloatGraph, x: FloatArray, data: Observed, stretch: Shifts, options: QuantiseOptions
) -> dict[str, int]:
    """Return the dec that each free chain asks for, by the node at its beginning.

    x: all calibration inputs. stretch: average pools that can change the format.
    """
    found = data.found
    free = [n for n in graph.nodes if isinstance(n.op, Input | Conv | Dense | Combine)]
    result = {n.name: dec_bits_of(found[n.name].largest) for n in free}
    inner = [n for n in free if not isinstance(n.op, Input)]
    match options.method:
        case Method.MAX_MIN:
            pass
        case Method.KLD:
            names = {n.name for n in inner if not isinstance(n.op, Dense)}
            result |= kld_dec_bits(graph, x, data, names)
        case Method.PERCENTILE:
            counted, behind = histograms(data, {n.name for n in inner}), _behind(graph)
            result |= {
                name: percentile_dec_bits(h, options.percentile, behind[name])
                for name, h in counted.items()
            }
        case Method.MSE:
            result |= _least_error(graph, data, free)
        case never:
            assert_never(never)
    # a pool's result must not overflow: NNoM would cut it, so a portable one gets a spare bit
    spare = 1 if options.portable else 0
    result |= {name: dec_bits_of(found[name].largest) - spare for name in stretch}
    if options.portable:
        result |= _within_tables(graph, result, stretch)
    return result


def _least_error(graph: FloatGraph, data: Observed, nodes: list[FloatNode]) -> dict[str, int]:
    counted, behind = histograms(data, {n.name for n in nodes}), _behind(graph)
    result = {}
    for node in nodes:
        histogram = counted[node.name]
        candidates = mse_candidates(histogram.largest)
        if isinstance(node.op, Input):  # what users feed in must not be cut off
            candidates = candidates[:2]
        result[node.name] = min(
            candidates,
            # where several are exact, as for what a ReLU always cuts off, the one that max-min has
            key=lambda dec, h=histogram, f=behind[node.name]: (  # type: ignore[misc]
                h.squared_error(dec, f),
                abs(dec - dec_bits_of(h.largest)),
            ),
        )
    return result


def _behind(graph: FloatGraph) -> dict[str, Function]:
    """Return what each node's values go through before anything reads them."""
    readers = readers_of(graph)
    return {node.name: _of_tail(tail_of(node, readers)) for node in graph.nodes}


def _of_tail(tail: FloatNode | None) -> Function:
    if tail is None or not isinstance(tail.op, Activation):
        return lambda values: values
    op = tail.op
    return lambda values: np.asarray(activate(op, values.astype(np.float32)), np.float64)


def _within_tables(graph: FloatGraph, wanted: dict[str, int], stretch: Shifts) -> dict[str, int]:
    """Return the formats of chains that go into tables, moved into the range of NNoM's own."""
    heads = chain_of(graph, stretch)
    result = {}
    for node in graph.nodes:
        if isinstance(node.op, Activation) and node.op.kind in _TABLES:
            head = heads[node.inputs[0]]
            if head in wanted:
                low, high = _TABLE_DECS
                result[head] = min(max(wanted[head], low), high)
    return result
