"""nnom-hil profile: what each layer of a model runs, by function and class of instruction."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nnom_hil.cli.options import JsonOption, door

__all__ = ["main"]


@door("profile")
def main(
    *,
    folded: Annotated[
        Path | None, typer.Option(help="Write stacks for flamegraph.pl, speedscope and others.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write a page with bars and flames.")] = None,
    json: JsonOption = False,
    **given: Any,
) -> int:
    """Count the instructions that each layer of a model runs in one inference, exactly."""
    from nnom_hil.cli.progress import Progress
    from nnom_hil.cli.terminal import terminal
    from nnom_hil.files import write_whole
    from nnom_hil.report.html import render_profile
    from nnom_hil.report.profile import print_profile
    from nnom_hil.run.options import request_of
    from nnom_hil.run.service import profile_model

    with Progress(terminal(stderr=True), quiet=json) as progress:
        record = profile_model(request_of(given), progress.step)
    if folded is not None:
        write_whole(folded, record.folded)
    if report is not None:
        write_whole(report, render_profile(record))
    if json:
        print(record.to_json(), end="")
        return 0
    print_profile(record, terminal())
    if report is not None:
        print(f"report: {report}")
    return 0
