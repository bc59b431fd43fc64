"""MLPerf Tiny's protocol on native and emulated targets, by a client of its description."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from nnom_hil.boards import find_board
from nnom_hil.cli.app import run_app
from nnom_hil.codegen.mlperf import (
    FACTS,
    Benchmark,
    MlperfSettings,
    Pixels,
    mlperf_settings,
)
from nnom_hil.deadline import Deadline
from nnom_hil.mlperf.client import MlperfClient, RefusedError
from nnom_hil.mlperf.expected import expected_results
from nnom_hil.mlperf_record import MlperfRecord
from nnom_hil.model.qgraph import QGraph
from nnom_hil.run.prepare import prepare
from nnom_hil.run.request import at_baud
from nnom_hil.run.runner import build_for
from nnom_hil.target.select import make_target
from tests.support.mlperf import settings_of, shared_model, small_model, stimuli
from tests.support.native import NNOM

NIGHTLY = bool(os.environ.get("NNOM_HIL_NIGHTLY"))
BOARDS = ["native_sanitized", "stm32f4"]
VENDOR = "ULPMark for tinyML Firmware V0.0.1"


@contextmanager
def device(
    board: str, graph: QGraph, settings: MlperfSettings, baud: int | None = None
) -> Iterator[MlperfClient]:
    """Yield a client of a target that has just started."""
    where = at_baud(find_board(board), baud)
    image = build_for(where, graph, mlperf=settings)
    target = make_target(where)
    try:
        client = MlperfClient(
            target.start(image.elf, Deadline.after(120)), why_dead=target.why_dead
        )
        client.wait_for_start(120)
        yield client
    finally:
        target.stop()


def refusal(client: MlperfClient, command: str) -> str:
    with pytest.raises(RefusedError) as refused:
        client.command(command)
    return refused.value.text


def check_results(client: MlperfClient, graph: QGraph, settings: MlperfSettings, n: int) -> None:
    """Hold n stimuli's results against the reference's, to the last digit."""
    wire = stimuli(settings.benchmark, n)
    for stimulus, expected in zip(wire, expected_results(graph, settings, wire), strict=True):
        client.load(stimulus.tobytes())
        answer = client.infer()
        assert answer.results == expected
        assert answer.microseconds > 0
        assert client.command("results") == [f"m-results-[{','.join(expected)}]"]


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("benchmark", Benchmark)
def test_four_benchmarks_answer_as_the_reference(board: str, benchmark: Benchmark) -> None:
    graph = small_model(benchmark)
    with device(board, graph, settings_of(graph)) as client:
        assert (client.name(), client.model()) == (board, benchmark)
        check_results(client, graph, settings_of(graph), 2)


@pytest.mark.parametrize("end", ["logits", "sigmoid"] if NIGHTLY else ["sigmoid"])
def test_other_ends_of_a_network_answer_as_the_reference(end: str) -> None:
    graph = small_model(Benchmark.KWS01, end)
    with device("native_sanitized", graph, settings_of(graph)) as client:
        check_results(client, graph, settings_of(graph), 5)


@pytest.mark.parametrize("board", BOARDS)
def test_commands_and_what_is_wrong_with_them(board: str) -> None:
    graph = small_model(Benchmark.KWS01)
    with device(board, graph, settings_of(graph), baud=9600) as client:
        assert client.command("name") == [f"m-name-dut-[{board}]"]
        assert client.command("profile") == [f"m-profile-[{VENDOR}]", "m-model-[kws01]"]
        assert client.timestamp() <= client.timestamp()
        assert len(client.command("help")) > 5

        assert refusal(client, "bogus") == "Unknown command: bogus"
        assert refusal(client, "") == "Unknown command: "
        assert refusal(client, "name 1") == "Unknown command: name 1"
        assert refusal(client, "a]b\x01") == "Unknown command: a?b?"
        assert refusal(client, "x" * 100) == f"Unknown command: {'x' * 80}"
        assert "infer comes first" in refusal(client, "results")
        assert "stimulus comes first" in refusal(client, "infer 1 0")
        assert "db load N comes first" in refusal(client, "db 00")
        for wrong in ("db load", "db load x", "db load 0", "db load 491", "db load 99999999999"):
            assert "a number of bytes, 1 to 490" in refusal(client, wrong)

        assert client.command("db load 3") == ["m-[Expecting 3 bytes]"]
        for wrong in ("db", "db 0", "db 0g", "db 000", "db -1"):
            assert "hexadecimal digits" in refusal(client, wrong)
        assert client.command("db A0b1") == []
        assert client.command("db print") == ["m-[a0b1]"]
        assert client.command("db c2ffe") == ["m-load-done"], "surplus digits are ignored"
        assert client.command("db ff") == []
        assert client.command("db print") == ["m-[a0b1c2]"]
        assert "stimulus comes first" in refusal(client, "infer 1 0"), "too short a one"

        assert client.command("db load 50") == ["m-[Expecting 50 bytes]"]
        assert client.command(f"db {'5a' * 45}") == [], "80 characters are kept of a command"
        assert "".join(client.command("db print")).count("5a") == 38

        client.load(stimuli(Benchmark.KWS01, 1)[0].tobytes())
        for wrong in ("infer x", "infer 0", "infer -1", "infer 4294967296", "infer 1 2 3",
            "infer 1 x", "infer 99999999999999999999"):  # fmt: skip
            assert "N and W are numbers" in refusal(client, wrong)
        lines = client.command("infer")
        assert [line.rstrip("0123456789") for line in lines[:6]] == [
            "m-warmup-start-", "m-warmup-done", "m-infer-start-", "m-lap-us-", "m-lap-us-",
            "m-infer-done",
        ]  # fmt: skip
        assert lines[0].endswith("-10")
        assert lines[2].endswith("-1")
        assert lines[6].startswith("m-results-[")
        assert client.infer(3, 0).runs == 3
        client.command("db load 490")
        assert "infer comes first" in refusal(client, "results")


def test_a_stimulus_that_is_no_number_is_refused() -> None:
    graph = small_model(Benchmark.AD01)
    with device("native_sanitized", graph, settings_of(graph)) as client:
        for value in (np.nan, np.inf, -np.inf):
            x = np.zeros(640, "<f4")
            x[639] = value
            client.load(x.tobytes())
            assert "not finite" in refusal(client, "infer 1 0")
        client.load(np.full(640, 3e38, "<f4").tobytes())
        assert client.infer().results == ("1000000000000000000.000000000",)


@pytest.mark.parametrize("board", BOARDS if NIGHTLY else BOARDS[:1])
@pytest.mark.parametrize("name", ["pretrainedResnet.h5", "ad01.h5"])
def test_the_benchmark_s_own_models(board: str, name: str, tmp_path: Path) -> None:
    model = shared_model(name)
    benchmark = Benchmark.AD01 if name == "ad01.h5" else Benchmark.IC01
    wire = stimuli(benchmark, 20)
    x = wire.view("<f4") if benchmark is Benchmark.AD01 else wire.reshape(-1, 32, 32, 3)
    np.savez(tmp_path / "x.npz", x=x.astype(np.float32))
    prepared = prepare(model, tmp_path / "x.npz")
    settings = mlperf_settings(prepared.graph, Pixels.BYTES)
    with device(board, prepared.graph, settings) as client:
        check_results(client, prepared.graph, settings, 2)


def test_build_takes_the_protocol(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["build", "--board", "native", "--protocol", "mlperf", "-o", str(tmp_path)]
    assert run_app(command) == 2
    assert "takes 28x28x1 and gives 10, which no benchmark does" in capsys.readouterr().err
    assert run_app([*command, "--nnom", str(NNOM)]) == 2
    assert "leave out one of the two" in capsys.readouterr().err


def small_keras(folder: Path, benchmark: Benchmark) -> tuple[Path, Path]:
    """Write a small model of a benchmark's shapes, and data as its runner takes it."""
    import keras

    shape, outputs = FACTS[benchmark].shape, FACTS[benchmark].outputs
    layers = keras.layers
    ends = [layers.Flatten(), layers.Dense(outputs, activation="softmax")]
    pools = [layers.MaxPooling2D(4)] if shape[0] > 49 else []
    middle = [layers.Conv2D(4, 3, strides=2, activation="relu"), *pools]
    keras.Sequential([layers.Input(shape), *middle, *ends]).save(folder / f"{benchmark}.keras")
    data = folder / benchmark
    data.mkdir()
    rows = []
    for i, stimulus in enumerate(stimuli(benchmark, outputs + 2)):
        (data / f"{i}.bin").write_bytes(stimulus.tobytes())
        rows.append(f"{i}.bin,{outputs},{i % outputs}\n")
    (data / "y_labels.csv").write_text("".join(rows))
    return folder / f"{benchmark}.keras", data


