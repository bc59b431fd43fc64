"""Farms for tests, in a thread of this process or as programs."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from nnom_hil.farm import Offer, check_farm

__all__ = ["Farm", "free_port", "marks_of", "programs", "until", "worker_program"]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Farm:
    """A scheduler and workers in a thread; workers are those that nnom-hil worker has."""

    def __init__(self, offers: Sequence[Offer]) -> None:
        check_farm()
        self._offers = offers
        self.address = f"tcp://127.0.0.1:{free_port()}"
        self.said: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._tasks: list[Future[None]] = []
        self.scheduler: Any = None

    def __enter__(self) -> "Farm":
        from nnom_hil.farm.worker import serve_worker

        self._thread.start()
        self.start_scheduler()
        for offer in self._offers:
            work = serve_worker(self.address, offer, "127.0.0.1", 30, self.said.append)
            self._tasks.append(asyncio.run_coroutine_threadsafe(work, self._loop))
        self.wait_for_workers(len(self._offers))
        return self

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def start_scheduler(self) -> None:
        async def start() -> Any:
            from nnom_hil.farm.worker import make_scheduler

            return await make_scheduler("127.0.0.1", int(self.address.rpartition(":")[2]), "tcp")

        self.scheduler = self._do(start())

    def stop_scheduler(self) -> None:
        """Take it away as a kill does: workers are not told."""

        async def stop() -> None:
            for comm in list(self.scheduler.stream_comms.values()):
                comm.abort()
            for comm in list(self.scheduler.client_comms.values()):
                comm.abort()
            await self.scheduler.close()

        self._do(stop())

    def wait_for_workers(self, n: int) -> None:
        while len(self.scheduler.workers) < n:
            for task in self._tasks:
                if task.done():
                    task.result()
            time.sleep(0.01)

    def __exit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(BaseException):
                task.result()
        self._do(self.scheduler.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def worker_program(
    address: str, cores: int = 1, *, boards: bool = False, **variables: str
) -> subprocess.Popen[bytes]:
    """Start a worker; whoever starts it ends it."""
    words = ["--scheduler", address, "--cores", str(cores)]
    words += [] if boards else ["--no-boards"]
    return _program("worker", *words, **variables)


def _program(*words: str, **variables: str) -> subprocess.Popen[bytes]:
    code = "import sys; from nnom_hil.cli import main; sys.argv[0] = 'nnom-hil'; main()"
    return subprocess.Popen([sys.executable, "-c", code, *words], env={**os.environ, **variables})


@contextlib.contextmanager
def programs(n: int, cores: int = 1, **variables: str) -> Iterator[tuple[str, list[Any]]]:
    """Give the address of a scheduler and n workers that are programs of their own.

    variables: of the workers' environment, {} in them is the worker's number.
    """
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    started = [_program("scheduler", "--port", str(port))]
    for number in range(n):
        own = {name: value.format(number) for name, value in variables.items()}
        started.append(worker_program(address, cores, boards=False, **own))
    try:
        yield address, started[1:]
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()


def until(is_so: Callable[[], bool]) -> None:
    """Wait for it."""
    while not is_so():
        time.sleep(0.01)


def marks_of(folder: Path) -> list[str]:
    """Return which cells have begun."""
    return sorted(path.name.partition(".")[0] for path in folder.glob("*.*"))
