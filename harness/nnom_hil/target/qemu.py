"""QEMU: argv, start, stop. No semihosting; its console listens to us alone."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from nnom_hil.boards import Board, QemuBackend
from nnom_hil.deadline import Deadline
from nnom_hil.errors import LinkError, TargetError, TargetGoneError
from nnom_hil.link.datagrams import DatagramTransport
from nnom_hil.link.transport import Transport
from nnom_hil.target.base import ProcessTarget, Target, TargetFacts
from nnom_hil.target.process import ChildProcess
from nnom_hil.temporary import private_folder
from nnom_hil.tool import tool_version

__all__ = ["QemuTarget", "option_path", "qemu_argv"]

_ESCAPE = 0x1D
_PROGRAM = "qemu-system-arm"
_CONSOLE = "console"
_FIRST_WORDS_S = 10.0  # longer than any start takes; firmware that says nothing is asked then


def option_path(path: Path) -> str:
    """Return a path as part of an option of QEMU: a comma ends one, two are one."""
    return str(path).replace(",", ",,")


def qemu_argv(
    qemu: QemuBackend, elf: Path, console: DatagramTransport, *, exact: bool
) -> list[str]:
    """Return QEMU's command line; exact: its time is that of the instructions it has executed.

    The console takes datagrams and writes to a pipe (docs/adr/0007-datagrams-into-qemu.md). It is a
    multiplexed character device, which buffers for the guest.
    """
    ports = (
        f"host={console.HOST},port={console.here},"
        f"localaddr={console.HOST},localport={console.there}"
    )
    return [
        _PROGRAM,
        "-machine", qemu.machine,
        "-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none",
        *(["-icount", f"shift={qemu.icount_shift},align=off,sleep=on"] if exact else []),
        "-chardev", f"udp,id=console,{ports},logfile={option_path(console.output)},mux=on",
        "-echr", hex(_ESCAPE),
        *["-serial", "null"] * qemu.serial,
        "-serial", "chardev:console",
        "-kernel", str(elf),
    ]  # fmt: skip


class QemuTarget(ProcessTarget):
    """One QEMU process. more: options of QEMU beside those that every board needs.

    exact: its clock counts instructions; without, it is the host's, and an access to a register of
    the UART costs half.
    """

    def __init__(self, board: Board, *, more: Sequence[str] = (), exact: bool = True) -> None:
        if board.backend.qemu is None:
            raise TargetError(
                f"board {board.name} cannot run in QEMU: its file has no [backend.qemu] table"
            )
        super().__init__(f"{_PROGRAM} (machine {board.backend.qemu.machine})")
        self._board, self._qemu, self._exact = board, board.backend.qemu, exact
        self._more = more
        self._folder = contextlib.ExitStack()

    @property
    def facts(self) -> TargetFacts:
        """QEMU's own name for its version."""
        return TargetFacts(description=tool_version(_PROGRAM), emulated=True)

    def to_time(self) -> Target | None:
        """Return one whose clock is exact, where this one's is not."""
        return None if self._exact else QemuTarget(self._board, more=self._more)

    def start(self, elf: Path, deadline: Deadline) -> Transport:
        """Start the emulator and connect to its console; raises TargetError, StoreError."""
        folder = self._folder.enter_context(private_folder())
        try:
            console = DatagramTransport(folder / _CONSOLE, escape=_ESCAPE)
        except LinkError as exc:
            raise TargetError(f"{self._name}: {exc}") from exc
        self._folder.callback(console.release)
        self._transport = console
        self._process = ChildProcess(
            [*qemu_argv(self._qemu, elf.resolve(), console, exact=self._exact), *self._more],
            name=self._name,
            one_core=True,
        )
        # what is sent before the firmware has its UART is lost
        first_words = Deadline.after(min(_FIRST_WORDS_S, deadline.remaining_s))
        while not console.has_output(first_words.remaining_s) and not first_words.expired:
            pass
        if reason := self.why_dead():
            raise TargetGoneError(reason)
        return console

    def stop(self) -> None:
        """End QEMU and close its console; twice is fine."""
        super().stop()
        self._folder.close()
