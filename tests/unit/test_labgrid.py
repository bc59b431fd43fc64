"""Ports behind labgrid places: acquired, opened, released; each refusal says what to do."""

import logging
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.labgrid import FakeLabgrid

from nnom_hil.boards import find_board
from nnom_hil.deadline import Deadline
from nnom_hil.errors import DataError, LinkError, TargetError, TargetGoneError, ToolError
from nnom_hil.link.transport import SerialTransport
from nnom_hil.probe import Attached
from nnom_hil.run.monitor import ConsoleRequest, monitor
from nnom_hil.target.labgrid import PortLoan
from nnom_hil.target.port import PortTarget
from nnom_hil.target.probe import ProbeTarget

URL = "labgrid://mps2"
SHOW = "labgrid-client -p mps2 show"


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeLabgrid:
    made = FakeLabgrid(tmp_path, monkeypatch)
    made.offer({})
    return made


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.mark.parametrize(
    ("facts", "url"),
    [
        ({}, "socket://127.0.0.1:5391"),
        ({"protocol": "rfc2217", "host": "lab", "port": 4000}, "rfc2217://lab:4000"),
        ({"host": "fe80::1"}, "socket://[fe80::1]:5391"),
    ],
)
def test_a_place_is_its_serial_port(lab: FakeLabgrid, facts: dict[str, Any], url: str) -> None:
    lab.offer({"cls": "NetworkPowerPort"}, facts)
    loan = PortLoan(URL)
    assert loan.acquire() == url
    assert lab.holder == "vm/me"
    loan.release()
    loan.release()
    assert lab.holder is None
    assert [call.split()[-1] for call in lab.calls] == ["places", "acquire", "show", "release"]


def test_other_ports_are_nothing_of_labgrid(lab: FakeLabgrid) -> None:
    for url in ("/dev/ttyACM0", "socket://h:1", "rfc2217://h:1"):
        loan = PortLoan(url)
        assert loan.acquire() == url
        loan.release()
    assert lab.calls == []


def test_a_place_of_others_names_its_holder(lab: FakeLabgrid) -> None:
    lab.plant("holder", "desk/anna")
    loan = PortLoan(URL)
    with pytest.raises(TargetGoneError) as told:
        loan.acquire()
    assert str(told.value) == (
        f"{URL}: place mps2 is acquired by desk/anna; wait until it is released, or as that user: "
        "labgrid-client -p mps2 release"
    )
    loan.release()
    assert lab.holder == "desk/anna"  # what was not acquired is not released


def test_without_labgrid_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(ToolError) as told:
        PortLoan(URL).acquire()
    assert str(told.value) == (
        f"{URL}: labgrid-client cannot be found; try: pip install 'nnom-hil[labgrid]'"
    )


def test_a_coordinator_that_is_not_there_is_named(lab: FakeLabgrid) -> None:
    lab.plant("down")
    with pytest.raises(TargetError, match=r"coordinator at lab:20408 cannot be reached.*LG_COORD"):
        PortLoan(URL).acquire()


@pytest.mark.parametrize("name", ["mps", "alias", "", "+token"])
def test_a_place_that_is_none_is_told(lab: FakeLabgrid, name: str) -> None:
    """labgrid-client itself takes a part of a name for one."""
    with pytest.raises(TargetError, match=r"lab:20408 has no place '.*it has: mps2, other$"):
        PortLoan(f"labgrid://{name}").acquire()
    assert len(lab.calls) == 1


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ([], "has no serial ports"),
        ([{"cls": "NetworkService"}], "has no serial ports"),
        ([{}, {"port": 5392}], "has 2 serial ports"),
        ([{"avail": False}], "available False"),
        ([{"protocol": "telnet"}], "protocol telnet"),
        ([{"port": None}], "port None"),
    ],
)
def test_a_place_without_a_serial_port_is_told(
    lab: FakeLabgrid, resources: list[dict[str, Any]], words: str
) -> None:
    lab.offer(*resources)
    with pytest.raises(TargetError, match=rf"^{URL}: .*place mps2.*{words}"):
        PortLoan(URL).acquire()
    assert lab.holder is None


