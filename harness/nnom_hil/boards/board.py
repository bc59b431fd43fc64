"""The board description: its fields, its rules, and where boards are found."""

import re
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from nnom_hil.boards.listing import board_files
from nnom_hil.boards.schema import (
    Address,
    Check,
    Core,
    Cpu,
    Facts,
    Hertz,
    Pin,
    Region,
    Register,
    Sources,
    Word,
    load_facts,
)
from nnom_hil.errors import BoardError, did_you_mean

__all__ = [
    "Board",
    "NativeBackend",
    "ProbeBackend",
    "QemuBackend",
    "RenodeBackend",
    "Step",
    "find_board",
    "list_boards",
    "load_board",
]

_VECTOR_TABLE_ALIGNMENT = 512  # 128 vectors; Armv7-M ARM, B3.2.5
_MIN_RAM_BYTES = 4096
_MIN_FLASH_BYTES = 16384
_MIN_OVERSAMPLING = 16  # of every driver


class Clock(Facts):
    """core_hz: what the time driver counts. Whole megahertz, so that microseconds are exact.

    oscillator_hz: the board's crystal, or with bypass the clock that it feeds into the chip.
    """

    core_hz: Annotated[Hertz, Field(multiple_of=1_000_000)]
    oscillator_hz: Hertz | None = None
    bypass: bool = False

    @model_validator(mode="after")
    def _bypass_of_something(self) -> Self:
        if self.bypass and self.oscillator_hz is None:
            raise ValueError("bypass = true needs oscillator_hz, the clock that comes in")
        return self


class Memory(Facts):
    """Code and constants live in flash, everything else in ram."""

    flash: Region
    ram: Region

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.flash.origin < self.ram.end and self.ram.origin < self.flash.end:
            raise ValueError("flash and ram overlap")
        if max(self.flash.end, self.ram.end) > 2**32:
            raise ValueError("a memory reaches beyond 32-bit addresses")
        if self.flash.origin % _VECTOR_TABLE_ALIGNMENT:
            raise ValueError(
                f"flash starts at {self.flash.origin:#x}; the vector table there needs a multiple "
                f"of {_VECTOR_TABLE_ALIGNMENT}"
            )
        if self.ram.origin % 8:
            raise ValueError(f"ram starts at {self.ram.origin:#x}; it needs a multiple of 8")
        if self.ram.length < _MIN_RAM_BYTES or self.flash.length < _MIN_FLASH_BYTES:
            raise ValueError(
                f"{self.flash.length} bytes of flash and {self.ram.length} of ram hold no firmware:"
                f" at least {_MIN_FLASH_BYTES} and {_MIN_RAM_BYTES} are needed"
            )
        return self


class Console(Facts):
    """The UART that carries text and frames; driver is a file of firmware/platform/uart.

    tx, rx: the pins, for people; [startup] selects them.
    """

    driver: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    base: Annotated[Address, Field(multiple_of=4)]
    irq: Annotated[int, Field(ge=0, lt=112)]
    clock_hz: Hertz
    baud: Annotated[int, Field(ge=1200, le=12_000_000)]
    tx: Pin | None = None
    rx: Pin | None = None

    @model_validator(mode="after")
    def _baud_can_be_had(self) -> Self:
        if self.clock_hz < _MIN_OVERSAMPLING * self.baud:
            raise ValueError(
                f"baud = {self.baud} is too fast for clock_hz = {self.clock_hz}: at most "
                f"{self.clock_hz // _MIN_OVERSAMPLING}"
            )
        return self


