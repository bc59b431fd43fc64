"""Tables for terminals: what is too much for the width is left out by columns, not by letters."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Column, Table

__all__ = ["Grid"]

_BESIDE: Final = 2
"""Letters beside each column: its padding, and what divides it from the next; one more in all."""


class Grid(Table):
    """A table whose words stay whole.

    spare: headings of columns that can be missed, the first of them first. Numbers, which stand on
    the right, keep to a line; headings and text are parted between words.
    """

    def __init__(self, *, spare: Sequence[str] = (), **options: Any) -> None:
        super().__init__(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), **options)
        self._spare = spare

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lay the table out for a width."""
        whole = self.columns
        columns = list(whole)
        for heading in self._spare:
            if _taken([least for least, _ in _widths(columns, console)]) <= options.max_width:
                break
            columns = [column for column in columns if column.header != heading]
        widths = _shared(_widths(columns, console), options.max_width)
        self.columns = [
            replace(column, _index=i, width=width)
            for i, (column, width) in enumerate(zip(columns, widths, strict=True))
        ]
        try:
            yield from super().__rich_console__(console, options)
        finally:
            self.columns = whole


def _taken(widths: Sequence[int]) -> int:
    return sum(widths) + _BESIDE * len(widths) + 1


def _widths(columns: Sequence[Column], console: Console) -> list[tuple[int, int]]:
    """Return the least and the most room for each column."""
    found = []
    for column in columns:
        head = console.measure(column.header)
        cells = [console.measure(cell) for cell in column.cells] or [Measurement(0, 0)]
        most = max(cell.maximum for cell in cells)
        least = most if column.justify == "right" else max(cell.minimum for cell in cells)
        found.append((max(least, head.minimum), max(most, head.maximum)))
    return found


def _shared(widths: Sequence[tuple[int, int]], room: int) -> list[int]:
    """Give each column its least, and what is left to those that want more, a letter at a time."""
    given = [least for least, _ in widths]
    left = room - _taken(given)
    while left > 0:
        wanting = [i for i, (_, most) in enumerate(widths) if given[i] < most]
        if not wanting:
            break
        for i in wanting[:left]:
            given[i] += 1
        left -= len(wanting[:left])
    return given
