"""nnom-hil finetune: a model's weights are trained for the formats of its conversion."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnom_hil.cli.options import JsonOption, door
from nnom_hil.errors import ExitCode

if TYPE_CHECKING:
    from nnom_hil.records import FineTuneRecord

__all__ = ["main"]

_INTERRUPTED = 130


@door("finetune", argument="model")
def main(
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The .keras file to write [NAME-finetuned.keras]."),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, max=100, help="Train so often, in another order each time.")
    ] = 3,
    epochs: Annotated[
        int, typer.Option(min=1, max=100_000, help="Times to go through the data, each seed.")
    ] = 20,
    learning_rate: Annotated[
        float, typer.Option(min=1e-9, max=1.0, help="At the start, as a share of a format's range.")
    ] = 3e-5,
    batch: Annotated[int, typer.Option(min=1, max=65536, help="Vectors a step.")] = 16,
    held_out: Annotated[
        float,
        typer.Option(min=0.01, max=0.9, help="Share of the vectors that decides, and only that."),
    ] = 0.25,
    held_data: Annotated[
        Path | None, typer.Option(help="Such vectors in a file of their own instead.")
    ] = None,
    write_start: Annotated[
        bool, typer.Option("--write-start", help="Write the start where nothing is better.")
    ] = False,
    json: JsonOption = False,
    **given: Any,
) -> int:
    """Train a model's weights for its conversion. Exit code 1: nothing better, nothing written."""
    from nnom_hil.cli.progress import FineTuneProgress
    from nnom_hil.cli.terminal import terminal
    from nnom_hil.run.finetune import FineTuneRequest, fine_tune
    from nnom_hil.run.options import conversion_of
    from nnom_hil.run.prepare import find_model

    convert, _ = conversion_of(given)
    model = given.get("model")
    request = FineTuneRequest(
        output=output or Path(f"{find_model(model).stem}-finetuned.keras"),
        model=model,
        data=given.get("data"),
        convert=convert,
        seeds=seeds,
        epochs=epochs,
        learning_rate=learning_rate,
        batch=batch,
        held_out=held_out,
        held_data=held_data,
        write_start=write_start,
    )
    with FineTuneProgress(terminal(stderr=True), seeds, epochs, quiet=json) as progress:
        record = fine_tune(request, progress)
    _show(record, given.get("data"), json=json)
    if record.interrupted:
        return _INTERRUPTED
    return int(ExitCode.PASS if record.output else ExitCode.FAIL)


def _show(record: "FineTuneRecord", data: Path | None, *, json: bool) -> None:
    from nnom_hil.cli.terminal import terminal
    from nnom_hil.report.finetune import print_fine_tuning

    if json:
        print(record.to_json(), end="")
    else:
        print_fine_tuning(record, terminal(), data=data)