class Step(Facts):
    """One step of [startup]: exactly one of write, set, clear, modify, wait names the register.

    write: value. set, clear: bits. modify: bits become value. wait: until bits are value, all of
    them set if value is absent; bounded, so that a register that is not there cannot hang.
    """

    write: Register | None = None
    set: Register | None = None
    clear: Register | None = None
    modify: Register | None = None
    wait: Register | None = None
    bits: Word | None = None
    value: Word | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        kinds = [
            k for k in ("write", "set", "clear", "modify", "wait") if getattr(self, k) is not None
        ]
        if len(kinds) != 1:
            raise ValueError(
                "a step names one register with write, set, clear, modify or wait; this one has "
                + (" and ".join(kinds) or "none")
            )
        needed, allowed = {
            "write": ({"value"}, {"value"}),
            "set": ({"bits"}, {"bits"}),
            "clear": ({"bits"}, {"bits"}),
            "modify": ({"bits", "value"}, {"bits", "value"}),
            "wait": ({"bits"}, {"bits", "value"}),
        }[kinds[0]]
        given = {k for k in ("bits", "value") if getattr(self, k) is not None}
        if not needed <= given <= allowed:
            raise ValueError(
                f"a {kinds[0]} step needs {' and '.join(sorted(needed))}; this one has "
                + (" and ".join(sorted(given)) or "neither")
            )
        if self.bits is not None and (self.bits == 0 or (self.value or 0) & ~self.bits):
            raise ValueError(f"{kinds[0]}: value {self.value} is outside bits {self.bits:#x}")
        return self


class FlashReads(Facts):
    """What reading flash costs beside its first cycle, for the cycle model (docs/timing.md).

    wait_states: cycles of the core that a read waits. width: bytes that a read brings.
    instruction_cache, data_cache: bytes that need not be read again; at least those of a read.
    checked: published tables of layers agree with these numbers.
    """

    wait_states: Annotated[int, Field(ge=1, le=30)]
    width: Literal[4, 8, 16, 32]
    instruction_cache: Annotated[int, Field(ge=4, le=65536)]
    data_cache: Annotated[int, Field(ge=4, le=65536)]
    checked: bool = False

    @model_validator(mode="after")
    def _whole_reads(self) -> Self:
        for name in ("instruction_cache", "data_cache"):
            if getattr(self, name) % self.width:
                raise ValueError(f"{name} holds whole reads: a multiple of width = {self.width}")
        return self


class Startup(Facts):
    """What to do before main, in this order: clock tree, power, pins."""

    steps: Annotated[tuple[Step, ...], Field(strict=False)] = ()


class Time(Facts):
    """driver is a file of firmware/platform/time."""

    driver: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]


class QemuBackend(Facts):
    """machine: QEMU's -machine name. icount_shift: 2^shift ns of virtual time an instruction.

    serial: which of the machine's serial ports the console is, from 0. clock_hz: what the machine's
    timer counts, where that is not the board's core_hz.
    """

    machine: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]
    icount_shift: Annotated[int, Field(ge=0, le=10)]
    serial: Annotated[int, Field(ge=0, le=9)] = 0
    clock_hz: Hertz | None = None

    def ticks_per_instruction(self, core_hz: int) -> Fraction:
        """Return the timer's ticks in the virtual time of an instruction, on a board of core_hz."""
        return Fraction((self.clock_hz or core_hz) << self.icount_shift, 10**9)


class RenodeBackend(Facts):
    """mips: instructions per microsecond of virtual time.

    platform: a description that Renode brings, with uart, the console's name there. Without, one
    is made from the board file: core, memories and console.
    """

    mips: Annotated[int, Field(ge=1, le=1000)]
    platform: Annotated[str, Field(pattern=r"^platforms/[A-Za-z0-9_/-]+\.repl$")] | None = None
    uart: Annotated[str, Field(pattern=r"^[a-z][A-Za-z0-9_]*$")] | None = None

    @model_validator(mode="after")
    def _console_of_the_platform(self) -> Self:
        if (self.platform is None) != (self.uart is None):
            raise ValueError("platform and uart belong together: give both or neither")
        return self

    def ticks_per_instruction(self, core_hz: int) -> Fraction | None:
        """Return the timer's ticks of an instruction; None of a platform that Renode brings."""
        return None if self.platform is not None else Fraction(core_hz, self.mips * 10**6)


