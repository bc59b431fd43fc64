"""What an instruction reads and writes, from its operands as the disassembler writes them."""

from dataclasses import dataclass
from typing import Final

from nnom_hil.profiler.listing import Instruction, InstructionClass

__all__ = ["MULTIPLE", "Operands", "operands_of"]

MULTIPLE: Final = frozenset(
    ("ldm", "ldmia", "ldmdb", "pop", "stm", "stmia", "stmdb", "push", "vldm", "vldmia", "vldmdb",
     "vpop", "vstm", "vstmia", "vstmdb", "vpush")
)  # fmt: skip
"""Loads and stores of a list of registers."""

_MEMORY: Final = (InstructionClass.LOAD, InstructionClass.STORE)
_COMPARES: Final = frozenset(("cmp", "cmn", "tst", "teq"))
_TWO_RESULTS: Final = frozenset(("umull", "smull", "umlal", "smlal", "umaal", "smlald"))
_ACCUMULATE_TWO: Final = frozenset(("umlal", "smlal", "umaal", "smlald"))
_ACCUMULATE: Final = frozenset(
    ("mla", "mls", "smlad", "smladx", "smlsd", "smlabb", "smlabt", "smlatb", "smlatt", "smlawb",
     "smlawt", "sxtab16", "uxtab16", "sxtab", "sxtah", "uxtab", "uxtah")
)  # fmt: skip
_NAMES: Final = {"sl": "r10", "fp": "r11", "ip": "r12"}
_FILES: Final = {"r": 13, "s": 32, "d": 32, "q": 8}
_REGISTERS: Final = frozenset(
    ["sp", "lr", "pc", *(f"{file}{n}" for file, count in _FILES.items() for n in range(count))]
)


@dataclass(frozen=True, slots=True)
class Operands:
    """Registers by name. address: of a load or store, of these indexed: base and index register.

    accumulator: those of `reads` that a product or an extended part is added to. listed: how many
    registers are loaded or stored. updates_base: the base is written as well.
    """

    writes: frozenset[str]
    reads: frozenset[str]
    address: tuple[str, ...] = ()
    accumulator: frozenset[str] = frozenset()
    listed: int = 1
    updates_base: bool = False


def operands_of(instruction: Instruction) -> Operands:
    """Return what an instruction reads and writes."""
    text = instruction.operands.partition("@")[0].partition(";")[0].strip()
    if instruction.kind in _MEMORY:
        return _of_memory(instruction, text)
    parts = [part.strip() for part in text.split(",")]
    if instruction.kind is InstructionClass.BRANCH or instruction.name in _COMPARES:
        return Operands(frozenset(), frozenset(_registers(text)))
    results = 2 if instruction.name in _TWO_RESULTS else 1
    writes = frozenset(_registers(",".join(parts[:results])))
    reads = frozenset(_registers(",".join(parts[results:])))
    accumulator: frozenset[str] = frozenset()
    if instruction.name in _ACCUMULATE_TWO:
        accumulator = writes
    elif instruction.name in _ACCUMULATE:
        last = parts[1] if instruction.name.startswith(("sxta", "uxta")) else parts[-1]
        accumulator = frozenset(_registers(last))
    elif len(parts) == 2 and instruction.name not in ("mov", "movs", "movw", "mvn", "mvns"):
        reads |= writes  # "add r0, r1" is r0 += r1
    return Operands(writes, reads | accumulator, accumulator=accumulator)


def _of_memory(instruction: Instruction, text: str) -> Operands:
    data, bracket, rest = text.partition("[")
    if bracket:
        inner, _, tail = rest.partition("]")
        address = tuple(_registers(inner))
        updates = tail.strip().startswith(("!", ","))
        listed = 2 if instruction.name in ("ldrd", "strd") else 1
    elif "{" in text:
        head, _, data = text.partition("{")
        address = tuple(_registers(head)) or ("sp",)
        updates = "!" in head or instruction.name in ("push", "pop", "vpush", "vpop")
        listed = _count(data.partition("}")[0])
    else:  # beside the program counter
        data, address, updates, listed = text.partition(",")[0], ("pc",), False, 1
    registers = frozenset(_registers(data))
    base = frozenset(address[:1]) if updates else frozenset()
    if instruction.kind is InstructionClass.LOAD:
        return Operands(
            registers | base, frozenset(address), address, listed=listed, updates_base=updates
        )
    return Operands(
        base, registers | frozenset(address), address, listed=listed, updates_base=updates
    )


def _registers(text: str) -> list[str]:
    """Return the registers that a text names, ranges by their two ends."""
    words = "".join(c if c.isalnum() else " " for c in text).split()
    names = (_NAMES.get(word, word) for word in words)
    return [name for name in names if name in _REGISTERS]


def _count(registers: str) -> int:
    """Return how many registers a list has: "r0, r2-r4" has 4."""
    total = 0
    for part in registers.split(","):
        first, dash, last = part.strip().partition("-")
        total += _number(last) - _number(first) + 1 if dash else 1
    return total


def _number(register: str) -> int:
    name = _NAMES.get(register.strip(), register.strip())
    return {"sp": 13, "lr": 14, "pc": 15}.get(name, int(name[1:]) if name[1:].isdigit() else 0)
