"""nnom-hil inspect: what a model holds, and where it would fit."""

from typing import Annotated, Any

import typer

from nnom_hil.cli.options import JsonOption, door

__all__ = ["main"]


@door("inspect", argument="model")
def main(
    *,
    board: Annotated[
        list[str] | None, typer.Option("--board", "-b", help="Link for these only; repeatable.")
    ] = None,
    build: Annotated[
        bool, typer.Option(help="Link firmware for every board to learn flash and RAM.")
    ] = True,
    json: JsonOption = False,
    **given: Any,
) -> int:
    """Show a model's layers, MACs, weights and memory, or all that could not be converted."""
    from nnom_hil.cli.progress import Progress
    from nnom_hil.cli.terminal import terminal
    from nnom_hil.report.quality import print_layers
    from nnom_hil.run.conversion import inspect_model

    with Progress(terminal(stderr=True), quiet=json) as progress:
        record = inspect_model(
            given.get("model"), given.get("boards"), progress.step, build=build, only=board or ()
        )
    if json:
        print(record.to_json(), end="")
    else:
        print_layers(record, terminal())
    return 0
