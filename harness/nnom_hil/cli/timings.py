"""Where a run's time goes: seconds and CPU seconds of each phase, all its processes counted."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from nnom_hil.files import write_whole
from nnom_hil.times import TimeSource

__all__ = ["TIMINGS_FILE", "Phase", "Timings"]

TIMINGS_FILE: Final = "timings.json"
_PROC: Final = Path("/proc")
_TICKS: Final = slice(11, 15)  # of stat, behind the name: user, system, those of ended children


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One phase. seconds: of wall clock; cpu_s: of ours and of all that we have started."""

    name: str
    seconds: float
    cpu_s: float


class Timings:
    """Phases one after the other; the first one began with the process."""

    def __init__(self, first: str) -> None:
        self.phases: list[Phase] = []
        self._name = first
        self._wall, self._cpu = time.monotonic() - _age_s(), 0.0

    def begin(self, name: str) -> None:
        """End the phase before, and begin another."""
        wall, cpu = time.monotonic(), _cpu_s()
        self.phases.append(
            Phase(
                name=self._name,
                seconds=round(wall - self._wall, 3),
                cpu_s=round(cpu - self._cpu, 3),
            )
        )
        self._name, self._wall, self._cpu = name, wall, cpu

    def end(self) -> None:
        """End the last phase."""
        self.begin("")

    def show(self, console: Console) -> None:
        """Print a table, with their sum."""
        table = Table(box=None, padding=(0, 2, 0, 0))
        table.add_column("phase")
        for unit in ("seconds, host", "CPU s, host"):
            table.add_column(unit, justify="right")
        total = Phase(
            name="total",
            seconds=sum(phase.seconds for phase in self.phases),
            cpu_s=sum(phase.cpu_s for phase in self.phases),
        )
        for phase in (*self.phases, total):
            table.add_row(phase.name, f"{phase.seconds:.2f}", f"{phase.cpu_s:.2f}")
        console.print(table)

    def write(self, folder: Path) -> None:
        """Write timings.json; raises StoreError."""
        phases = [asdict(phase) for phase in self.phases]
        document = {"time_source": TimeSource.HOST, "phases": phases}
        write_whole(folder / TIMINGS_FILE, json.dumps(document, indent=2) + "\n")


def _cpu_s() -> float:
    """Return the CPU seconds of this process, its ended children and all that run."""
    times = os.times()
    ours = times.user + times.system + times.children_user + times.children_system
    return ours + sum(_running(os.getpid())) / os.sysconf("SC_CLK_TCK")


def _running(parent: int) -> Iterator[int]:
    """Yield the ticks of CPU of each running descendant; nothing where the system does not tell."""
    for file in (_PROC / str(parent) / "task").glob("*/children"):
        for child in _read(file).split():
            ticks = _read(_PROC / child / "stat").rpartition(")")[2].split()[_TICKS]
            yield sum(map(int, ticks))
            yield from _running(int(child))


def _age_s() -> float:
    """Return how long this process has been there, as far as the system tells."""
    fields = _read(_PROC / "self" / "stat").rpartition(")")[2].split()
    uptime = _read(_PROC / "uptime").split()
    if not (fields and uptime):
        return 0.0
    return float(uptime[0]) - int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace")
    except OSError:  # it has ended, or there is no such thing here
        return ""
