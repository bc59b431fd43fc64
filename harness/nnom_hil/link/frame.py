"""Frame codec of the agent link. Pure bytes in, bytes out; no I/O here (docs/protocol.md)."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from cobs import cobs

__all__ = [
    "ANSWER",
    "AgentError",
    "Damaged",
    "Frame",
    "FrameType",
    "Splitter",
    "Text",
    "encode_frame",
]

ANSWER = 0x80
"""An answer's type is its request's with this bit set."""

_HEADER = struct.Struct("<BHI")
_CRC = struct.Struct("<I")
_TEXT_BYTES = frozenset(range(0x20, 0x7F)) | {0x07, 0x08, 0x09, 0x0A, 0x0D, 0x1B}


class FrameType(IntEnum):
    """What a frame asks or says."""

    HELLO = 0x01
    VECTOR = 0x02
    TIME = 0x03
    PRINT = 0x04
    PREDICT = 0x05
    STATUS = 0x06
    SINK = 0x07
    COMPACT = 0x08
    CRASH = 0x09
    RESET = 0x0A
    PART = 0x0B
    BAUD = 0x0C
    GREET = 0x0D
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
    """One frame: type, sequence number, boot id of the target it is for or from, payload."""

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


def _decode(segment: bytes) -> Frame | None:
    try:
        data = cobs.decode(segment)
    except cobs.DecodeError:
        return None
    if len(data) < _HEADER.size + _CRC.size:
        return None
    content, crc = data[: -_CRC.size], _CRC.unpack(data[-_CRC.size :])[0]
    if zlib.crc32(content) != crc:
        return None
    kind, seq, boot_id = _HEADER.unpack_from(content)
    return Frame(kind, seq, boot_id, content[_HEADER.size :])


class Splitter:
    """Splits what a target sends into frames, console text and damage, in order."""

    def __init__(self) -> None:
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

    @staticmethod
    def _classify(segment: bytes) -> Frame | Text | Damaged:
        if (frame := _decode(segment)) is not None:
            return frame
        if _TEXT_BYTES.issuperset(segment):
            return Text(segment.decode("ascii"))
        return Damaged(segment)
