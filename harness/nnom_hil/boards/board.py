"""The board description: its fields, its rules, and where boards are found."""

import re
import tomllib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from nnom_hil.errors import BoardError
from nnom_hil.paths import boards_dir

__all__ = ["Board", "QemuBackend", "find_board", "list_boards", "load_board"]


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Address = Annotated[int, Field(ge=0, lt=2**32)]
Size = Annotated[int, Field(gt=0, le=2**32)]
Hertz = Annotated[int, Field(gt=0, le=2_000_000_000)]


class Cpu(StrEnum):
    """Cores, as GCC's -mcpu names them."""

    CORTEX_M0 = "cortex-m0"
    CORTEX_M0PLUS = "cortex-m0plus"
    CORTEX_M3 = "cortex-m3"
    CORTEX_M4 = "cortex-m4"
    CORTEX_M7 = "cortex-m7"
    CORTEX_M23 = "cortex-m23"
    CORTEX_M33 = "cortex-m33"
    CORTEX_M55 = "cortex-m55"


class Core(_Facts):
    """fpu: GCC's -mfpu name; absent means floats are computed in software."""

    cpu: Annotated[Cpu, Field(strict=False)]
    fpu: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")] | None = None


class Clock(_Facts):
    """core_hz: what SysTick and DWT count. Whole megahertz, so that microseconds are exact."""

    core_hz: Annotated[Hertz, Field(multiple_of=1_000_000)]


class Region(_Facts):
    """One memory: first address and bytes."""

    origin: Address
    length: Size

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.origin + self.length


class Memory(_Facts):
    """Code and constants live in flash, everything else in ram."""

    flash: Region
    ram: Region

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.flash.origin < self.ram.end and self.ram.origin < self.flash.end:
            raise ValueError("flash and ram overlap")
        if max(self.flash.end, self.ram.end) > 2**32:
            raise ValueError("a memory reaches beyond 32-bit addresses")
        return self


class Console(_Facts):
    """The UART that carries text and frames; driver is a file of firmware/platform/uart."""

    driver: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    base: Annotated[Address, Field(multiple_of=4)]
    irq: Annotated[int, Field(ge=0, lt=112)]
    clock_hz: Hertz
    baud: Annotated[int, Field(ge=1200, le=12_000_000)]


class Time(_Facts):
    """driver is a file of firmware/platform/time."""

    driver: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]


class QemuBackend(_Facts):
    """machine: QEMU's -machine name. icount_shift: 2^shift ns of virtual time an instruction."""

    machine: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]
    icount_shift: Annotated[int, Field(ge=0, le=10)]


class Backends(_Facts):
    """What can run the board."""

    qemu: QemuBackend | None = None


class Board(_Facts):
    """One validated board file."""

    schema_: Annotated[Literal["nnom-hil/board/1"], Field(alias="schema")]
    name: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    title: Annotated[str, Field(min_length=1, max_length=80)]
    core: Core
    clock: Clock
    memory: Memory
    console: Console
    time: Time
    backend: Backends = Backends()


def load_board(path: Path) -> Board:
    """Read and validate one board file.

    Raises BoardError naming file, key, value and what would be right.
    """
    try:
        text = path.read_bytes().decode()
        document = tomllib.loads(text)
    except OSError as exc:
        raise BoardError(f"{path}: cannot read the board file: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise BoardError(f"{path}: not valid TOML: {exc}") from exc
    try:
        board = Board.model_validate(document)
    except ValidationError as exc:
        problems = "\n".join(f"  {line}" for line in _explain(exc))
        raise BoardError(f"{path}: not a valid board file:\n{problems}") from exc
    if board.name != path.stem:
        raise BoardError(
            f"{path}: name is {board.name!r}; it must be the file's name, {path.stem!r}"
        )
    return board


def _explain(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        *tables, key = [str(part) for part in problem["loc"]] or [""]
        where = f"in [{'.'.join(tables)}]" if tables else "at the top"
        match problem["type"]:
            case "extra_forbidden":
                yield f"unknown key {key!r} {where}: remove it or correct its name"
            case "missing":
                yield f"missing key {key!r} {where}: add it (docs/boards.md describes every key)"
            case "value_error":
                yield f"{key} {where}: {problem['ctx']['error']}"
            case _:
                yield f"{key} = {problem['input']!r} {where}: {_lower_first(problem['msg'])}"


def _lower_first(message: Any) -> str:
    text = str(message)
    return text[:1].lower() + text[1:]


def list_boards(extra: Path | None = None) -> dict[str, Path]:
    """Return every board file by name; those of the folder `extra` come before shipped ones."""
    if extra is not None and not extra.is_dir():
        raise BoardError(f"{extra}: not a folder; --boards names a folder of .toml files")
    folders = [boards_dir(), *([extra] if extra is not None else [])]
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.toml"))}


def find_board(name: str, extra: Path | None = None) -> Board:
    """Return the board of that name, or of that file if `name` ends in .toml.

    Raises BoardError when there is none, listing those there are.
    """
    if name.endswith(".toml"):
        return load_board(Path(name))
    known = list_boards(extra)
    if name not in known:
        from difflib import get_close_matches

        near = get_close_matches(re.sub(r"\W", "_", name.lower()), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "add a file with --boards DIR"
        raise BoardError(f"no board {name!r}; known: {', '.join(sorted(known))}; {hint}")
    return load_board(known[name])
