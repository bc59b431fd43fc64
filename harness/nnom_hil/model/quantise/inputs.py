"""How data is put into int8, where the layers that read it can take back what is done to it.

A format of a power of two leaves part of the range empty, half of it where nothing is negative.
Scaled and shifted data fills it. The readers' weights and biases undo both, and cells around an
image then hold what zero has become.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nnom_hil.model.graph import (
    Affine,
    Conv,
    Dense,
    Flatten,
    FloatGraph,
    FloatNode,
    FloatOp,
    Input,
    Reshape,
    Rnn,
)
from nnom_hil.model.quantise.formats import readers_of
from nnom_hil.model.quantise.statistics import Change, Observed
from nnom_hil.model.shapes import float_shapes
from nnom_hil.model.simplify import absorb

__all__ = ["place_input"]

FloatArray = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
_END = 127 / 128  # of a format of seven fraction bits
_WORTH_SHIFTING = 0.75  # of the range that is needed without
_WORTH_SPLITTING = 4.0  # times that channels differ: two bits of the weaker one
_MOST_CHANNELS = 64  # that get a scale of their own: the header has a table of them


@dataclass(frozen=True, slots=True)
class _Readers:
    """What reads the input: layers with weights, and changes of shape in front of them.

    aligned: the last axis of all they read repeats the input's channels.
    """

    layers: list[FloatNode]
    between: list[FloatNode]
    aligned: bool


def place_input(
    graph: FloatGraph, data: Observed, x: FloatArray, *, pads: bool
) -> tuple[FloatGraph, Observed]:
    """Return the graph that takes its input scaled and shifted to the ends of int8, and its data.

    x: all calibration inputs, as the model takes them. pads: whether cells around an image may hold
    something else than zero. The graph stays as it is where its readers cannot take that back.
    """
    first = graph.nodes[0]
    readers = _readers(graph)
    if readers is None:
        return graph, data
    shapes = float_shapes(graph)
    for gain, shift in _placements(graph.input, data, x, first.name, split=readers.aligned):
        rewritten = _rewritten(graph, readers, gain, shift, pads=pads)
        if rewritten is not None:
            return rewritten, data.changed(
                {
                    node.name: Change(
                        scale=np.resize(gain, shapes[node.name][-1]),
                        offset=np.resize(shift, shapes[node.name][-1]),
                    )
                    for node in (first, *readers.between)
                }
            )
    return graph, data


def _readers(graph: FloatGraph) -> _Readers | None:
    """Return what reads the input up to weights; None where something else does."""
    by_name = readers_of(graph)
    shapes = float_shapes(graph)
    channels = graph.input.shape[-1]
    layers: list[FloatNode] = []
    between: list[FloatNode] = []
    waiting = [graph.nodes[0].name]
    while waiting:
        found = by_name[waiting.pop()]
        if not found:
            return None
        for node in found:
            if isinstance(node.op, Conv | Dense | Rnn):
                layers.append(node)
            elif isinstance(node.op, Flatten | Reshape):
                between.append(node)
                waiting.append(node.name)
            else:
                return None
    aligned = all(shapes[node.name][-1] % channels == 0 for node in between)
    return _Readers(layers, between, aligned)


def _placements(
    op: Input, data: Observed, x: FloatArray, name: str, *, split: bool
) -> list[tuple[Float64, Float64]]:
    """Return gains and shifts of the input's values, by channel, the best first.

    split: whether channels may get a gain each.
    """
    found = data.found[name]
    low, high = found.low, found.high
    symmetric = np.maximum(-low, high)
    if not symmetric.any():
        return []
    scaled = op.scale is not None and op.scale.size > 1  # the header has a table anyway
    differ = symmetric.max() > _WORTH_SPLITTING * symmetric[symmetric > 0].min()
    if not split or not (scaled or (differ and low.size <= _MOST_CHANNELS)):
        low, high = np.full_like(low, low.min()), np.full_like(high, high.max())
        symmetric = np.maximum(-low, high)
    symmetric = np.where(symmetric > 0, symmetric, 1.0)
    result = [(_END / symmetric, 0 * symmetric)]
    if ((high - low) / 2).max() < _WORTH_SHIFTING * symmetric.max():
        gain = (1 + _END) / np.where(high > low, high - low, 2.0)
        result.insert(0, (gain, -1.0 - low * gain))
    if (bytes_ := _of_bytes(op, x, low.size)) is not None:
        result.insert(0, bytes_)
    return result


def _of_bytes(op: Input, x: FloatArray, channels: int) -> tuple[Float64, Float64] | None:
    """Return what makes int8 of bytes without a loss, x - 128, whatever the network does first."""
    scale, offset = (
        np.ones(1) if op.scale is None else op.scale,
        np.zeros(1) if op.offset is None else op.offset,
    )
    if scale.size > 1 or not 127 < x.max() <= 255 or x.min() < 0 or (x != np.round(x)).any():
        return None
    gain = 1 / (128 * scale[0])
    return np.full(channels, gain), np.full(channels, -1.0 - offset[0] * gain)


def _rewritten(
    graph: FloatGraph, readers: _Readers, gain: Float64, shift: Float64, *, pads: bool
) -> FloatGraph | None:
    """Return the graph for an input times gain plus shift; None where a layer cannot undo it."""
    op = graph.input
    old = (1.0, 0.0) if op.scale is None or op.offset is None else (op.scale, op.offset)
    ops: dict[str, FloatOp] = {
        graph.nodes[0].name: replace(op, scale=old[0] * gain, offset=old[1] * gain + shift)
    }
    for node in readers.layers:
        assert isinstance(node.op, Conv | Dense | Rnn)
        channels = node.op.kernel.shape[2 if isinstance(node.op, Conv) else 0]
        undo = Affine(
            scale=np.resize(1 / gain, channels), offset=np.resize(-shift / gain, channels)
        )
        absorbed = absorb(node.op, undo, pads=pads)
        if absorbed is None:
            return None
        ops[node.name] = absorbed
    return replace(graph, nodes=tuple(replace(n, op=ops.get(n.name, n.op)) for n in graph.nodes))
