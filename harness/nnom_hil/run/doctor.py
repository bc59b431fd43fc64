"""Examines the machine: tools with versions, packages, folders that must be writable."""

import os
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from nnom_hil.boards.listing import board_lines
from nnom_hil.deadline import Deadline
from nnom_hil.errors import TargetError, ToolError
from nnom_hil.extras import EXTRAS, command_for, missing_of
from nnom_hil.paths import cache_dir, runs_dir
from nnom_hil.probe.usb import list_usb_ids, may_have_probes
from nnom_hil.target.renode.finding import RENODE_LIMITS, TRIED, examine_renode, find_renode
from nnom_hil.tool import PACKAGES, run_tool, tool_version

__all__ = ["Finding", "examine"]

_TOOLS = ("qemu-system-arm", "arm-none-eabi-gcc", "cmake", "ninja", "cc")
_PYTHON_PACKAGES = ("numpy", "pyserial")
_RENODE_START_S = 120.0
_MIN_FREE_BYTES = 100_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked for; remedy is empty where all is well. optional: runs can do without."""

    what: str
    ok: bool
    found: str
    remedy: str = ""
    optional: bool = False


def examine() -> list[Finding]:
    """Return what was found, in the order of use."""
    findings = [_python()]
    findings += [_package(name) for name in _PYTHON_PACKAGES]
    findings += [_extra(name) for name in EXTRAS if name != "build"]  # its program is looked for
    findings += [_tool(name) for name in _TOOLS]
    findings.append(_newlib())
    findings += [_renode(), _probes()]
    findings += [_folder("cache", cache_dir()), _folder("runs", runs_dir())]
    return findings


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    ok = sys.version_info >= (3, 11)
    return Finding(
        what="Python", ok=ok, found=version, remedy="" if ok else "install Python 3.11 or newer"
    )


def _package(name: str) -> Finding:
    try:
        return Finding(what=name, ok=True, found=metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding(what=name, ok=False, found="", remedy=f"pip install {name} (or: make setup)")


def _extra(name: str) -> Finding:
    """What the base installation leaves out; runs of models that are converted do without."""
    missing = missing_of(name)
    return Finding(
        what=f"extra [{name}]",
        ok=not missing,
        found="" if missing else ", ".join(EXTRAS[name].values()),
        remedy=command_for(name) if missing else "",
        optional=True,
    )


def _tool(name: str) -> Finding:
    try:
        first_line = tool_version(name)
        return Finding(what=name, ok=True, found=first_line)
    except ToolError as exc:
        remedy = PACKAGES.get(name, "apt-get install gcc")
        return Finding(what=name, ok=False, found=str(exc), remedy=f"{remedy} (or: make setup)")


def _newlib() -> Finding:
    """The compiler alone is not enough: its C library is a package of its own."""
    what = "newlib for arm-none-eabi"
    try:
        found = run_tool(
            ["arm-none-eabi-gcc", "-print-file-name=nano.specs"], deadline=Deadline.after(20)
        ).strip()
    except ToolError:
        found = "nano.specs"
    ok = os.path.isabs(found)
    remedy = "" if ok else "apt-get install libnewlib-arm-none-eabi (or: make setup)"
    return Finding(what=what, ok=ok, found="nano.specs" if ok else "", remedy=remedy)


def _renode() -> Finding:
    """Boards that QEMU lacks need it. It is started: one that tells its version may still crash."""
    what, program = "renode", ""
    try:
        program = str(find_renode())
        one = examine_renode(Path(program))
        from nnom_hil.target.renode.target import check_start

        check_start(one.program, Deadline.after(_RENODE_START_S))
    except (ToolError, TargetError) as exc:
        remedy = f"{exc} (docs/renode.md)" if program else str(exc)  # where none is, that says it
        return Finding(what=what, ok=False, found=program, remedy=remedy, optional=True)
    tried = "tried" if one.tried else f"not tried; tried: {', '.join(TRIED)}"
    found = f"{one.version} ({tried}), {one.packaging}, {program}; {RENODE_LIMITS}"
    return Finding(what=what, ok=True, found=found, optional=True)


def _probes() -> Finding:
    """Real boards need them; nothing else does."""
    try:
        found = _probe_words() if may_have_probes() else []
    except (TargetError, ToolError) as exc:
        return Finding(what="debug probes", ok=False, found="", remedy=str(exc), optional=True)
    strangers = _strangers()
    remedy = "; ".join(strangers)
    if not found and not strangers:
        remedy = "plug a board in; on Linux with a udev rule (docs/boards.md)"
    return Finding(
        what="debug probes",
        ok=bool(found) and not strangers,
        found=", ".join(found),
        remedy=remedy,
        optional=True,
    )


def _probe_words() -> list[str]:
    from nnom_hil.probe import list_probes

    return [f"{probe.id} ({probe.description})" for probe in list_probes()]


def _strangers() -> list[str]:
    """Boards whose own probe is attached, but is none that pyOCD can open: what they need."""
    there = list_usb_ids()
    return [
        f"{', '.join(sorted(ids))}: {board.title} needs {board.needs}"
        for board in (board_lines() if there else ())
        if board.needs and (ids := there & set(board.usb))
    ]


def _folder(what: str, path: Path) -> Finding:
    """Whether the folder, or the nearest one above that exists, can be written to."""
    existing = next(p for p in (path, *path.parents) if p.exists())
    if not os.access(existing, os.W_OK):
        remedy = "choose another with NNOM_HIL_CACHE or --out"
        return Finding(
            what=f"{what} folder", ok=False, found=f"{path}: not writable", remedy=remedy
        )
    stat = os.statvfs(existing)
    free = stat.f_bavail * stat.f_frsize
    ok = free >= _MIN_FREE_BYTES
    return Finding(
        what=f"{what} folder",
        ok=ok,
        found=f"{path}: {free / 1e9:.1f} GB free",
        remedy="" if ok else "free some space",
    )
