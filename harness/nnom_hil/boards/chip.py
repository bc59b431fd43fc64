"""Facts about chips: registers with their fields, UARTs, pins, memories, limits of the clocks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from nnom_hil.boards.schema import (
    Address,
    Check,
    Core,
    Facts,
    Region,
    Sources,
    Word,
    explain,
    load_document,
)
from nnom_hil.errors import BoardError, did_you_mean
from nnom_hil.paths import boards_dir

__all__ = ["BitField", "Chip", "ChipRegister", "Uart", "find_chip", "list_chips"]

_Name = Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
_Symbol = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
_RegisterName = Annotated[str, Field(pattern=r"^[A-Za-z]\w*(\{\d+\.\.\d+\}\w*)?$")]
_FieldPath = Annotated[str, Field(pattern=r"^!?\w+\.\w+\.\w+$")]
_ROW = re.compile(r"(\w++)\{(\d++)\.\.(\d++)\}(\w*+)")
_FIELD = re.compile(r"(\w++)(?:\{(\d++)\.\.(\d++)\}(\w*+))?\s++(\d++)(?::(\d++))?( r| 0)?")


class _Register(Facts):
    """fields: "NAME 3, NAME 7:4, NAME 8 r": bits; NAME{0..15} 1:0: a row of them.

    r: read only; 0: written as zeros only, where reserved bits are ones after reset.
    """

    offset: Annotated[int, Field(ge=0, lt=2**20, multiple_of=4)]
    reset: Word = 0
    fields: str


class _Peripheral(Facts):
    """block: its registers' table, or the peripheral's own. on: fields that must be 1 (! 0).

    resets: values of registers that differ from the block's.
    """

    base: Address
    block: _Symbol | None = None
    on: list[_FieldPath] = Field(default_factory=list)
    resets: dict[_Symbol, Word] = Field(default_factory=dict)


class Uart(Facts):
    """clock: one of the clock model's names, or a field and the clocks that its values select.

    tx, rx: what the pins' model needs for each pin; remap: the field that moves them.
    """

    irq: Annotated[int, Field(ge=0, lt=480)]
    driver: str
    clock: str | list[str]
    tx: dict[str, int] = Field(default_factory=dict)
    rx: dict[str, int] = Field(default_factory=dict)
    remap: _FieldPath | None = None


class _Memories(Facts):
    flash: list[Region]
    ram: list[Region]


class _File(Facts):
    """A chip file, with its family's merged under it.

    after: what fields must be when the steps are done. svd: registers and fields that SVD files
    have wrong, and how that is known.
    """

    schema_: Annotated[Literal["nnom-hil/chip/1"], Field(alias="schema")]
    name: _Name
    title: Annotated[str, Field(min_length=1, max_length=80)]
    family: _Name | None = None
    sources: Sources
    core: Core
    clocks: _Name
    pins: _Name
    memory: _Memories
    id: Check | None = None
    unlocked: Check | None = None
    limits: dict[str, int | list[int]] = Field(default_factory=dict)
    status: dict[_FieldPath, str | int] = Field(default_factory=dict)
    locked: dict[str, list[_FieldPath]] = Field(default_factory=dict)
    after: dict[_FieldPath, int] = Field(default_factory=dict)
    svd: dict[str, str] = Field(default_factory=dict)
    blocks: dict[_Symbol, dict[_RegisterName, _Register]] = Field(default_factory=dict)
    peripherals: dict[_Symbol, _Peripheral] = Field(default_factory=dict)
    uarts: dict[_Symbol, Uart] = Field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class BitField:
    """Some adjacent bits of a register. zero: they may be written as zeros only."""

    name: str
    low: int
    width: int
    read_only: bool = False
    zero: bool = False

    @property
    def mask(self) -> int:
        """Its bits."""
        return ((1 << self.width) - 1) << self.low

    def of(self, word: int) -> int:
        """Return its value in a register's."""
        return (word & self.mask) >> self.low


