"""What is here to run boards; light, because the list of boards asks it."""

import functools
from collections.abc import Callable
from typing import Final

from nnom_hil.errors import HilError, ToolError
from nnom_hil.paths import hardware_map
from nnom_hil.tool import find_tool

__all__ = ["why_not"]


def _native() -> None:
    find_tool("cc")


def _qemu() -> None:
    find_tool("qemu-system-arm")


def _renode() -> None:
    from nnom_hil.target.renode.finding import find_renode

    find_renode()


def _probe() -> None:
    if not _probes_there():
        raise ToolError("no debug probe is attached")


@functools.cache
def _probes_there() -> bool:
    """Whether there are probes, on this machine or far away; looked for once, it takes a moment."""
    if hardware_map().exists():
        from nnom_hil.probe import REMOTE, load_map

        if any(entry.probe.startswith(REMOTE) for entry in load_map(hardware_map()).attached):
            return True
    from nnom_hil.probe.usb import may_have_probes

    if not may_have_probes():
        return False
    from nnom_hil.probe import list_probes

    return bool(list_probes())


_CHECKS: Final[dict[str, Callable[[], None]]] = {
    "native": _native,
    "qemu": _qemu,
    "renode": _renode,
    "probe": _probe,
}


def why_not(backend: str, needs: str | None = None) -> str | None:
    """Return what keeps a back end from running here, or None. needs: what the board's probe needs
    beside pyOCD.
    """
    try:
        _CHECKS[backend]()
        return None
    except HilError as exc:
        return f"{exc}; the board needs {needs}" if backend == "probe" and needs else str(exc)
