"""nnom-hil convert: a Keras model becomes weights.h."""

from pathlib import Path
from typing import Annotated

import typer

from nnom_hil.cli.options import (
    DataOption,
    JsonOption,
    MethodOption,
    ModelArgument,
    PerChannelOption,
)

__all__ = ["main"]


def main(
    *,
    model: ModelArgument = None,
    data: DataOption = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The header to write.")] = Path(
        "weights.h"
    ),
    method: MethodOption = "max_min",
    percentile: Annotated[
        float, typer.Option(min=50, max=100, help="Per cent of values that must fit.")
    ] = 99.99,
    per_channel: PerChannelOption = False,
    search: Annotated[
        float, typer.Option(min=0, help="Seconds to try other formats in, by accuracy.")
    ] = 0.0,
    api: Annotated[str, typer.Option(help="struct, or layer: NNoM's older form.")] = "struct",
    layout: Annotated[str, typer.Option(help="Order of data: hwc or chw.")] = "hwc",
    dense_order: Annotated[
        str, typer.Option(help="Order of dense weights: interleaved or plain.")
    ] = "interleaved",
    portable: Annotated[
        bool, typer.Option("--portable", help="Make it right on NNoM's own library too.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(help="Write a page with each layer's quality.")
    ] = None,
    json: JsonOption = False,
) -> int:
    """Convert a model to a C header in NNoM's format."""
    from rich.console import Console

    from nnom_hil.cli.progress import Progress
    from nnom_hil.files import write_whole
    from nnom_hil.report.quality import print_quality, render_quality
    from nnom_hil.run.conversion import HeaderRequest, write_header
    from nnom_hil.run.prepare import ConvertOptions

    request = HeaderRequest(
        model=model,
        data=data,
        output=output,
        convert=ConvertOptions(
            method=method,
            per_channel=per_channel,
            percentile=percentile,
            search_seconds=search,
            portable=portable,
        ),
        api=api,
        layout=layout,
        dense_order=dense_order,
    )
    with Progress(Console(stderr=True), quiet=json) as progress:
        record = write_header(request, progress.step)
        if report is not None:
            write_whole(report, render_quality(record))
    if json:
        print(record.to_json(), end="")
        return 0
    print_quality(record, Console())
    print(
        f"{output}: {len(record.layers)} layers, {record.macs} MAC, model {record.model_hash[:16]}"
    )
    if report is not None:
        print(f"report: {report}")
    return 0
