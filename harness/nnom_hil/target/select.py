"""Which back end runs a board: those its file names, those that are there, the one to take."""

from collections.abc import Callable
from typing import Final

from nnom_hil.boards import Board
from nnom_hil.errors import TargetError, ToolError, UsageError
from nnom_hil.target.base import Target
from nnom_hil.target.native import NativeTarget
from nnom_hil.target.port import PortTarget
from nnom_hil.target.qemu import QemuTarget
from nnom_hil.target.renode import RenodeTarget, find_renode
from nnom_hil.tool import find_tool

__all__ = ["backends", "make_target"]


def _native() -> None:
    find_tool("cc")


def _qemu() -> None:
    find_tool("qemu-system-arm")


def _renode() -> None:
    find_renode()


def _probe() -> None:
    raise ToolError(
        "flashing through a debug probe is not built yet; flash what nnom-hil build writes and use "
        "--port"
    )


_CHECKS: Final[dict[str, Callable[[], None]]] = {
    "native": _native,
    "qemu": _qemu,
    "renode": _renode,
    "probe": _probe,
}
_TARGETS: Final[dict[str, Callable[[Board], Target]]] = {
    "native": NativeTarget,
    "qemu": QemuTarget,
    "renode": RenodeTarget,
}


def backends(board: Board) -> dict[str, str | None]:
    """Return the back ends of a board's file, each with None or what keeps it from running here."""
    found: dict[str, str | None] = {}
    for name in board.backend.names:
        try:
            _CHECKS[name]()
            found[name] = None
        except ToolError as exc:
            found[name] = str(exc)
    return found


def make_target(board: Board, backend: str | None = None, port: str | None = None) -> Target:
    """Return the target that runs a board: in `backend`, or in the first that is there.

    port: the URL of a serial port behind which the firmware runs already.

    Raises UsageError for a back end that the board's file does not have, TargetError when none can
    run here.
    """
    if port is not None:
        return PortTarget(board, port)
    found = backends(board)
    if backend is not None and backend not in found:
        raise UsageError(
            f"board {board.name} has no back end {backend!r}; its file has {', '.join(found)}"
        )
    for name in found if backend is None else [backend]:
        if found[name] is None:
            return _TARGETS[name](board)
    reasons = "; ".join(
        f"{name}: {found[name]}" for name in (found if backend is None else [backend])
    )
    raise TargetError(f"nothing here can run board {board.name}: {reasons}")
