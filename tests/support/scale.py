"""A farm that nobody has: a simulation of many boards and cells, event by event, for docs/scale.md.

`python -m tests.support.scale` writes the tables of docs/scale.md anew. What takes time is in
Farm, as measured; the client, the scheduler and the network are each one server with a queue,
boards are many; what happens at random has a seed.
"""

import heapq
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, auto
from pathlib import Path
from typing import Final

__all__ = ["CASES", "Farm", "Figures", "simulate", "tables"]

DOC: Final = Path(__file__).parents[2] / "docs" / "scale.md"
BEGIN: Final = "<!-- made by python -m tests.support.scale -->\n"
END: Final = "<!-- end -->\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Farm:
    """Seconds of CPU, seconds, bytes a second, bytes, shares; docs/scale.md says where from.

    images: different ones among the cells, each built once by the client's builders. desks:
    machines that the boards are at, each with a cache. straggler: share of slow boards, by factor.
    board_fails: share of cells whose board goes away, until it is back; worker_fails_per_h: of each
    desk. attempts: at a cell. late_copies: cells that run too long are begun once more.
    """

    boards: int = 1000
    cells: int = 100_000
    images: int = 2_000
    desks: int = 100
    builders: int = 2
    build_s: float = 1.0
    library_s: float = 10.0
    libraries: int = 20
    convert_s: float = 8.0
    models: int = 20
    client_s: float = 0.0074
    scheduler_s: float = 0.0045
    cell_s: float = 20.0
    cell_spread: float = 0.25
    flash_s: float = 8.0
    image_bytes: int = 980_000
    model_bytes: int = 190_000
    result_bytes: int = 100_000
    network_bytes_s: float = 110e6
    straggler: float = 0.02
    straggler_factor: float = 10.0
    board_fails: float = 0.002
    board_back_s: float = 600.0
    worker_fails_per_h: float = 0.01
    worker_back_s: float = 120.0
    attempts: int = 3
    send_by_desks: bool = False
    late_copies: bool = False
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What came of it. builders, client, scheduler, network, boards: their busy share of the time.

    tail_s: from the time that 99 % of the cells had ended to the end of the last.
    """

    hours: float
    cells_per_s: float
    tail_s: float
    ended: int
    given_up: int
    again: int
    copies: int
    sent_bytes: int
    returned_bytes: int
    builders: float
    client: float
    scheduler: float
    network: float
    boards: float


class Kind(IntEnum):
    """What has happened to a cell, or a board."""

    READY = auto()
    SUBMITTED = auto()
    PLACED = auto()
    ARRIVED = auto()
    WORKED = auto()
    HOME = auto()
    DONE = auto()
    LOST = auto()
    BACK = auto()
    LATE = auto()


class _Server:
    """One thing at a time, in order of arrival."""

    def __init__(self, n: int = 1) -> None:
        self._free = [0.0] * n
        self.busy = 0.0

    def serve(self, now: float, seconds: float) -> float:
        """Return when it is done."""
        begin = max(now, heapq.heappop(self._free))
        self.busy += seconds
        heapq.heappush(self._free, begin + seconds)
        return begin + seconds


class _Simulation:
    def __init__(self, farm: Farm) -> None:
        self.farm = farm
        self.random = random.Random(farm.seed)
        self.events: list[tuple[float, int, Kind, int, int]] = []  # time, number, ..., cell, board
        self.count = 0
        self.client, self.scheduler, self.network = _Server(), _Server(), _Server()
        self.builders = _Server(farm.builders)
        self.ready: deque[int] = deque()
        self.free = deque(self.random.sample(range(farm.boards), farm.boards))
        slow = int(farm.boards * farm.straggler)
        self.slow = set(self.random.sample(range(farm.boards), slow))
        self.has: set[tuple[int, int]] = set()
        self.tries = [0] * farm.cells
        self.begun: dict[int, float] = {}
        self.is_done = bytearray(farm.cells)
        self.ended: list[float] = []
        self.given_up = self.again = self.copies = self.sent = self.returned = 0
        self.board_s = self.now = 0.0

    def at(self, time: float, kind: Kind, cell: int, board: int = -1) -> None:
        self.count += 1
        heapq.heappush(self.events, (time, self.count, kind, cell, board))

    def run(self) -> Figures:
        farm = self.farm
        order = self.random.sample(range(farm.cells), farm.cells)
        built: dict[int, float] = {}
        before = farm.convert_s * farm.models + farm.library_s * farm.libraries
        first = 0.0
        for _ in range(farm.builders):
            first = self.builders.serve(0.0, before / farm.builders)
        for cell in order:
            image = cell % farm.images
            if image not in built:
                built[image] = self.builders.serve(first, farm.build_s)
            self.at(built[image], Kind.READY, cell)
        while len(self.ended) + self.given_up < farm.cells:
            now, _, kind, cell, board = heapq.heappop(self.events)
            self.now = now
            self.step(now, kind, cell, board)
            while self.free and (cell := self.next(now)) >= 0:
                asked = self.client.serve(now, farm.client_s / 2)
                self.at(asked, Kind.SUBMITTED, cell, self.free.popleft())
        return self.figures()

    def next(self, now: float) -> int:
        """Return the next cell to begin, or -1."""
        if self.ready:
            return self.ready.popleft()
        late = self.late_s
        for cell, since in self.begun.items() if self.farm.late_copies else ():
            if now - since < late:  # they are in the order in which they began
                break
            del self.begun[cell]
            self.copies += 1
            return cell
        return -1

    @property
    def late_s(self) -> float:
        """Return after what time a cell is late: three times the usual."""
        return 3 * (self.farm.cell_s + self.farm.flash_s)

    def step(self, now: float, kind: Kind, cell: int, board: int) -> None:
        """Let a step of a cell be over; each server is asked at its time, in order."""
        farm = self.farm
        match kind:
            case Kind.READY:
                self.ready.append(cell)
            case Kind.SUBMITTED:
                self.at(self.scheduler.serve(now, farm.scheduler_s), Kind.PLACED, cell, board)
            case Kind.PLACED:
                self.place(now, cell, board)
            case Kind.ARRIVED:
                self.work(now, cell, board)
            case Kind.WORKED:
                self.free.append(board)
                home = self.network.serve(now, farm.result_bytes / farm.network_bytes_s)
                self.at(home, Kind.HOME, cell)
            case Kind.HOME:
                self.returned += farm.result_bytes
                self.at(self.client.serve(now, farm.client_s / 2), Kind.DONE, cell)
            case Kind.DONE:
                self.done(now, cell)
            case Kind.LOST:
                self.lost(cell)
            case Kind.BACK:
                self.free.append(board)
            case Kind.LATE:
                pass  # it is looked at with every event

    def place(self, now: float, cell: int, board: int) -> None:
        """Send an image to a desk that lacks it."""
        farm = self.farm
        at_desk = (board % farm.desks, cell % farm.images)
        if at_desk in self.has:
            self.at(now, Kind.ARRIVED, cell, board)
            return
        self.has.add(at_desk)
        size = farm.image_bytes + farm.model_bytes
        self.sent += size
        if not farm.send_by_desks:
            now = self.client.serve(now, farm.client_s)
        self.at(self.network.serve(now, size / farm.network_bytes_s), Kind.ARRIVED, cell, board)

    def work(self, now: float, cell: int, board: int) -> None:
        """Run a cell on a board; it may go away."""
        farm = self.farm
        seconds = farm.flash_s + max(1.0, self.random.gauss(1, farm.cell_spread) * farm.cell_s)
        seconds *= farm.straggler_factor if board in self.slow else 1.0
        self.begun.setdefault(cell, now)
        if farm.late_copies:
            self.at(now + 1.001 * self.late_s, Kind.LATE, cell)
        fails = self.random.random() < farm.board_fails
        dies = self.random.random() < farm.worker_fails_per_h * seconds / 3600
        if fails or dies:
            seconds *= self.random.random()
            self.at(now + seconds, Kind.LOST, cell)
            back = farm.board_back_s if fails else farm.worker_back_s
            self.at(now + seconds + back, Kind.BACK, cell, board)
        else:
            self.at(now + seconds, Kind.WORKED, cell, board)
        self.board_s += seconds

    def done(self, now: float, cell: int) -> None:
        self.begun.pop(cell, None)
        if not self.is_done[cell]:  # else a copy was first; it counts once
            self.is_done[cell] = 1
            self.ended.append(now)

    def lost(self, cell: int) -> None:
        if self.is_done[cell]:
            return
        self.begun.pop(cell, None)
        self.tries[cell] += 1
        if self.tries[cell] < self.farm.attempts:
            self.again += 1
            self.ready.append(cell)
        else:
            self.is_done[cell] = 1
            self.given_up += 1

    def figures(self) -> Figures:
        farm, ends = self.farm, sorted(self.ended)
        whole = max(self.now, 1e-9)
        nearly = ends[int(0.99 * len(ends)) - 1] if ends else whole
        return Figures(
            hours=whole / 3600,
            cells_per_s=len(self.ended) / whole,
            tail_s=whole - nearly,
            ended=len(self.ended),
            given_up=self.given_up,
            again=self.again,
            copies=self.copies,
            sent_bytes=self.sent,
            returned_bytes=self.returned,
            builders=self.builders.busy / farm.builders / whole,
            client=self.client.busy / whole,
            scheduler=self.scheduler.busy / whole,
            network=self.network.busy / whole,
            boards=self.board_s / farm.boards / whole,
        )


def simulate(farm: Farm) -> Figures:
    """Return what comes of a farm."""
    return _Simulation(farm).run()


CASES: Final = {
    "10 boards, 1,000 cells": Farm(boards=10, desks=5, cells=1_000, images=50),
    "100 boards, 10,000 cells": Farm(boards=100, desks=20, cells=10_000, images=200),
    "1,000 boards, 100,000 cells": Farm(),
    "... emulators: 3 s a cell, no flashing": Farm(cell_s=3.0, flash_s=0.0),
    "... each cell its own image": Farm(images=100_000),
    "... the same, 32 builders": Farm(images=100_000, builders=32),
    "... images at once everywhere, 100 Mbit/s": Farm(network_bytes_s=11e6),
    "... no slow boards": Farm(straggler=0.0),
    "... late cells begun once more": Farm(late_copies=True),
    "... one board in fifty goes away": Farm(board_fails=0.02),
    "... workers die once an hour": Farm(worker_fails_per_h=1.0),
    "10,000 boards, 100,000 cells": Farm(boards=10_000, desks=1000),
    "... and 32 builders, images from desk to desk at 10 Gbit/s": Farm(
        boards=10_000, desks=1000, builders=32, network_bytes_s=1.1e9, send_by_desks=True
    ),
}
"""What docs/scale.md has, by name."""


def tables() -> str:
    """Return the tables of docs/scale.md."""
    return "\n".join(_lines({name: simulate(farm) for name, farm in CASES.items()}))


def _lines(figures: dict[str, Figures]) -> Iterator[str]:
    yield (
        "| farm | hours | cells a second | last hundredth takes | boards | client | scheduler "
        "| builders | network |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for name, found in figures.items():
        shares = (found.boards, found.client, found.scheduler, found.builders, found.network)
        busy = " | ".join(f"{100 * share:.0f} %" for share in shares)
        yield (
            f"| {name} | {found.hours:.2f} | {found.cells_per_s:.1f} | {found.tail_s:.0f} s "
            f"| {busy} |"
        )
    yield ""
    yield "| farm | ended | given up | run again | copies | images sent | results |"
    yield "|---|---|---|---|---|---|---|"
    for name, found in figures.items():
        yield (
            f"| {name} | {found.ended:,} | {found.given_up} | {found.again:,} | {found.copies:,} "
            f"| {found.sent_bytes / 1e9:.1f} GB | {found.returned_bytes / 1e9:.1f} GB |"
        )
    yield ""


def document(text: str, made: str) -> str:
    """Return the document with the part that is made."""
    head, rest = text.split(BEGIN)
    return head + BEGIN + "\n" + made + "\n" + END + rest.split(END)[1]


if __name__ == "__main__":
    DOC.write_text(document(DOC.read_text(), tables()))
