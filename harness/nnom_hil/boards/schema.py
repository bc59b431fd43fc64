"""What files of boards, chips and cores share: strict tables, kinds of numbers, messages."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from nnom_hil.errors import BoardError
from nnom_hil.toml import load_toml

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
    "load_document",
    "load_facts",
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


_Facts = TypeVar("_Facts", bound=BaseModel)


def load_document(path: Path, what: str) -> dict[str, Any]:
    """Read a TOML file; what: the kind of file, in messages. Raises BoardError."""
    try:
        return load_toml(path)
    except OSError as exc:
        raise BoardError(f"{path}: cannot read the {what} file: {exc.strerror}") from exc
    except ValueError as exc:
        raise BoardError(f"{path}: not valid TOML: {exc}") from exc


def load_facts(path: Path, kind: type[_Facts], what: str) -> _Facts:
    """Read a TOML file into a table; raises BoardError naming key, value and what is right."""
    try:
        return kind.model_validate(load_document(path, what))
    except ValidationError as exc:
        problems = "\n".join(f"  {line}" for line in explain(exc))
        raise BoardError(f"{path}: not a valid {what} file:\n{problems}") from exc


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
