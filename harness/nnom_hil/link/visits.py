"""Who opens and closes a file, told by Linux' inotify: two visits are not taken for one."""

import ctypes
import os
import struct
from typing import Final

__all__ = ["Visits"]

_OPEN: Final = 0x20
_CLOSE: Final = 0x08 | 0x10  # of one that could be written, of one that could not
_EVENT: Final = struct.Struct("iIII")  # watch, mask, cookie, length of a name
_CHUNK: Final = 4096


class Visits:
    """Counts those who have a file open. ended: how often the last one has left.

    descriptor tells of something to look at; raises OSError where the system tells of nothing.
    """

    def __init__(self, path: str) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify")
        if libc.inotify_add_watch(self.descriptor, os.fsencode(path), _OPEN | _CLOSE) < 0:
            self.close()
            raise OSError(ctypes.get_errno(), "inotify", path)
        self.ended = 0
        self._here = 0

    def look(self) -> int:
        """Return how many have the file open."""
        try:
            data = os.read(self.descriptor, _CHUNK)
        except BlockingIOError:
            return self._here
        at = 0
        while at < len(data):
            _, mask, _, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size + length
            self._count(mask)
        return self._here

    def _count(self, mask: int) -> None:
        if mask & _OPEN:
            self._here += 1
        elif mask & _CLOSE:
            self._here -= 1
            self.ended += self._here == 0

    def close(self) -> None:
        """Look no more; twice is fine."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
