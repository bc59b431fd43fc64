"""Scales channels so that each fills its format, without changing what the network computes.

Between two linear layers, everything that ReLU, pooling, padding and adding do commutes with a
positive factor per channel (Nagel et al. 2019, Data-free quantization, section 4.1). A format of a
power of two leaves up to half of the range empty, and most of it in weak channels; the factor goes
into the weights before, its inverse into those after. The limit of a ReLU6 takes part: it is moved
to where the strongest channel fills the format, whose end then does the clipping. Where factors are
chosen by values above the limit too (it has a sibling, or stands behind a sum or a pool), that
would lift it: there all channels share one factor, and the limit has the same.
"""

from dataclasses import replace
from typing import assert_never

import numpy as np
import numpy.typing as npt

from nnom_hil.model.graph import (
    Activation,
    ActivationKind,
    Affine,
    Combine,
    Concatenate,
    Conv,
    Cropping,
    Dense,
    Flatten,
    FloatGraph,
    FloatNode,
    FloatOp,
    GlobalPool,
    Input,
    MergeKind,
    Pool,
    Requantise,
    Reshape,
    Rnn,
    Softmax,
    UpSample,
    ZeroPadding,
)
from nnom_hil.model.quantise.formats import Groups, readers_of, tail_of
from nnom_hil.model.quantise.numbers import dec_bits_of
from nnom_hil.model.quantise.statistics import Change, Observed
from nnom_hil.model.shapes import float_shapes

__all__ = ["equalise"]

FloatArray = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
_HOMOGENEOUS = {ActivationKind.RELU, ActivationKind.LEAKY_RELU}
_BALANCE = 0.5  # how much of a channel's weakness is made up for: its readers' weights lose as much
_MOST = 16.0  # a weaker channel still gets no larger factor: its readers' weights shrink with it
_BINS = 512
_SAMPLES = 128  # the limits of channels settle early
_CLIPS = (1.0, 0.84, 0.71, 0.6, 0.5, 0.42, 0.35, 0.3, 0.25)


def equalise(graph: FloatGraph, data: Observed) -> tuple[FloatGraph, Observed]:
    """Return a graph that computes the same, its channels scaled by the data, and its data."""
    heads = _heads(graph)
    groups = _scale_groups(graph, heads)
    free = _free_groups(graph, heads, groups)
    if not free:
        return graph, data
    measured = _measuring_points(graph, heads, groups, free)
    limits = _best_limits(data, set(measured))
    lowest = _lowest_limits(graph, heads, groups)
    factors: dict[str, Float64] = {}
    ends: dict[str, float] = {}
    for group in free:
        points = [name for name, own in measured.items() if own == group]
        limit = np.max([limits[name] for name in points], axis=0)
        full = 127 / 128 * 2.0 ** (7 - dec_bits_of(float(limit.max(initial=0.0))))
        alive = np.where(limit > 0, limit, full)
        top = limit.max(initial=0.0)
        if top == 0:  # nothing ever comes out of it
            continue
        if lowest.get(group, np.inf) < top:
            factors[group] = np.full_like(limit, full / top)
        else:
            factors[group] = full / top * np.minimum((top / alive) ** _BALANCE, _MOST)
            ends |= dict.fromkeys(points, full)
    rescaled, carried = _rescaled(graph, heads, groups, factors, ends)
    return rescaled, data.changed({name: Change(scale=scale) for name, scale in carried.items()})


def _passes(op: FloatOp) -> bool:
    """Whether a factor per channel in front of the layer can as well stand behind it."""
    match op:
        case Activation():
            return op.kind in _HOMOGENEOUS or _limits(op)
        case (
            Pool() | GlobalPool() | ZeroPadding() | Cropping() | UpSample() | Flatten() | Reshape()
        ):  # fmt: skip
            return True
        case (
            Input() | Conv() | Dense() | Affine() | Softmax() | Concatenate() | Combine()
            | Requantise() | Rnn()
        ):  # fmt: skip
            return False
        case never:
            assert_never(never)


def _limits(op: FloatOp) -> bool:
    """Whether the layer is a ReLU with a maximum, and nothing else."""
    return (
        isinstance(op, Activation)
        and op.kind is ActivationKind.ADV_RELU
        and op.max_value is not None
        and op.negative_slope == op.threshold == 0
    )


