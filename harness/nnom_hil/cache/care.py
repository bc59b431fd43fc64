"""Looking after the cache: what it holds, what is sound, what must go."""

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from nnom_hil.cache.content import read_entry, reason
from nnom_hil.cache.places import KINDS, MANIFEST, discard, entries, limit_bytes, remove, sweep

__all__ = ["Cleared", "Usage", "clear", "trim", "usage", "verify"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What there is of a kind. oldest: when the entry was used that was not for longest, in seconds
    since 1970; None where there is none.
    """

    kind: str
    entries: int
    size_bytes: int
    oldest: float | None


def usage() -> list[Usage]:
    """Return what there is of each kind."""
    rows = []
    for kind in KINDS:
        there = entries(kind)
        rows.append(
            Usage(
                kind=kind,
                entries=len(there),
                size_bytes=sum(map(_size_of, there)),
                oldest=min(map(_last_used, there), default=None),
            )
        )
    return rows


def verify() -> tuple[int, list[str]]:
    """Check every entry; remove those that are damaged, or of another version.

    Return how many are sound, and a line for each that is not.
    """
    sweep()
    sound, damaged = 0, []
    for kind in KINDS:
        for path in entries(kind):
            try:
                read_entry(path, used=False)
                sound += 1
            except (OSError, ValueError) as exc:
                discard(path)
                done = "could not be removed" if os.path.lexists(path) else "removed"
                damaged.append(f"{kind}/{path.name[:8]}: {reason(exc)}: {done}")
    return sound, damaged


@dataclass(slots=True, kw_only=True)
class Cleared:
    """Entries that are gone, their bytes, those in use; a line for each that cannot be removed."""

    removed: int = 0
    freed_bytes: int = 0
    in_use: int = 0
    failed: list[str] = field(default_factory=list)


def clear() -> Cleared:
    """Remove all entries that no process uses."""
    sweep()
    result = Cleared()
    for kind in KINDS:
        for path in entries(kind):
            size = _size_of(path)
            try:
                if remove(path):
                    result.removed += 1
                    result.freed_bytes += size
                else:
                    result.in_use += 1
            except OSError as exc:
                result.failed.append(f"{path}: cannot be removed: {exc.strerror}")
    return result


def trim() -> None:
    """Remove what was not used for longest, until the cache is within its limit."""
    sweep()
    all_ = sorted((path for kind in KINDS for path in entries(kind)), key=_last_used)
    sizes = {path: _size_of(path) for path in all_}
    over = sum(sizes.values()) - limit_bytes()
    for path in all_:
        if over <= 0:
            return
        with contextlib.suppress(OSError):
            if remove(path):
                over -= sizes[path]


def _size_of(path: Path) -> int:
    size = path.lstat().st_size if os.path.lexists(path) and not path.is_dir() else 0
    for folder, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                size += os.lstat(os.path.join(folder, name)).st_size
    return size


def _last_used(path: Path) -> float:
    """Return the time of use; 0 for what is no entry."""
    try:
        return os.lstat(path / MANIFEST).st_mtime
    except OSError:
        return 0.0
