"""Requests outside of streams: each repeated until it is answered, never more than has room."""

import math
from typing import Final

from nnom_hil.deadline import Deadline
from nnom_hil.errors import LinkError
from nnom_hil.link.channel import AgentRefusedError, Channel, TargetWasResetError
from nnom_hil.link.frame import ANSWER, AgentError, Frame, FrameType
from nnom_hil.link.pace import Pace

__all__ = ["FRAME_OVERHEAD", "Requests"]

FRAME_OVERHEAD: Final = 14
"""Bytes of a frame on the wire beside its payload."""

_BAD_LINE_LOSES: Final = 0.9  # of the exchanges, as long as nothing better is known
_EXCHANGE: Final = 50  # bytes of a small request and its answer
_SURELY: Final = 1e-6  # so improbable is chance before a target is called silent
_EVEN_ODDS: Final = 0.5
_MOST_COPIES: Final = 4
_SMALLEST_WINDOW: Final = 256  # of any target's receive ring
_REMEMBERED: Final = 256  # frames
_LONGEST_S: Final = 30.0  # that a slow request is left alone
_STARTING: Final = (FrameType.HELLO, FrameType.GREET)  # answered when the target has started


class Requests:
    """Asks one thing at a time. window: bytes that the target's receive ring holds."""

    def __init__(self, channel: Channel, *, retry_s: float) -> None:
        self.window = _SMALLEST_WINDOW
        self._channel = channel
        self._retry_s = retry_s
        self._paces: dict[FrameType | None, Pace] = {}
        self._sent: dict[int, tuple[float, int]] = {}  # when, and bytes until then, by number
        self._bytes = 0
        self._taken = 0

    @property
    def round_trip_s(self) -> float:
        """How long to wait for the answer to a small request."""
        return self._pace(None).timeout_s(self._lost)

    def ask(
        self,
        kind: FrameType,
        body: bytes,
        *,
        timeout_s: float,
        slow: bool = False,
        quiet: bool = False,
    ) -> Frame:
        """Send a request until its answer comes; every request may safely be repeated.

        slow: one that may take long is repeated only when a ping behind it is answered before it:
        an answer that is late is no lost one. quiet: the answer is of no use where the target had
        to take a ping in meanwhile, and is asked for again, more patiently, as long as there is
        time. Raises LinkError when none comes.
        """
        channel, clock = self._channel, self._channel.clock
        deadline = Deadline.after(timeout_s, clock=clock)
        damaged, tries, mine = channel.stats.damaged, 0, set[int]()
        again, copies = True, 1 if slow or kind in _STARTING else self._copies
        pace = self._pace(kind if slow else None)
        pace.silent = 0
        pinged = 0  # bytes sent until then
        while True:
            if again:
                mine |= self._send(kind, body, copies)
                waits = pace
            else:
                mine |= self._send(FrameType.PING, b"", 1)
                pinged = self._bytes
                waits = self._pace(None)
            retry = Deadline.after(waits.timeout_s(self._lost), clock=clock)
            answer = self._receive(retry, mine)
            if answer is not None and answer.type == kind | ANSWER:
                sent_s, sent_bytes = self._sent[answer.seq]
                if kind not in _STARTING:
                    pace.took(clock() - sent_s)
                if not quiet or sent_bytes > pinged or deadline.expired:
                    return answer
                mine.clear()  # late answers to those pings tell nothing of the next copy
                again = True
                continue
            tries += 1
            chance = self._lost if self._noisy else 0.0
            if deadline.expired and chance**tries < _SURELY:
                raise LinkError(channel.silence(kind.name, timeout_s, damaged))
            waits.silent += answer is None and retry.expired
            copies = 1 if not retry.expired else copies  # a damaged one came: one goes in its place
            again = not slow or answer is not None
            if kind is not FrameType.HELLO:  # a target that is still starting loses nothing
                channel.stats.retransmitted += again

    def _receive(self, retry: Deadline, mine: set[int]) -> Frame | None:
        """Return the answer to one of these frames, None when there is none or a damaged one."""
        known = self._channel.stats.frames_received > 0  # else it may all be noise, at a wrong rate
        while (answer := self._channel.receive(retry, or_damaged=known)) is not None:
            if (sent := self._sent.get(answer.seq)) is not None:
                self._taken = max(self._taken, sent[1])
            if answer.seq not in mine:
                continue  # the late answer to an earlier request
            if answer.type == FrameType.ERROR:
                if answer.body[:1] == bytes([AgentError.STALE_BOOT]):
                    raise TargetWasResetError
                raise AgentRefusedError(*answer.body[:2])
            return answer
        return None

    def _send(self, kind: FrameType, body: bytes, copies: int) -> set[int]:
        """Send copies, as many as there is room for, but one; return their numbers."""
        numbers: set[int] = set()
        for _ in range(copies):
            frame = self._channel.frame(kind, body)
            size = FRAME_OVERHEAD + len(body)
            if numbers and self._bytes - self._taken + size > self.window:
                break
            self._bytes += self._channel.send(frame)
            self._sent[frame.seq] = (self._channel.clock(), self._bytes)
            numbers.add(frame.seq)
        for seq in list(self._sent)[: max(0, len(self._sent) - _REMEMBERED)]:
            del self._sent[seq]
        return numbers

    def forget(self) -> None:
        """Take the target's ring for empty, as after its reset."""
        self._taken = self._bytes

    @property
    def _noisy(self) -> bool:
        """Whether it is known that the line damages what it carries."""
        return self._channel.stats.byte_error > 0.0 or self._channel.stats.damaged > 0

    @property
    def _lost(self) -> float:
        """The share of small requests that are not answered, roughly."""
        stats = self._channel.stats
        if stats.byte_error:
            return float(1.0 - (1.0 - stats.byte_error) ** _EXCHANGE)
        return _BAD_LINE_LOSES if stats.damaged or stats.retransmitted else 0.0

    @property
    def _copies(self) -> int:
        """How often to send a small request at once, so that the odds of an answer are even."""
        lost = self._lost if self._noisy else 0.0
        if lost <= _EVEN_ODDS:
            return 1
        return min(_MOST_COPIES, math.ceil(math.log(_EVEN_ODDS) / math.log(lost)))

    def _pace(self, kind: FrameType | None) -> Pace:
        """Return the round trips of a slow request, or of all others."""
        if kind not in self._paces:
            first_s, longest_s = self._retry_s / 8, self._retry_s
            if kind is not None:
                first_s, longest_s = self._retry_s, _LONGEST_S
            self._paces[kind] = Pace(first_s=first_s, longest_s=longest_s)
        return self._paces[kind]
