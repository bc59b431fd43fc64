"""A target in this process that can fail on purpose: the agent's protocol without a board.

For tests, of users too: a run against it needs neither compiler nor emulator.
"""

import struct
import time
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

from nnom_hil.deadline import Deadline
from nnom_hil.link.compact import decode_compact, layout_of
from nnom_hil.link.frame import (
    ANSWER,
    AgentError,
    Frame,
    FrameType,
    Splitter,
    encode_frame,
    encode_short,
    is_short,
    stream_crc,
)
from nnom_hil.link.messages import CONTENT_HEAD, PROTOCOL_VERSION, Capability
from nnom_hil.link.transport import Transport
from nnom_hil.target.base import TargetFacts

__all__ = ["FakeFaults", "FakeModel", "FakeTarget"]

_NUMBERS = 256
_LAST = 0x10
_NAP_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeModel:
    """What the fake computes: infer maps input bytes to output bytes. tensors: of its layers."""

    infer: Callable[[bytes], bytes]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    model_hash: str = "00"
    image_id: str = "00"
    output_dec: int = 7
    tensors: tuple[bytes, ...] = ()


@dataclass(slots=True)
class _Slot:
    """A vector on its way in; granules: of its content, by place; result: once it ran."""

    tag: int
    granules: dict[int, bytes] = field(default_factory=dict)
    count: int = 0  # of granules; 0 until the last has come
    result: bytes | None = None


@dataclass(slots=True, kw_only=True)
class FakeFaults:
    """Planted faults, by number of frame (from 0) in each direction, or of vector.

    drop, damage: frames that get lost or a byte of which is changed, host to target.
    drop_answers, damage_answers: the same, target to host. reset_before: vectors before which the
    target starts anew. silent_from: from this vector on nothing is answered. fault_at: this vector
    ends in a HardFault. hang_at: before these vectors it goes deaf until reset() is called, which
    only a resettable one can be.
    """

    drop: set[int] = field(default_factory=set)
    damage: set[int] = field(default_factory=set)
    drop_answers: set[int] = field(default_factory=set)
    damage_answers: set[int] = field(default_factory=set)
    reset_before: set[int] = field(default_factory=set)
    silent_from: int | None = None
    fault_at: int | None = None
    hang_at: set[int] = field(default_factory=set)
    resettable: bool = False


