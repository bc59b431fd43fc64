"""One folder a run: journal and console log grow as things happen, run.json is written once."""

import logging
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from nnom_hil.errors import StoreError, UsageError
from nnom_hil.files import (
    Appender,
    is_full,
    make_folder,
    read_regular,
    remove_tree,
    write_whole,
)
from nnom_hil.history import remember
from nnom_hil.link.messages import VectorResult
from nnom_hil.locks import FileLock
from nnom_hil.paths import runs_dir
from nnom_hil.record_files import RECORD_FILE, load_record
from nnom_hil.records import RunRecord, Verdict
from nnom_hil.run.journal import Answer, Identity, Journal, read_journal

__all__ = ["RunFolder", "find_run", "newest_run", "plain_lines"]

LOG = logging.getLogger(__name__)
_JOURNAL: Final = "journal.jsonl"


class RunFolder:
    """reports/runs/<id>/ with console.log, journal.jsonl, run.json, report.html.

    Where several targets share the vectors, console-1.log and so on are those of the others. A disk
    that fills up ends no run: trouble says what could not be written, and nothing more is.

    Raises StoreError when no such folder can be made, naming the place and what to do.
    """

    def __init__(self, root: Path, label: str, *, now: datetime | None = None) -> None:
        self.started = now or datetime.now(UTC)
        stamp = self.started.strftime("%Y%m%dT%H%M%S%fZ")
        self.id = f"{stamp}-{label}"
        self.path = root / self.id
        self.trouble: StoreError | None = None
        try:
            make_folder(root)
            self._make_own()
        except OSError as exc:
            self._failed(exc, beginning=True)
        self._open()

    def _make_own(self) -> None:
        """Make the folder; another run may have begun in this microsecond."""
        name = self.id
        for number in range(2, 1000):
            try:
                self.path.mkdir()
                return
            except FileExistsError:
                self.id = f"{name}-{number}"
                self.path = self.path.with_name(self.id)
        self.path.mkdir()

    @classmethod
    def resume(cls, path: Path) -> Self:
        """Return the folder of a run that was ended before it was done.

        Raises UsageError for a folder that is none, a run that is done, or one that still runs.
        """
        if not (path / _JOURNAL).is_file():
            raise UsageError(f"{path}: not a run's folder: it has no journal.jsonl")
        if _is_done(path):
            raise UsageError(f"{path}: this run is done; there is nothing to resume")
        folder = cls.__new__(cls)
        folder.path, folder.id, folder.trouble = path, path.resolve().name, None
        stamp = folder.id.partition("-")[0]
        try:
            folder.started = datetime.strptime(stamp, "%Y%m%dT%H%M%S%fZ").replace(tzinfo=UTC)
        except ValueError as exc:
            raise UsageError(f"{path}: not a run's folder: its name begins with no time") from exc
        folder._open()
        return folder

    def _open(self) -> None:
        """Take the folder for this process and read what its journal has."""
        self._lock = threading.Lock()  # several targets answer at once
        self._earlier: list[str] = []  # what earlier attempts at this run have printed
        self._texts: list[list[str]] = []
        self._consoles: list[Appender | None] = []
        self._holder = FileLock(self.path / ".lock")
        self._lines: Appender | None = None
        self._journal = Journal(path=self.path / _JOURNAL)
        if self.trouble is None:
            try:
                if not self._acquire():
                    raise UsageError(f"{self.path}: another process is at this run; wait for it")
                self._take_up()
                self._lines = Appender(self._journal.path)
            except OSError as exc:
                self._failed(exc, beginning=True)
            except UsageError:  # in the journal
                self.close()
                raise
        self._open_console()

    def _acquire(self) -> bool:
        """Take the folder's lock; what stands in its place and is no lock goes."""
        place = self._holder.path
        if os.path.lexists(place) and (place.is_symlink() or not place.is_file()):
            remove_tree(place)
        return self._holder.acquire()

    def _failed(self, error: OSError, *, beginning: bool = False) -> None:
        """Go on without writing; at the beginning only where the disk is full, else StoreError."""
        name = Path(os.fsdecode(error.filename)).name if error.filename else self.path.name
        where = self.path if name == self.path.name else self.path / name
        remedy = "free space or use --out DIR"
        if not is_full(error) and os.path.lexists(where) and where != self.path:
            remedy = f"move it away, or {remedy}"
        trouble = StoreError(f"{where}: cannot write the run's record: {error.strerror}; {remedy}")
        if beginning and not is_full(error):
            raise trouble from error
        self.trouble = self.trouble or trouble

    def _take_up(self) -> None:
        """Read the journal of an earlier attempt; a line that was changed is asked for again."""
        if not self._journal.path.exists():
            return
        self._journal = read_journal(self._journal.path)
        if damaged := self._journal.damaged:
            LOG.warning(
                "%s:%d: not as it was written%s; what is missing is asked for again",
                self._journal.path,
                damaged[0],
                f", and {len(damaged) - 1} more lines" if len(damaged) > 1 else "",
            )
        if damaged or self._journal.torn:
            try:
                write_whole(self._journal.path, self._journal.rewritten())
            except StoreError as exc:
                if not is_full(exc):
                    raise
                self.trouble = exc

    def _open_console(self) -> int:
        """Open the next target's console log; return the target's number."""
        number = len(self._texts)
        file = None
        self._earlier.append("")
        self._texts.append([])
        if self.trouble is None:
            path = self.path / ("console.log" if number == 0 else f"console-{number}.log")
            try:
                if path.exists():  # of an earlier attempt
                    data = read_regular(path, 1 << 34)
                    self._earlier[number] = data.decode("utf-8", errors="replace")
                file = Appender(path)
            except OSError as exc:
                self._failed(exc)
        self._consoles.append(file)
        return number

    def answers(self, *, vectors: int, output_bytes: int) -> dict[int, Answer]:
        """Return the answers that an earlier attempt at this run has journaled, by vector.

        Raises UsageError, by file and line, for one that a run with so many vectors cannot have.
        """
        self._journal.check_ranges(vectors=vectors, output_bytes=output_bytes)
        return self._journal.answers

    def identify(self, now: Identity) -> None:
        """Journal what the answers are of; raises UsageError if earlier ones are of another."""
        before = self._journal.identity
        if before is None:
            self._write(self._journal.begin(now))
        elif before != now:
            what = "firmware"
            if before.model != now.model:
                what = "model or data"
            elif before.vectors != now.vectors:
                what = "data"
            raise UsageError(
                f"{self.path}: the {what} is not what it was when this run began; its answers "
                "cannot be put together with new ones; start another run"
            )

    def open_console(self, target: int) -> Callable[[str], None]:
        """Return what appends to the console log of a target; they are opened in order, from 1."""
        while len(self._texts) <= target:
            self._open_console()
        return lambda text: self._append(target, text)

    def console(self, text: str) -> None:
        """Append text to the first target's console log."""
        self._append(0, text)

    def journal(self, result: VectorResult) -> None:
        """Append an answer."""
        answer = Answer(output=result.output, status=result.status, ticks=result.ticks, line=0)
        with self._lock:
            self._write(self._journal.line(answer.entry(result.index)))

    def _write(self, line: bytes) -> None:
        """Append a line to the journal; after one that failed there are no others."""
        if self._lines is None:
            return
        try:
            self._lines.write(line)
        except OSError as exc:
            self._lines.close()
            self._lines = None
            self._failed(exc)

    def _append(self, target: int, text: str) -> None:
        with self._lock:
            self._texts[target].append(text)
            file = self._consoles[target]
            if file is None:
                return
            try:
                file.write(text.encode("utf-8", errors="replace"))
            except OSError as exc:
                file.close()
                self._consoles[target] = None
                self._failed(exc)

    def console_text(self, target: int = 0) -> str:
        """Return a target's console text so far, without that of earlier attempts at the run."""
        with self._lock:
            return plain_lines("".join(self._texts[target]))

    def whole_console(self) -> str:
        """Return the first target's console text, that of earlier attempts included."""
        return plain_lines(self._earlier[0] + "".join(self._texts[0]))

    def finish(self, record: RunRecord) -> None:
        """Write the record and let the history know of it; the run is over."""
        self.close()
        self.write(RECORD_FILE, record.to_json())
        remember(self.path)

    def write(self, name: str, data: bytes | str) -> None:
        """Write a file of the folder, whole; where that cannot be, it is the trouble."""
        if self.trouble is not None and not self.path.is_dir():
            return
        try:
            write_whole(self.path / name, data)
        except StoreError as exc:
            self.trouble = self.trouble or exc

    def close(self) -> None:
        """Close the growing files; twice is fine."""
        for file in (*self._consoles, self._lines):
            if file is not None:
                try:
                    file.close()
                except OSError as exc:
                    self._failed(exc)
        self._holder.release(remove=True)


def _is_done(path: Path) -> bool:
    """Return whether a run's record says so; one that is damaged is made again."""
    if not (path / RECORD_FILE).is_file():
        return False
    try:
        return load_record(path).verdict is not Verdict.ERROR
    except UsageError as exc:
        LOG.warning("%s; it is made again from the journal", str(exc).partition("; ")[0])
        return False


def plain_lines(text: str) -> str:
    """Return a console's text with one kind of line end."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def find_run(run: Path) -> Path:
    """Return a run's folder; one of reports/runs may be named by its id alone."""
    known = runs_dir() / run
    return known if not run.exists() and known.exists() else run


def newest_run(root: Path) -> Path:
    """Return the newest run's folder; raises UsageError when there is none."""
    runs: Iterator[Path] = (p.parent for p in root.glob(f"*/{RECORD_FILE}"))
    newest = max(runs, default=None, key=lambda p: p.name)
    if newest is None:
        raise UsageError(f"{root}: no runs yet; start one with: nnom-hil run")
    return newest
