"""A lock for each board, so that two runs keep off one board; it names who has it."""

import contextlib
import getpass
import json
import os
import re
import stat
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from nnom_hil.errors import TargetError, TargetGoneError
from nnom_hil.files import make_folder, read_regular
from nnom_hil.locks import FileLock
from nnom_hil.paths import locks_dir

__all__ = ["BoardLock"]

_LONGEST: Final = 4096
_FOR_ALL: Final = 0o1777


class BoardLock:
    """Held from acquire() to release(), or to the end of the process, however it ends.

    The locks of all users of a machine lie in one folder, since a board is there once. What lies
    there may be opened by all, but removed by nobody else: the folder is sticky, and it is root's
    or ours. purpose: offer, of a farm's worker, whose runs lock the board itself, one after the
    other. Raises TargetError for a folder that is not.
    """

    def __init__(
        self, probe: str, folder: Path | None = None, *, purpose: Literal["run", "offer"] = "run"
    ) -> None:
        folder = folder or locks_dir()
        self._probe = probe
        self._doing = "in use" if purpose == "run" else "offered"
        probe = probe if purpose == "run" else f"{purpose}-{probe}"
        name = re.sub(r"[^A-Za-z0-9._-]", "_", probe)
        try:
            _check_folder(folder)
        except OSError as exc:
            raise TargetError(f"{folder}: cannot keep the boards' locks: {exc.strerror}") from exc
        self._lock = FileLock(folder / f"nnom-hil-{name[:100]}.lock", mode=0o666)

    def acquire(self) -> None:
        """Take the board; raises TargetError naming its holder when another process has it."""
        try:
            if not self._lock.acquire():
                raise TargetGoneError(
                    f"the board at probe {self._probe} is {self._doing} by {self._who()}; wait "
                    "until it is done, or end it"
                )
        except OSError as exc:
            self._lock.release()
            raise TargetError(
                f"{self._lock.path}: cannot lock the board at probe {self._probe}: {exc.strerror}"
            ) from exc
        self._note(json.dumps(_ourselves()))

    def _note(self, text: str) -> None:
        with contextlib.suppress(OSError):  # the lock itself is what counts
            self._lock.note(text.encode())

    def release(self) -> None:
        """Let others have it; twice is fine."""
        if self._lock.is_held:
            self._note("")
            self._lock.release()

    def _who(self) -> str:
        try:
            who = json.loads(read_regular(self._lock.path, _LONGEST))
            if who["pid"] == os.getpid() and self._doing == "in use":
                return "this very run, which cannot share it (--jobs must be 1 on a board)"
            said = f"{who['user']}, process {who['pid']} ({who['command']}), since {who['since']}"
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return "another process"  # it has only just taken it
        # anybody may have written it
        return "".join(c if c.isprintable() else "?" for c in said[:400])


def _check_folder(folder: Path) -> None:
    """Make the folder if need be; raise TargetError where others could replace what is in it."""
    if not folder.exists():
        make_folder(folder)
        folder.chmod(_FOR_ALL)
    facts, owners = folder.stat(), {folder.stat().st_uid, folder.lstat().st_uid}
    remedy = f"as root: install -d -m 1777 {folder}; or name another: NNOM_HIL_LOCKS"
    if not stat.S_ISDIR(facts.st_mode):
        raise TargetError(f"{folder}: cannot keep the boards' locks: not a folder; {remedy}")
    if others := owners - {0, os.getuid()}:
        raise TargetError(
            f"{folder}: the boards' locks must be in a folder of root's or your own, this is of "
            f"user {others.pop()}; {remedy}"
        )
    if facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not facts.st_mode & stat.S_ISVTX:
        raise TargetError(f"{folder}: others can replace the boards' locks there; {remedy}")


def _ourselves() -> dict[str, object]:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        user = f"user {os.getuid()}"
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return {"user": user, "pid": os.getpid(), "command": command[:200], "since": now}
