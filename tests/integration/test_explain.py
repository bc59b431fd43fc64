"""Faults planted in headers, C, images, models and data: explain names layer and cause.

The whole of it runs at night; what is cheap runs always. tests/unit/test_diagnosis.py has the
causes without any firmware.
"""

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnom_hil.cli.app import run_app
from nnom_hil.explanations import Cause, Confidence, Explanation
from nnom_hil.paths import firmware_dir
from nnom_hil.robot.library import NnomHil
from tests.support.health import HEALTHY, healthy
from tests.support.plants import OTHERS, PLANTED, Nursery, nursery

NIGHTLY = bool(os.environ.get("NNOM_HIL_NIGHTLY"))
ALWAYS = ("stale weights", "truncated flash", "NaN weights", "label order")
pytestmark = pytest.mark.xdist_group("explain")


def when(name: str, always: tuple[str, ...]) -> Any:
    skip = pytest.mark.skipif(not NIGHTLY and name not in always, reason="runs at night")
    return pytest.param(name, marks=skip)


@pytest.fixture(scope="module")
def soil(tmp_path_factory: pytest.TempPathFactory) -> Nursery:
    return nursery(tmp_path_factory.mktemp("nursery"))


def explain(capsys: pytest.CaptureFixture[str], *args: str | Path) -> tuple[int, Explanation]:
    capsys.readouterr()
    code = run_app(["explain", *map(str, args), "--board", "native", "--json"])
    return code, Explanation.model_validate_json(capsys.readouterr().out)


