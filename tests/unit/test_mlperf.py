"""What MLPerf Tiny's firmware is told of a model, and what its answers must be."""

import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.agent import build_agent
from tests.support.mlperf import calibration, settings_of, small_model, stimuli
from tests.support.random_graphs import random_graph

from nnom_hil.boards import find_board
from nnom_hil.codegen.mlperf import FACTS, Benchmark, Pixels, Scores, mlperf_settings, pixels_of
from nnom_hil.errors import UsageError
from nnom_hil.mlperf.expected import expected_results
from nnom_hil.model.reference import run_reference
from nnom_hil.run.request import at_baud
from nnom_hil.tool import find_tool

NIGHTLY = bool(os.environ.get("NNOM_HIL_NIGHTLY"))
FUZZER = Path(__file__).parents[1] / "native" / "fuzz_mlperf.c"


@pytest.mark.parametrize("benchmark", Benchmark)
@pytest.mark.parametrize("pixels", Pixels)
def test_bytes_mean_what_the_model_takes(benchmark: Benchmark, pixels: Pixels) -> None:
    graph = small_model(benchmark, pixels=pixels)
    x = calibration(benchmark, pixels)
    found = pixels_of(graph, graph.quantise(x))
    assert found is pixels or benchmark in (Benchmark.AD01, Benchmark.KWS01)
    settings = mlperf_settings(graph, found)
    assert settings.benchmark is benchmark
    wire = stimuli(benchmark, 12, seed=9)
    np.testing.assert_array_equal(settings.inputs_of(wire), x.reshape(12, -1))
    np.testing.assert_array_equal(settings.stimuli_of(x), wire)


@given(st.lists(st.floats(-300, 300, width=32), min_size=1, max_size=20))
def test_the_nearest_stimulus_is_taken(numbers: list[float]) -> None:
    settings = settings_of(small_model(Benchmark.KWS01))
    x = np.array([numbers], np.float32)
    back = settings.inputs_of(settings.stimuli_of(x)).astype(np.float64)
    values = np.array(settings.values)
    nearest = np.abs(x.astype(np.float64)[..., None] - values).min(axis=-1)
    np.testing.assert_allclose(np.abs(back - x), nearest, rtol=1e-5, atol=1e-4)


def test_pixels_can_be_said() -> None:
    graph = small_model(Benchmark.IC01)
    assert mlperf_settings(graph, Pixels.UNIT).values[255] == 1.0
    assert mlperf_settings(graph, Pixels.BYTES).values[255] == 255.0
    assert mlperf_settings(graph, Pixels.SIGNED).values[0] == -1.0


def test_a_model_of_no_benchmark_is_told_what_there_are() -> None:
    with pytest.raises(UsageError, match=r"which no benchmark does .*ic01 takes 32x32x3 and gives"):
        settings_of(random_graph(0))


@pytest.mark.parametrize(("end", "scores"), [("softmax", Scores.SOFTMAX),
    ("logits", Scores.LOGITS), ("sigmoid", Scores.SHARES)])  # fmt: skip
def test_scores_are_shares_that_rank_as_the_network(end: str, scores: Scores) -> None:
    graph = small_model(Benchmark.KWS01, end)
    settings = settings_of(graph)
    assert settings.scores is scores
    wire = stimuli(Benchmark.KWS01, 30)
    told = np.array(expected_results(graph, settings, wire), np.float64)
    np.testing.assert_allclose(told.sum(axis=1), 1, atol=1e-9)
    codes = run_reference(graph, graph.quantise(settings.inputs_of(wire).reshape(-1, 49, 10, 1)))
    at = np.arange(len(told)), told.argmax(axis=1)
    np.testing.assert_array_equal(codes[at], codes.max(axis=1))
    if scores is not Scores.SHARES:
        assert len(np.unique(told)) > len(np.unique(codes)), "an int8 softmax would do"


def test_the_anomaly_score_is_the_error_of_the_reconstruction() -> None:
    graph = small_model(Benchmark.AD01)
    wire = stimuli(Benchmark.AD01, 5)
    told = np.array(expected_results(graph, settings_of(graph), wire), np.float64)[:, 0]
    x = wire.view("<f4").astype(np.float64)
    y = run_reference(graph, graph.quantise(x.astype(np.float32))) * 2.0**-graph.output.dec
    np.testing.assert_allclose(told, ((x - y) ** 2).mean(axis=1), rtol=1e-7)


def test_a_rate_that_the_uart_does_not_have_is_told() -> None:
    board = find_board("stm32f4")
    assert at_baud(board, 9600).console.baud == 9600
    assert at_baud(board, None) is board
    with pytest.raises(UsageError, match=r"--baud 50000000: board stm32f4: .* name another rate"):
        at_baud(board, 50_000_000)


@pytest.mark.parametrize("benchmark", Benchmark if NIGHTLY else [Benchmark.KWS01])
def test_no_input_makes_the_protocol_stumble(tmp_path: Path, benchmark: Benchmark) -> None:
    """Each command is answered by one m-ready, in lines that say what is wrong."""
    graph = small_model(benchmark)
    flags = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    fuzzer = build_agent(
        tmp_path, graph, [str(find_tool("cc")), *flags], FUZZER, mlperf=settings_of(graph)
    )
    done = subprocess.run(
        [fuzzer, "1000000" if NIGHTLY else "20000", "12345"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    counts = {name: int(n) for n, name in re.findall(r"(\d+) (\w+)", done.stderr)}
    assert counts["commands"] == counts["ready"]
    assert min(counts["errors"], counts["results"], counts["loads"]) > 100, counts


def test_facts_fit_each_other() -> None:
    for benchmark, facts in FACTS.items():
        width = 4 if benchmark is Benchmark.AD01 else 1
        assert facts.bytes == width * np.prod(facts.shape)
