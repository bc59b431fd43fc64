"""nnom-hil report: a run in any format, or two side by side, from records alone."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from nnom_hil.cli.options import JsonOption
from nnom_hil.cli.outcome import show_outcome
from nnom_hil.errors import UsageError

__all__ = ["main"]


def main(
    run: Annotated[
        Path | None, typer.Argument(help="A run's folder, or its id [the newest].")
    ] = None,
    *,
    form: Annotated[
        str | None,
        typer.Option(
            "--format", "-f", help="terminal, html, markdown, junit, csv or json; to standard "
            "output, unless there is an --output.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write to this file; its ending tells the format."),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option("--compare", help="Put two runs side by side, what differs marked."),
    ] = None,
    json: JsonOption = False,
) -> int:  # fmt: skip
    """Make a run's report again, in any format; needs neither Keras nor an emulator."""
    from nnom_hil.paths import runs_dir
    from nnom_hil.run.shown import write_report
    from nnom_hil.run.store import find_run, newest_run

    if compare is not None:
        if run is not None:
            raise UsageError(f"{run}: with --compare there are two runs, A and B, and no other")
        return _compare(*map(find_run, compare), form="json" if json else form, output=output)
    folder = find_run(run) if run is not None else newest_run(runs_dir())
    if form is None and output is None:
        return show_outcome(write_report(folder), json=json)
    return _show(folder, form="json" if json else form, output=output)


def _show(folder: Path, *, form: str | None, output: Path | None) -> int:
    from nnom_hil.report.formats import FORMATS, chosen_format
    from nnom_hil.run.shown import shown_run

    shown = shown_run(folder)
    shown = shown.at(folder, output) if output is not None else replace(shown, files=())
    _give(FORMATS[chosen_format(form, output)].run(shown), output)
    return 0


def _compare(one: Path, other: Path, *, form: str | None, output: Path | None) -> int:
    from nnom_hil.record_files import load_record
    from nnom_hil.report.formats import FORMATS, Format, chosen_format

    name = chosen_format(form, output)
    a, b = load_record(one), load_record(other)
    if name is Format.TERMINAL and output is None:
        from nnom_hil.cli.terminal import terminal
        from nnom_hil.report.compared import print_sides
        from nnom_hil.report.sides import compare

        print_sides(a, b, compare(a, b), terminal())
    else:
        _give(FORMATS[name].compare(a, b), output)
    return 0


def _give(text: str, output: Path | None) -> None:
    """Write to a file, whole, or print."""
    from nnom_hil.files import write_whole

    if output is None:
        print(text, end="")
    else:
        write_whole(output, text)
        print(f"report: {output}", file=sys.stderr)
