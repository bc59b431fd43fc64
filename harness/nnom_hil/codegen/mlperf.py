"""MLPerf Tiny's four benchmarks: what travels, what it means to a model, what firmware is told."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from nnom_hil.codegen.firmware_options import Pixels, Protocol
from nnom_hil.codegen.pieces import float_literal
from nnom_hil.errors import UsageError
from nnom_hil.model.graph import ActivationKind, Flatten, Reshape
from nnom_hil.model.qgraph import Int8, QActivation, QGraph, QInput, QNode, QSoftmax

__all__ = [
    "FACTS",
    "Benchmark",
    "BenchmarkFacts",
    "MlperfSettings",
    "Pixels",
    "Protocol",
    "Scores",
    "inputs_of",
    "mlperf_config_h",
    "mlperf_settings",
    "pixels_of",
    "pixels_of_range",
    "values_of",
]

_KWS_SCALE: Final = np.float32(0.5847029089927673)
_KWS_ZERO: Final = 83
"""Of the input of the benchmark's kws_ref_model.tflite: its stimuli are quantised so."""

_UNIT_TO: Final = 4.0  # between inputs of 0 to 1, or -1 to 1, and 0 to 255
_SIGNED_FROM: Final = -0.25
_NO_LOGITS: Final = frozenset({ActivationKind.SIGMOID, ActivationKind.RELU})


class Benchmark(StrEnum):
    """The benchmarks, by the names that the runner knows them by."""

    IC01 = "ic01"
    AD01 = "ad01"
    KWS01 = "kws01"
    VWW01 = "vww01"


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkFacts:
    """title: for readers. shape: of the model's input. outputs: values of its answer. bytes: of a
    stimulus. runs, warm_up: of a window, as the runner's files have them. macs: of the reference
    model, millions.
    """

    title: str
    shape: tuple[int, ...]
    outputs: int
    bytes: int
    runs: int
    warm_up: int
    macs: float


FACTS: Final = {
    Benchmark.IC01: BenchmarkFacts(
        title="image classification", shape=(32, 32, 3), outputs=10, bytes=3072, runs=20,
        warm_up=5, macs=12.50,
    ),
    Benchmark.AD01: BenchmarkFacts(
        title="anomaly detection", shape=(640,), outputs=640, bytes=2560, runs=1500,
        warm_up=10, macs=0.264,
    ),
    Benchmark.KWS01: BenchmarkFacts(
        title="keyword spotting", shape=(49, 10, 1), outputs=12, bytes=490, runs=70,
        warm_up=10, macs=2.66,
    ),
    Benchmark.VWW01: BenchmarkFacts(
        title="visual wake words", shape=(96, 96, 3), outputs=2, bytes=27648, runs=20,
        warm_up=5, macs=7.49,
    ),
}  # fmt: skip


class Scores(StrEnum):
    """What is answered is made of: the softmax's input, logits, shares or chances, the error."""

    SOFTMAX = "softmax"
    LOGITS = "logits"
    SHARES = "shares"
    ANOMALY = "anomaly"


