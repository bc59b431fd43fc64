"""Who does jobs: processes of this machine here, a farm's workers in farm/crew.py.

A job is a function of a module and what it is given. It says what comes of it, a word and a thing
at a time; the last that is heard of it is that it is gone. Both crews are spoken to by this alone,
and a farm's worker lets its jobs be done by processes as they are here, so that there is one path.
"""

import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess, ForkServerProcess
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from nnom_hil.build import joining_trees
from nnom_hil.interrupt import Signals
from nnom_hil.run.plan import Observer
from nnom_hil.run.request import RunRequest

__all__ = ["CANNOT", "GONE", "Crew", "Job", "Processes", "Said", "Steps", "Tell"]

Tell = Callable[[str, Any], None]
GONE: Final = "gone"
CANNOT: Final = "cannot"
_PATIENCE_S: Final = 30.0
_WORK: Final = "nnom_hil.run.cell_work"
_LAST: Final = "nnom_hil.run.frozen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Something to do: work(what, tell) in a process of its own. name: what messages call it.

    For workers: request: of the run, which tells what it needs; parcels: kind and key of what must
    be in their cache; not_at: workers to leave out, if there are others.
    """

    key: str
    name: str
    work: Callable[[Any, Tell], None]
    what: Any
    request: RunRequest | None = None
    parcels: tuple[tuple[str, str], ...] = ()
    not_at: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """What is heard of a job. kind GONE: it is over; what: why, where it was not by itself. CANNOT:
    it is over and will not be begun again; what: why.
    """

    job: Job
    kind: str
    what: Any


class Crew(Protocol):
    """Does jobs, several at a time."""

    is_here: bool
    """Whether it is of this machine, so that it has files and cache in common with us."""

    def has_room(self, job: Job) -> bool:
        """Whether this job would be begun soon."""
        ...

    def start(self, job: Job) -> None:
        """Let a job be done."""
        ...

    @property
    def pipes(self) -> Sequence[Connection]:
        """What can be read from when there is something to hear."""
        ...

    def received(self, pipe: Connection) -> Iterator[Said]:
        """Yield what was said; called for a pipe that can be read from."""
        ...

    def look(self) -> Iterator[Said]:
        """Yield what time alone has brought; called now and then."""
        ...

    def stop(self) -> None:
        """End all jobs politely: they stop their targets and write their records."""
        ...


@dataclass(slots=True)
class _Child:
    job: Job
    process: ForkProcess | ForkServerProcess
    pipe: Connection


class Processes:
    """A process for each job, so that one that fails, or is killed, stops no other.

    most: at a time. They are forked from this one, which must have one thread then and has
    everything imported; kind "forkserver" is for processes with threads, and forks them from one
    that has none. trees: a folder that builds share (build.sharing_trees).
    """

    is_here = True

    def __init__(
        self,
        most: int,
        *,
        kind: Literal["fork", "forkserver"] = "fork",
        trees: Path | None = None,
    ) -> None:
        self.most = most
        self._kind = kind
        self._trees = trees
        self._children: list[_Child] = []
        self._lock = threading.Lock()
        self._is_stopped = False
        # its other end is nobody's but ours, so that forked children notice when we are gone
        self._life = os.pipe() if kind == "fork" else None

    @property
    def is_free(self) -> bool:
        """Whether fewer run than may."""
        return len(self._children) < self.most

    def has_room(self, job: Job) -> bool:
        """Whether fewer run than may."""
        del job
        return self.is_free

    @property
    def pipes(self) -> Sequence[Connection]:
        """Of the jobs that run."""
        return [child.pipe for child in self._children]

    def start(self, job: Job) -> None:
        """Start a process."""
        if self._kind == "fork":
            context: Any = multiprocessing.get_context("fork")
        else:
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(_loaded())
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(
            target=_child, args=(theirs, self._life, self._trees, job.work, job.what), name=job.name
        )
        with self._lock:
            if self._is_stopped:
                theirs.close()
                ours.close()
                return
            process.start()
            self._children.append(_Child(job, process, ours))
        theirs.close()

    def received(self, pipe: Connection) -> Iterator[Said]:
        """Yield the next word of a job, or its end."""
        child = next(child for child in self._children if child.pipe is pipe)
        try:
            kind, what = pipe.recv()
        except (EOFError, OSError):
            child.process.join()
            self._children.remove(child)
            pipe.close()
            yield Said(child.job, GONE, _why_ended(child.process.exitcode or 0))
            return
        yield Said(child.job, kind, what)

    def look(self) -> Iterator[Said]:
        """Yield nothing: the end of a process is heard."""
        yield from ()

    def stop(self) -> None:
        """End the processes politely; twice is fine."""
        with self._lock:
            self._is_stopped = True
            children = list(self._children)
        for child in children:
            with contextlib.suppress(ValueError, AssertionError):  # another thread has just let go
                if child.process.is_alive():
                    child.process.terminate()
        for child in children:
            with contextlib.suppress(ValueError, AssertionError):
                child.process.join(_PATIENCE_S)
                if child.process.is_alive():
                    child.process.kill()
                    child.process.join()

    def close(self) -> None:
        """Let go of everything; there must be no jobs any more."""
        self._children.clear()
        if self._life is not None:
            life, self._life = self._life, None
            for handle in life:
                os.close(handle)


def _loaded() -> list[str]:
    """Return our modules that this process has: its main program, which Python loads in each child
    anew, finds them there.
    """
    ours = [name for name in sys.modules if name.startswith("nnom_hil.")]
    return [_WORK, *(name for name in ours if not name.startswith("nnom_hil.farm")), _LAST]


def _why_ended(code: int) -> str:
    if code < 0:
        return f"its process was ended by {signal.Signals(-code).name}; is there enough memory?"
    return f"its process ended with exit code {code}" if code else ""


# ---- in a child


class Steps(Observer):
    """Tells of each step of a run."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def step(self, what: str) -> None:
        """Tell it."""
        self._tell("step", what)


class _ToParent(logging.Handler):
    """Sends what our rooms warn of to the parent, which has the terminal."""

    def __init__(self, tell: Tell) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell("notice", record.getMessage())


def _child(
    pipe: Connection,
    life: tuple[int, int] | None,
    trees: Path | None,
    work: Callable[[Any, Tell], None],
    what: Any,
) -> None:
    os.setsid()  # a terminal's Ctrl-C is for the parent, which then ends us
    if life is not None:
        os.close(life[1])
    watch = threading.Thread(target=_end_with_parent, args=(life,), daemon=True)
    watch.start()
    tell_lock = threading.Lock()

    def tell(kind: str, said: Any) -> None:
        with tell_lock:
            pipe.send((kind, said))

    ours = logging.getLogger("nnom_hil")
    ours.handlers = [_ToParent(tell)]
    with Signals(), joining_trees(trees):
        work(what, tell)


def _end_with_parent(life: tuple[int, int] | None) -> None:
    if life is not None:
        os.read(life[0], 1)  # nothing is ever written: it returns when the parent is gone
    else:
        parent = multiprocessing.parent_process()
        assert parent is not None
        parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
