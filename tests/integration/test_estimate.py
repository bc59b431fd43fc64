"""On an emulator the cycle model tells the time, or the run says why it does not."""

import json
from pathlib import Path
from typing import Any

import pytest

from nnom_hil.boards import find_board
from nnom_hil.build import Kernels, Library
from nnom_hil.cache import usage
from nnom_hil.cli.app import run_app
from nnom_hil.errors import ToolError
from nnom_hil.run.plan import Timing
from nnom_hil.run.service import RunRequest, open_run
from nnom_hil.times import TimeSource


def record_of(
    tmp_path: Path,
    board: str = "stm32f4",
    *,
    estimate: bool = True,
    kernels: Kernels = Kernels.AUTO,
) -> dict[str, Any]:
    request = RunRequest(
        board=find_board(board),
        runs=tmp_path / "runs",
        timing_only=True,
        library=Library(kernels=kernels),
        timing=Timing(repeats=1, warm_up=0, estimate=estimate),
    )
    record = open_run(request).execute()
    found: dict[str, Any] = json.loads(record.to_json())
    return found


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that the file's tests share, and nobody else."""
    folder = tmp_path_factory.getbasetemp() / "estimates"
    monkeypatch.setenv("NNOM_HIL_CACHE", str(folder))


@pytest.mark.xdist_group("estimate")
def test_cycles_are_estimated_once_and_instructions_stay_exact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = record_of(tmp_path)
    assert record["time_source"] == TimeSource.MODEL
    assert 10 < record["error_percent"] <= 40  # no table has checked this board's flash
    counted = record_of(tmp_path, estimate=False)
    assert counted["time_source"] == TimeSource.INSTRUCTIONS
    assert record["total_instructions"] == counted["total_instructions"]
    for layer in record["layers"]:
        if layer["macs"]:  # an instruction takes about a cycle, and never none
            assert 0.9 < layer["cycles"] / layer["instructions"] < 2.5
    hz = find_board("stm32f4").clock.core_hz
    assert record["total_time_us"] == pytest.approx(record["total_cycles"] * 1e6 / hz, rel=1e-4)
    slowest = max(record["layers"], key=lambda layer: layer["cycles"])["name"]
    assert record["where_time_goes"][0].startswith(f"{slowest} takes ")
    assert any("in RAM instead of flash would save" in line for line in record["where_time_goes"])

    def never(*_: object, **__: object) -> None:
        raise AssertionError("counted again")

    monkeypatch.setattr("nnom_hil.run.estimate.profile_layers", never)
    again = record_of(tmp_path)
    assert [x["cycles"] for x in again["layers"]] == [x["cycles"] for x in record["layers"]]
    assert {row.kind: row.entries for row in usage()}["cycles"] == 1


@pytest.mark.xdist_group("estimate")
def test_a_run_goes_on_without_an_estimate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ToolError("cc: program not found; try: apt-get install gcc")

    monkeypatch.setattr("nnom_hil.run.estimate._SCHEMA", "not kept yet")
    monkeypatch.setattr("nnom_hil.profiler.counting.counting_plugin", missing)
    record = record_of(tmp_path)
    assert (record["verdict"], record["time_source"]) == ("pass", TimeSource.INSTRUCTIONS)
    assert any(
        note.startswith("cycles are not estimated: cc: program not found")
        for note in record["notes"]
    )


@pytest.mark.xdist_group("estimate")
def test_other_kernels_are_told_by_what_they_would_save(tmp_path: Path) -> None:
    best = record_of(tmp_path, "mps2_an386")  # whose memories answer at once
    assert (best["error_percent"], best["notes"]) == (10, [])
    assert not any("flash" in line for line in best["where_time_goes"])
    record = record_of(tmp_path, "mps2_an386", kernels=Kernels.PLAIN)
    (line,) = [line for line in record["where_time_goes"] if line.startswith("our kernels for")]
    plain, ours = record["total_cycles"], best["total_cycles"]
    assert line == f"our kernels for this core would take {1 - ours / plain:.0%} fewer cycles"


def test_the_tables_need_the_code_that_made_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(["bench", "model"]) == 2
    assert "name both with --nnom DIR --cmsis-nn DIR" in capsys.readouterr().err
