"""Folders and files that live as long as what needs them, or less."""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from nnom_hil.errors import StoreError
from nnom_hil.files import remove_tree

__all__ = ["free_bytes", "is_plain", "private_folder", "scratch_file"]


@contextlib.contextmanager
def private_folder(*, room: int = 0, plain: bool = False) -> Iterator[Path]:
    """Give a folder that nobody else can enter, until the context ends.

    It is made where TMPDIR says, or in a usual place where that cannot be, or, if it must be plain,
    where its path would have other characters than build tools take, or where less than room bytes
    are free. Raises StoreError where there is no place.
    """
    made = _make_private(room, plain)
    try:
        yield made
    finally:
        remove_tree(made)


def _make_private(room: int, plain: bool) -> Path:
    why = "no folder for temporary files can be written to and has space"
    # /dev/shm is memory: it is there when disks are full
    for place in (None, os.environ.get("XDG_RUNTIME_DIR"), "/tmp", "/var/tmp", "/dev/shm"):
        with contextlib.suppress(OSError):
            folder = Path(place or tempfile.gettempdir()).absolute()
            if plain and not is_plain(folder):
                continue
            if room == 0 or free_bytes(folder) >= room:
                return Path(tempfile.mkdtemp(prefix="nnom-hil-", dir=folder))
    raise StoreError(f"{why}; free space, or name such a folder: TMPDIR")


def is_plain(path: Path) -> bool:
    """Return whether no build tool takes a character of a path for something else."""
    return re.fullmatch(r"[\w./+-]+", str(path.absolute()), re.ASCII) is not None


def free_bytes(folder: Path) -> int:
    """Return the bytes that can still be written there; raises OSError."""
    facts = os.statvfs(folder)
    return facts.f_bavail * facts.f_frsize


def scratch_file() -> IO[bytes]:
    """Return a file without a name, in memory, that goes with its handle."""
    return os.fdopen(os.memfd_create("nnom-hil"), "w+b")
