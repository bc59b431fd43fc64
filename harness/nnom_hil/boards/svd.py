"""CMSIS-SVD files: what a vendor says of a chip's registers, read with the package cmsis-svd."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from nnom_hil.boards.chip import BitField
from nnom_hil.errors import BoardError
from nnom_hil.extras import need

__all__ = ["Svd", "SvdRegister", "load_svd"]

_MOST_BYTES: Final = 64 << 20
_MOST_REGISTERS: Final = 1 << 16


@dataclass(frozen=True, kw_only=True)
class SvdRegister:
    """A register. fields: empty where the file has none. reset: None where it says nothing."""

    path: str
    address: int
    reset: int | None
    access: str
    fields: tuple[BitField, ...]

    @property
    def known(self) -> int:
        """All bits of its fields, or all where it has none."""
        return sum(field.mask for field in self.fields) or 0xFFFF_FFFF


@dataclass(frozen=True, kw_only=True)
class Svd:
    """A file's registers by address, the bases and interrupts of its peripherals."""

    path: Path
    registers: dict[int, tuple[SvdRegister, ...]]
    bases: dict[str, int]
    interrupts: dict[str, dict[str, int]]

    def at(self, address: int, peripheral: str = "") -> SvdRegister | None:
        """Return the register at an address; of several, that of a peripheral, else the widest."""
        found = self.registers.get(address, ())
        named = [r for r in found if r.path.startswith(f"{peripheral}.")]
        return max(named or found, key=lambda r: r.known.bit_count(), default=None)


def load_svd(path: Path) -> Svd:
    """Read an SVD file.

    Raises BoardError for a file that cannot be read or is none, ToolError without cmsis-svd.
    """
    need("svd", f"{path}: reading SVD files")
    from cmsis_svd.parser import SVDParser

    tree = _parsed(path)
    try:
        return _collected(path, SVDParser(tree).get_device())
    except Exception as exc:  # the package has no error of its own for files that are damaged
        what = f"{type(exc).__name__}: {str(exc).splitlines()[0][:200] if str(exc) else 'no more'}"
        raise BoardError(f"{path}: cmsis-svd cannot read this SVD file: {what}") from exc


def _parsed(path: Path) -> Any:
    """Return the XML tree. Entities are not expanded, nothing is fetched, arrays are counted."""
    from lxml import etree

    try:
        if path.stat().st_size > _MOST_BYTES:
            raise BoardError(f"{path}: larger than {_MOST_BYTES >> 20} MiB; no SVD file is")
        parser = etree.XMLParser(
            resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False,
            remove_comments=True, remove_pis=True,
        )  # fmt: skip
        with path.open("rb") as file:
            tree = etree.parse(file, parser)
    except OSError as exc:
        raise BoardError(f"{path}: cannot read the SVD file: {exc.strerror or exc}") from exc
    except etree.XMLSyntaxError as exc:
        raise BoardError(f"{path}: not an SVD file: no valid XML: {exc}") from exc
    if tree.docinfo.internalDTD is not None:
        raise BoardError(f"{path}: it has a DOCTYPE, which SVD files have not; remove it")
    if tree.getroot().tag != "device":
        raise BoardError(f"{path}: not an SVD file: it is about {tree.getroot().tag!r}, no device")
    if sum(_copies(node) for node in tree.iter("register")) > _MOST_REGISTERS:
        raise BoardError(f"{path}: its arrays make more than {_MOST_REGISTERS} registers")
    return tree


def _copies(node: Any) -> int:
    """Return how many registers an element stands for, by its dim and those around it."""
    copies = 1
    while node is not None:
        text = (node.findtext("dim") or "1").strip()
        try:
            copies *= max(1, int(text, 0))
        except ValueError:
            return _MOST_REGISTERS + 1
        node = node.getparent()
    return copies


def _collected(path: Path, device: Any) -> Svd:
    registers: dict[int, list[SvdRegister]] = {}
    bases, interrupts = {}, {}
    for peripheral in device.get_peripherals():
        bases[peripheral.name] = peripheral.base_address
        interrupts[peripheral.name] = {i.name: i.value for i in peripheral.interrupts or ()}
        for register in peripheral.get_registers():
            address = peripheral.base_address + register.address_offset
            fields = tuple(_fields(register))
            found = SvdRegister(
                path=f"{peripheral.name}.{register.name}",
                address=address,
                reset=register.reset_value,
                access=_access(register) or _access(peripheral),
                fields=fields,
            )
            registers.setdefault(address, []).append(found)
    if not registers:
        raise ValueError("it has no register")
    found_all = {address: tuple(ones) for address, ones in registers.items()}
    return Svd(path=path, registers=found_all, bases=bases, interrupts=interrupts)


def _fields(register: Any) -> Iterator[BitField]:
    taken = 0
    for field in sorted(register.get_fields(), key=lambda f: f.bit_offset):
        one = BitField(
            name=field.name,
            low=field.bit_offset,
            width=field.bit_width,
            read_only=_access(field) == "read-only",
        )
        if one.mask < 1 << 32 and not one.mask & taken:  # some files name bits twice
            taken |= one.mask
            yield one


def _access(element: Any) -> str:
    return element.access.value if element.access is not None else ""
