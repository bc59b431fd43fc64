"""Instructions of the library's kernels, case by case, and what they were before."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from nnom_hil.boards import Board, core_timing
from nnom_hil.build import Library, build_program
from nnom_hil.errors import TargetError, UsageError
from nnom_hil.files import read_regular, write_whole
from nnom_hil.paths import firmware_dir
from nnom_hil.profiler import (
    check_can_count,
    count_instructions,
    disassemble,
    stretch_cycles,
)
from nnom_hil.tool import compiler_family

__all__ = [
    "KernelCase",
    "KernelCounts",
    "compare_counts",
    "count_kernels",
    "library_against",
    "load_baseline",
    "peer_figures",
    "update_baseline",
]  # fmt: skip

_MAIN: Final = "bench/kernels_main.c"
_SCHEMA: Final = "nnom-hil/kernels/1"
_TIMEOUT_S: Final = 300.0
_LIMIT: Final = 1 << 24
ALLOWED: Final = 0.01
"""Share by which a case may grow before it counts as worse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelCase:
    """One case. instructions: executed, exact. cycles: estimated, memories without wait states.
    work: MACs or results. scratch: bytes.
    """

    name: str
    instructions: int
    cycles: float
    work: int
    unit: str
    scratch: int

    @property
    def each(self) -> float:
        """Instructions per MAC or per result."""
        return self.instructions / self.work


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelCounts:
    """All cases on one core. error_percent: of the cycles, by the core's model. text: bytes of code
    and constants of each kernel's file.
    """

    board: str
    core: str
    error_percent: int
    compiler: str
    kernels: str
    cases: tuple[KernelCase, ...]
    text: dict[str, int]

    @property
    def tool(self) -> str:
        """The compiler and its major version, which counts depend on: "gcc 12"."""
        return compiler_family(self.compiler)

    def as_dict(self) -> dict[str, Any]:
        """Return the facts and the figures per MAC or result."""
        cases = [{**asdict(case), "each": round(case.each, 4)} for case in self.cases]
        return {**asdict(self), "cases": cases}


def count_kernels(board: Board, library: Library | None = None) -> KernelCounts:
    """Build the cases (firmware/bench) for a board and count them in QEMU.

    Raises as build_program and count_instructions do.
    """
    library = library or Library()
    check_can_count(board)
    program = build_program(
        board, _MAIN, library, define="" if library.nnom is None else "BENCH_LOCAL"
    )
    counted = count_instructions(
        board, program.elf, mark="bench_mark", last_line="finished", timeout_s=_TIMEOUT_S
    )
    rows = re.findall(r"^(\w{1,60}) (\d{1,10}) (MAC|result) (\d{1,9})$", counted.text, re.M)
    timing = core_timing(board.core.cpu)
    assert timing is not None  # QEMU runs the board, so that it has one of the cores
    listing = disassemble(program.elf, board.core.cpu)
    if len(rows) > len(counted.between):
        raise TargetError(f"{len(rows)} cases were told, {len(counted.between)} counted")
    return KernelCounts(
        board=board.name,
        core=board.core.cpu.value,
        error_percent=timing.error_percent,
        compiler=program.compiler,
        kernels=library.words,
        cases=tuple(
            KernelCase(
                name=name,
                instructions=stretch.instructions,
                cycles=round(stretch_cycles(stretch, listing, timing, None).total, 1),
                work=int(work),
                unit=unit,
                scratch=int(scratch),
            )
            for (name, work, unit, scratch), stretch in zip(rows, counted.between, strict=False)
        ),
        text={k: v for k, v in program.text.items() if k in _kernel_files()},
    )


def _kernel_files() -> set[str]:
    return {p.stem for p in (firmware_dir() / "nnom" / "src" / "kernels").glob("*/*.c")}


def load_baseline(path: Path) -> dict[str, dict[str, dict[str, int]]]:
    """Return instructions by compiler, core and case; raises UsageError for another file."""
    try:
        document = json.loads(read_regular(path, _LIMIT))
        if document["schema"] != _SCHEMA:
            raise UsageError(f"{path}: schema {document['schema']!r}: this reads {_SCHEMA!r}")
        return {
            str(tool): {
                str(core): {str(case): int(n) for case, n in cases.items()}
                for core, cases in cores.items()
            }
            for tool, cores in document["instructions"].items()
        }
    except OSError as exc:
        raise UsageError(f"{path}: cannot read the baseline: {exc.strerror}") from exc
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise UsageError(
            f"{path}: not a baseline of kernels ({type(exc).__name__}: {exc}); make one with "
            "nnom-hil bench kernels --update"
        ) from exc


def update_baseline(path: Path, counts: KernelCounts) -> None:
    """Write this core's counts into the baseline, beside those of other cores and compilers."""
    known = load_baseline(path) if path.exists() else {}
    cases = {case.name: case.instructions for case in counts.cases}
    known.setdefault(counts.tool, {})[counts.core] = cases
    document = {"schema": _SCHEMA, "instructions": known}
    write_whole(path, json.dumps(document, sort_keys=True, indent=1) + "\n")


def compare_counts(
    counts: KernelCounts, baseline: dict[str, dict[str, dict[str, int]]]
) -> list[str] | None:
    """Return what is worse than before, a line a case; None where nothing is known of this compiler
    and core.
    """
    before = baseline.get(counts.tool, {}).get(counts.core)
    if before is None:
        return None
    worse = []
    now = {case.name: case for case in counts.cases}
    for name, known in before.items():
        if name not in now:
            worse.append(f"{name}: is not counted any more")
        elif now[name].instructions > known * (1 + ALLOWED):
            grown = now[name].instructions / known - 1
            worse.append(
                f"{name}: {now[name].instructions} instructions, {known} before, {grown:+.1%}"
            )
    return worse


def library_against(folder: Path) -> Library:
    """Return the library of a folder with NNoM or CMSIS-NN; raises UsageError where it is none."""
    try:
        library = Library(nnom=folder)
        library.check()
    except UsageError as not_nnom:
        try:
            library = Library(cmsis_nn=folder)
            library.check()
        except UsageError as neither:
            raise UsageError(f"{not_nnom}; {neither}") from neither
    return library


def peer_figures(core: str) -> dict[str, dict[str, float]]:
    """Return published and measured figures of others, and our goals: by who, then by case.

    Instructions per MAC or result, as firmware/bench/peers.toml has them for this core.
    """
    import tomllib

    document = tomllib.loads((firmware_dir() / "bench" / "peers.toml").read_text())
    found: dict[str, dict[str, float]] = {}
    for table in document["figures"]:
        if core in table["cores"]:
            found.setdefault(table["who"], {}).update(table["cases"])
    return found
