"""nnom-hil scheduler: the middle of a farm, which workers and clients connect to."""

from typing import Annotated

import typer

from nnom_hil.errors import ExitCode, UsageError

__all__ = ["main"]


def main(
    *,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than this machine's own need TLS.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 is any that is free.")] = 8786,
    protocol: Annotated[str, typer.Option(help="tcp or tls.")] = "tcp",
) -> int:
    """Be the scheduler of a farm, until Ctrl-C (docs/farm.md)."""
    import asyncio

    from nnom_hil.cli.worker import _say
    from nnom_hil.farm import check_farm

    if protocol not in ("tcp", "tls"):
        raise UsageError(f"--protocol {protocol!r} is unknown; there are: tcp, tls")
    check_farm()
    from nnom_hil.farm.worker import serve_scheduler

    asyncio.run(serve_scheduler(host, port, protocol, _say))
    return int(ExitCode.PASS)
