"""QEMU: argv, start, stop. No semihosting; it listens on loopback only."""

import ctypes
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from nnom_hil.boards import Board, QemuBackend
from nnom_hil.deadline import Deadline
from nnom_hil.errors import LinkError, TargetError, ToolError
from nnom_hil.link.transport import LinkAddress, SerialTransport, Transport
from nnom_hil.tool import find_tool, run_tool

__all__ = ["QemuTarget", "qemu_argv"]

_ESCAPE = 0x1D
_PROGRAM = "qemu-system-arm"
_PR_SET_PDEATHSIG = 1


def qemu_argv(qemu: QemuBackend, elf: Path, port: int) -> list[str]:
    """Return QEMU's command line.

    The console is a multiplexed character device: QEMU hands those to the guest in runs of 32
    bytes, plain ones byte by byte, six times slower. It waits for the host before it starts, so
    that the first text is not lost. -icount makes virtual time depend on instructions only.
    """
    return [
        _PROGRAM,
        "-machine", qemu.machine,
        "-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none",
        "-icount", f"shift={qemu.icount_shift},align=off,sleep=on",
        "-chardev", f"socket,id=console,host=127.0.0.1,port={port},server=on,wait=on,mux=on",
        "-echr", hex(_ESCAPE),
        "-serial", "chardev:console",
        "-kernel", str(elf),
    ]  # fmt: skip


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _die_with_parent() -> Callable[[], None]:
    """Return what makes a child end when its parent is killed, so that no emulator is left."""
    libc = ctypes.CDLL(None)

    def set_signal() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    return set_signal


class QemuTarget:
    """One QEMU process."""

    time_source = "virtual"

    def __init__(self, board: Board) -> None:
        if board.backend.qemu is None:
            raise TargetError(
                f"board {board.name} cannot run in QEMU: its file has no [backend.qemu] table"
            )
        self._qemu = board.backend.qemu
        self._process: subprocess.Popen[bytes] | None = None
        self._transport: SerialTransport | None = None
        self._log = tempfile.TemporaryFile()
        self._stopped = False

    @property
    def description(self) -> str:
        """QEMU's own name for its version."""
        return run_tool([_PROGRAM, "--version"], deadline=Deadline.after(20)).splitlines()[0]

    def start(self, elf: Path, deadline: Deadline) -> Transport:
        """Start the emulator and connect to its console."""
        program = find_tool(_PROGRAM)
        while True:
            port = _free_port()
            argv = qemu_argv(self._qemu, elf.resolve(), port)
            self._process = subprocess.Popen(
                [str(program), *argv[1:]],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent(),
            )
            try:
                self._transport = self._connect(port, deadline)
                return self._transport
            except TargetError:
                # another program may have taken the port between the look and the use
                if deadline.expired or "Address already in use" not in self._output():
                    self.stop()
                    raise

    def _connect(self, port: int, deadline: Deadline) -> SerialTransport:
        address = LinkAddress(url=f"socket://127.0.0.1:{port}", escape=_ESCAPE)
        while True:
            if reason := self.why_dead():
                raise TargetError(reason)
            try:
                return SerialTransport(address)
            except LinkError as exc:
                if deadline.expired:
                    raise TargetError(f"{_PROGRAM} does not open its console: {exc}") from exc
                time.sleep(0.01)

    def _output(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace").strip()

    def why_dead(self) -> str | None:
        """Return how QEMU ended, or None while it runs."""
        if self._process is None:
            return f"{_PROGRAM} was not started"
        code = self._process.poll()
        if code is None:
            return None
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        output = self._output()
        return f"{_PROGRAM} {how} (machine {self._qemu.machine})" + (f": {output}" if output else "")

    def stop(self) -> None:
        """End QEMU and close its console; twice is fine."""
        if self._transport is not None:
            self._transport.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if not self._stopped:
            self._log.close()
            self._stopped = True

    @property
    def pid(self) -> int | None:
        """The emulator's process id, for tests that kill it."""
        return None if self._process is None else self._process.pid


def version_or_none() -> str | None:
    """Return QEMU's version line, None where it is not installed."""
    try:
        return run_tool([_PROGRAM, "--version"], deadline=Deadline.after(20)).splitlines()[0]
    except ToolError:
        return None
