"""nnom-hil: proves that a quantised neural network works on a Cortex-M.

The public door. The names are imported on first use, so that importing the package is free.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnom_hil.boards import Board, find_board
    from nnom_hil.errors import HilError
    from nnom_hil.record_files import load_record
    from nnom_hil.records import RunRecord, Verdict
    from nnom_hil.run.plan import Observer
    from nnom_hil.run.prepare import Prepared, prepare
    from nnom_hil.run.service import RunRequest, open_run
    from nnom_hil.run.store import RunFolder

    __version__: str

__all__ = [
    "Board",
    "HilError",
    "Observer",
    "Prepared",
    "RunFolder",
    "RunRecord",
    "RunRequest",
    "Verdict",
    "find_board",
    "load_record",
    "open_run",
    "prepare",
]

_HOMES = {
    "Board": "nnom_hil.boards",
    "HilError": "nnom_hil.errors",
    "Observer": "nnom_hil.run.plan",
    "Prepared": "nnom_hil.run.prepare",
    "RunFolder": "nnom_hil.run.store",
    "RunRecord": "nnom_hil.records",
    "RunRequest": "nnom_hil.run.service",
    "Verdict": "nnom_hil.records",
    "find_board": "nnom_hil.boards",
    "load_record": "nnom_hil.record_files",
    "open_run": "nnom_hil.run.service",
    "prepare": "nnom_hil.run.prepare",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from nnom_hil.version import version

        return version()
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
