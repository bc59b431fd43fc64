"""The link under fire: nothing is lost, nothing counted twice, whatever happens to it."""

import contextlib
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serial
import serial.rfc2217

from nnom_hil.boards import find_board
from nnom_hil.build import Library
from nnom_hil.codegen.layouts import HeaderOptions
from nnom_hil.errors import LinkError, UsageError
from nnom_hil.link.faults import LinkFaults
from nnom_hil.paths import firmware_dir
from nnom_hil.records import RunRecord, Verdict
from nnom_hil.run.bench import measure_link
from nnom_hil.run.journal import Identity, Journal
from nnom_hil.run.plan import Encoding, Observer
from nnom_hil.run.prepare import ConvertOptions, find_model, prepare
from nnom_hil.run.request import RunRequest, for_header
from nnom_hil.run.runner import build_for
from nnom_hil.run.service import open_run, resume_run
from nnom_hil.zoo.data import zoo_model
from tests.integration.test_run import nnom_hil, run_json

_MAIN = "from nnom_hil.cli import main; raise SystemExit(main())"
NIGHTLY = bool(os.environ.get("NNOM_HIL_NIGHTLY"))


def run(tmp_path: Path, **wishes: Any) -> RunRecord:
    wishes.setdefault("board", find_board("native"))
    return open_run(RunRequest(runs=tmp_path, **wishes)).execute()


def journaled(tmp_path: Path) -> list[int]:
    (journal,) = tmp_path.glob("*/journal.jsonl")
    entries = [json.loads(line) for line in journal.read_text().splitlines()]
    return [entry["vector"] for entry in entries if "vector" in entry]


@pytest.mark.parametrize(
    "faults",
    [
        "byte_error=0.01,drop=0.005,resets=2",
        "byte_error=0.0005",
        "drop=0.05,duplicate=0.05",
        "garbage=0.1,split=0.2,delay=0.02",
        "disconnects=2",
        "hangs=1,resets=1",
    ],
)
@pytest.mark.parametrize("encoding", list(Encoding)[1:])
def test_each_vector_is_answered_right_and_once(
    faults: str, encoding: Encoding, tmp_path: Path
) -> None:
    record = run(tmp_path, faults=LinkFaults.parse(faults), seed=3, limit=60, encoding=encoding)
    assert record.verdict is Verdict.PASS, record.reasons
    assert record.outputs_equal
    assert sorted(journaled(tmp_path)) == list(range(60))
    assert record.link is not None
    assert record.link.encoding == encoding
    assert record.faults == str(LinkFaults.parse(faults))
    assert record.link.resets == LinkFaults.parse(faults).resets
    assert record.link.reconnects == LinkFaults.parse(faults).disconnects
    if record.link.resets == 0:  # NNoM's own counts agree: nothing was counted twice
        assert any("confusion" in c.what or "frames" in c.what for c in record.cross_checks)


def test_many_targets_count_nothing_twice(tmp_path: Path) -> None:
    """Their shares are far apart, so that what is on its way spans many more indices."""
    record = run(tmp_path, faults=LinkFaults(drop=0.1), seed=2, jobs=8)
    assert record.verdict is Verdict.PASS, record.reasons
    assert record.link is not None
    assert record.link.retransmitted > 0
    assert any("confusion" in check.what for check in record.cross_checks)


def test_emulated_target_under_fire(tmp_path: Path) -> None:
    faults = LinkFaults.parse("byte_error=0.005,drop=0.005,resets=2,disconnects=1")
    board = find_board("stm32f4")
    record = run(tmp_path, board=board, faults=faults, limit=40, encoding=Encoding.COMPACT)
    assert record.verdict is Verdict.PASS, record.reasons
    assert sorted(journaled(tmp_path)) == list(range(40))


def test_stateful_network_keeps_its_history_over_a_bad_link(tmp_path: Path) -> None:
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [layers.Input(batch_shape=(1, 4, 8)), layers.GRU(6, stateful=True), layers.Dense(3)]
    )
    model.save(tmp_path / "state.keras")
    np.savez(tmp_path / "d.npz", x=np.random.default_rng(0).random((40, 4, 8)))
    wishes = {"model": tmp_path / "state.keras", "data": tmp_path / "d.npz"}
    faults = LinkFaults.parse("byte_error=0.005,drop=0.02")
    record = run(tmp_path / "r", faults=faults, **wishes)
    assert record.outputs_equal, record.reasons
    assert record.link is not None
    assert record.link.retransmitted > 0
    with pytest.raises(UsageError, match=r"the target was reset.*stateful network"):
        run(tmp_path / "s", faults=LinkFaults(resets=1), **wishes)