def _lowest_limits(graph: FloatGraph, heads: dict[str, str], groups: Groups) -> dict[str, float]:
    """Return the smallest maximum of a ReLU in each group that has one."""
    lowest: dict[str, float] = {}
    for node in graph.nodes:
        if _limits(node.op):
            group = groups.find(heads[node.name])
            lowest[group] = min(lowest.get(group, np.inf), _maximum(node.op))
    return lowest


def _maximum(op: FloatOp) -> float:
    assert isinstance(op, Activation)
    assert op.max_value is not None
    return op.max_value


def _heads(graph: FloatGraph) -> dict[str, str]:
    """Return the node in which each node's factors begin."""
    heads: dict[str, str] = {}
    for node in graph.nodes:
        heads[node.name] = heads[node.inputs[0]] if _passes(node.op) else node.name
    return heads


def _scale_groups(graph: FloatGraph, heads: dict[str, str]) -> Groups:
    """Tie together what is added: its factors must be the same."""
    groups = Groups({head: head for head in set(heads.values())})
    for node in graph.nodes:
        if _adds(node.op):
            groups.join([node.name, *(heads[name] for name in node.inputs)])
    return groups


def _free_groups(graph: FloatGraph, heads: dict[str, str], groups: Groups) -> set[str]:
    """Return the groups that begin in weights and end in weights only."""
    bound = {groups.find(heads[graph.nodes[-1].name])}
    shapes = float_shapes(graph)
    for node in graph.nodes:
        added = _adds(node.op)
        if heads[node.name] == node.name and not (isinstance(node.op, Conv | Dense) or added):
            bound.add(groups.find(node.name))
        sources = {groups.find(heads[name]) for name in node.inputs}
        by_channel = isinstance(node.op, Concatenate) and node.op.axis == -1
        if not (isinstance(node.op, Conv | Dense | Rnn) or added or by_channel or _passes(node.op)):
            bound |= sources
        if isinstance(node.op, Reshape) and shapes[node.name][-1] != shapes[node.inputs[0]][-1]:
            bound |= sources
    # what a concatenation leads to must be able to take the factors of its parts
    for node in reversed(graph.nodes):
        if isinstance(node.op, Concatenate) and not _is_absorbed(graph, node, heads, shapes):
            bound |= {groups.find(heads[name]) for name in node.inputs}
    return {groups.find(head) for head in groups.parent} - bound


def _is_absorbed(
    graph: FloatGraph, join: FloatNode, heads: dict[str, str], shapes: dict[str, tuple[int, ...]]
) -> bool:
    """Whether everything behind a concatenation passes factors on, up to weights."""
    chain = {name for name, head in heads.items() if head == join.name}
    if graph.nodes[-1].name in chain:
        return False
    for node in graph.nodes:
        if not chain & set(node.inputs):
            continue
        if not (isinstance(node.op, Conv | Dense | Rnn) or node.name in chain):
            return False
        if _limits(node.op):  # the parts' factors would ask for a limit each
            return False
        if isinstance(node.op, Reshape) and shapes[node.name][-1] != shapes[join.name][-1]:
            return False
    return True


def _measuring_points(
    graph: FloatGraph, heads: dict[str, str], groups: Groups, free: set[str]
) -> dict[str, str]:
    """Return the nodes, behind their activations, whose channels decide, and their groups."""
    readers = readers_of(graph)
    result = {}
    for node in graph.nodes:
        if heads[node.name] == node.name and (group := groups.find(node.name)) in free:
            last = node
            while (tail := tail_of(last, readers)) is not None and _passes(tail.op):
                last = tail
            result[last.name] = group
    return result


def _best_limits(data: Observed, names: set[str]) -> dict[str, Float64]:
    """Return for each channel of the named nodes the limit of least error in eight bits."""
    some = data.thinned(_SAMPLES)
    result = {}
    for name in names:
        extremes = data.found[name]
        top = np.maximum(extremes.high, -extremes.low)
        flat = np.abs(data.values(name, some)).reshape(-1, top.size)
        scale = (_BINS / np.where(top > 0, top, 1)).astype(np.float32)
        index = np.minimum((flat * scale).astype(np.int64), _BINS - 1)
        index += np.arange(top.size) * _BINS
        counts = np.bincount(index.ravel(), minlength=top.size * _BINS)
        result[name] = top * _best_clips(counts.reshape(top.size, _BINS))
    return result


