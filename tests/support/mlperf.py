"""Small models of MLPerf Tiny's shapes, made without Keras; and the benchmark's own."""

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from nnom_hil.codegen.mlperf import FACTS, Benchmark, MlperfSettings, Pixels, mlperf_settings
from nnom_hil.model.graph import (
    Activation,
    ActivationKind,
    Conv,
    Dense,
    Flatten,
    FloatGraph,
    FloatNode,
    FloatOp,
    Input,
    Padding,
    Softmax,
)
from nnom_hil.model.qgraph import QGraph
from nnom_hil.model.quantise import quantise
from nnom_hil.model.run_order import in_run_order
from tests.support.native import ROOT

SHARED = ROOT.parent / "shared" / "data" / "mlperf_tiny"
ENDS: dict[str, tuple[FloatOp, ...]] = {
    "softmax": (Softmax(),),
    "logits": (),
    "sigmoid": (Activation(kind=ActivationKind.SIGMOID),),
}


def shared_model(name: str) -> Path:
    """Return one of the benchmark's own models; skips where it is not beside the project."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"needs {path}, one of the benchmark's own models")
    return path


def stimuli(benchmark: Benchmark, n: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Return random stimuli (n, bytes) of a benchmark."""
    rng = np.random.default_rng(seed)
    if benchmark is Benchmark.AD01:
        return (rng.standard_normal((n, 640)) * 2).astype("<f4").view(np.uint8)
    return rng.integers(0, 256, (n, FACTS[benchmark].bytes), dtype=np.uint8)


@cache
def small_model(benchmark: Benchmark, end: str = "softmax", pixels: Pixels = Pixels.UNIT) -> QGraph:
    """Return a network of the benchmark's shapes with few weights; it takes pixels so."""
    rng = np.random.default_rng(1)
    facts = FACTS[benchmark]

    def f32(*shape: int, size: float = 1.0) -> npt.NDArray[np.float32]:
        return (rng.normal(0, 0.5, shape) / size).astype(np.float32)

    x = calibration(benchmark, pixels)
    size = float(np.abs(x).max())
    ops: list[FloatOp] = [Input(shape=facts.shape)]
    if benchmark is Benchmark.AD01:
        ops += [
            Dense(kernel=f32(640, 4, size=8), bias=f32(4)),
            Activation(kind=ActivationKind.RELU),
        ]
        ops += [Dense(kernel=f32(4, 640), bias=f32(640))]
    else:
        channels = facts.shape[2]
        stride = max(1, facts.shape[0] // 8)
        ops += [
            Conv(
                kernel=f32(3, 3, channels, 4, size=size), bias=f32(4),
                stride=(stride, min(stride, 4)), dilation=(1, 1), padding=Padding.SAME,
                depthwise=False, dims=2,
            ),
            Activation(kind=ActivationKind.RELU),
            Flatten(),
        ]  # fmt: skip
        rows = -(-facts.shape[0] // stride) * -(-facts.shape[1] // min(stride, 4))
        ops += [Dense(kernel=f32(rows * 4, facts.outputs, size=4), bias=f32(facts.outputs))]
        ops += ENDS[end]
    names = [f"n{i}" for i in range(len(ops))]
    nodes = tuple(
        FloatNode(name=names[i], op=op, inputs=(names[i - 1],) if i else ())
        for i, op in enumerate(ops)
    )
    return in_run_order(quantise(FloatGraph(name="small", nodes=nodes), x))


def calibration(benchmark: Benchmark, pixels: Pixels) -> npt.NDArray[np.float32]:
    """Return what a model of the benchmark is calibrated with, as it takes its inputs."""
    raw = stimuli(benchmark, 12, seed=9)
    if benchmark is Benchmark.AD01:
        return raw.view("<f4").astype(np.float32)
    values = raw.astype(np.float32)
    if benchmark is Benchmark.KWS01:
        values = (raw.view(np.int8).astype(np.float32) - 83) * np.float32(0.5847029)
    elif pixels is Pixels.UNIT:
        values = values / np.float32(255)
    elif pixels is Pixels.SIGNED:
        values = values / np.float32(127.5) - np.float32(1)
    return values.reshape(-1, *FACTS[benchmark].shape)


def settings_of(graph: QGraph) -> MlperfSettings:
    """Return what firmware of a small model is told."""
    return mlperf_settings(graph, Pixels.UNIT)
