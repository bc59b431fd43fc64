"""From a request to a finished folder: what both front doors, terminal and Robot, call."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nnom_hil.boards import Board
from nnom_hil.build import Image, check_drivers
from nnom_hil.codegen.firmware import compact_ring
from nnom_hil.codegen.layouts import Layout
from nnom_hil.codegen.mlperf import MlperfSettings, Protocol, mlperf_settings, pixels_of
from nnom_hil.codegen.renode import platform_description
from nnom_hil.errors import UsageError
from nnom_hil.files import write_whole
from nnom_hil.profiler import counting_board
from nnom_hil.profiles import ProfileRecord
from nnom_hil.records import RunRecord
from nnom_hil.report.html import Shown, render_shown
from nnom_hil.run.estimate import count_model
from nnom_hil.run.findings import interrupted_record
from nnom_hil.run.options import command_of
from nnom_hil.run.plan import Encoding, Observer, Plan
from nnom_hil.run.prepare import Prepared, prepare
from nnom_hil.run.profile import count_by_clock, profile_record
from nnom_hil.run.provenance import commit_of
from nnom_hil.run.request import (
    REQUEST_FILE,
    RunRequest,
    load_request,
    read_header,
    request_document,
)
from nnom_hil.run.runner import Run, build_for, firmware_header, firmware_settings
from nnom_hil.run.shown import REPORT_FILE, Outcome, files_of
from nnom_hil.run.store import RunFolder
from nnom_hil.run.tensors import wanted_layers
from nnom_hil.target.select import check_wishes, make_target

__all__ = [
    "Given",
    "RunRequest",
    "build_files",
    "execute_and_report",
    "image_of",
    "open_given",
    "open_run",
    "prepare_run",
    "profile_model",
    "report_on",
    "resume_run",
    "run_and_report",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a run is made of, beside what was asked for. prepared: limited as that says.

    image, weights, tools: None where the run builds its own. document: request.json.
    """

    model_name: str
    prepared: Prepared
    document: str
    command: tuple[str, ...]
    commit: str | None
    weights: str | None = None
    image: Image | None = None
    tools: dict[str, str] | None = None


def open_run(request: RunRequest, observer: Observer | None = None) -> Run:
    """Return a run with a folder of its own, its model converted.

    Whatever the user got wrong is told before there is a folder: raises UsageError, ModelError,
    DataError, BoardError; StoreError where no folder can be made. One that is interrupted leaves a
    folder with its record, which can be resumed.
    """
    try:
        prepared = prepare_run(request, observer)
    except KeyboardInterrupt as exc:
        folder = _folder(request, request.model_file.stem, request_document(request))
        record = interrupted_record(request, folder.id, folder.started, exc)
        made_by = {"command": command_of(request), "commit": commit_of()}
        folder.finish(record.model_copy(update=made_by))
        raise
    return open_given(request, _given(request, prepared), observer)


def open_given(request: RunRequest, given: Given, observer: Observer | None = None) -> Run:
    """Return a run with a folder of its own; raises StoreError where none can be made."""
    folder = _folder(request, given.model_name, given.document)
    try:
        return _run(request, given, folder, observer)
    except BaseException:
        folder.close()
        raise


def _given(request: RunRequest, prepared: Prepared) -> Given:
    return Given(
        model_name=request.model_file.stem,
        prepared=prepared.limited(request.limit),
        document=request_document(request),
        command=command_of(request),
        commit=commit_of(),
        weights=None if request.weights is None else read_header(request.weights),
    )


def _folder(request: RunRequest, model: str, document: str) -> RunFolder:
    label = re.sub(r"[^A-Za-z0-9_-]", "_", model)[:40]
    folder = RunFolder(request.runs, f"{request.board.name}-{label}")
    folder.write(REQUEST_FILE, document)
    return folder


def resume_run(path: Path, observer: Observer | None = None) -> Run:
    """Return a run that goes on where an earlier process was ended; raises UsageError."""
    folder = RunFolder.resume(path)
    try:
        request = load_request(path)
        return _run(request, _given(request, prepare_run(request, observer)), folder, observer)
    except BaseException:
        folder.close()  # it is another's to take up
        raise


def prepare_run(request: RunRequest, observer: Observer | None) -> Prepared:
    """Check what was asked for, convert the model, and check what only it can tell.

    Raises what open_run does.
    """
    _check(request)
    observer = observer or Observer()
    observer.phase("conversion")
    observer.step("preparing the model")
    prepared = prepare(
        request.model_file, request.data, options=request.conversion, on_step=observer.step
    )
    _check_model(request, prepared)
    return prepared


def _check(request: RunRequest) -> None:
    check_wishes(request.board, request.backend, probe=request.probe)
    check_drivers(request.board)
    request.library.check()
    if request.weights is not None:
        read_header(request.weights)
    if request.profile:
        counting_board(request.board)
    if request.header.layout is Layout.CHW and request.is_compat:
        why = "--compat" if request.library.nnom is None else "--nnom"
        raise UsageError(
            f"--layout chw {why}: NNoM's channel-first layout "
            "has faults that there is no reference for; build without running, or leave out one"
        )