@dataclass(frozen=True, kw_only=True, slots=True)
class ChipRegister:
    """One register of one peripheral; reset: its value when start-up begins."""

    peripheral: str
    name: str
    address: int
    reset: int
    fields: tuple[BitField, ...]

    @property
    def path(self) -> str:
        """PERIPHERAL.REGISTER."""
        return f"{self.peripheral}.{self.name}"

    @property
    def known(self) -> int:
        """All bits that are no reserved ones."""
        return sum(field.mask for field in self.fields)


@dataclass(frozen=True, kw_only=True)
class Chip:
    """What is known about a chip. registers: by PERIPHERAL.REGISTER."""

    facts: _File
    registers: dict[str, ChipRegister]

    @property
    def name(self) -> str:
        """The chip file's name."""
        return self.facts.name

    @cached_property
    def _by_address(self) -> dict[int, ChipRegister]:
        return {r.address: r for r in reversed(self.registers.values())}  # the first of several

    @cached_property
    def _by_field(self) -> dict[str, tuple[ChipRegister, BitField]]:
        return {
            f"{path}.{field.name}": (register, field)
            for path, register in self.registers.items()
            for field in register.fields
        }

    def at(self, address: int) -> ChipRegister | None:
        """Return the register at an address."""
        return self._by_address.get(address)

    def nearest(self, address: int) -> ChipRegister:
        """Return the register whose address is nearest."""
        return min(self.registers.values(), key=lambda r: abs(r.address - address))

    def uart_at(self, base: int) -> tuple[str, Uart] | None:
        """Return name and facts of the UART whose registers begin there."""
        for name, uart in self.facts.uarts.items():
            if self.facts.peripherals[name].base == base:
                return name, uart
        return None

    def field(self, path: str) -> tuple[ChipRegister, BitField] | None:
        """Return what PERIPHERAL.REGISTER.FIELD, with or without "!", names."""
        return self._by_field.get(path.lstrip("!"))


def list_chips(extra: Path | None = None) -> dict[str, Path]:
    """Return every chip file by name; those of the folder `extra` come before shipped ones."""
    return _files("*.toml", extra)


def _files(pattern: str, extra: Path | None) -> dict[str, Path]:
    folders = [boards_dir() / "chips", *([extra] if extra is not None else [])]
    return {path.stem: path for folder in folders for path in sorted(folder.glob(pattern))}


def find_chip(name: str, extra: Path | None = None) -> Chip:
    """Return the chip of that name; extra: a folder of chip files beside the shipped ones.

    Raises BoardError when there is none, or its file is wrong.
    """
    known = list_chips(extra)
    if name not in known:
        hint = did_you_mean(name, known)
        raise BoardError(f"no chip {name!r}; known: {', '.join(known)}{hint}")
    path = known[name]
    document = load_document(path, "chip")
    family = document.get("family")
    if isinstance(family, str):
        families = _files("families/*.toml", extra)
        if family not in families:
            raise BoardError(f"{path}: family = {family!r}; known: {', '.join(families)}")
        document = _merged(load_document(families[family], "chip"), document)
    try:
        facts = _File.model_validate(document)
        chip = Chip(facts=facts, registers={r.path: r for r in _registers(facts)})
        _consistent(chip)
    except ValidationError as exc:
        problems = "\n".join(f"  {line}" for line in explain(exc))
        raise BoardError(f"{path}: not a valid chip file:\n{problems}") from exc
    except ValueError as exc:
        raise BoardError(f"{path}: {exc}") from exc
    if facts.name != name:
        raise BoardError(f"{path}: name is {facts.name!r}; it must be the file's name, {name!r}")
    return chip


def _merged(family: dict[str, Any], chip: dict[str, Any]) -> dict[str, Any]:
    """Return the family's tables with the chip's over them; registers gain the chip's fields.

    A UART's pins are replaced: they are those of a package.
    """
    merged = dict(family)
    for key, value in chip.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and key not in ("tx", "rx"):
            merged[key] = _merged(old, value)
        elif key == "fields" and isinstance(old, str) and isinstance(value, str):
            merged[key] = f"{old.rstrip().rstrip(',')}, {value}"
        else:
            merged[key] = value
    return merged


