"""What cannot be converted, told: one offender on the line, several as a list."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

__all__ = ["Problem", "UnsupportedLayerError", "cannot_convert"]


class UnsupportedLayerError(Exception):
    """Why one layer cannot be expressed."""


class Problem(NamedTuple):
    """A layer, its class, and why it cannot be converted."""

    name: str
    kind: str
    reason: str


def cannot_convert(shown: str | Path, problems: Sequence[Problem]) -> str:
    """Return the message; shown: how it calls the model."""
    lines = [f"{p.name} ({p.kind}): {p.reason}" for p in problems]
    if len(lines) == 1:
        return f"{shown}: cannot be converted: {lines[0]}"
    return f"{shown}: cannot be converted:\n" + "\n".join(f"  {line}" for line in lines)
