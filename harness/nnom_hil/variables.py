"""The environment variables of nnom-hil, all of them; docs/environment.md has the same list."""

from typing import Final

__all__ = [
    "CACHE",
    "CACHE_MB",
    "CONFIG",
    "HARDWARE",
    "LOCKS",
    "RENODE",
    "VARIABLES",
    "VIRTUAL_BOARDS",
]

CACHE: Final = "NNOM_HIL_CACHE"
CACHE_MB: Final = "NNOM_HIL_CACHE_MB"
CONFIG: Final = "NNOM_HIL_CONFIG"
HARDWARE: Final = "NNOM_HIL_HARDWARE"
LOCKS: Final = "NNOM_HIL_LOCKS"
RENODE: Final = "NNOM_HIL_RENODE"
VIRTUAL_BOARDS: Final = "NNOM_HIL_VIRTUAL_BOARDS"

VARIABLES: Final = {
    CACHE: "folder of prepared models and built firmware",
    CACHE_MB: "megabytes that folder may have",
    CONFIG: "the file of defaults for options; none: no file",
    HARDWARE: "the hardware map: which real board is where",
    LOCKS: "folder of the locks of boards and of emulators' cores, one for all users",
    RENODE: "Renode's program, folder or portable package",
    VIRTUAL_BOARDS: "the virtual probes of this machine, a TOML file",
    "NNOM_HIL_CONSOLE": "firmware as a process: its terminal, handed on by a reset; not to be set",
    "NNOM_HIL_CMSIS_NN": "tests: folders of CMSIS-NN to compare with, a colon between them",
    "NNOM_HIL_AXE": "tests: axe.min.js of npm's axe-core, to examine pages with",
    "NNOM_HIL_NIGHTLY": "tests: the slow matrices too",
}
"""Name and meaning."""
