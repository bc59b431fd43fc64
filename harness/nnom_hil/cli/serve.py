"""nnom-hil serve: an emulated board at a port or a terminal, for any client."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnom_hil.cli.options import JsonOption, door

if TYPE_CHECKING:
    from nnom_hil.link.offer import Door

__all__ = ["main"]


@door("serve", argument="model")
def main(
    *,
    link: Annotated[
        Path | None, typer.Argument(help="With --pty, a path that becomes a link to it.")
    ] = None,
    tcp: Annotated[
        str | None,
        typer.Option(help="Listen at [HOST:]PORT; loopback unless said otherwise, 0: a free port."),
    ] = None,
    pty: Annotated[bool, typer.Option("--pty", help="Make a pseudo-terminal.")] = False,
    json: JsonOption = False,
    **given: Any,
) -> int:
    """Offer an emulated board, with a model's firmware, to any client until Ctrl-C."""
    import json as json_module

    from nnom_hil.run.options import request_of
    from nnom_hil.run.serve import emulator_of, serve
    from nnom_hil.run.service import image_of

    request = request_of(given)
    board = request.board
    emulator_of(board, request.backend)  # told before the door is opened
    offered = _door(tcp, pty=pty, link=link)
    try:
        image = image_of(request)

        def tell(target: str) -> None:
            facts = {
                "url": offered.url,
                "board": board.name,
                "target": target,
                "protocol": str(request.protocol),
                "baud": board.console.baud,
                "image": image.id,
            }
            line = f"board {board.name} ({target}), {request.protocol}: {offered.url}"
            print(json_module.dumps(facts) if json else line, flush=True)

        serve(
            lambda: emulator_of(board, request.backend),
            image.elf,
            offered,
            request.protocol,
            on_start=tell,
        )
    finally:
        offered.close()
    return 0


def _door(tcp: str | None, *, pty: bool, link: Path | None) -> "Door":
    from nnom_hil.errors import UsageError
    from nnom_hil.link.offer import PtyDoor, TcpDoor, tcp_address

    if (tcp is None) != pty:
        raise UsageError("serve: say one of the two: --tcp [HOST:]PORT, or --pty")
    if tcp is None:
        return PtyDoor(link)
    if link is not None:
        raise UsageError(f"{link}: one model is served; a second path is for --pty")
    return TcpDoor(*tcp_address(tcp))