# ---- resuming


def test_host_killed_in_the_middle_goes_on(tmp_path: Path) -> None:
    """The issue's bar; the nightly run has its 10,000 vectors."""
    count = 10_000 if NIGHTLY else 400
    prepared_x = np.random.default_rng(0).random((count, 28, 28, 1), dtype=np.float32)
    np.savez(tmp_path / "d.npz", x=prepared_x, x_calib=prepared_x[:50], y=np.arange(count) % 10)
    arguments = [
        "run", "--board", "native", "--model", str(zoo_model("digits")),
        "--data", str(tmp_path / "d.npz"), "--out", str(tmp_path / "r"),
        "--faults", "byte_error=0.01,drop=0.005,resets=2", "--seed", "5",
    ]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-c", _MAIN, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    answered = random.Random(1).randrange(50, 150)
    journal: list[Path] = []
    until = time.monotonic() + 200
    while not (journal and len(journal[0].read_bytes().splitlines()) > answered):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
        journal = list((tmp_path / "r").glob("*/journal.jsonl"))
    process.kill()
    process.wait()
    folder = journal[0].parent
    assert not (folder / "run.json").exists()
    with journal[0].open("a") as file:  # a line that the kill cut off
        file.write('{"output": "00')
    done = nnom_hil("run", "--json", "--resume", folder)
    record = json.loads(done.stdout)
    assert record["verdict"] == "pass", record["reasons"]
    assert record["vectors"] == record["vectors_planned"] == count
    assert record["resumed"] >= answered
    assert sorted(journaled(tmp_path / "r")) == list(range(count))
    again = nnom_hil("run", "--resume", folder)
    assert again.returncode == 2
    assert "this run is done; there is nothing to resume" in again.stderr


def test_what_cannot_be_resumed_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"it has no journal\.jsonl"):
        resume_run(tmp_path)
    first = open_run(RunRequest(board=find_board("native"), runs=tmp_path, limit=5))
    first.prepare()
    with pytest.raises(UsageError, match="another process is at this run"):
        resume_run(first.folder.path)
    first.finish(UsageError("stopped"))
    journal = first.folder.path / "journal.jsonl"
    other = Identity(model="00", vectors="00", image="00")
    journal.write_bytes(Journal(path=journal).begin(other))
    changed = resume_run(first.folder.path)
    changed.prepare()
    with pytest.raises(UsageError, match="the model or data is not what it was"):
        changed.build()
    changed.finish(UsageError("stopped"))


# ---- a port that firmware runs behind, and its cable


