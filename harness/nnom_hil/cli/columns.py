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

__all__ = ["print_columns", "print_line", "screen_width"]

_GAP: Final = "  "
_LEAST: Final = 24
"""Columns that the last one needs; where there are fewer, it stands below, indented."""
_INDENT: Final = 4


def screen_width() -> int | None:
    """Return the columns of the terminal that standard output is, or None where it is none."""
    if os.environ.get("COLUMNS", "").isdigit() or sys.stdout.isatty():
        return shutil.get_terminal_size().columns
    return None


def print_columns(
    headings: Sequence[str], rows: Sequence[Sequence[str]], *, spare: bool = False
) -> None:
    """Print rows of cells under headings; all but the last column are as wide as they must be.

    spare: the last column is left out where a row does not fit.
    """
    table = [list(headings), *map(list, rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(headings))]
    screen = screen_width()
    if spare and screen is not None and sum(widths) + len(_GAP) * (len(widths) - 1) > screen:
        return print_columns(headings[:-1], [row[:-1] for row in rows])
    widths.pop()
    for row in table:
        head = _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        for line in _lines(head, row[-1], screen):
            print(line.rstrip())
    return None


def print_line(text: str, indent: int = _INDENT) -> None:
    """Print a line; on a terminal it goes on between words, indented."""
    screen = screen_width()
    if screen is None or len(text) <= screen:
        print(text)
        return
    margin = text[: len(text) - len(text.lstrip())]
    lines = textwrap.wrap(
        text.strip(), screen, initial_indent=margin, subsequent_indent=" " * indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    print(*lines, sep="\n")


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
