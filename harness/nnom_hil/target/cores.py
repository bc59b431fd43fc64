"""One core for all threads of an emulator, as a batch process.

QEMU's main loop and the thread of its core hand a lock to each other for every byte of a UART. On
two cores each wakes the other and then waits for it; on one, where a thread that is woken does not
drive out the one that runs, a byte costs a fraction.
"""

import contextlib
import os
import random
from collections.abc import Iterator

from nnom_hil.locks import FileLock
from nnom_hil.paths import locks_dir

__all__ = ["CoreLock", "starting_on"]


class CoreLock:
    """A core of those we may use: one that no other emulator of ours has, where there is one.

    core is None where there is no choice, or none can be made here.
    """

    def __init__(self) -> None:
        self.core: int | None = None
        self._lock: FileLock | None = None
        if not hasattr(os, "sched_setaffinity") or len(cores := os.sched_getaffinity(0)) < 2:
            return
        tried = random.sample(sorted(cores), len(cores))
        self.core = tried[0]
        for core in tried:
            lock = FileLock(locks_dir() / f"nnom-hil-core-{core}.lock", mode=0o666)
            with contextlib.suppress(OSError):  # no place for locks: any core will do
                if lock.acquire():
                    self.core, self._lock = core, lock
                    return

    def release(self) -> None:
        """Let another emulator have it; twice is fine."""
        if self._lock is not None:
            self._lock.release()


@contextlib.contextmanager
def starting_on(core: int | None) -> Iterator[None]:
    """Let the calling thread start processes that stay on that core; they inherit it from us."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    ours = os.sched_getscheduler(0)
    try:
        with contextlib.suppress(OSError):  # not allowed: slower, no worse
            os.sched_setaffinity(0, {core})
            if ours == os.SCHED_OTHER:
                os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        yield
    finally:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, before)
            os.sched_setscheduler(0, ours, os.sched_getparam(0))
