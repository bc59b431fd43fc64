"""Where entries are, who makes and uses them, and how they go."""

import contextlib
import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from nnom_hil import variables
from nnom_hil.errors import StoreError, UsageError
from nnom_hil.files import remove_tree
from nnom_hil.locks import FileLock, lock_folder
from nnom_hil.paths import cache_dir

__all__ = ["IN_PLACE", "KINDS", "MANIFEST", "WORK", "Entry", "discard", "entries", "limit_bytes",
    "lock_of", "remove", "stay", "sweep"]  # fmt: skip

KINDS: Final = (
    "prepared", "reference", "libraries", "images", "programs", "plugins", "cycles"
)  # fmt: skip
IN_PLACE: Final = {"images", "programs", "plugins"}
"""Kinds whose files other programs read by path."""
WORK: Final = "work"
MANIFEST: Final = "entry.json"
_LOCK: Final = ".lock"
_HALF_MADE: Final = re.compile(r"\.new-(?P<key>[0-9a-f]++)-[0-9a-f]++")
_DEFAULT_MB: Final = 2000
# what is no folder, and file systems that lock none
_NO_LOCKS: Final = {errno.ENOTDIR, errno.ELOOP, errno.EBADF, errno.ENOLCK, errno.ENOTSUP}

_in_use: dict[Path, int] = {}
"""Locked folders, which keep entries from being removed until this process ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The place of an entry. key: hash of all that goes into it. programs: files to be executed."""

    kind: str
    key: str
    programs: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """Its folder."""
        return cache_dir() / self.kind / self.key[:32]

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.kind}/{self.key[:8]}"

    def must_be_kept(self) -> NoReturn:
        """Raise StoreError: for one that is not made here."""
        raise StoreError(
            f"cache: {self.name} is not there any more; was the cache cleared? run it again"
        )


def limit_bytes() -> int:
    """Return how many bytes the cache may have; raises UsageError for a limit that is none."""
    text = os.environ.get(variables.CACHE_MB) or str(_DEFAULT_MB)
    if not (text.isascii() and text.isdecimal() and len(text) <= 12):
        raise UsageError(
            f"{variables.CACHE_MB}={text[:40]!r}: not a number of megabytes, such as {_DEFAULT_MB}"
        )
    return int(text) * 1_000_000


def lock_of(path: Path) -> FileLock:
    """Return the lock of who makes or removes what is at a path."""
    return FileLock(path.with_name(path.name + _LOCK))


def stay(path: Path) -> None:
    """Keep an entry from being removed while this process lives; raises OSError for none."""
    handle = lock_folder(path, shared=True)
    if handle is not None:
        before = _in_use.pop(path, None)
        _in_use[path] = handle
        if before is not None:
            os.close(before)


def entries(kind: str) -> list[Path]:
    """Return the folders of a kind's entries, and whatever else stands in their places."""
    return [
        path
        for path in _listed(cache_dir() / kind)
        if not path.name.startswith(".") and path.suffix != _LOCK
    ]


def _listed(place: Path) -> list[Path]:
    try:
        return sorted(place.iterdir())
    except OSError:
        return []


def discard(path: Path) -> None:
    """Take an entry, or what stands in its place, out of the way, and remove it if that can be."""
    old = path.with_name(f".old-{os.urandom(6).hex()}")
    with contextlib.suppress(OSError):
        os.rename(path, old)
        remove_tree(old)


def remove(path: Path) -> bool:
    """Remove an entry; False where a process makes or uses it. Raises OSError."""
    lock, handle = lock_of(path), None
    try:
        if not lock.acquire():
            return False
        try:
            if (handle := lock_folder(path, shared=False)) is None:
                return False
        except OSError as exc:
            if exc.errno not in _NO_LOCKS:
                raise
        old = path.with_name(f".old-{os.urandom(6).hex()}")
        os.rename(path, old)
        remove_tree(old)
        return True
    finally:
        if handle is not None:
            os.close(handle)
        lock.release(remove=True)


def sweep() -> None:
    """Remove what killed processes have left half made or half removed, everywhere."""
    for kind in (*KINDS, WORK):
        for path in _listed(cache_dir() / kind):
            if path.suffix == _LOCK:
                _remove_free(path)
            elif match := _HALF_MADE.fullmatch(path.name):
                _remove_unowned(path, path.with_name(match["key"]))
            elif path.name.startswith((".old-", ".new-")):  # of nobody, by its name
                remove_tree(path)
            elif kind == WORK:
                _remove_unowned(path, path)


def _remove_unowned(path: Path, owner: Path) -> None:
    lock = lock_of(owner)
    with contextlib.suppress(OSError):
        if lock.acquire():
            remove_tree(path)
    lock.release(remove=True)


def _remove_free(path: Path) -> None:
    """Remove a lock's file that nobody has, or what stands in its place."""
    lock = FileLock(path)
    try:
        lock.acquire()
        lock.release(remove=True)
    except OSError:
        remove_tree(path)
