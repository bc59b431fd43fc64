"""Clocks of real firmware: an emulator behind a port is known, and a busy link costs nothing."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nnom_hil.boards import find_board
from nnom_hil.link.messages import LayerTimes
from nnom_hil.records import RunRecord, Verdict
from nnom_hil.run.plan import Timing
from nnom_hil.run.prepare import find_model, prepare
from nnom_hil.run.request import RunRequest
from nnom_hil.run.runner import Run, build_for
from nnom_hil.run.service import open_run
from nnom_hil.times import TimeSource
from nnom_hil.tool import find_tool

BOARD = "stm32f4"


@contextmanager
def somebodys_qemu(folder: Path, *more: str) -> Iterator[str]:
    """The firmware in a QEMU that is not ours; the URL of its serial port."""
    board = find_board(BOARD)
    assert board.backend.qemu is not None
    elf = build_for(board, prepare(find_model(None), None).graph).elf
    port = folder / "port"
    emulator = subprocess.Popen(
        [
            find_tool("qemu-system-arm"), "-machine", board.backend.qemu.machine,
            "-nodefaults", "-display", "none", "-monitor", "none", *more,
            *["-serial", "null"] * board.backend.qemu.serial,
            "-serial", f"unix:{port},server=on,wait=on", "-kernel", str(elf),
        ],
        stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert emulator.stderr is not None
        while not port.exists():
            assert emulator.poll() is None, emulator.stderr.read()
        yield f"unix://{port}"
    finally:
        emulator.kill()
        emulator.communicate()


def times(folder: Path, **wishes: object) -> RunRecord:
    request = RunRequest(
        board=find_board(BOARD), runs=folder / "runs", timing_only=True,
        timing=Timing(warm_up=0, repeats=1, estimate=False), **wishes,  # type: ignore[arg-type]  # any of its wishes
    )  # fmt: skip
    return open_run(request).execute()


def test_emulator_behind_a_port_is_known_by_its_clock(tmp_path: Path) -> None:
    with somebodys_qemu(tmp_path, "-icount", "shift=3,align=off,sleep=on") as port:
        found = times(tmp_path, port=port)
    assert found.verdict is Verdict.PASS
    assert found.time_source is TimeSource.INSTRUCTIONS
    assert found.layers == times(tmp_path).layers  # those of an emulator of our own


def test_emulator_of_another_rate_gives_no_instructions(tmp_path: Path) -> None:
    with somebodys_qemu(tmp_path, "-icount", "shift=4,align=off,sleep=on") as port:
        found = times(tmp_path, port=port)
    assert found.time_source is TimeSource.VIRTUAL
    assert found.total_instructions is None
    assert "2.69 ticks for each, which fits no back end" in found.notes[-1]


def test_emulator_that_runs_by_the_wall_is_no_core(tmp_path: Path) -> None:
    with somebodys_qemu(tmp_path) as port:
        found = times(tmp_path, port=port)
    assert found.time_source in {TimeSource.UNKNOWN, TimeSource.VIRTUAL}


def opened(folder: Path) -> Run:
    run = open_run(RunRequest(board=find_board(BOARD), runs=folder, timing_only=True))
    for step in (run.prepare, run.build, run.start):
        step()
    return run


def test_bytes_that_come_while_layers_are_timed_cost_no_instruction(tmp_path: Path) -> None:
    """The console interrupts nothing meanwhile, and where the UART holds its bytes none is lost."""
    run = opened(tmp_path)
    try:
        client = run._running.client
        data = run.plan.prepared.x[0].tobytes()

        def timed() -> LayerTimes:
            client.time_layers(data)
            return client.time_layers(b"")

        quiet = timed()
        stop = threading.Event()

        def disturb() -> None:
            while not stop.wait(0.001):
                client.channel.transport.write(b"\0" * 20)

        for _ in range(3):  # bytes come when this machine lets them
            stop.clear()
            noise = threading.Thread(target=disturb)
            noise.start()
            busy = timed()
            stop.set()
            noise.join()
            assert busy == quiet
        status = client.status()
        assert (status.damaged_frames, status.rx_overruns) == (0, 0)
    finally:
        run.finish()
