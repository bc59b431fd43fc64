"""A search: the terminal's table of its front, a page with pictures, and its record as JSON."""

from collections.abc import Callable, Iterator
from urllib.parse import quote

from markupsafe import Markup
from rich.console import Console
from rich.text import Text

from nnom_hil.report.charts import Dot, points
from nnom_hil.report.figures import percent, size, thousands
from nnom_hil.report.grid import Grid
from nnom_hil.report.html import render_page
from nnom_hil.tuning import WORTH, Conversion, Point, TuneRecord

__all__ = ["print_tune", "tune_files"]


def tune_files(record: TuneRecord) -> dict[str, str]:
    """Return the files of a search's report, by name."""
    return {"tune.json": record.to_json(), "report.html": _page(record)}


def print_tune(record: TuneRecord, console: Console) -> None:
    """Print a line a point of the front, the commands, and what is to be known of the search."""
    table = Grid(title=f"{record.model} on {record.board}")
    table.add_column("", justify="right")
    table.add_column("way", overflow="fold")
    for heading in (record.gain, "kcycles", "flash", "RAM"):
        table.add_column(heading, justify="right", overflow="fold")
    for number, place in enumerate(_shown(record), 1):
        point = record.points[place]
        table.add_row(
            str(number), _name(record, place), _score(record, point.unseen), _kilo(point),
            size(point.flash or 0), size(point.ram or 0),
            style="" if place in record.front else "dim",
        )  # fmt: skip
    console.print(table)
    for number, place in enumerate(_shown(record), 1):
        console.print(Text(f"{number}: {record.points[place].command}"), soft_wrap=True)
    for line in _remarks(record):
        console.print(Text(line), soft_wrap=True)
    console.print(
        Text(_verdict_line(record), style="bold green" if record.front else "bold red"),
        soft_wrap=True,
    )


def _shown(record: TuneRecord) -> list[int]:
    """Return the front, and the default before it where that is beaten but can be."""
    default = [0] if 0 not in record.front and record.points[0].cycles is not None else []
    return [*default, *record.front]


def _name(record: TuneRecord, place: int) -> str:
    return _options(record.points[place]) + ("" if place in record.front else " (beaten)")


