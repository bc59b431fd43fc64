"""An entry is found, or made by one process while others wait."""

import atexit
import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeVar

from nnom_hil import variables
from nnom_hil.cache.care import trim
from nnom_hil.cache.content import Kept, read_entry, reason, write_entry, write_files
from nnom_hil.cache.places import IN_PLACE, WORK, Entry, discard, limit_bytes, lock_of, stay, sweep
from nnom_hil.errors import StoreError
from nnom_hil.files import is_full, make_folder, remove_tree
from nnom_hil.paths import cache_dir
from nnom_hil.temporary import free_bytes, is_plain, private_folder

__all__ = ["obtain", "work_folder"]

LOG = logging.getLogger(__name__)
_BUILD_BYTES: Final = 64 << 20
"""What a build may need while it lasts."""

T = TypeVar("T")


def obtain(
    entry: Entry,
    make: Callable[[], Mapping[str, bytes]],
    load: Callable[[Kept], T],
    *,
    anew: bool = False,
) -> T:
    """Return what load makes of an entry's files; where there is none that is sound, make it.

    load raises UnfitError for files that it can make nothing of. anew: what is there is replaced.
    One process makes an entry, the others wait for it. Where nothing can be kept, the files are
    used all the same. Raises what make raises, and UsageError for a wrong NNOM_HIL_CACHE_MB.
    """
    limit_bytes()  # a wrong one is told before anything is done
    if not anew:
        with contextlib.suppress(OSError, ValueError):
            return load(_read(entry))
    with _making(entry):
        if not anew and (found := _look(entry, load)) is not None:
            return found
        return load(_keep(entry, make()))


@contextlib.contextmanager
def _making(entry: Entry) -> Iterator[None]:
    """Be the only process that makes an entry; or not, where locks cannot be had."""
    lock, place = lock_of(entry.path), entry.path.parent
    try:
        if os.path.lexists(place) and not place.is_dir():
            LOG.warning("cache: %s is no folder; it is made again", place.name)
            discard(place)
        make_folder(place)
        if not lock.acquire():
            LOG.warning("another process makes %s; waiting for it", entry.name)
            lock.acquire(wait=True)
    except OSError as exc:
        LOG.debug("no lock for %s: %s", entry.name, exc)
    try:
        yield
    finally:
        lock.release(remove=True)


def _read(entry: Entry) -> Kept:
    """Return an entry, which stays if its files are used in place; raises OSError, TornError."""
    if entry.kind in IN_PLACE:
        stay(entry.path)
    return read_entry(entry.path)


def _look(entry: Entry, load: Callable[[Kept], T]) -> T | None:
    """Return what is there, or None; what is damaged is taken out of the way, and told of."""
    try:
        return load(_read(entry))
    except (OSError, ValueError) as exc:
        if not os.path.lexists(entry.path):
            return None
        LOG.warning("cache: %s is damaged (%s); it is made again", entry.name, reason(exc))
        discard(entry.path)
        return None


def _keep(entry: Entry, files: Mapping[str, bytes]) -> Kept:
    """Write an entry; where that cannot be, say so and go on with what was made."""
    try:
        write_entry(entry, files)
    except OSError as exc:
        why = f"{cache_dir()}: cannot keep {entry.name}: {exc.strerror}"
        error = StoreError(f"{why}; free space or name another folder: {variables.CACHE}")
        full = is_full(exc)
        if not full:
            LOG.warning("%s; going on without (%s names another folder)", why, variables.CACHE)
        folder = _put_aside(entry, files) if entry.kind in IN_PLACE else None
        return Kept(files=files, folder=folder, made=True, unkept=error if full else None)
    if entry.kind in IN_PLACE:
        with contextlib.suppress(OSError):
            stay(entry.path)
    trim()
    return Kept(files=files, folder=entry.path, made=True)


def _put_aside(entry: Entry, files: Mapping[str, bytes]) -> Path:
    """Write files for this process alone, which takes them with it; raises StoreError."""
    stack = contextlib.ExitStack()
    room = 2 * sum(map(len, files.values()))
    folder = stack.enter_context(private_folder(room=room))
    atexit.register(stack.close)
    try:
        write_files(folder, files, entry.programs)
    except OSError as exc:
        raise StoreError(
            f"{folder}: cannot write {entry.name}: {exc.strerror}; free space, or name folders "
            f"with space: {variables.CACHE}, TMPDIR"
        ) from exc
    return folder


@contextlib.contextmanager
def work_folder() -> Iterator[Path]:
    """Give an empty folder to build in, with a plain path, until the context ends.

    Raises StoreError where there is no place.
    """
    path = cache_dir() / WORK / f"{os.getpid()}-{os.urandom(4).hex()}"
    lock = lock_of(path)
    try:
        make_folder(path.parent)
        if free_bytes(path.parent) < _BUILD_BYTES:
            raise OSError("too little space")
        if not is_plain(path):
            raise OSError("other characters than build tools take")
        sweep()
        lock.acquire()
        make_folder(path)
    except OSError as exc:
        LOG.debug("%s: %s; building elsewhere", path, exc)
        lock.release(remove=True)
        with private_folder(room=_BUILD_BYTES, plain=True) as folder:
            yield folder
        return
    try:
        yield path
    finally:
        remove_tree(path)
        lock.release(remove=True)
