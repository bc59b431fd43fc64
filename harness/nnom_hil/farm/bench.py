"""A worker's side: its boards, each for one run at a time, and the processes that do its jobs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from typing import Any

from nnom_hil.cache import Parcel, is_kept, unpack
from nnom_hil.errors import HilError
from nnom_hil.farm.offers import Offer
from nnom_hil.probe import BoardLock, Entry
from nnom_hil.run.crew import GONE, Job, Processes

__all__ = ["Bench", "Report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What comes back of a job. lacking: parcels without which it was not begun. said: all that was
    heard of it, the end included.
    """

    place: str
    lacking: tuple[tuple[str, str], ...] = ()
    said: tuple[tuple[str, Any], ...] = ()


class Bench:
    """What a worker offers. While it is open no other worker of this machine offers its boards.

    Raises TargetError for a board that another one offers, naming it.
    """

    def __init__(self, offer: Offer) -> None:
        self.offer = offer
        self._lock = threading.Lock()
        self._free = list(offer.boards)
        self._crews: dict[Processes, str] = {}
        self._is_closed = False
        self._locks: list[BoardLock] = []
        try:
            for entry in offer.boards:
                lock = BoardLock(entry.probe, purpose="offer")
                lock.acquire()
                self._locks.append(lock)
        except BaseException:
            self.close()
            raise

    def take_in(self, parcels: list[Parcel]) -> str:
        """Put parcels into this machine's cache; return why they cannot be, or nothing."""
        try:
            for parcel in parcels:
                unpack(parcel)
        except HilError as exc:
            return str(exc)
        return ""

    def carry_out(self, job: Job, board: str, place: str, token: str = "") -> Report:
        """Do a job in a process of its own.

        board: the name of the one it needs, or nothing. token: of its client.
        """
        lacking = tuple(parcel for parcel in job.parcels if not is_kept(*parcel))
        if lacking:
            return Report(place=place, lacking=lacking)
        if not board:
            return Report(place=place, said=tuple(self._do(job, token)))
        with self._taken(board) as entry:
            at = job.what.at(entry.probe, entry.port)
            return Report(place=place, said=tuple(self._do(replace(job, what=at), token)))

    @contextmanager
    def _taken(self, board: str) -> Iterator[Entry]:
        """Take a board that is free; there is one, as Dask counts them."""
        with self._lock:
            entry = next(entry for entry in self._free if entry.board == board)
            self._free.remove(entry)
        try:
            yield entry
        finally:
            with self._lock:
                self._free.append(entry)

    def _do(self, job: Job, token: str) -> Iterator[tuple[str, Any]]:
        crew = Processes(1, kind="forkserver")
        with self._lock:
            if self._is_closed:
                yield GONE, "its worker was ended"
                return
            self._crews[crew] = token
        try:
            crew.start(job)
            while crew.pipes:
                wait(list(crew.pipes))
                for said in crew.received(crew.pipes[0]):
                    if said.kind != "step":
                        yield said.kind, said.what
        finally:
            with self._lock:
                self._crews.pop(crew, None)
            crew.close()

    def end(self, token: str) -> None:
        """End the jobs of a client."""
        with self._lock:
            crews = [crew for crew, its in self._crews.items() if its == token]
        for crew in crews:
            crew.stop()

    def close(self) -> None:
        """End all jobs and let go of the boards; twice is fine."""
        with self._lock:
            self._is_closed = True
            crews = list(self._crews)
        for crew in crews:
            crew.stop()
        for lock in self._locks:
            lock.release()
        self._locks.clear()
