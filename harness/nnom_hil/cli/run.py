"""nnom-hil run: convert, build, start, stream, judge, report."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnom_hil.cli.options import DryRunOption, JsonOption, door
from nnom_hil.cli.outcome import print_plan, show_outcome
from nnom_hil.errors import ExitCode, UsageError

__all__ = ["main"]

if TYPE_CHECKING:
    from nnom_hil.run.plan import Observer
    from nnom_hil.run.request import RunRequest
    from nnom_hil.run.shown import Outcome


@door("run")
def main(
    *,
    json: JsonOption = False,
    dry_run: DryRunOption = False,
    timings: Annotated[
        bool, typer.Option("--timings", help="Tell what each phase of the run took.")
    ] = False,
    report: Annotated[
        list[Path] | None,
        typer.Option(help="Write the report to this file too, .html .md .xml .csv .json or .txt."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", "-s", help="Of a farm, one of whose workers runs it."),
    ] = None,
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

    write = _writer(report) if report else None  # a wrong ending is told before the run
    request = find_run(given["resume"]) if "resume" in given else request_of(given)
    if dry_run:
        return _tell(request, json=json)
    taken = Timings("imports") if timings else None
    with Progress(terminal(stderr=True), quiet=json, timings=taken) as progress:
        if scheduler is None:
            outcome = run_and_report(request, progress)
        else:
            outcome = _on_farm(request, scheduler, progress)
    if taken is not None:
        taken.end()
        taken.show(terminal(stderr=True))
        taken.write(outcome.folder)
    if write is not None:
        outcome = write(outcome)
    record = outcome.record
    if outcome.error is not None:
        if json:
            print(record.to_json(), end="")
        print(f"record: {outcome.folder}", file=sys.stderr)
        raise outcome.error  # its message is all there is to say
    show_outcome(outcome, json=json)
    return int(ExitCode.PASS if record.verdict is Verdict.PASS else ExitCode.FAIL)


def _on_farm(request: "RunRequest | Path", scheduler: str, observer: "Observer") -> "Outcome":
    from nnom_hil.farm import farm_crew
    from nnom_hil.farm.offers import demand_of
    from nnom_hil.run.elsewhere import run_elsewhere

    if isinstance(request, Path):
        raise UsageError(
            "--resume with --scheduler: a run of a farm comes back whole or not at all; start it "
            "again, or go on with this one here"
        )
    demand_of(request, ())  # what no farm can do is told before anything is built
    return run_elsewhere(request, lambda: farm_crew(scheduler, observer.step), observer)


def _tell(request: "RunRequest | Path", *, json: bool) -> int:
    from nnom_hil.run.dry import run_plan
    from nnom_hil.run.request import load_request

    if isinstance(request, Path):
        plan = run_plan(load_request(request)) | {"record": f"goes on in {request}"}
    else:
        plan = run_plan(request)
    return print_plan(plan, json=json)


def _writer(files: Sequence[Path]) -> "Callable[[Outcome], Outcome]":
    """Return what writes the reports of a run and says in its outcome what could not be written.

    Raises UsageError for a file whose ending names no format.
    """
    from nnom_hil.errors import StoreError
    from nnom_hil.files import write_whole
    from nnom_hil.report.formats import FORMATS, format_of_file

    forms = [(file, FORMATS[format_of_file(file)]) for file in files]

    def write(outcome: "Outcome") -> "Outcome":
        for file, form in forms:
            try:
                write_whole(file, form.run(outcome.shown.at(outcome.folder, file)))
            except StoreError as exc:
                outcome = replace(outcome, unwritten=outcome.unwritten or exc)
        return outcome

    return write
