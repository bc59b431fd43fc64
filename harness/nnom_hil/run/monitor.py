"""Other people's firmware: what a console printed becomes a record, judged by itself.

There is no agent and no reference, so the verdict says only whether the tables agree with each
other and whether NNoM reported errors.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nnom_hil.console import (
    Banner,
    CompileLog,
    FormatLayer,
    ModelStat,
    PredictionSummary,
    clean_console,
    error_lines,
    parse_banner,
    parse_compile_log,
    parse_io_format,
    parse_model_stat,
    parse_prediction,
    warning_lines,
)
from nnom_hil.deadline import Deadline
from nnom_hil.errors import DataError, LinkError
from nnom_hil.link.transport import LinkAddress, SerialTransport
from nnom_hil.records import Accuracy, CrossCheck, LayerRecord, RunRecord, TimeSource, Verdict
from nnom_hil.report.html import Shown, render_shown
from nnom_hil.run.printed import figures_as_printed, layers_as_printed, memory_as_printed
from nnom_hil.run.provenance import commit_of
from nnom_hil.run.shown import REPORT_FILE, Outcome, files_of
from nnom_hil.run.store import RunFolder
from nnom_hil.target.labgrid import PortLoan
from nnom_hil.version import version

__all__ = ["About", "ConsoleRequest", "judge_console", "monitor", "record_console"]

_MAX_BYTES = 64 << 20
_MOST_LETTERS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleRequest:
    """Where the text comes from: a file, or a port that is read until nothing comes for quiet_s
    seconds. core_hz: the core's clock where it is known, else 0. runs: the folder of all runs.
    """

    runs: Path
    file: Path | None = None
    port: str | None = None
    baud: int = 115200
    quiet_s: float = 10.0
    core_hz: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What is known of a firmware beside its console. checks: what was found of it otherwise.

    notes: what else to know. flash_bytes: of its image, None where it is not ours to see.
    """

    name: str
    core_hz: int = 0
    command: tuple[str, ...] = ()
    board: str = "console"
    title: str = "Firmware without our agent; layers' MACs as printed, rounded down"
    checks: tuple[CrossCheck, ...] = ()
    notes: tuple[str, ...] = ()
    tools: Mapping[str, str] = field(default_factory=dict)
    flash_bytes: int | None = None


def monitor(request: ConsoleRequest, on_text: Callable[[str], None] = lambda _: None) -> Outcome:
    """Read a console, write its run folder, and return folder and record.

    Ctrl-C ends reading a port; what came until then counts. Raises DataError when NNoM printed
    nothing that is known, LinkError for trouble with the port, StoreError.
    """
    source = request.file or request.port
    name = request.file.stem if request.file is not None else str(request.port)
    parts = _read(request, on_text) if request.file is None else _read_file(request.file)
    text = "".join(parts)
    if not _facts(text).is_known:
        raise DataError(
            f"{source}: no table of NNoM's in {len(text)} characters: neither a compile log, nor "
            "what model_stat(), model_io_format() or prediction_summary() print"
        )
    about = About(name=name, core_hz=request.core_hz, command=_command(request))
    return record_console(text, about, request.runs)


def record_console(text: str, about: About, runs: Path) -> Outcome:
    """Write the run folder of a console's text, and return folder and record; raises StoreError."""
    label = re.sub(r"[^A-Za-z0-9_-]+", "_", about.name).strip("_")[:40]
    folder = RunFolder(runs, f"{about.board}-{label or 'text'}")
    folder.console(text)
    record = _record(_facts(text), folder, about)
    folder.finish(record)
    shown = Shown(record=record, console=folder.console_text(), files=files_of(folder.path))
    folder.write(REPORT_FILE, render_shown(shown))
    return Outcome(folder=folder.path, shown=shown, unwritten=folder.trouble)


def _read_file(file: Path) -> Iterator[str]:
    try:
        with file.open("rb") as stream:
            yield stream.read(_MAX_BYTES).decode("utf-8", errors="replace")
    except OSError as exc:
        raise DataError(f"{file}: cannot be read: {exc.strerror}") from exc


def _read(request: ConsoleRequest, on_text: Callable[[str], None]) -> Iterator[str]:
    assert request.port is not None
    loan = PortLoan(request.port)
    size = 0
    transport = None
    try:
        transport = SerialTransport(LinkAddress(url=loan.acquire(), baud=request.baud))
        while size < _MAX_BYTES:
            data = transport.read(Deadline.after(request.quiet_s))
            if not data:
                return
            size += len(data)
            text = data.decode("utf-8", errors="replace")
            on_text(text)
            yield text
    except (KeyboardInterrupt, LinkError) as exc:
        if isinstance(exc, LinkError) and size == 0:
            raise
        return  # stopped, or unplugged: what came counts
    finally:
        if transport is not None:
            transport.close()
        loan.release()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    compiled: CompileLog | None
    stat: ModelStat | None
    formats: tuple[FormatLayer, ...] | None
    prediction: PredictionSummary | None
    banner: Banner
    errors: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def is_known(self) -> bool:
        """Whether there is any table of NNoM's."""
        known = (self.compiled, self.stat, self.formats, self.prediction)
        return any(part is not None for part in known)