def _registers(facts: _File) -> Iterator[ChipRegister]:
    blocks = {name: list(_block(name, block)) for name, block in facts.blocks.items()}
    for name, peripheral in facts.peripherals.items():
        block = blocks.get(peripheral.block or name, [])
        if unknown := set(peripheral.resets) - {register.name for register in block}:
            raise ValueError(f"peripherals.{name}.resets names {unknown.pop()}, no register of it")
        for register in block:
            yield replace(
                register,
                peripheral=name,
                address=peripheral.base + register.address,
                reset=peripheral.resets.get(register.name, register.reset),
            )


def _block(block: str, registers: dict[str, _Register]) -> Iterator[ChipRegister]:
    """Yield a block's registers with their offsets for addresses; rows of them one by one."""
    for key, spec in registers.items():
        fields = _fields(block, key, spec.fields)
        row = _ROW.fullmatch(key)
        names = [key] if row is None else [
            f"{row[1]}{n}{row[4]}" for n in range(int(row[2]), min(int(row[3]), 255) + 1)
        ]  # fmt: skip
        for n, name in enumerate(names):
            yield ChipRegister(
                peripheral=block,
                name=name,
                address=spec.offset + 4 * n,
                reset=spec.reset,
                fields=fields,
            )


def _fields(block: str, register: str, text: str) -> tuple[BitField, ...]:
    """Return the fields of a register's text, lowest bits first."""
    found: list[BitField] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        matched = _FIELD.fullmatch(part)
        if matched is None:
            raise ValueError(
                f'blocks.{block}.{register}: {part!r} is no field; "NAME 3", "NAME 7:4", '
                '"NAME 8 r", "NAME 8 0" and "NAME{0..15} 1:0" are'
            )
        found += _row(*matched.groups())
    taken = 0
    for field in found:
        if field.width < 1 or field.mask >= 2**32 or field.mask & taken:
            raise ValueError(
                f"blocks.{block}.{register}: {field.name} has bits of another field, or none of "
                "31:0"
            )
        taken |= field.mask
    return tuple(sorted(found, key=lambda field: field.low))


def _row(
    name: str, first: str | None, last: str, rest: str, high: str, low: str | None, flag: str | None
) -> Iterator[BitField]:
    """Yield the fields that one entry names: a row of them follow each other."""
    at = int(high if low is None else low)
    width = int(high) - at + 1
    one = BitField(name=name, low=at, width=width, read_only=flag == " r", zero=flag == " 0")
    if first is None:
        yield one
        return
    for n in range(int(first), min(int(last), int(first) + 31) + 1):
        place = at + (n - int(first)) * width
        yield replace(one, name=f"{name}{n}{rest}", low=place)


def _consistent(chip: Chip) -> None:
    """Raise ValueError where a path names no field, or a UART no peripheral."""
    facts = chip.facts
    paths = [p for one in facts.peripherals.values() for p in one.on]
    paths += [*facts.status, *(p for p in facts.status.values() if isinstance(p, str))]
    paths += [*facts.after, *(p for ones in facts.locked.values() for p in ones)]
    for name, uart in facts.uarts.items():
        if name not in facts.peripherals:
            raise ValueError(f"uarts.{name}: it needs a base in [peripherals.{name}]")
        paths += [uart.clock[0]] if isinstance(uart.clock, list) else []
        paths += [uart.remap] if uart.remap else []
    for path in (p.removeprefix("1<<") for p in paths):
        if path.lstrip("!").count(".") != 2 or chip.field(path) is None:
            raise ValueError(f"{path!r} names no field; PERIPHERAL.REGISTER.FIELD does")
    for path in (*facts.locked, *facts.svd):
        if path not in chip.registers and (path.count(".") != 2 or chip.field(path) is None):
            raise ValueError(f"locked, svd: {path!r} names no register and no field")
