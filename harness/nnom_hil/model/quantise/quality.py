"""How well a quantised graph follows the float one, layer by layer."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnom_hil.model.graph import FloatGraph
from nnom_hil.model.qgraph import QGraph, QInput
from nnom_hil.model.quantise.numbers import to_int8
from nnom_hil.model.quantise.statistics import Extremes, Observed
from nnom_hil.model.reference import run_all_layers

__all__ = ["LayerQuality", "Quality", "decibels", "measure_quality"]

_SAMPLES = 128
_MOST_DB = 100.0  # for a layer without any error


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerQuality:
    """One layer. sqnr_db: power of the float signal over that of the error, decibels; None where
    the signal is zero. saturated: share of float values beyond the ends of int8, 0 to 1. largest:
    of the float values. dec: fraction bits.
    """

    name: str
    kind: str
    dec: int
    largest: float
    sqnr_db: float | None
    saturated: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """samples: inputs that were compared. agreement: share of equal largest outputs, None for
    models with one output. calibration: inputs that formats were chosen by. uneven_input: how many
    times the range of the input's weakest channel the strongest one's is, as they are put in.
    """

    samples: int
    layers: tuple[LayerQuality, ...]
    agreement: float | None
    calibration: int
    uneven_input: float


def measure_quality(graph: FloatGraph, quantised: QGraph, data: Observed) -> Quality:
    """Compare the two on at most 128 of the calibration inputs.

    graph, data: those the formats were found on (Calibration.graph, Calibration.data).
    """
    some = data.thinned(_SAMPLES)
    exact = {node.name: data.values(node.name, some) for node in graph.nodes}
    x = exact[graph.nodes[0].name]
    got = run_all_layers(quantised, to_int8(x, quantised.input.dec))
    layers = []
    for node in quantised.nodes:
        name = node.tail_name or node.name
        if name not in exact:  # a layer that quantisation put in
            continue
        values = exact[name].reshape(len(x), -1).astype(np.float64)
        codes = got[node.name].reshape(len(x), -1)
        layers.append(
            LayerQuality(
                name=name if isinstance(node.op, QInput) else node.name,
                kind=type(node.op).__name__.removeprefix("Q"),
                dec=node.dec,
                largest=float(np.abs(values).max(initial=0.0)),
                sqnr_db=decibels(values, codes * 2.0**-node.dec),
                saturated=_cut_off(values, node.dec),
            )
        )
    last = quantised.nodes[-1].name
    outputs, floats = got[last].reshape(len(x), -1), exact[graph.nodes[-1].name].reshape(len(x), -1)
    agreement = None
    if outputs.shape[1] > 1:
        agreement = float(np.mean(outputs.argmax(axis=1) == floats.argmax(axis=1)))
    return Quality(
        samples=len(x),
        layers=tuple(layers),
        agreement=agreement,
        calibration=data.total,
        uneven_input=_unevenness(data.found[graph.nodes[0].name]),
    )


def _unevenness(found: Extremes) -> float:
    spans = found.high - found.low
    return float(spans.max() / spans[spans > 0].min()) if spans.any() else 1.0


def _cut_off(values: npt.NDArray[np.float64], dec: int) -> float:
    """Return the share of values that int8 has no code for, by half a step or more.

    What ends where int8 does, such as what a ReLU leaves in a shifted format, loses nothing.
    """
    steps = values * 2.0**dec
    return float(np.mean((steps >= 127.5) | (steps <= -128.5)))


def decibels(exact: npt.NDArray[np.floating], got: npt.NDArray[np.floating]) -> float | None:
    """Return the power of exact over that of the error, at most 100; None where exact is zero."""
    exact = exact.astype(np.float64)
    signal, noise = float(np.mean(exact**2)), float(np.mean((exact - got) ** 2))
    if signal == 0.0:
        return None
    return min(10 * float(np.log10(signal / noise)), _MOST_DB) if noise else _MOST_DB
