"""The C library on every emulated core: the recorded models, and random ones, byte for byte."""

import os
import zlib
from pathlib import Path

import pytest

from nnom_hil.model.qgraph import QSoftmax
from nnom_hil.model.reference import run_all_layers
from tests.support.emulated import EmulatedRunner
from tests.support.golden import load_golden
from tests.support.random_graphs import random_graph, random_inputs
from tests.unit.test_golden import MATCHED
from tests.unit.test_softmax import softmax_graph

CORES = {
    "M0": "cortex_m0",
    "M3": "mps2_an385",
    "M4": "mps2_an386",
    "M7": "mps2_an500",
    "M33": "mps2_an505",
    "M55": "mps3_an547",
}
NIGHTLY = bool(os.environ.get("NNOM_HIL_NIGHTLY"))
MODELS = 600 if NIGHTLY else 60
SOFTMAXES = [(n, dec) for n in (2, 5, 16, 300) for dec in (-24, -5, -1, 3, 4, 7, 11, 32)]


@pytest.mark.parametrize("core", CORES)
def test_recorded_models(core: str, tmp_path: Path) -> None:
    runner = EmulatedRunner(CORES[core], tmp_path, compat=True)
    runs = runner.run([(case.graph, case.x) for case in MATCHED])
    wrong = []
    for case, run in zip(MATCHED, runs, strict=True):
        if run.compile_status != 0 or run.crc32 != case.crc32:
            wrong.append(case.id)
    assert len(runs) == 461 <= len(load_golden())
    assert not wrong


@pytest.mark.parametrize("compat", [False, True], ids=["right", "compat"])
@pytest.mark.parametrize("core", CORES if NIGHTLY else ["M0", "M4", "M55"])
def test_random_models(core: str, compat: bool, tmp_path: Path) -> None:
    graphs = [random_graph(seed) for seed in range(MODELS)]
    graphs += [softmax_graph(QSoftmax(), n, dec) for n, dec in SOFTMAXES]
    inputs = [random_inputs(graph, seed, 2) for seed, graph in enumerate(graphs)]
    runner = EmulatedRunner(CORES[core], tmp_path, compat=compat)
    runs = runner.run(list(zip(graphs, inputs, strict=True)))
    for seed, (graph, x, run) in enumerate(zip(graphs, inputs, runs, strict=True)):
        assert run.compile_status == 0, seed
        expected = run_all_layers(graph, x, compat=compat)
        crc32 = {
            name: [zlib.crc32(row.tobytes()) for row in values] for name, values in expected.items()
        }
        assert run.crc32 == crc32, seed
