"""Formats by trial: the fraction bits, layer by layer, that give the best answers."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnom_hil.errors import DataError, ModelError
from nnom_hil.model.float_run import run_float
from nnom_hil.model.graph import Input, Softmax
from nnom_hil.model.qgraph import QGraph
from nnom_hil.model.quantise.calibration import Calibration
from nnom_hil.model.quantise.lower import WeightDecs
from nnom_hil.model.quantise.numbers import to_int8
from nnom_hil.model.reference import run_all_layers

__all__ = ["SearchResult", "search_formats"]

FloatArray = npt.NDArray[np.float32]
Score = tuple[float, float]
_SAMPLES = 512
_STEPS = (1, -1)


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
    x: FloatArray,
    labels: npt.NDArray[np.int64] | None,
    seconds: float,
    on_step: Callable[[float, int], None] = lambda _share, _tried: None,
) -> SearchResult:
    """Move single formats by a bit, as long as the answers on x get better and time is left.

    labels: right classes of x; without them the float model's answers count. Among equally many
    right answers the smaller error of the last layer but softmax decides. The order is fixed, but
    where the clock ends the search depends on the machine.

    Raises DataError when the data is empty.
    """
    if len(x) == 0:
        raise DataError("the search needs at least one input")
    x, labels = x[:_SAMPLES], None if labels is None else labels[:_SAMPLES]
    end = time.monotonic() + seconds
    trial = _Trial(found, x, labels)
    wanted, weights = dict(found.wanted), dict(found.weights)
    best_graph, best = trial.run(wanted, weights)
    before = best[0]
    keys = [("format", n.name) for n in found.graph.nodes if _is_movable(n, found)]
    keys += [("weights", name) for name in weights]
    complete, changed = False, True
    while changed and not complete:
        changed = False
        for kind, name in keys:
            for step in _STEPS:
                if time.monotonic() >= end:
                    return _result(found, best_graph, wanted, weights, before, best, trial, False)
                new_wanted, new_weights = dict(wanted), dict(weights)
                if kind == "format":
                    new_wanted[name] += step
                else:
                    new_weights[name] = tuple(d + step for d in weights[name])
                try:
                    graph, score = trial.run(new_wanted, new_weights)
                except ModelError:  # a shift that NNoM does not have
                    continue
                on_step(best[0], trial.count)
                if score > best:
                    best_graph, best, wanted, weights = graph, score, new_wanted, new_weights
                    changed = True
                    break
    return _result(found, best_graph, wanted, weights, before, best, trial, True)


def _is_movable(node: object, found: Calibration) -> bool:
    name, op = getattr(node, "name", ""), getattr(node, "op", None)
    return name in found.wanted and not isinstance(op, Input)


class _Trial:
    """Runs candidates on the data and scores them."""

    def __init__(
        self, found: Calibration, x: FloatArray, labels: npt.NDArray[np.int64] | None
    ) -> None:
        self.count = 0
        self._found, self._x = found, x
        exact = run_float(found.graph, x)
        last = found.graph.nodes[-1]
        outputs = exact[last.name].reshape(len(x), -1)
        self._labels = outputs.argmax(axis=1) if labels is None else labels
        self._has_classes = outputs.shape[1] > 1
        # softmax forgets the scale, so the error is measured in front of it
        self._measured = last.inputs[0] if isinstance(last.op, Softmax) else last.name
        self._exact = exact[self._measured].reshape(len(x), -1)

    def run(self, wanted: dict[str, int], weights: WeightDecs) -> tuple[QGraph, Score]:
        """Return the graph of these formats and its score, the larger the better."""
        self.count += 1
        graph = self._found.finish(wanted, weights, self._x)
        results = run_all_layers(graph, to_int8(self._x, graph.input.dec))
        outputs = results[graph.output.name].reshape(len(self._x), -1)
        right = 1.0
        if self._has_classes:
            right = float(np.mean(outputs.argmax(axis=1) == self._labels))
        node = next(n for n in graph.nodes if self._measured in (n.name, n.tail_name))
        got = results[node.name].reshape(len(self._x), -1) * 2.0**-node.dec
        return graph, (right, -float(np.mean((got - self._exact) ** 2)))


def _result(
    found: Calibration,
    graph: QGraph,
    wanted: dict[str, int],
    weights: WeightDecs,
    before: float,
    best: Score,
    trial: _Trial,
    complete: bool,
) -> SearchResult:
    moved = [k for k, dec in wanted.items() if dec != found.wanted[k]]
    moved += [k for k, decs in weights.items() if decs != found.weights[k] and k not in moved]
    return SearchResult(
        graph=graph,
        before=before,
        after=best[0],
        tried=trial.count,
        changed=tuple(moved),
        complete=complete,
    )
