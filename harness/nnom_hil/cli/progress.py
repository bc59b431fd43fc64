"""Progress on standard error: a line per step, a bar while vectors stream."""

import contextlib
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from nnom_hil.cli.loudness import is_quiet
from nnom_hil.cli.timings import Timings
from nnom_hil.records import TunedEpoch, TunedScore
from nnom_hil.run.plan import FineTuneObserver, MatrixObserver, Observer

__all__ = ["FineTuneProgress", "MatrixProgress", "Progress"]


class _Drawn:
    """Has a bar while it is entered."""

    _bar: RichProgress

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


class Progress(_Drawn, Observer):
    """Shows progress where a person watches; elsewhere only the steps, one line each.

    timings: told when phases begin.
    """

    def __init__(
        self, console: Console, *, quiet: bool = False, timings: Timings | None = None
    ) -> None:
        self._console = console
        self._quiet = quiet = quiet or is_quiet()
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


class FineTuneProgress(Progress, FineTuneObserver):
    """One bar over all epochs of all seeds, with what the last one gave."""

    def __init__(self, console: Console, seeds: int, epochs: int, *, quiet: bool = False) -> None:
        super().__init__(console, quiet=quiet)
        self._epochs = epochs
        self._seeds = seeds

    def epoch(self, seed: int, epoch: TunedEpoch, best: TunedScore) -> None:
        """Show an epoch's figures."""
        self.step(
            f"seed {seed}, epoch {epoch.epoch} of {self._epochs}: loss {epoch.loss:.4g}, held out "
            f"{_figure(epoch.held)}, best {_figure(best)}"
        )
        self.vector(seed * self._epochs + epoch.epoch, self._seeds * self._epochs)


def _figure(score: TunedScore) -> str:
    if score.agreement is not None:
        return f"{100 * score.agreement:.2f} %"
    return "–" if score.sqnr_db is None else f"{score.sqnr_db:.1f} dB"


class MatrixProgress(_Drawn, MatrixObserver):
    """One bar for all cells, and what those that run are at; elsewhere a line for each that ended.

    Nothing is drawn between two calls: while processes are forked there is one thread.
    """

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet = quiet or is_quiet()
        self._steps: dict[str, str] = {}
        self._done, self._total = 0, 0
        self._bar = RichProgress(
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
            transient=True,
            auto_refresh=False,
            disable=quiet or not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None)

    def begin(self, done: int, total: int) -> None:
        """Show how many there are, and how many an earlier attempt has run."""
        self._done, self._total = done, total
        if done:
            self._say(f"{done} of {total} cells have ended before")
        self._draw()

    def step(self, name: str, what: str) -> None:
        """Show what a cell is at."""
        self._steps[name] = what
        self._draw()

    def notice(self, name: str, text: str) -> None:
        """Print what a user should know."""
        self._say(f"{name}: {text}")

    def end(self, name: str, said: str) -> None:
        """Count a cell, and print what became of it."""
        self._done += 1
        self._steps.pop(name, None)
        self._say(f"[{self._done}/{self._total}] {name}: {said}")
        self._draw()

    def _say(self, text: str) -> None:
        if not self._quiet:
            self._console.print(text, highlight=False, soft_wrap=True)

    def _draw(self) -> None:
        running = "; ".join(f"{name}: {what}" for name, what in self._steps.items())
        self._bar.update(self._task, completed=self._done, total=self._total, description=running)
        self._bar.refresh()
