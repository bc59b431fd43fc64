"""The host's side of the link: requests with repetition, and vectors sent ahead in a window."""

import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from nnom_hil.deadline import Deadline
from nnom_hil.errors import LinkError, TargetError
from nnom_hil.link.frame import (
    ANSWER,
    AgentError,
    Damaged,
    Frame,
    FrameType,
    Splitter,
    Text,
    encode_frame,
)
from nnom_hil.link.messages import (
    FaultReport,
    Hello,
    LayerTimes,
    PrintWhat,
    TargetStatus,
    VectorResult,
    vector_body,
)
from nnom_hil.link.transport import Transport

__all__ = ["AgentClient", "AgentRefusedError", "LinkStats", "TargetFaultError", "Vector"]

LOG = logging.getLogger(__name__)

_MAX_OUTSTANDING = 32  # fewer than the agent's book of vectors it has counted
_RETRY_S = 1.0
_GIVE_UP_S = 10.0
_GRACE_S = 1.0


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


class _TargetWasResetError(Exception):
    """The target started anew; its boot id is stale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """One input to send; label None keeps it out of the target's own counts."""

    index: int
    data: bytes
    label: int | None = None


@dataclass(slots=True)
class LinkStats:
    """Bytes on the wire, and what had to be done again."""

    tx_bytes: int = 0
    rx_bytes: int = 0
    frames_received: int = 0
    retransmitted: int = 0
    damaged: int = 0
    resets: int = 0


@dataclass(slots=True)
class _Sent:
    vector: Vector
    size: int
    order: int


@dataclass(slots=True)
class _Window:
    """Vectors on their way, by index, oldest transmission first."""

    limit: int
    sent: OrderedDict[int, _Sent] = field(default_factory=OrderedDict)
    bytes: int = 0

    def has_room(self, size: int) -> bool:
        return not self.sent or (
            self.bytes + size <= self.limit and len(self.sent) < _MAX_OUTSTANDING
        )