def _best_clips(counts: npt.NDArray[np.int64]) -> Float64:
    """Return the share of the largest magnitude at which clipping costs least, by channel."""
    centres = (np.arange(_BINS) + 0.5) / _BINS
    errors = []
    for clip in _CLIPS:
        step = clip / 127
        error = np.where(centres > clip, (centres - clip) ** 2, step**2 / 12)
        errors.append(counts @ error)
    best: Float64 = np.array(_CLIPS)[np.argmin(errors, axis=0)]
    return best


def _rescaled(
    graph: FloatGraph,
    heads: dict[str, str],
    groups: Groups,
    factors: dict[str, Float64],
    ends: dict[str, float],
) -> tuple[FloatGraph, dict[str, Float64]]:
    """Put the factors into the weights before and their inverses into those after.

    ends: the largest value of a node's format, where that is what clips. Also return what the
    channels of each node are multiplied by, where they are.
    """
    carried: dict[str, Float64 | None] = {}
    nodes = []
    shapes = float_shapes(graph)
    for node in graph.nodes:
        incoming = [carried[name] for name in node.inputs]
        is_head = heads[node.name] == node.name
        own = factors.get(groups.find(node.name)) if is_head else None
        first = incoming[0] if incoming else None
        op = node.op
        if isinstance(op, Conv | Dense):
            op = _with_factors(op, first, own)
        elif isinstance(op, Rnn) and first is not None:
            kernel = op.kernel * (1 / first)[:, np.newaxis]
            op = replace(op, kernel=kernel.astype(np.float32))
        elif isinstance(op, Activation) and _limits(op) and first is not None:
            lowest = _maximum(op) * float(first.min())
            op = replace(op, max_value=ends.get(node.name, lowest))
        carried[node.name] = own if own is not None and isinstance(op, Conv | Dense) else (
            _carried(node, incoming, shapes)
        )  # fmt: skip
        nodes.append(replace(node, op=op))
    scales = {name: scale for name, scale in carried.items() if scale is not None}
    return replace(graph, nodes=tuple(nodes)), scales


def _carried(
    node: FloatNode, incoming: list[Float64 | None], shapes: dict[str, tuple[int, ...]]
) -> Float64 | None:
    """Return what the channels of a node without factors of its own are multiplied by."""
    first = incoming[0] if incoming else None
    match node.op:
        case Concatenate() if any(v is not None for v in incoming):
            sizes = [shapes[name][-1] for name in node.inputs]
            parts = [np.ones(n) if v is None else v for v, n in zip(incoming, sizes, strict=True)]
            return np.concatenate(parts)
        case Flatten() if first is not None:
            return np.tile(first, shapes[node.name][-1] // first.size)
        case (
            Input() | Conv() | Dense() | Rnn() | Affine() | Activation() | Pool() | GlobalPool()
            | ZeroPadding() | Cropping() | UpSample() | Reshape() | Flatten() | Softmax()
            | Concatenate() | Combine() | Requantise()
        ):  # fmt: skip
            return first if _passes(node.op) or _adds(node.op) else None
        case never:
            assert_never(never)


def _adds(op: FloatOp) -> bool:
    return isinstance(op, Combine) and op.kind is not MergeKind.MULT


def _with_factors(op: Conv | Dense, incoming: Float64 | None, own: Float64 | None) -> Conv | Dense:
    kernel, bias = op.kernel.astype(np.float64), op.bias.astype(np.float64)
    if incoming is not None:
        kernel = kernel / incoming[:, np.newaxis]
    if own is not None:
        depthwise = isinstance(op, Conv) and op.depthwise
        kernel = kernel * (own.reshape(kernel.shape[2:]) if depthwise else own)
        bias = bias * own
    return replace(op, kernel=kernel.astype(np.float32), bias=bias.astype(np.float32))
