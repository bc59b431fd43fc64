"""A console that takes its input in datagrams and writes its output to a pipe, as QEMU's can.

From a stream QEMU takes one byte in each turn of its main loop. A datagram it takes whole and hands
on as fast as the emulated core reads. What it prints would get lost in datagrams that nobody
fetches in time; a pipe makes it wait.
"""

import contextlib
import os
import select
import socket
import sys
from pathlib import Path
from typing import ClassVar, Final

from nnom_hil.deadline import Deadline
from nnom_hil.errors import LinkError

__all__ = ["DatagramTransport"]

_DATAGRAM: Final = 4096  # QEMU reads no more of one
_OVERHEAD: Final = 1024  # that the kernel counts for each, at most; its bytes are counted twice
_ROOM: Final = 100_000  # half of what Linux keeps for a socket
_CHUNK: Final = 65536
_POLL_S: Final = 0.002
_WRITE_TIMEOUT_S: Final = 10.0


class DatagramTransport:
    """Two ports of this machine, and a pipe that it makes at `output`.

    The other side binds `there` and takes what comes from `here` only; it must send to `here` what
    it writes to the pipe, too. escape: a byte that must be doubled on its way: QEMU's multiplexed
    character devices take it as a command otherwise. Raises LinkError where there are no such
    things. To be released once the other side has ended: QEMU hears nothing more from a port that
    was closed before.
    """

    HOST: ClassVar = "127.0.0.1"

    def __init__(self, output: Path, *, escape: int) -> None:
        self.output = output
        self._escape = bytes([escape])
        self._early = b""  # what came while we were writing
        self._unknown = 0  # bytes of the kernel's that may wait on the other side
        self._is_open = True
        with contextlib.ExitStack() as opened:
            try:
                os.mkfifo(output, 0o600)
                self._output = os.open(output, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                opened.callback(os.close, self._output)
                self._socket = opened.enter_context(_socket())
                # shared, so that it stays ours until the other side has it, too
                with _socket() as taken:
                    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    taken.bind((self.HOST, 0))
                    self.there: int = taken.getsockname()[1]
                    self._socket.bind((self.HOST, 0))
                self.here: int = self._socket.getsockname()[1]
                self._socket.connect((self.HOST, self.there))
            except OSError as exc:
                raise LinkError(
                    f"cannot make a console of a port of {self.HOST} and a pipe at {output}: "
                    f"{exc.strerror}"
                ) from exc
            self._opened = opened.pop_all()

    def fileno(self) -> int:
        """Return the pipe's descriptor."""
        return self._output

    def has_output(self, wait_s: float) -> bool:
        """Whether there is something to read, or never will be; waits for it."""
        return bool(select.select([self._output], [], [], wait_s)[0])

    def read(self, deadline: Deadline) -> bytes:
        """Return the bytes that have arrived, at least one; b"" when the deadline passes."""
        if self._early:
            data, self._early = self._early, b""
            return data
        while self._is_open and not self.has_output(deadline.remaining_s):
            if deadline.expired:
                return b""
        return self._read()

    def _read(self) -> bytes:
        """Return what is there; raises LinkError where there will be nothing any more."""
        if not (self._is_open and (data := os.read(self._output, _CHUNK))):
            raise LinkError(f"{self.output}: the connection was lost")
        return data

    def write(self, data: bytes) -> None:
        """Send all bytes, and take in what comes meanwhile.

        An emulator that cannot get rid of its output takes no input: both sides would wait.
        """
        if not self._is_open:
            raise LinkError(f"{self.output}: the connection was lost")
        data = data.replace(self._escape, 2 * self._escape)
        for start in range(0, len(data), _DATAGRAM):
            piece = data[start : start + _DATAGRAM]
            self._unknown += _OVERHEAD + 2 * len(piece)
            if self._unknown > _ROOM:
                self._wait_for_room()
            with contextlib.suppress(ConnectionRefusedError):  # what has ended ends its pipe, too
                self._socket.send(piece)

    def _wait_for_room(self) -> None:
        stuck = Deadline.after(_WRITE_TIMEOUT_S)
        while (waiting := self._waiting()) > _ROOM // 2:
            if self.has_output(_POLL_S):
                self._early += self._read()
            if stuck.expired:
                raise LinkError(
                    f"{self.output}: the target takes no bytes for {_WRITE_TIMEOUT_S:g} s"
                )
        self._unknown = waiting

    def _waiting(self) -> int:
        """Return what the kernel keeps for the other side; it drops what is too much, untold."""
        host = f"{int.from_bytes(socket.inet_aton(self.HOST), sys.byteorder):08X}"
        ours = f"{host}:{self.there:04X} {host}:{self.here:04X} "
        with contextlib.suppress(OSError):
            for line in Path("/proc/net/udp").read_text(encoding="ascii").splitlines():
                if ours in line:  # number: local remote state sent:received ...
                    return int(line.split()[4].split(":")[1], 16)
        return 0

    def reopen(self, deadline: Deadline) -> None:
        """Go on; what came meanwhile is lost. Raises LinkError where the other side has ended."""
        del deadline
        self._is_open, self._early = True, b""
        while self.has_output(0.0):
            self._read()

    def close(self) -> None:
        """Neither read nor write any more; twice is fine."""
        self._is_open = False

    def release(self) -> None:
        """Give back ports and pipe; twice is fine."""
        self.close()
        self._opened.close()


def _socket() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
