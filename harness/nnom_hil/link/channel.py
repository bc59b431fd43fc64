"""Frames over a transport: numbered, counted, told apart from text; special ones become errors."""

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from nnom_hil.deadline import Deadline
from nnom_hil.errors import LinkError, TargetError
from nnom_hil.link.frame import (
    AgentError,
    Damaged,
    Frame,
    FrameType,
    Splitter,
    Text,
    encode_frame,
)
from nnom_hil.link.messages import FaultReport
from nnom_hil.link.transport import Transport

__all__ = [
    "AgentRefusedError",
    "Channel",
    "LinkStats",
    "TargetFaultError",
    "TargetWasResetError",
]

LOG = logging.getLogger(__name__)

_GRACE_S = 0.5
_RECONNECT_S = 30.0


class TargetFaultError(TargetError):
    """The target's core faulted; report has its registers, where the functions they point into."""

    def __init__(self, report: FaultReport) -> None:
        super().__init__(f"the target faulted: {report}")
        self.report = report
        self.where = ""

    def __str__(self) -> str:
        return f"{self.args[0]} ({self.where})" if self.where else str(self.args[0])


class AgentRefusedError(LinkError):
    """The agent would not do what it was asked; code says why."""

    def __init__(self, code: int, request: int) -> None:
        why = AgentError(code).name if code in set(AgentError) else f"error {code}"
        what = FrameType(request).name if request in set(FrameType) else hex(request)
        super().__init__(f"the target refused {what}: {why.lower().replace('_', ' ')}")
        self.code = code


class TargetWasResetError(LinkError):
    """The target started anew; its boot id is stale, its counts are gone."""

    def __init__(self) -> None:
        super().__init__("the target was reset")


@dataclass(slots=True)
class LinkStats:
    """Bytes on the wire, and what had to be done again."""

    tx_bytes: int = 0
    rx_bytes: int = 0
    frames_received: int = 0
    retransmitted: int = 0
    damaged: int = 0
    resets: int = 0
    reconnects: int = 0


class Channel:
    """Sends and receives frames of the boot that boot_id names.

    on_text gets the console text as it comes; why_dead is asked when nothing comes, and says why
    the target cannot answer any more, or None.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        on_text: Callable[[str], None],
        why_dead: Callable[[], str | None],
    ) -> None:
        self.transport = transport
        self.stats = LinkStats()
        self.boot_id = 0
        self.on_text = on_text
        self.text = ""  # what came since take_text(), as well
        self.reconnect_s = _RECONNECT_S
        self.reconnected_at = 0.0
        self._why_dead = why_dead
        self._splitter = Splitter()
        self._inbox: deque[Frame] = deque()
        self._seq = 0

    def frame(self, kind: int, body: bytes = b"") -> Frame:
        """Return the next frame to send."""
        self._seq = (self._seq + 1) & 0xFFFF
        return Frame(kind, self._seq, self.boot_id, body)

    def send(self, frame: Frame) -> int:
        """Send a frame; return its bytes on the wire."""
        data = encode_frame(frame)
        try:
            self.transport.write(data)
        except LinkError as exc:
            self._reconnect(exc)  # the frame is lost, as any may be
        self.stats.tx_bytes += len(data)
        return len(data)

    def receive(self, deadline: Deadline, *, or_damaged: bool = False) -> Frame | None:
        """Return the next frame, None when the deadline passes.

        or_damaged: None as well when a damaged one came, which may be the answer that is awaited.

        Raises TargetFaultError for the target's last words, TargetWasResetError for a BOOT in the
        middle, TargetError when it cannot answer any more.
        """
        damaged = self.stats.damaged
        while not self._inbox:
            if or_damaged and self.stats.damaged > damaged:
                return None
            try:
                data = self.transport.read(deadline)
            except LinkError as exc:
                self._reconnect(exc)
                continue
            if not data:
                if reason := self._why_dead():
                    raise TargetError(reason)
                return None
            self.stats.rx_bytes += len(data)
            for item in self._splitter.feed(data):
                self._sort(item)
        frame = self._inbox.popleft()
        if frame.type == FrameType.FAULT:
            raise TargetFaultError(FaultReport.parse(frame.body))
        if frame.type == FrameType.BOOT:
            if self.boot_id != 0:
                raise TargetWasResetError
            return self.receive(deadline)
        return frame

    def take_text(self) -> str:
        """Return the text that came since the last call."""
        text, self.text = self.text, ""
        return text

    def drain_text(self) -> None:
        """Hand over text that no frame has followed yet."""
        for item in self._splitter.flush():
            self._sort(item)

    def silence(self, kind: FrameType, waited_s: float) -> str:
        """Return what the lack of an answer means."""
        stats = self.stats
        if stats.rx_bytes == 0:
            return (
                f"no bytes at all from the target in {waited_s:.0f} s: is it powered, flashed, and "
                "is this its console?"
            )
        if stats.frames_received == 0:
            return (
                f"{stats.rx_bytes} bytes but no frames from the target in {waited_s:.0f} s: wrong "
                "baud rate, or firmware without the agent?"
            )
        return f"the target stopped answering: no reply to {kind.name} in {waited_s:.0f} s"

    def _reconnect(self, error: LinkError) -> None:
        """Open a lost connection again; raises TargetError if the target's end is the reason."""
        grace = Deadline.after(_GRACE_S)  # which may show a moment later
        while not grace.expired:
            if reason := self._why_dead():
                raise TargetError(reason) from error
            time.sleep(0.01)
        LOG.warning("%s; waiting for it to come back", error)
        try:
            self.transport.reopen(Deadline.after(self.reconnect_s))
        except LinkError as exc:
            raise LinkError(f"{error}; it did not come back in {self.reconnect_s:g} s") from exc
        self._splitter = Splitter()
        self.stats.reconnects += 1
        self.reconnected_at = time.monotonic()

    def _sort(self, item: Frame | Text | Damaged) -> None:
        match item:
            case Frame():
                self.stats.frames_received += 1
                self._inbox.append(item)
            case Text():
                self.text += item.text
                self.on_text(item.text)
            case Damaged():
                self.stats.damaged += 1
