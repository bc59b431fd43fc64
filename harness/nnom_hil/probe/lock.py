"""A lock for each board, so that two runs keep off one board; it names who has it."""

import getpass
import json
import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from nnom_hil.errors import TargetError
from nnom_hil.paths import locks_dir

__all__ = ["BoardLock"]


class BoardLock:
    """Held from acquire() to release(), or to the end of the process, however it ends.

    The locks of all users of a machine lie in one folder, since a board is there once.
    """

    def __init__(self, probe: str, folder: Path | None = None) -> None:
        folder = folder or locks_dir()
        self._probe = probe
        name = re.sub(r"[^A-Za-z0-9._-]", "_", probe)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if folder.stat().st_uid == os.getuid():
                # others' locks too; not sticky, or the kernel keeps users off each other's files
                folder.chmod(0o777)
        except OSError as exc:
            raise TargetError(f"{folder}: cannot keep the boards' locks: {exc.strerror}") from exc
        self._lock = FileLock(folder / f"{name}.lock", mode=0o666)
        self._holder = folder / f"{name}.holder"

    def acquire(self) -> None:
        """Take the board; raises TargetError naming its holder when another process has it."""
        try:
            self._lock.acquire(timeout=0)
            self._holder.unlink(missing_ok=True)
            self._holder.write_text(json.dumps(_ourselves()), encoding="utf-8")
        except Timeout as exc:
            raise TargetError(
                f"the board at probe {self._probe} is in use by {self._who()}; wait until it is "
                "done, or end it"
            ) from exc
        except OSError as exc:
            raise TargetError(
                f"{self._holder}: cannot lock the board at probe {self._probe}: {exc.strerror}"
            ) from exc

    def release(self) -> None:
        """Let others have it; twice is fine."""
        if self._lock.is_locked:
            self._holder.unlink(missing_ok=True)
            self._lock.release()

    def _who(self) -> str:
        try:
            who = json.loads(self._holder.read_text(encoding="utf-8"))
            if who["pid"] == os.getpid():
                return "this very run, which cannot share it (--jobs must be 1 on a board)"
            return f"{who['user']}, process {who['pid']} ({who['command']}), since {who['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"  # it has only just taken it


def _ourselves() -> dict[str, object]:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        user = f"user {os.getuid()}"
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return {"user": user, "pid": os.getpid(), "command": command[:200], "since": now}
