"""Byte transports: every serial link is a pyserial URL.

A device, a pty, socket://, rfc2217://, and unix:// of our own (link/urls).
"""

import contextlib
import errno
import os
import select
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import serial

from nnom_hil.deadline import Deadline
from nnom_hil.errors import LinkError

__all__ = ["LinkAddress", "SerialTransport", "Transport"]

_CHUNK = 65536
_URL_HANDLERS = "nnom_hil.link.urls"
_POLL_S = 0.001
_REOPEN_S = 0.1
_WRITE_TIMEOUT_S = 10.0


class Transport(Protocol):
    """What the client needs of a link."""

    def read(self, deadline: Deadline) -> bytes:
        """Return the bytes that have arrived, at least one; b"" when the deadline passes."""
        ...

    def write(self, data: bytes) -> None:
        """Send all bytes."""
        ...

    def reopen(self, deadline: Deadline) -> None:
        """Open again what was lost; raises LinkError where that fails until the deadline."""
        ...

    def close(self) -> None:
        """Close; twice is fine."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkAddress:
    """Where a target's console is."""

    url: str
    baud: int = 115200


class SerialTransport:
    """A pyserial port. Raises LinkError: port missing, busy, forbidden, or lost."""

    def __init__(self, address: LinkAddress) -> None:
        self.address = address
        if _URL_HANDLERS not in serial.protocol_handler_packages:
            serial.protocol_handler_packages.append(_URL_HANDLERS)
        self._baud = address.baud
        self._early = b""  # what came while we were writing
        self._open()

    def _open(self) -> None:
        try:
            # time-out 0: reads return what is there; waiting is done with select
            self._port = serial.serial_for_url(
                self.address.url,
                self._baud,
                timeout=0,
                exclusive=True,  # two readers of one port get half each
            )
        except (serial.SerialException, OSError, ValueError) as exc:
            raise LinkError(_why_not_open(self.address.url, exc)) from exc

    def reopen(self, deadline: Deadline) -> None:
        """Open the port again, when it is there again."""
        self.close()
        self._early = b""
        while True:
            try:
                self._open()
                return
            except LinkError:
                if deadline.expired:
                    raise
                time.sleep(_REOPEN_S)

    def discard(self) -> None:
        """Forget what has arrived before, from another program's time."""
        self._early = b""
        with contextlib.suppress(OSError, serial.SerialException):  # a socket has no such thing
            self._port.reset_input_buffer()

    def set_baud(self, baud: int) -> None:
        """Change the rate."""
        self._baud = baud
        try:
            self._port.baudrate = baud
        except (serial.SerialException, OSError, ValueError) as exc:
            raise LinkError(f"{self.address.url}: cannot set {baud} baud: {exc}") from exc

    def read(self, deadline: Deadline) -> bytes:
        """Return the bytes that have arrived, at least one; b"" when the deadline passes."""
        if self._early:
            data, self._early = self._early, b""
            return data
        while True:
            try:
                data = self._read_waiting(deadline)
            except (serial.SerialException, OSError) as exc:
                raise LinkError(f"{self.address.url}: the connection was lost: {exc}") from exc
            if data or deadline.expired:
                return data

    def _read_waiting(self, deadline: Deadline) -> bytes:
        """Wait for bytes and return those that are there, maybe none."""
        handle = self._handle()
        if handle is None:  # it gives a byte at a time
            if not self._port.in_waiting:
                time.sleep(min(_POLL_S, deadline.remaining_s))
            return b"".join(self._port.read(1) for _ in range(self._port.in_waiting or 1))
        select.select([handle], [], [], deadline.remaining_s)
        return self._read_there()

    def _read_there(self) -> bytes:
        """Return what is there, maybe nothing.

        pyserial's socket:// reads on until it has all, and loses what it has where the other side
        has closed (findings/pyserial_socket_end.sh).
        """
        connection = getattr(self._port, "_socket", None)
        if connection is None or not select.select([connection], [], [], 0)[0]:
            data: bytes = self._port.read(_CHUNK)
            return data
        received: bytes = connection.recv(_CHUNK)
        if not received:
            raise serial.SerialException("read failed: socket disconnected")
        return received

    def fileno(self) -> int:
        """Return the port's descriptor; -1 where it has none, as rfc2217://."""
        handle = self._handle()
        return -1 if handle is None else handle

    def _handle(self) -> int | None:
        """Return the file descriptor to wait on; rfc2217:// has none."""
        if not self._port.is_open:  # else its error would pass for having none
            raise serial.PortNotOpenError
        try:
            handle = int(self._port.fileno())
        except (AttributeError, OSError):
            return None
        if handle < 0:  # a closed socket's
            raise serial.PortNotOpenError
        return handle

    def write(self, data: bytes) -> None:
        """Send all bytes, and take in what comes meanwhile.

        An emulator that cannot get rid of its output takes no input: both sides would wait.
        """
        try:
            handle = self._handle()
            if handle is None:
                self._port.write(data)
            else:
                self._write_and_read(handle, data)
        except (serial.SerialException, OSError) as exc:
            raise LinkError(f"{self.address.url}: the connection was lost: {exc}") from exc

    def _write_and_read(self, handle: int, data: bytes) -> None:
        left = memoryview(data)
        stuck = Deadline.after(_WRITE_TIMEOUT_S)
        while left:
            readable, writable, _ = select.select([handle], [handle], [], stuck.remaining_s)
            if readable:
                self._early += self._read_there()
            if writable:
                with contextlib.suppress(BlockingIOError):
                    left = left[os.write(handle, left) :]
                    stuck = Deadline.after(_WRITE_TIMEOUT_S)
            if stuck.expired:
                raise LinkError(
                    f"{self.address.url}: the target takes no bytes for {_WRITE_TIMEOUT_S:g} s"
                )

    def close(self) -> None:
        """Close the port; twice is fine."""
        connection = getattr(self._port, "_socket", None)
        with contextlib.suppress(OSError, serial.SerialException):  # it may be gone already
            self._port.close()
        if connection is not None:
            connection.close()  # pyserial does not where the other side has closed first


def _who_has(port: str) -> str:
    """Return the program that has a device open, as far as /proc tells."""
    device = os.path.realpath(port)
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # another user's, or gone meanwhile
            if process.name != str(os.getpid()) and any(
                os.path.realpath(handle) == device for handle in (process / "fd").iterdir()
            ):
                return f"{(process / 'comm').read_text().strip()} (process {process.name})"
    return "another program"


def _why_not_open(url: str, error: Exception) -> str:
    code = getattr(error, "errno", None)
    if code == errno.ENOENT:
        return f"{url}: no such port; is the board plugged in?"
    if code == errno.EACCES:
        return (
            f"{url}: permission denied; add yourself to the port's group (sudo usermod -aG dialout "
            "$USER) and log in again, or write a udev rule for it (docs/boards.md, Real boards)"
        )
    if code == errno.EBUSY or "exclusively lock" in str(error):
        return f"{url}: the port is in use by {_who_has(url)}; close it"
    return f"{url}: cannot open the port: {error}"
