"""Markdown, as GitHub and GitLab show it, in which the text of others stays text."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from nnom_hil.text import printable

__all__ = ["Markdown", "bold", "code", "escape", "table"]

_SPECIAL: Final = re.compile(r"[\\`*{}\[\]<>|~&$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=//)")
_REFERS: Final = re.compile(r"([@#!])(?=\w)|(?<=www)(?=\.)")
"""What the servers make people's names, issues and addresses of, even behind a backslash."""


class Markdown(str):
    """Text that is Markdown already, not to be escaped again."""

    __slots__ = ()


def escape(text: str) -> Markdown:
    """Return text as Markdown that shows it and does nothing else, on one line."""
    if isinstance(text, Markdown):
        return text
    shown = _SPECIAL.sub(r"\\\g<0>", printable(text))
    shown = _REFERS.sub(r"\1<!-- -->", shown)
    return Markdown("<br>".join(shown.splitlines()))


def code(text: str) -> Markdown:
    """Return text in the letters of a typewriter, on one line."""
    shown = " ".join(printable(text).splitlines()).replace("|", "\\|")
    longest = max((len(run) for run in re.findall(r"`{1,1000}+", shown)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if shown.startswith(("`", " ")) or shown.endswith(("`", " ")) else ""
    return Markdown(f"{fence}{pad}{shown}{pad}{fence}" if shown.strip() else escape(shown))


def bold(text: str) -> Markdown:
    """Return text that stands out."""
    return Markdown(f"**{escape(text)}**")


def table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[int] = ()
) -> str:
    """Return a table, a line a row; right: columns of numbers, from 0 on, to stand at the right.

    Cells are text, or Markdown where they are of that class.
    """
    at_right = set(right)
    rules = ["---:" if column in at_right else "---" for column in range(len(headings))]
    lines = [f"| {' | '.join(map(escape, headings))} |", f"| {' | '.join(rules)} |"]
    lines += [f"| {' | '.join(map(escape, row))} |" for row in rows]
    return "\n".join(lines)
