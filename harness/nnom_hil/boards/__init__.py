"""Boards are data: TOML files become validated facts. No board or chip has code of its own."""

from typing import TYPE_CHECKING

from nnom_hil.lazy import lazily

if TYPE_CHECKING:
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
    from nnom_hil.boards.examination import Examination, examine, examine_alone
    from nnom_hil.boards.listing import BACKENDS, BoardLine, board_files, board_lines
    from nnom_hil.boards.published import published_mlperf
    from nnom_hil.boards.schema import Check, Cpu, Region
    from nnom_hil.boards.svd import load_svd
    from nnom_hil.boards.template import board_template
    from nnom_hil.boards.timing import CoreTiming, core_timing, timed_cores

__all__ = [
    "BACKENDS",
    "Board",
    "BoardLine",
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
    "board_files",
    "board_lines",
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
    "published_mlperf",
    "timed_cores",
]

__getattr__ = lazily(
    __name__,
    {
        "BACKENDS": "listing",
        "BoardLine": "listing",
        "baud_fault": "baud",
        "board_files": "listing",
        "board_lines": "listing",
        "Board": "board",
        "Check": "schema",
        "Chip": "chip",
        "Comparison": "against",
        "CoreTiming": "timing",
        "Cpu": "schema",
        "Examination": "examination",
        "FlashReads": "board",
        "NativeBackend": "board",
        "ProbeBackend": "board",
        "QemuBackend": "board",
        "Region": "schema",
        "RenodeBackend": "board",
        "Step": "board",
        "board_template": "template",
        "compare": "against",
        "core_timing": "timing",
        "examine": "examination",
        "examine_alone": "examination",
        "find_board": "board",
        "find_chip": "chip",
        "list_boards": "board",
        "list_chips": "chip",
        "load_board": "board",
        "load_svd": "svd",
        "published_mlperf": "published",
        "timed_cores": "timing",
    },
)
