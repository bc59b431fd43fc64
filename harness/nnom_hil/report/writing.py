"""How numbers are written and verdicts coloured; it needs no record, so that lists come quickly."""

from typing import Final

__all__ = ["STYLES", "decibels", "percent", "size", "thousands"]

STYLES: Final = {"pass": "bold green", "fail": "bold red", "error": "bold yellow"}
"""Of each verdict, on a terminal."""


def percent(share: float | None) -> str:
    """Return 0.9917 as 99.17 %."""
    return "–" if share is None else f"{100 * share:.2f} %"


def decibels(value: float | None) -> str:
    """Return a ratio with its unit."""
    return "–" if value is None else f"{value:.1f} dB"


def size(count: int | None) -> str:
    """Return a number of bytes with its unit."""
    if count is None:
        return "–"
    if count < 10 * 1024:
        return f"{count} B"
    return f"{count / 1024:.1f} KiB" if count < 1024 * 1024 else f"{count / 1024 / 1024:.2f} MiB"


def thousands(value: float | None, digits: int = 0) -> str:
    """Return a number with thin spaces between thousands."""
    return "–" if value is None else f"{value:,.{digits}f}".replace(",", "\u202f")
