"""A matrix of runs: each cell once, in a process of its own, and what is left after a kill.

The processes are forked from one that has everything imported; models are converted by one of them,
which loads Keras once. Everything else that cells share is in the cache. Each cell is an ordinary
run with a folder of its own; cells.jsonl has a line for each that has ended.
"""

import json
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any, Final

from nnom_hil.build import sharing_trees
from nnom_hil.codegen.firmware import cpu_flags
from nnom_hil.errors import HilError, StoreError, UsageError, did_you_mean
from nnom_hil.files import Appender, make_folder, read_regular, remove_tree, seal, unseal
from nnom_hil.gates import (
    Limits,
    baseline_file,
    evaluate,
    load_baseline,
    load_limits,
    update_baseline,
)
from nnom_hil.interrupt import Signals
from nnom_hil.locks import FileLock
from nnom_hil.matrix import (
    GATE_KEYS,
    Cell,
    CellRecord,
    MatrixFile,
    MatrixRecord,
    Value,
    cell_key,
    cell_name,
    expand,
    figures_of,
    line_of,
    load_matrix,
)
from nnom_hil.record_files import load_record
from nnom_hil.records import Verdict
from nnom_hil.run.options import Option, checked, options_of, request_of
from nnom_hil.run.plan import MatrixObserver, Observer
from nnom_hil.run.prepare import preparation_key, prepare
from nnom_hil.run.provenance import commit_of
from nnom_hil.run.request import RunRequest
from nnom_hil.run.service import run_and_report

__all__ = ["MatrixRun", "begin_matrix", "resume_matrix"]

LOG = logging.getLogger(__name__)
_SCHEMA: Final = "nnom-hil/cells/1"
_JOURNAL: Final = "cells.jsonl"
_RUNS: Final = "runs"
_LIMIT: Final = 64 << 20
_NOT_HERE: Final = {"resume", "runs"}
"""Options of a run that a matrix gives itself."""
_PATIENCE_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
    """One cell, ready to run. conversion: what its model's conversion is known by."""

    key: str
    name: str
    options: Cell
    request: RunRequest
    conversion: str

    @property
    def core(self) -> str:
        """Boards with equal ones share a library."""
        return f"{cpu_flags(self.request.board)} {self.request.library}"


def begin_matrix(
    path: Path, folder: Path, command: tuple[str, ...] = (), *, runs: Path | None = None
) -> "MatrixRun":
    """Return a matrix that has not begun, in a new folder. runs: of the runs, None: its own.

    Whatever is wrong with the file, an option, a board, a model's or a data file's place is told
    before there is a folder: raises UsageError and its kinds.
    """
    file = load_matrix(path)
    cells = [_resolved(cell, file, path) for cell in expand(file, path)]
    runs = (folder / _RUNS if runs is None else runs).resolve()
    ready = [_ready(cell, list(file.matrix), runs, str(path)) for cell in cells]
    if (folder / _JOURNAL).exists():
        raise UsageError(
            f"{folder}: a matrix is there already; go on with it: nnom-hil matrix --resume {folder}"
        )
    state = {
        "schema": _SCHEMA,
        "name": path.stem,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": list(command),
        "axes": list(file.matrix),
        "runs": os.path.relpath(runs, folder.resolve()),
        "cells": cells,
        "conversions": {cell.key: cell.conversion for cell in ready},
    }
    return MatrixRun(folder, state, ready, {})


def resume_matrix(folder: Path) -> "MatrixRun":
    """Return a matrix that goes on after an earlier process was ended, or cells failed to run.

    Raises UsageError for a folder that has none, and where a model or its data are not what they
    were: the cells would be of different ones.
    """
    state, done = _read_journal(folder / _JOURNAL)
    runs = (folder / state["runs"]).resolve()
    ready = [_ready(cell, state["axes"], runs, str(folder)) for cell in state["cells"]]
    for cell in ready:
        if state["conversions"].get(cell.key) != cell.conversion:
            raise UsageError(
                f"{folder}: {cell.name}: its model, its data or what converts them is not what it "
                "was when this matrix began; start another one"
            )
    return MatrixRun(folder, state, ready, done)


# ---- what a file asks for


def _resolved(cell: Cell, file: MatrixFile, path: Path) -> Cell:
    """Return a cell with checked options and the paths that are relative to the file's folder."""
    known: dict[str, Option] = {o.name: o for o in options_of("run") if o.name not in _NOT_HERE}
    found: Cell = {}
    for key, value in cell.items():
        where = f"{path}{line_of(path, key)}: {key} = {value!r}"
        if key in GATE_KEYS:
            if not isinstance(value, str):
                raise UsageError(f"{where}: needs a path")
            found[key] = str((path.parent / value).resolve()) if value else ""
            continue
        if key not in known:
            near = did_you_mean(key, [*known, *GATE_KEYS])
            raise UsageError(f"{where}: {key!r} is no option of a run in a matrix{near}")
        found[key] = _checked(known[key], value, path, where)
    return found


