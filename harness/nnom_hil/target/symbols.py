"""What an ELF says: which function an address is in, what to load where."""

from pathlib import Path

__all__ = ["describe_address", "load_pieces"]


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


def load_pieces(elf: Path) -> list[tuple[int, bytes]]:
    """Return what a loader must put into memory: first address and bytes of each segment."""
    from elftools.elf.elffile import ELFFile

    with elf.open("rb") as file:
        return [
            (segment["p_paddr"], segment.data())
            for segment in ELFFile(file).iter_segments("PT_LOAD")
            if segment["p_filesz"]
        ]