@dataclass(frozen=True, slots=True, kw_only=True)
class MlperfSettings:
    """What firmware of a benchmark is told of its model.

    values: what each byte of a stimulus means to the model, float32 (256,); empty where a stimulus
    is floats. centre, scale: QInput's. source: the layer whose output scores are made of; dec: its
    fraction bits.
    """

    benchmark: Benchmark
    values: tuple[float, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    scores: Scores
    source: str
    dec: int

    @property
    def facts(self) -> BenchmarkFacts:
        """The benchmark's."""
        return FACTS[self.benchmark]

    def inputs_of(self, stimuli: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return what the model takes, (n, inputs), of stimuli (n, bytes)."""
        return inputs_of(self.values, stimuli)

    def stimuli_of(self, x: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
        """Return the stimuli (n, bytes) that mean inputs (n, ...), or what is nearest to them."""
        flat = np.ascontiguousarray(x, "<f4").reshape(len(x), -1)
        if not self.values:
            return flat.view(np.uint8)
        values = np.asarray(self.values, np.float32)
        order = np.argsort(values)
        steps = values[order]
        nearest = np.searchsorted((steps[1:] + steps[:-1]) / 2, flat)
        return order[nearest].astype(np.uint8)

    @property
    def weights(self) -> npt.NDArray[np.float32]:
        """A class' weight: by how far it is below the largest one, or by its value + 128."""
        index = np.arange(256, dtype=np.float64)
        if self.is_relative:
            return np.exp(-index * 2.0**-self.dec).astype(np.float32)
        return np.asarray(np.maximum(index - 128, 0) + 0.5, np.float32)  # never all of them 0

    @property
    def is_relative(self) -> bool:
        """Whether scores are a softmax."""
        return self.scores in (Scores.SOFTMAX, Scores.LOGITS)


def inputs_of(values: tuple[float, ...], stimuli: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return what a model takes, (n, inputs), of stimuli (n, bytes); values: as settings have."""
    if not values:
        return np.ascontiguousarray(stimuli).view("<f4").astype(np.float32)
    return np.asarray(values, np.float32)[stimuli]


def mlperf_settings(graph: QGraph, pixels: Pixels) -> MlperfSettings:
    """Return what firmware of a model is told; the benchmark is the one that has its shapes.

    Raises UsageError for a model of no benchmark.
    """
    benchmark = _benchmark_of(graph)
    entry = graph.input.op
    assert isinstance(entry, QInput)
    scale = entry.scale or (2.0**entry.dec,)
    scores, source = _scores_of(graph, benchmark)
    return MlperfSettings(
        benchmark=benchmark,
        values=values_of(benchmark, pixels),
        centre=entry.centre,
        scale=scale,
        scores=scores,
        source=source.name,
        dec=source.dec,
    )


def _benchmark_of(graph: QGraph) -> Benchmark:
    shape = tuple(n for n in graph.input.shape if n != 1)
    size, outputs = graph.input.size, graph.output.size
    for benchmark, facts in FACTS.items():
        wanted = tuple(n for n in facts.shape if n != 1)
        is_flat = benchmark in (Benchmark.AD01, Benchmark.KWS01) and size == math.prod(wanted)
        if (shape == wanted or is_flat) and outputs == facts.outputs:
            return benchmark
    known = "; ".join(
        f"{name} takes {'x'.join(map(str, facts.shape))} and gives {facts.outputs}"
        for name, facts in FACTS.items()
    )
    raise UsageError(
        f"--protocol mlperf: the model takes {'x'.join(map(str, graph.input.shape))} and gives "
        f"{outputs}, which no benchmark does ({known}); leave it out, or name another model"
    )


def pixels_of(graph: QGraph, x: Int8) -> Pixels:
    """Return what the range of a model's own inputs, x (n, inputs), speaks for."""
    entry = graph.input.op
    assert isinstance(entry, QInput)
    rows = x.reshape(-1, *graph.input.shape).reshape(-1, graph.input.shape[-1])
    lowest, highest = rows.min(axis=0).astype(float), rows.max(axis=0).astype(float)
    scale = np.asarray(entry.scale or (2.0**entry.dec,))
    centre = np.asarray(entry.centre)
    if max(len(scale), len(centre)) > len(lowest):  # one an element: their own extent is enough
        lowest, highest = np.full(1, lowest.min()), np.full(1, highest.max())
    return pixels_of_range((lowest / scale + centre).min(), (highest / scale + centre).max())


def pixels_of_range(lowest: float, highest: float) -> Pixels:
    """Return what the range of a model's inputs speaks for."""
    if highest > _UNIT_TO:
        return Pixels.BYTES
    return Pixels.SIGNED if lowest < _SIGNED_FROM else Pixels.UNIT


def values_of(benchmark: Benchmark, pixels: Pixels) -> tuple[float, ...]:
    """Return what each byte of a stimulus means, float32 (256,); nothing where it is of floats."""
    if benchmark is Benchmark.AD01:
        return ()
    codes = np.arange(256, dtype=np.float32)
    if benchmark is Benchmark.KWS01:
        signed = codes.astype(np.uint8).astype(np.int8).astype(np.float32)
        values = (signed - np.float32(_KWS_ZERO)) * _KWS_SCALE
    elif pixels is Pixels.BYTES:
        values = codes
    elif pixels is Pixels.UNIT:
        values = codes / np.float32(255)
    else:
        values = codes / np.float32(127.5) - np.float32(1)
    return tuple(float(v) for v in values)


def _scores_of(graph: QGraph, benchmark: Benchmark) -> tuple[Scores, QNode]:
    """Return what is answered, and the layer whose output that is made of."""
    last: QNode = graph.by_name[graph.output.inputs[0]]
    while isinstance(last.op, (Flatten, Reshape)):
        last = graph.by_name[last.inputs[0]]
    if benchmark is Benchmark.AD01:
        return Scores.ANOMALY, graph.output
    if isinstance(last.op, QSoftmax):
        return Scores.SOFTMAX, graph.by_name[last.inputs[0]]
    activation = last.op if isinstance(last.op, QActivation) else last.tail
    if activation is not None and activation.kind in _NO_LOGITS:
        return Scores.SHARES, graph.output
    return Scores.LOGITS, graph.output


def mlperf_config_h(settings: MlperfSettings) -> str:
    """Return mlperf_config.h: the benchmark, and what stimuli and outputs mean."""
    facts = settings.facts
    is_anomaly = settings.scores is Scores.ANOMALY
    numbers = {
        "BYTES": f"{facts.bytes}u",
        "INPUTS": f"{math.prod(facts.shape)}u",
        "OUTPUTS": f"{facts.outputs}u",
        "FLOATS": int(not settings.values),
        "ANOMALY": int(is_anomaly),
        "SOFTMAX": int(settings.scores is Scores.SOFTMAX),
        "RELATIVE": int(settings.is_relative),
        "CENTRE": _floats(settings.centre),
        "SCALE": _floats(settings.scale),
    }
    if settings.values:
        numbers["VALUES"] = _floats(settings.values)
    if is_anomaly:
        numbers["UNIT"] = repr(2.0**-settings.dec)
    else:
        numbers["WEIGHTS"] = _floats(settings.weights.tolist())
    lines = [f"#define MLPERF_{key} {value}" for key, value in numbers.items()]
    return "\n".join(
        [
            "/* Generated by nnom-hil from the benchmark and the model. Do not edit. */",
            "#ifndef MLPERF_CONFIG_H",
            "#define MLPERF_CONFIG_H",
            "",
            f'#define MLPERF_MODEL "{settings.benchmark}"',
            *lines,
            "",
            "#endif",
            "",
        ]
    )


def _floats(numbers: tuple[float, ...] | list[float]) -> str:
    return f"{{{', '.join(map(float_literal, numbers))}}}"
