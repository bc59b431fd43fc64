"""A matrix of runs: the terminal's table, a page with heat map and Pareto pictures, and files for
pull requests, CI servers and spreadsheets. A format is a pure function of the record.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from markupsafe import Markup
from rich.console import Console
from rich.text import Text

from nnom_hil.gates import State
from nnom_hil.matrix import CellFigures, CellRecord, MatrixRecord, pareto
from nnom_hil.records import Verdict
from nnom_hil.report.charts import Dot, points
from nnom_hil.report.figures import percent, size, thousands
from nnom_hil.report.gates import comparison_suite, gate_in_words
from nnom_hil.report.grid import Grid
from nnom_hil.report.html import render_page
from nnom_hil.report.junit import Case, Suite, junit
from nnom_hil.report.markdown import bold, escape, table
from nnom_hil.report.run_csv import csv_table

__all__ = ["matrix_files", "print_matrix"]

_STYLES: Final = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.ERROR: "bold yellow"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """A figure of the heat map. less: whether less is better. by_clock: it is of a source."""

    name: str
    value: Callable[[CellFigures], float | None]
    text: Callable[[float], str]
    less: bool = True
    by_clock: bool = False


def _ms(us: float) -> str:
    return f"{thousands(us / 1000, 2)} ms"


_COLUMNS: Final = (
    _Column(name="accuracy", value=lambda f: f.accuracy, text=percent, less=False),
    _Column(name="error", value=lambda f: f.error, text=lambda v: f"{v:.4g}"),
    _Column(name="an inference", value=lambda f: f.time_us, text=_ms, by_clock=True),
    _Column(name="instructions", value=lambda f: f.instructions, text=thousands),
    _Column(name="flash", value=lambda f: f.flash, text=lambda v: size(int(v))),
    _Column(name="RAM", value=lambda f: f.ram, text=lambda v: size(int(v))),
    _Column(name="stack", value=lambda f: f.stack, text=lambda v: size(int(v))),
)

_POINTS: Final = 0.1
"""Of accuracy, that have the heat map's full colour."""
_IN_FILES_ONLY: Final = {"instructions", "stack"}
"""What a terminal has no room for."""


def matrix_files(record: MatrixRecord) -> dict[str, str]:
    """Return the files of a matrix's report, by name."""
    return {
        "matrix.json": record.to_json(),
        "report.html": _page(record),
        "report.md": _markdown(record),
        "junit.xml": junit(_suites(record)),
        "matrix.csv": _csv(record),
    }


def print_matrix(record: MatrixRecord, console: Console) -> None:
    """Print a line a cell, why cells are not as they should be, and the verdict on a line."""
    columns = [column for column in _columns(record) if column.name not in _IN_FILES_ONLY]
    grid = Grid(title=record.name, spare=[c.name for c in reversed(columns)])
    grid.add_column("cell", overflow="fold")
    grid.add_column("verdict", overflow="fold")
    for column in columns:
        grid.add_column(column.name, justify="right", overflow="fold")
    for cell in record.cells:
        style = _STYLES[cell.verdict if cell.passed or cell.verdict is not Verdict.PASS
                        else Verdict.FAIL]  # fmt: skip
        grid.add_row(cell.name, Text(cell.said, style=style), *(_shown(c, cell) for c in columns))
    console.print(grid)
    for cell, why in _troubles(record):
        console.print(Text(f"  {cell.name}: {why}"), soft_wrap=True)
    console.print(
        Text(_verdict_line(record), style="bold green" if record.passed else "bold red"),
        soft_wrap=True,
    )


def _columns(record: MatrixRecord) -> list[_Column]:
    """Return the columns that any cell has something in."""
    known = [cell.figures for cell in record.cells if cell.figures is not None]
    return [column for column in _COLUMNS if any(column.value(f) is not None for f in known)]


