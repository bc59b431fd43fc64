"""One folder a run: journal and console log grow as things happen, run.json is written once."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Self

from filelock import FileLock, Timeout

from nnom_hil.errors import StoreError, UsageError
from nnom_hil.files import write_whole
from nnom_hil.paths import runs_dir
from nnom_hil.records import RunRecord, Verdict

__all__ = ["RunFolder", "find_run", "load_record", "newest_run"]


class RunFolder:
    """reports/runs/<id>/ with console.log, journal.jsonl, run.json, report.html.

    Where several targets share the vectors, console-1.log and so on are those of the others.

    Raises StoreError when nothing can be written there, naming the place and what to do.
    """

    def __init__(self, root: Path, label: str, *, now: datetime | None = None) -> None:
        self.started = now or datetime.now(UTC)
        stamp = self.started.strftime("%Y%m%dT%H%M%S%fZ")
        self.id = f"{stamp}-{label}"
        self.path = root / self.id
        try:
            self.path.mkdir(parents=True)
        except OSError as exc:
            raise _cannot_write(self.path, exc) from exc
        self._open()

    @classmethod
    def resume(cls, path: Path) -> Self:
        """Return the folder of a run that was ended before it was done.

        Raises UsageError for a folder that is none, a run that is done, or one that still runs.
        """
        journal = path / "journal.jsonl"
        if not journal.is_file():
            raise UsageError(f"{path}: not a run's folder: it has no journal.jsonl")
        if (path / "run.json").is_file() and load_record(path).verdict is not Verdict.ERROR:
            raise UsageError(f"{path}: this run is done; there is nothing to resume")
        folder = cls.__new__(cls)
        folder.path, folder.id = path, path.name
        stamp = path.name.partition("-")[0]
        try:
            folder.started = datetime.strptime(stamp, "%Y%m%dT%H%M%S%fZ").replace(tzinfo=UTC)
        except ValueError as exc:
            raise UsageError(f"{path}: not a run's folder: its name begins with no time") from exc
        folder._open()
        return folder

    def _open(self) -> None:
        """Take the folder for this process and read what its journal has."""
        self._lock = threading.Lock()  # several targets answer at once
        self._answers: dict[int, tuple[bytes, int]] = {}
        self._identity: dict[str, str] | None = None
        self._holder = FileLock(self.path / ".lock")
        try:
            self._holder.acquire(timeout=0)
            journal = self.path / "journal.jsonl"
            if journal.exists():
                self._read_journal(journal)
            self._journal: IO[str] = journal.open("a", encoding="utf-8")
            self._consoles = [self._console_file(0)]
        except Timeout as exc:
            raise UsageError(f"{self.path}: another process is at this run; wait for it") from exc
        except OSError as exc:
            raise _cannot_write(self.path, exc) from exc
        except UsageError:  # in the journal
            self._holder.release()
            raise

    def _console_path(self, target: int) -> Path:
        return self.path / ("console.log" if target == 0 else f"console-{target}.log")

    def _console_file(self, target: int) -> IO[str]:
        return self._console_path(target).open("a", encoding="utf-8")

    def _read_journal(self, journal: Path) -> None:
        """Read whole lines; what a killed process left half-written behind them is cut off."""
        data = journal.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                entry = json.loads(line)
                if "image" in entry:
                    self._identity = {"model": entry["model"], "image": entry["image"]}
                else:
                    answer = bytes.fromhex(entry["output"]), int(entry["status"])
                    self._answers[int(entry["vector"])] = answer
            except (ValueError, KeyError, TypeError) as exc:
                raise UsageError(f"{journal}:{number}: not a line of a journal: {exc}") from exc
        if len(whole) < len(data):
            write_whole(journal, whole)

    def answers(self) -> tuple[dict[int, bytes], dict[int, int]]:
        """Return outputs and statuses that an earlier attempt at this run has journaled."""
        outputs = {index: output for index, (output, _) in self._answers.items()}
        return outputs, {index: status for index, (_, status) in self._answers.items()}

    def identify(self, *, model: str, image: str) -> None:
        """Journal what the answers are of; raises UsageError if earlier ones are of another."""
        now = {"model": model, "image": image}
        if self._identity is None:
            self._identity = now
            self.journal(now)
        elif self._identity != now:
            what = "model or data" if self._identity["model"] != model else "firmware"
            raise UsageError(
                f"{self.path}: the {what} is not what it was when this run began; its answers "
                "cannot be put together with new ones; start another run"
            )

    def open_console(self, target: int) -> Callable[[str], None]:
        """Return what appends to the console log of a target; they are opened in order, from 1."""
        try:
            self._consoles.append(self._console_file(target))
        except OSError as exc:
            raise _cannot_write(self.path, exc) from exc
        return lambda text: self._append(self._consoles[target], text)

    def console(self, text: str) -> None:
        """Append text to the first target's console log."""
        self._append(self._consoles[0], text)

    def journal(self, entry: dict[str, Any]) -> None:
        """Append one event."""
        self._append(self._journal, json.dumps(entry, sort_keys=True) + "\n")

    def _append(self, file: IO[str], text: str) -> None:
        try:
            with self._lock:
                file.write(text)
                file.flush()
        except OSError as exc:
            raise _cannot_write(self.path, exc) from exc

    def console_text(self, target: int = 0) -> str:
        """Return a target's console text so far."""
        return self._console_path(target).read_text(encoding="utf-8")

    def console_text_or_empty(self, target: int = 0) -> str:
        """Return a target's console text so far; nothing where the disk has failed."""
        try:
            return self.console_text(target)
        except OSError:
            return ""

    def finish(self, record: RunRecord) -> None:
        """Write the record; the run is over."""
        self.close()
        write_whole(self.path / "run.json", record.to_json())

    def close(self) -> None:
        """Close the growing files; twice is fine."""
        try:
            for file in (*self._consoles, self._journal):
                file.close()
        except OSError as exc:
            raise _cannot_write(self.path, exc) from exc
        finally:
            self._holder.release()
            (self.path / ".lock").unlink(missing_ok=True)


def _cannot_write(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{path}: cannot write the run's record: {error.strerror}; free space or use --out DIR"
    )


def load_record(path: Path) -> RunRecord:
    """Read run.json, or the run.json of a run's folder; raises UsageError for anything else."""
    from pydantic import ValidationError

    file = path / "run.json" if path.is_dir() else path
    try:
        return RunRecord.model_validate_json(file.read_bytes())
    except OSError as exc:
        raise UsageError(f"{file}: cannot read the record: {exc.strerror}") from exc
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{file}: not a run record: {where}: {first['msg']}") from exc


def find_run(run: Path) -> Path:
    """Return a run's folder; one of reports/runs may be named by its id alone."""
    known = runs_dir() / run
    return known if not run.exists() and known.exists() else run


def newest_run(root: Path) -> Path:
    """Return the newest run's folder; raises UsageError when there is none."""
    runs: Iterator[Path] = (p.parent for p in root.glob("*/run.json"))
    newest = max(runs, default=None, key=lambda p: p.name)
    if newest is None:
        raise UsageError(f"{root}: no runs yet; start one with: nnom-hil run")
    return newest