@pytest.mark.parametrize(
    ("board", "benchmark"),
    [("stm32f4", "kws01"), *([("native", "vww01"), ("mps2_an385", "kws01")] if NIGHTLY else [])],
)
def test_benchmarks_are_run_and_told(
    board: str, benchmark: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small_keras(tmp_path, Benchmark(benchmark))
    code = run_app(
        ["mlperf", "--board", board, "--models", str(tmp_path), "--datasets", str(tmp_path),
         "--windows", "3", "--window-seconds", "0.05", "--json"]
    )  # fmt: skip
    record = MlperfRecord.model_validate_json(capsys.readouterr().out)
    assert code == 0
    (row,) = record.rows
    assert (row.benchmark, row.stimuli) == (benchmark, row.samples)
    assert row.is_equal
    assert row.auc is not None
    assert row.top1 is not None
    assert len(row.per_second) == 3
    assert row.runs / max(row.per_second) >= 0.05
    assert sorted(record.missing) == sorted(set(Benchmark) - {benchmark})
    if board != "native":
        assert max(row.per_second) < 1.05 * min(row.per_second), "an exact clock, other data"
        assert row.cycles is not None
        assert row.ram is not None
        assert {p.core for p in record.published} <= {record.core}
        assert bool(record.published) == (record.core == "cortex-m4")


@pytest.mark.skipif(not NIGHTLY, reason="slow: NNOM_HIL_NIGHTLY=1 (make nightly)")
def test_windows_are_as_long_as_the_rules_want(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = shared_model("ad01.h5")
    x = np.random.default_rng(0).normal(-30, 5, (4, 640)).astype(np.float32)
    np.savez(tmp_path / "ad01.npz", x=x, y=[0, 1, 0, 1])
    command = ["mlperf", "ad01", "--board", "mps2_an386", "--model", f"ad01={model}"]
    assert run_app([*command, "--datasets", str(tmp_path), "--json"]) == 0
    (row,) = MlperfRecord.model_validate_json(capsys.readouterr().out).rows
    assert len(row.per_second) == 5
    assert all(10 <= row.runs / rate < 30 for rate in row.per_second)
    assert row.auc is not None
    assert row.top1 is None
