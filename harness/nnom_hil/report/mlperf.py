"""MLPerf Tiny's table for a terminal, beside the published results of the same core."""

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from nnom_hil.mlperf_record import MlperfRecord, MlperfRow
from nnom_hil.report.figures import percent, size, thousands

__all__ = ["print_mlperf"]

_BENCHMARKS = ("ic01", "ad01", "kws01", "vww01")


def print_mlperf(record: MlperfRecord, console: Console) -> None:
    """Print what was measured, what was estimated, and what others have published."""
    console.print(Text(f"{record.board}, {record.core}: {record.target}"))
    headings = ("", "model", "equal", "top-1", "AUC", f"inf/s, {record.clock}", "N",
        f"window, s, {record.clock}", "flash", "RAM")  # fmt: skip
    _print(console, headings, [_measured(row) for row in record.rows])
    estimates = [cells for row in record.rows if (cells := _estimated(record, row))]
    if estimates:
        _print(console, ("", "cycles, model", "inf/s, model", "MAC/cycle", "best published",
            "its MAC/cycle"), estimates)  # fmt: skip
    for line in _remarks(record):
        console.print(Text(line))
    if record.published:
        console.print(Text(f"published, closed division, {record.core}, inferences a second:"))
        _print(console, ("board", "MHz", "round", "by", *_BENCHMARKS), _published(record))
        console.print(Text(f"source: {record.source}"))


def _print(console: Console, headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for i, heading in enumerate(headings):
        table.add_column(Text(heading), justify="left" if i < 2 else "right")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def _measured(row: MlperfRow) -> tuple[str, ...]:
    rate = row.median_per_second
    return (
        row.benchmark,
        row.model,
        f"{row.results_equal} of {row.stimuli}" if row.stimuli else "",
        "" if row.top1 is None else percent(row.top1),
        "" if row.auc is None else f"{row.auc:.3f}",
        "" if rate is None else thousands(rate, 3),
        "" if not rate else str(row.runs),
        "" if not rate else f"{row.runs / rate:.3g}",
        "" if row.flash is None else size(row.flash),
        "" if row.ram is None else size(row.ram),
    )


def _estimated(record: MlperfRecord, row: MlperfRow) -> tuple[str, ...]:
    """Return what the cycle model says, and the best of others, at a board's own clock."""
    if row.cycles is None or row.core_hz is None:
        return ()
    best = record.best_published(row.benchmark)
    others: tuple[str, str] = ("", "")
    if best is not None:
        rate = best.per_second[row.benchmark]
        others = (
            f"{rate:g} inf/s, {best.board}, {best.submitter}",
            f"{rate * row.macs / best.clock_hz:.3f}",
        )
    return (
        row.benchmark,
        f"{thousands(row.cycles)} ±{row.error_percent:g} %",
        f"{thousands(row.core_hz / row.cycles, 3)} at {row.core_hz / 1e6:g} MHz",
        f"{row.macs / row.cycles:.3f}",
        *others,
    )


def _remarks(record: MlperfRecord) -> Iterator[str]:
    yield f"device's time: {record.clock_words}"
    for row in record.rows:
        yield from (f"{row.benchmark}: {note}" for note in row.notes)
    yield from (f"left out, {text}" for text in record.missing.values())


def _published(record: MlperfRecord) -> list[tuple[str, ...]]:
    return [
        (
            p.board,
            f"{p.clock_hz / 1e6:g}",
            p.round,
            p.submitter,
            *(f"{p.per_second[b]:g}" if b in p.per_second else "" for b in _BENCHMARKS),
        )
        for p in sorted(record.published, key=lambda p: (p.board, p.round, p.submitter))
    ]
