"""Progress on standard error: a line per step, a bar while vectors stream."""

import contextlib
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from nnom_hil.cli.timings import Timings
from nnom_hil.run.plan import Observer

__all__ = ["Progress"]


class Progress(Observer):
    """Shows progress where a person watches; elsewhere only the steps, one line each.

    timings: told when phases begin.
    """

    def __init__(
        self, console: Console, *, quiet: bool = False, timings: Timings | None = None
    ) -> None:
        self._console = console
        self._quiet = quiet
        self._timings = timings
        self._bar = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=quiet or not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):  # the terminal has gone
            self._bar.stop()

    def step(self, what: str) -> None:
        """Show that a step begins."""
        self._bar.update(self._task, description=what)
        if not self._quiet and not self._console.is_terminal:
            self._console.print(f"{what} ...", highlight=False)

    def phase(self, name: str) -> None:
        """Take the time that the one before has taken."""
        if self._timings is not None:
            self._timings.begin(name)

    def vector(self, done: int, total: int) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=done, total=total)
