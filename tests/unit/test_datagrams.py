"""The console of an emulator: nothing is lost either way, whoever is slow."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nnom_hil.deadline import Deadline
from nnom_hil.errors import LinkError
from nnom_hil.link.datagrams import DatagramTransport

ESCAPE = 0x1D


class Emulator:
    """The other side, as QEMU's character device has it."""

    def __init__(self, console: DatagramTransport) -> None:
        self.input = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.input.bind((console.HOST, console.there))
        self.input.connect((console.HOST, console.here))
        self.output = os.open(console.output, os.O_WRONLY)

    def take(self, total: int) -> bytes:
        """Return so many bytes, slowly; fails where they do not come."""
        self.input.settimeout(20)
        got = b""
        while len(got) < total:
            got += self.input.recv(4096)
            time.sleep(0.0005)
        return got

    def end(self) -> None:
        self.input.close()
        os.close(self.output)


@pytest.fixture
def console(tmp_path: Path) -> Iterator[DatagramTransport]:
    made = DatagramTransport(tmp_path / "console", escape=ESCAPE)
    yield made
    made.release()


@pytest.fixture
def emulator(console: DatagramTransport) -> Iterator[Emulator]:
    made = Emulator(console)
    yield made
    made.end()


def read(console: DatagramTransport) -> bytes:
    return console.read(Deadline.after(20))


def test_bytes_go_both_ways_and_the_escape_twice(
    console: DatagramTransport, emulator: Emulator
) -> None:
    console.write(b"a\x1d\x00b")
    assert emulator.take(5) == b"a\x1d\x1d\x00b"
    os.write(emulator.output, b"\x1d\x00")
    assert read(console) == b"\x1d\x00"
    assert console.read(Deadline.after(0.01)) == b""


def test_what_a_slow_emulator_has_not_taken_is_not_dropped(
    console: DatagramTransport, emulator: Emulator
) -> None:
    """Linux keeps some 100 kB for a port and forgets what comes on top, without a word."""
    sent = os.urandom(600_000).replace(bytes([ESCAPE]), b".")
    writer = threading.Thread(target=console.write, args=(sent,))
    writer.start()
    got = emulator.take(len(sent))
    writer.join()
    assert got == sent


def test_output_is_taken_in_while_the_emulator_takes_no_input(
    console: DatagramTransport, emulator: Emulator
) -> None:
    sent, said = bytes(400_000), os.urandom(300_000)  # more than a port and a pipe hold
    got = []

    def speak_first() -> None:
        left = memoryview(said)
        while left:
            left = left[os.write(emulator.output, left) :]
        got.append(emulator.take(len(sent)))

    other = threading.Thread(target=speak_first)
    other.start()
    console.write(sent)
    heard = b""
    while len(heard) < len(said):
        heard += read(console)
    other.join()
    assert (got, heard) == ([sent], said)


def test_an_emulator_that_has_ended_is_a_lost_connection(
    console: DatagramTransport, emulator: Emulator
) -> None:
    os.write(emulator.output, b"last words")
    emulator.input.close()
    os.close(emulator.output)
    emulator.output = os.open(os.devnull, os.O_RDONLY)
    console.write(b"nobody hears it")
    console.write(b"nor that")
    assert read(console) == b"last words"
    with pytest.raises(LinkError, match="the connection was lost"):
        read(console)
    with pytest.raises(LinkError, match="the connection was lost"):
        console.reopen(Deadline.after(1))


def test_what_is_said_while_the_line_is_cut_is_lost(
    console: DatagramTransport, emulator: Emulator
) -> None:
    console.close()
    for use in (lambda: console.write(b"x"), lambda: read(console)):
        with pytest.raises(LinkError, match="the connection was lost"):
            use()
    os.write(emulator.output, b"unheard")
    console.reopen(Deadline.after(1))
    os.write(emulator.output, b"heard")
    assert read(console) == b"heard"
    console.write(b"y")
    assert emulator.take(1) == b"y"


def test_no_place_for_a_pipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match=r"nowhere/console: No such file"):
        DatagramTransport(tmp_path / "nowhere" / "console", escape=ESCAPE)