def test_what_labgrid_refuses_is_told_in_its_words(lab: FakeLabgrid) -> None:
    said = "Matching resource 'N' (e/desk/N/N) already acquired by place 'other'\nServer error: no"
    lab.plant("refused", said)
    with pytest.raises(TargetError, match=rf"{URL}: acquire: Matching.*'other'; Server error: no"):
        PortLoan(URL).acquire()


def test_another_labgrid_is_told(lab: FakeLabgrid) -> None:
    for text in ("Acquired resource 'N' (p):\n  {'cls': 1 +", "Acquired resource 'N' (p):\n  []"):
        lab.plant("acquired", text)
        with pytest.raises(TargetError, match=r"cannot be read; labgrid 25\.0 to 26"):
            PortLoan(URL).acquire()
        assert lab.holder is None


def test_a_place_that_stays_acquired_is_told(
    lab: FakeLabgrid, caplog: pytest.LogCaptureFixture
) -> None:
    loan = PortLoan(URL)
    loan.acquire()
    lab.plant("kept")
    with caplog.at_level(logging.WARNING):
        loan.release()
    assert caplog.messages[0].endswith("it is not released: labgrid-client -p mps2 release")


def test_a_target_has_its_place_from_start_to_stop(
    lab: FakeLabgrid, server: socket.socket, tmp_path: Path
) -> None:
    lab.offer({"port": server.getsockname()[1]})
    target = PortTarget(find_board("mps2_an385"), URL)
    transport = target.start(tmp_path, Deadline.after(60))
    connection, _ = server.accept()
    with connection:
        connection.sendall(b"x")
        assert transport.read(Deadline.after(60)) == b"x"
        assert lab.holder == "vm/me"
        target.stop()
        target.stop()
    assert lab.holder is None


def test_a_port_that_does_not_open_is_given_back(lab: FakeLabgrid, server: socket.socket) -> None:
    port = server.getsockname()[1]
    server.close()
    lab.offer({"port": port})
    target = PortTarget(find_board("mps2_an385"), URL)
    with pytest.raises(LinkError, match=rf"socket://127.0.0.1:{port}"):
        target.start(Path(), Deadline.after(60))
    target.stop()
    assert lab.holder is None


def test_no_board_in_a_place_of_others_is_flashed(
    lab: FakeLabgrid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NNOM_HIL_LOCKS", str(tmp_path / "locks"))
    lab.plant("holder", "desk/anna")
    board = find_board("nucleo_f446re")
    for _ in range(2):  # the board's lock is not kept
        target = ProbeTarget(board, lambda: Attached(probe="none", port=URL))
        with pytest.raises(TargetGoneError, match="acquired by desk/anna"):
            target.start(tmp_path, Deadline.after(60))
        target.stop()
    assert lab.holder == "desk/anna"


def test_a_console_in_a_place_is_read(
    lab: FakeLabgrid, server: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To its last words, though the other side closes at once."""
    lab.offer({"port": server.getsockname()[1]})
    listens = threading.Event()  # pyserial forgets what came while it opened
    read = SerialTransport.read

    def told(transport: SerialTransport, deadline: Deadline) -> bytes:
        listens.set()
        return read(transport, deadline)

    monkeypatch.setattr(SerialTransport, "read", told)

    def play() -> None:
        connection, _ = server.accept()
        with connection:
            assert listens.wait(60)
            connection.sendall(b"Start compiling model...\n")

    player = threading.Thread(target=play)
    player.start()
    heard: list[str] = []
    with pytest.raises(DataError, match=f"^{URL}: no table of NNoM's in 25 characters"):
        monitor(ConsoleRequest(port=URL, runs=tmp_path), heard.append)
    player.join()
    assert "".join(heard) == "Start compiling model...\n"
    assert lab.holder is None
