"""nnom-hil run: convert, build, start, stream, judge, report."""

import sys
from typing import Annotated, Any

import typer

from nnom_hil.cli.options import JsonOption, door
from nnom_hil.cli.outcome import show_outcome
from nnom_hil.errors import ExitCode

__all__ = ["main"]


@door("run")
def main(
    *,
    json: JsonOption = False,
    timings: Annotated[
        bool, typer.Option("--timings", help="Tell what each phase of the run took.")
    ] = False,
    **given: Any,
) -> int:
    """Run a model on a board and report. Exit code: 0 pass, 1 fail, 2 usage, 3 environment."""
    from nnom_hil.cli.progress import Progress
    from nnom_hil.cli.terminal import terminal
    from nnom_hil.cli.timings import Timings
    from nnom_hil.records import Verdict
    from nnom_hil.run.options import request_of
    from nnom_hil.run.service import run_and_report
    from nnom_hil.run.store import find_run

    request = find_run(given["resume"]) if "resume" in given else request_of(given)
    taken = Timings("imports") if timings else None
    with Progress(terminal(stderr=True), quiet=json, timings=taken) as progress:
        outcome = run_and_report(request, progress)
    if taken is not None:
        taken.end()
        taken.show(terminal(stderr=True))
        taken.write(outcome.folder)
    record = outcome.record
    if outcome.error is not None:
        if json:
            print(record.to_json(), end="")
        print(f"record: {outcome.folder}", file=sys.stderr)
        raise outcome.error  # its message is all there is to say
    show_outcome(outcome, json=json)
    return int(ExitCode.PASS if record.verdict is Verdict.PASS else ExitCode.FAIL)
