"""Where the firmware, boards, templates, caches and reports are. Looks only; creates nothing."""

import os
import stat
from pathlib import Path

from nnom_hil import variables
from nnom_hil.errors import HilEnvironmentError

__all__ = [
    "baselines_dir",
    "boards_dir",
    "cache_dir",
    "firmware_dir",
    "hardware_map",
    "locks_dir",
    "matrices_dir",
    "project_settings",
    "renode_dir",
    "runs_dir",
    "templates_dir",
    "tunes_dir",
]

_PACKAGE = Path(__file__).resolve().parent
_PROJECT = "nnom-hil.toml"
_PYPROJECT = "pyproject.toml"


def _shipped(name: str) -> Path:
    """Return a folder of the checkout, or its copy inside an installed wheel."""
    checkout = _PACKAGE.parents[1] / name
    for candidate in (checkout, _PACKAGE / "_data" / name):
        if candidate.is_dir():
            return candidate
    raise HilEnvironmentError(
        f"{checkout}: folder not found; this installation is incomplete, reinstall nnom-hil"
    )


def firmware_dir() -> Path:
    """Return the folder of the C sources."""
    return _shipped("firmware")


def boards_dir() -> Path:
    """Return the folder of the shipped board files."""
    return _shipped("boards")


def renode_dir() -> Path:
    """Return the folder of the Renode scripts."""
    return _shipped("renode")


def templates_dir() -> Path:
    """Return the folder of the report templates."""
    return _shipped("reports/templates")


def cache_dir() -> Path:
    """Return the folder for conversions and builds: $NNOM_HIL_CACHE or the user's cache."""
    if configured := os.environ.get(variables.CACHE):
        return Path(configured).absolute()  # build tools have other working directories
    from platformdirs import user_cache_path

    return user_cache_path("nnom-hil")


def hardware_map() -> Path:
    """Return the file that says which board is where: $NNOM_HIL_HARDWARE or the user's."""
    if configured := os.environ.get(variables.HARDWARE):
        return Path(configured)
    from platformdirs import user_config_path

    return user_config_path("nnom-hil") / "hardware.toml"


def locks_dir() -> Path:
    """Return the folder of the boards' locks, one for all users: $NNOM_HIL_LOCKS, or the system's.

    It must not depend on TMPDIR, which may be another for each user.
    """
    if configured := os.environ.get(variables.LOCKS):
        return Path(configured)
    system = Path("/run/lock")
    try:
        mode = system.stat().st_mode
    except OSError:
        mode = 0
    for_all = stat.S_ISVTX | stat.S_IWOTH
    return system if mode & for_all == for_all else Path("/tmp")


def runs_dir() -> Path:
    """Return the folder of run records: reports/runs of the project (nnom-hil.toml) around this
    directory, else of the checkout, else here.
    """
    return _reports() / "runs"


def matrices_dir() -> Path:
    """Return the folder of matrices: reports/matrix, beside that of the runs."""
    return _reports() / "matrix"


def tunes_dir() -> Path:
    """Return the folder of searches: reports/tune, beside that of the runs."""
    return _reports() / "tune"


def baselines_dir() -> Path:
    """Return the folder of reviewed figures: reports/baselines, beside that of the runs."""
    return _reports() / "baselines"


def _reports() -> Path:
    """Return the reports' folder: of the project around us, of the checkout, or here."""
    if (settings := project_settings()) is not None:
        return settings.parent / "reports"
    checkout = _PACKAGE.parents[1]
    return (checkout if (checkout / "reports").is_dir() else Path.cwd()) / "reports"


def project_settings() -> Path | None:
    """Return the nearest nnom-hil.toml, or pyproject.toml with [tool.nnom-hil], of this directory
    and those above it; None where there is no such project.
    """
    for folder in (here := Path.cwd(), *here.parents):
        if (folder / _PROJECT).is_file():
            return folder / _PROJECT
        if _has_section(folder / _PYPROJECT):
            return folder / _PYPROJECT
    return None


def _has_section(file: Path) -> bool:
    try:
        return b"tool.nnom-hil" in file.read_bytes()
    except OSError:
        return False
