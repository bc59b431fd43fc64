"""nnom-hil bench: measurements of the harness itself."""

from typing import Annotated

import typer

from nnom_hil.cli.options import (
    BoardOption,
    BoardsOption,
    DataOption,
    JsonOption,
    ModelOption,
    PortOption,
)

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
    port: PortOption = None,
    kilobytes: Annotated[int, typer.Option(min=1, help="How much vector data to send.")] = 1000,
    json: JsonOption = False,
) -> int:
    """Measure the link alone: vector data that the target takes, checks, and only counts."""
    from nnom_hil.boards import find_board
    from nnom_hil.run.bench import measure_link

    result = measure_link(find_board(board, boards), kilobytes * 1000, port=port)
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


@app.command("faults")
def faults(
    *,
    board: BoardOption = "native",
    boards: BoardsOption = None,
    faults: Annotated[
        str, typer.Option(help="What to spoil, as for nnom-hil run.")
    ] = "byte_error=0.01,drop=0.005,resets=2",
    seed: Annotated[int, typer.Option(help="Of the images and the faults.")] = 0,
    vectors: Annotated[int, typer.Option("--vectors", "-n", min=50, help="How many images.")] = 360,
    json: JsonOption = False,
) -> int:
    """Measure what a bad link costs: the same images over a clean one and one with faults."""
    from nnom_hil.boards import find_board
    from nnom_hil.errors import ExitCode
    from nnom_hil.link.faults import LinkFaults
    from nnom_hil.run.bench import measure_faults

    result = measure_faults(find_board(board, boards), LinkFaults.parse(faults), vectors, seed)
    if json:
        import json as json_module

        print(json_module.dumps(result.as_dict(), sort_keys=True, indent=2))
    else:
        print(
            f"{result.board}, {result.vectors} images: clean {result.clean_s:.2f} s; with "
            f"{result.faults} {result.bad_s:.2f} s: {result.extra_s:.2f} s more, "
            f"{result.retransmitted} frames sent again, {result.resets} resets; {result.wrong} "
            f"wrong, {result.lost} lost"
        )
    return int(ExitCode.FAIL if result.wrong or result.lost else ExitCode.PASS)


@app.command("boards")
def boards(
    *,
    model: ModelOption = None,
    data: DataOption = None,
    boards: BoardsOption = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Take the first N vectors.")] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Targets per board.")] = 1,
) -> int:
    """Run a model on every board that can run here and print a Markdown table."""
    from rich.console import Console

    from nnom_hil.cli.progress import Progress
    from nnom_hil.errors import ExitCode
    from nnom_hil.report.survey import survey_table
    from nnom_hil.run.boardfiles import known_boards
    from nnom_hil.run.survey import survey

    with Progress(Console(stderr=True)) as progress:
        rows = survey(
            known_boards(boards), model=model, data=data, limit=limit, jobs=jobs,
            on_step=progress.step,
        )  # fmt: skip
    print(
        survey_table(
            [(r.board.name, r.board.core.cpu.value, r.backend, r.record, r.why) for r in rows]
        )
    )
    wrong = [r.board.name for r in rows if r.record is not None and not r.record.outputs_equal]
    return int(ExitCode.FAIL if wrong else ExitCode.PASS)


@app.command("convert")
def convert(*, json: JsonOption = False) -> int:
    """Quantise the bundled models in every way and compare their accuracy with float."""
    from dataclasses import asdict

    from rich.console import Console

    from nnom_hil.cli.progress import Progress
    from nnom_hil.run.bench import measure_conversion

    with Progress(Console(stderr=True), quiet=json) as progress:
        results = measure_conversion(progress.step)
    if json:
        import json as json_module

        print(json_module.dumps([asdict(r) for r in results], sort_keys=True, indent=2))
        return 0
    ways = list(results[0].int8)
    print(f"| model | MAC | float | {' | '.join(ways)} | loss at best |")
    print("|---" * (len(ways) + 4) + "|")
    for r in results:
        shares = [f"{100 * share:.2f} %" for share in (r.float_accuracy, *r.int8.values())]
        print(f"| {r.model} | {r.macs} | {' | '.join(shares)} | {r.loss:.2f} points |")
    return 0
