"""nnom-hil matrix: many runs as one, each once, with one report."""

import contextlib
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnom_hil.cli.options import DryRunOption, JsonOption
from nnom_hil.cli.outcome import print_plan
from nnom_hil.errors import ExitCode, UsageError

__all__ = ["main"]

if TYPE_CHECKING:
    from nnom_hil.cli.progress import MatrixProgress
    from nnom_hil.run.crew import Crew


def main(
    file: Annotated[Path | None, typer.Argument(help="A matrix file (docs/matrix.md).")] = None,
    *,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=1, max=64, help="Cells that run at the same time.")
    ] = 2,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The matrix's folder, with its runs [a new one in reports/matrix; the runs are in "
            "reports/runs]."
        ),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with a matrix's folder; what ended is not run again.")
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Make baselines of the runs that pass.")
    ] = False,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", "-s", help="Of a farm that runs the cells (docs/farm.md)."),
    ] = None,
    json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> int:
    """Run models x boards x options. Exit code 1: a cell or a gate failed; the others ran."""
    if (file is None) == (resume is None):
        raise UsageError("name either a matrix FILE or a folder to --resume")
    from nnom_hil.cli.progress import MatrixProgress
    from nnom_hil.cli.terminal import terminal
    from nnom_hil.paths import matrices_dir, runs_dir
    from nnom_hil.report.matrix import matrix_files, print_matrix
    from nnom_hil.run.matrix import begin_matrix, resume_matrix

    if resume is not None:
        matrix = resume_matrix(resume)
    else:
        assert file is not None
        folder = out or matrices_dir() / _folder_name(file)
        runs = runs_dir() if out is None else None
        matrix = begin_matrix(file, folder, ("nnom-hil", *sys.argv[1:]), runs=runs)
    if dry_run:
        return print_plan(matrix.plan, json=json)
    try:
        with MatrixProgress(terminal(stderr=True), quiet=json) as progress:
            crew = None if scheduler is None else _farm(scheduler, progress)
            record = matrix.execute(jobs, progress, update=update, crew=crew)
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):
            print(f"go on with: nnom-hil matrix --resume {matrix.folder}", file=sys.stderr)
        raise
    _write(matrix.folder, matrix_files(record))
    if json:
        print(record.to_json(), end="")
    else:
        print_matrix(record, terminal())
        print(f"report: {matrix.folder / 'report.html'}")
    return int(ExitCode.PASS if record.passed else ExitCode.FAIL)


def _write(folder: Path, files: Mapping[str, str]) -> None:
    from nnom_hil.files import write_whole

    for name, text in files.items():
        write_whole(folder / name, text)


def _farm(scheduler: str, progress: "MatrixProgress") -> "Crew":
    from nnom_hil.farm import farm_crew

    return farm_crew(scheduler, lambda text: progress.notice("farm", text))


def _folder_name(file: Path) -> str:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    return f"{stamp}-{re.sub(r'[^A-Za-z0-9_-]', '_', file.stem)[:40]}"
