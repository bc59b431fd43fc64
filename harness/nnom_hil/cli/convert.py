"""nnom-hil convert: a Keras model becomes weights.h."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nnom_hil.cli.options import DryRunOption, JsonOption, door
from nnom_hil.cli.outcome import print_plan

__all__ = ["main"]


@door("convert", argument="model")
def main(
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="The header to write.")] = Path(
        "weights.h"
    ),
    report: Annotated[
        Path | None, typer.Option(help="Write a page with each layer's quality.")
    ] = None,
    json: JsonOption = False,
    dry_run: DryRunOption = False,
    **given: Any,
) -> int:
    """Convert a model to a C header in NNoM's format."""
    from nnom_hil.cli.progress import Progress
    from nnom_hil.cli.terminal import terminal
    from nnom_hil.files import write_whole
    from nnom_hil.report.quality import print_quality, render_quality
    from nnom_hil.run.conversion import HeaderRequest, write_header
    from nnom_hil.run.options import conversion_of

    convert, header = conversion_of(given)
    request = HeaderRequest(
        model=given.get("model"),
        data=given.get("data"),
        output=output,
        convert=convert,
        header=header,
    )
    if dry_run:
        from nnom_hil.run.dry import header_plan

        return print_plan(header_plan(request), json=json)
    with Progress(terminal(stderr=True), quiet=json) as progress:
        record = write_header(request, progress.step)
        if report is not None:
            write_whole(report, render_quality(record))
    if json:
        print(record.to_json(), end="")
        return 0
    print_quality(record, terminal())
    print(
        f"{output}: {len(record.layers)} layers, {record.macs} MAC, model {record.model_hash[:16]}"
    )
    if report is not None:
        print(f"report: {report}")
    return 0