def _checked(option: Option, value: Value, path: Path, where: str) -> Value:
    kind = option.kind
    fits = {
        bool: isinstance(value, bool),
        int: isinstance(value, int) and not isinstance(value, bool),
        float: isinstance(value, (int, float)) and not isinstance(value, bool),
    }.get(kind, isinstance(value, str))
    if not fits:
        needs = {bool: "true or false", int: "a whole number", float: "a number"}
        raise UsageError(f"{where}: needs {needs.get(kind, 'text in quotes')}")
    try:
        option.check(value)
    except UsageError as exc:
        raise UsageError(f"{where}: {exc}") from exc
    is_path = kind is Path or option.name in {"board", "compiler"}
    return _place(str(value), path.parent) if is_path else value


def _place(value: str, folder: Path) -> str:
    """Return a path beside the matrix file, where there is such a one; names stay names."""
    beside = folder / value
    return str(beside.resolve()) if beside.exists() else value


def _ready(options: Cell, axes: list[str], runs: Path, where: str) -> _Cell:
    name = cell_name(options, dict.fromkeys(axes))
    own = {key: value for key, value in options.items() if key not in GATE_KEYS}
    kinds = {option.name: option.kind for option in options_of("run")}
    given = {key: Path(str(v)) if kinds[key] is Path else v for key, v in own.items()}
    try:
        request = replace(request_of(checked(given)), runs=runs)
        key = preparation_key(request.model_file, request.data, request.conversion)
    except HilError as exc:
        raise type(exc)(f"{where}: {name}: {exc}") from exc
    return _Cell(key=cell_key(options), name=name, options=options, request=request, conversion=key)


# ---- the journal


def _read_journal(path: Path) -> tuple[dict[str, Any], dict[str, CellRecord]]:
    """Return what a matrix is and the cells that have ended; a line that a kill cut off is none."""
    try:
        lines = read_regular(path, _LIMIT).split(b"\n")
    except OSError as exc:
        raise UsageError(f"{path.parent}: not a matrix's folder: {exc.strerror}") from exc
    state: dict[str, Any] | None = None
    done: dict[str, CellRecord] = {}
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            entry = unseal(json.loads(line))
            if number == 1:
                state = entry if entry.get("schema") == _SCHEMA else None
            else:
                cell = CellRecord.model_validate(entry)
                done[cell.key] = cell
        except (ValueError, AttributeError, RecursionError):
            LOG.warning("%s:%d: not as it was written; that cell is run again", path, number)
    if state is None:
        raise UsageError(
            f"{path}: not a matrix's journal, or of another version; start another one"
        )
    return state, done


# ---- cells in processes


@dataclass(slots=True)
class _Worker:
    """A process. cells: what it is about: one cell, or those whose models it converts."""

    name: str
    process: ForkProcess
    pipe: Connection
    cells: list[_Cell]
    converts: bool
    ended: set[str] = field(default_factory=set)


