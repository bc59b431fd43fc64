"""nnom-hil compare: is a run worse than the baseline that was reviewed?"""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnom_hil.cli.options import JsonOption
from nnom_hil.cli.outcome import print_json
from nnom_hil.errors import ExitCode

if TYPE_CHECKING:
    from nnom_hil.gates import Comparison

__all__ = ["main"]


class _Format(StrEnum):
    TERMINAL = "terminal"
    MARKDOWN = "markdown"
    JUNIT = "junit"
    JSON = "json"


def main(
    run: Annotated[
        Path | None, typer.Argument(help="A run's folder, or its id [the newest].")
    ] = None,
    *,
    baseline: Annotated[
        Path | None,
        typer.Option(help="Its file [reports/baselines/<board>/<model>.json]."),
    ] = None,
    gates: Annotated[
        Path | None, typer.Option(help="A TOML file of what is allowed (docs/gates.md).")
    ] = None,
    form: Annotated[_Format, typer.Option("--format", "-f", help="Of the verdict.")] = (
        _Format.TERMINAL
    ),
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the verdict to this file.")
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Write the run's figures into the baseline.")
    ] = False,
    json: JsonOption = False,
) -> int:
    """Compare a run with its baseline, gate by gate. Exit code 1: one of them failed."""
    from nnom_hil.gates import (
        baseline_file,
        evaluate,
        load_baseline,
        load_limits,
        update_baseline,
    )
    from nnom_hil.paths import baselines_dir, runs_dir
    from nnom_hil.record_files import load_record
    from nnom_hil.run.store import find_run, newest_run

    form = _Format.JSON if json else form
    limits = load_limits(gates)
    record = load_record(find_run(run) if run is not None else newest_run(runs_dir()))
    file = baseline or baseline_file(baselines_dir(), record.board, record.model)
    if update:
        written = update_baseline(file, record)
        if json:
            print_json({"file": file, "builds": sorted(written.builds)})
        else:
            print(f"{file}: figures of {', '.join(sorted(written.builds))}; review and commit it")
        return int(ExitCode.PASS)
    comparison = evaluate(record, load_baseline(file), limits, name=str(file))
    _show(comparison, form, output)
    return int(ExitCode.PASS if comparison.passed else ExitCode.FAIL)


def _show(comparison: "Comparison", form: _Format, output: Path | None) -> None:
    from nnom_hil.cli.terminal import terminal
    from nnom_hil.files import write_whole
    from nnom_hil.report.gates import (
        comparison_junit,
        comparison_markdown,
        comparison_text,
        print_comparison,
        verdict_line,
    )

    if form is _Format.TERMINAL and output is None:
        print_comparison(comparison, terminal())
        return
    match form:
        case _Format.MARKDOWN:
            text = comparison_markdown(comparison)
        case _Format.JUNIT:
            text = comparison_junit(comparison)
        case _Format.JSON:
            text = comparison.to_json()
        case _Format.TERMINAL:
            text = comparison_text(comparison)
    if output is None:
        print(text, end="")
    else:
        write_whole(output, text)
        print(f"{verdict_line(comparison)}\n{output}")
