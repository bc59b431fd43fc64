"""What became of fine-tuning, for a terminal."""

import shlex
from pathlib import Path
from statistics import mean

from rich.console import Console

from nnom_hil.records import FineTuneRecord, TunedScore
from nnom_hil.report.figures import decibels, percent
from nnom_hil.report.grid import Grid

__all__ = ["print_fine_tuning"]


def print_fine_tuning(record: FineTuneRecord, console: Console, *, data: Path | None) -> None:
    """Print a row for each seed, what was written, and the command that comes next.

    data: the file of vectors, None for a bundled model's own.
    """
    labelled = record.start.accuracy is not None
    table = Grid()
    table.add_column("held out")
    for heading in ("best epoch", "agreement", "SQNR", *(["accuracy"] if labelled else [])):
        table.add_column(heading, justify="right")
    table.add_row("start", "", *_cells(record.start, labelled=labelled))
    for one in record.seeds:
        best = str(one.best_epoch) if one.best_epoch else "none"
        table.add_row(f"seed {one.seed}", best, *_cells(one.best, labelled=labelled))
    console.print(table)
    for line in (*_lines(record), *record.notes):
        console.print(line, highlight=False, soft_wrap=True)
    if record.output is not None:
        words = ["nnom-hil", "run", "--model", record.output]
        words += [] if data is None else ["--data", str(data)]
        console.print(f"next: {shlex.join(words)}", highlight=False, soft_wrap=True)


def _cells(score: TunedScore, *, labelled: bool) -> list[str]:
    cells = [_percent(score.agreement), decibels(score.sqnr_db)]
    return [*cells, _percent(score.accuracy)] if labelled else cells


def _percent(share: float | None) -> str:
    return "–" if share is None else percent(share)


def _lines(record: FineTuneRecord) -> list[str]:
    lines = [
        f"trained on {record.trained} vectors, {record.held} held out decided; {record.options}"
    ]
    found = [one.best.agreement for one in record.seeds if one.best.agreement is not None]
    if len(found) > 1:
        lines.append(
            f"agreement with float over {len(found)} seeds: {percent(min(found))} to "
            f"{percent(max(found))}, mean {percent(mean(found))}"
        )
    if record.test_start is not None and record.test_best is not None:
        lines.append(
            f"{record.tested} vectors that decided nothing: {_words(record.test_start)} became "
            f"{_words(record.test_best)}"
        )
    if record.interrupted:
        lines.append("interrupted; the best so far is kept")
    if record.improved:
        lines.append(f"written: {record.output}, model {record.model_hash[:16]}")
    elif record.output is not None:
        lines.append(f"no epoch was better than the start, which is written: {record.output}")
    else:
        lines.append(
            "no epoch was better than the start: nothing is written; more data, a smaller "
            "--learning-rate or more --epochs may help"
        )
    return lines


def _words(score: TunedScore) -> str:
    words = [] if score.agreement is None else [f"agreement {percent(score.agreement)}"]
    words += [] if score.sqnr_db is None else [f"SQNR {decibels(score.sqnr_db)}"]
    words += [] if score.accuracy is None else [f"accuracy {percent(score.accuracy)}"]
    return ", ".join(words)
