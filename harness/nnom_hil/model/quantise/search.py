"""Formats by trial: the fraction bits, layer by layer, that give the best answers."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from nnom_hil.errors import ModelError
from nnom_hil.model.graph import Input, Softmax
from nnom_hil.model.qgraph import QGraph
from nnom_hil.model.quantise.calibration import Calibration
from nnom_hil.model.quantise.lower import WeightDecs
from nnom_hil.model.quantise.numbers import to_int8
from nnom_hil.model.reference import run_all_layers

__all__ = ["SearchResult", "search_formats"]

Score = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """The best graph found. before, after: share of right answers on the data, 0 to 1.

    tried: graphs that were run. changed: layers whose formats differ from where the search began.
    complete: no single step is better any more; else the time was up.
    """

    graph: QGraph
    before: float
    after: float
    tried: int
    changed: tuple[str, ...]
    complete: bool


def search_formats(
    found: Calibration,
    labels: npt.NDArray[np.int64] | None,
    seconds: float,
    *,
    chooses: bool = True,
) -> SearchResult:
    """Move single formats by a bit, as long as the answers on the data get better and time is left.

    labels: right classes of all calibration inputs; without them the float model's answers count.
    chooses: an answer is the largest output; otherwise only the error counts.
    Among equally many right answers the smaller error of the last layer but softmax decides. The
    order is fixed, but where the clock ends the search depends on the machine.
    """
    end = time.monotonic() + seconds
    some = None if labels is None else labels[found.data.picks]
    trial = _Trial(found, some, chooses=chooses)
    best = first = trial.run(found.wanted, found.weights)
    improved = True
    while improved:
        improved = False
        for step in _steps(found):
            if time.monotonic() >= end:
                return _result(found, first, best, trial.count, complete=False)
            try:
                candidate = trial.run(*step(best.wanted, best.weights))
            except ModelError:  # a shift that NNoM does not have
                continue
            if candidate.score > best.score:
                best, improved = candidate, True
    return _result(found, first, best, trial.count, complete=True)


Formats = dict[str, int]
_Step = Callable[[Formats, WeightDecs], tuple[Formats, WeightDecs]]


def _steps(found: Calibration) -> Iterator[_Step]:
    """Yield what moves one format by one bit: outputs first, then weights."""
    for node in found.graph.nodes:
        if node.name in found.wanted and not isinstance(node.op, Input):
            yield from (partial(_move_output, node.name, by) for by in (1, -1))
    for name in found.weights:
        yield from (partial(_move_weights, name, by) for by in (1, -1))


def _move_output(
    name: str, by: int, wanted: Formats, weights: WeightDecs
) -> tuple[Formats, WeightDecs]:
    return wanted | {name: wanted[name] + by}, weights


def _move_weights(
    name: str, by: int, wanted: Formats, weights: WeightDecs
) -> tuple[Formats, WeightDecs]:
    return wanted, weights | {name: tuple(dec + by for dec in weights[name])}


@dataclass(frozen=True, slots=True)
class _Candidate:
    graph: QGraph
    score: Score
    wanted: Formats
    weights: WeightDecs


class _Trial:
    """Runs candidates on the data and scores them."""

    def __init__(
        self, found: Calibration, labels: npt.NDArray[np.int64] | None, *, chooses: bool
    ) -> None:
        self.count = 0
        self._found = found
        exact = found.data.values
        last = found.graph.nodes[-1]
        self._x = exact(found.graph.nodes[0].name)
        outputs = exact(last.name).reshape(len(self._x), -1)
        self._labels = outputs.argmax(axis=1) if labels is None else labels
        self._has_classes = chooses and outputs.shape[1] > 1
        # softmax forgets the scale, so the error is measured in front of it
        self._measured = last.inputs[0] if isinstance(last.op, Softmax) else last.name
        self._exact = exact(self._measured).reshape(len(self._x), -1)

    def run(self, wanted: Formats, weights: WeightDecs) -> _Candidate:
        """Return the graph of these formats with its score, the larger the better."""
        self.count += 1
        graph = self._found.finish(wanted, weights)
        results = run_all_layers(graph, to_int8(self._x, graph.input.dec))
        outputs = results[graph.output.name].reshape(len(self._x), -1)
        right = 1.0
        if self._has_classes:
            right = float(np.mean(outputs.argmax(axis=1) == self._labels))
        node = next(n for n in graph.nodes if self._measured in (n.name, n.tail_name))
        got = results[node.name].reshape(len(self._x), -1) * 2.0**-node.dec
        score = (right, -float(np.mean((got - self._exact) ** 2)))
        return _Candidate(graph, score, wanted, weights)


def _result(
    found: Calibration, first: _Candidate, best: _Candidate, tried: int, *, complete: bool
) -> SearchResult:
    moved = [k for k, dec in best.wanted.items() if dec != found.wanted[k]]
    moved += [k for k, decs in best.weights.items() if decs != found.weights[k] and k not in moved]
    return SearchResult(
        graph=best.graph,
        before=first.score[0],
        after=best.score[0],
        tried=tried,
        changed=tuple(moved),
        complete=complete,
    )
