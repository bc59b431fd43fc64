"""From a request to a finished folder: what both front doors, terminal and Robot, call."""

import re
from collections.abc import Callable
from pathlib import Path

from nnom_hil.codegen.renode import platform_description
from nnom_hil.files import write_whole
from nnom_hil.records import RunRecord
from nnom_hil.report.html import render_html
from nnom_hil.run.plan import Observer, Plan
from nnom_hil.run.prepare import Prepared, prepare
from nnom_hil.run.request import RunRequest, load_request, save_request
from nnom_hil.run.runner import Run, build_for
from nnom_hil.run.store import RunFolder, load_record
from nnom_hil.target.select import make_target

__all__ = [
    "RunRequest",
    "build_files",
    "open_run",
    "resume_run",
    "run_and_report",
    "write_report",
]


def open_run(request: RunRequest, observer: Observer | None = None) -> Run:
    """Return a run with a folder of its own; raises StoreError where none can be made."""
    label = re.sub(r"[^A-Za-z0-9_-]", "_", request.model_file.stem)[:40]
    folder = RunFolder(request.runs, f"{request.board.name}-{label}")
    save_request(folder.path, request)
    return _run(request, folder, observer)


def resume_run(path: Path, observer: Observer | None = None) -> Run:
    """Return a run that goes on where an earlier process was ended; raises UsageError."""
    folder = RunFolder.resume(path)
    try:
        return _run(load_request(path), folder, observer)
    except BaseException:
        folder.close()  # it is another's to take up
        raise


def _run(request: RunRequest, folder: RunFolder, observer: Observer | None) -> Run:
    model = request.model_file

    def make(on_step: Callable[[str], None]) -> Prepared:
        prepared = prepare(model, request.data, options=request.convert, on_step=on_step)
        return prepared.limited(request.limit)

    plan = Plan(
        board=request.board,
        model_name=model.stem,
        prepare=make,
        target=lambda board: make_target(
            board,
            request.backend,
            request.port,
            probe=request.probe,
            pack=request.pack,
            on_step=(observer or Observer()).step,
        ),
        compat=request.is_compat,
        min_accuracy=request.min_accuracy,
        nnom=request.nnom,
        jobs=request.jobs,
        timing=request.timing,
        timing_only=request.timing_only,
        encoding=request.encoding,
        faults=request.faults,
        seed=request.seed,
        baud=request.baud,
    )
    return Run(plan, folder, observer)


def run_and_report(
    request: RunRequest | Path, observer: Observer
) -> tuple[Path, RunRecord, BaseException | None]:
    """Execute a request, or go on with the run of a folder.

    Return the folder, the record, and the error that stopped it, if any. Raises StoreError when no
    record can be written at all, UsageError for a folder that cannot be gone on with.
    """
    run = (
        resume_run(request, observer) if isinstance(request, Path) else open_run(request, observer)
    )
    trouble: BaseException | None = None
    try:
        run.execute()
    except BaseException as exc:
        trouble = exc
        if not (run.folder.path / "run.json").exists():
            raise  # the disk is the trouble: there is no record to report from
    return run.folder.path, write_report(run.folder.path), trouble


def build_files(request: RunRequest, folder: Path) -> list[Path]:
    """Build a request's firmware into a folder, without running it; return the files.

    Raises HilError as a run's first steps do.
    """
    board = request.board
    prepared = prepare(request.model_file, request.data, options=request.convert)
    image = build_for(board, prepared.graph, compat=request.is_compat, nnom=request.nnom)
    written = [folder / f"{board.name}.elf"]
    write_whole(written[0], image.elf.read_bytes())
    if board.backend.renode is not None and board.backend.renode.platform is None:
        written.append(folder / f"{board.name}.repl")
        write_whole(written[1], platform_description(board))
    return written


def write_report(folder: Path) -> RunRecord:
    """Render report.html from run.json and console.log; return the record."""
    record = load_record(folder)
    log = folder / "console.log"
    console = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    write_whole(folder / "report.html", render_html(record, console))
    return record
