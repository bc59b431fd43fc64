"""nnom-hil init: a new project passes at once; NNoM's own shapes run on an emulated board."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nnom_hil.cli.app import run_app
from nnom_hil.paths import baselines_dir, runs_dir
from nnom_hil.records import RunRecord, Verdict
from tests.support.nnom_projects import place

NIGHTLY = bool(os.environ.get("NNOM_HIL_NIGHTLY"))


def from_nnom(folder: Path, runs: Path, *more: str) -> tuple[int, RunRecord]:
    code = run_app(["init", "--from-nnom", str(folder), "--out", str(runs), *more])
    (run,) = runs.iterdir()
    return code, RunRecord.model_validate_json((run / "run.json").read_text())


def checks_of(record: RunRecord) -> dict[str, bool]:
    return {check.what: check.ok for check in record.cross_checks}


def test_a_program_of_a_pc_runs_on_a_board(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its file is in flash; its console, its table and the header's outputs are this machine's."""
    code, record = from_nnom(place("pc", tmp_path), tmp_path / "runs")
    printed = capsys.readouterr().out
    assert code == 0
    assert record.verdict is Verdict.PASS
    assert "Processing 100%" in printed
    assert "[guest" not in printed
    assert "Test frames: 128" in printed
    assert record.confusion == ((41, 20), (46, 21))
    checks = checks_of(record)
    assert checks["outputs of 16 pseudo-random inputs equal those of the C99 kernels here"]
    assert checks["prediction_summary() is that printed here"]
    assert checks["layers are those printed here"]
    assert any("NNOM_COMPAT_043) differ on 14 of 16" in note for note in record.notes)
    assert record.board == "stm32f4"
    assert record.flash_bytes is not None
    assert record.flash_bytes > 30_000


@pytest.mark.skipif(not NIGHTLY, reason="NNOM_HIL_NIGHTLY is not set")
@pytest.mark.parametrize(
    ("name", "commands", "said"),
    [
        ("shell", ("classify 1", "nn_stat"), "Predicted: 1 (7 against 120)"),
        ("ymodem", ("predict",), "receiving test_data.bin, 640 bytes"),
    ],
)
@pytest.mark.parametrize("board", ["stm32f4", "mps2_an385", "mps3_an547", "microbit"])
def test_projects_of_rt_thread_run_on_boards(
    board: str, name: str, commands: tuple[str, ...], said: str,
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    say = [word for command in commands for word in ("--say", command)]
    code, record = from_nnom(place(name, tmp_path), tmp_path / "runs", "--board", board, *say)
    assert code == 0
    assert record.verdict is Verdict.PASS
    assert said in capsys.readouterr().out


def test_what_a_program_does_wrong_is_said(tmp_path: Path) -> None:
    """It opens what is not there, with its own words; then it reads where there is no memory."""
    folder = place("pc", tmp_path)
    (folder / "test_data.bin").unlink()
    code, record = from_nnom(folder, tmp_path / "a")
    assert code == 1
    assert any("it opens test_data.bin, which is not in the project" in r for r in record.reasons)
    (folder / "main.c").write_text(
        '#include "weights.h"\n'
        "int __attribute__((noinline)) astray(void) { return *(volatile int *)0xE0000000u; }\n"
        "int main(void) { nnom_model_create(); return astray() + *(volatile int *)0xFFFFFFF0u; }\n"
    )
    code, record = from_nnom(folder, tmp_path / "b")
    assert code == 1
    assert any(re.search(r"fault \d in (astray|guest_main)\+", r) for r in record.reasons)


def test_a_program_that_never_ends_is_heard_and_stopped(tmp_path: Path) -> None:
    """As firmware is: what it printed on both is compared all the same."""
    folder = place("pc", tmp_path)
    (folder / "main.c").write_text(
        '#include "weights.h"\nint main(void) { model_run(nnom_model_create()); for (;;) { } }\n'
    )
    code, record = from_nnom(folder, tmp_path / "runs", "--silence", "3")
    assert code == 0
    assert checks_of(record)["layers are those printed here"]
    assert "the program ends well" not in checks_of(record)
    assert any("the program does not end" in note for note in record.notes)


def test_what_does_not_compile_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = place("pc", tmp_path)
    main = folder / "main.c"
    text = main.read_text()
    main.write_text('#include "arm_math.h"\n' + text)
    assert run_app(["init", "--from-nnom", str(folder)]) == 3
    told = capsys.readouterr().err
    assert "includes arm_math.h, which is not in the project" in told
    assert "--include" in told
    main.write_text(text.replace("prediction_end(pre)", "led_on()"))
    assert run_app(["init", "--from-nnom", str(folder)]) == 3
    assert "calls what none of its files defines: led_on" in capsys.readouterr().err


def test_a_new_project_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its own settings, in its own folder, and its suite; all files are as they are told."""
    folder = tmp_path / "demo"
    assert run_app(["init", str(folder), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    assert sorted(Path(p).relative_to(folder).as_posix() for p in told["files"]) == files
    assert "$" not in (folder / "nnom-hil.toml").read_text()
    suite = [sys.executable, "-m", "robot", "--outputdir", "reports/robot", "tests"]
    done = subprocess.run(suite, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "3 tests, 3 passed" in done.stdout


@pytest.mark.parametrize(
    ("name", "text"), [("nnom-hil.toml", ""), ("pyproject.toml", "[tool.nnom-hil]\n")]
)
def test_runs_of_a_project_belong_into_its_folder(
    name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_text(text)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "er")
    assert runs_dir() == tmp_path / "reports" / "runs"
    assert baselines_dir() == tmp_path / "reports" / "baselines"


def test_nothing_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "README.md").write_text("mine")
    assert run_app(["init", str(tmp_path)]) == 2
    assert "has README.md already; name a new folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name the new project's folder: nnom-hil init DIR"),
        (["demo", "--from-nnom", "."], "--from-nnom takes its folder alone"),
        (["demo", "--say", "x"], "--say belong to --from-nnom"),
        (["demo", "--model", "m.keras"], "--model and --data belong together"),
        (["demo", "--board", "stm32f5"], "did you mean 'stm32f4'?"),
        (["--from-nnom", "PLACE", "--board", "native"], "name a board with a Cortex-M"),
    ],
)
def test_what_cannot_be_asked_for_is_said(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    place("pc", tmp_path)
    given = [str(tmp_path / "pc") if word == "PLACE" else word for word in arguments]
    assert run_app(["init", *given]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "demo").exists()


def test_a_model_of_the_users_is_taken(
    tiny: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, data = tiny
    assert run_app(["init", str(tmp_path / "p"), "--model", str(model), "--data", str(data)]) == 0
    settings = (tmp_path / "p" / "nnom-hil.toml").read_text()
    assert 'model = "models/tiny.keras"' in settings
    assert "min-accuracy" not in settings
    assert (tmp_path / "p" / "models" / "tiny.npz").read_bytes() == data.read_bytes()
    np.savez(tmp_path / "bad.npz", x=np.zeros((3, 5)))
    wrong = ["init", str(tmp_path / "q"), "--model", str(model), "--data"]
    assert run_app([*wrong, str(tmp_path / "bad.npz")]) == 2
    assert "bad.npz" in capsys.readouterr().err
    assert not (tmp_path / "q").exists()
