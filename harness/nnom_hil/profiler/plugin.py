"""The TCG plugin (firmware/profiler/blocks.c), compiled for the QEMU that is installed; kept."""

import re
from pathlib import Path
from typing import Final, NoReturn

from nnom_hil.cache import Entry, Kept, obtain, work_folder
from nnom_hil.deadline import Deadline
from nnom_hil.errors import ToolError
from nnom_hil.files import digest
from nnom_hil.paths import firmware_dir
from nnom_hil.target.qemu import option_path
from nnom_hil.tool import run_tool, tool_version

__all__ = ["counting_plugin", "plugin_digest"]

_QEMU: Final = "qemu-system-arm"
_SCHEMA: Final = "nnom-hil/plugin/1"
_PLUGIN: Final = "blocks.so"
_OLDEST_API: Final = 1
_TIMEOUT_S: Final = 120.0
_NEEDED_API: Final = re.compile(r"minimum version of (\d{1,4}+)")


def counting_plugin() -> Path:
    """Return the plugin's file. Raises ToolError where QEMU or a host compiler is missing, or QEMU
    was built without plugins, and StoreError where there is no space for it.
    """
    source = _folder() / "blocks.c"
    key = digest(_SCHEMA, plugin_digest(), tool_version("cc"), tool_version(_QEMU))

    def make() -> dict[str, bytes]:
        with work_folder() as work:
            return {_PLUGIN: _fitting(source, work / _PLUGIN).read_bytes()}

    return obtain(Entry(kind="plugins", key=key, programs=(_PLUGIN,)), make, _file_of)


def plugin_digest() -> str:
    """Return a hash of the plugin's sources."""
    return digest(*(path.read_bytes() for path in sorted(_folder().iterdir())))


def _folder() -> Path:
    return firmware_dir() / "profiler"


def _file_of(kept: Kept) -> Path:
    assert kept.folder is not None  # of this kind
    kept.file(_PLUGIN)
    return kept.folder / _PLUGIN


def _fitting(source: Path, plugin: Path) -> Path:
    """Compile the plugin; for the version of the interface that QEMU says it needs."""
    deadline = Deadline.after(_TIMEOUT_S)
    try:
        return _compiled(source, plugin, _OLDEST_API, deadline)
    except ToolError as exc:
        needed = _NEEDED_API.search(exc.output)
        if needed is None:
            _raise_explained(exc)
    try:
        return _compiled(source, plugin, int(needed[1]), deadline)
    except ToolError as exc:
        _raise_explained(exc)


def _compiled(source: Path, plugin: Path, api: int, deadline: Deadline) -> Path:
    """Compile for a version of the interface, and let QEMU load it: `probe` ends it at once."""
    flags = ["-std=c11", "-O2", "-fPIC", "-shared", "-fvisibility=hidden"]
    run_tool(["cc", *flags, f"-DAPI={api}", source, "-o", plugin], deadline=deadline)
    run_tool(
        [_QEMU, "-machine", "none", "-nodefaults", "-display", "none", "-plugin",
         f"{option_path(plugin)},probe=on"],
        deadline=deadline,
    )  # fmt: skip
    return plugin


def _raise_explained(error: ToolError) -> NoReturn:
    if "-plugin" in error.output and "invalid option" in error.output:
        raise ToolError(
            f"{_QEMU}: this one was built without TCG plugins, which count instructions; use "
            "another (Debian's has them)",
            output=error.output,
        ) from error
    raise error
