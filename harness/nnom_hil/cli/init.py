"""nnom-hil init: a new project, or an existing one of NNoM's on a board."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnom_hil.cli.options import JsonOption
from nnom_hil.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from nnom_hil.run.nnom_project import NnomProject

__all__ = ["main"]

_BOARD = "stm32f4"


def main(
    *,
    folder: Annotated[Path | None, typer.Argument(help="Folder of the new project.")] = None,
    from_nnom: Annotated[
        Path | None,
        typer.Option(help="Folder of an NNoM project (main.c, weights.h): build and run it."),
    ] = None,
    board: Annotated[str, typer.Option(help="Board to run it on.")] = _BOARD,
    model: Annotated[
        Path | None, typer.Option(help="Model of the new project [the bundled digits].")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Vectors for it, .npz or .npy.")] = None,
    say: Annotated[
        list[str] | None,
        typer.Option(help='Command for the shell of an NNoM project: --say "mnist 3".'),
    ] = None,
    header: Annotated[
        Path | None, typer.Option(help="weights.h of an NNoM project, where there are several.")
    ] = None,
    source: Annotated[
        list[Path] | None, typer.Option(help="A source file of it, to choose or to add.")
    ] = None,
    include: Annotated[list[Path] | None, typer.Option(help="A folder of its headers.")] = None,
    define: Annotated[list[str] | None, typer.Option("-D", help="A macro for it.")] = None,
    silence: Annotated[
        float, typer.Option(min=0.1, max=1e6, help="Seconds of silence that end its run.")
    ] = 30.0,
    out: Annotated[Path | None, typer.Option(help="Folder of runs [reports/runs].")] = None,
    json: JsonOption = False,
) -> int:
    """Make a project that runs at once, or take an existing NNoM project to an emulated board."""
    if from_nnom is not None:
        if folder is not None or model is not None or data is not None:
            raise UsageError("--from-nnom takes its folder alone: no FOLDER, --model or --data")
        from nnom_hil.run.nnom_project import find_project

        project = find_project(
            from_nnom,
            header=header,
            sources=source or (),
            includes=include or (),
            defines=define or (),
            script=say or (),
        )
        return _run_guest(project, board, quiet=silence, out=out, json=json)
    if folder is None:
        raise UsageError("name the new project's folder: nnom-hil init DIR")
    if header or source or include or define or say:
        raise UsageError("--header, --source, --include, -D and --say belong to --from-nnom")
    return _make(folder, board, model, data, json=json)


def _make(folder: Path, board: str, model: Path | None, data: Path | None, *, json: bool) -> int:
    from json import dumps

    from nnom_hil.run.new_project import new_project

    written = new_project(folder, board=board, model=model, data=data)
    if json:
        print(dumps({"folder": str(folder), "files": [str(path) for path in written]}))
    else:
        for path in written:
            print(path)
        print(f"next: cd {folder} && nnom-hil run")
    return 0


def _run_guest(
    project: "NnomProject", board: str, *, quiet: float, out: Path | None, json: bool
) -> int:
    from nnom_hil.cli.outcome import show_outcome
    from nnom_hil.paths import runs_dir
    from nnom_hil.records import Verdict
    from nnom_hil.run.guest import GuestRequest, run_project

    if not json:
        for what, where in project.lines():
            print(f"{what:8} {where}")
    outcome = run_project(
        project,
        GuestRequest(
            board=board,
            quiet_s=quiet,
            runs=out or runs_dir(),
            command=(
                "nnom-hil",
                "init",
                "--from-nnom",
                str(project.folder),
                "--board",
                board,
                *(word for line in project.guest.script for word in ("--say", line)),
            ),
        ),
        lambda what: print(what, file=sys.stderr),
    )
    if not json:
        print(outcome.shown.console)
    show_outcome(outcome, json=json)
    return int(ExitCode.PASS if outcome.record.verdict is Verdict.PASS else ExitCode.FAIL)
