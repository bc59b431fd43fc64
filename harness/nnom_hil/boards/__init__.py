"""Boards are data: TOML files become validated facts. No board or chip has code of its own."""

from nnom_hil.boards.against import Comparison, compare
from nnom_hil.boards.baud import baud_fault
from nnom_hil.boards.board import (
    Board,
    FlashReads,
    NativeBackend,
    ProbeBackend,
    QemuBackend,
    RenodeBackend,
    Step,
    find_board,
    list_boards,
    load_board,
)
from nnom_hil.boards.chip import Chip, find_chip, list_chips
from nnom_hil.boards.examine import Examination, examine, examine_alone
from nnom_hil.boards.schema import Check, Cpu, Region
from nnom_hil.boards.svd import load_svd
from nnom_hil.boards.template import board_template
from nnom_hil.boards.timing import CoreTiming, core_timing, timed_cores

__all__ = [
    "Board",
    "Check",
    "Chip",
    "Comparison",
    "CoreTiming",
    "Cpu",
    "Examination",
    "FlashReads",
    "NativeBackend",
    "ProbeBackend",
    "QemuBackend",
    "Region",
    "RenodeBackend",
    "Step",
    "baud_fault",
    "board_template",
    "compare",
    "core_timing",
    "examine",
    "examine_alone",
    "find_board",
    "find_chip",
    "list_boards",
    "list_chips",
    "load_board",
    "load_svd",
    "timed_cores",
]
