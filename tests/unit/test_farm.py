"""A farm in this process: offers and needs, made-up cells, what dies, what is restarted."""

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.farm import Farm, free_port, marks_of, until, worker_program
from tests.support.made_up import WORK

from nnom_hil import cache
from nnom_hil.boards import find_board
from nnom_hil.cli.app import run_app
from nnom_hil.errors import StoreError, TargetError, UsageError
from nnom_hil.farm import Offer
from nnom_hil.farm.bench import Bench
from nnom_hil.farm.crew import FarmCrew
from nnom_hil.farm.offers import demand_of, look_here, resource_of
from nnom_hil.matrix import MatrixRecord
from nnom_hil.probe import Entry
from nnom_hil.run import stages
from nnom_hil.run.matrix import MatrixRun, begin_matrix, resume_matrix
from nnom_hil.run.options import request_of
from nnom_hil.run.plan import MatrixObserver
from nnom_hil.run.request import RunRequest

TWO_BY_TWO = """
[matrix]
model = ["digits", "gru"]
board = ["stm32f4", "mps2_an386"]
"""
RUNS = ["digits-mps2_an386", "digits-stm32f4", "gru-mps2_an386", "gru-stm32f4"]
NUCLEO = Entry(probe="P1", port="socket://h:1", board="nucleo_f446re")
BENCH = Offer(cores=1, emulators=("qemu", "native"))


# ---- offers and needs


def request(**wishes: Any) -> RunRequest:
    return replace(request_of({"board": wishes.pop("board", "stm32f4")}), **wishes)


def test_offer_names_cores_emulators_and_boards() -> None:
    twin = replace(Offer(cores=4, emulators=("qemu", "native")), boards=(NUCLEO, NUCLEO))
    native = resource_of("native")
    assert twin.resources == {"core": 4, "qemu": 4, native: 4, "board:nucleo_f446re": 2}
    assert twin.words == "4 cores, qemu, native, nucleo_f446re at P1, nucleo_f446re at P1"


def test_machine_offers_the_boards_of_its_hardware_map(tmp_path: Path) -> None:
    file = tmp_path / "hardware.toml"
    file.write_text(
        'schema = "nnom-hil/hardware/1"\n[[attached]]\nprobe = "P1"\nboard = "nucleo_f446re"\n'
        '[[attached]]\nprobe = "P2"\nboard = ""\n'
    )
    offer = look_here(file, cores=3)
    assert (offer.cores, [entry.probe for entry in offer.boards]) == (3, ["P1"])
    assert "native" in offer.emulators
    assert look_here(file, boards=False).boards == ()


def test_run_needs_the_first_back_end_that_is_offered() -> None:
    emulated, native = {"core": 2.0, "qemu": 2.0}, resource_of("native")
    on_desk = {"core": 1.0, "board:nucleo_f446re": 1.0}
    needs = demand_of(request(), [{}, emulated])
    assert (needs.backend, needs.needs) == ("qemu", {"core": 1, "qemu": 1})
    assert demand_of(request(jobs=2), [emulated]).fits(emulated)
    assert not demand_of(request(jobs=3), [emulated]).fits(emulated)
    real = request(board="nucleo_f446re")
    assert "probe" in find_board("nucleo_f446re").backend.names
    assert demand_of(replace(real, backend="probe"), [emulated]).needs == {"board:nucleo_f446re": 1}
    assert demand_of(real, [on_desk]).board == "nucleo_f446re"
    assert demand_of(None, []).needs == {"core": 1}
    assert native.startswith("native-")
    with pytest.raises(UsageError, match="--probe P1 with --scheduler: workers know their own"):
        demand_of(replace(real, probe="P1"), [on_desk])


def test_two_workers_offering_one_board_are_refused_and_the_holder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NNOM_HIL_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setenv("NNOM_HIL_HARDWARE", str(tmp_path / "hardware.toml"))
    (tmp_path / "hardware.toml").write_text(
        'schema = "nnom-hil/hardware/1"\n[[attached]]\nprobe = "P1"\nboard = "nucleo_f446re"\n'
    )
    first = Bench(look_here(tmp_path / "hardware.toml"))
    try:
        assert run_app(["worker"]) == 3
        said = capsys.readouterr().err
        assert "the board at probe P1 is offered by " in said
        assert f"process {os.getpid()} (" in said
    finally:
        first.close()
    Bench(look_here(tmp_path / "hardware.toml")).close()


def test_bench_gives_a_board_to_one_run_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NNOM_HIL_LOCKS", str(tmp_path / "locks"))
    bench = Bench(Offer(cores=1, boards=(NUCLEO, NUCLEO.model_copy(update={"probe": "P2"}))))
    with bench._taken("nucleo_f446re") as one, bench._taken("nucleo_f446re") as other:
        assert {one.probe, other.probe} == {"P1", "P2"}
    bench.close()


