"""What cannot be converted, told: one offender on the line, several as a list."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["Problem", "UnsupportedLayerError", "cannot_convert", "one_line"]

_CAUSE: Final = "Exception encountered: "
_MOST_LINES: Final = 20
_MOST_LETTERS: Final = 300


class UnsupportedLayerError(Exception):
    """Why one layer cannot be expressed."""


class Problem(NamedTuple):
    """A layer, its class, and why it cannot be converted."""

    name: str
    kind: str
    reason: str


def cannot_convert(shown: str | Path, problems: Sequence[Problem]) -> str:
    """Return the message, a screen at most; shown: how it calls the model."""
    lines = [
        f"{_short(p.name)} ({_short(p.kind)}): {_short(p.reason)}" for p in problems[:_MOST_LINES]
    ]
    if len(problems) == 1:
        return f"{shown}: cannot be converted: {lines[0]}"
    if len(problems) > _MOST_LINES:
        lines.append(f"... and {len(problems) - _MOST_LINES} more")
    return f"{shown}: cannot be converted:\n" + "\n".join(f"  {line}" for line in lines)


def one_line(exc: BaseException) -> str:
    """Return an error's cause in a line; Keras wraps one for each layer around the faulty one."""
    lines = str(exc).strip().splitlines() or [type(exc).__name__]
    causes = [line for line in lines if line.startswith(_CAUSE)]
    return _short(causes[-1].removeprefix(_CAUSE) if causes else lines[0])


def _short(text: str) -> str:
    line = " ".join(text.splitlines())
    return line if len(line) <= _MOST_LETTERS else f"{line[:_MOST_LETTERS]} ..."
