"""Doors through which clients reach a console: who comes, who leaves, and what each gets."""

import os
import select
import socket
import termios
from pathlib import Path

import pytest
import serial

from nnom_hil.errors import UsageError
from nnom_hil.link.offer import Door, PtyDoor, TcpDoor, tcp_address


def taken(door: Door, size: int) -> bytes:
    """Return so many bytes that come through a door, and whoever stands in it."""
    data = b""
    while len(data) < size:
        assert select.select(door.watched, [], [], 60)[0]
        data += door.take()
    return data


def until_departures(door: Door, count: int) -> None:
    while door.departures < count:
        assert select.select(door.watched, [], [], 60)[0]
        door.take()


@pytest.mark.parametrize(
    ("text", "address"),
    [("5000", ("127.0.0.1", 5000)), ("0", ("127.0.0.1", 0)), ("0.0.0.0:1", ("0.0.0.0", 1)),
     ("[::1]:65535", ("::1", 65535)), (":7", ("127.0.0.1", 7))],
)  # fmt: skip
def test_loopback_unless_asked_otherwise(text: str, address: tuple[str, int]) -> None:
    assert tcp_address(text) == address


@pytest.mark.parametrize("text", ["", "x", "65536", "-1", "host:", "1:2:x", "٣", "99999999999"])
def test_an_address_that_is_none_is_told(text: str) -> None:
    with pytest.raises(UsageError, match=r"needs \[HOST:\]PORT"):
        tcp_address(text)


def test_a_port_that_is_taken_is_told() -> None:
    door = TcpDoor("127.0.0.1", 0)
    try:
        port = int(door.url.rpartition(":")[2])
        with pytest.raises(ConnectionRefusedError):  # nobody is let in before the board runs
            socket.create_connection(("127.0.0.1", port))
        door.open()
        with pytest.raises(UsageError, match="the port is taken by another program; name another"):
            TcpDoor("127.0.0.1", port)
        with pytest.raises(UsageError, match="this machine has no such address"):
            TcpDoor("192.0.2.1", 0)
    finally:
        door.close()
        door.close()


def test_clients_of_a_port_come_one_after_the_other() -> None:
    door = TcpDoor("127.0.0.1", 0)
    try:
        door.open()
        door.open()
        door.send(b"nobody hears this")
        address = ("127.0.0.1", int(door.url.rpartition(":")[2]))
        with socket.create_connection(address) as first:
            first.sendall(b"one")
            assert taken(door, 3) == b"one"
            with socket.create_connection(address) as second:
                second.sendall(b"two")
                door.send(b"to the first")
                assert first.recv(100) == b"to the first"
                first.close()
                assert taken(door, 3) == b"two"
                assert door.departures == 1
                door.send(b"to the second")
                assert second.recv(100) == b"to the second"
    finally:
        door.close()


def test_clients_of_a_terminal_get_nothing_of_others(tmp_path: Path) -> None:
    link = tmp_path / "board"
    door = PtyDoor(link)
    try:
        door.open()
        door.open()
        door.send(b"nobody hears this")
        for visit in range(3):  # the next one comes before it is known that the last one left
            port = serial.Serial(str(link), 9600, timeout=60)
            port.write(b"%d" % visit)
            assert taken(door, 1) == b"%d" % visit
            assert door.departures == visit
            door.send(b"hello")
            assert port.read(5) == b"hello"
            port.close()
        until_departures(door, 3)
    finally:
        door.close()
    assert not link.is_symlink()
    door.close()


def test_what_a_client_has_not_read_is_forgotten() -> None:
    door = PtyDoor()
    try:
        door.open()
        port = os.open(door.url, os.O_RDWR | os.O_NOCTTY)
        os.write(port, b"x")
        assert taken(door, 1) == b"x"
        assert not termios.tcgetattr(port)[3] & termios.ECHO
        door.send(b"not read")
        os.close(port)
        until_departures(door, 1)
        port = os.open(door.url, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        with pytest.raises(BlockingIOError):
            os.read(port, 100)
        os.close(port)
        until_departures(door, 2)
    finally:
        door.close()


def test_a_link_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot make a link: something is there already"):
        PtyDoor(tmp_path / "file")
    (tmp_path / "left").symlink_to(tmp_path / "nothing")
    door = PtyDoor(tmp_path / "left")
    door.open()
    assert (tmp_path / "left").exists()
    door.close()
    assert not (tmp_path / "left").is_symlink()
