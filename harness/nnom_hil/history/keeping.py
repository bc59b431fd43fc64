"""Where a history is, and how it stays in step: at the end of each run, and before it is asked."""

import logging
from pathlib import Path
from typing import Final

from nnom_hil.errors import HilError, StoreError, UsageError
from nnom_hil.files import remove_tree
from nnom_hil.history.store import History, Synced
from nnom_hil.locks import FileLock
from nnom_hil.paths import runs_dir

__all__ = ["history_file", "open_history", "rebuild", "remember"]

LOG = logging.getLogger(__name__)
_NAME: Final = "history.db"


def history_file(runs: Path) -> Path:
    """Return the file of a folder of runs: reports/history.db, or inside any other folder."""
    is_usual = runs.resolve() == runs_dir().resolve()
    return (runs.parent if is_usual else runs) / _NAME


def remember(folder: Path) -> None:
    """Take up a run that has ended. No run fails by it: what goes wrong is a warning.

    Folders that a user names have a history only where they have asked for one.
    """
    runs = folder.parent
    try:
        file = history_file(runs)
        if file.parent == runs and not file.exists():
            return
        with History(file) as history:
            history.add(folder)
    except (HilError, OSError) as exc:
        LOG.warning("%s; the run and its record are not touched by that", exc)


def open_history(runs: Path) -> tuple[History, Synced]:
    """Return the history of a folder of runs, in step with their records; made where it is not.

    Where it cannot be written it is made up in memory. Raises UsageError where there are no runs,
    or where the file is none of ours.
    """
    file = history_file(runs)
    if not runs.is_dir() and not file.exists():
        raise UsageError(f"{runs}: no runs yet; start one with: nnom-hil run")
    try:
        history = History(file)
    except StoreError as exc:
        LOG.warning("%s; it is made up from the records, for now", exc)
        history = History(None)
    try:
        return history, _in_step(history, runs)
    except BaseException:
        history.close()
        raise


def _in_step(history: History, runs: Path) -> Synced:
    try:
        return history.sync(runs)
    except StoreError as exc:
        LOG.warning("%s; later runs are not in it", exc)
        return Synced()


def rebuild(runs: Path) -> tuple[int, Synced]:
    """Make the history of a folder from its records alone; return how many runs it has.

    Raises StoreError where it cannot be written, UsageError where there is no such folder.
    """
    if not runs.is_dir():
        raise UsageError(f"{runs}: no runs yet; start one with: nnom-hil run")
    file = history_file(runs)
    lock = FileLock(file.with_name(f".{_NAME}.lock"))
    try:
        lock.acquire(wait=True)
    except OSError as exc:
        raise StoreError(f"{file}: cannot keep the history: {exc.strerror}") from exc
    try:
        return _made(file, runs)
    except UsageError as exc:  # it is another file, or broken, and can be made again
        LOG.warning("%s", str(exc).partition("; ")[0])
        for suffix in ("", "-journal", "-wal", "-shm"):
            remove_tree(Path(f"{file}{suffix}"))
        return _made(file, runs)
    finally:
        lock.release(remove=True)


def _made(file: Path, runs: Path) -> tuple[int, Synced]:
    with History(file) as history:
        synced = history.sync(runs, anew=True)
        return history.count(), synced
