"""Frame codec of the agent link. Pure bytes in, bytes out; no I/O here (docs/protocol.md)."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from cobs import cobs

__all__ = [
    "ANSWER",
    "SHORT_OVERHEAD",
    "AgentError",
    "Damaged",
    "Frame",
    "FrameType",
    "Splitter",
    "Text",
    "encode_frame",
    "encode_short",
    "frames_of",
    "is_short",
    "stream_crc",
]

ANSWER = 0x80
"""An answer's type is its request's with this bit set."""

SHORT_OVERHEAD = 1 + 1 + 4 + 3
"""Bytes of a short frame beside its payload: type, number, checksum, COBS code and delimiters."""

_HEADER = struct.Struct("<BHI")
_SHORT_HEADER = struct.Struct("<BB")
_CRC = struct.Struct("<I")
_TEXT_BYTES = frozenset(range(0x20, 0x7F)) | {0x07, 0x08, 0x09, 0x0A, 0x0D, 0x1B}


class FrameType(IntEnum):
    """What a frame asks or says."""

    HELLO = 0x01
    OPEN = 0x02
    TIME = 0x03
    PRINT = 0x04
    PREDICT = 0x05
    STATUS = 0x06
    SINK = 0x07
    CRASH = 0x09
    RESET = 0x0A
    BAUD = 0x0C
    GREET = 0x0D
    PING = 0x0E
    TENSOR = 0x0F
    POLL = 0x20
    ASK = 0x21
    SLICE = 0x40
    BOOT = 0xF0
    FAULT = 0xF1
    ERROR = 0xFF


class AgentError(IntEnum):
    """Why the agent refused a request."""

    UNKNOWN_TYPE = 1
    STALE_BOOT = 2
    LENGTH = 3
    NO_MODEL = 4
    ARGUMENT = 5
    NO_MEMORY = 6


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: type, sequence number, boot id of the target it is for or from, payload.

    A short one has no boot id, and its number is a byte.
    """

    type: int
    seq: int
    boot_id: int = 0
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Text:
    """Console text between frames."""

    text: str


@dataclass(frozen=True, slots=True)
class Damaged:
    """Bytes between delimiters that are neither a whole frame nor text."""

    data: bytes


def encode_frame(frame: Frame) -> bytes:
    """Return the frame's bytes on the wire: COBS of header, body and CRC-32 between zeros."""
    data = _HEADER.pack(frame.type, frame.seq, frame.boot_id) + frame.body
    encoded: bytes = cobs.encode(data + _CRC.pack(zlib.crc32(data)))
    return b"\0" + encoded + b"\0"


def is_short(kind: int) -> bool:
    """Whether frames of this type belong to an open stream and have a short header."""
    return 0x20 <= kind & ~ANSWER < 0x60


def stream_crc(number: int) -> int:
    """Return where the checksums of a stream's short frames begin; never 0."""
    return zlib.crc32(number.to_bytes(4, "little"))


def encode_short(kind: int, seq: int, body: bytes, crc: int) -> bytes:
    """Return a short frame's bytes on the wire; crc: the stream's."""
    data = _SHORT_HEADER.pack(kind, seq) + body
    encoded: bytes = cobs.encode(data + _CRC.pack(zlib.crc32(data, crc)))
    return b"\0" + encoded + b"\0"


def _decode(segment: bytes, short_crc: int) -> Frame | None:
    try:
        data = cobs.decode(segment)
    except cobs.DecodeError:
        return None
    if data and is_short(data[0]):
        if len(data) < _SHORT_HEADER.size + _CRC.size or not short_crc:
            return None
        content = data[: -_CRC.size]
        if zlib.crc32(content, short_crc) != _CRC.unpack(data[-_CRC.size :])[0]:
            return None
        return Frame(content[0], content[1], 0, content[_SHORT_HEADER.size :])
    if len(data) < _HEADER.size + _CRC.size:
        return None
    content, crc = data[: -_CRC.size], _CRC.unpack(data[-_CRC.size :])[0]
    if zlib.crc32(content) != crc:
        return None
    kind, seq, boot_id = _HEADER.unpack_from(content)
    return Frame(kind, seq, boot_id, content[_HEADER.size :])


def frames_of(data: bytes) -> list[bytes]:
    """Cut what a host has sent between frames, where two delimiters meet."""
    first, *rest = data.split(b"\0\0")
    if not rest:
        return [data]
    return [first + b"\0", *(b"\0" + middle + b"\0" for middle in rest[:-1]), b"\0" + rest[-1]]


class Splitter:
    """Splits what a target sends into frames, console text and damage, in order.

    short_crc: where the checksums of the open stream's short frames begin; 0 while none is open.
    """

    def __init__(self, short_crc: int = 0) -> None:
        self.short_crc = short_crc
        self._pending = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame | Text | Damaged]:
        """Yield what the data completes; the rest waits for more."""
        *segments, rest = data.split(b"\0")
        for segment in segments:
            whole = bytes(self._pending) + segment
            self._pending.clear()
            if whole:
                yield self._classify(whole)
        self._pending += rest

    def flush(self) -> Iterator[Text | Damaged]:
        """Yield what is left when nothing more will come."""
        rest = bytes(self._pending)
        self._pending.clear()
        if rest:
            item = self._classify(rest)
            yield Damaged(rest) if isinstance(item, Frame) else item

    def _classify(self, segment: bytes) -> Frame | Text | Damaged:
        if (frame := _decode(segment, self.short_crc)) is not None:
            return frame
        if _TEXT_BYTES.issuperset(segment):
            return Text(segment.decode("ascii"))
        return Damaged(segment)
