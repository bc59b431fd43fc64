"""The one table of formats: what a run, and two runs side by side, can be shown as."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from nnom_hil.errors import UsageError, did_you_mean
from nnom_hil.records import RunRecord
from nnom_hil.report.compared import comparison_html, comparison_json, comparison_text
from nnom_hil.report.html import Shown, render_shown
from nnom_hil.report.run_csv import comparison_csv, run_csv
from nnom_hil.report.run_junit import comparison_junit, run_junit
from nnom_hil.report.run_markdown import comparison_markdown, run_markdown
from nnom_hil.report.sides import Side, compare
from nnom_hil.report.terminal import run_text

__all__ = ["FORMATS", "Form", "Format", "chosen_format", "format_of_file"]


class Format(StrEnum):
    """Names of formats."""

    TERMINAL = "terminal"
    HTML = "html"
    MARKDOWN = "markdown"
    JUNIT = "junit"
    CSV = "csv"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A format: the ending of its files, what makes it of a run, and of two side by side.

    All are pure functions of what they are given.
    """

    ending: str
    run: Callable[[Shown], str]
    comparison: Callable[[RunRecord, RunRecord, Sequence[Side]], str]

    def compare(self, one: RunRecord, other: RunRecord) -> str:
        """Return two runs side by side."""
        return self.comparison(one, other, compare(one, other))


FORMATS: Final = {
    Format.TERMINAL: Form(
        ending=".txt", run=lambda s: run_text(s.record), comparison=comparison_text
    ),
    Format.HTML: Form(ending=".html", run=render_shown, comparison=comparison_html),
    Format.MARKDOWN: Form(
        ending=".md", run=lambda s: run_markdown(s.record), comparison=comparison_markdown
    ),
    Format.JUNIT: Form(
        ending=".xml", run=lambda s: run_junit(s.record), comparison=comparison_junit
    ),
    Format.CSV: Form(ending=".csv", run=lambda s: run_csv(s.record), comparison=comparison_csv),
    Format.JSON: Form(ending=".json", run=lambda s: s.record.to_json(), comparison=comparison_json),
}


def chosen_format(name: str | None, file: Path | None = None) -> Format:
    """Return the format of a name, or else of a file's ending; the terminal's without either.

    Raises UsageError for an unknown one.
    """
    if name is None:
        return Format.TERMINAL if file is None else format_of_file(file)
    if name not in set(Format):
        raise UsageError(
            f"--format {name!r} is unknown; there are: {', '.join(Format)}"
            f"{did_you_mean(name, Format)}"
        )
    return Format(name)


def format_of_file(file: Path) -> Format:
    """Return the format that a file's ending names; raises UsageError for another ending."""
    by_ending = {form.ending: name for name, form in FORMATS.items()}
    ending = file.suffix.lower()
    if ending not in by_ending:
        raise UsageError(
            f"{file}: no format has the ending {ending!r}; there are: {', '.join(by_ending)}"
            f"{did_you_mean(ending, by_ending)}; or name one with --format"
        )
    return by_ending[ending]
