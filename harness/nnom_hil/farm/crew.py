"""A farm's workers as a crew: jobs become Dask tasks, images are sent to workers that lack them."""

import contextlib
import itertools
import multiprocessing
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any, Final

from nnom_hil.cache import pack
from nnom_hil.errors import HilError, TargetError, UsageError
from nnom_hil.farm.dask import check_address, quiet_dask
from nnom_hil.farm.offers import Demand, demand_of
from nnom_hil.run.crew import CANNOT, GONE, Job, Said
from nnom_hil.version import version as own_version

__all__ = ["FarmCrew"]

_AHEAD: Final = 1.25
"""Jobs that a worker has for each that it can do, so that it need not wait for the next one."""
_LOOK_S: Final = 1.0
_SENDS: Final = 3
_SEND_S: Final = 300.0
_KILLS: Final = (
    "each worker that began it has died; given up, so that it does not take the others with it: "
    "look at the workers' own messages, is there enough memory?"
)


@dataclass(frozen=True, slots=True)
class _Place:
    """A worker of the farm."""

    address: str
    resources: dict[str, float]


@dataclass(slots=True)
class _Task:
    job: Job
    demand: Demand
    future: Any = None
    only: Sequence[str] = ()


class FarmCrew:
    """Workers at a scheduler. patience_s: how long a scheduler, or a worker that offers what a job
    needs, is waited for. say: is told of what a user should know.

    Raises TargetError where no scheduler answers, or it is of another version.
    """

    is_here = False

    def __init__(
        self, address: str, *, patience_s: float = 60.0, say: Callable[[str], None] = lambda _: None
    ) -> None:
        self._dask = quiet_dask()
        check_address(address, "client")
        self._address = address
        self._patience_s = patience_s
        self._say = say
        self._ours, self._theirs = multiprocessing.Pipe(duplex=False)
        self._wake = threading.Lock()
        self._done: deque[str] = deque()
        self._tasks: dict[str, _Task] = {}
        self._numbers = itertools.count()
        self._places: dict[str, _Place] = {}
        self._strangers: set[str] = set()
        self._sent: Counter[tuple[str, tuple[str, str]]] = Counter()
        self.sent_bytes = 0
        self._said: deque[Said] = deque()
        self._lonely: dict[str, float] = {}
        self._limbo: list[_Task] = []
        self._token = os.urandom(6).hex()
        self._looked = 0.0
        self._client: Any = None
        self._connect()

    # ---- the scheduler

    def _connect(self) -> None:
        from nnom_hil.farm.worker import offered

        until = time.monotonic() + self._patience_s
        while True:
            try:
                self._client = self._dask.Client(
                    self._address,
                    timeout=max(1.0, min(10.0, self._patience_s)),
                    set_as_default=False,
                )
                self._offers = offered
                self._look_at_workers()
                return
            except UsageError:
                raise
            except ValueError as exc:
                raise UsageError(f"--scheduler {self._address}: {exc}") from exc
            except (OSError, TimeoutError, ImportError) as exc:
                self._drop_client()
                if time.monotonic() > until:
                    raise TargetError(
                        f"--scheduler {self._address}: no scheduler answers there ({exc}); start "
                        "one with: nnom-hil scheduler"
                    ) from exc
                time.sleep(0.5)

    def _drop_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close(timeout=2)

    def _look_at_workers(self) -> None:
        """Ask who offers what; workers of another version are left out, and told of."""
        version, workers = self._client.run_on_scheduler(self._offers)
        if version != own_version():
            raise UsageError(
                f"--scheduler {self._address}: it has nnom-hil {version}, this is {own_version()}; "
                "install the same version on all machines of a farm"
            )
        self._places = {}
        for address, resources, facts in workers:
            theirs = (facts or {}).get("version")
            if theirs == own_version():
                self._places[address] = _Place(address, resources)
            elif address not in self._strangers:
                self._strangers.add(address)
                has = f"nnom-hil {theirs}" if theirs else "no bench of nnom-hil worker"
                self._say(
                    f"worker {address} has {has}, this is {own_version()}; it is left out; install "
                    "the same version there and start it with nnom-hil worker"
                )
        self._looked = time.monotonic()

    # ---- jobs

    def _demand(self, job: Job) -> Demand:
        return demand_of(job.request, (place.resources for place in self._places.values()))

    def _fitting(self, demand: Demand) -> list[_Place]:
        return [place for place in self._places.values() if demand.fits(place.resources)]

    def has_room(self, job: Job) -> bool:
        """Whether a worker would begin it soon; or whether it is to be told that none ever will."""
        try:
            demand = self._demand(job)
        except UsageError:
            return True  # start() tells
        key = demand.words
        room = 0.0
        for place in self._fitting(demand):
            room += min(place.resources[name] // n for name, n in demand.needs.items())
        if not room:
            since = self._lonely.setdefault(key, time.monotonic())
            return time.monotonic() - since > self._patience_s
        self._lonely.pop(key, None)
        running = sum(task.demand.words == key for task in self._tasks.values())
        return running < max(room + 1, _AHEAD * room)

    def start(self, job: Job) -> None:
        """Let a worker do it."""
        try:
            demand = self._demand(job)
        except UsageError as exc:
            self._cannot(job, str(exc))
            return
        if not self._fitting(demand):
            self._cannot(job, self._nobody(demand))
            return
        if demand.backend is not None:
            job = replace(job, what=job.what.on(demand.backend))
        self._submit(_Task(job, demand))

    def _nobody(self, demand: Demand) -> str:
        there = sorted({name for p in self._places.values() for name in p.resources})
        return (
            f"no worker at {self._address} offers {demand.words}; there are: "
            f"{', '.join(there) or 'no workers'}; start one where that is: nnom-hil worker "
            f"--scheduler {self._address}"
        )

    def _cannot(self, job: Job, why: str) -> None:
        self._said.append(Said(job, CANNOT, why))
        self._rouse()

    def _submit(self, task: _Task, only: str | None = None) -> None:
        from nnom_hil.farm.worker import carry_out

        key = f"nnom-hil-{self._token}-{next(self._numbers)}-{task.job.key}"
        fitting = [place.address for place in self._fitting(task.demand)]
        wanted = [only] if only else [a for a in fitting if a not in task.job.not_at] or fitting
        task.only = wanted if self._strangers or len(wanted) < len(fitting) else []
        self._tasks[key] = task
        task.future = self._client.submit(
            carry_out,
            task.job,
            task.demand.board,
            self._token,
            key=key,
            workers=task.only or None,
            resources=dict(task.demand.needs),
            pure=False,
        )
        task.future.add_done_callback(lambda _: self._finished(key))

    def _finished(self, key: str) -> None:  # in another thread
        self._done.append(key)
        self._rouse()

    def _rouse(self) -> None:
        with self._wake:
            self._theirs.send(None)

    # ---- what is heard

    @property
    def pipes(self) -> Sequence[Connection]:
        """One, for all jobs."""
        return [self._ours]

    def received(self, pipe: Connection) -> Iterator[Said]:
        """Yield what came of a job."""
        pipe.recv()
        if self._said:
            yield self._said.popleft()
            return
        task = self._tasks.pop(self._done.popleft(), None) if self._done else None
        if task is None or task.future is None:
            return
        future, task.future = task.future, None
        if future.status in ("cancelled", "lost"):
            self._limbo.append(task)
            return
        try:
            report = future.result()
        except self._dask.CancelledError:
            self._limbo.append(task)
        except self._dask.KilledWorker:
            yield Said(task.job, CANNOT, _KILLS)
        except Exception as exc:  # whatever a worker's Dask or Python raises
            why = f"a worker could not do it: {type(exc).__name__}: {exc}"
            yield Said(task.job, GONE, why)
        else:
            yield from self._reported(task, report)

    def _reported(self, task: _Task, report: Any) -> Iterator[Said]:
        if report.lacking:
            if why := self._send(report.place, report.lacking):
                yield Said(task.job, CANNOT, f"worker {report.place}: {why}")
            else:
                self._submit(task, only=report.place)
            return
        for kind, what in report.said:
            if kind == GONE:
                why = f"{what} (at {report.place})" if what else ""
                yield Said(task.job, GONE, why)
            elif kind == "ended":
                yield Said(task.job, kind, replace(what, place=report.place))
            else:
                yield Said(task.job, kind, what)

    def _send(self, place: str, lacking: Sequence[tuple[str, str]]) -> str:
        """Send parcels to a worker, each once; return why it cannot take them, or nothing."""
        from nnom_hil.farm.worker import take_in

        new = [parcel for parcel in lacking if self._sent[place, parcel] == 0]
        if not new:  # they came between two jobs; or they do not stay
            self._sent.update((place, parcel) for parcel in lacking)
            often = max(self._sent[place, parcel] for parcel in lacking)
            return "" if often <= _SENDS else "its cache does not keep what it is sent"
        try:
            parcels = [pack(*parcel) for parcel in new]
        except HilError as exc:
            return str(exc)
        key = f"nnom-hil-{self._token}-{next(self._numbers)}-parcels"
        taken = self._client.submit(take_in, parcels, key=key, workers=[place], pure=False)
        try:
            why = str(taken.result(timeout=_SEND_S))
        except Exception as exc:  # the worker is gone, or the scheduler: the job will hear of it
            self._say(f"worker {place} did not take an image: {type(exc).__name__}: {exc}")
            return ""
        self._sent.update((place, parcel) for parcel in new)
        self.sent_bytes += sum(parcel.size_bytes for parcel in parcels)
        return why

    def look(self) -> Iterator[Said]:
        """Look at the farm once a second: a scheduler that was restarted, jobs that nobody can do.

        Raises TargetError where the scheduler does not come back.
        """
        if time.monotonic() - self._looked < _LOOK_S:
            return
        if self._limbo or self._client.status != "running":
            self._recover()
        else:
            try:
                self._look_at_workers()
            except (OSError, TimeoutError):
                self._recover()
        waiting, self._limbo = self._limbo, []
        for task in waiting:
            yield from self._place_again(task)
        gone = [k for k, t in self._tasks.items() if t.only and not self._any_there(t.only)]
        gone += [k for k, t in self._tasks.items() if not self._fitting(t.demand)]
        for key in dict.fromkeys(gone):
            task = self._tasks.pop(key)
            future, task.future = task.future, None
            future.cancel()
            yield from self._place_again(task)

    def _any_there(self, addresses: Sequence[str]) -> bool:
        return any(address in self._places for address in addresses)

    def _recover(self) -> None:
        """Find the scheduler again; what it had of ours is to be done again."""
        self._say(f"{self._address}: the scheduler does not answer; waiting for it to come back")
        for task in self._tasks.values():
            task.future = None
            self._limbo.append(task)
        self._tasks.clear()
        self._drop_client()
        self._connect()
        self._sent.clear()

    def _place_again(self, task: _Task) -> Iterator[Said]:
        """Submit a job again; let it wait for a worker, but not for ever."""
        key = task.demand.words
        if self._fitting(task.demand):
            self._lonely.pop(key, None)
            self._submit(task)
        elif time.monotonic() - self._lonely.setdefault(key, time.monotonic()) > self._patience_s:
            yield Said(task.job, CANNOT, self._nobody(task.demand))
        else:
            self._limbo.append(task)

    def stop(self) -> None:
        """End our jobs at all workers, and leave; twice is fine."""
        client = self._client
        if client is None:
            return
        if self._tasks and client.status == "running":
            from nnom_hil.farm.worker import end_jobs

            with contextlib.suppress(Exception):  # workers may be gone
                client.cancel([task.future for task in self._tasks.values() if task.future])
                client.run(end_jobs, self._token, on_error="ignore")
        self._tasks.clear()
        self._drop_client()
