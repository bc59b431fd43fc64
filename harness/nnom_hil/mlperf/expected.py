"""What a device must answer: from the reference's integers, in the firmware's own arithmetic."""

import numpy as np
import numpy.typing as npt

from nnom_hil.codegen.mlperf import MlperfSettings, Scores
from nnom_hil.model.qgraph import QGraph
from nnom_hil.model.reference import run_all_layers

__all__ = ["expected_results"]

_CHUNK = 64


def expected_results(
    graph: QGraph,
    settings: MlperfSettings,
    stimuli: npt.NDArray[np.uint8],
    *,
    compat: bool = False,
) -> list[tuple[str, ...]]:
    """Return the results of each stimulus (n, bytes), as the device writes them.

    compat: of firmware that gives NNoM 0.4.3's own int8 results.
    """
    results: list[tuple[str, ...]] = []
    for start in range(0, len(stimuli), _CHUNK):
        results += _of(graph, settings, stimuli[start : start + _CHUNK], compat)
    return results


def _of(
    graph: QGraph, settings: MlperfSettings, stimuli: npt.NDArray[np.uint8], compat: bool
) -> list[tuple[str, ...]]:
    x = settings.inputs_of(stimuli)
    images = graph.quantise(x.reshape(-1, *graph.input.shape))
    layers = run_all_layers(graph, images, compat=compat)
    codes = layers[settings.source].reshape(len(x), -1).astype(np.int64)
    if settings.scores is Scores.ANOMALY:
        off = x.astype(np.float64) - codes * 2.0**-settings.dec
        sums = np.cumsum(off * off, axis=1)[:, -1]  # one after the other, as in C
        return [(_decimal(value, 9),) for value in sums / codes.shape[1]]
    index = codes.max(axis=1, keepdims=True) - codes if settings.is_relative else codes + 128
    weights = settings.weights.astype(np.float64)[index]
    shares = weights / np.cumsum(weights, axis=1)[:, -1:]
    return [tuple(_decimal(value, 12) for value in row) for row in shares]


def _decimal(value: float, digits: int) -> str:
    """Return a number as firmware/mlperf/say.c writes it."""
    unit = 10**digits
    whole = int(min(value, 1e18))
    rest = int((min(value, 1e18) - whole) * unit + 0.5)
    return f"{whole + rest // unit}.{rest % unit:0{digits}d}"
