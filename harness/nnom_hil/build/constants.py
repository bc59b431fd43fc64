"""A model's constants in an ELF file, whole or cut off."""

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nnom_hil.errors import UsageError
from nnom_hil.files import read_regular

__all__ = ["Constants", "constants_of"]

_OF_MODEL: Final = re.compile(r"tensor_\w{1,500}_data|\w{1,500}_(output|bias)_shift")
_LIMIT: Final = 1 << 30
_LOAD: Final = 1  # PT_LOAD


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    """What a file holds of a model. bytes_of: each constant by symbol, short where its end is not
    there. places: address and size by symbol. size: the file's; needed: what its headers tell of.
    """

    bytes_of: dict[str, bytes]
    places: dict[str, tuple[int, int]]
    size: int
    needed: int


@dataclass(frozen=True, slots=True)
class _Segment:
    offset: int
    address: int
    size: int


def constants_of(elf: Path, places: dict[str, tuple[int, int]] | None = None) -> Constants:
    """Return the constants of a model in a firmware.

    places: where they are, for a file whose own table of symbols is cut off or stripped. Raises
    UsageError for a file that cannot be read or is no ELF file of a 32- or 64-bit little-endian
    machine.
    """
    try:
        data = read_regular(elf, _LIMIT)
    except OSError as exc:
        raise UsageError(f"{elf}: cannot read it: {exc.strerror}") from exc
    if data[:4] != b"\x7fELF" or data[5:6] != b"\x01":
        raise UsageError(f"{elf}: not an ELF file of a little-endian machine: build writes one")
    try:
        segments, needed = _segments(data)
    except struct.error as exc:
        raise UsageError(f"{elf}: its first {len(data)} bytes are no whole ELF header") from exc
    known = _symbols(elf, data, needed) or places or {}
    return Constants(
        bytes_of={name: _read(data, segments, *place) for name, place in known.items()},
        places=known,
        size=len(data),
        needed=needed,
    )


def _segments(data: bytes) -> tuple[list[_Segment], int]:
    """Return what is loaded, and the bytes that the headers tell of."""
    wide = data[4] == 2
    if wide:
        phoff, shoff = struct.unpack_from("<QQ", data, 32)
        phsize, phnum, shsize, shnum = struct.unpack_from("<HHHH", data, 54)
    else:
        phoff, shoff = struct.unpack_from("<II", data, 28)
        phsize, phnum, shsize, shnum = struct.unpack_from("<HHHH", data, 42)
    needed, segments = shoff + shsize * shnum, []
    for i in range(phnum):
        at = phoff + i * phsize
        if wide:
            kind, _, offset, address, _, size = struct.unpack_from("<IIQQQQ", data, at)
        else:
            kind, offset, address, _, size = struct.unpack_from("<IIIII", data, at)
        if kind == _LOAD:
            segments.append(_Segment(offset, address, size))
            needed = max(needed, offset + size)
    return segments, needed


def _symbols(elf: Path, data: bytes, needed: int) -> dict[str, tuple[int, int]]:
    """Return the model's symbols; none where the file is cut off or has no table."""
    if len(data) < needed:
        return {}
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    try:
        with elf.open("rb") as file:
            table = ELFFile(file).get_section_by_name(".symtab")
            if not isinstance(table, SymbolTableSection):
                return {}
            return {
                symbol.name: (symbol["st_value"], symbol["st_size"])
                for symbol in table.iter_symbols()
                if symbol["st_size"] and _OF_MODEL.fullmatch(symbol.name)
            }
    except (ELFError, ValueError, KeyError) as exc:
        raise UsageError(f"{elf}: its table of symbols cannot be read: {exc}") from exc


def _read(data: bytes, segments: list[_Segment], address: int, size: int) -> bytes:
    for segment in segments:
        inside = address - segment.address
        if inside >= 0 and inside + size <= segment.size:
            at = segment.offset + inside
            return data[at : at + size]
    return b""
