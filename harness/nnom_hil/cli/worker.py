"""nnom-hil worker: offers this machine's boards, emulators and cores to a farm."""

import sys
from typing import Annotated

import typer

from nnom_hil.errors import ExitCode, UsageError

__all__ = ["main"]


def main(
    *,
    scheduler: Annotated[
        str, typer.Option("--scheduler", "-s", help="The farm's, tcp://HOST:PORT or tls://.")
    ] = "tcp://127.0.0.1:8786",
    host: Annotated[
        str, typer.Option(help="This machine's address, for others to reach it by.")
    ] = "127.0.0.1",
    cores: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Emulated targets at a time [all cores].")
    ] = None,
    boards: Annotated[bool, typer.Option(help="Offer the boards of the hardware map.")] = True,
    patience: Annotated[
        float, typer.Option(min=1, max=86400, help="Seconds to wait for the scheduler at first.")
    ] = 60,
) -> int:
    """Offer attached boards, emulators and cores to a farm, until Ctrl-C (docs/farm.md)."""
    import asyncio

    from nnom_hil.farm import check_farm, look_here
    from nnom_hil.paths import hardware_map

    check_farm()
    from nnom_hil.farm.worker import is_loopback, serve_worker

    if is_loopback(host) and not is_loopback(scheduler):
        raise UsageError(
            f"--host {host}: a scheduler at {scheduler} and other machines cannot reach it; name "
            "this machine's address in that network with --host ADDRESS"
        )
    offer = look_here(hardware_map(), cores=cores, boards=boards)
    asyncio.run(serve_worker(scheduler, offer, host, patience, _say))
    return int(ExitCode.PASS)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
