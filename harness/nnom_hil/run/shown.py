"""What a finished run has to show, and its page again; knows neither models nor targets."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nnom_hil.errors import StoreError, UsageError
from nnom_hil.files import first_problem, read_regular, write_whole
from nnom_hil.profiles import PROFILE_FILE, ProfileRecord
from nnom_hil.record_files import load_record
from nnom_hil.records import RunRecord
from nnom_hil.report.html import Shown, render_shown
from nnom_hil.run.store import plain_lines

__all__ = ["REPORT_FILE", "Outcome", "files_of", "shown_run", "write_report"]

REPORT_FILE: Final = "report.html"
_LINKED: Final = re.compile(
    r"(run|request|profile)\.json|journal\.jsonl|profile\.folded|tensors\.npz|console(-\d{1,3})?\.log"
)
"""A run's files that its report links to."""
_CONSOLE_LIMIT: Final = 1 << 30
_PROFILE_LIMIT: Final = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a run. shown: what its report has. error: what stopped it. unwritten: what a
    full disk did not take.

    The record says what was found out, whatever could be written of it.
    """

    folder: Path
    shown: Shown
    error: BaseException | None = None
    unwritten: StoreError | None = None

    @property
    def record(self) -> RunRecord:
        """What was found out."""
        return self.shown.record


def write_report(folder: Path) -> Outcome:
    """Render report.html from run.json, console.log and, where there is one, profile.json."""
    shown = shown_run(folder)
    unwritten = None
    try:
        write_whole(folder / REPORT_FILE, render_shown(shown))
    except StoreError as exc:
        unwritten = exc
    return Outcome(folder=folder, shown=shown, unwritten=unwritten)


def shown_run(folder: Path) -> Shown:
    """Return what a finished run has to show.

    Raises UsageError for a file that is none of a run's.
    """
    record = load_record(folder)
    log = folder / "console.log"
    console = ""
    if log.is_file():
        try:
            text = read_regular(log, _CONSOLE_LIMIT).decode("utf-8", errors="replace")
        except OSError as exc:
            raise UsageError(f"{log}: cannot read the console: {exc.strerror}") from exc
        console = plain_lines(text)
    return Shown(
        record=record, console=console, profile=_profile_in(folder), files=files_of(folder)
    )


def files_of(folder: Path) -> tuple[str, ...]:
    """Return the names of a run's files, to link to from its report."""
    if not folder.is_dir():  # a full disk took nothing of the run
        return ()
    names = (path.name for path in folder.iterdir() if path.is_file())
    return tuple(sorted(filter(_LINKED.fullmatch, names)))


def _profile_in(folder: Path) -> ProfileRecord | None:
    """Return a run's profile, None where it has none; raises UsageError for what is no profile."""
    from pydantic import ValidationError

    file = folder / PROFILE_FILE
    if not file.is_file():
        return None
    try:
        return ProfileRecord.model_validate_json(read_regular(file, _PROFILE_LIMIT))
    except OSError as exc:
        raise UsageError(f"{file}: cannot read the profile: {exc.strerror}") from exc
    except ValidationError as exc:
        told = first_problem(exc)
        raise UsageError(f"{file}: not a profile: {told}; remove it, or run again") from exc
