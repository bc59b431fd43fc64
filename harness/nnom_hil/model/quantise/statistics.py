"""What calibration data does in a float graph: extremes, histograms, and what they say.

The graph is executed once on all data, in chunks that bound the memory. Extremes are of all data;
the values of all nodes are kept for a sample, for everything that needs more than extremes. What
rewrites the graph afterwards changes both by arithmetic instead of another execution.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from nnom_hil.model.float_rnn import trace_rnn
from nnom_hil.model.float_run import run_float
from nnom_hil.model.graph import CellKind, FloatGraph, Rnn
from nnom_hil.model.quantise.numbers import MAX_DEC, dec_bits_of
from nnom_hil.model.shapes import float_shapes

__all__ = [
    "Change",
    "Divergence",
    "Extremes",
    "Function",
    "Histogram",
    "Observed",
    "histograms",
    "kld_dec_bits",
    "mse_candidates",
    "observe",
    "percentile_dec_bits",
]

FloatArray = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Function = Callable[[Float64], Float64]
_CHUNK_BYTES = 512 << 20
_SAMPLES = 512
_FEWEST = 32
_BINS = 8192
_COUNTED = 1 << 21  # values that settle a histogram


@dataclass(frozen=True, kw_only=True)
class Extremes:
    """Of a node's output: the least and the largest value of each channel (c,), zero included.

    inside: largest magnitudes of what a recurrent cell works with.
    """

    low: Float64
    high: Float64
    inside: dict[str, float] = field(default_factory=dict)

    @property
    def largest(self) -> float:
        """The largest magnitude of all channels."""
        return float(max(self.high.max(initial=0.0), -self.low.min(initial=0.0)))


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a rewritten graph makes of a node's values: value * scale + offset, by channel."""

    scale: Float64 | float = 1.0
    offset: Float64 | float = 0.0


