"""Boards offered to any client: the benchmark's and our own."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nnom_hil.boards import find_board
from nnom_hil.cli.app import run_app
from nnom_hil.codegen.mlperf import Benchmark, Protocol
from nnom_hil.deadline import Deadline
from nnom_hil.errors import TargetError, UsageError
from nnom_hil.link.offer import PtyDoor, TcpDoor
from nnom_hil.link.transport import LinkAddress, SerialTransport
from nnom_hil.mlperf.client import MlperfClient
from nnom_hil.mlperf.expected import expected_results
from nnom_hil.run.runner import build_for
from nnom_hil.run.serve import emulator_of, serve
from nnom_hil.target.base import Target
from nnom_hil.target.native import NativeTarget
from tests.support.labgrid import FakeLabgrid
from tests.support.mlperf import settings_of, small_model, stimuli

MAIN = "import sys; from nnom_hil.cli.app import run_app; sys.exit(run_app(sys.argv[1:]))"


class EndedError(Exception):
    """The test is over."""


class ShortTcpDoor(TcpDoor):
    """A door that ends the service."""

    ended = False

    def take(self) -> bytes:
        if self.ended:
            raise EndedError
        return super().take()


class ShortPtyDoor(PtyDoor):
    """A door that ends the service."""

    ended = False

    def take(self) -> bytes:
        if self.ended:
            raise EndedError
        return super().take()


@contextmanager
def served(
    door: ShortTcpDoor | ShortPtyDoor, board: str, on_target: Callable[[Target], None]
) -> Iterator[None]:
    """Serve keyword spotting at a door while this lasts."""
    graph = small_model(Benchmark.KWS01)
    elf = build_for(find_board(board), graph, mlperf=settings_of(graph)).elf
    ready = threading.Event()

    def make() -> Target:
        target = emulator_of(find_board(board), None)
        on_target(target)
        return target

    def work() -> None:
        try:
            serve(make, elf, door, Protocol.MLPERF, on_start=lambda _: ready.set())
        except (EndedError, TargetError) as exc:
            ends.append(exc)

    ends: list[Exception] = []
    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert ready.wait(300)
        yield
    finally:
        door.ended = True
        thread.join()
        door.close()
    assert len(ends) == 1
    assert isinstance(ends[0], EndedError), ends


def visit(url: str, leave: bytes = b"") -> None:
    """Be a client as the runner is, and go away after some more bytes."""
    graph = small_model(Benchmark.KWS01)
    wire = stimuli(Benchmark.KWS01, 1)
    transport = SerialTransport(LinkAddress(url=url))
    try:
        client = MlperfClient(transport)
        assert client.command("name") == ["m-name-dut-[native]"]
        client.load(wire[0].tobytes())
        assert client.infer().results == expected_results(graph, settings_of(graph), wire)[0]
        transport.write(leave)
    finally:
        transport.close()


@pytest.mark.parametrize("kind", [ShortTcpDoor, ShortPtyDoor])
def test_each_client_finds_the_device_idle(kind: type, tmp_path: Path) -> None:
    """Who leaves in the middle of a command leaves nothing of it to the next one."""
    door = kind("127.0.0.1", 0) if kind is ShortTcpDoor else kind(tmp_path / "tty")
    targets: list[Target] = []
    with served(door, "native", targets.append):
        visit(door.url)
        visit(door.url)
        assert len(targets) == 1
        for count, leave in ((2, b"db 00"), (3, b"infer 4000000 0%")):
            visit(door.url, leave)
            limit = Deadline.after(300)  # against hangs, on the slowest machine
            while kind is ShortPtyDoor and len(targets) < count:
                time.sleep(0.01)  # a terminal does not tell whose bytes are whose
                assert not limit.expired, "the board was not started again"
        visit(door.url)
    assert len(targets) in (2, 3)  # a connection that breaks may lose its last bytes


def test_a_target_that_ends_ends_the_service() -> None:
    graph = small_model(Benchmark.KWS01)
    elf = build_for(find_board("native"), graph, mlperf=settings_of(graph)).elf
    target = NativeTarget(find_board("native"))

    def kill(_: str) -> None:
        assert target.pid is not None
        os.kill(target.pid, signal.SIGKILL)

    door = TcpDoor("127.0.0.1", 0)
    try:
        with pytest.raises(TargetError, match="the firmware of board native was killed by SIGKILL"):
            serve(lambda: target, elf, door, Protocol.MLPERF, on_start=kill)
    finally:
        door.close()


def test_a_run_joins_a_board_that_is_served(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its address, and as a place of labgrid's, which is released in the end."""
    argv = [sys.executable, "-c", MAIN, "serve", "digits", "--board", "native", "--tcp", "0"]
    with subprocess.Popen([*argv, "--json"], stdout=subprocess.PIPE, text=True) as service:
        try:
            assert service.stdout is not None
            told = json.loads(service.stdout.readline())
            assert told["protocol"] == "agent"
            lab = FakeLabgrid(tmp_path, monkeypatch)
            lab.offer({"port": int(told["url"].rpartition(":")[2])})
            for url in (told["url"], "labgrid://mps2"):
                command = ["run", "--board", "native", "--port", url, "--limit", "5"]
                assert run_app([*command, "--no-estimate", "--out", str(tmp_path)]) == 0
                assert "5 of 5" in capsys.readouterr().out
            assert lab.holder is None
            assert [call.split()[-1] for call in lab.calls].count("release") == 1
        finally:
            service.send_signal(signal.SIGINT)
        assert service.wait(60) == 130


def test_what_cannot_be_served_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    for words, message in (
        (["--backend", "probe", "--tcp", "0"], "--backend probe: that is no emulator"),
        (["--board", "native"], "say one of the two: --tcp [HOST:]PORT, or --pty"),
        (["--board", "native", "--tcp", "0", "--pty"], "say one of the two"),
        (["--board", "native", "--tcp", "x"], "needs [HOST:]PORT"),
        (["second", "--board", "native", "--tcp", "0"], "a second path is for --pty"),
    ):
        assert run_app(["serve", "digits", *words]) == 2
        assert message in capsys.readouterr().err
    board = find_board("stm32f4")
    alone = board.model_copy(
        update={"backend": board.backend.model_copy(update={"qemu": None, "renode": None})}
    )
    with pytest.raises(UsageError, match=r"board stm32f4 is no emulator, .* its own serial port"):
        emulator_of(alone, None)
