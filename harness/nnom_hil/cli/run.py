"""nnom-hil run: convert, build, start, stream, judge, report."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from nnom_hil.cli.options import (
    BackendOption,
    BoardOption,
    BoardsOption,
    CompatOption,
    DataOption,
    JsonOption,
    MethodOption,
    ModelOption,
    NnomOption,
    PackOption,
    PerChannelOption,
    PortOption,
    ProbeOption,
    RenodeOption,
)
from nnom_hil.errors import ExitCode

__all__ = ["main"]


def main(
    *,
    board: BoardOption = "stm32f4",
    model: ModelOption = None,
    data: DataOption = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Take the first N vectors.")] = None,
    min_accuracy: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Fail below this share, 0 to 1.")
    ] = None,
    method: MethodOption = "max_min",
    per_channel: PerChannelOption = False,
    compat: CompatOption = False,
    backend: BackendOption = None,
    renode: RenodeOption = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=1, max=64, help="Share vectors over N targets.")
    ] = 1,
    warm_up: Annotated[int, typer.Option(min=0, help="Runs before layers are timed.")] = 1,
    repeats: Annotated[int, typer.Option(min=1, help="Runs whose median is a layer's time.")] = 3,
    timing_only: Annotated[
        bool, typer.Option("--timing-only", help="Time the layers; stream no vectors.")
    ] = False,
    nnom: NnomOption = None,
    encoding: Annotated[
        str, typer.Option(help="How vectors travel: auto, raw or compact; auto: raw to emulators.")
    ] = "auto",
    port: PortOption = None,
    probe: ProbeOption = None,
    pack: PackOption = None,
    baud: Annotated[
        int | None, typer.Option(min=1200, help="Rate to try after the handshake, on a port.")
    ] = None,
    faults: Annotated[
        str | None, typer.Option(help="Spoil the link: byte_error=0.01,drop=0.005,resets=2 ...")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the faults.")] = 0,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with a run's folder; other options are its own.")
    ] = None,
    boards: BoardsOption = None,
    out: Annotated[Path | None, typer.Option(help="Folder of runs [reports/runs].")] = None,
    json: JsonOption = False,
) -> int:
    """Run a model on a board and report. Exit code: 0 pass, 1 fail, 2 usage, 3 environment."""
    del renode  # its callback has set it
    from nnom_hil.boards import find_board
    from nnom_hil.link.faults import LinkFaults
    from nnom_hil.paths import runs_dir
    from nnom_hil.records import Verdict
    from nnom_hil.run.plan import Encoding, Timing
    from nnom_hil.run.prepare import ConvertOptions
    from nnom_hil.run.service import RunRequest, run_and_report

    if resume is not None and not resume.exists() and (runs_dir() / resume).exists():
        resume = runs_dir() / resume
    request = RunRequest(
        board=find_board(board, boards),
        model=model,
        data=data,
        limit=limit,
        min_accuracy=min_accuracy,
        convert=ConvertOptions(method=method, per_channel=per_channel),
        compat=compat,
        backend=backend,
        jobs=jobs,
        timing=Timing(warm_up=warm_up, repeats=repeats),
        timing_only=timing_only,
        nnom=nnom,
        encoding=Encoding.named(encoding),
        port=port,
        probe=probe,
        pack=pack,
        baud=baud,
        faults=None if faults is None else LinkFaults.parse(faults),
        seed=seed,
        runs=out or runs_dir(),
    )
    from rich.console import Console

    from nnom_hil.cli.progress import Progress
    from nnom_hil.report.terminal import print_summary

    with Progress(Console(stderr=True), quiet=json) as progress:
        folder, record, error = run_and_report(request if resume is None else resume, progress)
    if json:
        print(record.to_json(), end="")
    if error is not None:
        print(f"record: {folder}", file=sys.stderr)
        raise error  # its message is all there is to say
    if not json:
        console = Console()
        print_summary(record, console)
        console.print(f"report: {folder / 'report.html'}", soft_wrap=True, highlight=False)
    return int(ExitCode.PASS if record.verdict is Verdict.PASS else ExitCode.FAIL)
