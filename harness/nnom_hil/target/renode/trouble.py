"""What Renode says of its troubles, in lines that a user reads."""

import itertools
import re
from pathlib import Path

__all__ = ["brief_output", "log_excerpt"]

_MOST_LINES = 6
_TOLD_KINDS = ("WARNING", "ERROR")
_THROWN = ("FATAL UNHANDLED EXCEPTION", "Unhandled exception", "Unhandled Exception")
_NUMBER = re.compile(r"0x[0-9A-Fa-f]+|\d+")
_LOG_END = 64 << 10  # bytes


def brief_output(output: str) -> str:
    """Return the cause of a crash in one line, or the last lines of what was no crash."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    causes = [
        line.strip()
        for before, line in itertools.pairwise(lines)
        if before.strip() in ("Fatal error:", "Inner exception:")
    ]
    thrown = [
        line.partition(mark)[2].lstrip(" .:") for mark in _THROWN for line in lines if mark in line
    ]
    native = [line.strip() for line in lines if line.startswith("Got a SIG")]
    for told in (causes[-1:], thrown[-1:], native[:1]):  # the innermost is the cause
        if told:
            return f"it crashed: {told[0]}"
    said = [line for line in lines if not line.lstrip().startswith("at ")]
    return "\n".join(said[-_MOST_LINES:])


def log_excerpt(path: Path) -> str:
    """Return the last warnings and errors of Renode's log; those alike but for numbers once."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _LOG_END))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    told: dict[str, tuple[str, int]] = {}
    for line in text.splitlines():
        kind, _, what = line.partition(" [")[2].partition("] ")  # after the time
        if kind not in _TOLD_KINDS:
            continue
        shape = _NUMBER.sub("N", what)
        told[shape] = (f"{kind.lower()}: {what}", told.pop(shape, ("", 0))[1] + 1)
    return "\n".join(
        line if count == 1 else f"{line} (and {count - 1} like it)"
        for line, count in list(told.values())[-_MOST_LINES:]
    )