class ProbeBackend(Facts):
    """target: pyOCD's name of the chip. usb: "vvvv:pppp" of the probe the board carries.

    pack: the CMSIS-Pack that has the chip; absent where pyOCD knows it itself. id: what names the
    chip, read before anything is flashed. unlocked: what says that its flash is not protected.
    needs: what the user must bring, where the board carries no probe that pyOCD can open.
    """

    target: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    pack: Annotated[str, Field(pattern=r"^[A-Za-z0-9]+\.[A-Za-z0-9_-]+$")] | None = None
    id: Check | None = None
    unlocked: Check | None = None
    usb: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{4}:[0-9a-f]{4}$")], ...], Field(strict=False)
    ] = ()
    needs: Annotated[str, Field(min_length=1, max_length=200)] | None = None


class NativeBackend(Facts):
    """A process of this machine. sanitize: built with the address and undefined-behaviour ones."""

    sanitize: bool = False


class Backends(Facts):
    """What can run the board; the first that is there, in this order, is taken."""

    native: NativeBackend | None = None
    qemu: QemuBackend | None = None
    renode: RenodeBackend | None = None
    probe: ProbeBackend | None = None

    @model_validator(mode="after")
    def _at_least_one(self) -> Self:
        if not self.names:
            raise ValueError("no back end: add [backend.qemu], .renode, .probe or .native")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The tables that the file has."""
        return tuple(name for name in type(self).model_fields if getattr(self, name) is not None)


class Board(Facts):
    """One validated board file. flash: absent where it answers at once.

    chip: a file of boards/chips, with which `boards check` computes and compares. sources: where
    each table's numbers are from.
    """

    schema_: Annotated[Literal["nnom-hil/board/1"], Field(alias="schema")]
    name: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    title: Annotated[str, Field(min_length=1, max_length=80)]
    chip: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")] | None = None
    sources: Sources = Field(default_factory=dict)
    core: Core
    clock: Clock
    memory: Memory
    console: Console
    time: Time
    startup: Startup = Startup()
    flash: FlashReads | None = None
    backend: Backends

    @model_validator(mode="after")
    def _one_whole(self) -> Self:
        native = self.core.cpu is Cpu.NATIVE
        if native != (self.backend.native is not None):
            raise ValueError("cpu = 'native' and [backend.native] belong together")
        if native and len(self.backend.names) > 1:
            raise ValueError("a native board has no other back end than [backend.native]")
        for name, region in (("flash", self.memory.flash), ("ram", self.memory.ram)):
            if not native and region.origin <= self.console.base < region.end:
                raise ValueError(f"the console's base {self.console.base:#x} lies in {name}")
        return self

    @property
    def unsourced(self) -> list[str]:
        """The tables whose numbers have no entry in [sources]; a process needs none."""
        if self.backend.native is not None:
            return []
        needed = ["memory", "console", *self.backend.names]
        needed += ["clock"] if self.clock.oscillator_hz is not None else []
        needed += ["startup"] if self.startup.steps else []
        needed += ["flash"] if self.flash is not None else []
        return [name for name in needed if name not in self.sources]


def load_board(path: Path) -> Board:
    """Read and validate one board file.

    Raises BoardError naming file, key, value and what would be right.
    """
    board = load_facts(path, Board, "board")
    if board.name != path.stem:
        raise BoardError(
            f"{path}: name is {board.name!r}; it must be the file's name, {path.stem!r}"
        )
    return board


def list_boards(extra: Path | None = None) -> dict[str, Path]:
    """Return every board file by name; those of the folder `extra` come before shipped ones."""
    return board_files(extra)


def find_board(name: str, extra: Path | None = None) -> Board:
    """Return the board of that name, or of that file if `name` ends in .toml.

    Raises BoardError when there is none, listing those there are.
    """
    if name.endswith(".toml"):
        return load_board(Path(name))
    known = list_boards(extra)
    if name not in known:
        hint = did_you_mean(re.sub(r"\W", "_", name), known) or "; add a file with --boards DIR"
        raise BoardError(f"no board {name!r}; known: {', '.join(sorted(known))}{hint}")
    return load_board(known[name])
