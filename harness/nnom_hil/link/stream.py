"""Vectors sent ahead in a window, each answered once; in parts where whole ones are lost.

tests/unit/test_protocol_model.py checks this protocol's rules over every interleaving of loss,
repetition and reset.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from nnom_hil.deadline import Deadline
from nnom_hil.errors import LinkError
from nnom_hil.link.channel import AgentRefusedError, Channel, TargetWasResetError
from nnom_hil.link.frame import ANSWER, AgentError, Frame, FrameType, encode_frame
from nnom_hil.link.messages import VectorResult, part_body, vector_body

__all__ = ["Vector", "VectorStream"]

LOG = logging.getLogger(__name__)

_MAX_OUTSTANDING: Final = 32  # fewer than the agent's book of vectors it has counted
_TRIES: Final = 4  # of a whole vector, before it is sent in parts
_GRANULE: Final = 32  # parts begin at multiples of it
_FIRST_PART: Final = 64
_LARGEST_PART: Final = 1024
_FIRST_RETRY_S: Final = 0.1
_SHORTEST_RETRY_S: Final = 0.003
_COPIES: Final = 3  # of a part that is sent alone,
_COPY_BYTES: Final = 512  # as long as they are no longer than this together
_INFERENCES: Final = 2  # to wait for a whole vector's answer, at least
_IN_A_ROW: Final = 4
_REVIVALS: Final = 2  # resets from outside without an answer between them
_PART_OVERHEAD: Final = 40  # frame, header and body of a part, at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """One input to send; label None keeps it out of the target's own counts.

    compact: the input in the compact encoding, where that is wanted and shorter.
    """

    index: int
    data: bytes
    label: int | None = None
    compact: bytes | None = None

    @property
    def kind(self) -> FrameType:
        """The message that it is sent as."""
        return FrameType.VECTOR if self.compact is None else FrameType.COMPACT

    @property
    def content(self) -> bytes:
        """What is sent of it."""
        return self.data if self.compact is None else self.compact


@dataclass(slots=True)
class _Sent:
    """A vector on its way. orders: when each of its frames was sent, by the frame's number."""

    vector: Vector
    size: int
    orders: dict[int, int]

    @property
    def latest(self) -> int:
        """When it was sent last."""
        return max(self.orders.values())

    def order_of(self, seq: int) -> int:
        """When the frame of that number was sent."""
        return self.orders.get(seq, min(self.orders.values()))


@dataclass(slots=True)
class _Window:
    """Vectors on their way, by index, in the order of their first transmission."""

    limit: int
    in_order: bool = False
    sent: dict[int, _Sent] = field(default_factory=dict)
    bytes: int = 0

    def has_room(self, size: int) -> bool:
        return not self.sent or (
            not self.in_order
            and self.bytes + size <= self.limit
            and len(self.sent) < _MAX_OUTSTANDING
        )


