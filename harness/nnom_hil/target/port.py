"""Firmware that runs already, on a board that somebody else has flashed: only its port is ours."""

from pathlib import Path

from nnom_hil.boards import Board
from nnom_hil.deadline import Deadline
from nnom_hil.link.transport import LinkAddress, SerialTransport, Transport
from nnom_hil.target.base import TargetFacts
from nnom_hil.target.labgrid import PortLoan

__all__ = ["PortTarget"]


class PortTarget:
    """A serial port: a device or URL, of a labgrid place too. The session resets what is there."""

    def __init__(self, board: Board, url: str) -> None:
        self._loan = PortLoan(url)
        self._baud = board.console.baud
        self.facts = TargetFacts(description=f"port {url}", emulated=None, runs_already=True)
        self._transport: SerialTransport | None = None

    def start(self, elf: Path, deadline: Deadline) -> Transport:
        """Open the port; raises LinkError where it cannot be, else as PortLoan does."""
        del elf, deadline
        self._transport = SerialTransport(LinkAddress(url=self._loan.acquire(), baud=self._baud))
        return self._transport

    def why_dead(self) -> str | None:
        """Return None: what is behind a port shows by its silence only."""
        return None

    def reset(self) -> bool:
        """Return False: the one way there is does not answer."""
        return False

    def stop(self) -> None:
        """Close the port and give it back; twice is fine."""
        if self._transport is not None:
            self._transport.close()
        self._loan.release()
