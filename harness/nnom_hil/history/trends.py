"""Figures of runs over commits: which runs are alike, a point each commit, what changed; pure.

Runs of one model on one board are alike where they were asked for alike: conversion, kernels,
library, behaviour and number of vectors. A commit, a compiler or a model that was trained anew is
what changes figures, so these make no other row.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

from nnom_hil.gates import SLACK, Limits
from nnom_hil.history.changes import change_points, steps
from nnom_hil.times import TimeSource

__all__ = ["FIGURES", "Change", "Figure", "Point", "Series", "Trend", "trends"]

Row = Mapping[str, Any]

_ALIKE: Final = ("conversion", "kernels", "library", "compat", "vectors_planned")
_CAUSES: Final = {"model_hash": "model", "compiler": "compiler", "nnom_hil": "nnom-hil"}
_LONGEST: Final = 50
_SUMS_DIFFER: Final = 1e-9
"""Share by which an error differs between machines that add in another order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure of a run. column: of the history. allowed: share of itself by which it may differ
    before that is a change, as gates have it; slack: by how much more. by_source: it is of a source
    of time, and one of a core's clock scatters. more_is_better: or less.
    """

    column: str
    title: str
    unit: str = ""
    scale: float = 1.0
    digits: int = 0
    allowed: float = 0.0
    slack: float = 0.0
    by_source: bool = False
    more_is_better: bool = False


def _gate(name: str) -> float:
    """Return what the gate of that name allows, as a share."""
    per_cent = getattr(Limits(), name)
    return per_cent / 100 if isinstance(per_cent, float) else 0.0


FIGURES: Final = (
    Figure(
        column="accuracy",
        title="Accuracy on the target",
        unit="%",
        scale=100,
        digits=2,
        allowed=_gate("accuracy"),
        more_is_better=True,
    ),
    Figure(
        column="mean_error",
        title="Mean absolute error",
        digits=5,
        allowed=max(_gate("error"), _SUMS_DIFFER),
    ),
    Figure(
        column="instructions", title="Instructions per inference", allowed=_gate("instructions")
    ),
    Figure(column="cycles", title="Cycles per inference", allowed=_gate("cycles"), by_source=True),
    Figure(column="flash", title="Flash", unit="B", allowed=_gate("flash")),
    Figure(column="ram", title="RAM", unit="B", allowed=_gate("ram"), slack=SLACK["ram"]),
    Figure(column="stack", title="Stack", unit="B", allowed=_gate("stack"), slack=SLACK["stack"]),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Runs one after the other of one commit, without changes, that gave the same figures; a run
    of changed files is one of its own. row: the newest. values: by figure and source.
    """

    row: Row
    values: dict[tuple[str, str | None], list[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A figure became another at a point. before, after: of the points beside, of one that scatters
    the medians of the stretches. also: what else is another there: what, before and after.
    """

    figure: Figure
    source: str | None
    point: int
    before: float
    after: float
    also: tuple[tuple[str, str, str], ...]

    @property
    def is_better(self) -> bool:
        """Whether it went where it should."""
        return (self.after > self.before) is self.figure.more_is_better


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One figure over the points; None where a point has none. source: of time, where it is."""

    figure: Figure
    source: str | None
    values: tuple[float | None, ...]
    changes: tuple[Change, ...]

    @property
    def title(self) -> str:
        """The figure's name, with its source."""
        words = "" if self.source is None else f" ({TimeSource(self.source).words})"
        return f"{self.figure.title}{words}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """Runs that are alike. way: how they were asked for, in words."""

    way: str
    points: tuple[Point, ...]
    series: tuple[Series, ...]

    @property
    def changes(self) -> list[Change]:
        """All changes, the newest first."""
        found = [change for series in self.series for change in series.changes]
        return sorted(found, key=lambda change: -change.point)


_SLACK_OF: Final = {figure.column: figure.slack for figure in FIGURES}


def trends(rows: Iterable[Row], *, most: int) -> list[Trend]:
    """Return the trends of one model on one board, that with the newest run first.

    rows: forward in time. most: of the points, the newest are kept. Runs that were broken off have
    no figures that could be compared, and are left out.
    """
    groups: dict[tuple[Any, ...], list[Point]] = {}
    for row in rows:
        if row["verdict"] == "error":
            continue
        key = tuple(row[name] for name in _ALIKE)
        points = groups.pop(key, [])
        groups[key] = points  # the one that was touched last comes last
        _take(points, row)
        del points[: max(0, len(points) - most)]
    return [_trend(points) for points in reversed(groups.values())]


def _take(points: list[Point], row: Row) -> None:
    """Put a run to the last point, or make it the next one."""
    values = {
        (figure.column, row["time_source"] if figure.by_source else None): row[figure.column]
        for figure in FIGURES
        if row[figure.column] is not None
    }
    if points and _is_same(points[-1], row, values):
        last = points[-1]
        kept = {key: [*last.values[key], value] for key, value in values.items()}
        points[-1] = Point(row=row, values=kept)
    else:
        points.append(Point(row=row, values={key: [value] for key, value in values.items()}))


def _is_same(last: Point, row: Row, values: Mapping[tuple[str, str | None], float]) -> bool:
    commit = row["commit"]
    if not commit or "+" in commit or commit != last.row["commit"]:
        return False
    if values.keys() != last.values.keys():
        return False
    return all(
        _scatters(key[1]) or abs(value - last.values[key][0]) <= _SLACK_OF[key[0]]
        for key, value in values.items()
    )


def _scatters(source: str | None) -> bool:
    return source is not None and source != TimeSource.MODEL


def _trend(points: list[Point]) -> Trend:
    keys = {key for point in points for key in point.values}
    series = [
        _series(figure, source, points)
        for figure in FIGURES
        for source in sorted({s for column, s in keys if column == figure.column}, key=str)
    ]
    return Trend(way=_words(points[-1].row), points=tuple(points), series=tuple(series))


def _series(figure: Figure, source: str | None, points: list[Point]) -> Series:
    found = [point.values.get((figure.column, source)) for point in points]
    values = [None if some is None else median(some) for some in found]
    places = [i for i, value in enumerate(values) if value is not None]
    known = [value for value in values if value is not None]
    scatters = _scatters(source)
    if scatters:
        at = change_points(known, figure.allowed)
    else:
        at = steps(known, figure.allowed, figure.slack)
    ends = [*at, len(known)]
    changes = []
    for number, place in enumerate(at):
        begin = at[number - 1] if number else 0
        before, after = known[place - 1], known[place]
        if scatters:
            before, after = median(known[begin:place]), median(known[place : ends[number + 1]])
        changes.append(
            Change(
                figure=figure,
                source=source,
                point=places[place],
                before=before,
                after=after,
                also=_also(points[places[place - 1]].row, points[places[place]].row),
            )
        )
    return Series(figure=figure, source=source, values=tuple(values), changes=tuple(changes))


def _also(before: Row, after: Row) -> tuple[tuple[str, str, str], ...]:
    """Return what else is not as it was, beside the commit."""

    def shown(value: str | None) -> str:
        return str(value or "unknown")[:_LONGEST]

    return tuple(
        (what, shown(before[name]), shown(after[name]))
        for name, what in _CAUSES.items()
        if before[name] != after[name]
    )


def _words(row: Row) -> str:
    vectors = row["vectors_planned"]
    parts = [
        row["conversion"] or "",
        f"kernels {row['kernels']}" if row["kernels"] else "",
        row["library"] or "",
        "NNoM 0.4.3 compatible" if row["compat"] else "",
        f"{vectors} vectors" if vectors else "timed only",
    ]
    return ", ".join(filter(None, parts))
