"""The payloads of the link, as facts (docs/protocol.md has every byte)."""

import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Any, ClassVar, Self

from nnom_hil.errors import LinkError

__all__ = [
    "CONTENT_HEAD",
    "PROTOCOL_VERSION",
    "Capability",
    "ClockReport",
    "FaultReport",
    "Hello",
    "LayerTimes",
    "PrintWhat",
    "TargetStatus",
    "TensorFormat",
    "VectorResult",
    "vector_content",
]

PROTOCOL_VERSION = 3
_NO_LABEL = 0xFFFF
_HEAD = struct.Struct("<IHBB")
CONTENT_HEAD = _HEAD.size
"""Bytes before the input in what a vector's slices are cut from."""


class Capability(IntFlag):
    """What an agent can do beyond the protocol's core."""

    COMPACT = 1
    BAUD = 4


class PrintWhat(IntEnum):
    """The tables that the target can print."""

    MODEL_STAT = 0
    IO_FORMAT = 1
    PREDICTION_SUMMARY = 2


def _malformed(what: str, body: bytes) -> LinkError:
    return LinkError(f"malformed {what} of {len(body)} bytes: wrong firmware?")


def _fields(what: str, layout: str, body: bytes) -> tuple[Any, ...]:
    try:
        return struct.unpack(layout, body)
    except struct.error as exc:
        raise _malformed(what, body) from exc


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorFormat:
    """Shape and fraction bits of a tensor on the target."""

    shape: tuple[int, ...]
    dec: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReport:
    """What the firmware measured of its clock at its start (firmware/platform/ticks.c).

    name: of the counter. loops: ticks of equally many instructions that do nothing, load, branch;
    jitter: how far two tries of one were apart. reading: ticks of reading the clock, which layers'
    times are without. All 0 where nothing was measured.
    """

    name: str
    instructions: int = 0
    loops: tuple[int, int, int] = (0, 0, 0)
    jitter: int = 0
    reading: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "name key=number ..."; keys that are not known are left alone."""
        name, *words = text.split(" ")
        pairs = (word.partition("=") for word in words)
        n = {key: int(value) for key, equals, value in pairs if equals}
        return cls(
            name=name,
            instructions=n.get("instructions", 0),
            loops=(n.get("plain", 0), n.get("load", 0), n.get("branch", 0)),
            jitter=n.get("jitter", 0),
            reading=n.get("reading", 0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """Who the target is. Sizes in bytes; core and ticks in hertz.

    compact_layout: step and stride of the compact encoding. slots: vectors that can be on their way
    in slices at once, 0 where each must come in one; granule: where slices may begin.
    """

    boot_id: int
    protocol: int
    model_ready: bool
    compat: bool
    layers: int
    cpuid: int
    core_hz: int
    tick_hz: int
    rx_window: int
    max_payload: int
    input_bytes: int
    output_bytes: int
    capabilities: Capability
    compact_layout: tuple[int, int]
    slots: int
    granule: int
    input: TensorFormat
    output: TensorFormat
    model_hash: str
    image_id: str
    board: str
    compiler: str
    kernels: str
    clock: ClockReport

    _FIXED = struct.Struct("<BBBH8I2HBH")

    @classmethod
    def parse(cls, body: bytes, boot_id: int) -> Self:
        """Read the answer to HELLO; raises LinkError for another protocol version."""
        if not body or body[0] != PROTOCOL_VERSION:
            raise LinkError(
                f"the firmware speaks link protocol {body[0] if body else 'nothing'}, this is "
                f"{PROTOCOL_VERSION}: wrong or stale firmware, build and flash it again"
            )
        try:
            fixed = cls._FIXED.unpack_from(body)
            tensors, rest = [], body[cls._FIXED.size :]
            for _ in range(2):
                dec, n = struct.unpack_from("<bB", rest)
                tensors.append(TensorFormat(shape=struct.unpack_from(f"<{n}H", rest, 2), dec=dec))
                rest = rest[2 + 2 * n :]
            model_hash, image_id, board, compiler, kernels, clock = (
                part.decode("ascii") for part in rest.split(b"\0")[:6]
            )
            told = ClockReport.parse(clock)
        except (struct.error, ValueError) as exc:
            raise _malformed("HELLO", body) from exc
        protocol, ready, compat, layers, *numbers = fixed
        cpuid, core, tick, window, payload, n_in, n_out, able, step, stride, slots, granule = (
            numbers
        )
        return cls(
            boot_id=boot_id,
            protocol=protocol,
            model_ready=bool(ready),
            compat=bool(compat),
            layers=layers,
            cpuid=cpuid,
            core_hz=core,
            tick_hz=tick,
            rx_window=window,
            max_payload=payload,
            input_bytes=n_in,
            output_bytes=n_out,
            capabilities=Capability(able),
            compact_layout=(step, stride),
            slots=slots,
            granule=granule,
            input=tensors[0],
            output=tensors[1],
            model_hash=model_hash,
            image_id=image_id,
            board=board,
            compiler=compiler,
            kernels=kernels,
            clock=told,
        )


def vector_content(
    index: int, label: int | None, data: bytes, *, compact: bool, unit: int
) -> bytes:
    """Return what a vector's slices are cut from; label None keeps it out of the target's counts.

    unit: the granules of one piece of its result; 0: it comes in one.
    """
    no_label = _NO_LABEL if label is None else label
    return _HEAD.pack(index, no_label, compact, unit) + data


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorResult:
    """One inference: NNoM's status, the ticks it took with the link busy, the output's bytes."""

    index: int
    status: int
    ticks: int
    output: bytes

    HEAD: ClassVar[int] = 5
    """Bytes of a result before the output."""

    @classmethod
    def parse(cls, index: int, content: bytes) -> Self:
        """Read a whole result."""
        ticks, status = struct.unpack_from("<Ib", content)
        return cls(index=index, status=status, ticks=ticks, output=content[cls.HEAD :])


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTimes:
    """Ticks of each layer, in run order, of one run with a quiet link."""

    status: int
    ticks: tuple[int, ...]

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read the answer to TIME; raises LinkError for one that is none."""
        status, *ticks = _fields("TIME", f"<b{len(body) // 4}I", body)
        return cls(status=status, ticks=tuple(ticks))


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetStatus:
    """Memory in bytes, and what the target saw go wrong on the link."""

    heap_used: int
    stack_used: int
    damaged_frames: int
    rx_overruns: int
    nnom_memory: int
    baud: int

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read the answer to STATUS; raises LinkError for one that is none."""
        heap, stack, damaged, overruns, memory, baud = _fields("STATUS", "<6I", body)
        return cls(
            heap_used=heap,
            stack_used=stack,
            damaged_frames=damaged,
            rx_overruns=overruns,
            nnom_memory=memory,
            baud=baud,
        )


_EXCEPTIONS = {2: "NMI", 3: "HardFault", 4: "MemManage", 5: "BusFault", 6: "UsageFault"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultReport:
    """Registers at a fault, as the core stacked and latched them."""

    exception: int
    exc_return: int
    pc: int
    lr: int
    xpsr: int
    sp: int
    cfsr: int
    hfsr: int
    mmfar: int
    bfar: int

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read the payload of FAULT; raises LinkError for one that is none."""
        names = (
            "exception", "exc_return", "pc", "lr", "xpsr", "sp", "cfsr", "hfsr", "mmfar", "bfar",
        )  # fmt: skip
        return cls(**dict(zip(names, _fields("FAULT", "<10I", body), strict=True)))

    @property
    def name(self) -> str:
        """The exception's name."""
        return _EXCEPTIONS.get(self.exception, f"exception {self.exception}")

    def __str__(self) -> str:
        registers = ", ".join(
            f"{name} 0x{getattr(self, name):08x}"
            for name in ("pc", "lr", "sp", "xpsr", "cfsr", "hfsr", "mmfar", "bfar")
        )
        return f"{self.name}: {registers}"