def _check_model(request: RunRequest, prepared: Prepared) -> None:
    graph, task = prepared.graph, prepared.truth.task
    wanted_layers(graph, request.tensors)
    firmware_header(graph, request.header)
    settings = firmware_settings(graph, header=request.header)
    if request.encoding is Encoding.COMPACT and not compact_ring(request.board, settings):
        raise UsageError(
            "--encoding compact: the firmware has no room for it, or the input's rows are too "
            "long; use raw"
        )
    if request.jobs > 1 and graph.is_stateful:
        raise UsageError(
            f"--jobs {request.jobs}: this network is stateful, so that its answers depend on the "
            "vectors before; run it on one target"
        )
    if request.min_accuracy is not None and not task.has_accuracy:
        raise UsageError(
            f"--min-accuracy {request.min_accuracy:g}: this is judged as {task.words}, which has "
            f"no accuracy; {'use --max-error' if task.has_error else 'give labels'}"
        )
    if request.max_error is not None and not task.has_error:
        raise UsageError(
            f"--max-error {request.max_error:g}: this is judged as {task.words}, which has no "
            f"error; {'use --min-accuracy' if task.has_accuracy else 'give targets'}"
        )


def _run(request: RunRequest, given: Given, folder: RunFolder, observer: Observer | None) -> Run:
    plan = Plan(
        board=request.board,
        model_name=given.model_name,
        prepared=given.prepared,
        header=request.header,
        target=lambda board: make_target(
            board,
            request.backend,
            request.port,
            probe=request.probe,
            pack=request.pack,
            on_step=(observer or Observer()).step,
            exact=False,
        ),
        compat=request.is_compat,
        min_accuracy=request.min_accuracy,
        max_error=request.max_error,
        library=request.library,
        weights=given.weights,
        image=given.image,
        library_tools=given.tools,
        jobs=request.jobs,
        timing=request.timing,
        timing_only=request.timing_only,
        profile=request.profile,
        tensors=wanted_layers(given.prepared.graph, request.tensors),
        encoding=request.encoding,
        faults=request.faults,
        seed=request.seed,
        baud=request.baud,
        conversion=request.conversion_words,
        command=given.command,
        commit=given.commit,
    )
    return Run(plan, folder, observer)


def run_and_report(request: RunRequest | Path, observer: Observer) -> Outcome:
    """Execute a request, or go on with the run of a folder.

    Raises what open_run and resume_run raise.
    """
    run = (
        resume_run(request, observer) if isinstance(request, Path) else open_run(request, observer)
    )
    return execute_and_report(run)


def execute_and_report(run: Run) -> Outcome:
    """Execute a run; what stops it is in the outcome."""
    error: BaseException | None = None
    try:
        record = run.execute()
    except BaseException as exc:
        error = exc
        record = run.finish(exc)  # once
    return report_on(run, record, error)


def report_on(run: Run, record: RunRecord, error: BaseException | None = None) -> Outcome:
    """Write the report of a run that is finished."""
    run.observer.phase("report")
    folder = run.folder
    shown = Shown(
        record=record,
        console=folder.whole_console(),
        profile=run.found.profile,
        files=files_of(folder.path),
    )
    folder.write(REPORT_FILE, render_shown(shown))
    return Outcome(folder=folder.path, shown=shown, error=error, unwritten=run.unwritten)


def build_files(request: RunRequest, folder: Path) -> list[Path]:
    """Build a request's firmware into a folder, without running it; return the files.

    Raises HilError as a run's first steps do.
    """
    board = request.board
    image = image_of(request)
    written = [folder / f"{board.name}.elf"]
    write_whole(written[0], image.elf.read_bytes())
    if board.backend.native is not None:
        written[0].chmod(0o755)  # it is a program of this machine
    if board.backend.renode is not None and board.backend.renode.platform is None:
        written.append(folder / f"{board.name}.repl")
        write_whole(written[1], platform_description(board))
    return written


def image_of(request: RunRequest) -> Image:
    """Return a request's firmware; raises HilError as a run's first steps do."""
    prepared = prepare(request.model_file, request.data, options=request.conversion)
    return _image(request, request.board, prepared)


def _image(request: RunRequest, board: Board, prepared: Prepared) -> Image:
    return build_for(
        board,
        prepared.graph,
        header=request.header,
        compat=request.is_compat,
        library=request.library,
        weights=None if request.weights is None else read_header(request.weights),
        mlperf=_mlperf(request, prepared),
    )


def _mlperf(request: RunRequest, prepared: Prepared) -> MlperfSettings | None:
    """Return what firmware of MLPerf Tiny is told; raises UsageError where it cannot be."""
    if request.protocol is Protocol.AGENT:
        return None
    pixels = request.pixels or pixels_of(prepared.graph, prepared.x)
    return mlperf_settings(prepared.graph, pixels)


def profile_model(request: RunRequest, on_step: Callable[[str], None]) -> ProfileRecord:
    """Convert and build a model, run it once, and return what its layers ran.

    Raises HilError as a run's first steps do, TargetError where QEMU has no such core, and
    ToolError where it cannot count.
    """
    board, by_clock = request.board, request.backend == "renode"
    check_wishes(board, request.backend, probe=None)
    if request.backend not in (None, "qemu", "renode"):
        raise UsageError(
            f"--backend {request.backend}: profiles are counted in QEMU, or by Renode's clock"
        )
    place = board if by_clock else counting_board(board)
    check_drivers(place)
    request.library.check()
    on_step("preparing the model")
    prepared = prepare(
        request.model_file, request.data, options=request.conversion, on_step=on_step
    )
    on_step("building the firmware")
    image = _image(request, place, prepared)
    on_step("counting what the layers run")
    name = request.model_file.stem
    if by_clock:
        return count_by_clock(make_target(board, request.backend), board, image, prepared, name)
    counted = count_model(board, place, image, prepared)
    return profile_record(counted, board, place, image, prepared, name)
