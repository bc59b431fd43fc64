"""The firmware as a process of this machine; its console is a pseudo-terminal."""

import platform
from pathlib import Path

from nnom_hil.boards import Board
from nnom_hil.deadline import Deadline
from nnom_hil.errors import TargetError
from nnom_hil.link.transport import LinkAddress, SerialTransport, Transport
from nnom_hil.target.process import ChildProcess

__all__ = ["NativeTarget"]


class NativeTarget:
    """One process. It starts when its terminal is open, so that no text is missed."""

    runs_already = False
    time_source = "host"

    def __init__(self, board: Board) -> None:
        if board.backend.native is None:
            raise TargetError(
                f"board {board.name} is no process: its file has no [backend.native] table"
            )
        self._name = f"the firmware of board {board.name}"
        self._process: ChildProcess | None = None
        self._transport: SerialTransport | None = None

    @property
    def description(self) -> str:
        """The operating system."""
        return f"process on {platform.system()} {platform.machine()}"

    def start(self, elf: Path, deadline: Deadline) -> Transport:
        """Start the process and connect to its console."""
        del deadline  # a process prints its terminal's name or ends
        self._process = ChildProcess([elf.resolve()], name=self._name, pipes=True)
        terminal = self._process.read_line()
        if not terminal:
            raise TargetError(self.why_dead() or f"{self._name} does not open its console")
        self._transport = SerialTransport(LinkAddress(url=terminal))
        self._process.write_line()
        return self._transport

    def why_dead(self) -> str | None:
        """Return how the process ended, or None while it runs."""
        if self._process is None:
            return f"{self._name} was not started"
        return self._process.why_ended()

    def stop(self) -> None:
        """End the process and close its console; twice is fine."""
        if self._transport is not None:
            self._transport.close()
        if self._process is not None:
            self._process.kill()

    @property
    def pid(self) -> int | None:
        """The process id, for tests that kill it."""
        return None if self._process is None else self._process.pid
