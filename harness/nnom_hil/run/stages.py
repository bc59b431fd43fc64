"""The way of a matrix's cells: a model's conversion, an image for other machines, the run."""

from collections.abc import Iterator
from typing import Final

from nnom_hil.run.cell_work import (
    Ended,
    HandedCell,
    convert_all,
    make_images,
    run_cell,
    run_cell_elsewhere,
    without_run,
)
from nnom_hil.run.cells import ReadyCell
from nnom_hil.run.crew import CANNOT, GONE, Crew, Job, Processes, Said
from nnom_hil.run.handed import Handed

__all__ = ["Ended", "Stages"]

_AT_ONCE: Final = 8
"""Images that a process makes, one after the other: to start one takes time."""
_AHEAD: Final = 3
"""For each such process, so many times what it makes at once is made before a worker is free."""


class Stages:
    """What is to begin next, and what follows from what is heard. here: what must have our files.

    Models are converted by one job; a cell runs as soon as its model, and on a farm its image, are
    there.
    """

    def __init__(self, cells: list[ReadyCell], here: Processes, crew: Crew) -> None:
        self._here = here
        self._crew = crew
        self._all = {cell.key: cell for cell in cells}
        self._waiting = dict(self._all)  # in the matrix's order
        self._to_convert = {cell.conversion: cell for cell in cells}
        self._converted: set[str] = set()
        self._converting = False
        self._making: dict[str, ReadyCell] = {}
        self._makers = 0
        self._images: dict[str, Handed] = {}
        self._handed: dict[str, Handed] = {}
        self._running: dict[str, ReadyCell] = {}
        self._not_at: dict[str, tuple[str, ...]] = {}

    @property
    def left(self) -> bool:
        """Whether there is something to do or to wait for."""
        cells = (self._waiting, self._making, self._handed, self._running)
        return self._converting or any(map(bool, cells))

    def again(self, key: str, place: str) -> None:
        """Run a cell again; place: where it went wrong, to be left out if there is another."""
        cell = self._all[key]
        if place:
            self._not_at[key] = (*self._not_at.get(key, ()), place)
        if key in self._images:
            self._handed[key] = self._images[key]
        else:
            self._waiting[key] = cell

    # ---- what begins

    def begin(self) -> None:
        """Begin as much as there is room for."""
        if self._to_convert and not self._converting and self._here.is_free:
            self._converting = True
            cells = list(self._to_convert.values())
            job = Job(key="conversion", name="conversion", work=convert_all, what=cells)
            self._here.start(job)
        if self._crew.is_here:
            self._begin_here()
            return
        self._begin_elsewhere()
        while self._here.is_free and (cells := self._to_make()):
            self._makers += 1
            key = f"images {self._makers}"
            self._here.start(Job(key=key, name="images", work=make_images, what=cells))

    def _to_make(self) -> list[ReadyCell]:
        """Return the next cells to make images for, if they are wanted soon."""
        cells: list[ReadyCell] = []
        if len(self._handed) + len(self._making) > (_AHEAD - 1) * _AT_ONCE * self._here.most:
            return cells
        while len(cells) < _AT_ONCE and (cell := self._next(self._making)) is not None:
            self._making[cell.key] = self._waiting.pop(cell.key)
            cells.append(cell)
        return cells

    def _begin_here(self) -> None:
        while self._here.is_free and (cell := self._next(self._running)) is not None:
            self._running[cell.key] = self._waiting.pop(cell.key)
            self._here.start(Job(key=cell.key, name=cell.name, work=run_cell, what=cell))

    def _begin_elsewhere(self) -> None:
        for key, handed in list(self._handed.items()):
            cell = self._all[key]
            job = Job(
                key=key,
                name=cell.name,
                work=run_cell_elsewhere,
                what=HandedCell(cell=cell, handed=handed),
                request=cell.request,
                parcels=handed.parcels,
                not_at=self._not_at.get(key, ()),
            )
            if self._crew.has_room(job):
                self._crew.start(job)
                self._running[key] = cell
                del self._handed[key]

    def _next(self, busy: dict[str, ReadyCell]) -> ReadyCell | None:
        """Return the next cell whose model is ready, best of a core that no other builds for."""
        cores = {cell.core for cell in busy.values()}
        first = None
        for cell in self._waiting.values():
            if cell.conversion in self._converted:
                if cell.core not in cores:
                    return cell
                first = first or cell
        return first

    # ---- what follows

    def hear(self, said: Said) -> Iterator[Ended]:
        """Take up what was said; yield the cells that have ended by it."""
        key, kind, what = said.job.key, said.kind, said.what
        if kind == "converted":
            self._converted.add(what)
            self._to_convert.pop(what, None)
        elif kind == "refused":
            yield from self._refuse(*what)
        elif kind == "handed":
            key, handed = what
            self._images[key] = self._handed[key] = handed
            del self._making[key]
        elif kind == "ended":
            key = what.cell.key
            where = self._making if said.job.work is make_images else self._running
            if where.pop(key, None) is not None:
                yield what
        elif kind == CANNOT:
            if (cell := self._running.pop(key, None)) is not None:
                yield Ended(cell=without_run(cell, what))
        elif kind == GONE and said.job.work is convert_all:
            self._converting = False
            if what and self._to_convert:  # it was at the first of them
                yield from self._refuse(next(iter(self._to_convert)), what)
        elif kind == GONE and said.job.work is make_images:
            left = [cell for cell in said.job.what if self._making.pop(cell.key, None) is not None]
            self._waiting |= {cell.key: cell for cell in left[1:]}
            for cell in left[:1]:  # it was at the first of them
                yield _gone(cell, what)
        elif kind == GONE and (cell := self._running.pop(key, None)) is not None:
            yield _gone(cell, what)

    def _refuse(self, conversion: str, why: str) -> Iterator[Ended]:
        self._to_convert.pop(conversion, None)
        for cell in [c for c in self._waiting.values() if c.conversion == conversion]:
            del self._waiting[cell.key]
            yield Ended(cell=without_run(cell, why))


def _gone(cell: ReadyCell, why: str) -> Ended:
    why = why or "its process ended without a word"
    return Ended(cell=without_run(cell, why), is_gone=True)