class MatrixRun:
    """Cells that are to be run, and those that have ended.

    A run that passed or failed has ended; one that ended in an error is run again by resume_matrix.
    """

    def __init__(
        self,
        folder: Path,
        state: Mapping[str, Any],
        cells: list[_Cell],
        done: Mapping[str, CellRecord],
    ) -> None:
        self.folder = folder
        self._state = state
        self._cells = {cell.key: cell for cell in cells}
        self._done = {
            key: cell for key, cell in done.items()
            if key in self._cells and cell.verdict is not Verdict.ERROR
        }  # fmt: skip
        self._observer = MatrixObserver()
        self._workers: list[_Worker] = []
        self._lines: Appender | None = None
        # its other end is nobody's but ours, so that children notice when we are gone
        self._life: tuple[int, int] = (-1, -1)

    def execute(
        self, jobs: int, observer: MatrixObserver | None = None, *, update: bool = False
    ) -> MatrixRecord:
        """Run what has not ended, `jobs` processes at a time, and return the record of all.

        update: runs that passed become the baselines. Raises UsageError where another process is at
        this matrix, and StoreError where the folder cannot be written.
        """
        self._observer = observer or self._observer
        lock = FileLock(self.folder / ".lock")
        try:
            make_folder(self.folder)
            if not lock.acquire():
                raise UsageError(f"{self.folder}: another process is at this matrix; wait for it")
            self._sweep()
            self._open()
        except OSError as exc:
            raise StoreError(
                f"{self.folder}: cannot write the matrix: {exc.strerror}; free space or use "
                "--out DIR"
            ) from exc
        try:
            self._observer.begin(len(self._done), len(self._cells))
            with sharing_trees():
                self._run_all(jobs)
        finally:
            if self._lines is not None:
                self._lines.close()
            lock.release(remove=True)
        return self._record(update=update)

    @property
    def _runs(self) -> Path:
        return self.folder / str(self._state["runs"])

    def _sweep(self) -> None:
        """Remove the folders of runs that were cut off, where no other runs can be among them."""
        kept = {cell.run for cell in self._done.values()}
        own = self._state["runs"] == _RUNS and self._runs.is_dir()
        for path in self._runs.iterdir() if own else ():
            if path.name not in kept:
                remove_tree(path)

    def _open(self) -> None:
        path = self.folder / _JOURNAL
        is_new = not path.exists()
        torn = not is_new and not path.read_bytes().endswith(b"\n")
        self._lines = Appender(path)
        if is_new:
            self._write(self._state)
        elif torn:
            self._lines.write(b"\n")

    def _write(self, entry: Mapping[str, Any]) -> None:
        assert self._lines is not None
        text = json.dumps(seal(entry), sort_keys=True)
        try:
            self._lines.write(f"{text}\n".encode())
        except OSError as exc:
            raise StoreError(
                f"{self.folder / _JOURNAL}: cannot write what has ended: {exc.strerror}; free "
                f"space, then: nnom-hil matrix --resume {self.folder}"
            ) from exc

    def _run_all(self, jobs: int) -> None:
        waiting = [cell for cell in self._cells.values() if cell.key not in self._done]
        to_convert = {cell.conversion: cell for cell in waiting}
        converted: set[str] = set()
        self._life = os.pipe()
        try:
            while waiting or self._workers:
                busy = any(worker.converts for worker in self._workers)
                if to_convert and not busy and len(self._workers) < jobs:
                    self._start("conversion", list(to_convert.values()), converts=True)
                    continue
                cell = self._next(waiting, converted) if len(self._workers) < jobs else None
                if cell is not None:
                    waiting.remove(cell)
                    self._start(cell.name, [cell], converts=False)
                    continue
                for worker in self._that_speak():
                    for kind, what in _received(worker):
                        self._hear(worker, kind, what)
                        if kind == "converted":
                            converted.add(what)
                            to_convert.pop(what, None)
                        elif kind == "refused":
                            for other in [c for c in waiting if c.conversion == what[0]]:
                                waiting.remove(other)
                                self._end(_without_run(other, what[1]))
                            to_convert.pop(what[0], None)
        except BaseException:
            self._stop()
            raise
        finally:
            for handle in self._life:
                os.close(handle)

    def _next(self, waiting: list[_Cell], converted: set[str]) -> _Cell | None:
        """Return the next cell whose model is ready, best of a core that no other builds for."""
        ready = [cell for cell in waiting if cell.conversion in converted]
        busy = {
            cell.core for worker in self._workers if not worker.converts for cell in worker.cells
        }
        return next((cell for cell in ready if cell.core not in busy), ready[0] if ready else None)

    def _start(self, name: str, cells: list[_Cell], *, converts: bool) -> None:
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe(duplex=False)
        work = _convert_all if converts else _run_one
        process = context.Process(target=_child, args=(theirs, self._life, work, cells), name=name)
        process.start()
        theirs.close()
        self._workers.append(_Worker(name, process, ours, cells, converts))

    def _that_speak(self) -> list[_Worker]:
        pipes = wait([worker.pipe for worker in self._workers])
        return [worker for worker in self._workers if worker.pipe in pipes]

    def _hear(self, worker: _Worker, kind: str, what: Any) -> None:
        match kind:
            case "step":
                self._observer.step(worker.name, what)
            case "notice":
                self._observer.notice(worker.name, what)
            case "ended":
                worker.ended.add(worker.cells[0].key)
                self._end(CellRecord.model_validate_json(what))
            case "converted" | "refused":
                worker.ended.add(what if kind == "converted" else what[0])
            case "gone":
                self._workers.remove(worker)

    def _end(self, cell: CellRecord) -> None:
        self._done[cell.key] = cell
        self._write(cell.model_dump(mode="json"))
        self._observer.end(cell.name, cell.said)

    def _stop(self) -> None:
        """End the processes politely: they stop their targets and write their records."""
        for worker in self._workers:
            if worker.process.is_alive():
                worker.process.terminate()
        for worker in self._workers:
            worker.process.join(_PATIENCE_S)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers.clear()

    # ---- the record

    def _record(self, *, update: bool) -> MatrixRecord:
        return MatrixRecord(
            name=self._state["name"],
            started=self._state["started"],
            command=tuple(self._state["command"]),
            commit=commit_of(),
            runs=self._state["runs"],
            cells=tuple(
                self._gated(self._done[key], cell, update=update)
                for key, cell in self._cells.items()
            ),
        )

    def _gated(self, ended: CellRecord, cell: _Cell, *, update: bool) -> CellRecord:
        """Return a cell with its gates, where its options name a folder of baselines."""
        folder, limits = (str(cell.options.get(key, "")) for key in GATE_KEYS)
        if not folder or ended.run is None:
            return ended
        record = load_record(self._runs / ended.run)
        file = baseline_file(Path(folder), record.board, record.model)
        if update and record.verdict is Verdict.PASS:
            update_baseline(file, record)
        if not file.exists():
            return ended.model_copy(update={"ungated": f"{file}: there is no baseline yet"})
        try:
            wanted = load_limits(Path(limits)) if limits else Limits()
            gates = evaluate(record, load_baseline(file), wanted, name=str(file))
        except UsageError as exc:
            return ended.model_copy(
                update={"verdict": Verdict.ERROR, "reasons": (*ended.reasons, str(exc))}
            )
        return ended.model_copy(update={"gates": gates})


