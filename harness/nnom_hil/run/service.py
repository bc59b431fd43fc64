"""From a request to a finished folder: what both front doors, terminal and Robot, call."""

from dataclasses import dataclass
from pathlib import Path

from nnom_hil.boards import Board
from nnom_hil.files import write_whole
from nnom_hil.records import RunRecord
from nnom_hil.report.html import render_html
from nnom_hil.run.prepare import Prepared, digits_model, prepare
from nnom_hil.run.runner import Observer, Plan, default_target, execute, model_label
from nnom_hil.run.store import RunFolder, load_record

__all__ = ["RunRequest", "run_and_report", "write_report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What a user asks for; model None is the bundled digits. runs: the folder of all runs."""

    board: Board
    runs: Path
    model: Path | None = None
    data: Path | None = None
    limit: int | None = None
    min_accuracy: float | None = None
    per_channel: bool = False
    compat: bool = False

    @property
    def model_file(self) -> Path:
        """The model's file."""
        return self.model or digits_model()


def run_and_report(
    request: RunRequest, observer: Observer
) -> tuple[Path, RunRecord, BaseException | None]:
    """Execute a request; return its folder, its record, and the error that stopped it, if any.

    Raises StoreError when no record can be written at all.
    """
    label = model_label(request.model_file)

    def make(observer_step: object) -> Prepared:
        del observer_step
        prepared = prepare(
            request.model_file,
            request.data,
            per_channel=request.per_channel,
            on_step=observer.step,
        )
        return prepared.limited(request.limit)

    plan = Plan(
        board=request.board,
        model_name=request.model_file.stem,
        prepare=make,
        target=default_target,
        compat=request.compat,
        min_accuracy=request.min_accuracy,
    )
    folder = RunFolder(request.runs, f"{request.board.name}-{label}")
    trouble: BaseException | None = None
    try:
        execute(plan, folder, observer)
    except BaseException as exc:
        trouble = exc
        if not (folder.path / "run.json").exists():
            raise  # the disk is the trouble: there is no record to report from
    return folder.path, write_report(folder.path), trouble


def write_report(folder: Path) -> RunRecord:
    """Render report.html from run.json and console.log; return the record."""
    record = load_record(folder)
    log = folder / "console.log"
    console = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    write_whole(folder / "report.html", render_html(record, console))
    return record
