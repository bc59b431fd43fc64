"""The firmware behind a virtual probe: QEMU runs the flash's contents, a pty is its serial port."""

import contextlib
import os
import signal
import threading
import time
import tty
from pathlib import Path
from typing import Final

from nnom_hil.boards import Board
from nnom_hil.deadline import Deadline
from nnom_hil.errors import LinkError, TargetError
from nnom_hil.link.transport import Transport
from nnom_hil.target.qemu import QemuTarget

__all__ = ["SerialPort", "VirtualFirmware"]

_START_S: Final = 20.0
_POLL_S: Final = 0.001
_NOBODY_READS_S: Final = 0.3
_CHUNK: Final = 4096
_LOCKUP: Final = "Lockup"  # QEMU's word for a fault in a fault's handler, at which it ends


class SerialPort:
    """A pseudo-terminal under a name that stays: it is there whether firmware runs or not."""

    def __init__(self, link: Path) -> None:
        self._link = link
        self.master, self._slave = os.openpty()  # our end of the slave keeps the terminal alive
        tty.setraw(self._slave)
        os.set_blocking(self.master, False)
        with contextlib.suppress(FileNotFoundError):
            link.unlink()
        link.symlink_to(os.ttyname(self._slave))

    def send(self, data: bytes) -> None:
        """Give bytes to whoever reads; what nobody takes for a while is lost, as on a wire."""
        deadline = time.monotonic() + _NOBODY_READS_S
        while data and time.monotonic() < deadline:
            try:
                data = data[os.write(self.master, data) :]
            except BlockingIOError:
                time.sleep(0.002)

    def receive(self) -> bytes:
        """Return what has come, b"" if nothing has."""
        try:
            return os.read(self.master, _CHUNK)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        """Take it away."""
        with contextlib.suppress(FileNotFoundError):
            self._link.unlink()
        os.close(self.master)
        os.close(self._slave)


class VirtualFirmware:
    """QEMU with the flash's contents, its console joined to the port. image: where they lie."""

    def __init__(self, board: Board, port: SerialPort, image: Path) -> None:
        self._board = board
        self._port = port
        self._image = image
        self._qemu: QemuTarget | None = None
        self._pump: threading.Thread | None = None
        self._ended = threading.Event()

    def boot(self, flash: bytes) -> None:
        """Start anew with these contents; raises TargetError where QEMU cannot.

        Contents that lock the core up at once leave a board that is silent.
        """
        self.off()
        self._image.write_bytes(flash)
        qemu = QemuTarget(self._board)
        try:
            console = qemu.start(self._image, Deadline.after(_START_S))
        except BaseException as exc:
            qemu.stop()
            if isinstance(exc, TargetError) and _LOCKUP in str(exc):
                return
            raise
        self._qemu = qemu
        self._ended = threading.Event()
        self._pump = threading.Thread(
            target=self._join, args=(self._qemu, console, self._ended), daemon=True
        )
        self._pump.start()

    def pause(self) -> None:
        """Hold it where it is."""
        if self._qemu is not None:
            self._qemu.hold()

    def go_on(self) -> None:
        """Let it go from there."""
        if self._qemu is not None:
            self._qemu.let_go()

    def off(self) -> None:
        """End it; twice is fine."""
        if self._qemu is None:
            return
        self._ended.set()
        if (pid := self._qemu.pid) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)  # its console ends, and with it the pump
        if self._pump is not None:
            self._pump.join()
        self._qemu.stop()
        self._qemu = None

    def _join(self, qemu: QemuTarget, console: Transport, ended: threading.Event) -> None:
        """Carry bytes both ways until the firmware ends."""
        while not ended.is_set():
            try:
                if data := self._port.receive():
                    console.write(data)
                if data := console.read(Deadline.after(_POLL_S)):
                    self._port.send(data)
            except LinkError:
                if qemu.why_dead() is not None:
                    return
                # it is held: what it does not take is lost, as on a wire
