"""nnom-hil report: make a run's report again, from its record alone."""

from pathlib import Path
from typing import Annotated

import typer

from nnom_hil.cli.options import JsonOption
from nnom_hil.cli.outcome import show_outcome

__all__ = ["main"]


def main(
    run: Annotated[Path | None, typer.Argument(help="A run's folder [the newest].")] = None,
    *,
    json: JsonOption = False,
) -> int:
    """Render report.html again and print the summary; needs neither Keras nor an emulator."""
    from nnom_hil.paths import runs_dir
    from nnom_hil.run.service import write_report
    from nnom_hil.run.store import newest_run

    folder = run or newest_run(runs_dir())
    return show_outcome(write_report(folder), json=json)
