"""A board's steps and its chip's facts compared with a vendor's SVD file."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from nnom_hil.boards.board import Board
from nnom_hil.boards.chip import Chip, ChipRegister
from nnom_hil.boards.state import CORE, bits_and_value, decode, register_of
from nnom_hil.boards.svd import Svd, SvdRegister

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """steps: each decoded with the file's names. faults: what cannot both be right.

    notes: what only one of the two has, and what the chip's file says SVD files have wrong.
    """

    steps: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def compare(board: Board, chip: Chip | None, svd: Svd) -> Comparison:
    """Return how a board and its chip stand to an SVD file."""
    found = Comparison()
    for number, step in enumerate(board.startup.steps, 1):
        kind, address = register_of(step)
        ours = chip.at(address) if chip is not None else None
        register = svd.at(address, ours.peripheral if ours else "")
        name = f"0x{address:08X}" if register is None else register.path
        fields = "?" if register is None else decode(step, register)
        found.steps.append(f"{number:3}  {kind:6} {name:16} {fields}")
        bits, value = bits_and_value(step)
        if register is None and address in CORE:
            continue  # of the core, not of the chip
        for fault in _step(register, kind, bits, value):
            _tell(found, chip, ours.path if ours else "", f"step {number} ({name}): {fault}")
    for ours in chip.registers.values() if chip is not None else ():
        theirs = svd.at(ours.address, ours.peripheral)
        if theirs is None:
            found.notes.append(f"{ours.path} (0x{ours.address:08X}) is not in the SVD file")
            continue
        for path, fault in _fields(ours, theirs):
            _tell(found, chip, path, fault)
        found.notes.extend(_coverage(ours, theirs))
    if chip is not None:
        found.faults.extend(_uarts(chip, svd))
    return found


def _tell(found: Comparison, chip: Chip | None, path: str, fault: str) -> None:
    """Add a fault, or a note where the chip's file says that SVD files are wrong there."""
    reason = chip.facts.svd.get(path) if chip is not None else None
    if reason is None:
        found.faults.append(fault)
    else:
        found.notes.append(f"{fault}; known: {reason}")


def _step(register: SvdRegister | None, kind: str, bits: int, value: int) -> Iterator[str]:
    if register is None:
        yield "no register of the SVD file is there"
        return
    wrong = (value if kind == "write" else bits) & ~register.known
    if kind == "write":  # ones after reset are no more wrong than zeros
        wrong &= ~(register.reset or 0)
    if wrong:
        yield f"bits 0x{wrong:08X} are reserved"
    if kind == "wait":
        if register.access in ("write-only", "writeOnce"):
            yield "a wait, and the register is write only"
        return
    if register.access == "read-only":
        yield "the register is read only"
    changed = value if kind == "write" else bits
    for one in register.fields:
        if one.read_only and one.mask & changed:
            yield f"{one.name} is read only (bits 0x{one.mask:08X})"


def _fields(ours: ChipRegister, theirs: SvdRegister) -> Iterator[tuple[str, str]]:
    """Yield the fields of one name that have other bits."""
    places = {one.name: one for one in theirs.fields}
    for one in ours.fields:
        other = places.get(one.name)
        if other is not None and other.mask != one.mask:
            path = f"{ours.path}.{one.name}"
            yield (
                path,
                (
                    f"{path} is bits 0x{one.mask:08X} in the chip's file, "
                    f"0x{other.mask:08X} in the SVD file"
                ),
            )


def _coverage(ours: ChipRegister, theirs: SvdRegister) -> Iterator[str]:
    """Yield a line on bits that only one of the two has."""
    used = sum(one.mask for one in ours.fields if not one.zero)
    only, more = used & ~theirs.known, theirs.known & ~ours.known
    for which, mask, fields in (
        ("the chip's", only, ours.fields),
        ("the SVD", more, theirs.fields),
    ):
        if mask and theirs.fields:
            names = ", ".join(one.name for one in fields if one.mask & mask)
            yield f"{ours.path}: only {which} file has bits 0x{mask:08X} ({names})"


def _uarts(chip: Chip, svd: Svd) -> Iterator[str]:
    for name, uart in chip.facts.uarts.items():
        base = chip.facts.peripherals[name].base
        theirs = svd.bases.get(name)
        if theirs is not None and theirs != base:
            yield f"{name} is at 0x{base:08X} in the chip's file, 0x{theirs:08X} in the SVD file"
        numbers = {
            number
            for interrupts in svd.interrupts.values()
            for interrupt, number in interrupts.items()
            if interrupt.upper().removesuffix("_IRQ").removesuffix("_IRQN") == name
        }
        if numbers and uart.irq not in numbers:
            known = ", ".join(map(str, sorted(numbers)))
            yield f"{name} has interrupt {uart.irq} in the chip's file, {known} in the SVD file"
