"""The one place where text leaves for a terminal: what would be more than text is spelled out."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO, cast

from nnom_hil.text import printable

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["shielded", "terminal"]


class _Shield:
    """A stream to which only printable text is written; all else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        self.stream.write(printable(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def shielded() -> Iterator[None]:
    """Let nothing but printable text reach both outputs meanwhile."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast(TextIO, _Shield(stream)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def terminal(*, stderr: bool = False) -> "Console":
    """Return rich's console for an output, on which text is text."""
    from nnom_hil.report.screen import Screen

    stream = sys.stderr if stderr else sys.stdout
    inner = stream.stream if isinstance(stream, _Shield) else stream
    return Screen(cast(TextIO, inner), stderr=stderr)
