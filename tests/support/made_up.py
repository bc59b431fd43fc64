"""What stands for the work of cells in tests of farms; light: every process of a cell loads it."""

import multiprocessing
import os
import signal
import time
from collections.abc import Sequence
from typing import Any

from nnom_hil.matrix import CellRecord
from nnom_hil.records import Verdict
from nnom_hil.run.cell_work import Ended, HandedCell
from nnom_hil.run.cells import ReadyCell
from nnom_hil.run.crew import Tell
from nnom_hil.run.handed import Handed

__all__ = ["WORK", "made_up_cell", "made_up_conversion", "made_up_images"]


def made_up_conversion(cells: Sequence[ReadyCell], tell: Tell) -> None:
    for cell in cells:
        tell("converted", cell.conversion)


def made_up_images(cells: Sequence[ReadyCell], tell: Tell) -> None:
    words: dict[str, Any] = {"prepared": "", "image": "", "document": "", "weights": None}
    for cell in cells:
        marks = cell.request.runs.parent / "marks"
        if (marks / f"kill-image-{cell.request.model_file.stem}").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        name = cell.request.model_file.stem
        handed = Unsent(model_name=name, command=(), commit=None, tools={}, **words)
        tell("handed", (cell.key, handed))


class Unsent(Handed):
    """Has nothing to send."""

    __slots__ = ()

    @property
    def parcels(self) -> tuple[tuple[str, str], ...]:
        return ()


def made_up_cell(handed: HandedCell, tell: Tell) -> None:
    """Leave a mark in marks/, beside the runs; do what is asked for by a file there."""
    cell = handed.cell
    marks = cell.request.runs.parent / "marks"
    name = f"{cell.request.model_file.stem}-{cell.request.board.name}"
    (marks / f"{name}.{os.getpid()}").touch()
    if (marks / f"kill-{name}").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    while (marks / f"wait-{name}").exists():
        time.sleep(0.01)
    if (marks / f"kill-worker-{name}").exists() and (worker := multiprocessing.parent_process()):
        os.kill(worker.pid or 0, signal.SIGKILL)
    told = CellRecord(
        key=cell.key,
        name=cell.name,
        options=cell.options,
        verdict=Verdict.PASS,
        run=f"{name}-{os.getpid()}",
    )
    tell("ended", Ended(cell=told, files={"console.log": b"made up"}))


WORK = {
    "convert_all": made_up_conversion,
    "make_images": made_up_images,
    "run_cell_elsewhere": made_up_cell,
}
"""For the names of run/stages.py."""
