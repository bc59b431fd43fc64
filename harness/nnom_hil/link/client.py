"""The host's side of the link: requests, each repeated until it is answered."""

import logging
import struct
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from nnom_hil.deadline import Deadline
from nnom_hil.errors import LinkError, UsageError
from nnom_hil.link.channel import (
    AgentRefusedError,
    Channel,
    LinkStats,
    TargetFaultError,
    TargetWasResetError,
)
from nnom_hil.link.frame import ANSWER, AgentError, Frame, FrameType, encode_frame
from nnom_hil.link.messages import (
    Capability,
    Hello,
    LayerTimes,
    PrintWhat,
    TargetStatus,
    VectorResult,
)
from nnom_hil.link.stream import Vector, VectorStream
from nnom_hil.link.transport import Transport

__all__ = [
    "AgentClient",
    "AgentRefusedError",
    "LinkStats",
    "TargetFaultError",
    "TargetWasResetError",
    "Vector",
]

LOG = logging.getLogger(__name__)

_RETRY_S = 1.0
_GIVE_UP_S = 10.0
_SHORTEST_PAUSE_S = 0.01
_ONE_LINE = struct.Struct("<I")
_WHOLE_TEXT = struct.Struct("<II")


class AgentClient:
    """Talks to one agent.

    on_text gets the console text as it comes; why_dead is asked when nothing comes, and says why
    the target cannot answer any more, or None. revive resets a target that has gone silent while
    vectors stream; False where that cannot be done.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        on_text: Callable[[str], None] = lambda _: None,
        why_dead: Callable[[], str | None] = lambda: None,
        revive: Callable[[], bool] = lambda: False,
        nonce: Callable[[], int],
        retry_s: float = _RETRY_S,
        give_up_s: float = _GIVE_UP_S,
    ) -> None:
        self.channel = Channel(transport, on_text=on_text, why_dead=why_dead)
        self.stats = self.channel.stats
        self._nonce = nonce
        self._revive = revive
        self._retry_s = retry_s
        self._give_up_s = give_up_s
        self._hello: Hello | None = None
        self._took: dict[tuple[int, int], float] = {}  # s, by request and bytes of its payload
        self._inference_s = 0.0  # wall clock of the latest run, link included

    # ---- requests

    def hello(self, *, timeout_s: float) -> Hello:
        """Greet the target and learn who it is.

        Raises LinkError: no bytes at all, bytes but no frames, or another protocol version.
        """
        frame = self._greeting(FrameType.HELLO, timeout_s)
        self._hello = Hello.parse(frame.body, frame.boot_id)
        return self._hello

    def greet_again(self) -> None:
        """Learn the boot id of a target that was reset; raises LinkError if it is another one."""
        self.stats.resets += 1
        LOG.warning("the target was reset; going on with what it has not answered")
        while True:
            try:
                frame = self._greeting(FrameType.GREET, self._give_up_s)
                break
            except TargetWasResetError:
                continue  # its BOOT frame came after the answer to an earlier greeting
        image = frame.body.decode("ascii", errors="replace")
        if self._hello is not None and image != self._hello.image_id[:8]:
            raise LinkError(
                f"wrong or stale firmware: after its reset the target runs image {image}, before "
                f"it was {self._hello.image_id[:8]}; flash it again"
            )

    def _greeting(self, kind: FrameType, timeout_s: float) -> Frame:
        self.channel.boot_id = 0
        nonce = (self._nonce() & 0xFFFFFFFF) or 1
        frame = self._request(kind, nonce.to_bytes(4, "little"), timeout_s=timeout_s)
        self.channel.boot_id = frame.boot_id
        return frame

    def time_layers(self, data: bytes) -> LayerTimes:
        """Run once with a quiet link; data may be b"" to run the last input again."""
        start = time.monotonic()
        times = LayerTimes.parse(self._request(FrameType.TIME, data, timeout_s=60.0).body)
        self._inference_s = time.monotonic() - start
        return times

    def print_table(self, what: PrintWhat) -> None:
        """Make the target print a table; its text has arrived, whole, when this returns.

        Text has no checksum of its own: one that was damaged on its way is fetched line by line.
        """
        self.channel.take_text()
        length, crc = _WHOLE_TEXT.unpack(self._request(FrameType.PRINT, bytes([what])).body)
        text = self.channel.take_text().encode("ascii")
        if len(text) == length and zlib.crc32(text) == crc:
            return
        line, lines = 0, 1
        while line < lines:
            body = bytes([what]) + line.to_bytes(2, "little")
            answer = self._request(FrameType.PRINT, body).body
            lines = _ONE_LINE.unpack_from(answer)[0]
            said = answer[_ONE_LINE.size :].decode("ascii", errors="replace")
            self.channel.on_text(said.rstrip("\r") + "\n")
            line += 1

    def begin_prediction(self, labels: int, top_k: int) -> None:
        """Start the counts of NNoM's prediction_*() anew."""
        self._request(FrameType.PREDICT, labels.to_bytes(2, "little") + bytes([top_k]))

    def status(self) -> TargetStatus:
        """Return the target's memory use and link counters."""
        return TargetStatus.parse(self._request(FrameType.STATUS).body)

    def reset(self) -> None:
        """Reset the target; HELLO must follow."""
        self._request(FrameType.RESET)
        self.channel.boot_id = 0

    def crash(self) -> None:
        """Make the target fault, for tests; raises TargetFaultError when all is well."""
        self._request(FrameType.CRASH)

    def raise_baud(self, baud: int, set_baud: Callable[[int], None]) -> bool:
        """Change the rate of both sides; False, and back at the old rate, if that does not work.

        set_baud changes the host's side. The target goes back by itself when no frame comes.
        """
        if self._hello is None or not self._hello.capabilities & Capability.BAUD:
            return False
        before = self.status().baud
        try:
            self._request(FrameType.BAUD, baud.to_bytes(4, "little"))
        except AgentRefusedError:
            return False
        set_baud(baud)
        try:
            self._request(FrameType.STATUS, timeout_s=0.6)
            return True
        except LinkError:
            LOG.warning("no answer at %d baud; going back to %d", baud, before)
        set_baud(before)
        self.status()
        return False

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
            frame = self.channel.frame(FrameType.SINK, body)
            size = len(encode_frame(frame))
            while waiting and sum(waiting) + size > window:
                counted = take_answer()
            self.channel.send(frame)
            waiting.append(size)
        while waiting:
            counted = take_answer()
        return counted

    def _next_frame(self, deadline: Deadline) -> Frame:
        frame = self.channel.receive(deadline)
        if frame is None:
            raise LinkError(self.channel.silence(FrameType.SINK, self._give_up_s))
        return frame

    def _request(self, kind: FrameType, body: bytes = b"", *, timeout_s: float = 10.0) -> Frame:
        """Send a request until its answer comes; every request may safely be repeated."""
        frame = self.channel.frame(kind, body)
        deadline = Deadline.after(timeout_s)
        pause_s = self._pause_s(kind, body)
        while True:
            sent = time.monotonic()
            self.channel.send(frame)
            retry = Deadline.after(min(pause_s, deadline.remaining_s))
            pause_s = min(2 * pause_s, self._retry_s)
            known = self.stats.frames_received > 0  # else it may all be noise, at a wrong rate
            while (answer := self.channel.receive(retry, or_damaged=known)) is not None:
                if answer.seq != frame.seq:
                    continue  # the late answer to a repeated request
                if answer.type == FrameType.ERROR:
                    if answer.body[:1] == bytes([AgentError.STALE_BOOT]):
                        raise TargetWasResetError
                    raise AgentRefusedError(*answer.body[:2])
                if answer.type == kind | ANSWER:
                    self._took[kind, len(body)] = time.monotonic() - sent
                    return answer
            if deadline.expired:
                raise LinkError(self.channel.silence(kind, timeout_s))
            if kind is not FrameType.HELLO:  # a target that is still starting loses nothing
                self.stats.retransmitted += 1

    def _pause_s(self, kind: FrameType, body: bytes) -> float:
        """Return how long to wait for an answer: on a bad link, less where one came sooner."""
        took = self._took.get((kind, len(body)))
        if took is None or not self.stats.damaged + self.stats.retransmitted:
            return self._retry_s / 8
        return min(self._retry_s / 8, max(_SHORTEST_PAUSE_S, 4 * took))

    # ---- vectors

    def stream(
        self,
        vectors: Iterable[Vector],
        *,
        window: int,
        on_reset: Callable[[], object] = lambda: None,
        in_order: bool = False,
    ) -> Iterator[VectorResult]:
        """Send vectors ahead, up to `window` bytes on the wire, and yield each result once.

        Lost and damaged frames are sent again, in parts where whole ones do not get through; after
        a reset of the target on_reset is called and the run goes on with what was not answered.
        Results may come out of order. in_order: one vector at a time, for networks that remember;
        a reset is an error then. Raises LinkError when the target stops answering,
        TargetFaultError when it faults.
        """

        def start_again() -> None:
            if in_order:
                raise UsageError(
                    "the target was reset, and with it what this stateful network remembered; "
                    "run it again"
                )
            self.greet_again()
            on_reset()

        can_parts = self._hello is not None and bool(self._hello.capabilities & Capability.PARTS)
        yield from VectorStream(
            self.channel,
            window=window,
            in_order=in_order,
            can_parts=can_parts,
            start_again=start_again,
            revive=self._revive,
            inference_s=self._inference_s,
            # a slow network is no lost vector
            retry_s=max(self._retry_s, 3 * self._inference_s),
            give_up_s=max(self._give_up_s, 20 * self._inference_s),
        ).run(vectors)
