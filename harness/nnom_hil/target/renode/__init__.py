"""Renode: found, led through its monitor, one machine a process."""

from typing import TYPE_CHECKING

from nnom_hil.lazy import lazily

if TYPE_CHECKING:
    from nnom_hil.target.renode.finding import (
        RENODE_LIMITS,
        RENODE_VARIABLE,
        TRIED,
        Installation,
        examine_renode,
        find_renode,
    )
    from nnom_hil.target.renode.monitor import Monitor
    from nnom_hil.target.renode.target import RenodeTarget, check_start

__all__ = [
    "RENODE_LIMITS",
    "RENODE_VARIABLE",
    "TRIED",
    "Installation",
    "Monitor",
    "RenodeTarget",
    "check_start",
    "examine_renode",
    "find_renode",
]

__getattr__ = lazily(
    __name__,
    {
        "Installation": "finding",
        "Monitor": "monitor",
        "RENODE_LIMITS": "finding",
        "RENODE_VARIABLE": "finding",
        "RenodeTarget": "target",
        "TRIED": "finding",
        "check_start": "target",
        "examine_renode": "finding",
        "find_renode": "finding",
    },
)