def _shown(column: _Column, cell: CellRecord) -> str:
    value = _value(column, cell)
    if value is None or cell.figures is None:
        return "–"
    return (
        f"{column.text(value)} ({_source(cell.figures)})" if column.by_clock else column.text(value)
    )


def _value(column: _Column, cell: CellRecord) -> float | None:
    return None if cell.figures is None else column.value(cell.figures)


def _source(figures: CellFigures) -> str:
    error = "" if figures.error_percent is None else f" ±{figures.error_percent:.3g} %"
    return f"{figures.time_source.words}{error}"


def _verdict_line(record: MatrixRecord) -> str:
    passed = sum(cell.passed for cell in record.cells)
    said = f"{'PASS' if record.passed else 'FAIL'}: {passed} of {len(record.cells)} cells passed"
    gated = sum(cell.gates is not None for cell in record.cells)
    without = sum(bool(cell.ungated) for cell in record.cells)
    if gated or without:
        said += f"; {gated} against baselines"
    return f"{said}, {without} have none yet" if without else said


def _troubles(record: MatrixRecord) -> Iterator[tuple[CellRecord, str]]:
    """Yield why cells did not pass, and what is to be known of others."""
    for cell in record.cells:
        for reason in cell.reasons[:3]:
            yield cell, reason
        if cell.gates is not None:
            for gate in cell.gates.failed:
                yield cell, gate_in_words(gate)
            if new := [gate.name for gate in cell.gates.gates if gate.state is State.NEW]:
                yield cell, f"not in the baseline: {', '.join(new)}"


# ---- a page


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heat:
    """A cell of the heat map. share: how far it is behind the best of its model, 0 to 1, by the
    logarithm: 1 is ten times as much, or 10 points of accuracy; None where there is no other.
    """

    text: str
    value: float | None
    share: float | None


def _heat(record: MatrixRecord, column: _Column) -> list[_Heat]:
    """Return a column: each cell among those of its model, and times among those of one source."""
    groups: dict[object, list[float]] = {}
    places = [_place(column, cell) for cell in record.cells]
    values = [_value(column, cell) for cell in record.cells]
    for place, value in zip(places, values, strict=True):
        if value is not None:
            groups.setdefault(place, []).append(value)
    heats = []
    for cell, place, value in zip(record.cells, places, values, strict=True):
        share = None
        if value is not None:
            low, high = min(groups[place]), max(groups[place])
            if high > low:
                times = math.log10(value / low) if low else 1.0
                share = min(1.0, times if column.less else (high - value) / _POINTS)
        heats.append(_Heat(text=_shown(column, cell), value=value, share=share))
    return heats


def _place(column: _Column, cell: CellRecord) -> object:
    source = cell.figures.time_source if column.by_clock and cell.figures is not None else None
    return cell.options.get("model"), source


def _page(record: MatrixRecord) -> str:
    columns = _columns(record)
    heats = [_heat(record, column) for column in columns]
    return render_page(
        "matrix.html.j2",
        {},
        record=record,
        verdict_line=_verdict_line(record),
        columns=columns,
        rows=[(cell, [heat[i] for heat in heats]) for i, cell in enumerate(record.cells)],
        troubles=list(_troubles(record)),
        pictures=list(_pictures(record)),
    )


def _pictures(record: MatrixRecord) -> Iterator[Markup]:
    """Yield right answers, or error, against what they cost; times of one source at a time."""
    known = [(cell, cell.figures) for cell in record.cells if cell.figures is not None]
    sources = sorted({figures.time_source for _, figures in known})
    gains: tuple[tuple[str, Callable[[CellFigures], float | None]], ...] = (
        ("accuracy, %", lambda f: None if f.accuracy is None else 100 * f.accuracy),
        ("mean absolute error", lambda f: f.error),
    )
    for y_title, gain in gains:
        sign = -1 if y_title.startswith("mean") else 1
        for source in sources:
            of = [(cell, f) for cell, f in known if f.time_source is source]
            x_title = f"ms per inference, {source.words}"
            yield from _picture(
                quote(record.runs), y_title, x_title, sign,
                [(c, None if f.time_us is None else f.time_us / 1000, gain(f)) for c, f in of],
            )  # fmt: skip
        flash = [(c, None if f.flash is None else f.flash / 1024, gain(f)) for c, f in known]
        yield from _picture(quote(record.runs), y_title, "flash, KiB", sign, flash)