class FakeTarget:
    """Target and transport in one; write() is answered at once, read() returns what there is.

    take() is the agent alone: bytes in, bytes out.
    """

    facts = TargetFacts(description="fake target", emulated=True)

    def __init__(
        self,
        model: FakeModel,
        faults: FakeFaults | None = None,
        *,
        slots: int = 4,
        window: int = 4096,
    ) -> None:
        self.model = model
        self.slots = slots
        self.window = window
        self.faults = faults or FakeFaults()
        self.inferences = 0
        self.counted: list[int] = []
        self.stopped = False
        self.capabilities = Capability.COMPACT | Capability.BAUD
        self.granule = 8
        self.now: Callable[[], None] = lambda: None  # called for each inference
        self.baud = 115_200
        self.clock = "test"  # what HELLO says of it
        layout = layout_of(model.input_shape)
        assert layout is not None
        self._layout = layout
        self._splitter = Splitter()
        self._boot_id = 0
        self._close_stream()
        self._frames_in = 0
        self._frames_out = 0
        self._vectors = 0
        self._deaf = False
        self.damaged = 0
        self._out: deque[bytes] = deque()

    # ---- Target

    def start(self, elf: Path, deadline: Deadline) -> Transport:
        """Boot; no image is needed."""
        del elf, deadline
        self.boot()
        return self

    def why_dead(self) -> str | None:
        """Return that it was stopped, once it was."""
        return "the fake target was stopped" if self.stopped else None

    def reset(self) -> bool:
        """Start anew, if a probe could do that."""
        if self.faults.resettable:
            self._deaf = False
            self.boot()
        return self.faults.resettable

    def stop(self) -> None:
        """Stop; twice is fine."""
        self.stopped = True

    # ---- Transport

    def read(self, deadline: Deadline) -> bytes:
        """Return what was sent, b"" at the deadline."""
        if not self._out:
            while not deadline.expired:  # nothing comes but by what the host sends
                time.sleep(min(deadline.remaining_s, _NAP_S))
            return b""
        return self._out.popleft()

    def write(self, data: bytes) -> None:
        """Take the host's bytes and answer them."""
        for segment in data.split(b"\0"):
            if not segment or self.stopped or self._deaf:
                continue
            n, self._frames_in = self._frames_in, self._frames_in + 1
            if n in self.faults.drop:
                continue
            wire = _damaged(segment) if n in self.faults.damage else segment
            self._feed(wire + b"\0")

    def take(self, data: bytes) -> bytes:
        """Take bytes as they come and return what read() would, at once."""
        self._feed(data)
        answers = b"".join(self._out)
        self._out.clear()
        return answers

    def _feed(self, data: bytes) -> None:
        for item in self._splitter.feed(data):
            if not isinstance(item, Frame):
                self.damaged += 1
            elif is_short(item.type):
                self._short(item)
            else:
                self._dispatch(item)

    def reopen(self, deadline: Deadline) -> None:
        """Open again; nothing to do."""

    def close(self) -> None:
        """Close; nothing to do."""

    # ---- agent

    def boot(self) -> None:
        """Start anew."""
        self._boot_id = 0
        self._close_stream()
        self.counted = []
        self._send(Frame(FrameType.BOOT, 0))

    def _close_stream(self, number: int = 0) -> None:
        self._stream = number
        self._splitter.short_crc = stream_crc(number) if number else 0
        self._slots: dict[int, _Slot] = {}
        self._seen: set[int] = set()
        self._latest = _NUMBERS - 1
        self._last: tuple[int, int, bytes] | None = None  # tag, index, result

    def _send(self, frame: Frame) -> None:
        self._put(encode_frame(frame))

    def _send_short(self, kind: int, number: int, body: bytes) -> None:
        self._put(encode_short(kind, number, body, stream_crc(self._stream)))

    def _put(self, data: bytes) -> None:
        n, self._frames_out = self._frames_out, self._frames_out + 1
        if n in self.faults.drop_answers:
            return
        if n in self.faults.damage_answers:
            data = b"\0" + _damaged(data[1:-1]) + b"\0"
        self._out.append(data)

    def _answer(self, request: Frame, body: bytes = b"") -> None:
        self._send(Frame(request.type | ANSWER, request.seq, self._boot_id, body))

    def _dispatch(self, request: Frame) -> None:
        if request.type in (FrameType.HELLO, FrameType.GREET):
            if request.type == FrameType.HELLO:
                self._close_stream()
            if self._boot_id == 0:
                self._boot_id = int.from_bytes(request.body, "little")
            brief = request.type == FrameType.GREET
            self._answer(request, self.model.image_id[:8].encode() if brief else self._hello())
            return
        if request.boot_id != self._boot_id or self._boot_id == 0:
            self._refuse(request, AgentError.STALE_BOOT)
            return
        match request.type:
            case FrameType.OPEN:
                number = int.from_bytes(request.body, "little")
                if number != self._stream:
                    self._close_stream(number)
                self._answer(request)
            case FrameType.PING:
                self._answer(request, self._stream.to_bytes(4, "little"))
            case FrameType.PREDICT:
                self.counted = []
                self._last = None
                self._answer(request)
            case FrameType.PRINT:
                self._answer(request, bytes(8))  # no text
            case FrameType.STATUS:
                self._answer(request, struct.pack("<6I", 0, 0, 0, 0, 0, self.baud))
            case FrameType.BAUD:
                self._answer(request)
                self.baud = int.from_bytes(request.body, "little")
            case FrameType.TENSOR:
                layer, start, count = struct.unpack("<HIH", request.body)
                if layer >= len(self.model.tensors):
                    self._refuse(request, AgentError.ARGUMENT)
                    return
                data = self.model.tensors[layer]
                head = struct.pack("<II", len(data), zlib.crc32(data))
                self._answer(request, head + data[start : start + count])
            case FrameType.TIME:
                self._answer(request, b"\0" + struct.pack("<I", 1000))
            case FrameType.SINK | FrameType.CRASH | FrameType.RESET:
                self._answer(request)
            case _:
                self._refuse(request, AgentError.UNKNOWN_TYPE)

    def _refuse(self, request: Frame, why: AgentError) -> None:
        body = bytes([why, request.type])
        self._send(Frame(FrameType.ERROR, request.seq, self._boot_id, body))

    # ---- the stream

    def _short(self, frame: Frame) -> None:
        if (frame.seq - self._latest) % _NUMBERS < _NUMBERS // 2:
            while self._latest != frame.seq:
                self._latest = (self._latest + 1) % _NUMBERS
                self._seen.discard(self._latest)
        self._seen.add(frame.seq)
        body = frame.body
        if frame.type == FrameType.POLL:
            span = (frame.seq - body[0]) % _NUMBERS
            count = span if span < _NUMBERS // 2 else 0
            bits = sum(((body[0] + i) % _NUMBERS in self._seen) << i for i in range(count))
            answer = bits.to_bytes(-(-count // 8), "little")
            self._send_short(FrameType.POLL | ANSWER, frame.seq, answer)
        elif frame.type == FrameType.ASK:
            self._ask(body[0], int.from_bytes(body[1:3], "little"), body[3], body[4:])
        elif frame.type & 0xE0 == FrameType.SLICE:
            offset = (frame.type & 0x0F) << 8 | body[1]
            self._slice(body[0], offset, bool(frame.type & _LAST), body[2:])

    def _slice(self, tag: int, offset: int, last: bool, data: bytes) -> None:
        if self.slots == 0:
            self._run(tag, data)
            return
        slot = self._slots.get(tag % self.slots)
        if slot is None or slot.tag != tag:
            if slot is not None and (tag - slot.tag) % _NUMBERS >= _NUMBERS // 2:
                return
            slot = self._slots[tag % self.slots] = _Slot(tag)
        if slot.result is not None:
            return
        for i in range(0, len(data), self.granule):
            slot.granules[offset + i // self.granule] = data[i : i + self.granule]
        if last:
            slot.count = offset + -(-len(data) // self.granule)
        if len(slot.granules) == slot.count:
            slot.result = self._run(tag, b"".join(slot.granules[i] for i in range(slot.count)))

    def _ask(self, tag: int, offset: int, unit: int, bits: bytes) -> None:
        slot = self._slots.get(tag % self.slots) if self.slots else None
        result = slot.result if slot is not None and slot.tag == tag else None
        if result is None and self._last is not None and self._last[0] == tag:
            result = self._last[2]
        if result is not None:
            self._send_units(tag, result, offset, unit, int.from_bytes(bits, "little"))

    def _send_units(self, tag: int, result: bytes, offset: int, unit: int, bits: int) -> None:
        granules = -(-len(result) // self.granule)
        for i in range(bits.bit_length() if unit else 1):
            first = offset + i * unit if unit else 0
            if unit and (not bits >> i & 1 or first >= granules):
                continue
            count = unit or granules
            piece = result[first * self.granule : (first + count) * self.granule]
            last = _LAST if first + count >= granules else 0
            kind = FrameType.SLICE | ANSWER | last | first >> 8
            self._send_short(kind, self._latest, bytes([tag, first & 0xFF]) + piece)

    def _run(self, tag: int, content: bytes) -> bytes | None:
        """Answer a whole vector; None if a planted fault came between."""
        index, label, compact, unit = struct.unpack_from("<IHBB", content)
        if self._last is None or self._last[1] != index:
            result = self._infer(index, label, bool(compact), content[CONTENT_HEAD:])
            if result is None:
                return None
            self._last = (tag, index, result)
        self._last = (tag, *self._last[1:])
        result = self._last[2]
        pieces = -(-len(result) // (unit * self.granule)) if unit else 1
        self._send_units(tag, result, 0, unit, (1 << pieces) - 1)
        return result

    def _infer(self, index: int, label: int, compact: bool, content: bytes) -> bytes | None:
        n, self._vectors = self._vectors, self._vectors + 1
        if n in self.faults.hang_at:
            self._deaf = True
            return None
        if n in self.faults.reset_before:
            self.boot()
            return None
        if self.faults.silent_from is not None and n >= self.faults.silent_from:
            self._deaf = True
            return None
        if n == self.faults.fault_at:
            body = struct.pack("<10I", 3, 0xFFFFFFF9, 0x08000400, 0x08000300, 0, 0, 0, 0, 0, 0)
            self._send(Frame(FrameType.FAULT, 0, 0, body))
            self.stopped = True
            return None
        data = content
        if compact:
            data = decode_compact(content, prod(self.model.input_shape), self._layout)
        output = self.model.infer(data)
        self.now()
        self.inferences += 1
        if label != 0xFFFF and index not in self.counted:
            self.counted.append(index)
        return struct.pack("<Ib", 100, 0) + output

    def _hello(self) -> bytes:
        model = self.model
        sizes = prod(model.input_shape), prod(model.output_shape)
        layout = self._layout
        hz = 168_000_000
        numbers = (0x410FC241, hz, hz, self.window, 1024, *sizes, self.capabilities)
        shape = (layout.step, layout.stride, self.slots, self.granule)
        fixed = struct.pack("<BBBH8I2HBH", PROTOCOL_VERSION, 1, 0, 1, *numbers, *shape)
        formats = _format(model.input_shape, 7) + _format(model.output_shape, model.output_dec)
        strings = (model.model_hash, model.image_id, "fake", "python", "fake", self.clock)
        return fixed + formats + b"".join(s.encode() + b"\0" for s in strings)


def _format(shape: tuple[int, ...], dec: int) -> bytes:
    return struct.pack(f"<bB{len(shape)}H", dec, len(shape), *shape)


def _damaged(data: bytes) -> bytes:
    middle = len(data) // 2
    changed = data[middle] ^ 0x55 or 0x01
    return data[:middle] + bytes([changed]) + data[middle + 1 :]
