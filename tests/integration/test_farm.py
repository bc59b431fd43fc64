"""Farms of programs: records are those of one machine; what is killed runs again."""

import contextlib
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nnom_hil.cli.app import run_app
from nnom_hil.farm.crew import FarmCrew
from nnom_hil.matrix import MatrixRecord
from nnom_hil.run import stages
from nnom_hil.run.matrix import begin_matrix
from nnom_hil.run.plan import MatrixObserver
from tests.support.farm import programs, until, worker_program
from tests.support.made_up import WORK

nightly = pytest.mark.skipif("NNOM_HIL_NIGHTLY" not in os.environ, reason="slow matrices: nightly")

pytestmark = pytest.mark.xdist_group("farm")

SMALL = """
[options]
limit = 5
estimate = false
[matrix]
model = ["digits", "gru"]
board = ["mps2_an386", "stm32f4"]
"""
LARGE = """
[options]
limit = 20
[matrix]
model = ["digits", "gru", "lstm", "separable"]
board = ["stm32f4", "mps2_an386", "mps2_an500", "mps2_an505", "mps3_an547", "lm3s6965evb"]
kernels = ["auto", "plain"]
"""
OF_THE_RUN = ("id", "started", "check", "link")
"""What is never the same twice; of the link, how its bytes fell into frames and seconds."""


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[str]:
    """Two workers, each with a cache of its own, so that it lacks every image."""
    own = tmp_path_factory.mktemp("workers") / "cache-{}"
    with programs(2, NNOM_HIL_CACHE=str(own)) as (address, _):
        yield address


def records_of(matrix: MatrixRecord, folder: Path) -> dict[str, Any]:
    found = {}
    for cell in matrix.cells:
        record = json.loads((folder / "runs" / str(cell.run) / "run.json").read_text())
        link = {k: record["link"][k] for k in ("encoding", "vectors") if k in record["link"]}
        found[cell.name] = {k: v for k, v in record.items() if k not in OF_THE_RUN} | link
    return found


def begun(tmp_path: Path, name: str, text: str) -> Any:
    file = tmp_path / "matrix.toml"
    file.write_text(text)
    return begin_matrix(file, tmp_path / name)


@pytest.mark.parametrize("text", [SMALL, pytest.param(LARGE, marks=nightly)], ids=["2x2", "4x6x2"])
def test_records_of_a_farm_are_those_of_one_machine(tmp_path: Path, farm: str, text: str) -> None:
    one = begun(tmp_path, "one", text).execute(2)
    crew = FarmCrew(farm)
    two = begun(tmp_path, "two", text).execute(2, crew=crew)
    assert one.passed
    assert two.passed
    assert records_of(two, tmp_path / "two") == records_of(one, tmp_path / "one")
    assert set(crew._sent.values()) <= {1}  # each image once to a worker that lacks it
    images = {parcel for _, parcel in crew._sent if parcel[0] == "images"}
    assert (len(images), crew.sent_bytes > 0) == (len(two.cells), True)


def test_run_on_a_farm_is_told_as_one_here(
    tmp_path: Path, farm: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "--board", "mps2_an386", "--limit", "5", "--no-estimate", "--json", "--out"]
    assert run_app([*words, str(tmp_path / "far"), "--scheduler", farm]) == 0
    far = json.loads(capsys.readouterr().out)
    assert (tmp_path / "far" / far["id"] / "report.html").exists()
    assert run_app(["run", "--resume", str(tmp_path), "--scheduler", farm]) == 2
    assert run_app([*words, str(tmp_path), "--scheduler", farm, "--probe", "P1"]) == 2
    assert "--probe P1 with --scheduler: workers know their own" in capsys.readouterr().err
    assert run_app([*words, str(tmp_path / "here")]) == 0
    here = json.loads(capsys.readouterr().out)
    assert far["outputs_hash"] == here["outputs_hash"]
    assert [one["cycles"] for one in far["layers"]] == [one["cycles"] for one in here["layers"]]


