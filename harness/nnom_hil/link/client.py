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
from nnom_hil.link.frame import ANSWER, Frame, FrameType, encode_frame
from nnom_hil.link.line import best_payload
from nnom_hil.link.messages import (
    Capability,
    Hello,
    LayerTimes,
    PrintWhat,
    TargetStatus,
    VectorResult,
)
from nnom_hil.link.requests import FRAME_OVERHEAD, Requests
from nnom_hil.link.stream import StreamRules, Vector, VectorStream
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
_INFERENCES = 3  # that the longest wait for an answer is worth
_WHOLE_TEXT = struct.Struct("<II")
_PIECE = struct.Struct("<BHB")
_LONGEST_PIECE = 128
_TABLE_BYTES = 1000  # of a table, roughly
_WHOLE = 0.5  # errors in a table that it may well come without
_TENSOR_PIECE = struct.Struct("<HIH")
_LONGEST_TENSOR_PIECE = 1024
_SLOW = (
    FrameType.TIME,
    FrameType.PRINT,
    FrameType.TENSOR,
)  # asked for once, and again only if they got lost


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
        clock: Callable[[], float] = time.monotonic,
        retry_s: float = _RETRY_S,
        give_up_s: float = _GIVE_UP_S,
    ) -> None:
        self.channel = Channel(transport, on_text=on_text, why_dead=why_dead, clock=clock)
        self._clock = clock
        self.stats = self.channel.stats
        self._nonce = nonce
        self._revive = revive
        self._retry_s = retry_s
        self._give_up_s = give_up_s
        self._hello: Hello | None = None
        self._requests = Requests(self.channel, retry_s=retry_s)
        self.inference_s = 0.0  # wall clock of the latest timed run, link included

    # ---- requests

    def hello(self, *, timeout_s: float) -> Hello:
        """Greet the target and learn who it is.

        Raises LinkError: no bytes at all, bytes but no frames, or another protocol version.
        """
        frame = self._greeting(FrameType.HELLO, timeout_s)
        self._hello = Hello.parse(frame.body, frame.boot_id)
        self._requests.window = self._hello.rx_window
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
        self._requests.forget()
        nonce = (self._nonce() & 0xFFFFFFFF) or 1
        frame = self._request(kind, nonce.to_bytes(4, "little"), timeout_s=timeout_s)
        self.channel.boot_id = frame.boot_id
        return frame

    def time_layers(self, data: bytes, *, quiet: bool = True) -> LayerTimes:
        """Run once; data may be b"" to run the last input again.

        quiet: with a quiet link; one that was asked meanwhile whether it still runs runs again.
        """
        start = self._clock()
        answer = self._request(FrameType.TIME, data, timeout_s=60.0, quiet=quiet)
        times = LayerTimes.parse(answer.body)
        self.inference_s = self._clock() - start
        return times

    def tensor(self, layer: int) -> bytes:
        """Return what a layer gave for the last input, as it lies in the target's memory.

        layer: its number in run order, from 0. The model runs up to it, as at its first vector, and
        stands still while the pieces are fetched. Raises AgentRefusedError for a layer that is
        none, LinkError where the pieces do not make up what the target has.
        """
        fetched = bytearray()
        while True:
            wish = int(best_payload(2 * FRAME_OVERHEAD, max(self.stats.byte_error, 1e-6)))
            count = min(_LONGEST_TENSOR_PIECE, max(8, wish))
            asked = _TENSOR_PIECE.pack(layer, len(fetched), count)
            body = self._request(FrameType.TENSOR, asked, timeout_s=60.0).body
            size, crc = _WHOLE_TEXT.unpack_from(body)
            piece = body[_WHOLE_TEXT.size :]
            fetched += piece
            if len(fetched) >= size or not piece:
                break
        if len(fetched) != size or zlib.crc32(fetched) != crc:
            raise LinkError(
                f"what layer {layer} gave changed while it was fetched: {len(fetched)} of {size} "
                "bytes came"
            )
        return bytes(fetched)

    def print_table(self, what: PrintWhat) -> str:
        """Make the target print a table and return its text, whole.

        Text has no checksum of its own: one that was damaged on its way is fetched in pieces. What
        the console shows may have been damaged, and parts of it may come again.
        """
        if self.stats.byte_error * _TABLE_BYTES < _WHOLE:
            self.channel.take_text()
            length, crc = _WHOLE_TEXT.unpack(self._request(FrameType.PRINT, bytes([what])).body)
            text = self.channel.take_text().encode("ascii")
            if len(text) == length and zlib.crc32(text) == crc:
                return text.decode("ascii")
        else:
            answer = self._request(FrameType.PRINT, _PIECE.pack(what, 0, 0))
            length, crc = _WHOLE_TEXT.unpack(answer.body)
        fetched = bytearray()
        while len(fetched) < length:
            # the request has two fifths of a piece's overhead again, but a small one costs little
            wish = int(best_payload(2 * FRAME_OVERHEAD, max(self.stats.byte_error, 1e-6)))
            count = min(_LONGEST_PIECE, length - len(fetched), max(8, wish))
            piece = self._request(FrameType.PRINT, _PIECE.pack(what, len(fetched), count)).body
            if not piece:
                raise LinkError(f"the target's table ends after {len(fetched)} of {length} bytes")
            fetched += piece
        table = fetched.decode("ascii", errors="replace").replace("\r", "")
        self.channel.on_text(table)
        return table

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
            deadline = Deadline.after(self._give_up_s, clock=self._clock)
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
            raise LinkError(self.channel.silence("SINK", self._give_up_s))
        return frame

    def _request(
        self, kind: FrameType, body: bytes = b"", *, timeout_s: float = 10.0, quiet: bool = False
    ) -> Frame:
        slow = kind in _SLOW and len(body) != _PIECE.size
        return self._requests.ask(kind, body, timeout_s=timeout_s, slow=slow, quiet=quiet)

    # ---- vectors

    def stream(
        self,
        vectors: Iterable[Vector],
        *,
        window: int = 0,
        on_reset: Callable[[], object] = lambda: None,
        in_order: bool = False,
    ) -> Iterator[VectorResult]:
        """Send vectors ahead, never more than the target has room for, and yield each result once.

        What was lost or damaged is sent again, in slices that suit the line; after a reset of the
        target on_reset is called and the run goes on with what was not answered. Results may come
        out of order. in_order: one vector at a time, for networks that remember; a reset is an
        error then. Raises LinkError when the target stops answering, TargetFaultError when it
        faults.
        """
        hello = self._hello
        if hello is None:
            raise LinkError("vectors can be streamed after hello() only")

        def start_again() -> None:
            if in_order:
                raise UsageError(
                    "the target was reset, and with it what this stateful network remembered; "
                    "run it again"
                )
            self.greet_again()
            on_reset()

        # a slow network is no silent target
        longest_s = max(self._retry_s, _INFERENCES * self.inference_s)
        rules = StreamRules(
            window=window or hello.rx_window,
            slots=hello.slots,
            granule=hello.granule,
            output_bytes=hello.output_bytes,
            in_order=in_order,
            first_s=min(longest_s, self._requests.round_trip_s + self.inference_s),
            longest_s=longest_s,
            give_up_s=max(self._give_up_s, 20 * self.inference_s),
        )
        yield from VectorStream(
            self.channel,
            rules,
            open_stream=self._open_stream,
            start_again=start_again,
            revive=self._revive,
        ).run(vectors)

    def _open_stream(self) -> None:
        """Agree on a number with the target, which its short frames are known by."""
        number = (self._nonce() & 0xFFFFFFFF) or 1
        self._request(FrameType.OPEN, number.to_bytes(4, "little"))
        self.channel.open_stream(number)