def _score(record: TuneRecord, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{-value:.4g}" if record.gain == "mean absolute error" else percent(value)


def _kilo(point: Point) -> str:
    return thousands(None if point.cycles is None else point.cycles / 1000)


def _cycles(point: Point) -> str:
    return "–" if point.cycles is None else f"{thousands(point.cycles)} ({point.source})"


def _remarks(record: TuneRecord) -> Iterator[str]:
    """Yield what is to be known of the search, a line each."""
    parts = record.vectors
    yield (
        f"{record.gain} of {parts['unseen']} vectors that chose nothing; ways were chosen by "
        f"{parts['choosing']} others, formats by the calibration"
    )
    if priced := [point for point in record.points if point.error_percent is not None]:
        worst = max(priced, key=lambda point: point.error_percent or 0.0)
        yield f"cycles: {worst.source} at most; ways on one core are nearer to each other"
    yield from _against_default(record)
    for conversion in record.conversions:
        if conversion.overfits:
            yield f"{_options(conversion)} overfits: {_lost(record, conversion)}"
    if troubles := [p for p in record.points if p.trouble]:
        first = troubles[0]
        more = f", and {len(troubles) - 1} more" if len(troubles) > 1 else ""
        yield f"left out: {_options(first)}: {first.trouble}{more}"
    if not record.complete:
        yield (
            f"{len(record.points)} of {record.planned} ways were measured; --trials "
            f"{record.planned} measures all"
        )
    wrong = [place for place in record.front if record.points[place].equal is False]
    for place in wrong:
        yield f"{_name(record, place)}: its run {record.points[place].run} did not pass: see there"
    if any(record.points[place].equal is None for place in record.front):
        yield f"{record.board} has no machine in QEMU: outputs were not checked"


def _against_default(record: TuneRecord) -> Iterator[str]:
    """Yield what each cost of the default can be lowered to, at no loss beyond chance."""
    default = record.points[0]
    if default.cycles is None or default.trouble:
        return
    alike = [record.points[i] for i in record.front if record.points[i].level <= default.level]
    names = ("cycles", "flash", "RAM")
    told = []
    for place, name in enumerate(names):
        best = min((point.costs[place] for point in alike), default=default.costs[place])
        if (share := 1 - best / default.costs[place]) >= WORTH:
            told.append(f"{share:.1%} fewer {name}" if name == "cycles" else f"{share:.1%} {name}")
    if told:
        yield f"at no loss beyond chance, one or the other saves: {', '.join(told)}"


def _options(what: Conversion | Point) -> str:
    return ", ".join(f"{k} {v}" for k, v in what.options.items()) or "the default"


def _lost(record: TuneRecord, conversion: Conversion) -> str:
    told = []
    for name, score in (("calibration", conversion.calibration), ("unseen", conversion.unseen)):
        if score is not None:
            told.append(
                f"{name} {_score(record, score.int8)}, float {_score(record, score.float_)}"
            )
    return "; ".join(told)


def _verdict_line(record: TuneRecord) -> str:
    tried = f"{len(record.points)} ways, {len(record.conversions)} conversions"
    if not record.front:
        return f"FAIL: nothing keeps the limits ({tried})"
    return f"{len(record.front)} of {tried} are on the front"


# ---- a page


def _page(record: TuneRecord) -> str:
    return render_page(
        "tune.html.j2",
        {},
        size=size,
        cycles=_cycles,
        options=_options,
        record=record,
        shown=_shown(record),
        name=lambda place: _name(record, place),
        score=lambda value: _score(record, value),
        remarks=list(_remarks(record)),
        verdict_line=_verdict_line(record),
        pictures=list(_pictures(record)),
    )


def _pictures(record: TuneRecord) -> Iterator[Markup]:
    """Yield the gain against each cost, and cycles against flash."""
    sign = -1 if record.gain == "mean absolute error" else 1
    scale = 1 if sign < 0 else 100
    unit = record.gain if sign < 0 else f"{record.gain}, %"

    def gain(point: Point) -> float | None:
        return None if point.unseen is None else sign * scale * point.unseen

    costs: tuple[tuple[str, Callable[[Point], float | None]], ...] = (
        ("kcycles (model)", lambda p: None if p.cycles is None else p.cycles / 1000),
        ("flash, KiB", lambda p: None if p.flash is None else p.flash / 1024),
        ("RAM, KiB", lambda p: None if p.ram is None else p.ram / 1024),
    )
    for title, cost in costs:
        yield from _picture(record, f"{unit} against {title}", title, unit, cost, gain)
    yield from _picture(
        record, "kcycles (model) against flash", costs[1][0], costs[0][0], costs[1][1], costs[0][1]
    )


def _picture(
    record: TuneRecord,
    title: str,
    x_title: str,
    y_title: str,
    x: Callable[[Point], float | None],
    y: Callable[[Point], float | None],
) -> Iterator[Markup]:
    series: dict[str, list[Dot]] = {"others": [], "on the front": [], "the default": []}
    for place, point in enumerate(record.points):
        across, up = x(point), y(point)
        if across is None or up is None or point.trouble:
            continue
        kind = "on the front" if place in record.front else "others"
        link = f"runs/{quote(point.run)}/report.html" if point.run else ""
        dot = Dot(value=(across, up), label=_name(record, place), link=link)
        series["the default" if place == 0 else kind].append(dot)
    known = {name: dots for name, dots in series.items() if dots}
    if sum(map(len, known.values())) > 1:
        yield points(
            title[0].upper() + title[1:], known,
            x_title=x_title, y_title=y_title, from_zero=False, digits=1,
        )  # fmt: skip
