"""The board description: its fields, its rules, and where boards are found."""

import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from nnom_hil.errors import BoardError, did_you_mean
from nnom_hil.paths import boards_dir
from nnom_hil.toml import load_toml

__all__ = [
    "Board",
    "Check",
    "Cpu",
    "NativeBackend",
    "ProbeBackend",
    "QemuBackend",
    "RenodeBackend",
    "Step",
    "find_board",
    "list_boards",
    "load_board",
]


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Address = Annotated[int, Field(ge=0, lt=2**32)]
Register = Annotated[int, Field(gt=0, lt=2**32, multiple_of=4)]
Word = Annotated[int, Field(ge=0, lt=2**32)]
Size = Annotated[int, Field(gt=0, le=2**32, multiple_of=4)]
Hertz = Annotated[int, Field(ge=1_000_000, le=1_000_000_000)]
Pin = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9.]{1,7}$")]

_VECTOR_TABLE_ALIGNMENT = 512  # 128 vectors; Armv7-M ARM, B3.2.5
_MIN_RAM_BYTES = 4096
_MIN_FLASH_BYTES = 16384
_MIN_OVERSAMPLING = 16  # of every driver


class Cpu(StrEnum):
    """Cores, as GCC's -mcpu names them; native is a process of this machine."""

    NATIVE = "native"
    CORTEX_M0 = "cortex-m0"
    CORTEX_M0PLUS = "cortex-m0plus"
    CORTEX_M3 = "cortex-m3"
    CORTEX_M4 = "cortex-m4"
    CORTEX_M7 = "cortex-m7"
    CORTEX_M23 = "cortex-m23"
    CORTEX_M33 = "cortex-m33"
    CORTEX_M55 = "cortex-m55"


_FPUS: Final = {
    Cpu.CORTEX_M4: ("fpv4-sp-d16",),
    Cpu.CORTEX_M7: ("fpv5-sp-d16", "fpv5-d16"),
    Cpu.CORTEX_M33: ("fpv5-sp-d16",),
    Cpu.CORTEX_M55: ("auto",),
}


class Core(_Facts):
    """fpu: GCC's -mfpu name; absent means floats are computed in software."""

    cpu: Annotated[Cpu, Field(strict=False)]
    fpu: str | None = None

    @model_validator(mode="after")
    def _fpu_of_this_core(self) -> Self:
        known = _FPUS.get(self.cpu, ())
        if self.fpu is not None and self.fpu not in known:
            have = f"it can have {' or '.join(map(repr, known))}" if known else "it has none"
            raise ValueError(f"fpu = {self.fpu!r} does not belong to a {self.cpu.value}: {have}")
        return self


class Clock(_Facts):
    """core_hz: what the time driver counts. Whole megahertz, so that microseconds are exact."""

    core_hz: Annotated[Hertz, Field(multiple_of=1_000_000)]


class Region(_Facts):
    """One memory: first address and bytes."""

    origin: Address
    length: Size

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.origin + self.length


class Memory(_Facts):
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


class Console(_Facts):
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


class Step(_Facts):
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


class Startup(_Facts):
    """What to do before main, in this order: clock tree, power, pins."""

    steps: Annotated[tuple[Step, ...], Field(strict=False)] = ()


class Time(_Facts):
    """driver is a file of firmware/platform/time."""

    driver: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]


class QemuBackend(_Facts):
    """machine: QEMU's -machine name. icount_shift: 2^shift ns of virtual time an instruction.

    serial: which of the machine's serial ports the console is, from 0.
    """

    machine: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]
    icount_shift: Annotated[int, Field(ge=0, le=10)]
    serial: Annotated[int, Field(ge=0, le=9)] = 0


class RenodeBackend(_Facts):
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


class Check(_Facts):
    """A register that tells something: its bits are value."""

    address: Register
    bits: Annotated[int, Field(gt=0, lt=2**32)]
    value: Word

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        if self.value & ~self.bits:
            raise ValueError(f"value {self.value:#x} is outside bits {self.bits:#x}")
        return self

    def __str__(self) -> str:
        return f"{self.value:#x} at {self.address:#010x}"


class ProbeBackend(_Facts):
    """target: pyOCD's name of the chip. usb: "vvvv:pppp" of the probe the board carries.

    id: what names the chip, read before anything is flashed. unlocked: what says that its flash is
    not protected.
    """

    target: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    id: Check | None = None
    unlocked: Check | None = None
    usb: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{4}:[0-9a-f]{4}$")], ...], Field(strict=False)
    ] = ()


class NativeBackend(_Facts):
    """A process of this machine. sanitize: built with the address and undefined-behaviour ones."""

    sanitize: bool = False


class Backends(_Facts):
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


class Board(_Facts):
    """One validated board file."""

    schema_: Annotated[Literal["nnom-hil/board/1"], Field(alias="schema")]
    name: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    title: Annotated[str, Field(min_length=1, max_length=80)]
    core: Core
    clock: Clock
    memory: Memory
    console: Console
    time: Time
    startup: Startup = Startup()
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


def load_board(path: Path) -> Board:
    """Read and validate one board file.

    Raises BoardError naming file, key, value and what would be right.
    """
    try:
        document = load_toml(path)
    except OSError as exc:
        raise BoardError(f"{path}: cannot read the board file: {exc.strerror}") from exc
    except ValueError as exc:
        raise BoardError(f"{path}: not valid TOML: {exc}") from exc
    try:
        board = Board.model_validate(document)
    except ValidationError as exc:
        problems = "\n".join(f"  {line}" for line in _explain(exc))
        raise BoardError(f"{path}: not a valid board file:\n{problems}") from exc
    if board.name != path.stem:
        raise BoardError(
            f"{path}: name is {board.name!r}; it must be the file's name, {path.stem!r}"
        )
    return board


def _explain(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        # lists are counted from 1, as people do
        place = [f"item {p + 1}" if isinstance(p, int) else str(p) for p in problem["loc"]]
        if problem["type"] == "value_error":  # about a table as a whole
            yield f"{_table(place)}: {problem['ctx']['error']}"
            continue
        *tables, key = place or [""]
        where = f"in {_table(tables)}" if tables else "at the top"
        match problem["type"]:
            case "extra_forbidden":
                yield f"unknown key {key!r} {where}: remove it or correct its name"
            case "missing":
                yield f"missing key {key!r} {where}: add it (docs/boards.md describes every key)"
            case _:
                yield f"{key} = {problem['input']!r} {where}: {_lower_first(problem['msg'])}"


def _table(place: list[str]) -> str:
    return f"[{'.'.join(place)}]" if place else "the file"


def _lower_first(message: Any) -> str:
    text = str(message)
    return text[:1].lower() + text[1:]


def list_boards(extra: Path | None = None) -> dict[str, Path]:
    """Return every board file by name; those of the folder `extra` come before shipped ones."""
    if extra is not None and not extra.is_dir():
        raise BoardError(f"{extra}: not a folder; --boards names a folder of .toml files")
    folders = [boards_dir(), *([extra] if extra is not None else [])]
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.toml"))}


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