def _facts(text: str) -> _Facts:
    clean = clean_console(text)
    return _Facts(
        compiled=parse_compile_log(clean),
        stat=parse_model_stat(clean),
        formats=parse_io_format(clean),
        prediction=parse_prediction(clean),
        banner=parse_banner(clean),
        errors=error_lines(clean),
        warnings=warning_lines(clean),
    )


def judge_console(text: str) -> tuple[CrossCheck, ...]:
    """Return what the tables in a console text say about each other; empty without tables."""
    return tuple(_checks(_facts(text)))


def _checks(facts: _Facts) -> Iterator[CrossCheck]:
    if facts.compiled is not None:
        yield from _compiled_checks(facts.compiled)
    if facts.stat is not None:
        yield from _stat_checks(facts.stat)
    if facts.formats is not None:
        yield _numbered("model_io_format()", [layer.index for layer in facts.formats])
    tables = (
        facts.compiled and facts.compiled.layers, facts.stat and facts.stat.layers, facts.formats,
    )  # fmt: skip
    names = [[layer.name for layer in layers] for layers in tables if layers]
    if len(names) > 1:
        yield _check(
            "tables list the same layers",
            all(other == names[0] for other in names),
            "they differ, or lines are missing",
        )
    if facts.prediction is not None:
        yield from _prediction_checks(facts.prediction)


def _compiled_checks(compiled: CompileLog) -> Iterator[CrossCheck]:
    yield _numbered("compile log", [layer.index for layer in compiled.layers])
    wrong = [f"#{c.index}" for c in compiled.layers if c.size_out != _product(c.shape)]
    yield _check("outputs have their shapes' sizes", not wrong, f"not {', '.join(wrong[:50])}")
    total = sum(compiled.blocks)
    yield _check(
        "blocks add up to the network buffers",
        total == compiled.blocks_total,
        f"{total} against {compiled.blocks_total} bytes",
    )


def _stat_checks(stat: ModelStat) -> Iterator[CrossCheck]:
    yield _numbered("model_stat()", [layer.index for layer in stat.layers])
    times = sum(layer.time_us for layer in stat.layers)
    yield _check(
        "layer times add up to the prediction's",
        times == stat.time_us,
        f"{times} against {stat.time_us} us (printed)",
    )
    low, high = (sum(_macs(layer.macs)[i] for layer in stat.layers) for i in (0, 1))
    yield _check(
        "layers' MACs add up to the model's",
        low <= stat.total_macs <= high,
        f"{low} to {high} against {stat.total_macs}",
    )


def _prediction_checks(prediction: PredictionSummary) -> Iterator[CrossCheck]:
    if prediction.top_k:
        too_much = [share for share in prediction.top_k if float(share) > 100]
        yield _check("shares are at most 100 %", not too_much, f"{', '.join(too_much)} %")
    if not prediction.confusion:
        return
    counted = sum(map(sum, prediction.confusion))
    yield _check(
        "confusion matrix holds every frame",
        counted == prediction.frames,
        f"{counted} of {prediction.frames}",
    )
    square = _square(prediction.confusion) is not None
    yield _check("confusion matrix is square", square, "rows are cut or missing")
    if square and prediction.top_k and prediction.frames:
        right = sum(row[i] for i, row in enumerate(prediction.confusion))
        shares = _shares(right, prediction.frames)
        yield _check(
            "Top 1 is the matrix' diagonal",
            prediction.top_k[0] in shares,
            f"{shares[0]} % against {prediction.top_k[0]} %",
        )


def _check(what: str, ok: bool, detail: str) -> CrossCheck:
    return CrossCheck(what=what, ok=ok, detail="" if ok else detail[:_MOST_LETTERS])


def _numbered(what: str, indices: list[int]) -> CrossCheck:
    return _check(
        f"{what} is whole",
        indices == list(range(1, len(indices) + 1)) and bool(indices),
        f"lines {indices[:50]}",
    )


def _shares(hits: int, frames: int) -> tuple[str, str]:
    """Return hits in percent as NNoM prints them: cut, and as 32 bits hold the products."""
    if hits == frames:
        return "100", "100"

    hundredths = [hits * 10_000 % 2**bits // frames % 100 for bits in (64, 32)]
    right, wrapped = (f"{hits * 100 // frames}.{cut:02d}" for cut in hundredths)
    return right, wrapped


def _product(shape: tuple[int, ...]) -> int:
    result = 1
    for size in shape:
        result *= size
    return result


def _macs(printed: str) -> tuple[int, int]:
    """Return the least and the most that a printed number of MACs stands for."""
    if not printed:
        return 0, 0
    match = re.fullmatch(r"(\d{1,15}+)(?:\.(\d\d))?([kMG]?)", printed)
    if match is None:
        return 0, 0
    whole, hundredths, unit = match.groups()
    scale = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}[unit]
    step = scale // 100 if hundredths else scale
    least = int(whole) * scale + int(hundredths or 0) * scale // 100
    return least, least + step - 1


