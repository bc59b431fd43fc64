"""Bits that average pools gain by their output shift.

Averages are small beside the values they are of, and NNoM gives both one format; but a pool divides
by (cells >> shift), so its result can be finer by the shift. Where the shift loses something of the
number of cells, the result comes out larger by a known gain, which the weights behind take back.
"""

from dataclasses import dataclass, replace

import numpy as np

from nnom_hil.model.graph import (
    Conv,
    Dense,
    Flatten,
    FloatGraph,
    FloatNode,
    GlobalPool,
    Padding,
    Pool,
    PoolKind,
    Reshape,
)
from nnom_hil.model.qgraph import shape3d
from nnom_hil.model.quantise.formats import Shifts, chain_of, exact_merges, readers_of
from nnom_hil.model.quantise.statistics import Change, Observed
from nnom_hil.model.shapes import float_shapes

__all__ = ["stretch_pools"]


@dataclass(frozen=True, slots=True)
class _Choice:
    """Shifts from least to most leave (cells >> shift) << shift at cells / gain."""

    least: int
    most: int
    gain: float


def stretch_pools(graph: FloatGraph, data: Observed) -> tuple[FloatGraph, Shifts, Observed]:
    """Return the graph, pools with a gain in it, and the shifts that each average pool may have.

    Also the data, that of pools with a gain made larger by it.
    """
    cells = _cells(graph)
    free = {name: (0, _zeros(n)) for name, n in cells.items()}
    free = {name: shifts for name, shifts in free.items() if shifts[1]}
    heads = chain_of(graph, dict.fromkeys(cells, (0, 1)))
    exact = exact_merges(graph, heads)
    nodes = {node.name: node for node in graph.nodes}
    changes: dict[str, Change] = {}
    for name, n in cells.items():
        source = nodes[name].inputs[0]
        ratio = data.found[source].largest / max(data.found[name].largest, 1e-9)
        wanted = int(np.log2(max(ratio, 1.0)))
        choice = _inexact(n)
        behind = _weights_behind(graph, name)
        rigid = heads[name] != name  # its format is its input's
        if wanted <= _zeros(n) or choice is None or behind is None or name in exact or rigid:
            continue
        if wanted < choice.least:
            continue
        _set_gain(nodes, name, choice.gain, behind.weights)
        free[name] = (choice.least, choice.most)
        changes |= dict.fromkeys((name, *behind.between), Change(scale=choice.gain))
    return replace(graph, nodes=tuple(nodes.values())), free, data.changed(changes)


def _zeros(n: int) -> int:
    """Return how often n can be halved."""
    return (n & -n).bit_length() - 1


def _inexact(n: int) -> _Choice | None:
    """Return the shifts that lose only the lowest bit that is set in the number of cells."""
    rest = n - (n & -n)
    if rest == 0:
        return None
    return _Choice(_zeros(n) + 1, _zeros(rest), n / rest)


def _cells(graph: FloatGraph) -> dict[str, int]:
    """Return the cells of each average pool whose windows all have the same number."""
    shapes = float_shapes(graph)
    result = {}
    for node in graph.nodes:
        op = node.op
        if not isinstance(op, Pool | GlobalPool) or op.kind is not PoolKind.AVERAGE:
            continue
        h, w, _ = shape3d(shapes[node.inputs[0]])
        if isinstance(op, GlobalPool):
            result[node.name] = h * w
            continue
        whole = op.size == op.stride and h % op.stride[0] == w % op.stride[1] == 0
        if op.padding is Padding.VALID or whole:
            result[node.name] = op.size[0] * op.size[1]
    return result


@dataclass(frozen=True, slots=True)
class _Behind:
    """Layers with weights that read a pool, and the changes of shape between."""

    weights: list[str]
    between: list[str]


def _weights_behind(graph: FloatGraph, name: str) -> _Behind | None:
    """Return what reads a pool up to weights; None where something else does."""
    readers = readers_of(graph)
    result, waiting = _Behind([], []), [name]
    while waiting:
        found: list[FloatNode] = readers[waiting.pop()]
        if not found:
            return None  # the model's result
        for node in found:
            if isinstance(node.op, Conv | Dense):
                result.weights.append(node.name)
            elif isinstance(node.op, Flatten | Reshape):
                result.between.append(node.name)
                waiting.append(node.name)
            else:
                return None
    return result


def _set_gain(nodes: dict[str, FloatNode], name: str, gain: float, behind: list[str]) -> None:
    op = nodes[name].op
    assert isinstance(op, Pool | GlobalPool)
    nodes[name] = replace(nodes[name], op=replace(op, gain=gain))
    for reader in behind:
        weights = nodes[reader].op
        assert isinstance(weights, Conv | Dense)
        kernel = (weights.kernel / gain).astype(np.float32)
        nodes[reader] = replace(nodes[reader], op=replace(weights, kernel=kernel))
