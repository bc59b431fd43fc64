"""nnom-hil bench: measurements of the harness itself."""

from typing import Annotated

import typer

from nnom_hil.cli.options import BoardOption, BoardsOption, JsonOption

__all__ = ["app"]

app = typer.Typer(help="Measure the harness itself.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Measure the harness itself."""


@app.command("link")
def link(
    *,
    board: BoardOption = "stm32f4",
    boards: BoardsOption = None,
    kilobytes: Annotated[int, typer.Option(min=1, help="How much vector data to send.")] = 1000,
    json: JsonOption = False,
) -> int:
    """Measure the link alone: vector data that the target takes, checks, and only counts."""
    from nnom_hil.boards import find_board
    from nnom_hil.run.bench import measure_link

    result = measure_link(find_board(board, boards), kilobytes * 1000)
    if json:
        import json as json_module

        print(json_module.dumps(result.as_dict(), sort_keys=True, indent=2))
    else:
        print(
            f"{result.board}: {result.bytes_per_s / 1000:.1f} kB/s of vector data "
            f"({result.payload_bytes} bytes in {result.frames} frames, {result.seconds:.2f} s, "
            f"{result.overhead:.1%} framing)"
        )
    return 0
