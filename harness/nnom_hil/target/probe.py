"""A real board: flashed through its debug probe, spoken to over its serial port."""

from collections.abc import Callable
from pathlib import Path

from nnom_hil.boards import Board
from nnom_hil.deadline import Deadline
from nnom_hil.errors import TargetError
from nnom_hil.link.transport import LinkAddress, SerialTransport, Transport
from nnom_hil.probe import Attached, BoardLock, Debugger, check_pyocd
from nnom_hil.target.base import TargetFacts
from nnom_hil.target.labgrid import PortLoan
from nnom_hil.target.symbols import load_pieces

__all__ = ["ProbeTarget"]


class ProbeTarget:
    """One board at one probe; it is ours from start() to stop().

    find says where it is, and is asked at the start. on_step is told what goes on.
    """

    runs_already = False
    known_fault = ""
    remarks = ""

    def __init__(
        self,
        board: Board,
        find: Callable[[], Attached],
        *,
        pack: Path | None = None,
        on_step: Callable[[str], None] = lambda _: None,
    ) -> None:
        if board.backend.probe is None:
            raise TargetError(
                f"board {board.name} cannot be flashed: its file has no [backend.probe] table"
            )
        self._board = board
        self._probe = board.backend.probe
        self._find = find
        self._pack = pack
        self._on_step = on_step
        self._emulated = False
        self._lock: BoardLock | None = None
        self._loan: PortLoan | None = None
        self._debugger: Debugger | None = None
        self._transport: SerialTransport | None = None

    @property
    def facts(self) -> TargetFacts:
        """PyOCD's version, and whether the board is a program."""
        return TargetFacts(description=f"pyOCD {check_pyocd()}", emulated=self._emulated)

    def start(self, elf: Path, deadline: Deadline) -> Transport:
        """Flash the image unless it is there, open the port, then reset: no text is missed.

        Flashing has time limits of its own, for each of its steps.
        """
        del deadline
        place = self._find()
        self._lock = BoardLock(place.probe)
        self._lock.acquire()
        self._loan = PortLoan(place.port)
        port = self._loan.acquire()  # nothing is flashed that another has
        self._debugger = Debugger(place.probe, self._probe.target, pack=self._pack)
        self._on_step(f"connecting to {self._board.name} at probe {place.probe}")
        self._debugger.open()
        self._emulated = self._debugger.is_virtual
        self._debugger.check_chip(self._probe, self._board.name)
        self._flash(self._debugger, elf)
        self._transport = SerialTransport(LinkAddress(url=port, baud=self._board.console.baud))
        self._transport.discard()
        self._debugger.reset()
        return self._transport

    def _flash(self, debugger: Debugger, elf: Path) -> None:
        """Bring the image into the flash; the core is halted at its reset afterwards."""
        pieces = load_pieces(elf)
        debugger.reset_and_halt()
        if debugger.first_difference(pieces) is None:
            self._on_step("the image is on the board already")
            return
        size = sum(len(data) for _, data in pieces)
        shown = -1

        def on_progress(share: float) -> None:
            nonlocal shown
            if int(10 * share) != shown:
                shown = int(10 * share)
                self._on_step(f"flashing {size} bytes: {10 * shown} %")

        debugger.program(pieces, on_progress)

    def why_dead(self) -> str | None:
        """Return what the probe sees of a core that cannot answer any more, else None."""
        if self._debugger is None:
            return "the board was not started"
        try:
            state = self._debugger.core_state()
        except TargetError:
            return None  # the probe may be gone, which is no reason for the board to be
        if state == "lockup":
            return (
                f"the core of board {self._board.name} is locked up: it faulted where faults are "
                "handled, or there is no firmware in its flash"
            )
        return None

    def reset(self) -> bool:
        """Reset a board that does not answer any more; False if the probe cannot."""
        return self._can(Debugger.reset)

    def hold(self) -> bool:
        """Stop the core where it is; False if the probe cannot."""
        return self._can(Debugger.halt)

    def let_go(self) -> None:
        """Let a core that was stopped go on."""
        self._can(Debugger.resume)

    def _can(self, action: Callable[[Debugger], None]) -> bool:
        if self._debugger is None:
            return False
        try:
            action(self._debugger)
        except TargetError:
            return False
        return True

    def stop(self) -> None:
        """Let go of port, probe and lock; the firmware stays and runs. Twice is fine."""
        if self._transport is not None:
            self._transport.close()
        if self._debugger is not None:
            self._debugger.close()
            self._debugger = None
        if self._loan is not None:
            self._loan.release()
        if self._lock is not None:
            self._lock.release()
