"""A matrix of runs: each cell once, in a process of its own, and what is left after a kill.

Models are converted by one process, which loads Keras once. Everything else that cells share is in
the cache. Each cell is an ordinary run with a folder of its own; cells.jsonl has a line for each
that has ended. Who does the work is a crew's business (run/crew.py): processes of this machine, or
a farm, which is handed images and gives back the runs' folders.
"""

import json
import logging
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, Final

from nnom_hil.build import sharing_trees
from nnom_hil.errors import StoreError, UsageError
from nnom_hil.files import Appender, make_folder, read_regular, remove_tree, seal, unseal
from nnom_hil.gates import (
    Limits,
    baseline_file,
    evaluate,
    load_baseline,
    load_limits,
    update_baseline,
)
from nnom_hil.locks import FileLock
from nnom_hil.matrix import GATE_KEYS, CellRecord, MatrixRecord, expand, load_matrix
from nnom_hil.record_files import load_record
from nnom_hil.records import Verdict
from nnom_hil.run.cells import ReadyCell, ready, resolved
from nnom_hil.run.crew import Crew, Processes, Said
from nnom_hil.run.elsewhere import ATTEMPTS, LOOK_S
from nnom_hil.run.plan import MatrixObserver
from nnom_hil.run.provenance import commit_of
from nnom_hil.run.returned import take_in
from nnom_hil.run.stages import Ended, Stages

__all__ = ["MatrixRun", "begin_matrix", "resume_matrix"]

LOG = logging.getLogger(__name__)
_SCHEMA: Final = "nnom-hil/cells/1"
_JOURNAL: Final = "cells.jsonl"
_RUNS: Final = "runs"
_LIMIT: Final = 64 << 20


def begin_matrix(
    path: Path, folder: Path, command: tuple[str, ...] = (), *, runs: Path | None = None
) -> "MatrixRun":
    """Return a matrix that has not begun, in a new folder. runs: of the runs, None: its own.

    Whatever is wrong with the file, an option, a board, a model's or a data file's place is told
    before there is a folder: raises UsageError and its kinds.
    """
    file = load_matrix(path)
    cells = [resolved(cell, file, path) for cell in expand(file, path)]
    runs = (folder / _RUNS if runs is None else runs).resolve()
    prepared = [ready(cell, list(file.matrix), runs, str(path)) for cell in cells]
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
        "conversions": {cell.key: cell.conversion for cell in prepared},
    }
    return MatrixRun(folder, state, prepared, {})


def resume_matrix(folder: Path) -> "MatrixRun":
    """Return a matrix that goes on after an earlier process was ended, or cells failed to run.

    Raises UsageError for a folder that has none, and where a model or its data are not what they
    were: the cells would be of different ones.
    """
    state, done = _read_journal(folder / _JOURNAL)
    runs = (folder / state["runs"]).resolve()
    prepared = [ready(cell, state["axes"], runs, str(folder)) for cell in state["cells"]]
    for cell in prepared:
        if state["conversions"].get(cell.key) != cell.conversion:
            raise UsageError(
                f"{folder}: {cell.name}: its model, its data or what converts them is not what it "
                "was when this matrix began; start another one"
            )
    return MatrixRun(folder, state, prepared, done)


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


# ---- the run


class MatrixRun:
    """Cells that are to be run, and those that have ended.

    A run that passed or failed has ended; one that ended in an error is run again by resume_matrix.
    """

    def __init__(
        self,
        folder: Path,
        state: Mapping[str, Any],
        cells: list[ReadyCell],
        done: Mapping[str, CellRecord],
    ) -> None:
        self.folder = folder
        self._state = state
        self._cells = {cell.key: cell for cell in cells}
        self._done = {
            key: cell for key, cell in done.items()
            if key in self._cells and cell.verdict is not Verdict.ERROR
        }  # fmt: skip
        self._attempts: Counter[str] = Counter()
        self._observer = MatrixObserver()
        self._lines: Appender | None = None

    @property
    def plan(self) -> dict[str, str]:
        """What is left to be done: a line for each cell, by name."""
        return {
            cell.name: "ended already" if key in self._done else "is to be run"
            for key, cell in self._cells.items()
        }

    def execute(
        self,
        jobs: int,
        observer: MatrixObserver | None = None,
        *,
        update: bool = False,
        crew: Crew | None = None,
    ) -> MatrixRecord:
        """Run what has not ended and return the record of all.

        jobs: processes of this machine at a time. crew: who runs the cells, None is those.
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
            with sharing_trees() as trees:
                # a farm's client has threads, beside which nothing may be forked
                here = Processes(jobs, kind="fork" if crew is None else "forkserver", trees=trees)
                self._run_all(here, crew)
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

    def _run_all(self, here: Processes, crew: Crew | None) -> None:
        left = [cell for key, cell in self._cells.items() if key not in self._done]
        stages = Stages(left, here, crew or here)
        crews: list[Crew] = [here] if crew is None else [here, crew]
        try:
            while stages.left:
                stages.begin()
                for said in _heard(crews):
                    if said.kind in ("step", "notice"):
                        tell = getattr(self._observer, said.kind)
                        tell(said.job.name, said.what)
                        continue
                    for ended in stages.hear(said):
                        self._end(ended, stages)
        finally:
            for one in crews:
                one.stop()
            here.close()

    def _end(self, ended: Ended, stages: Stages) -> None:
        """Note a cell that has ended; one whose target, process or worker went away runs again."""
        cell = ended.cell
        self._attempts[cell.key] += 1
        tried = self._attempts[cell.key]
        if ended.is_gone and tried < ATTEMPTS:
            why = cell.reasons[0].partition("\n")[0] if cell.reasons else "it went away"
            self._observer.notice(cell.name, f"{why}; run again ({tried + 1} of {ATTEMPTS})")
            stages.again(cell.key, ended.place)
            return
        if ended.files is not None and cell.run is not None:
            cell = cell.model_copy(update={"run": take_in(self._runs, cell.run, ended.files)})
        self._done[cell.key] = cell
        self._write(cell.model_dump(mode="json"))
        self._observer.end(cell.name, cell.said)

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

    def _gated(self, ended: CellRecord, cell: ReadyCell, *, update: bool) -> CellRecord:
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


def _heard(crews: list[Crew]) -> Iterator[Said]:
    """Yield what crews have said; waits a moment for it."""
    pipes = {pipe: crew for crew in crews for pipe in crew.pipes}
    spoken = wait(list(pipes), LOOK_S)
    for pipe, crew in pipes.items():
        if pipe in spoken:
            yield from crew.received(pipe)
    for crew in crews:
        yield from crew.look()
