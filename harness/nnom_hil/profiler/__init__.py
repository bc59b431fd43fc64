"""Exact counts of executed instructions, from a TCG plugin in QEMU."""

from nnom_hil.profiler.counting import (
    Block,
    Counted,
    Stretch,
    check_can_count,
    count_instructions,
)
from nnom_hil.profiler.plugin import counting_plugin

__all__ = [
    "Block",
    "Counted",
    "Stretch",
    "check_can_count",
    "count_instructions",
    "counting_plugin",
]
