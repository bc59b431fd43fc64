"""Which back end runs a board: those its file names, those that are there, the one to take."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from nnom_hil.boards import Board
from nnom_hil.errors import TargetError, UsageError, did_you_mean
from nnom_hil.paths import hardware_map
from nnom_hil.probe import Attached, find_attached
from nnom_hil.target.base import Target
from nnom_hil.target.native import NativeTarget
from nnom_hil.target.port import PortTarget
from nnom_hil.target.probe import ProbeTarget
from nnom_hil.target.qemu import QemuTarget
from nnom_hil.target.renode import RenodeTarget
from nnom_hil.target.there import why_not

__all__ = ["backends", "check_wishes", "emulators_here", "make_target"]


_TARGETS: Final[dict[str, Callable[[Board], Target]]] = {
    "native": NativeTarget,
    "renode": RenodeTarget,
}


def emulators_here() -> tuple[str, ...]:
    """Return the back ends without a board of which this machine has the programs.

    native is always one: what another machine has built for this kind needs no compiler here.
    """
    return (*(name for name in ("qemu", "renode") if why_not(name) is None), "native")


def backends(board: Board) -> dict[str, str | None]:
    """Return the back ends of a board's file, each with None or what keeps it from running here."""
    return {name: _why_not(board, name) for name in board.backend.names}


def _why_not(board: Board, name: str) -> str | None:
    probe = board.backend.probe
    return why_not(name, None if probe is None else probe.needs)


def check_wishes(board: Board, backend: str | None, *, probe: str | None) -> None:
    """Raise UsageError for a back end that the board's file does not have, or that is no probe."""
    if backend is not None and backend not in board.backend.names:
        raise UsageError(
            f"board {board.name} has no back end {backend!r}; its file has "
            f"{', '.join(board.backend.names)}{did_you_mean(backend, board.backend.names)}"
        )
    if probe is not None and backend not in (None, "probe"):
        raise UsageError(f"--probe {probe} and --backend {backend}: a probe is no {backend}")


def make_target(
    board: Board,
    backend: str | None = None,
    port: str | None = None,
    *,
    probe: str | None = None,
    pack: Path | None = None,
    on_step: Callable[[str], None] = lambda _: None,
    exact: bool = True,
) -> Target:
    """Return the target that runs a board: in `backend`, or in the first that is there.

    port: the URL of the serial port; without a probe, the firmware runs already behind it.
    probe: the id of the probe to flash by. pack: a CMSIS-Pack with the chip. on_step is told what
    goes on at the board. exact: with a clock that layers can be timed by; without, an emulator
    may be faster.

    Raises UsageError as check_wishes() does, TargetError when none can run here.
    """
    check_wishes(board, backend, probe=probe)

    def at_probe() -> Target:
        def find() -> Attached:
            return find_attached(board, hardware_map(), probe=probe, port=port)

        return ProbeTarget(board, find, pack=pack, on_step=on_step)

    if backend == "probe" or probe is not None:
        return at_probe()
    if port is not None:
        return PortTarget(board, port)
    reasons = {}
    # no further than needed: to look for probes takes half a second
    for name in board.backend.names if backend is None else [backend]:
        reason = _why_not(board, name)
        if reason is None:
            if name == "qemu":
                return QemuTarget(board, exact=exact)
            return at_probe() if name == "probe" else _TARGETS[name](board)
        reasons[name] = reason
    told = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    raise TargetError(f"nothing here can run board {board.name}: {told}")
