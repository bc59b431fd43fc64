"""The firmware as a process of this machine; its console is a pseudo-terminal."""

import platform
from pathlib import Path

from nnom_hil.boards import Board
from nnom_hil.deadline import Deadline
from nnom_hil.errors import TargetError
from nnom_hil.link.transport import LinkAddress, SerialTransport, Transport
from nnom_hil.target.base import ProcessTarget, TargetFacts
from nnom_hil.target.process import ChildProcess

__all__ = ["NativeTarget"]


class NativeTarget(ProcessTarget):
    """One process. It starts when its terminal is open, so that no text is missed."""

    def __init__(self, board: Board) -> None:
        if board.backend.native is None:
            raise TargetError(
                f"board {board.name} is no process: its file has no [backend.native] table"
            )
        super().__init__(f"the firmware of board {board.name}")

    @property
    def facts(self) -> TargetFacts:
        """The operating system; it runs on its own core, this machine's."""
        name = f"process on {platform.system()} {platform.machine()}"
        return TargetFacts(description=name, emulated=False)

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
