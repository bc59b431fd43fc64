"""What is done for a matrix in processes of their own: conversions, images for workers, runs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from nnom_hil.errors import HilError, LinkError, TargetGoneError
from nnom_hil.matrix import CellRecord, figures_of
from nnom_hil.records import Verdict
from nnom_hil.run.cells import ReadyCell
from nnom_hil.run.crew import Steps, Tell
from nnom_hil.run.handed import Handed, hand_over, run_handed
from nnom_hil.run.prepare import prepare
from nnom_hil.run.service import run_and_report
from nnom_hil.run.shown import Outcome

__all__ = ["Ended", "HandedCell", "convert_all", "make_images", "run_cell", "run_cell_elsewhere",
    "without_run"]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What became of a cell. is_gone: its target went away, so that another one may do.

    place: the worker that it was at. files: of the run's folder, where it is not on our machine.
    """

    cell: CellRecord
    is_gone: bool = False
    place: str = ""
    files: dict[str, bytes] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedCell:
    """A cell for another machine, and what was made for it. probe, port: of its board there."""

    cell: ReadyCell
    handed: Handed
    probe: str | None = None
    port: str | None = None

    def on(self, backend: str) -> "HandedCell":
        """Return it for a back end, so that the worker does not choose another one."""
        request = replace(self.cell.request, backend=backend)
        return replace(self, cell=replace(self.cell, request=request))

    def at(self, probe: str, port: str) -> "HandedCell":
        """Return it for a board that is attached there."""
        return replace(self, probe=probe, port=port or None)


def convert_all(cells: Sequence[ReadyCell], tell: Tell) -> None:
    """Convert the cells' models, one after the other: what converts them is loaded once."""
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


def make_images(cells: Sequence[ReadyCell], tell: Tell) -> None:
    """Check cells and build their images, for workers that have neither model nor compiler."""
    for cell in cells:
        try:
            tell("handed", (cell.key, hand_over(cell.request, _OfCell(tell, cell))))
        except HilError as exc:
            tell("ended", Ended(cell=without_run(cell, str(exc))))


class _OfCell(Steps):
    """Names the cell, too."""

    def __init__(self, tell: Tell, cell: ReadyCell) -> None:
        super().__init__(partial(_tell_of, tell, cell.name))


def _tell_of(tell: Tell, name: str, kind: str, what: str) -> None:
    tell(kind, f"{name}: {what}")


def run_cell(cell: ReadyCell, tell: Tell) -> None:
    """Run a cell here."""
    try:
        outcome = run_and_report(cell.request, Steps(tell))
    except HilError as exc:
        tell("ended", _not_run(cell, exc))
        return
    _tell_outcome(cell, outcome, tell)


def run_cell_elsewhere(handed: HandedCell, tell: Tell) -> None:
    """Run a cell with what another machine has made for it, and send all that came of it."""
    cell = handed.cell
    request = cell.request
    if handed.probe is not None:
        request = replace(request, probe=handed.probe, port=handed.port)
    try:
        outcome, files = run_handed(request, handed.handed, Steps(tell))
    except HilError as exc:
        tell("ended", _not_run(cell, exc))
        return
    _tell_outcome(cell, outcome, tell, files)


def _not_run(cell: ReadyCell, error: HilError) -> Ended:
    return Ended(cell=without_run(cell, str(error)), is_gone=_is_gone(error))


def _is_gone(error: BaseException | None) -> bool:
    return isinstance(error, (TargetGoneError, LinkError))


def _tell_outcome(
    cell: ReadyCell, outcome: Outcome, tell: Tell, files: dict[str, bytes] | None = None
) -> None:
    if isinstance(outcome.error, KeyboardInterrupt):
        return
    record, unwritten = outcome.record, outcome.unwritten
    if unwritten is not None:  # what a full disk did not take cannot be looked up later
        tell("ended", Ended(cell=without_run(cell, str(unwritten))))
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
    tell("ended", Ended(cell=told, is_gone=_is_gone(outcome.error), files=files))


def without_run(cell: ReadyCell, why: str) -> CellRecord:
    """Return the record of a cell that has no run, or none that can be looked at."""
    return CellRecord(
        key=cell.key, name=cell.name, options=cell.options, verdict=Verdict.ERROR, reasons=(why,)
    )
