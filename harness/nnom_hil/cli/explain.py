"""nnom-hil explain: why a network answers wrongly on a target."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nnom_hil.cli.options import JsonOption, door
from nnom_hil.errors import ExitCode

__all__ = ["main"]


@door("explain")
def main(
    *,
    what: Annotated[
        Path | None, typer.Argument(help="A run's folder, a model file or a bundled name.")
    ] = None,
    image: Annotated[
        Path | None, typer.Option(help="A firmware that is built already, an ELF file.")
    ] = None,
    vectors: Annotated[
        int, typer.Option(min=1, max=64, help="Vectors to fetch every layer's output for.")
    ] = 8,
    target: Annotated[
        bool, typer.Option("--target/--no-target", help="Look at a target, or at model and data.")
    ] = True,
    reproducer: Annotated[
        Path | None, typer.Option(help="Write the smallest failing layer here [explain.npz].")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write a page with pictures.")] = None,
    json: JsonOption = False,
    **given: Any,
) -> int:
    """Tell why a model answers wrongly on a target. Exit code: 0 healthy, 1 a cause was found."""
    from nnom_hil.cli.progress import Progress
    from nnom_hil.cli.terminal import terminal
    from nnom_hil.files import write_whole
    from nnom_hil.report.explain import print_explanation, render_explanation
    from nnom_hil.run.explaining import Wishes, explain_what

    wishes = Wishes(
        what=what,
        given=given,
        image=image,
        vectors=vectors,
        target=target,
        reproducer=reproducer or Path("explain.npz"),
    )
    with Progress(terminal(stderr=True), quiet=json) as progress:
        found = explain_what(wishes, progress)
    if report is not None:
        write_whole(report, render_explanation(found))
    if json:
        print(found.to_json(), end="")
    else:
        print_explanation(found, terminal())
        if report is not None:
            print(f"report: {report}")
    return int(ExitCode.PASS if found.is_healthy else ExitCode.FAIL)
