"""Runs side by side on a terminal; a figure of time stands with its source."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from nnom_hil.report.grid import Grid
from nnom_hil.report.writing import STYLES, percent, size, thousands
from nnom_hil.times import TimeSource

__all__ = ["judged", "print_history", "short_commit", "time_of"]

Row = Mapping[str, Any]

_WHOLE: Final = 138
"""Columns of a terminal that has room for all."""


def print_history(rows: Iterable[Row], console: Console) -> None:
    """Print a line a run, with what there is room for; rows: as the history has them."""
    whole = console.width >= _WHOLE
    table = Grid(spare=("kernels", "commit", "instructions", "flash", "RAM", "time per inference"))
    for heading in ("run", "commit", "verdict", *(["kernels"] if whole else [])):
        table.add_column(heading, overflow="fold")
    amounts = ["accuracy", "instructions"]
    for heading in (*amounts, *(["time per inference", "flash", "RAM"] if whole else [])):
        table.add_column(heading, justify="right", overflow="fold")
    for row in rows:
        cells = [row["id"], short_commit(row["commit"]), row["verdict"]]
        cells += [row["kernels"] or ""] if whole else []
        cells += [judged(row), thousands(row["instructions"])]
        cells += [time_of(row), size(row["flash"]), size(row["ram"])] if whole else []
        run, commit, verdict, *others = cells
        table.add_row(run, commit, Text(verdict, STYLES.get(verdict, "")), *others)
    console.print(table)


def judged(row: Row) -> str:
    """Return the accuracy, or the error of numbers."""
    if row["mean_error"] is not None:
        return f"MAE {row['mean_error']:.4g}"
    return percent(row["accuracy"])


def time_of(row: Row) -> str:
    """Return a run's time with its source, – where its clock's time is nobody's."""
    source = TimeSource(row["time_source"])
    if row["time_us"] is None or not source.is_time:
        return "–"
    error = "" if row["error_percent"] is None else f" ±{row['error_percent']:.3g} %"
    return f"{thousands(row['time_us'] / 1000, 2)} ms ({source.words}{error})"


def short_commit(commit: str | None) -> str:
    """Return as much of a commit as people read, with a + where files differed from it."""
    if not commit:
        return ""
    sha, plus, _ = commit.partition("+")
    return sha[:8] + plus
