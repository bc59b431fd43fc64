"""nnom-hil tune: the best ways to convert and build a model, and what each costs."""

import contextlib
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnom_hil.cli.options import JsonOption, door
from nnom_hil.errors import ExitCode

if TYPE_CHECKING:
    from nnom_hil.tuning import TuneRecord

__all__ = ["main"]


@door("tune", argument="model")
def main(
    *,
    min_accuracy: Annotated[
        float | None, typer.Option(min=0, max=1, help="Least share of right answers, 0 to 1.")
    ] = None,
    max_us: Annotated[
        float | None, typer.Option(min=0, help="Most microseconds of an inference, as estimated.")
    ] = None,
    max_flash: Annotated[int | None, typer.Option(min=0, help="Most bytes of flash.")] = None,
    max_ram: Annotated[int | None, typer.Option(min=0, help="Most bytes of RAM.")] = None,
    seed: Annotated[int, typer.Option(help="Of the parts of the data, and of the order.")] = 0,
    trials: Annotated[int, typer.Option(min=1, help="Most builds to measure.")] = 64,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=1, max=64, help="Builds at the same time.")
    ] = 2,
    out: Annotated[
        Path | None, typer.Option(help="The search's folder [a new one in reports/tune].")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with a search's folder; the rest is its own.")
    ] = None,
    json: JsonOption = False,
    **given: Any,
) -> int:
    """Search conversions, kernels, compiler flags and layouts for accuracy, cycles, flash and RAM.

    Exit code 1: nothing keeps the limits.
    """
    from nnom_hil.cli.progress import MatrixProgress
    from nnom_hil.cli.terminal import terminal
    from nnom_hil.paths import tunes_dir
    from nnom_hil.run.tune import begin_tune, resume_tune
    from nnom_hil.tuning import Limits

    if resume is not None:
        search = resume_tune(resume)
    else:
        search = begin_tune(
            given,
            out or tunes_dir() / _folder_name(given),
            seed=seed,
            trials=trials,
            limits=Limits(accuracy=min_accuracy, time_us=max_us, flash=max_flash, ram=max_ram),
            command=("nnom-hil", *sys.argv[1:]),
        )
    try:
        with MatrixProgress(terminal(stderr=True), quiet=json) as progress:
            record = search.execute(jobs, progress)
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):
            print(f"go on with: nnom-hil tune --resume {search.folder}", file=sys.stderr)
        raise
    _show(record, search.folder, json=json)
    return int(ExitCode.PASS if record.front else ExitCode.FAIL)


def _show(record: "TuneRecord", folder: Path, *, json: bool) -> None:
    """Write a search's pages into its folder, and print what was found."""
    from nnom_hil.cli.terminal import terminal
    from nnom_hil.files import write_whole
    from nnom_hil.report.tune import print_tune, tune_files

    for name, text in tune_files(record).items():
        write_whole(folder / name, text)
    if json:
        print(record.to_json(), end="")
    else:
        print_tune(record, terminal())
        print(f"report: {folder / 'report.html'}")


def _folder_name(given: dict[str, Any]) -> str:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    model = Path(str(given.get("model") or "digits")).stem
    return f"{stamp}-{re.sub(r'[^A-Za-z0-9_-]', '_', model)[:40]}"