def _received(worker: _Worker) -> Iterator[tuple[str, Any]]:
    """Yield what a worker says; at its end, what is to be said for one that did not end well."""
    try:
        yield worker.pipe.recv()
        return
    except (EOFError, OSError):
        worker.process.join()
    why = f"its process ended with exit code {worker.process.exitcode}"
    code = worker.process.exitcode or 0
    if code < 0:
        why = f"its process was ended by {signal.Signals(-code).name}; is there enough memory?"
    if worker.converts:
        left = [cell for cell in worker.cells if cell.conversion not in worker.ended]
        if left:  # it was at the first of them
            yield "refused", (left[0].conversion, why)
    elif not worker.ended:
        cell = _without_run(worker.cells[0], why)
        yield "ended", cell.model_dump_json()
    yield "gone", None


def _without_run(cell: _Cell, why: str) -> CellRecord:
    return CellRecord(
        key=cell.key, name=cell.name, options=cell.options, verdict=Verdict.ERROR, reasons=(why,)
    )


# ---- in a child


Tell = Callable[[str, Any], None]


class _Steps(Observer):
    """Tells the parent of each step."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def step(self, what: str) -> None:
        self._tell("step", what)


class _ToParent(logging.Handler):
    """Sends what our rooms warn of to the parent, which has the terminal."""

    def __init__(self, tell: Tell) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell("notice", record.getMessage())


def _child(
    pipe: Connection, life: tuple[int, int], work: Callable[[Any, Tell], None], what: Any
) -> None:
    os.setsid()  # a terminal's Ctrl-C is for the parent, which then ends us
    os.close(life[1])
    threading.Thread(target=_end_with_parent, args=(life[0],), daemon=True).start()
    tell_lock = threading.Lock()

    def tell(kind: str, said: Any) -> None:
        with tell_lock:
            pipe.send((kind, said))

    ours = logging.getLogger("nnom_hil")
    ours.handlers = [_ToParent(tell)]
    with Signals():
        work(what, tell)


def _end_with_parent(life: int) -> None:
    os.read(life, 1)  # nothing is ever written: it returns when the parent is gone
    os.kill(os.getpid(), signal.SIGTERM)


def _convert_all(cells: list[_Cell], tell: Tell) -> None:
    for cell in cells:
        request = cell.request
        on_step = partial(_tell_step, tell, request.model_file.stem)
        try:
            prepare(request.model_file, request.data, options=request.conversion, on_step=on_step)
        except HilError as exc:
            tell("refused", (cell.conversion, str(exc)))
        else:
            tell("converted", cell.conversion)


def _tell_step(tell: Tell, model: str, what: str) -> None:
    tell("step", f"{model}: {what}")


def _run_one(cells: list[_Cell], tell: Tell) -> None:
    (cell,) = cells
    try:
        outcome = run_and_report(cell.request, _Steps(tell))
    except HilError as exc:
        tell("ended", _without_run(cell, str(exc)).model_dump_json())
        return
    if isinstance(outcome.error, KeyboardInterrupt):
        return
    record, unwritten = outcome.record, outcome.unwritten
    if unwritten is not None:  # what a full disk did not take cannot be looked up later
        tell("ended", _without_run(cell, str(unwritten)).model_dump_json())
        return
    told = CellRecord(
        key=cell.key,
        name=cell.name,
        options=cell.options,
        verdict=record.verdict,
        reasons=record.reasons,
        run=outcome.folder.name,
        figures=figures_of(record),
    )
    tell("ended", told.model_dump_json())
