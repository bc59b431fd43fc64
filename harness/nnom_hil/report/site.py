"""The pages of a site over the history: one for all, one for each model on each board."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from nnom_hil.history.trends import Change, Series, Trend
from nnom_hil.report.charts import Dot, lines
from nnom_hil.report.history import judged, short_commit, time_of
from nnom_hil.report.html import render_page
from nnom_hil.report.writing import thousands
from nnom_hil.times import TimeSource

__all__ = ["INDEX", "Place", "page_name", "place_page", "site_index"]

INDEX: Final = "index.html"
_WAYS: Final = 6
_TOLD: Final = 30

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What the index tells of a page. newest: the last run. changes: the newest first, each with
    the run where it was seen.
    """

    page: str
    model: str
    board: str
    runs: int
    newest: Row
    changes: tuple[tuple[Change, Row], ...]


def page_name(model: str, board: str) -> str:
    """Return the file of a model's page on a board; names of others stay in the folder."""
    named = "--".join(re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:60] for name in (model, board))
    if named == f"{model}--{board}" and not named.startswith("."):
        return f"{named}.html"
    told = sha256(f"{model}\0{board}".encode(errors="replace")).hexdigest()[:10]
    return f"_{named}-{told}.html"


def place_page(
    model: str,
    board: str,
    trends: Sequence[Trend],
    newest: Row,
    *,
    runs: int,
    shown: int,
    report: Callable[[Row], str],
) -> tuple[Place, str]:
    """Return a page, and what the index tells of it.

    newest: the last run of any way. runs: how many there are, of which the newest `shown` were
    looked at. report: the relative address of a run's report, "" where there is none.
    """
    told = [
        (change, trend.points[change.point].row) for trend in trends for change in trend.changes
    ]
    told.sort(key=lambda pair: str(pair[1]["started"]), reverse=True)
    place = Place(
        page=page_name(model, board),
        model=model,
        board=board,
        runs=runs,
        newest=newest,
        changes=tuple(told[:_TOLD]),
    )
    page = render_page(
        "site_place.html.j2",
        _FILTERS | {"report": report},
        place=place,
        trends=trends[:_WAYS],
        left_out=max(0, len(trends) - _WAYS),
        shown=shown,
        chart=lambda trend, series: _chart(trend, series, report),
    )
    return place, page


def site_index(places: Sequence[Place]) -> str:
    """Return the first page. places: of all pages."""
    changes = [(place, change, row) for place in places for change, row in place.changes]
    changes.sort(key=lambda found: str(found[2]["started"]), reverse=True)
    return render_page(
        "site_index.html.j2",
        _FILTERS,
        places=places,
        changes=changes[:_TOLD],
        runs=sum(place.runs for place in places),
        failing=[place for place in places if place.newest["verdict"] != "pass"],
    )


def _chart(trend: Trend, series: Series, report: Callable[[Row], str]) -> str:
    """Return a figure over the points as a line, its changes as dots of their own."""
    scale = series.figure.scale
    labels = [short_commit(point.row["commit"]) or _day(point.row) for point in trend.points]
    at = {change.point for change in series.changes}
    values = [
        None if value is None else _dot(point.row, value * scale, report)
        for point, value in zip(trend.points, series.values, strict=True)
    ]
    drawn: dict[str, list[Dot | None]] = {series.title: values}
    marked = "change"
    if at:
        drawn[marked] = [value if i in at else None for i, value in enumerate(values)]
    return lines(
        series.title,
        labels,
        drawn,
        unit=series.figure.unit,
        digits=series.figure.digits,
        marks=(marked,),
        from_zero=False,
    )


def _dot(row: Row, value: float, report: Callable[[Row], str]) -> Dot:
    commit = short_commit(row["commit"])
    return Dot(value=value, label=f"{commit} {_day(row)}".strip(), link=report(row))


def _day(row: Row) -> str:
    return str(row["started"])[:10]


def _amount(value: float, change: Change) -> str:
    figure = change.figure
    unit = f" {figure.unit}" if figure.unit else ""
    return f"{thousands(value * figure.scale, figure.digits)}{unit}"


def _by(change: Change) -> str:
    """Return how much a figure changed by, of shares in points."""
    if change.figure.unit == "%":
        return f"{(change.after - change.before) * change.figure.scale:+.2f} points"
    if not change.before:
        return f"{change.after - change.before:+g}"
    return f"{100 * (change.after / change.before - 1):+.2f} %"


def _name(change: Change) -> str:
    words = "" if change.source is None else f" ({TimeSource(change.source).words})"
    return f"{change.figure.title}{words}"


def _also(causes: Iterable[tuple[str, str, str]]) -> str:
    return "; ".join(f"{what}: {before} → {after}" for what, before, after in causes)


_FILTERS: Final[dict[str, Callable[..., str]]] = {
    "also": _also,
    "amount": _amount,
    "by": _by,
    "commit": short_commit,
    "day": _day,
    "judged": judged,
    "name": _name,
    "time": time_of,
}
