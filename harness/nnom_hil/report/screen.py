"""A console of rich's that shows text as text: what is hidden in it is spelled out."""

import os
from collections.abc import Iterator
from typing import IO, Any, Final

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from nnom_hil.text import printable

__all__ = ["Screen"]

_PIPE: Final = 400
"""Columns where nobody looks: a row is a line there, and no word is cut."""


class Screen(Console):
    """Its own colours reach the file, others' do not. No markup: brackets stand in names, too."""

    def __init__(self, file: IO[str], **options: Any) -> None:
        super().__init__(file=file, markup=False, emoji=False, **options)
        if not self.is_terminal and "width" not in options and "COLUMNS" not in os.environ:
            self.width = _PIPE

    def render_str(self, text: str, **options: Any) -> Text:
        """Lay out what will be shown: a hidden character takes no room, its spelling does."""
        return super().render_str(printable(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        """Spell out what came otherwise."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(printable(segment.text), segment.style)
