"""What a built firmware holds: sections and symbols of its ELF; and the compiler's flags."""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from nnom_hil.errors import BuildError
from nnom_hil.records import SYMBOLS, Region, SymbolSize

__all__ = ["Contents", "SectionSizes", "compiler_flags", "contents_of"]

_MODEL_SOURCE: Final = "model.c"
_ALLOC: Final = 2  # SHF_ALLOC: it takes room on the target
_WRITE: Final = 1  # SHF_WRITE
_KINDS: Final = {"STT_FUNC", "STT_OBJECT"}
_WITH_OPERAND: Final = {"-o", "-c", "-I", "-isystem", "-MF", "-MT", "-MQ"}
_OF_FOLDERS: Final = ("-I", "-ffile-prefix-map=")


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionSizes:
    """Bytes of the image. flash: code, constants, initial data. static_ram: .data and .bss."""

    flash: int
    static_ram: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """sections: bytes of those that take room, by name. symbols: the largest, largest first."""

    sizes: SectionSizes
    sections: dict[str, int]
    symbols: tuple[SymbolSize, ...]


def contents_of(elf: Path) -> Contents:
    """Read an ELF file that was just built."""
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    with elf.open("rb") as file:
        image = ELFFile(file)
        placed = {
            index: (section.name, section["sh_size"], _region(section))
            for index, section in enumerate(image.iter_sections())
            if section["sh_flags"] & _ALLOC and section["sh_size"]
        }
        table = image.get_section_by_name(".symtab")
        symbols = [
            SymbolSize(name=symbol.name, size=symbol["st_size"], region=region)
            for symbol in (table.iter_symbols() if isinstance(table, SymbolTableSection) else ())
            if symbol["st_info"]["type"] in _KINDS and symbol["st_size"]
            if (region := placed.get(symbol["st_shndx"], (None, 0, None))[2]) is not None
        ]
    sections: dict[str, int] = {}
    for name, size, _ in placed.values():
        sections[name] = sections.get(name, 0) + size
    return Contents(
        sizes=SectionSizes(
            flash=sum(size for _, size, region in placed.values() if region is not Region.RAM),
            static_ram=sum(
                size for _, size, region in placed.values() if region is not Region.FLASH
            ),
        ),
        sections=sections,
        symbols=tuple(sorted(symbols, key=lambda s: (-s.size, s.name, s.region))[:SYMBOLS]),
    )


def _region(section: Any) -> Region:
    if section["sh_type"] == "SHT_NOBITS":
        return Region.RAM
    return Region.BOTH if section["sh_flags"] & _WRITE else Region.FLASH


def compiler_flags(compile_commands: str) -> tuple[str, ...]:
    """Return the flags that the model was compiled with, from CMake's compile_commands.json.

    Folders and files are left out: they are those of one build. Raises BuildError where it is not
    there.
    """
    commands = {
        Path(entry["file"]).name: entry["command"] for entry in json.loads(compile_commands)
    }
    if _MODEL_SOURCE not in commands:
        raise BuildError(f"CMake compiles no {_MODEL_SOURCE}; reinstall nnom-hil")
    words = iter(shlex.split(commands[_MODEL_SOURCE])[1:])
    flags = []
    for word in words:
        if word in _WITH_OPERAND:
            next(words, None)
        elif not word.startswith(_OF_FOLDERS):
            flags.append(word)
    return tuple(flags)
