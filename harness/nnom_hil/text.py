"""Free text, from files, names, consoles and probes, as it may reach a terminal or a sheet."""

import re
from typing import Final

__all__ = ["HIDDEN", "a_screen", "printable", "sheet_cell"]

HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
"""What moves a cursor, changes a terminal, or makes text read other than it is stored: control
characters of both ranges but tab and newline, marks of direction, separators of lines, and what no
encoding or no XML has.
"""

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What spreadsheets compute instead of showing, where a cell begins so."""
_MOST_LINES: Final = 40
_MOST_LETTERS: Final = 4000


def printable(text: str) -> str:
    r"""Return the text with \uXXXX for each hidden character, as JSON and C spell it too."""
    return HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def sheet_cell(value: object) -> object:
    """Return text as a cell of CSV that a spreadsheet shows as text; numbers are what they are."""
    if not isinstance(value, str):
        return value
    shown = printable(value)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def a_screen(text: str) -> str:
    """Return a message's beginning, as much as fits a screen."""
    head = "\n".join(text[: _MOST_LETTERS + 1].split("\n", _MOST_LINES)[:_MOST_LINES])
    head = head[:_MOST_LETTERS]
    return text if len(head) == len(text) else f"{head}\n... ({len(text)} characters in all)"