class AgentClient:
    """Talks to one agent.

    on_text gets the console text as it comes; why_dead is asked when nothing comes, and says why
    the target cannot answer any more, or None.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        on_text: Callable[[str], None] = lambda _: None,
        why_dead: Callable[[], str | None] = lambda: None,
        nonce: Callable[[], int],
        retry_s: float = _RETRY_S,
        give_up_s: float = _GIVE_UP_S,
    ) -> None:
        self.stats = LinkStats()
        self._transport = transport
        self._on_text = on_text
        self._why_dead = why_dead
        self._nonce = nonce
        self._retry_s = retry_s
        self._give_up_s = give_up_s
        self._splitter = Splitter()
        self._inbox: deque[Frame] = deque()
        self._seq = 0
        self._boot_id = 0

    # ---- requests

    def hello(self, *, timeout_s: float) -> Hello:
        """Greet the target and learn who it is.

        Raises LinkError: no bytes at all, bytes but no frames, or another protocol version.
        """
        self._boot_id = 0
        nonce = (self._nonce() & 0xFFFFFFFF) or 1
        frame = self._request(FrameType.HELLO, nonce.to_bytes(4, "little"), timeout_s=timeout_s)
        self._boot_id = frame.boot_id
        return Hello.parse(frame.body, frame.boot_id)

    def time_layers(self, data: bytes) -> LayerTimes:
        """Run once with a quiet link; data may be b"" to run the last input again."""
        return LayerTimes.parse(self._request(FrameType.TIME, data, timeout_s=60.0).body)

    def print_table(self, what: PrintWhat) -> None:
        """Make the target print a table; its text has arrived when this returns."""
        self._request(FrameType.PRINT, bytes([what]))

    def begin_prediction(self, labels: int, top_k: int) -> None:
        """Start the counts of NNoM's prediction_*() anew."""
        self._request(FrameType.PREDICT, labels.to_bytes(2, "little") + bytes([top_k]))

    def status(self) -> TargetStatus:
        """Return the target's memory use and link counters."""
        return TargetStatus.parse(self._request(FrameType.STATUS).body)

    def reset(self) -> None:
        """Reset the target; HELLO must follow."""
        self._request(FrameType.RESET)
        self._boot_id = 0

    def crash(self) -> None:
        """Make the target fault, for tests; raises TargetFaultError when all is well."""
        self._request(FrameType.CRASH)

    def sink(self, payloads: Iterable[bytes], window: int) -> int:
        """Send data that the target only counts, to measure the link; nothing is repeated.

        Return the bytes that the target counted.
        """
        waiting: deque[int] = deque()
        counted = 0

        def take_answer() -> int:
            deadline = Deadline.after(self._give_up_s)
            while (answer := self._next_frame(deadline)).type != FrameType.SINK | ANSWER:
                if answer.type == FrameType.ERROR:
                    raise AgentRefusedError(*answer.body[:2])
                # else a late answer to a HELLO that was sent twice
            waiting.popleft()
            return int.from_bytes(answer.body, "little")

        for body in payloads:
            frame = self._frame(FrameType.SINK, body)
            size = len(encode_frame(frame))
            while waiting and sum(waiting) + size > window:
                counted = take_answer()
            self._send(frame)
            waiting.append(size)
        while waiting:
            counted = take_answer()
        return counted

    def drain_text(self) -> None:
        """Hand over text that no frame has followed yet."""
        for item in self._splitter.flush():
            self._sort(item)

    def _frame(self, kind: int, body: bytes = b"") -> Frame:
        self._seq = (self._seq + 1) & 0xFFFF
        return Frame(kind, self._seq, self._boot_id, body)

    def _send(self, frame: Frame) -> None:
        self._write(encode_frame(frame))

    def _write(self, data: bytes) -> None:
        try:
            self._transport.write(data)
        except LinkError as exc:
            raise self._explain_loss(exc) from exc
        self.stats.tx_bytes += len(data)

    def _explain_loss(self, error: LinkError) -> TargetError:
        """Return why a connection was lost; the target's own end may show a moment later."""
        grace = Deadline.after(_GRACE_S)
        while (reason := self._why_dead()) is None and not grace.expired:
            time.sleep(0.01)
        return error if reason is None else TargetError(reason)

    def _request(self, kind: FrameType, body: bytes = b"", *, timeout_s: float = 10.0) -> Frame:
        """Send a request until its answer comes; every request may safely be repeated."""
        frame = self._frame(kind, body)
        deadline = Deadline.after(timeout_s)
        pause_s = self._retry_s / 8
        while True:
            self._send(frame)
            retry = Deadline.after(min(pause_s, deadline.remaining_s))
            pause_s *= 2
            while (answer := self._try_next_frame(retry)) is not None:
                if answer.seq != frame.seq:
                    continue  # the late answer to a repeated request
                if answer.type == FrameType.ERROR:
                    raise AgentRefusedError(*answer.body[:2])
                if answer.type == kind | ANSWER:
                    return answer
            if deadline.expired:
                raise LinkError(self._silence(kind, timeout_s))
            if kind is not FrameType.HELLO:  # a target that is still starting loses nothing
                self.stats.retransmitted += 1

    def _silence(self, kind: FrameType, waited_s: float) -> str:
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

    # ---- vectors

    def stream(
        self,
        vectors: Iterable[Vector],
        *,
        window: int,
        on_reset: Callable[[], object] = lambda: None,
    ) -> Iterator[VectorResult]:
        """Send vectors ahead, up to `window` bytes on the wire, and yield each result once.

        Lost and damaged frames are sent again; after a reset of the target on_reset is called and
        the run goes on with what was not answered. Results may come out of order. Raises LinkError
        when the target stops answering, TargetFaultError when it faults.
        """
        flight = _Window(limit=window)
        source = iter(vectors)
        upcoming = next(source, None)
        answered: set[int] = set()
        order = 0
        progress = time.monotonic()
        retry = Deadline.after(self._retry_s)
        while upcoming is not None or flight.sent:
            while upcoming is not None:
                body = vector_body(upcoming.index, upcoming.label, upcoming.data)
                frame = self._frame(FrameType.VECTOR, body)
                data = encode_frame(frame)
                if not flight.has_room(len(data)):
                    break
                self._write(data)
                flight.sent[upcoming.index] = _Sent(upcoming, len(data), order)
                flight.bytes += len(data)
                order += 1
                upcoming = next(source, None)
            try:
                answer = self._try_next_frame(retry)
                result = self._result(answer, answered)
            except _TargetWasResetError:
                self._greet_again(on_reset)
                order = self._send_again(list(flight.sent.values()), flight, order)
                progress = time.monotonic()
                retry = Deadline.after(self._retry_s)
                continue
            if result is not None:
                answered.add(result.index)
                done = flight.sent.pop(result.index)
                flight.bytes -= done.size
                # The target answers in order: what was sent before this one is lost.
                lost = [s for s in flight.sent.values() if s.order < done.order]
                order = self._send_again(lost, flight, order)
                progress = time.monotonic()
                retry = Deadline.after(self._retry_s)
                yield result
            elif retry.expired:
                waited_s = time.monotonic() - progress
                if waited_s > self._give_up_s:
                    raise LinkError(self._silence(FrameType.VECTOR, waited_s))
                order = self._send_again(list(flight.sent.values()), flight, order)
                retry = Deadline.after(self._retry_s)

    def _result(self, answer: Frame | None, answered: set[int]) -> VectorResult | None:
        """Return the result in a frame, None if it holds none that is still awaited."""
        if answer is None:
            return None
        if answer.type == FrameType.ERROR:
            if answer.body[:1] == bytes([AgentError.STALE_BOOT]):
                raise _TargetWasResetError
            raise AgentRefusedError(*answer.body[:2])
        if answer.type != FrameType.VECTOR | ANSWER:
            return None
        result = VectorResult.parse(answer.body)
        return None if result.index in answered else result

    def _send_again(self, lost: list[_Sent], flight: _Window, order: int) -> int:
        for sent in lost:
            vector = sent.vector
            body = vector_body(vector.index, vector.label, vector.data)
            self._send(self._frame(FrameType.VECTOR, body))
            sent.order = order
            flight.sent.move_to_end(vector.index)
            order += 1
            self.stats.retransmitted += 1
        return order

    def _greet_again(self, on_reset: Callable[[], object]) -> None:
        """Find out the new boot id; the target's counts are gone."""
        self.stats.resets += 1
        LOG.warning("the target was reset; going on with what it has not answered")
        while True:
            try:
                self.hello(timeout_s=self._give_up_s)
                on_reset()
                return
            except _TargetWasResetError:
                continue  # its BOOT frame came after the answer to an earlier HELLO

    # ---- receiving

    def _next_frame(self, deadline: Deadline) -> Frame:
        frame = self._try_next_frame(deadline)
        if frame is None:
            raise LinkError(self._silence(FrameType.SINK, self._give_up_s))
        return frame

    def _try_next_frame(self, deadline: Deadline) -> Frame | None:
        """Return the next frame that is not special, None when the deadline passes."""
        while not self._inbox:
            try:
                data = self._transport.read(deadline)
            except LinkError as exc:
                raise self._explain_loss(exc) from exc
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
            if self._boot_id != 0:
                raise _TargetWasResetError
            return self._try_next_frame(deadline)
        return frame

    def _sort(self, item: Frame | Text | Damaged) -> None:
        match item:
            case Frame():
                self.stats.frames_received += 1
                self._inbox.append(item)
            case Text():
                self._on_text(item.text)
            case Damaged():
                self.stats.damaged += 1