@dataclass(frozen=True, kw_only=True)
class Observed:
    """A graph's data. found: extremes over all inputs, by node. picks: the inputs of the sample, in
    order; executed: every node's output on them (n, *shape), as it was before the graph was
    rewritten; changes: what that made of them. total: inputs in all.
    """

    found: dict[str, Extremes]
    picks: npt.NDArray[np.intp]
    executed: dict[str, FloatArray]
    total: int
    changes: dict[str, Change] = field(default_factory=dict)

    def values(self, name: str, some: slice | npt.NDArray[np.intp] = slice(None)) -> FloatArray:
        """Return a node's output for some inputs of the sample, (n, *shape)."""
        return self._changed(name, self.executed[name][some])

    def channels(
        self, name: str, positions: slice | npt.NDArray[np.intp] = slice(None)
    ) -> FloatArray:
        """Return a node's output at some positions of all inputs, one row each, by channel."""
        executed = self.executed[name]
        return self._changed(name, executed.reshape(-1, executed.shape[-1])[positions])

    def _changed(self, name: str, executed: FloatArray) -> FloatArray:
        change = self.changes.get(name)
        if change is None:
            return executed
        changed = executed * np.asarray(change.scale, np.float32)
        changed += np.asarray(change.offset, np.float32)
        return changed

    def changed(self, changes: Mapping[str, Change]) -> "Observed":
        """Return the data of a graph rewritten so that nodes' values change."""
        found, composed = dict(self.found), dict(self.changes)
        for name, change in changes.items():
            old = found[name]
            before = composed.get(name, Change())
            composed[name] = Change(
                scale=before.scale * change.scale,
                offset=before.offset * change.scale + change.offset,
            )
            ends = old.low * change.scale + change.offset, old.high * change.scale + change.offset
            found[name] = replace(old, low=np.minimum(*ends), high=np.maximum(*ends))
        return replace(self, found=found, changes=composed)

    def thinned(self, most: int) -> npt.NDArray[np.intp]:
        """Return at most that many indices into the sample, from everywhere."""
        return np.arange(0, len(self.picks), max(1, -(-len(self.picks) // most)))


def _picks(graph: FloatGraph, count: int, most: int) -> npt.NDArray[np.intp]:
    """Return which of `count` inputs to take so that there are at most `most`, from everywhere.

    Data is often sorted by class, so the first ones are no sample; but what keeps a state from one
    run to the next must not skip any.
    """
    if count <= most or _is_stateful(graph):
        return np.arange(min(count, most))
    return np.linspace(0, count - 1, most).astype(np.intp)


def _is_stateful(graph: FloatGraph) -> bool:
    return any(isinstance(n.op, Rnn) and n.op.stateful for n in graph.nodes)


def _input_bytes(graph: FloatGraph) -> int:
    """Return the bytes of all nodes' outputs for one input."""
    return 4 * sum(int(np.prod(shape)) for shape in float_shapes(graph).values())


def _chunks(graph: FloatGraph, count: int) -> Iterator[slice]:
    """Yield parts of so many inputs; all where the graph keeps a state from one run to the next."""
    size = count if _is_stateful(graph) else max(1, _CHUNK_BYTES // max(_input_bytes(graph), 1))
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def observe(graph: FloatGraph, x: FloatArray) -> Observed:
    """Execute the graph on calibration inputs x (n, *input shape), n >= 1."""
    room = max(_FEWEST, min(_SAMPLES, _CHUNK_BYTES // max(_input_bytes(graph), 1)))
    picks = _picks(graph, len(x), room)
    found: dict[str, Extremes] = {}
    kept: dict[str, list[FloatArray]] = {node.name: [] for node in graph.nodes}
    for part in _chunks(graph, len(x)):
        values = run_float(graph, x[part])
        inside = picks[(picks >= part.start) & (picks < part.stop)] - part.start
        for node in graph.nodes:
            of_cell = _inside(node.op, values[node.inputs[0]]) if isinstance(node.op, Rnn) else {}
            found[node.name] = _joined(found.get(node.name), values[node.name], of_cell)
            every = len(inside) == part.stop - part.start
            kept[node.name].append(values[node.name] if every else values[node.name][inside])
    joined = {name: np.concatenate(p) if len(p) > 1 else p[0] for name, p in kept.items()}
    return Observed(found=found, picks=picks, executed=joined, total=len(x))


def _joined(before: Extremes | None, values: FloatArray, inside: dict[str, float]) -> Extremes:
    flat = values.reshape(-1, values.shape[-1])
    low = np.minimum(flat.min(axis=0), 0).astype(np.float64)
    high = np.maximum(flat.max(axis=0), 0).astype(np.float64)
    if before is not None:
        low, high = np.minimum(low, before.low), np.maximum(high, before.high)
        inside = {key: max(value, before.inside[key]) for key, value in inside.items()}
    return Extremes(low=low, high=high, inside=inside)


def _inside(op: Rnn, x: FloatArray) -> dict[str, float]:
    with np.errstate(over="ignore", invalid="ignore"):
        trace = trace_rnn(op, x)
    found = {"from_x": trace.from_x, "from_h": trace.from_h, "sums": trace.sums}
    if op.kind is CellKind.LSTM:
        found["cell"] = trace.cell
    return {key: float(np.abs(values).max(initial=0)) for key, values in found.items()}


class Histogram:
    """Counts of a node's values over [-largest, largest]."""

    def __init__(self, largest: float) -> None:
        self.largest = largest
        self._counts = np.zeros(_BINS, dtype=np.int64)

    def add(self, values: FloatArray) -> None:
        """Count more values."""
        if self.largest > 0:
            index = ((values.ravel() + self.largest) * (_BINS / 2 / self.largest)).astype(np.int64)
            self._counts += np.bincount(index.clip(0, _BINS - 1), minlength=_BINS)

    @property
    def _centres(self) -> Float64:
        bins = np.arange(_BINS, dtype=np.float64)
        return (bins + 0.5) * (2 * self.largest / _BINS) - self.largest

    def magnitude(self, percentile: float) -> float:
        """Return what that many per cent of the magnitudes do not exceed."""
        half = _BINS // 2
        folded = self._counts[half:] + self._counts[half - 1 :: -1]
        total = np.cumsum(folded)
        if percentile >= 100 or total[-1] == 0:
            return self.largest
        index = int(np.searchsorted(total, total[-1] * percentile / 100))
        return (index + 1) * self.largest / half

    def squared_error(self, dec: int, function: Function) -> float:
        """Return the sum of squares of function(quantised) - function(value)."""
        x = self._centres
        quantised = np.clip(np.round(x * 2.0**dec), -128, 127) * 2.0**-dec
        return float(np.sum(self._counts * (function(quantised) - function(x)) ** 2))


def histograms(data: Observed, names: set[str]) -> dict[str, Histogram]:
    """Return histograms of the named nodes' outputs, over the sample or enough of it."""
    result = {name: Histogram(data.found[name].largest) for name in names}
    for name, histogram in result.items():
        step = max(1, data.executed[name].size // _COUNTED)
        histogram.add(data.values(name, slice(None, None, step)))
    return result


# ---- NNoM's Kullback-Leibler rule (NNOM_COMPAT.md 5.4) -------------------------------------------

_FINE, _COARSE, _SCANS = 1024, 128, 4
_KLD_MAX_DEC = 16


class Divergence:
    """Reference histogram of a node's values, and one of each candidate's quantised values."""

    def __init__(self, largest: float, *, scans: int = _SCANS) -> None:
        self.first = 7 - int(np.ceil(np.log2(largest)))
        self._edges = np.arange(-largest, largest, largest / _FINE)
        self._coarse = np.arange(-largest, largest, largest / _COARSE)
        self._largest = largest
        self._reference = np.zeros(len(self._edges) - 1, dtype=np.int64)
        self._codes = np.zeros((scans, 256), dtype=np.int64)

    def add(self, values: FloatArray) -> None:
        """Count more values."""
        flat = values.ravel().astype(np.float64)
        edges, last = self._edges, len(self._edges) - 1
        # as numpy.histogram counts: half-open bins, the last one closed
        index = ((flat + self._largest) * (_FINE / self._largest)).astype(np.int64).clip(0, last)
        index -= flat < edges[index]
        index += flat >= np.append(edges, np.inf)[index + 1]
        index[flat == edges[last]] = last - 1
        inside = (index >= 0) & (index < last)
        self._reference += np.bincount(index[inside], minlength=last)
        for s in range(len(self._codes)):
            codes = np.clip(np.round(flat * 2.0 ** (self.first + s)), -128, 127).astype(np.int64)
            self._codes[s] += np.bincount(codes + 128, minlength=256)

    def dec(self) -> int:
        """Return the fraction bits of the least divergence."""
        best = min(range(len(self._codes)), key=self._divergence)
        return min(self.first + best, _KLD_MAX_DEC)

    def _divergence(self, s: int) -> float:
        quantised = (np.arange(256) - 128) * 2.0 ** -(self.first + s)
        coarse, _ = np.histogram(quantised, self._coarse, weights=self._codes[s])
        ratio = _FINE // _COARSE
        built = np.zeros(len(self._reference))
        for i, count in enumerate(coarse):
            fine = slice(i * ratio, (i + 1) * ratio)
            filled = self._reference[fine] != 0
            if filled.any():
                built[fine] = np.where(filled, count / filled.sum(), 0)
        built[built == 0] = 1e-5
        p, q = self._reference / self._reference.sum(), built / built.sum()
        some = p > 0
        return float(np.sum(p[some] * np.log(p[some] / q[some])))


def kld_dec_bits(
    graph: FloatGraph, x: FloatArray, data: Observed, names: set[str]
) -> dict[str, int]:
    """Return the fraction bits of the named nodes by NNoM's Kullback-Leibler rule, of all data."""
    found = data.found
    live = {name: Divergence(found[name].largest) for name in names if found[name].largest > 0}
    complete = len(data.picks) == data.total
    for part in [None] if complete else list(_chunks(graph, len(x))):
        values = data.executed if part is None else run_float(graph, x[part])
        for name, divergence in live.items():
            divergence.add(values[name])
    return {name: live[name].dec() if name in live else 7 for name in names}


def percentile_dec_bits(histogram: Histogram, percentile: float, function: Function) -> int:
    """Return the fraction bits of least error that hold that many per cent of the magnitudes.

    In data of wide range the few largest values carry most of it, so that more of them must fit.
    """
    coarsest = dec_bits_of(histogram.largest)
    wanted = dec_bits_of(histogram.magnitude(percentile))
    return min(
        range(coarsest, max(wanted, coarsest) + 1),
        key=lambda dec: (histogram.squared_error(dec, function), -dec),
    )


def mse_candidates(largest: float) -> range:
    """Return the fraction bits worth trying for a largest magnitude."""
    base = dec_bits_of(largest)
    return range(base - 1, min(base + 6, MAX_DEC) + 1)
