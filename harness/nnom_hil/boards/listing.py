"""A line for each board, without the rules of whole files: the list must be there at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from nnom_hil.errors import BoardError
from nnom_hil.paths import boards_dir
from nnom_hil.toml import load_toml

__all__ = ["BACKENDS", "BoardLine", "board_files", "board_lines"]

BACKENDS: Final = ("native", "qemu", "renode", "probe")
"""In the order in which they are taken."""

_PROCESS: Final = BACKENDS[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardLine:
    """What the list tells. hz, flash, ram (bytes): None for a process of this machine.

    backends: those of the file. needs: what its probe needs beside pyOCD. usb: ids of its probe.
    """

    name: str
    title: str
    cpu: str
    hz: int | None
    flash: int | None
    ram: int | None
    backends: tuple[str, ...]
    needs: str | None
    usb: tuple[str, ...]


def board_files(extra: Path | None = None) -> dict[str, Path]:
    """Return every board file by name; those of the folder `extra` come before shipped ones."""
    if extra is not None and not extra.is_dir():
        raise BoardError(f"{extra}: not a folder; --boards names a folder of .toml files")
    folders = [boards_dir(), *([extra] if extra is not None else [])]
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.toml"))}


def board_lines(extra: Path | None = None) -> list[BoardLine]:
    """Return a line for each board; raises BoardError for a wrong file.

    Tests hold the shipped files to their rules; a user's are held to them here.
    """
    lines = []
    for path in board_files(extra).values():
        if extra is not None and path.parent == extra:
            from nnom_hil.boards.board import load_board

            load_board(path)
        try:
            lines.append(_line(load_toml(path)))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            from nnom_hil.boards.board import load_board

            load_board(path)  # it tells what is wrong
            raise
    return lines


def _line(document: Mapping[str, Any]) -> BoardLine:
    backend = document["backend"]
    memory, probe = document["memory"], backend.get("probe", {})
    native = _PROCESS in backend
    return BoardLine(
        name=document["name"],
        title=document["title"],
        cpu=document["core"]["cpu"],
        hz=None if native else document["clock"]["core_hz"],
        flash=None if native else memory["flash"]["length"],
        ram=None if native else memory["ram"]["length"],
        backends=tuple(name for name in BACKENDS if name in backend),
        needs=probe.get("needs"),
        usb=tuple(probe.get("usb", ())),
    )