@pytest.mark.parametrize("fault", [when(name, ALWAYS) for name in PLANTED])
def test_a_planted_fault_is_named(
    fault: str, soil: Nursery, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant, cause, layer = PLANTED[fault]
    place = tmp_path / "case.npz"
    code, found = explain(capsys, *plant(replace(soil, folder=tmp_path)), "--reproducer", place)
    assert code == 1
    first = found.faults[0]
    assert (first.cause, first.layer) == (cause, layer), found.findings
    assert first.confidence is Confidence.CERTAIN
    assert first.evidence
    assert {f.cause for f in found.faults} == {cause}
    assert (found.reproducer is not None) == place.exists()


@pytest.mark.parametrize("name", [when(name, ("binary",)) for name in HEALTHY])
def test_a_healthy_network_is_healthy(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = explain(capsys, *healthy(tmp_path, name))
    assert found.faults == ()
    assert code == 0
    assert found.with_tensors > 0


@pytest.mark.skipif(not NIGHTLY, reason="runs at night")
@pytest.mark.parametrize("fault", OTHERS)
def test_other_faults_are_told_without_a_wrong_word(
    fault: str, soil: Nursery, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant, cause, layer = OTHERS[fault]
    code, found = explain(
        capsys, *plant(replace(soil, folder=tmp_path)), "--reproducer", tmp_path / "case.npz"
    )
    assert code == 1
    assert {(f.cause, f.layer) for f in found.faults} == {(cause, layer)}


def test_a_fault_is_cut_down_and_runs_again(
    soil: Nursery, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same bytes come again from one channel and a corner of the image."""
    plant = PLANTED["wrong shift"][0]
    place = tmp_path / "case.npz"
    explain(capsys, *plant(replace(soil, folder=tmp_path)), "--reproducer", place)
    assert run_app(["replay", str(place), "--json"]) == 1
    again = json.loads(capsys.readouterr().out)
    assert again["as_recorded"]
    assert len(again["expected"]) < 8 * 8 * 8


@pytest.mark.skipif(not NIGHTLY, reason="runs at night")
def test_a_case_in_c_shows_the_same_bytes(
    soil: Nursery, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant = PLANTED["wrong shift"][0]
    place = tmp_path / "case.npz"
    explain(capsys, *plant(replace(soil, folder=tmp_path)), "--reproducer", place)
    assert run_app(["replay", str(place), "--json"]) == 1
    again = json.loads(capsys.readouterr().out)
    folder = tmp_path / "c"
    assert run_app(["replay", str(place), "--c", str(folder)]) == 0
    library = firmware_dir() / "nnom"
    sources = [str(p) for p in (library / "src").rglob("*.c")]
    program = tmp_path / "case"
    subprocess.run(
        ["cc", "-O1", "-I", library / "inc", "-I", library / "port", "-I", folder, *sources,
         folder / "main.c", "-o", program, "-lm"],
        check=True,
    )  # fmt: skip
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    first = int(np.flatnonzero(np.array(again["expected"]) != np.array(again["got"]))[0])
    assert done.returncode == 1
    assert f"value {first}: expected {again['expected'][first]}, got {again['got'][first]}" in (
        done.stdout
    )


def test_a_run_explains_itself(
    soil: Nursery, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant = PLANTED["wrong shift"][0]
    model, *options = plant(replace(soil, folder=tmp_path))
    capsys.readouterr()
    command = ["run", "--board", "native", "--model", str(model), *map(str, options)]
    assert run_app([*command, "--out", str(tmp_path / "runs"), "--limit", "20", "--json"]) == 1
    record = json.loads(capsys.readouterr().out)
    page = tmp_path / "page.html"
    run = tmp_path / "runs" / record["id"]
    place = tmp_path / "case.npz"
    arguments = ["explain", str(run), "--report", str(page), "--reproducer", str(place)]
    assert run_app(arguments) == 1
    said = capsys.readouterr().out
    assert "wrong shift (certain): layer conv2d_1: its output shift is" in said
    assert "replay" in said
    assert "<svg" in page.read_text()


def test_a_suite_explains_its_run(soil: Nursery, tmp_path: Path) -> None:
    suite = NnomHil()
    suite.open_run(board="native", model=soil.model, data=soil.data, limit=4, runs=tmp_path)
    try:
        suite.take_all_steps()
        found = suite.explain_run()
    finally:
        suite.close_run()
    assert [f for f in found["findings"] if f["is_fault"]] == []
    assert found["with_tensors"] == 4
    assert len(list(tmp_path.glob("*/explain.html"))) == 1


def test_a_console_of_others_is_explained(
    soil: Nursery, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a tensor: the confusion matrix is the reference's for data that was not scaled."""
    from nnom_hil.model.reference import run_reference
    from nnom_hil.run.prepare import prepare
    from nnom_hil.run.verdict import predictions

    arrays = soil.arrays()
    graph = prepare(soil.model, soil.data).graph
    outputs = run_reference(graph, graph.quantise(arrays["x"] / 255))
    counted = predictions(outputs, arrays["y"])
    log = tmp_path / "console.txt"
    log.write_text(summary(counted.confusion))
    assert run_app(["monitor", str(log), "--out", str(tmp_path / "runs"), "--json"]) == 0
    run = tmp_path / "runs" / json.loads(capsys.readouterr().out)["id"]
    code, found = explain(capsys, run, "--model", soil.model, "--data", soil.data)
    assert code == 1
    assert found.faults[0].cause in (Cause.INPUT_SCALE, Cause.CONSTANT_OUTPUT)


def summary(confusion: Any) -> str:
    """What prediction_summary() prints."""
    total, right = int(confusion.sum()), int(np.trace(confusion))
    lines = [
        "", "Prediction summary:", f"Test frames: {total}", "Test running time: 1 sec",
        "Model running time: 10 ms", "Average prediction time: 100 us",
        f"Top 1 Accuracy: {right * 100 // total}.{right * 10000 // total % 100:02d}% ",
        "", "Confusion matrix:", "predict" + "".join(f"{i:>6}" for i in range(len(confusion))),
        "actual",
    ]  # fmt: skip
    for i, row in enumerate(confusion):
        share = row[i] * 100 // max(1, row.sum())
        lines.append(f"{i:>4} | " + "".join(f"{v:>6}" for v in row) + f"   | {share:>4}%")
    return "\n".join(lines) + "\n"
