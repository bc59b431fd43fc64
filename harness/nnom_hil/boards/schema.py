"""What board files and chip files have in common: strict tables, kinds of numbers, messages."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

__all__ = [
    "Address",
    "Check",
    "Core",
    "Cpu",
    "Facts",
    "Hertz",
    "Pin",
    "Region",
    "Register",
    "Size",
    "Sources",
    "Word",
    "explain",
]


class Facts(BaseModel):
    """A table: no other keys than its own, of exactly their types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Address = Annotated[int, Field(ge=0, lt=2**32)]
Register = Annotated[int, Field(gt=0, lt=2**32, multiple_of=4)]
Word = Annotated[int, Field(ge=0, lt=2**32)]
Size = Annotated[int, Field(gt=0, le=2**32, multiple_of=4)]
Hertz = Annotated[int, Field(ge=1_000_000, le=1_000_000_000)]
Pin = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9.]{1,7}$")]
Sources = dict[
    Annotated[str, Field(pattern=r"^[a-z]+$")], Annotated[str, Field(min_length=1, max_length=400)]
]


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


class Core(Facts):
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


class Region(Facts):
    """One memory: first address and bytes."""

    origin: Address
    length: Size

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.origin + self.length


class Check(Facts):
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


def explain(error: ValidationError) -> Iterator[str]:
    """Yield a line for each thing that is wrong: key, value, table, and what would be right."""
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
