"""Locks that the kernel lets go of when a process ends, however it ends."""

import contextlib
import errno
import fcntl
import os
import stat
from pathlib import Path

__all__ = ["FileLock", "lock_folder"]


class FileLock:
    """A lock that is a file. mode: permissions of the file where it has to be made.

    No link is followed: in a folder that others can write to, it could lead anywhere.
    """

    def __init__(self, path: Path, *, mode: int = 0o644) -> None:
        self.path = path
        self._mode = mode
        self._handle = -1

    @property
    def is_held(self) -> bool:
        """Whether this object has the lock."""
        return self._handle >= 0

    def acquire(self, *, shared: bool = False, wait: bool = False) -> bool:
        """Take the lock; False where another has it, which cannot be when it is waited for.

        shared: others may share it. Raises OSError where no such file can be made or opened.
        """
        kind = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
        while True:
            handle = self._open()
            try:
                fcntl.flock(handle, kind)
                if _is_at(handle, self.path):
                    self._handle = handle
                    return True
            except BlockingIOError:
                return False
            finally:
                if self._handle != handle:
                    os.close(handle)

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        while True:
            try:
                # without O_CREAT: in sticky folders that may be refused for files of others
                handle = os.open(self.path, flags)
            except FileNotFoundError:
                with contextlib.suppress(FileExistsError):
                    made = os.open(self.path, flags | os.O_CREAT | os.O_EXCL, self._mode)
                    os.fchmod(made, self._mode)
                    os.close(made)
                continue
            except OSError as exc:
                if exc.errno not in (errno.EACCES, errno.EROFS):
                    raise
                handle = os.open(self.path, flags & ~os.O_RDWR | os.O_RDONLY)
            facts = os.fstat(handle)
            if not stat.S_ISREG(facts.st_mode) or facts.st_nlink > 1:
                os.close(handle)
                raise OSError(errno.EINVAL, "not a plain file of its own", str(self.path))
            return handle

    def note(self, text: bytes) -> None:
        """Write who has it into a lock that is held; raises OSError."""
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, text, 0)

    def release(self, *, remove: bool = False) -> None:
        """Let go of it; remove: its file too, which needs a lock that is not shared."""
        if self._handle < 0:
            return
        if remove:
            with contextlib.suppress(OSError):
                self.path.unlink()
        handle, self._handle = self._handle, -1
        os.close(handle)


def lock_folder(path: Path, *, shared: bool) -> int | None:
    """Lock a folder itself, until the handle that is returned is closed.

    A shared lock is waited for; None where another has the folder and we want it alone. Raises
    OSError where there is no such folder, or no folder can be locked.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX | fcntl.LOCK_NB
    while True:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, kind)
            if _is_at(handle, path):
                taken, handle = handle, -1
                return taken
        except BlockingIOError:
            return None
        finally:
            if handle >= 0:
                os.close(handle)


def _is_at(handle: int, path: Path) -> bool:
    """Whether what is open was not removed while it was waited for."""
    ours = os.fstat(handle)
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    return (ours.st_dev, ours.st_ino) == (found.st_dev, found.st_ino)
