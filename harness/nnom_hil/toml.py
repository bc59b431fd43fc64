"""TOML of others, read in time proportional to its size: what would not be is refused first."""

import os
import stat
import tomllib
from pathlib import Path
from typing import Any, Final

from nnom_hil.text import HIDDEN

__all__ = ["load_toml", "parse_toml"]

_MOST_BYTES: Final = 256 << 10
_MOST_IN_A_LINE: Final = 4096
_MOST_DOTS: Final = 32  # tomllib's work grows with the square of a key's parts
_DEEPEST: Final = 32


def load_toml(path: Path) -> dict[str, Any]:
    """Return what a TOML file holds; raises OSError, or ValueError saying what is wrong."""
    # not to wait for a writer, where it is a pipe
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        if stat.S_ISFIFO(os.fstat(handle).st_mode):
            raise ValueError("it is a pipe, no file")
        return parse_toml(file.read(_MOST_BYTES + 1))


def parse_toml(data: bytes) -> dict[str, Any]:
    """Return what a TOML text holds; raises ValueError saying what is wrong with it."""
    if len(data) > _MOST_BYTES:
        raise ValueError(f"it has more than {_MOST_BYTES} bytes")
    try:
        text = data.decode()
    except UnicodeDecodeError as exc:
        raise ValueError(f"it is no UTF-8: {exc}") from exc
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > _MOST_IN_A_LINE or line.count(".") > _MOST_DOTS:
            raise ValueError(
                f"line {number} has {len(line)} characters and {line.count('.')} dots; at most "
                f"{_MOST_IN_A_LINE} and {_MOST_DOTS}"
            )
    try:
        found = tomllib.loads(text)
    except RecursionError as exc:
        raise ValueError(f"it is nested more than {_DEEPEST} deep") from exc
    _check(found)
    return found


def _check(found: dict[str, Any]) -> None:
    """Refuse text that is not for a terminal, and tables in tables without end."""
    level: list[tuple[str, Any]] = [("", found)]
    for _ in range(_DEEPEST):
        deeper: list[tuple[str, Any]] = []
        for place, value in level:
            if isinstance(value, dict):
                deeper += [(f"{place}.{key}", part) for key, part in value.items()]
                deeper += [(f"the key {key!r}", key) for key in value]
            elif isinstance(value, list):
                deeper += [(place, part) for part in value]
            elif isinstance(value, str) and (hidden := HIDDEN.search(value)):
                raise ValueError(
                    f"{place.lstrip('.')} = {value[:80]!r}: it holds the control character "
                    f"U+{ord(hidden[0]):04X}; remove it"
                )
        level = deeper
    if level:
        raise ValueError(f"it is nested more than {_DEEPEST} deep")
