"""An emulated or native board offered to any client, at a port or a terminal."""

import logging
import select
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from nnom_hil.boards import Board
from nnom_hil.codegen.mlperf import Protocol
from nnom_hil.deadline import Deadline
from nnom_hil.errors import LinkError, TargetError, UsageError
from nnom_hil.link.datagrams import DatagramTransport
from nnom_hil.link.offer import Door
from nnom_hil.link.transport import SerialTransport, Transport
from nnom_hil.mlperf.client import MlperfClient
from nnom_hil.target.base import Target
from nnom_hil.target.select import make_target

__all__ = ["emulator_of", "serve"]

_LOG: Final = logging.getLogger("nnom_hil.serve")
_START_S: Final = 120.0
_UNTOLD_S: Final = 0.02  # between looks at a console that tells of nothing
_WAIT_S: Final = 0.5
_PROBE: Final = "probe"
_END_S: Final = 2.0  # that a process may take to end when its console has
_SKIPPED: Final = b"\r\n\0"


@dataclass(slots=True)
class _Talk:
    """Whether MLPerf Tiny's device is in the middle of a command, by what passes."""

    unanswered: int = 0
    begun: bytes = b""
    line: bytes = field(default=b"")

    def sent(self, data: bytes) -> None:
        """Take what a client has sent."""
        *ended, begun = data.split(b"%")
        self.unanswered += len(ended)
        self.begun = (b"" if ended else self.begun) + begun.strip(_SKIPPED)

    def heard(self, data: bytes) -> None:
        """Take what the device has answered."""
        *ended, self.line = (self.line + data).split(b"\n")
        self.unanswered -= sum(b"m-ready" in line for line in ended)

    @property
    def is_busy(self) -> bool:
        """Whether the next client would find a command that is not its own."""
        return self.unanswered > 0 or bool(self.begun)


def emulator_of(board: Board, backend: str | None) -> Target:
    """Return what runs the board on this machine.

    Raises UsageError where the board is a real one, TargetError where no program is there.
    """
    names = [name for name in board.backend.names if name != _PROBE]
    if backend == _PROBE or not names:
        what = "--backend probe: that" if names else f"board {board.name}"
        raise UsageError(
            f"{what} is no emulator, and a real board needs none to serve it: flash what nnom-hil "
            "build makes, and let clients open its own serial port"
        )
    told = []
    for name in names if backend is None else [backend]:
        try:
            return make_target(board, name)
        except TargetError as exc:
            told.append(str(exc))
    raise TargetError("; ".join(told))


def serve(
    make: Callable[[], Target],
    elf: Path,
    door: Door,
    protocol: Protocol,
    *,
    on_start: Callable[[str], None] = lambda _: None,
) -> None:
    """Offer an image's console until interrupted; raises TargetError where its target ends.

    A client that leaves in the middle of a command, where the protocol would give its answer to the
    next one, has the board started again. on_start is told what runs, once, when it does.
    """
    told = False
    while True:
        target = make()
        try:
            transport = target.start(elf, Deadline.after(_START_S))
            if protocol is Protocol.MLPERF:  # what is said at power-up is no client's
                MlperfClient(transport, why_dead=target.why_dead).wait_for_start(_START_S)
            if not told:
                door.open()
                on_start(target.facts.description)
                told = True
            _pass_on(target, transport, door, protocol)
        finally:
            target.stop()


def _pass_on(target: Target, transport: Transport, door: Door, protocol: Protocol) -> None:
    """Pass bytes on until a client leaves in the middle of a command."""
    talk = _Talk()
    console = -1
    if isinstance(transport, (SerialTransport, DatagramTransport)):
        console = transport.fileno()
    while True:
        departures = door.departures
        _wait(console, door)
        if data := door.take():
            talk.sent(data)
            try:
                transport.write(data)
            except LinkError as exc:
                raise TargetError(_why_lost(target, exc)) from exc
        _pass_back(target, transport, door, talk)
        if door.departures > departures:
            _LOG.info("the client has left")
            if protocol is Protocol.MLPERF and talk.is_busy:
                _LOG.info("it left in the middle of a command: the board starts again")
                return


def _wait(console: int, door: Door) -> None:
    """Wait until something comes, or for a moment."""
    watched = [fd for fd in (console, *door.watched) if fd >= 0]
    select.select(watched, [], [], _WAIT_S if console >= 0 else _UNTOLD_S)


def _pass_back(target: Target, transport: Transport, door: Door, talk: _Talk) -> None:
    """Send on what the target has sent; raises TargetError where it has ended."""
    try:
        while data := transport.read(Deadline.after(0.0)):
            talk.heard(data)
            door.send(data)
    except LinkError as exc:
        raise TargetError(_why_lost(target, exc)) from exc
    if reason := target.why_dead():
        raise TargetError(reason)


def _why_lost(target: Target, error: LinkError) -> str:
    """Return how the target ended, or what its console has to say."""
    end = Deadline.after(_END_S)
    while (reason := target.why_dead()) is None and not end.expired:
        time.sleep(_UNTOLD_S)
    return reason or str(error)
