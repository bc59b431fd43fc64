"""Lists on a terminal, without a library: they are to be there at once.

A row is a line, in a pipe as long as it is; where a person looks, the last column begins anew under
itself, between words.
"""

import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import Final

__all__ = ["print_columns", "screen_width"]

_GAP: Final = "  "
_LEAST: Final = 24
"""Columns that the last one needs; where there are fewer, it stands below, indented."""
_INDENT: Final = 4


def screen_width() -> int | None:
    """Return the columns of the terminal that standard output is, or None where it is none."""
    if os.environ.get("COLUMNS", "").isdigit() or sys.stdout.isatty():
        return shutil.get_terminal_size().columns
    return None


def print_columns(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows of cells under headings; all but the last column are as wide as they must be."""
    table = [list(headings), *map(list, rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(headings) - 1)]
    screen = screen_width()
    for row in table:
        head = _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        for line in _lines(head, row[-1], screen):
            print(line.rstrip())


def _lines(head: str, last: str, screen: int | None) -> list[str]:
    whole = f"{head}{_GAP}{last}"
    if screen is None or len(whole) <= screen:
        return [whole]
    indent = len(head) + len(_GAP)
    if screen - indent >= _LEAST:
        first, *more = _wrapped(last, screen - indent)
        return [f"{head}{_GAP}{first}", *(" " * indent + line for line in more)]
    return [head, *(" " * _INDENT + line for line in _wrapped(last, screen - _INDENT))]


def _wrapped(text: str, width: int) -> list[str]:
    # a path or a command is copied: it is not cut
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]
