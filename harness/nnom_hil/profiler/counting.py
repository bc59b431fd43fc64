"""A program on an emulated board, and how often each of its translated blocks ran."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

from nnom_hil.boards import Board, FlashReads, QemuBackend, Region
from nnom_hil.deadline import Deadline
from nnom_hil.errors import TargetError
from nnom_hil.profiler.plugin import counting_plugin
from nnom_hil.target.process import ChildProcess
from nnom_hil.target.qemu import option_path
from nnom_hil.temporary import private_folder

__all__ = [
    "Block",
    "Counted",
    "Stretch",
    "check_can_count",
    "count_instructions",
    "end_and_wait",
    "function_extent",
    "plugin_options",
    "stretches_of",
]

_LOOK_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Block:
    """Instructions that ran one after the other, as QEMU translated them, and how often.

    start: the first one's address. taken: how often it went on elsewhere than behind the last one,
    by a branch. A block may begin in the middle of another.
    following, elsewhere: reads of flash for its code that no cache spared, behind the read before
    or not; data: those of its loads. All 0 where flash was not watched.
    """

    start: int
    instructions: int
    executions: int
    taken: int
    following: int = 0
    elsewhere: int = 0
    data: int = 0


@dataclass(frozen=True, slots=True)
class Stretch:
    """What ran from one mark to the next. mark: the address that it begins at, 0 for the first.

    blocks: in the order of their addresses, each once.
    """

    mark: int
    blocks: tuple[Block, ...]

    @property
    def instructions(self) -> int:
        """Executed instructions."""
        return sum(block.instructions * block.executions for block in self.blocks)


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
    address, _ = function_extent(elf, mark)
    with private_folder() as folder:
        console, counts = folder / "console.txt", folder / "counts.txt"
        process = ChildProcess(
            [
                "qemu-system-arm", "-machine", machine.machine,
                "-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none",
                *["-serial", "null"] * machine.serial,
                "-serial", f"file:{option_path(console)}", "-kernel", str(elf),
                *plugin_options(counts, [address]),
            ],
            name="qemu-system-arm",
        )  # fmt: skip
        try:
            text = _printed(process, console, last_line, Deadline.after(timeout_s))
            end_and_wait(process, Deadline.after(timeout_s))
            return Counted(text=text, stretches=stretches_of(counts))
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


def plugin_options(
    counts: Path,
    marks: Sequence[int],
    *,
    aside: tuple[int, int] = (0, 0),
    flash: tuple[Region, FlashReads] | None = None,
) -> list[str]:
    """Return QEMU's options that make it write to a file what ran; stretches_of() reads that.

    marks: addresses of functions, at each of whose calls a stretch begins. aside: start and end of
    an interrupt's handler, which is not where a block went on. flash: which reads of it to count,
    and by what caches. Raises as counting_plugin does.
    """
    words = [f"mark={mark:#x}" for mark in marks] + [f"aside={aside[0]:#x}-{aside[1]:#x}"]
    if flash is not None:
        region, reads = flash
        words += [f"flash={region.origin:#x}-{region.end:#x}", f"width={reads.width}"]
        words += [f"code={reads.instruction_cache}", f"data={reads.data_cache}"]
    told = [option_path(counting_plugin()), f"out={option_path(counts)}", *words]
    return ["-plugin", ",".join(told)]


def function_extent(elf: Path, function: str) -> tuple[int, int]:
    """Return where a program's function starts and ends; raises TargetError where it has none."""
    found = _symbols(elf, elf.stat().st_mtime_ns).get(function)
    if found is None:
        raise TargetError(f"{elf}: it has no function {function} to count from")
    start = found[0] & ~1
    return start, start + found[1]


@lru_cache(maxsize=2)
def _symbols(elf: Path, written: int) -> dict[str, tuple[int, int]]:
    """Return value and size of each symbol, read once: several functions are asked for."""
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    del written
    with elf.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        symbols = table.iter_symbols() if isinstance(table, SymbolTableSection) else ()
        return {s.name: (int(s["st_value"]), int(s["st_size"])) for s in symbols}


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


def end_and_wait(process: ChildProcess, deadline: Deadline) -> None:
    """Ask QEMU to end, which lets the plugin write what it counted."""
    import signal

    process.signal(signal.SIGTERM)
    while process.why_ended() is None and not deadline.expired:
        time.sleep(_LOOK_S)


def stretches_of(counts: Path) -> tuple[Stretch, ...]:
    """Read what the plugin wrote, once QEMU has ended; raises TargetError where it is not whole."""
    try:
        text = counts.read_text()
    except OSError as exc:
        raise TargetError(f"QEMU wrote no counts: {exc.strerror}") from exc
    if not text.endswith("end\n"):
        raise TargetError("QEMU's counts are not whole: is the disk full?")
    stretches: list[tuple[int, dict[tuple[int, int], list[int]]]] = []
    for line in text.splitlines()[:-1]:
        if line.startswith("from "):
            stretches.append((int(line[5:], 16), {}))
            continue
        address, size, *rest = line.split()
        key = int(address, 16), int(size)
        numbers = [int(count) for count in rest]
        known = stretches[-1][1]
        if key in known:  # translated more than once
            numbers = [a + b for a, b in zip(numbers, known[key], strict=True)]
        known[key] = numbers
    return tuple(
        Stretch(mark, tuple(Block(*key, *numbers) for key, numbers in sorted(known.items())))
        for mark, known in stretches
    )
