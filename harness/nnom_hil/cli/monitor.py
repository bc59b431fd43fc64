"""nnom-hil monitor: read the console of firmware that is not ours."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from nnom_hil.cli.options import JsonOption
from nnom_hil.cli.outcome import show_outcome
from nnom_hil.errors import ExitCode, UsageError

__all__ = ["main"]


def main(
    *,
    file: Annotated[Path | None, typer.Argument(help="A log of a console.")] = None,
    port: Annotated[
        str | None,
        typer.Option(help="A serial port: a device, socket://, rfc2217:// or labgrid://."),
    ] = None,
    baud: Annotated[int, typer.Option(min=1, max=(1 << 32) - 1, help="Baud of the port.")] = 115200,
    quiet: Annotated[
        float,
        typer.Option(min=0.1, max=1e6, help="End after so many seconds of silence, or on Ctrl-C."),
    ] = 10.0,
    core_mhz: Annotated[
        float, typer.Option(min=0, max=1e6, help="Core clock, for MACops/Hz.")
    ] = 0.0,
    out: Annotated[Path | None, typer.Option(help="Folder of runs [reports/runs].")] = None,
    json: JsonOption = False,
) -> int:
    """Make a record and a report of what NNoM 0.2 to 0.4 printed. Exit code 1: it contradicts."""
    if (file is None) == (port is None):
        raise UsageError("name either a FILE or a --port")
    from nnom_hil.console import clean_console
    from nnom_hil.paths import runs_dir
    from nnom_hil.records import Verdict
    from nnom_hil.run.monitor import ConsoleRequest, monitor

    request = ConsoleRequest(
        file=file,
        port=port,
        baud=baud,
        quiet_s=quiet,
        core_hz=int(core_mhz * 1e6),
        runs=out or runs_dir(),
    )

    def show(text: str) -> None:
        sys.stderr.write(clean_console(text))

    outcome = monitor(request, show)
    show_outcome(outcome, json=json)
    return int(ExitCode.PASS if outcome.record.verdict is Verdict.PASS else ExitCode.FAIL)
