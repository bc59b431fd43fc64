"""nnom-hil worker: a Dask worker with a bench; what the client asks of it."""

import asyncio
import ipaddress
import os
import socket
import threading
from collections.abc import Callable
from typing import Any

from distributed import Scheduler, Worker, get_worker

from nnom_hil.cache import Parcel
from nnom_hil.errors import TargetError
from nnom_hil.farm.bench import Bench, Report
from nnom_hil.farm.dask import check_address
from nnom_hil.farm.offers import Offer
from nnom_hil.run.crew import Job
from nnom_hil.version import version as own_version

__all__ = [
    "HilWorker",
    "carry_out",
    "end_jobs",
    "is_loopback",
    "make_scheduler",
    "offered",
    "serve_scheduler",
    "serve_worker",
    "take_in",
]

_FACTS = "nnom_hil"
_AGAIN_S = 2.0


class HilWorker(Worker):
    """A Dask worker that owns boards and emulators. bench: is closed with it."""

    def __init__(self, *args: Any, bench: Bench, **more: Any) -> None:
        self.bench = bench
        offer = bench.offer
        facts = {"version": own_version(), "machine": socket.gethostname(), "pid": os.getpid()}
        super().__init__(
            *args,
            nthreads=offer.cores + len(offer.boards),
            resources=offer.resources,
            startup_information={_FACTS: lambda _: facts},
            memory_limit=0,  # what needs memory is in other processes
            **more,
        )

    async def close(self, *args: Any, **more: Any) -> Any:
        """End the jobs first, whoever waits for them."""
        await asyncio.to_thread(self.bench.close)
        return await super().close(*args, **more)


def carry_out(job: Job, board: str, token: str) -> Report:
    """Do a job of the client with that token; on a worker."""
    worker: Any = get_worker()
    report: Report = worker.bench.carry_out(job, board, worker.address, token)
    return report


def end_jobs(token: str, dask_worker: HilWorker) -> None:
    """End the jobs of a client that leaves; on a worker."""
    threading.Thread(target=dask_worker.bench.end, args=(token,), daemon=True).start()


def take_in(parcels: list[Parcel]) -> str:
    """Put parcels into the cache of the worker that this is run on; return why not, or nothing."""
    worker: Any = get_worker()
    return str(worker.bench.take_in(parcels))


def offered(dask_scheduler: Scheduler) -> tuple[str, list[tuple[str, dict[str, float], Any]]]:
    """Return the version of us that the scheduler has, and its workers: address, what it offers,
    facts; on the scheduler.
    """
    workers = dask_scheduler.workers.values()
    return own_version(), [(w.address, dict(w.resources), w.extra.get(_FACTS)) for w in workers]


async def serve_worker(
    address: str, offer: Offer, host: str, patience_s: float, say: Callable[[str], None]
) -> None:
    """Offer this machine until it is cancelled; a scheduler that goes away is waited for.

    Raises TargetError where there is none at the beginning, and for a board that another worker of
    this machine offers.
    """
    check_address(address, "worker")
    is_first = True
    while True:
        bench = Bench(offer)
        try:
            worker = HilWorker(
                address,
                bench=bench,
                host=host,
                dashboard_address=f"{host}:0",
                death_timeout=patience_s,
            )
            try:
                await worker
            except (TimeoutError, OSError, RuntimeError) as exc:  # it failed to start
                if is_first:
                    raise TargetError(
                        f"{address}: no scheduler answers there ({exc or 'time-out'}); start one "
                        "with: nnom-hil scheduler"
                    ) from exc
            else:
                is_first = False
                say(f"offering {offer.words} to {address} as {worker.address}")
                await worker.finished()  # type: ignore[no-untyped-call]
                say(f"{address}: the scheduler has gone; waiting for it to come back")
        finally:
            bench.close()
        await asyncio.sleep(_AGAIN_S)


def make_scheduler(host: str, port: int, protocol: str) -> Scheduler:
    """Return a scheduler that listens there, and nowhere else, once it is awaited."""
    # its HTTP server has another port, which must be neither fixed nor of all addresses
    http = f"{host}:0"
    return Scheduler(
        host=host, port=port, protocol=protocol, dashboard=False, dashboard_address=http
    )


async def serve_scheduler(host: str, port: int, protocol: str, say: Callable[[str], None]) -> None:
    """Be a scheduler until it is cancelled; raises TargetError where it cannot listen there."""
    check_address(f"{protocol}://{host}:{port}", "scheduler")
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as exc:
        raise TargetError(f"{host}:{port}: cannot listen there: {exc.strerror or exc}") from exc
    scheduler = make_scheduler(host, port, protocol)
    await scheduler
    try:
        say(f"scheduler at {scheduler.address}")
        await scheduler.finished()  # type: ignore[no-untyped-call]
    finally:
        await scheduler.close()


def is_loopback(address: str) -> bool:
    """Whether an address, with or without protocol and port, is of this machine alone."""
    name = address.rpartition("://")[2]
    host = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
