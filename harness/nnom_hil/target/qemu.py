"""QEMU: argv, start, stop. No semihosting; its console is a socket for this user alone."""

import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from nnom_hil.boards import Board, QemuBackend
from nnom_hil.deadline import Deadline
from nnom_hil.errors import LinkError, TargetError
from nnom_hil.link.transport import LinkAddress, SerialTransport, Transport
from nnom_hil.tool import find_tool, run_tool

__all__ = ["QemuTarget", "qemu_argv"]

_ESCAPE = 0x1D
_PROGRAM = "qemu-system-arm"


def qemu_argv(qemu: QemuBackend, elf: Path, console: Path) -> list[str]:
    """Return QEMU's command line; console is the Unix socket it makes.

    The console is a multiplexed character device, which buffers for the guest: plain ones are six
    times slower. QEMU waits for the host before it starts, so that the first text is not lost.
    -icount makes virtual time depend on instructions only.
    """
    return [
        _PROGRAM,
        "-machine", qemu.machine,
        "-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none",
        "-icount", f"shift={qemu.icount_shift},align=off,sleep=on",
        "-chardev", f"socket,id=console,path={console},server=on,wait=on,mux=on",
        "-echr", hex(_ESCAPE),
        "-serial", "chardev:console",
        "-kernel", str(elf),
    ]  # fmt: skip


def _die_with_parent() -> list[str]:
    """Return a command prefix that ends the child when its parent is killed.

    setpriv is part of every Debian; where it is missing, only a killed nnom-hil leaves QEMU behind.
    """
    setpriv = shutil.which("setpriv")
    return [] if setpriv is None else [setpriv, "--pdeathsig", "KILL", "--"]


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
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        # private, and short: the path of a Unix socket is limited to 107 bytes
        self._folder = tempfile.TemporaryDirectory(prefix="nnom-hil-")
        self._stopped = False

    @property
    def description(self) -> str:
        """QEMU's own name for its version."""
        return run_tool([_PROGRAM, "--version"], deadline=Deadline.after(20)).splitlines()[0]

    def start(self, elf: Path, deadline: Deadline) -> Transport:
        """Start the emulator and connect to its console."""
        program = find_tool(_PROGRAM)
        console = Path(self._folder.name) / "console"
        argv = qemu_argv(self._qemu, elf.resolve(), console)
        self._process = subprocess.Popen(
            [*_die_with_parent(), str(program), *argv[1:]],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        address = LinkAddress(url=f"unix://{console}", escape=_ESCAPE)
        while True:
            if reason := self.why_dead():
                raise TargetError(reason)
            try:
                self._transport = SerialTransport(address)
                return self._transport
            except LinkError as exc:
                if deadline.expired:
                    raise TargetError(f"{_PROGRAM} does not open its console: {exc}") from exc
                time.sleep(0.005)

    def _output(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").splitlines()
        return "\n".join(line for line in lines if "waiting for connection" not in line).strip()

    def why_dead(self) -> str | None:
        """Return how QEMU ended, or None while it runs."""
        if self._process is None:
            return f"{_PROGRAM} was not started"
        code = self._process.poll()
        if code is None:
            return None
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        output = self._output()
        return f"{_PROGRAM} {how} (machine {self._qemu.machine})" + (
            f": {output}" if output else ""
        )

    def stop(self) -> None:
        """End QEMU and close its console; twice is fine."""
        if self._transport is not None:
            self._transport.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if not self._stopped:
            self._log.close()
            self._folder.cleanup()
            self._stopped = True

    @property
    def pid(self) -> int | None:
        """The emulator's process id, for tests that kill it."""
        return None if self._process is None else self._process.pid
