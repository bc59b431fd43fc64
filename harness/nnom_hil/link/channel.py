"""Frames over a transport: numbered, counted, told apart from text; special ones become errors."""

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from nnom_hil.deadline import Deadline
from nnom_hil.errors import LinkError, TargetError, TargetGoneError
from nnom_hil.link.frame import (
    AgentError,
    Damaged,
    Frame,
    FrameType,
    Splitter,
    Text,
    encode_frame,
    encode_short,
    stream_crc,
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
        said = super().__str__()
        return (
            said.replace(str(self.args[0]), f"{self.args[0]} ({self.where})")
            if self.where
            else said
        )


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
    """Bytes on the wire, and what had to be done again.

    vector_bytes: of vectors that were answered; stream_bytes: sent for them, frames and all.
    byte_error: the share of bytes that the line damages, as it seems; bound: what selective repeat
    must send for each byte of a vector on such a line.
    """

    vector_bytes: int = 0
    stream_bytes: int = 0
    frames_sent: int = 0
    polls: int = 0
    byte_error: float = 0.0
    bound: float = 1.0
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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.transport = transport
        self.clock = clock
        self.stats = LinkStats()
        self.boot_id = 0
        self.stream = 0
        self.on_text = on_text
        self.text = ""  # what came since take_text(), as well
        self.reconnect_s = _RECONNECT_S
        self.reconnected_at = 0.0
        self._why_dead = why_dead
        self._splitter = Splitter()
        self._inbox: deque[Frame] = deque()
        self._outbox: list[bytes] = []
        self._seq = 0

    def frame(self, kind: int, body: bytes = b"") -> Frame:
        """Return the next frame to send."""
        self._seq = (self._seq + 1) & 0xFFFF
        return Frame(kind, self._seq, self.boot_id, body)

    def send(self, frame: Frame) -> int:
        """Send a frame; return its bytes on the wire."""
        size = self._put(encode_frame(frame))
        self.flush()
        return size

    def flush(self) -> None:
        """Write what waits: one call of the system for many short frames."""
        if not self._outbox:
            return
        data = b"".join(self._outbox)
        self._outbox.clear()
        try:
            self.transport.write(data)
        except LinkError as exc:
            self._reconnect(exc)  # the frames are lost, as any may be

    def _put(self, data: bytes) -> int:
        self._outbox.append(data)
        self.stats.tx_bytes += len(data)
        self.stats.frames_sent += 1
        return len(data)

    def open_stream(self, number: int) -> None:
        """Let the short frames of that stream through."""
        self.stream = number
        self._splitter.short_crc = stream_crc(number)

    def send_short(self, kind: int, number: int, body: bytes) -> int:
        """Send a frame of the open stream, with flush(); return its bytes on the wire."""
        return self._put(encode_short(kind, number, body, self._splitter.short_crc))

    @property
    def has_frames(self) -> bool:
        """Whether receive() would return at once."""
        return bool(self._inbox)

    def receive(self, deadline: Deadline, *, or_damaged: bool = False) -> Frame | None:
        """Return the next frame, None when the deadline passes.

        or_damaged: None as well when a damaged one came, which may be the answer that is awaited.

        Raises TargetFaultError for the target's last words, TargetWasResetError for a BOOT in the
        middle, TargetError when it cannot answer any more.
        """
        self.flush()
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
                    raise TargetGoneError(reason)
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

    def silence(self, what: str, waited_s: float, damaged_before: int = 0) -> str:
        """Return what the lack of an answer to something means.

        damaged_before: how many damaged frames had come when there was an answer last.
        """
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
        if damaged := stats.damaged - damaged_before:
            share = f", about {stats.byte_error:.1%} of the bytes" if stats.byte_error else ""
            return (
                f"the line lets nothing through: {damaged} damaged frames from the target{share}, "
                f"and no whole answer to {what} in {waited_s:.0f} s; look at cable, ground and "
                "baud rate"
            )
        return f"the target stopped answering: no reply to {what} in {waited_s:.0f} s"

    def _reconnect(self, error: LinkError) -> None:
        """Open a lost connection again; raises TargetError if the target's end is the reason."""
        grace = Deadline.after(_GRACE_S)  # which may show a moment later
        while not grace.expired:
            if reason := self._why_dead():
                raise TargetGoneError(reason) from error
            time.sleep(0.01)
        LOG.warning("%s; waiting for it to come back", error)
        try:
            self.transport.reopen(Deadline.after(self.reconnect_s))
        except LinkError as exc:
            raise LinkError(f"{error}; it did not come back in {self.reconnect_s:g} s") from exc
        self._splitter = Splitter(self._splitter.short_crc)  # half a frame is nobody's beginning
        self.stats.reconnects += 1
        self.reconnected_at = self.clock()

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
