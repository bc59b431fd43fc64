"""Boards are data: TOML files become validated facts. No board or chip has code of its own."""

from nnom_hil.boards.board import (
    Board,
    Check,
    Cpu,
    NativeBackend,
    ProbeBackend,
    QemuBackend,
    RenodeBackend,
    Step,
    find_board,
    list_boards,
    load_board,
)
from nnom_hil.boards.template import board_template

__all__ = [
    "Board",
    "Check",
    "Cpu",
    "NativeBackend",
    "ProbeBackend",
    "QemuBackend",
    "RenodeBackend",
    "Step",
    "board_template",
    "find_board",
    "list_boards",
    "load_board",
]
