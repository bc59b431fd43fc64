"""Builds that are worse, for real in QEMU: each fails by name, in every format."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from nnom_hil.build import image
from nnom_hil.cli.app import run_app
from nnom_hil.paths import baselines_dir, firmware_dir
from nnom_hil.run import runner
from nnom_hil.zoo.data import load_bundled, zoo_model

NIGHTLY = bool(os.environ.get("NNOM_HIL_NIGHTLY"))
RUN = ["run", "--board", "stm32f4", "--limit", "100", "--json"]


def folder_of(capsys: pytest.CaptureFixture[str], runs: Path, *more: str) -> Path:
    """Run the digits, or what is asked for; return the run's folder."""
    capsys.readouterr()  # of the good run, where it was the first
    code = run_app([*RUN, *more, "--out", str(runs)])
    record = json.loads(capsys.readouterr().out)
    assert code == (record["verdict"] != "pass")
    return runs / str(record["id"])


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder and, beside it, the baseline that was made of it."""
    runs = tmp_path_factory.mktemp("runs")
    assert run_app([*RUN, "--out", str(runs)]) == 0
    (folder,) = runs.iterdir()
    assert run_app(["compare", str(folder), "--baseline", str(runs / "b.json"), "--update"]) == 0
    return folder


@pytest.mark.xdist_group("gates")
def test_committed_baseline_holds(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(["compare", str(good)]) == 0, capsys.readouterr().out
    said = capsys.readouterr().out
    assert str(baselines_dir() / "stm32f4" / "digits.json") in said.replace("\n", "")


@pytest.mark.parametrize("file", sorted(baselines_dir().glob("*/*.json")), ids=str)
def test_committed_baselines_are_of_their_places(file: Path) -> None:
    from nnom_hil.gates import load_baseline

    baseline = load_baseline(file)
    assert (baseline.board, baseline.model) == (file.parent.name, file.stem)
    assert all(build.commit and build.command for build in baseline.builds.values())


def wrong_shift(_: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    header = runner.firmware_header

    def shifted(*args: object) -> str:
        text = header(*args)  # type: ignore[arg-type]
        return re.sub(r"(CONV2D_2_OUTPUT_RSHIFT \{)9", r"\g<1>8", text)

    monkeypatch.setattr(runner, "firmware_header", shifted)
    return []


def plain_kernels(_: Path, __: pytest.MonkeyPatch) -> list[str]:
    return ["--kernels", "plain"]


def not_optimised(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    tree = folder / "firmware"
    shutil.copytree(firmware_dir(), tree)
    flags = tree / "flags.cmake"
    flags.write_text(flags.read_text().replace(" ${OPTIMISE} ", " -O0 "))
    monkeypatch.setattr(image, "firmware_dir", lambda: tree)
    return []


def bigger_model(folder: Path, _: pytest.MonkeyPatch) -> list[str]:
    import keras

    keras.utils.set_random_seed(1)
    known = keras.models.load_model(zoo_model("digits"))
    layers = []
    for layer in known.layers:
        facts = layer.get_config()
        if isinstance(layer, keras.layers.Conv2D):
            facts["filters"] *= 2
        layers.append(type(layer).from_config(facts))
    keras.Sequential([keras.Input(known.input_shape[1:]), *layers]).save(folder / "digits.keras")
    data = load_bundled(zoo_model("digits"))
    assert data.y is not None
    np.savez(folder / "digits.npz", x=data.x, y=data.y, x_calib=data.x_calibration)
    return ["--model", str(folder / "digits.keras"), "--data", str(folder / "digits.npz")]


Worse = Callable[[Path, pytest.MonkeyPatch], list[str]]
WORSE: dict[Worse, set[str]] = {
    wrong_shift: {"verdict", "outputs"},
    plain_kernels: {"instructions", "cycles"},
    not_optimised: {"instructions", "cycles", "flash"},
    bigger_model: {"outputs", "accuracy", "instructions", "cycles", "flash", "ram"},
}
ALWAYS = (wrong_shift, plain_kernels)


@pytest.fixture
def worse(
    request: pytest.FixtureRequest,
    good: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> tuple[Path, Path, set[str]]:
    """Run folder, baseline, and the gates that must fail at least."""
    made: Worse = request.param
    asked = made(tmp_path, monkeypatch)
    folder = folder_of(capsys, tmp_path / "runs", *asked)
    monkeypatch.undo()
    return folder, good.parent / "b.json", WORSE[made]


@pytest.mark.xdist_group("gates")
@pytest.mark.parametrize(
    "worse", [w for w in WORSE if NIGHTLY or w in ALWAYS], indirect=True, ids=lambda w: w.__name__
)
def test_worse_build_fails_by_name(
    worse: tuple[Path, Path, set[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    run, baseline, least = worse
    asked = ["compare", str(run), "--baseline", str(baseline), "--format"]
    shown = {}
    for form in ("terminal", "markdown", "junit", "json"):
        assert run_app([*asked, form]) == 1
        shown[form] = capsys.readouterr().out
    gates = json.loads(shown["json"])["gates"]
    failed = [gate["name"] for gate in gates if gate["state"] == "failed"]
    assert least <= set(failed)
    named = f"gates: FAIL ({', '.join(failed)})"
    assert named in shown["terminal"]
    assert named in shown["markdown"].replace("\\", "")
    cases = ElementTree.fromstring(shown["junit"]).iter("testcase")
    assert [c.get("name") for c in cases if c.find("failure") is not None] == failed
