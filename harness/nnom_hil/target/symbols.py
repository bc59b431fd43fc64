"""Addresses become function names, from an ELF's symbol table."""

from pathlib import Path

__all__ = ["describe_address"]


def describe_address(elf: Path, address: int) -> str:
    """Return `function+offset` for a code address, or the plain address outside functions."""
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    address &= ~1  # bit 0 of a code address means Thumb
    with elf.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        if isinstance(table, SymbolTableSection):
            for symbol in table.iter_symbols():
                start = symbol["st_value"] & ~1
                is_function = symbol["st_info"]["type"] == "STT_FUNC"
                if is_function and start <= address < start + max(symbol["st_size"], 2):
                    return f"{symbol.name}+{address - start:#x}"
    return f"{address:#010x}"