# ---- what travels


def test_parcel_arrives_as_it_was_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NNOM_HIL_CACHE", str(tmp_path / "one"))
    entry = cache.Entry(kind="images", key="ab" * 32, programs=("a/elf",))
    cache.obtain(entry, lambda: {"a/elf": b"elf", "b": b"2"}, lambda kept: kept)
    parcel = cache.pack("images", entry.key)
    assert (parcel.programs, parcel.size_bytes) == (("a/elf",), 4)
    monkeypatch.setenv("NNOM_HIL_CACHE", str(tmp_path / "two"))
    assert not cache.is_kept("images", entry.key)
    for damage in (
        {"files": {"a/elf": b"elF", "b": b"2"}},
        {"key": "cd" * 32},
        {"kind": "../images"},
        {"files": {"../out": b""}},
    ):
        with pytest.raises(StoreError, match="arrived damaged"):
            cache.unpack(replace(parcel, **damage))
    assert not cache.is_kept("images", entry.key)
    cache.unpack(parcel)
    assert cache.pack("images", entry.key) == parcel
    with pytest.raises(StoreError, match="is not there any more; was the cache cleared"):
        cache.pack("images", "ef" * 32)


# ---- made-up cells


class Watch(MatrixObserver):
    """Remembers."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.notices: list[str] = []

    def end(self, name: str, said: str) -> None:
        self.ended.append(name)

    def notice(self, name: str, text: str) -> None:
        self.notices.append(f"{name}: {text}")


@pytest.fixture
def marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let conversions, images and cells be made up; return the folder with what begins."""
    for name, work in WORK.items():
        monkeypatch.setattr(stages, name, work)
    folder = tmp_path / "out" / "marks"
    folder.mkdir(parents=True)
    return folder


def begin(tmp_path: Path, text: str = TWO_BY_TWO) -> MatrixRun:
    path = tmp_path / "nightly.toml"
    path.write_text(text)
    return begin_matrix(path, tmp_path / "out")


def on_farm(run: MatrixRun, address: str, watch: Watch, patience_s: float = 60) -> MatrixRecord:
    crew = FarmCrew(address, patience_s=patience_s, say=lambda text: watch.notice("farm", text))
    return run.execute(2, watch, crew=crew)


@contextlib.contextmanager
def going_on(*args: Any) -> Iterator[list[MatrixRecord]]:
    """Run a matrix in another thread; the record is there at the end."""
    records: list[MatrixRecord] = []
    thread = threading.Thread(target=lambda: records.append(on_farm(*args)))
    thread.start()
    yield records
    thread.join()


def test_farm_runs_every_cell_once_and_a_dead_process_again(tmp_path: Path, marks: Path) -> None:
    (marks / "kill-gru-stm32f4").touch()
    with Farm([BENCH, BENCH]) as farm:
        watch = Watch()
        record = on_farm(begin(tmp_path), farm.address, watch)
        assert [cell.passed for cell in record.cells] == [True, True, False, True]
        assert marks_of(marks) == [*RUNS, "gru-stm32f4", "gru-stm32f4"]
        bad = record.cells[2]
        assert (bad.name, bad.verdict) == ("gru on stm32f4", "error")
        assert "ended by SIGKILL; is there enough memory? (at tcp://" in bad.reasons[0]
        again = [text for text in watch.notices if "run again (2 of 3)" in text]
        assert len(again) == 1
        assert len(watch.ended) == 4
        (marks / "kill-gru-stm32f4").unlink()
        watch = Watch()
        whole = on_farm(resume_matrix(tmp_path / "out"), farm.address, watch)
        assert (whole.passed, watch.ended) == (True, ["gru on stm32f4"])
        runs = [str(cell.run) for cell in whole.cells]
        assert len(set(runs)) == 4
        assert {p.name for p in (tmp_path / "out" / "runs").iterdir()} == set(runs)


def test_cell_that_kills_workers_is_given_up_with_its_name(tmp_path: Path, marks: Path) -> None:
    for mark in ("kill-worker", "wait"):
        (marks / f"{mark}-gru-stm32f4").touch()
    with Farm([]) as farm:
        farm.scheduler.allowed_failures = 0  # else four workers have to die
        workers = [worker_program(farm.address) for _ in range(2)]
        farm.wait_for_workers(2)
        watch = Watch()
        with going_on(begin(tmp_path), farm.address, watch) as records:
            until(lambda: len(watch.ended) == 3)  # none waits at the worker that will die
            (marks / "wait-gru-stm32f4").unlink()
        record = records[0]
        ends = [worker.poll() for worker in workers]
        for worker in workers:
            worker.terminate()
            worker.wait()
    assert [cell.passed for cell in record.cells] == [True, True, False, True]
    assert "each worker that began it has died; given up" in record.cells[2].reasons[0]
    assert sorted(ends, key=str) == [-9, None]
    assert marks_of(marks).count("gru-stm32f4") == 1


