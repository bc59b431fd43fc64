"""QEMU: argv, start, stop. No semihosting; its console is a socket for this user alone."""

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

from nnom_hil.boards import Board, QemuBackend
from nnom_hil.deadline import Deadline
from nnom_hil.errors import LinkError, TargetError
from nnom_hil.link.transport import LinkAddress, SerialTransport, Transport
from nnom_hil.target.base import ProcessTarget
from nnom_hil.target.process import ChildProcess
from nnom_hil.temporary import private_folder
from nnom_hil.tool import tool_version

__all__ = ["QemuTarget", "option_path", "qemu_argv"]

_ESCAPE = 0x1D
_PROGRAM = "qemu-system-arm"
_SOCKET = "console"
_LONGEST_SOCKET = 107  # bytes of a Unix socket's path


def option_path(path: Path) -> str:
    """Return a path as part of an option of QEMU: a comma ends one, two are one."""
    return str(path).replace(",", ",,")


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
        "-chardev", f"socket,id=console,path={option_path(console)},server=on,wait=on,mux=on",
        "-echr", hex(_ESCAPE),
        *["-serial", "null"] * qemu.serial,
        "-serial", "chardev:console",
        "-kernel", str(elf),
    ]  # fmt: skip


class QemuTarget(ProcessTarget):
    """One QEMU process. more: options of QEMU beside those that every board needs."""

    time_source = "instructions"

    def __init__(self, board: Board, *, more: Sequence[str] = ()) -> None:
        if board.backend.qemu is None:
            raise TargetError(
                f"board {board.name} cannot run in QEMU: its file has no [backend.qemu] table"
            )
        super().__init__(f"{_PROGRAM} (machine {board.backend.qemu.machine})")
        self._qemu = board.backend.qemu
        self.ticks_per_instruction = self._qemu.ticks_per_instruction(board.clock.core_hz)
        self._more = more
        self._folder = contextlib.ExitStack()

    @property
    def description(self) -> str:
        """QEMU's own name for its version."""
        return tool_version(_PROGRAM)

    def start(self, elf: Path, deadline: Deadline) -> Transport:
        """Start the emulator and connect to its console; raises TargetError, StoreError."""
        longest = _LONGEST_SOCKET - len(f"/{_SOCKET}")
        console = self._folder.enter_context(private_folder(longest=longest)) / _SOCKET
        self._process = ChildProcess(
            [*qemu_argv(self._qemu, elf.resolve(), console), *self._more],
            name=self._name,
            brief=_brief,
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

    def stop(self) -> None:
        """End QEMU and close its console; twice is fine."""
        super().stop()
        self._folder.close()


def _brief(output: str) -> str:
    """Leave out that it waits for us."""
    lines = output.splitlines()
    return "\n".join(line for line in lines if "waiting for connection" not in line).strip()