def _picture(
    runs: str,
    y_title: str,
    x_title: str,
    sign: int,
    found: list[tuple[CellRecord, float | None, float | None]],
) -> Iterator[Markup]:
    all_ = {c.name: (x, y) for c, x, y in found if x is not None and y is not None}
    links = {c.name: f"{runs}/{quote(c.run)}/report.html" for c, _, _ in found if c.run}
    if len(all_) < 2:
        return
    front = _front([(cell, all_[cell.name]) for cell, _, _ in found if cell.name in all_], sign)
    dots = {
        "others": [name for name in all_ if name not in front],
        "no cell is better in both": [name for name in all_ if name in front],  # on top
    }
    yield points(
        f"{y_title.partition(',')[0].capitalize()} against {x_title}",
        {
            series: [Dot(value=all_[n], label=n, link=links.get(n, "")) for n in names]
            for series, names in dots.items()
            if names
        },
        x_title=x_title,
        y_title=y_title,
        from_zero=False,
        digits=2,
    )


def _front(found: list[tuple[CellRecord, tuple[float, float]]], sign: int) -> set[str]:
    """Return the cells that no other beats which answers the same questions."""
    alike: dict[object, dict[str, tuple[float, float]]] = {}
    for cell, (x, y) in found:
        data = cell.options.get("data") or cell.options.get("model")
        alike.setdefault(data, {})[cell.name] = (x, sign * y)
    return {name for points_ in alike.values() for name in pareto(points_)}


# ---- for machines


def _markdown(record: MatrixRecord) -> str:
    columns = _columns(record)
    rows = [
        (
            cell.name,
            cell.said if cell.passed else bold(cell.said),
            *(_shown(column, cell) for column in columns),
        )
        for cell in record.cells
    ]
    headings = ("cell", "verdict", *(column.name for column in columns))
    lines = [
        f"## {escape(record.name)}",
        "",
        bold(_verdict_line(record)),
        "",
        table(headings, rows, right=range(2, len(headings))),
        "",
        *(f"- {escape(f'{cell.name}: {why}')}" for cell, why in _troubles(record)),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _suites(record: MatrixRecord) -> Iterator[Suite]:
    """Yield a suite with a case a cell, then one for the gates of each."""
    yield Suite(
        name=f"matrix.{record.name}",
        cases=tuple(_case(record, cell) for cell in record.cells),
        started=record.started,
    )
    for cell in record.cells:
        if cell.gates is not None:
            yield comparison_suite(cell.gates, cell.name)


def _case(record: MatrixRecord, cell: CellRecord) -> Case:
    why = "\n".join(cell.reasons)
    return Case(
        name=cell.name,
        classname=f"matrix.{record.name}",
        failure=why if cell.verdict is Verdict.FAIL else None,
        error=why if cell.verdict is Verdict.ERROR else None,
        properties={"run": cell.run} if cell.run else {},
    )


def _csv(record: MatrixRecord) -> str:
    """Return a line a cell: its options, then what became of it; times with their source."""
    options = sorted({key for cell in record.cells for key in cell.options})
    figures = list(CellFigures.model_fields)
    rows = []
    for cell in record.cells:
        known = {} if cell.figures is None else cell.figures.model_dump(mode="json")
        rows.append([
            cell.name, *(cell.options.get(key, "") for key in options), cell.verdict.value,
            cell.said, cell.run or "", *(known.get(key) for key in figures),
        ])  # fmt: skip
    return csv_table(["cell", *options, "verdict", "said", "run", *figures], rows)