class Cable:
    """A terminal with a name that stays, joined to a native firmware; it can be unplugged.

    bytes_per_s: how fast it is towards the board. fastest: the speed, as termios names it, above
    which only noise gets through.
    """

    def __init__(
        self,
        folder: Path,
        *,
        bytes_per_s: float | None = None,
        fastest: int | None = None,
        nnom: Path | None = None,
    ) -> None:
        self.name = folder / "ttyBOARD"
        self._bytes_per_s = bytes_per_s
        self._fastest = fastest
        options = for_header(ConvertOptions(), HeaderOptions(), nnom=nnom is not None)
        graph = prepare(find_model(None), None, options=options).graph
        image = build_for(
            find_board("native"), graph, compat=nnom is not None, library=Library(nnom=nnom)
        )
        self._firmware = subprocess.Popen(
            [image.elf], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._firmware.stdout is not None
        assert self._firmware.stdin is not None
        terminal = self._firmware.stdout.readline().strip()
        self._board = os.open(terminal, os.O_RDWR | os.O_NOCTTY)
        self._firmware.stdin.write(b"\n")
        self._firmware.stdin.flush()
        self._host = -1
        self.plug()
        threading.Thread(target=self._outward, daemon=True).start()

    def plug(self) -> None:
        import tty

        self._host, other = os.openpty()
        tty.setraw(other)
        self.name.symlink_to(os.ttyname(other))
        os.close(other)
        threading.Thread(target=self._inward, args=(self._host,), daemon=True).start()

    def unplug(self) -> None:
        host, self._host = self._host, -1
        self.name.unlink()
        os.close(host)

    def _inward(self, host: int) -> None:
        due = time.monotonic()
        while True:
            try:
                data = os.read(host, 256)
                if self._bytes_per_s is not None:  # as a UART would: never faster
                    due = max(due, time.monotonic() - 0.05) + len(data) / self._bytes_per_s
                    time.sleep(max(0.0, due - time.monotonic()))
                os.write(self._board, self._through(data))
            except OSError:
                if self._host != host:
                    return
                time.sleep(0.01)  # nobody has opened the other end yet

    def _outward(self) -> None:
        while True:
            try:
                data = os.read(self._board, 4096)
            except OSError:
                return
            try:
                os.write(self._host, self._through(data))
            except OSError:
                continue

    @property
    def speed(self) -> int:
        """What the host has set, as termios names it."""
        return int(termios.tcgetattr(self._host)[5])

    def _through(self, data: bytes) -> bytes:
        if self._fastest is None or self.speed <= self._fastest:
            return data
        return bytes(byte ^ 0x55 for byte in data)

    def close(self) -> None:
        self._firmware.kill()
        self._firmware.wait()
        for pipe in (self._firmware.stdin, self._firmware.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def cable(tmp_path: Path) -> Any:
    joined = Cable(tmp_path)
    yield joined
    joined.close()


def test_firmware_that_runs_already_is_joined(cable: Cable, tmp_path: Path) -> None:
    for _ in range(2):
        record = run(tmp_path / "r", port=str(cable.name), limit=30, baud=921_600)
        assert record.verdict is Verdict.PASS
        assert all(check.ok for check in record.cross_checks)


def test_cable_pulled_for_five_seconds_costs_nothing_but_time(cable: Cable, tmp_path: Path) -> None:
    attempt = open_run(
        RunRequest(board=find_board("native"), runs=tmp_path / "r", port=str(cable.name))
    )
    vector = attempt._observer.vector

    def pull_once(done: int, total: int) -> None:
        vector(done, total)
        if done == 50:
            cable.unplug()
            threading.Timer(5.0, cable.plug).start()

    attempt._observer.vector = pull_once  # type: ignore[method-assign]
    record = attempt.execute()
    assert record.verdict is Verdict.PASS, record.reasons
    assert record.link is not None
    assert record.link.reconnects == 1
    assert sorted(journaled(tmp_path / "r")) == list(range(360))


class PlainSerial(serial.Serial):
    """A port without modem lines, which a pseudo-terminal has not."""

    cts = dsr = ri = cd = rts = dtr = False


class NetworkPort:
    """A server in front of a serial port: raw TCP, or RFC 2217 with its control of the port."""

    def __init__(self, port: Path, scheme: str) -> None:
        self._port = port
        self._scheme = scheme
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"{scheme}://127.0.0.1:{self._server.getsockname()[1]}"
        self.connections: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def drop(self) -> None:
        self.connections[-1].shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections.append(connection)
            with PlainSerial(str(self._port), timeout=0.02) as port, connection:
                self._join(port, connection)

    def _join(self, port: serial.Serial, connection: socket.socket) -> None:
        manager: Any = None
        if self._scheme == "rfc2217":

            class Out:
                write = staticmethod(connection.sendall)

            manager = serial.rfc2217.PortManager(port, Out)  # type: ignore[arg-type]
        ended = threading.Event()

        def outward() -> None:
            while not ended.is_set():
                data = port.read(port.in_waiting or 1)
                if manager is not None:
                    data = b"".join(manager.escape(data))
                with contextlib.suppress(OSError):
                    connection.sendall(data)

        pump = threading.Thread(target=outward)
        pump.start()
        try:
            while data := connection.recv(4096):
                port.write(data if manager is None else b"".join(manager.filter(data)))
        except OSError:
            pass
        finally:
            ended.set()
            pump.join()

    def close(self) -> None:
        self._server.close()


@pytest.mark.parametrize("scheme", ["socket", "rfc2217"])
def test_far_away_port_that_drops_is_connected_to_again(
    scheme: str, cable: Cable, tmp_path: Path
) -> None:
    server = NetworkPort(cable.name, scheme)

    class DropOnce(Observer):
        def vector(self, done: int, total: int) -> None:
            if done == 50:
                server.drop()

    request = RunRequest(
        board=find_board("native"), runs=tmp_path / "r", port=server.url, limit=120
    )
    try:
        record = open_run(request, DropOnce()).execute()
    finally:
        server.close()
    assert record.verdict is Verdict.PASS, record.reasons
    assert record.link is not None
    assert record.link.reconnects == 1
    assert len(server.connections) == 2
    assert sorted(journaled(tmp_path / "r")) == list(range(120))


@pytest.mark.parametrize("baud", [115_200, 921_600])
def test_nine_tenths_of_a_serial_line_carry_vectors(baud: int, tmp_path: Path) -> None:
    """8N1 takes ten bits a byte. The line here is paced; the machine's load can only slow it."""
    line = baud / 10
    cable = Cable(tmp_path, bytes_per_s=line)
    try:
        request = RunRequest(board=find_board("native"), runs=tmp_path, port=str(cable.name))
        best = max(measure_link(request, int(3 * line)).bytes_per_s for _ in range(2))
    finally:
        cable.close()
    assert 0.9 * line <= best <= line


@pytest.mark.parametrize(
    ("fastest", "left_at"),
    [(termios.B115200, termios.B115200), (termios.B921600, termios.B921600)],
)
def test_baud_that_does_not_get_through_is_gone_back_from(
    fastest: int, left_at: int, tmp_path: Path
) -> None:
    cable = Cable(tmp_path, fastest=fastest)
    speeds = set()

    class Watch(Observer):
        def vector(self, done: int, total: int) -> None:
            speeds.add(cable.speed)

    request = RunRequest(
        board=find_board("native"), runs=tmp_path, port=str(cable.name), baud=921_600, limit=30
    )
    try:
        record = open_run(request, Watch()).execute()
    finally:
        cable.close()
    assert record.verdict is Verdict.PASS, record.reasons
    assert speeds == {left_at}


def test_link_works_while_the_core_computes(tmp_path: Path) -> None:
    """A model of 20 ms and a line that needs 9 ms a vector: bytes come in meanwhile, none is lost.

    What is not the model's time is told by test_simulated_line.py, whose clock no load disturbs.
    """
    tree = tmp_path / "nnom"
    shutil.copytree(firmware_dir() / "nnom", tree)
    core = tree / "src" / "core" / "nnom.c"
    text = core.read_text()
    begin = "nnom_status_t model_run(nnom_model_t *m)\n{\n"
    assert begin in text
    core.write_text(text.replace(begin, f"int usleep(unsigned);\n{begin}    usleep(20000);\n"))
    cable = Cable(tmp_path, bytes_per_s=92_160, nnom=tree)
    try:
        record = run(
            tmp_path / "r",
            port=str(cable.name),
            library=Library(nnom=tree),
            limit=100,
            encoding=Encoding.RAW,
        )
    finally:
        cable.close()
    assert record.verdict is Verdict.PASS, record.reasons
    assert record.link is not None
    assert record.link.rx_overruns == 0
    assert record.link.damaged_by_target == 0
    assert record.link.retransmitted <= 2, "slow is not lost"
    assert record.link.stream_bytes < 1.1 * record.link.vector_bytes


def test_other_firmware_behind_the_port_is_refused(cable: Cable, tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="wrong or stale firmware"):
        run(tmp_path / "r", port=str(cable.name), limit=3, compat=True)


def test_port_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = nnom_hil("run", "--port", tmp_path / "ttyNONE", "--limit", "3", "--out", tmp_path / "r")
    assert done.returncode == 3
    assert "ttyNONE: no such port; is the board plugged in?" in done.stderr


def test_random_data_costs_no_more_in_the_compact_encoding(tmp_path: Path) -> None:
    x = np.random.default_rng(1).random((60, 28, 28, 1), dtype=np.float32)
    np.savez(tmp_path / "d.npz", x=x)
    sent = {}
    for encoding in (Encoding.RAW, Encoding.COMPACT):
        record = run(tmp_path / encoding, data=tmp_path / "d.npz", encoding=encoding)
        assert record.verdict is Verdict.PASS
        assert record.link is not None
        sent[encoding] = record.link.tx_bytes
    assert sent[Encoding.COMPACT] <= 1.01 * sent[Encoding.RAW]


def test_compact_record_equals_the_raw_one(tmp_path: Path) -> None:
    raw = run_json("--limit", "40", "--encoding", "raw", "--out", tmp_path / "1")
    compact = run_json("--limit", "40", "--encoding", "compact", "--out", tmp_path / "2")
    assert raw["confusion"] == compact["confusion"]
    assert raw["outputs_equal"]
    assert compact["outputs_equal"]
    assert raw["layers"] == compact["layers"]
    assert raw["link"]["tx_bytes"] > 2.5 * compact["link"]["tx_bytes"]


def test_cost_of_a_bad_link_as_a_user_asks_for_it() -> None:
    done = nnom_hil(
        "bench", "faults", "-n", "60", "--faults", "byte_error=0.005,resets=1", "--json"
    )
    assert done.returncode == 0, done.stderr
    cost = json.loads(done.stdout)
    assert (cost["vectors"], cost["wrong"], cost["lost"], cost["resets"]) == (60, 0, 0, 1)
    assert cost["extra_s"] > 0
    done = nnom_hil("bench", "faults", "--faults", "bite=1")
    assert done.returncode == 2
    assert "no fault 'bite'" in done.stderr
