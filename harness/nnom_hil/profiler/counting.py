"""A program on an emulated board, and how often each of its translated blocks ran."""

import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from nnom_hil.boards import Board, QemuBackend
from nnom_hil.deadline import Deadline
from nnom_hil.errors import TargetError
from nnom_hil.profiler.plugin import counting_plugin
from nnom_hil.target.process import ChildProcess
from nnom_hil.target.qemu import option_path
from nnom_hil.temporary import private_folder

__all__ = ["Counted", "Stretch", "check_can_count", "count_instructions"]

_LOOK_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Stretch:
    """What ran from one mark to the next: (address, instructions, executions) of each block."""

    blocks: tuple[tuple[int, int, int], ...]

    @property
    def instructions(self) -> int:
        """Executed instructions."""
        return sum(size * times for _, size, times in self.blocks)


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What the program printed, and what ran: before the first mark, between marks, after."""

    text: str
    stretches: tuple[Stretch, ...]

    @cached_property
    def between(self) -> tuple[Stretch, ...]:
        """The stretches that begin with a mark of odd number and end with the next one."""
        return self.stretches[1::2]


def count_instructions(
    board: Board, elf: Path, *, mark: str, last_line: str, timeout_s: float
) -> Counted:
    """Run a program in QEMU until it has printed its last line; count between calls of a function.

    mark: that function's name. Counts are exact and the same in every run: nothing depends on time.
    Raises TargetError where the board has no QEMU machine, the program lacks the function, ends
    early or is not done in time, and ToolError as counting_plugin does.
    """
    machine = check_can_count(board)
    plugin = counting_plugin()
    address = _address_of(elf, mark)
    with private_folder() as folder:
        console, counts = folder / "console.txt", folder / "counts.txt"
        process = ChildProcess(
            [
                "qemu-system-arm", "-machine", machine.machine,
                "-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none",
                *["-serial", "null"] * machine.serial,
                "-serial", f"file:{option_path(console)}", "-kernel", str(elf),
                "-plugin", f"{option_path(plugin)},out={option_path(counts)},mark={address:#x}",
            ],
            name="qemu-system-arm",
        )  # fmt: skip
        try:
            text = _printed(process, console, last_line, Deadline.after(timeout_s))
            _end(process, Deadline.after(timeout_s))
            return Counted(text=text, stretches=_stretches(counts))
        finally:
            process.kill()


def check_can_count(board: Board) -> QemuBackend:
    """Return the board's QEMU machine; raises TargetError where it has none."""
    if board.backend.qemu is None:
        raise TargetError(
            f"board {board.name}: instructions are counted in QEMU, and its file has no "
            "[backend.qemu] table; try another board with the same core"
        )
    return board.backend.qemu


def _address_of(elf: Path, function: str) -> int:
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    with elf.open("rb") as file:
        symbols = ELFFile(file).get_section_by_name(".symtab")
        found = None
        if isinstance(symbols, SymbolTableSection):
            found = symbols.get_symbol_by_name(function)
    if not found:
        raise TargetError(f"{elf}: it has no function {function} to count from")
    return int(found[0]["st_value"]) & ~1


def _printed(process: ChildProcess, console: Path, last_line: str, deadline: Deadline) -> str:
    while True:
        reason = process.why_ended()
        text = console.read_text(errors="replace") if console.exists() else ""
        if text.rstrip("\n").endswith(last_line):
            return text
        if reason is not None or "FAULT" in text:
            raise TargetError(reason or f"the program stopped: {text[-500:]}")
        if deadline.expired:
            raise TargetError(f"the program is not done in time; it printed: {text[-500:]}")
        time.sleep(_LOOK_S)


def _end(process: ChildProcess, deadline: Deadline) -> None:
    """Ask QEMU to end, which lets the plugin write what it counted."""
    import signal

    process.signal(signal.SIGTERM)
    while process.why_ended() is None and not deadline.expired:
        time.sleep(_LOOK_S)


def _stretches(counts: Path) -> tuple[Stretch, ...]:
    try:
        text = counts.read_text()
    except OSError as exc:
        raise TargetError(f"QEMU wrote no counts: {exc.strerror}") from exc
    if not text.endswith("end\n"):
        raise TargetError("QEMU's counts are not whole: is the disk full?")
    stretches: list[list[tuple[int, int, int]]] = []
    for line in text.splitlines()[:-1]:
        if line == "mark":
            stretches.append([])
        else:
            start, size, times = line.split()
            stretches[-1].append((int(start, 16), int(size), int(times)))
    return tuple(Stretch(tuple(blocks)) for blocks in stretches)
