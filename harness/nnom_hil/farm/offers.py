"""What a machine offers to a farm, and what a run needs of one, as Dask resources.

core: a processor core; each emulated target takes one. qemu, renode, native-ARCHITECTURE: targets
of that kind at a time. board:NAME: attached boards of that name, each for one run at a time.
"""

import os
import platform
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nnom_hil.errors import UsageError
from nnom_hil.probe import Entry, load_map
from nnom_hil.run.request import RunRequest
from nnom_hil.target.select import emulators_here

__all__ = ["BOARD", "CORE", "Demand", "Offer", "demand_of", "look_here", "resource_of"]

CORE: Final = "core"
BOARD: Final = "board:"
_OF_A_MACHINE: Final = {"native"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """cores: targets that run at a time. emulators: kinds of back ends. boards: those attached."""

    cores: int
    emulators: tuple[str, ...] = ()
    boards: tuple[Entry, ...] = ()

    @property
    def resources(self) -> dict[str, float]:
        """As Dask has them."""
        counted = Counter(f"{BOARD}{entry.board}" for entry in self.boards)
        emulated = {resource_of(name): float(self.cores) for name in self.emulators}
        return {CORE: float(self.cores), **emulated, **{k: float(n) for k, n in counted.items()}}

    @property
    def words(self) -> str:
        """What is offered, for people."""
        cores = "1 core" if self.cores == 1 else f"{self.cores} cores"
        boards = [f"{entry.board} at {entry.probe}" for entry in self.boards]
        return ", ".join([cores, *self.emulators, *boards])


def resource_of(backend: str) -> str:
    """Return the resource of an emulator; firmware as a process is of one kind of machine."""
    return f"{backend}-{platform.machine()}" if backend in _OF_A_MACHINE else backend


def look_here(hardware_map: Path, *, cores: int | None = None, boards: bool = True) -> Offer:
    """Return what this machine has; cores: None is all that we may use.

    Raises UsageError for a hardware map that is none.
    """
    entries = load_map(hardware_map).attached if boards else ()
    return Offer(
        cores=cores or len(os.sched_getaffinity(0)),
        emulators=emulators_here(),
        boards=tuple(entry for entry in entries if entry.board),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What a run needs of a worker. backend: what runs it; board: its name, if attached."""

    needs: Mapping[str, float]
    backend: str | None = None
    board: str = ""

    def fits(self, resources: Mapping[str, float]) -> bool:
        """Whether a worker with these resources can ever have it."""
        return all(resources.get(name, 0) >= n for name, n in self.needs.items())

    @property
    def words(self) -> str:
        """For messages."""
        return " and ".join(f"{n:g} x {name}" for name, n in self.needs.items())


def demand_of(request: RunRequest | None, offered: Iterable[Mapping[str, float]]) -> Demand:
    """Return what a run needs: of the back ends of its board's file, the first that is offered.

    None is a job without a target. Raises UsageError for a run that names this machine's things.
    """
    if request is None:
        return Demand(needs={CORE: 1})
    for flag, value in (("--probe", request.probe), ("--port", request.port)):
        if value is not None:
            raise UsageError(
                f"{flag} {value} with --scheduler: workers know their own boards, by their "
                "hardware maps; leave it out"
            )
    names = [request.backend] if request.backend else list(request.board.backend.names)
    demands = [_demand(request, name) for name in names]
    there = list(offered)
    fitting = (d for d in demands if any(d.fits(resources) for resources in there))
    return next(fitting, demands[0])


def _demand(request: RunRequest, backend: str) -> Demand:
    if backend == "probe":
        name = request.board.name
        return Demand(needs={f"{BOARD}{name}": 1}, backend=backend, board=name)
    n = float(request.jobs)
    return Demand(needs={CORE: n, resource_of(backend): n}, backend=backend)
