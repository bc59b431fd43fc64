"""A target in this process that can fail on purpose: the agent's protocol without a board.

For tests, of users too: a run against it needs neither compiler nor emulator.
"""

import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

from nnom_hil.deadline import Deadline
from nnom_hil.link.compact import decode_compact, layout_of
from nnom_hil.link.frame import ANSWER, AgentError, Frame, FrameType, Splitter, encode_frame
from nnom_hil.link.messages import PROTOCOL_VERSION, Capability
from nnom_hil.link.transport import Transport

__all__ = ["FakeFaults", "FakeModel", "FakeTarget"]

_NO_PARTS: tuple[int, int, int, dict[int, int]] = (-1, 0, 0, {})


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeModel:
    """What the fake computes: infer maps input bytes to output bytes."""

    infer: Callable[[bytes], bytes]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    model_hash: str = "00"
    image_id: str = "00"
    output_dec: int = 7


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
    """Target and transport in one; write() is answered at once, read() returns what there is."""

    runs_already = False
    time_source = "virtual"
    description = "fake target"

    def __init__(self, model: FakeModel, faults: FakeFaults | None = None) -> None:
        self.model = model
        self.faults = faults or FakeFaults()
        self.inferences = 0
        self.counted: list[int] = []
        self.stopped = False
        self.capabilities = Capability.COMPACT | Capability.PARTS | Capability.BAUD
        self.baud = 115_200
        layout = layout_of(model.input_shape)
        assert layout is not None
        self._layout = layout
        self._last: tuple[int, bytes] | None = None
        self._parts = _NO_PARTS
        self._boot_id = 0
        self._frames_in = 0
        self._frames_out = 0
        self._vectors = 0
        self._deaf = False
        self._splitter = Splitter()
        self._out: deque[bytes] = deque()

    # ---- Target

    def start(self, elf: Path, deadline: Deadline) -> Transport:
        """Boot; no image is needed."""
        del elf, deadline
        self._boot()
        return self

    def why_dead(self) -> str | None:
        """Return that it was stopped, once it was."""
        return "the fake target was stopped" if self.stopped else None

    def reset(self) -> bool:
        """Start anew, if a probe could do that."""
        if self.faults.resettable:
            self._deaf = False
            self._boot()
        return self.faults.resettable

    def hold(self) -> bool:
        """Return False: it is no process."""
        return False

    def let_go(self) -> None:
        """Nothing was stopped."""

    def stop(self) -> None:
        """Stop; twice is fine."""
        self.stopped = True

    # ---- Transport

    def read(self, deadline: Deadline) -> bytes:
        """Return what was sent, b"" at the deadline."""
        if not self._out:
            while not deadline.expired:
                pass
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
            for item in self._splitter.feed(wire + b"\0"):
                if isinstance(item, Frame):
                    self._dispatch(item)

    def reopen(self, deadline: Deadline) -> None:
        """Open again; nothing to do."""

    def close(self) -> None:
        """Close; nothing to do."""

    # ---- agent

    def _boot(self) -> None:
        self._boot_id = 0
        self._last = None
        self._parts = _NO_PARTS
        self.counted = []
        self._send(Frame(FrameType.BOOT, 0))

    def _send(self, frame: Frame) -> None:
        n, self._frames_out = self._frames_out, self._frames_out + 1
        data = encode_frame(frame)
        if n in self.faults.drop_answers:
            return
        if n in self.faults.damage_answers:
            data = b"\0" + _damaged(data[1:-1]) + b"\0"
        self._out.append(data)

    def _answer(self, request: Frame, body: bytes = b"") -> None:
        self._send(Frame(request.type | ANSWER, request.seq, self._boot_id, body))

    def _dispatch(self, request: Frame) -> None:
        if request.type in (FrameType.HELLO, FrameType.GREET):
            if self._boot_id == 0:
                self._boot_id = int.from_bytes(request.body, "little")
            brief = request.type == FrameType.GREET
            self._answer(request, self.model.image_id[:8].encode() if brief else self._hello())
            return
        if request.boot_id != self._boot_id or self._boot_id == 0:
            body = bytes([AgentError.STALE_BOOT, request.type])
            self._send(Frame(FrameType.ERROR, request.seq, self._boot_id, body))
            return
        match request.type:
            case FrameType.VECTOR | FrameType.COMPACT:
                index, label = struct.unpack_from("<IH", request.body)
                self._vector(request, index, label, request.type, request.body[6:])
            case FrameType.PART:
                self._part(request)
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
            case FrameType.TIME:
                self._answer(request, b"\0" + struct.pack("<I", 1000))
            case _:
                self._answer(request)

    def _vector(self, request: Frame, index: int, label: int, kind: int, content: bytes) -> None:
        if self._last is not None and self._last[0] == index:
            self._send_vector(request)
            return
        n, self._vectors = self._vectors, self._vectors + 1
        if n in self.faults.hang_at:
            self._deaf = True
            return
        if n in self.faults.reset_before:
            self._boot()
            return
        if self.faults.silent_from is not None and n >= self.faults.silent_from:
            return
        if n == self.faults.fault_at:
            body = struct.pack("<10I", 3, 0xFFFFFFF9, 0x08000400, 0x08000300, 0, 0, 0, 0, 0, 0)
            self._send(Frame(FrameType.FAULT, 0, 0, body))
            self.stopped = True
            return
        data = content
        if kind == FrameType.COMPACT:
            data = decode_compact(content, prod(self.model.input_shape), self._layout)
        output = self.model.infer(data)
        self.inferences += 1
        if label != 0xFFFF and index not in self.counted:
            self.counted.append(index)
        self._last = (index, struct.pack("<IIb", index, 100, 0) + output)
        self._send_vector(request)

    def _send_vector(self, request: Frame) -> None:
        assert self._last is not None
        answer = FrameType.VECTOR | ANSWER
        self._send(Frame(answer, request.seq, self._boot_id, self._last[1]))

    def _part(self, request: Frame) -> None:
        index, label, kind, total, offset = struct.unpack_from("<IHBHH", request.body)
        if self._last is not None and self._last[0] == index:
            self._send_vector(request)
            return
        if self._parts[:3] != (index, kind, total):
            self._parts = (index, kind, total, {})
        data = request.body[11:]
        self._parts[3].update(enumerate(data, start=offset))
        if len(self._parts[3]) < total:
            self._answer(request, struct.pack("<IH", index, offset))
            return
        content = bytes(self._parts[3][i] for i in range(total))
        self._parts = _NO_PARTS
        self._vector(request, index, label, kind, content)

    def _hello(self) -> bytes:
        model = self.model
        sizes = prod(model.input_shape), prod(model.output_shape)
        layout = self._layout
        numbers = (0x410FC241, 168_000_000, 168_000_000, 4096, 1024, *sizes, self.capabilities)
        fixed = struct.pack(
            "<BBBH8I2H", PROTOCOL_VERSION, 1, 0, 1, *numbers, layout.step, layout.stride
        )
        formats = _format(model.input_shape, 7) + _format(model.output_shape, model.output_dec)
        strings = (model.model_hash, model.image_id, "fake", "python", "fake")
        return fixed + formats + b"".join(s.encode() + b"\0" for s in strings)


def _format(shape: tuple[int, ...], dec: int) -> bytes:
    return struct.pack(f"<bB{len(shape)}H", dec, len(shape), *shape)


def _damaged(data: bytes) -> bytes:
    middle = len(data) // 2
    changed = data[middle] ^ 0x55 or 0x01
    return data[:middle] + bytes([changed]) + data[middle + 1 :]
