"""What calibration data does in a float graph: extremes, histograms, and what they say.

Data goes through the graph in chunks, so that calibration takes memory for one chunk only.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from nnom_hil.model.float_rnn import trace_rnn
from nnom_hil.model.float_run import run_float
from nnom_hil.model.graph import CellKind, FloatGraph, Rnn
from nnom_hil.model.quantise.numbers import MAX_DEC, dec_bits_of

__all__ = [
    "Divergence",
    "Extremes",
    "Function",
    "Histogram",
    "chunks",
    "extremes",
    "histograms",
    "kld_dec_bits",
    "mse_candidates",
    "percentile_dec_bits",
    "spread",
]

FloatArray = npt.NDArray[np.float32]
Function = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]
_CHUNK_BYTES = 64 << 20
_BINS = 8192


@dataclass
class Extremes:
    """The largest magnitude of a node's output, and of what a recurrent cell works with."""

    largest: float = 0.0
    inside: dict[str, float] = field(default_factory=dict)


def chunks(graph: FloatGraph, x: FloatArray) -> Iterator[FloatArray]:
    """Yield x in parts; whole where the graph keeps a state from one run to the next."""
    one = sum(y.nbytes for y in run_float(graph, x[:1]).values())
    size = len(x) if _is_stateful(graph) else max(1, _CHUNK_BYTES // max(one, 1))
    for i in range(0, len(x), size):
        yield x[i : i + size]


def spread(graph: FloatGraph, count: int, most: int) -> slice:
    """Return which of `count` inputs to take so that there are at most `most`, from everywhere.

    Data is often sorted by class, so the first ones are no sample; but what keeps a state from one
    run to the next must not skip any.
    """
    if _is_stateful(graph):
        return slice(0, most)
    return slice(0, None, max(1, -(-count // most)))


def _is_stateful(graph: FloatGraph) -> bool:
    return any(isinstance(n.op, Rnn) and n.op.stateful for n in graph.nodes)


def _largest(values: FloatArray) -> float:
    return float(max(values.max(initial=0), -values.min(initial=0)))


def extremes(graph: FloatGraph, x: FloatArray) -> dict[str, Extremes]:
    """Return the extremes of every node for calibration inputs x (n, *input shape)."""
    result = {node.name: Extremes() for node in graph.nodes}
    for chunk in chunks(graph, x):
        values = run_float(graph, chunk)
        for node in graph.nodes:
            entry = result[node.name]
            entry.largest = max(entry.largest, _largest(values[node.name]))
            if isinstance(node.op, Rnn):
                _add_inside(entry.inside, node.op, values[node.inputs[0]])
    return result


def _add_inside(inside: dict[str, float], op: Rnn, x: FloatArray) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        trace = trace_rnn(op, x)
    found = {"from_x": trace.from_x, "from_h": trace.from_h, "sums": trace.sums}
    if op.kind is CellKind.LSTM:
        found["cell"] = trace.cell
    for key, values in found.items():
        inside[key] = max(inside.get(key, 0.0), _largest(values))


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
    def _centres(self) -> npt.NDArray[np.float64]:
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


def histograms(
    graph: FloatGraph, x: FloatArray, found: dict[str, Extremes], names: set[str]
) -> dict[str, Histogram]:
    """Return histograms of the named nodes' outputs."""
    result = {name: Histogram(found[name].largest) for name in names}
    for chunk in chunks(graph, x):
        values = run_float(graph, chunk)
        for name, histogram in result.items():
            histogram.add(values[name])
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
    graph: FloatGraph, x: FloatArray, found: dict[str, Extremes], names: set[str]
) -> dict[str, int]:
    """Return the fraction bits of the named nodes by NNoM's Kullback-Leibler rule."""
    live = {name: Divergence(found[name].largest) for name in names if found[name].largest > 0}
    for chunk in chunks(graph, x):
        values = run_float(graph, chunk)
        for name, divergence in live.items():
            divergence.add(values[name])
    return {name: live[name].dec() if name in live else 7 for name in names}


def percentile_dec_bits(histogram: Histogram, percentile: float) -> int:
    """Return the fraction bits that hold that many per cent of the magnitudes."""
    return dec_bits_of(histogram.magnitude(percentile))


def mse_candidates(largest: float) -> range:
    """Return the fraction bits worth trying for a largest magnitude."""
    base = dec_bits_of(largest)
    return range(base - 1, min(base + 6, MAX_DEC) + 1)