def test_scheduler_restarted_in_the_middle_loses_and_doubles_nothing(
    tmp_path: Path, marks: Path
) -> None:
    (marks / "wait-gru-stm32f4").touch()
    with Farm([BENCH, BENCH]) as farm:
        watch = Watch()
        with going_on(begin(tmp_path), farm.address, watch) as records:
            until(lambda: len(watch.ended) == 3 and "gru-stm32f4" in marks_of(marks))
            farm.stop_scheduler()
            (marks / "wait-gru-stm32f4").unlink()
            farm.start_scheduler()
        assert records[0].passed
        assert sorted(watch.ended) == sorted(cell.name for cell in records[0].cells)
        lines = (tmp_path / "out" / "cells.jsonl").read_text().splitlines()
        assert len(lines) == 1 + 4
        assert sum(text.startswith("gru-stm32f4") for text in marks_of(marks)) == 2
        assert any("the scheduler does not answer" in text for text in watch.notices)


def test_what_nobody_offers_is_told_and_stops_no_other(tmp_path: Path, marks: Path) -> None:
    text = TWO_BY_TWO + '[[include]]\nmodel = "gru"\nboard = "nucleo_f446re"\nbackend = "probe"\n'
    with Farm([BENCH]) as farm:
        record = on_farm(begin(tmp_path, text), farm.address, Watch(), 1)
    assert [cell.passed for cell in record.cells] == [True] * 4 + [False]
    assert (
        f"no worker at {farm.address} offers 1 x board:nucleo_f446re; there are: core, "
        in record.cells[-1].reasons[0]
    )


def test_worker_of_another_version_is_left_out_and_a_scheduler_refused(
    tmp_path: Path, marks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nnom_hil.farm import crew, worker

    with monkeypatch.context() as changed:
        changed.setattr(worker, "own_version", lambda: "9.9")
        farm = Farm([BENCH]).__enter__()
    with contextlib.closing(contextlib.ExitStack()) as stack:
        stack.push(farm)
        watch = Watch()
        record = on_farm(begin(tmp_path), farm.address, watch, 1)
        assert not any(cell.passed for cell in record.cells)
        assert sum("has nnom-hil 9.9, this is " in text for text in watch.notices) == 1
        monkeypatch.setattr(crew, "own_version", lambda: "8.8")
        with pytest.raises(UsageError, match=r"this is 8\.8; install the same version"):
            FarmCrew(farm.address)


def test_scheduler_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(TargetError, match=r"no scheduler answers there .*nnom-hil scheduler"):
        FarmCrew(address, patience_s=0)
    with pytest.raises(UsageError, match="--scheduler nonsense://x"):
        FarmCrew("nonsense://x", patience_s=0)
    assert run_app(["worker", "--scheduler", address, "--patience", "1", "--no-boards"]) == 3
    assert "no scheduler answers there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["worker", "--scheduler", "tcp://192.0.2.1:8786"], "name this machine's address"),
        (["scheduler", "--protocol", "ucx"], "there are: tcp, tls"),
        (["scheduler", "--host", "192.0.2.1"], "192.0.2.1:8786: cannot listen"),
    ],
)
def test_addresses_that_cannot_be_are_told(
    capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert run_app(words) in (2, 3)
    assert message in capsys.readouterr().err


def test_address_that_does_not_go_with_dasks_configuration_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    import dask

    for words in (["worker", "--scheduler", "tls://127.0.0.1:1"], ["scheduler", "--protocol=tls"]):
        assert run_app(words) == 2
        assert "certificates of a" in capsys.readouterr().err
    with pytest.raises(UsageError, match="no certificates of a client"):
        FarmCrew("tls://127.0.0.1:1")
    with dask.config.set({"distributed.comm.require-encryption": True}):
        assert run_app(["scheduler"]) == 2
        assert "asks for encryption; use tls://" in capsys.readouterr().err


def test_farm_without_dask_names_its_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("nnom_hil.extras.is_there", lambda module: module != "distributed")
    (tmp_path / "m.toml").write_text(TWO_BY_TWO)
    out = str(tmp_path / "out")
    for words in (
        ["worker"],
        ["scheduler"],
        ["matrix", str(tmp_path / "m.toml"), "--out", out, "--scheduler", "tcp://127.0.0.1:1"],
    ):
        assert run_app(words) == 3
        assert "pip install 'nnom-hil[farm]'" in capsys.readouterr().err
