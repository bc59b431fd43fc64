"""nnom-hil mlperf: MLPerf Tiny's benchmarks on a board, beside what others have published."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from nnom_hil.cli.options import JsonOption, door

__all__ = ["main"]


class Mode(StrEnum):
    """What is measured."""

    BOTH = "both"
    ACCURACY = "accuracy"
    PERFORMANCE = "performance"


@door("mlperf")
def main(
    *,
    benchmarks: Annotated[
        list[str] | None,
        typer.Argument(help="ic01, ad01, kws01, vww01; all that there are models and data of."),
    ] = None,
    models: Annotated[Path | None, typer.Option(help="A folder with the models.")] = None,
    datasets: Annotated[
        Path | None, typer.Option(help="A folder with ic01/y_labels.csv or ic01.npz, and so on.")
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", "-m", help="A benchmark's model: ic01=FILE.")
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option("--data", "-d", help="A benchmark's data: ic01=FOLDER or FILE.npz."),
    ] = None,
    mode: Annotated[Mode, typer.Option(help="What is measured.")] = Mode.BOTH,
    windows: Annotated[int, typer.Option(help="Of each benchmark.", min=1, max=100)] = 5,
    window_seconds: Annotated[
        float, typer.Option(help="The least of a window, of the device's time.", min=0.001, max=25)
    ] = 10.0,
    json: JsonOption = False,
    **given: Any,
) -> int:
    """Run MLPerf Tiny's benchmarks: accuracy, throughput, memory, cycles, and others' results."""
    from nnom_hil.cli.progress import Progress
    from nnom_hil.cli.terminal import terminal
    from nnom_hil.codegen.mlperf import Protocol
    from nnom_hil.report.mlperf import print_mlperf
    from nnom_hil.run.mlperf import MlperfRequest, named_benchmarks, named_files, run_mlperf
    from nnom_hil.run.options import request_of

    request = MlperfRequest(
        run=request_of({**given, "protocol": Protocol.MLPERF}),
        benchmarks=named_benchmarks(benchmarks or []),
        models=models,
        datasets=datasets,
        model=named_files("--model", model or []),
        data=named_files("--data", data or []),
        windows=windows,
        window_s=window_seconds,
        accuracy=mode is not Mode.PERFORMANCE,
        performance=mode is not Mode.ACCURACY,
    )
    with Progress(terminal(stderr=True), quiet=json) as progress:
        record = run_mlperf(request, progress.step)
    if json:
        print(record.to_json(), end="")
    else:
        print_mlperf(record, terminal())
    return 0 if all(row.is_equal for row in record.rows) else 1