@dataclass(slots=True)
class _PartSize:
    """Bytes of a part: halved when fewer than a third get through, doubled when four in five do.

    With e the share of bytes that are changed and h those of a frame beside the part, s / (s + h)
    times what gets through is most where s (s + h) = h / e; for e from 1 % to 0.1 % a third to four
    fifths get through there.
    """

    size: int = _FIRST_PART
    clean: int = 0  # vectors in a row that nothing of the largest parts was lost of

    def learn(self, sent: int, through: int, vector_bytes: int) -> None:
        """Note how many parts of a vector's first burst were acknowledged."""
        largest = self.size >= min(vector_bytes, _LARGEST_PART)
        self.clean = self.clean + 1 if largest and through == sent else 0
        if 3 * through < sent:
            self.size = max(_GRANULE, self.size // 2 // _GRANULE * _GRANULE)
        elif 5 * through >= 4 * sent:
            self.size = min(_LARGEST_PART, self.size * 2)


@dataclass(slots=True)
class _Pace:
    """How long answers take, so that lost ones are not waited for: RFC 6298's estimate."""

    longest_s: float
    mean_s: float | None = None
    spread_s: float = 0.0
    silent: int = 0  # times in a row that nothing came

    def came(self, waited_s: float) -> None:
        """Note that an answer came after so long."""
        self.silent = 0
        if self.mean_s is None:
            self.mean_s, self.spread_s = waited_s, waited_s / 2
            return
        self.spread_s += (abs(waited_s - self.mean_s) - self.spread_s) / 4
        self.mean_s += (waited_s - self.mean_s) / 8

    def some_s(self) -> float:
        """Return what a few answers take: as many may be lost in a row without a silence."""
        return _IN_A_ROW * (self.mean_s or 0.0)

    def patience_s(self) -> float:
        """Return how long to wait for the next one; longer after each silence."""
        expected = _FIRST_RETRY_S
        if self.mean_s is not None:
            expected = max(_SHORTEST_RETRY_S, self.mean_s + 4 * self.spread_s)
        return min(self.longest_s, expected * 1.5 ** min(self.silent, 20))


class VectorStream:
    """One stream of vectors over a channel.

    window: bytes that may be unanswered. in_order: one vector at a time. inference_s: how long the
    model takes, as far as is known. start_again is called when the target was reset, and finds its
    new boot id. revive resets a target that has gone silent, from outside; False where that cannot
    be done.
    """

    def __init__(
        self,
        channel: Channel,
        *,
        window: int,
        in_order: bool,
        can_parts: bool,
        start_again: Callable[[], None],
        revive: Callable[[], bool] = lambda: False,
        inference_s: float = 0.0,
        retry_s: float,
        give_up_s: float,
    ) -> None:
        self._channel = channel
        self._flight = _Window(limit=window, in_order=in_order)
        self._can_parts = can_parts
        self._start_again = start_again
        self._revive = revive
        self._revived = 0  # times in a row
        # shorter, and vectors that the target has not come to yet would be sent again
        self._least_s = _INFERENCES * inference_s
        self._retry_s = retry_s
        self._pace = _Pace(longest_s=retry_s)
        self._give_up_s = give_up_s
        self._answered: set[int] = set()
        self._order = 0
        self._parts: _PartSize | None = None  # None: vectors go whole
        self._progress = time.monotonic()
        self._window = window

    def run(self, vectors: Iterable[Vector]) -> Iterator[VectorResult]:
        """Yield each vector's result once; raises as AgentClient.stream does."""
        source = iter(vectors)
        upcoming = next(source, None)
        self._progress = time.monotonic()
        flight = self._flight
        while upcoming is not None or flight.sent:
            if self._parts is not None:
                if flight.sent:
                    vector = next(iter(flight.sent.values())).vector
                    flight.bytes -= flight.sent.pop(vector.index).size
                else:
                    assert upcoming is not None
                    vector, upcoming = upcoming, next(source, None)
                yield from self._in_parts(vector)
                continue
            while upcoming is not None and self._send_new(upcoming):
                upcoming = next(source, None)
            yield from self._take_answers()

    def _restart(self) -> None:
        """Greet a target that was reset; it may be reset again meanwhile."""
        while True:
            try:
                self._start_again()
                return
            except TargetWasResetError:
                continue

    # ---- whole vectors

    def _frame(self, vector: Vector) -> Frame:
        body = vector_body(vector.index, vector.label, vector.content)
        return self._channel.frame(vector.kind, body)

    def _send_new(self, vector: Vector) -> bool:
        frame = self._frame(vector)
        size = len(encode_frame(frame))
        if not self._flight.has_room(size):
            return False
        self._channel.send(frame)
        self._flight.sent[vector.index] = _Sent(vector, size, {frame.seq: self._order})
        self._flight.bytes += size
        self._order += 1
        return True

    def _take_answers(self) -> Iterator[VectorResult]:
        """Wait for one answer; what was sent before it and is not answered was lost."""
        flight = self._flight
        retry = Deadline.after(max(self._patience_s(), self._least_s, self._pace.some_s()))
        try:
            result, seq = None, 0
            while result is None and not retry.expired:
                answer = self._receive(retry)
                result = self._result(answer)
                seq = 0 if answer is None else answer.seq
        except TargetWasResetError:
            self._restart()
            self._send_again(list(flight.sent.values()))
            self._progress = time.monotonic()
            return
        if result is not None:
            self._progress = time.monotonic()
            done = flight.sent.pop(result.index, None)
            if done is not None:  # else it was answered while another went in parts
                flight.bytes -= done.size
                answered = done.order_of(seq)
                self._send_again([s for s in flight.sent.values() if s.latest < answered])
            yield result
            return
        self._check_silence()
        # the oldest alone: its answer tells what became of the others, which may still be queued
        self._send_again(list(flight.sent.values())[:1])

    def _check_silence(self) -> bool:
        """Reset a target that is silent for too long and return True; LinkError if that is no help.

        One that hangs again and again at the same vectors is left alone.
        """
        waited_s = self._waited_s()
        if waited_s <= self._give_up_s:
            return False
        if self._revived < _REVIVALS and self._revive():
            self._revived += 1
            LOG.warning("no answer for %.0f s; the target was reset from outside", waited_s)
            self._restart()
            self._progress = time.monotonic()
            return True
        silence = self._channel.silence(FrameType.VECTOR, waited_s)
        resets = f", after {self._revived} resets from outside" if self._revived else ""
        raise LinkError(silence + resets)

    def _waited_s(self) -> float:
        """Return how long nothing has got on, while there was a connection."""
        return time.monotonic() - max(self._progress, self._channel.reconnected_at)

    def _patience_s(self) -> float:
        """Return how long to wait for an answer: a link that has lost something gets less."""
        stats = self._channel.stats
        troubled = stats.damaged or stats.retransmitted
        return self._pace.patience_s() if troubled else self._retry_s

    def _receive(self, deadline: Deadline) -> Frame | None:
        """Return the next frame, None when the deadline passes; either teaches patience."""
        start = time.monotonic()
        frame = self._channel.receive(deadline)
        if frame is None:
            self._pace.silent += 1
        else:
            self._pace.came(time.monotonic() - start)
        return frame

    def _send_again(self, lost: list[_Sent]) -> None:
        for sent in lost:
            frame = self._frame(sent.vector)
            self._channel.send(frame)
            sent.orders[frame.seq] = self._order
            self._order += 1
            self._channel.stats.retransmitted += 1
            if len(sent.orders) > _TRIES and self._can_parts and self._parts is None:
                self._parts = _PartSize()

    def _result(self, answer: Frame | None) -> VectorResult | None:
        """Return the result in a frame, None if it holds none that is still awaited."""
        if answer is None:
            return None
        if answer.type == FrameType.ERROR:
            if answer.body[:1] == bytes([AgentError.STALE_BOOT]):
                raise TargetWasResetError
            raise AgentRefusedError(*answer.body[:2])
        if answer.type != FrameType.VECTOR | ANSWER:
            return None
        result = VectorResult.parse(answer.body)
        if result.index in self._answered:
            return None
        self._answered.add(result.index)
        self._revived = 0
        return result

    # ---- parts

    def _in_parts(self, vector: Vector) -> Iterator[VectorResult]:
        """Send one vector in parts, those that are missing again, until it is answered."""
        assert self._parts is not None
        if vector.index in self._answered:
            return
        size, content = self._parts.size, vector.content
        parts = {at: range(at, min(at + size, len(content))) for at in range(0, len(content), size)}
        missing = dict(parts)
        transmissions, through = 0, None
        while True:
            # all have arrived, but the answer has not: any one of them asks for it again
            burst = list(missing.values()) or [parts[0]]
            burst = burst[: max(1, self._window // (size + _PART_OVERHEAD))]
            fresh = len(burst)
            # a few small ones cost little to repeat, and a silence costs much
            burst *= max(1, min(_COPIES // len(burst), _COPY_BYTES // (size * len(burst))))
            transmissions += len(burst)
            try:
                for part in burst:
                    body = part_body(vector.index, vector.label, vector.kind, content, part)
                    self._channel.send(self._channel.frame(FrameType.PART, body))
                result = self._take_parts(vector, parts, missing, burst)
                if through is None:
                    through = (
                        fresh if result else sum(p.start not in missing for p in burst[:fresh])
                    )
                    self._parts.learn(fresh, through, len(content))
            except TargetWasResetError:
                self._restart()
                missing = dict(parts)
                self._progress = time.monotonic()
                continue
            if result is not None:
                break
            if self._check_silence():
                missing = dict(parts)
        self._channel.stats.retransmitted += max(0, transmissions - len(parts))
        if self._parts.clean >= _TRIES:
            self._parts = None  # the link is well again
        yield result

    def _take_parts(
        self,
        vector: Vector,
        parts: dict[int, range],
        missing: dict[int, range],
        burst: list[range],
    ) -> VectorResult | None:
        """Take answers until the burst's last part is acknowledged, or nothing comes.

        Answers come in the order of the parts, so what is missing then was lost. Return the
        vector's result if it came.
        """
        last = burst[-1].start
        complete = not missing  # as far as we know
        retry = Deadline.after(self._patience_s())
        while (answer := self._receive(retry)) is not None:
            if answer.type != FrameType.PART | ANSWER:
                result = self._result(answer)
                if result is not None:
                    self._progress = time.monotonic()
                    if result.index == vector.index:
                        return result
                    self._late(result)
                continue
            index = int.from_bytes(answer.body[:4], "little")
            offset = int.from_bytes(answer.body[4:6], "little")
            if index != vector.index:
                continue
            self._progress = time.monotonic()
            if complete:  # the target knows nothing of the vector any more
                missing.update(parts)
                complete = False
            missing.pop(offset, None)
            if offset == last:
                return None
            retry = Deadline.after(self._patience_s())
        return None

    def _late(self, result: VectorResult) -> None:
        self._answered.discard(result.index)  # it is asked for again, and answered then