@nightly
def test_boards_of_a_worker_run_one_cell_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rack, hardware = tmp_path / "rack.toml", tmp_path / "hardware.toml"
    rack.write_text('[[probe]]\nserial = "VIRT0"\nfaults = {}\n')
    entry = 'probe = "virtual:VIRT0"\nport = ""\nboard = "virtual_stm32f429"\n'
    hardware.write_text(f'schema = "nnom-hil/hardware/1"\n[[attached]]\n{entry}')
    for name, value in (("VIRTUAL_BOARDS", rack), ("HARDWARE", hardware), ("LOCKS", tmp_path)):
        monkeypatch.setenv(f"NNOM_HIL_{name}", str(value))
    text = (
        '[options]\nlimit = 5\nboard = "virtual_stm32f429"\nbackend = "probe"\n'
        '[matrix]\nmodel = ["digits", "gru"]\nseed = [1, 2]\n'
    )
    with programs(0) as (address, _), worker_program(address, boards=True) as worker:
        record = begun(tmp_path, "out", text).execute(2, crew=FarmCrew(address))
        worker.terminate()
    assert [(cell.name, cell.reasons) for cell in record.cells if not cell.passed] == []
    assert len(record.cells) == 4


class Killer(MatrixObserver):
    """Ends something as soon as a cell has ended."""

    def __init__(self, kill: Any) -> None:
        self.kill = kill
        self.ended: list[str] = []
        self.notices: list[str] = []

    def end(self, name: str, said: str) -> None:
        self.ended.append(name)
        kill, self.kill = self.kill, lambda: None
        kill()

    def notice(self, name: str, text: str) -> None:
        self.notices.append(text)


@nightly
def test_worker_killed_in_the_middle_loses_and_doubles_nothing(tmp_path: Path) -> None:
    with programs(2) as (address, workers):
        watch = Killer(workers[0].kill)
        record = begun(tmp_path, "out", LARGE).execute(2, watch, crew=FarmCrew(address))
    assert record.passed
    assert sorted(watch.ended) == sorted(cell.name for cell in record.cells)
    runs = {str(cell.run) for cell in record.cells}
    assert runs == {path.name for path in (tmp_path / "out" / "runs").iterdir()}
    assert len(runs) == 48


@nightly
def test_emulator_killed_in_the_middle_has_its_cell_run_again(tmp_path: Path) -> None:
    text = SMALL.replace("limit = 5", "limit = 360\nrepeats = 50")
    with programs(1) as (address, _):
        watch = Killer(lambda: None)
        over = threading.Event()

        def kill_one() -> None:
            def found() -> bool:
                return over.is_set() or bool(emulators())

            until(found)
            for pid in emulators():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

        thread = threading.Thread(target=kill_one)
        thread.start()
        record = begun(tmp_path, "out", text).execute(2, watch, crew=FarmCrew(address))
        over.set()
        thread.join()
    assert [(cell.name, cell.reasons) for cell in record.cells if not cell.passed] == []
    assert len(watch.ended) == 4
    assert any("was killed by SIGKILL" in text for text in watch.notices), watch.notices


def emulators() -> list[int]:
    """Return emulators below this process: those of other users and tests are theirs."""
    import psutil  # type: ignore[import-untyped]  # Dask brings it, without types

    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has just ended
            words = process.cmdline()
            if process.name() == "qemu-system-arm" and any(".elf" in word for word in words):
                found.append(int(process.pid))
    return found


@nightly
def test_to_place_a_cell_takes_at_most_30_ms_of_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of client, scheduler and workers, for 1,000 cells that do nothing. A cell has its own process
    without a farm as well, so that it is not counted.
    """
    import psutil

    for name, work in WORK.items():
        monkeypatch.setattr(stages, name, work)
    (tmp_path / "out" / "marks").mkdir(parents=True)
    text = f"[matrix]\nlimit = {list(range(1, 51))}\nseed = {list(range(20))}\n"

    def taken(processes: list[Any]) -> float:
        return float(sum(p.cpu_times().user + p.cpu_times().system for p in processes))

    with programs(2) as (address, _):
        crew, matrix = FarmCrew(address), begun(tmp_path, "out", text)
        dask = [psutil.Process(), *psutil.Process().children()]
        before, stop = taken(dask), crew.stop
        after: list[float] = []

        def last_look() -> None:
            after.append(taken(dask))
            stop()

        monkeypatch.setattr(crew, "stop", last_look)
        record = matrix.execute(2, crew=crew)
    assert record.passed
    assert len(record.cells) == 1000
    assert (after[0] - before) / 1000 <= 0.030