def _record(facts: _Facts, folder: RunFolder, about: About) -> RunRecord:
    checks = (*_checks(facts), *about.checks)
    reasons = [f"{check.what}: {check.detail}" for check in checks if not check.ok]
    reasons += [f"NNoM printed: {line}" for line in facts.errors]
    stat, prediction = facts.stat, facts.prediction
    title = about.title
    if stat is not None and stat.time_us == 0:
        title += "; no times: its nnom_us_get() is not ported"
    return RunRecord(
        id=folder.id,
        started=folder.started.isoformat(timespec="seconds"),
        verdict=Verdict.FAIL if reasons else Verdict.PASS,
        reasons=tuple(reasons),
        board=about.board,
        board_title=title,
        core_hz=about.core_hz,
        model=about.name,
        notes=(*about.notes, *(f"NNoM printed: {line}" for line in facts.warnings)),
        vectors=0,
        vectors_planned=prediction.frames if prediction is not None else 0,
        accuracy=_accuracy(prediction),
        confusion=_square(prediction.confusion) if prediction is not None else None,
        time_source=TimeSource.PRINTED,
        timing_runs=1 if stat is not None else 0,
        total_time_us=float(stat.time_us) if stat is not None and stat.time_us else None,
        layers=tuple(_layers(facts)),
        macs=stat.total_macs if stat is not None else None,
        flash_bytes=about.flash_bytes,
        ram_bytes=_memory(facts),
        cross_checks=checks,
        tools={"nnom-hil": version(), **about.tools},
        command=about.command,
        commit=commit_of(),
        printed_memory=memory_as_printed(facts.compiled, stat, facts.banner),
        printed=figures_as_printed(facts.compiled, stat, prediction, facts.banner),
    )


def _memory(facts: _Facts) -> int | None:
    """Return the bytes that NNoM says it has taken."""
    if facts.stat is not None and facts.stat.total_memory is not None:
        return facts.stat.total_memory
    if facts.compiled is None:
        return None
    return facts.compiled.total_memory or facts.compiled.network_buffers


def _accuracy(prediction: PredictionSummary | None) -> Accuracy | None:
    if prediction is None or not prediction.top_k:
        return None
    shares = tuple(min(1.0, float(share) / 100) for share in prediction.top_k)
    return Accuracy.model_validate({"float": None, "quantised": shares[0], "top_k": shares})


def _command(request: ConsoleRequest) -> tuple[str, ...]:
    """Return what reads the same file, or listens at the same port, again."""
    usual = ConsoleRequest(runs=request.runs)
    words = ["nnom-hil", "monitor"]
    words += [str(request.file)] if request.file is not None else ["--port", str(request.port)]
    words += ["--baud", str(request.baud)] if request.baud != usual.baud else []
    words += ["--quiet", str(request.quiet_s)] if request.quiet_s != usual.quiet_s else []
    words += ["--core-mhz", str(request.core_hz / 1e6)] if request.core_hz else []
    return tuple(words)


def _square(matrix: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...] | None:
    """Return the matrix; None where rows are cut or missing, or there is none."""
    whole = all(len(row) == len(matrix) for row in matrix)
    return matrix if matrix and whole else None


def _layers(facts: _Facts) -> Iterator[LayerRecord]:
    """Yield what the tables say of each layer, by its number."""
    compiled = {c.index: c for c in facts.compiled.layers} if facts.compiled else {}
    times = {s.index: s for s in facts.stat.layers} if facts.stat else {}
    formats = {f.index: f for f in facts.formats} if facts.formats else {}
    others = layers_as_printed(facts.compiled, facts.stat, facts.formats)
    is_timed = facts.stat is not None and facts.stat.time_us > 0
    for index in sorted(compiled.keys() | times.keys() | formats.keys()):
        line, time, made = compiled.get(index), times.get(index), formats.get(index)
        name = next(part.name for part in (line, time, made) if part is not None)
        shaped = line or made
        printed = next((part.macs for part in (line, time) if part is not None and part.macs), "")
        yield LayerRecord(
            name=f"#{index}",
            type=name,
            activation=line.activation if line else None,
            shape=shaped.shape if shaped else (),
            dec=made.output_dec if made else None,
            macs=_macs(printed)[0],
            time_us=float(time.time_us) if time and is_timed else None,
            **others[index],
        )
