"""The instructions of a program, as the toolchain's disassembler lists them."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from nnom_hil.boards import Cpu
from nnom_hil.deadline import Deadline
from nnom_hil.tool import run_tool

__all__ = ["Instruction", "InstructionClass", "disassemble"]

_OBJDUMP: Final = "arm-none-eabi-objdump"
_TIMEOUT_S: Final = 60.0
_CONDITIONS: Final = frozenset(
    ("eq", "ne", "cs", "hs", "cc", "lo", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le")
)
_WHOLE: Final = frozenset(
    (
        "movs",
        "adcs",
        "sbcs",
        "bics",
        "lsls",
        "muls",
        "mls",
        "smmls",
        "teq",
        "svc",
        "dls",
        "wls",
        "le",
    )
)  # names that end as a condition does


class InstructionClass(StrEnum):
    """Kinds of instructions whose costs and causes differ.

    VECTOR is Helium's, SIMD what the DSP extension does with parts of a word.
    """

    LOAD = "load"
    STORE = "store"
    SIMD_MULTIPLY = "SIMD multiply"
    MULTIPLY = "multiply"
    DIVIDE = "divide"
    BRANCH = "branch"
    SIMD = "SIMD"
    VECTOR = "vector"
    FLOAT = "float"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction. size: 2 or 4 bytes. name: without condition and width, "ldr" of "ldreq.w".

    operands: as the disassembler writes them. function: the symbol before it.
    """

    address: int
    size: int
    name: str
    operands: str
    function: str

    @property
    def kind(self) -> InstructionClass:
        """What it does."""
        name = self.name
        if name in _BY_NAME:
            return _BY_NAME[name]
        for start, kind in _BY_START:
            if name.startswith(start):
                return kind
        if name.startswith("v"):
            is_vector = "q" in self.operands or name.startswith("vp") or name == "vctp"
            return InstructionClass.VECTOR if is_vector else InstructionClass.FLOAT
        return _OTHER


_OTHER: Final = InstructionClass.OTHER
_BY_NAME: Final = {
    **dict.fromkeys(("b", "bl", "bx", "blx", "bxns", "blxns", "cbz", "cbnz", "tbb", "tbh", "wls",
                     "wlstp", "le", "letp"), InstructionClass.BRANCH),
    **dict.fromkeys(("sdiv", "udiv"), InstructionClass.DIVIDE),
    **dict.fromkeys(("pop", "pld"), InstructionClass.LOAD),
    "push": InstructionClass.STORE,
    **dict.fromkeys(("mul", "muls", "mla", "mls", "smull", "umull", "smlal", "umlal", "umaal",
                     "smmul", "smmulr", "smmla", "smmlar", "smmls", "smmlsr"),
                    InstructionClass.MULTIPLY),
    **dict.fromkeys(("vldr", "vldm", "vldmia", "vldmdb", "vpop"), InstructionClass.LOAD),
    **dict.fromkeys(("vstr", "vstm", "vstmia", "vstmdb", "vpush"), InstructionClass.STORE),
    "sel": InstructionClass.SIMD,
    "usat": _OTHER, "ssat": _OTHER, "sxtb": _OTHER, "sxth": _OTHER, "uxtb": _OTHER, "uxth": _OTHER,
    "sxtab": _OTHER, "sxtah": _OTHER, "uxtab": _OTHER, "uxtah": _OTHER,
}  # fmt: skip
_BY_START: Final = (
    # Armv8.1-M's vector loads and stores name their beats: vldrb, vldrw, vld40, vstrb
    ("vld", InstructionClass.LOAD), ("vst", InstructionClass.STORE),
    ("ldr", InstructionClass.LOAD), ("ldm", InstructionClass.LOAD),
    ("str", InstructionClass.STORE), ("stm", InstructionClass.STORE),
    ("smla", InstructionClass.SIMD_MULTIPLY), ("smls", InstructionClass.SIMD_MULTIPLY),
    ("smua", InstructionClass.SIMD_MULTIPLY), ("smus", InstructionClass.SIMD_MULTIPLY),
    ("smul", InstructionClass.SIMD_MULTIPLY),
    *((start, InstructionClass.SIMD) for start in (
        "sadd", "ssub", "uadd", "usub", "qadd", "qsub", "uqadd", "uqsub", "shadd", "shsub",
        "uhadd", "uhsub", "sxtb16", "sxtab16", "uxtb16", "uxtab16", "pkh", "ssat16", "usat16",
        "usad", "sasx", "ssax", "uasx", "usax")),
)  # fmt: skip


def disassemble(elf: Path, core: Cpu) -> dict[int, Instruction]:
    """Return a program's instructions by address, in their order; data between them is left out.

    Raises ToolError where arm-none-eabi-objdump is missing or cannot read the file.
    """
    # it takes Helium's instructions for coprocessors' where it is not told
    machine = ["-m", "armv8.1-m.main"] if core is Cpu.CORTEX_M55 else []
    text = run_tool([_OBJDUMP, "-dw", *machine, elf], deadline=Deadline.after(_TIMEOUT_S))
    found: dict[int, Instruction] = {}
    function = ""
    for line in text.splitlines():
        if line.endswith(">:"):
            function = line.partition("<")[2][:-2]
            continue
        fields = line.split("\t")  # address:, bytes, name, operands, comment
        if len(fields) < 3 or fields[2].startswith((".", "<")):
            continue
        address = int(fields[0].strip(" :"), 16)
        found[address] = Instruction(
            address=address,
            size=len(fields[1].replace(" ", "")) // 2,
            name=_bare(fields[2]),
            operands=fields[3].strip() if len(fields) > 3 else "",
            function=function,
        )
    return found


def _bare(name: str) -> str:
    """Leave out type, width and condition."""
    name = name.strip().partition(".")[0]
    # Helium's vmovlt is no vmovl under a condition
    if name in _WHOLE or name[-2:] not in _CONDITIONS or name.startswith("v"):
        return name
    return name[:-2]
