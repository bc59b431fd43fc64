"""One run by a crew of other machines: its image made here, its folder taken in here."""

from collections.abc import Callable
from multiprocessing.connection import wait
from typing import Final

from nnom_hil.errors import TargetError
from nnom_hil.records import Verdict
from nnom_hil.run.cell_work import Ended, HandedCell, run_cell_elsewhere, without_run
from nnom_hil.run.cells import ReadyCell
from nnom_hil.run.crew import CANNOT, GONE, Crew, Job, Said
from nnom_hil.run.handed import hand_over
from nnom_hil.run.plan import Observer
from nnom_hil.run.request import RunRequest
from nnom_hil.run.returned import take_in
from nnom_hil.run.shown import Outcome, shown_run

__all__ = ["ATTEMPTS", "LOOK_S", "run_elsewhere"]

ATTEMPTS: Final = 3
"""At a run whose process, worker or target goes away."""
LOOK_S: Final = 1.0
"""How often a crew is asked what time alone has brought."""


def run_elsewhere(request: RunRequest, crew_of: Callable[[], Crew], observer: Observer) -> Outcome:
    """Run a request; crew_of: is asked for the crew when there is something for it to do.

    Raises what open_run does, and TargetError where no worker could do it.
    """
    handed = hand_over(request, observer)
    name = f"{handed.model_name} on {request.board.name}"
    cell = ReadyCell(key="run", name=name, options={}, request=request, conversion=handed.prepared)
    job = Job(
        key="run",
        name=name,
        work=run_cell_elsewhere,
        what=HandedCell(cell=cell, handed=handed),
        request=request,
        parcels=handed.parcels,
    )
    crew = crew_of()
    try:
        observer.step("waiting for a worker")
        for attempt in range(1, ATTEMPTS + 1):
            ended = _once(job, crew)
            if not ended.is_gone or attempt == ATTEMPTS:
                break
            observer.step(f"{ended.cell.reasons[0]}; run again ({attempt + 1} of {ATTEMPTS})")
    finally:
        crew.stop()
    told = "; ".join(ended.cell.reasons)
    if ended.files is None or ended.cell.run is None:
        raise TargetError(told)
    folder = request.runs / take_in(request.runs, ended.cell.run, ended.files)
    shown = shown_run(folder)
    failed = shown.record.verdict is Verdict.ERROR
    return Outcome(folder=folder, shown=shown, error=TargetError(told) if failed else None)


def _once(job: Job, crew: Crew) -> Ended:
    """Return what becomes of one attempt."""
    is_begun = False
    while True:
        if not is_begun and crew.has_room(job):
            crew.start(job)
            is_begun = True
        spoken = wait(list(crew.pipes), LOOK_S)
        heard = [said for pipe in crew.pipes if pipe in spoken for said in crew.received(pipe)]
        for said in [*heard, *crew.look()]:
            if (ended := _ended(job, said)) is not None:
                return ended


def _ended(job: Job, said: Said) -> Ended | None:
    if said.kind == "ended":
        ended: Ended = said.what
        return ended
    if said.kind in (GONE, CANNOT):
        why = said.what or "its process ended without a word"
        return Ended(cell=without_run(job.what.cell, why), is_gone=said.kind == GONE)
    return None
