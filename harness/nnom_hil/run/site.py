"""Writes a site over the history of a folder of runs."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from nnom_hil.errors import UsageError
from nnom_hil.files import write_whole
from nnom_hil.history import Filter, History, Synced, open_history
from nnom_hil.history.trends import trends
from nnom_hil.report.site import INDEX, Place, place_page, site_index
from nnom_hil.run.shown import REPORT_FILE

__all__ = ["write_site"]

_RUNS: Final = 2000
"""Of a model on a board, the newest are looked at."""
_POINTS: Final = 200
"""Newest commits that a page shows."""


def write_site(runs: Path, site: Path) -> tuple[int, Synced]:
    """Write the pages into a folder, index.html last; return how many there are.

    Raises UsageError where there are no runs, StoreError where they cannot be written.
    """
    history, synced = open_history(runs)
    with history:
        places = [_write(history, runs, site, board, model) for board, model in history.places()]
    if not places:
        raise UsageError(f"{runs}: no runs yet; start one with: nnom-hil run")
    places.sort(key=lambda place: (place.model, place.board))
    write_whole(site / INDEX, site_index(places))
    return len(places) + 1, synced


def _write(history: History, runs: Path, site: Path, board: str, model: str) -> Place:
    wanted = Filter(board=board, model=model, exact=True)
    newest = next(history.rows(wanted, newest=1))
    count = history.count(wanted)
    place, page = place_page(
        model,
        board,
        trends(history.rows(wanted, newest=_RUNS, forward=True), most=_POINTS),
        newest,
        runs=count,
        shown=min(count, _RUNS),
        report=_reports(runs, site),
    )
    write_whole(site / place.page, page)
    return place


def _reports(runs: Path, site: Path) -> Callable[[Any], str]:
    """Return what gives the address of a run's report from a page, "" where there is none."""
    way = os.path.relpath(runs.resolve(), site.resolve())

    def report(row: Any) -> str:
        there = runs / row["folder"] / REPORT_FILE
        return quote(f"{way}/{row['folder']}/{REPORT_FILE}") if there.is_file() else ""

    return report
